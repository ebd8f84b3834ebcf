"""The logs that are measured: transcripts of the real shape, from a seed.

Law: the same seed gives the same bytes, on any machine. Our records come from the real codec, so that seals and chain
are right; host lines have the form of OpenClaw's messages. Of the transcripts' records, all bear one of the two names
that ripgrep is asked for, and no host line does: so its count and ours are one number. Made once into a folder, and
used again where they are there already.
"""

import bisect
import os
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final

import orjson

from benchmarks.harness import progress
from eventlog import codec
from replay import AttemptFailed, AttemptSucceeded, Event, FailureCleared, ModelSwitch
from replay.events import format_time

SEED: Final = 60466
PATTERN: Final = "model_switch|attempt_failed"
SESSION: Final = "17a309d8"
OWN: Final = 0.03
"""The part of a transcript's lines that is ours."""

MODELS: Final = ("kimi/kimi2.5", "zhipu/glm-5.1", "local/qwen2.5:14b")
_BEGAN: Final = datetime(2026, 4, 2, 4, 55, 40, 889000, tzinfo=UTC)
_ERRORS: Final = {
    "rate_limit": "429 Too Many Requests, this model is limited to 60 requests a minute, try again in 7 s",
    "timeout": "the request was given up after 120 s without a first byte from the upstream",
    "server_error": "upstream connect error or disconnect/reset before headers; reset reason was connection failure",
    "overloaded": "the service is overloaded at the moment, please try again later (request 7f3a2c)",
}
_WORDS: Final = (
    "the a of to and in is it that for on with as this be are was from by not have has or an at which we if can will "
    "session model file line error request test function return value cache index folder window retry limit answer "
    "config deploy branch commit merge review build server client stream parser schema record update delete insert "
    "müssen größer naïve café 日本語 данные → … ✓ { } [ ] ( ) : ; , . <div> </div> if(x) 0x7ffe 1,024 a?b=c&d=%20"
)
_ESCAPED: Final = ["\n"] * 5 + ["\n\n", "\t", '"', '"', "C:\\work", "\x1b[31mFAILED\x1b[0m"]
_HEAD: Final = (
    b'{"type":"message","id":"%s","parentId":"%s","timestamp":"%s",'
    b'"message":{"role":"%s","content":[{"type":"text","text":"'
)
_ENDS: Final = {
    b"user": b'"}]}}\n',
    b"assistant": b'"}],"api":"openai-completions","stopReason":"stop"}}\n',
    b"toolResult": b'"}],"toolName":"exec","isError":false}}\n',
}
_ROLES: Final = (b"user", b"assistant", b"assistant", b"toolResult", b"toolResult")


class Story:
    """One log as it grows: our records with seal and chain, and a host's lines between them."""

    def __init__(self, session: str, seed: str) -> None:
        self.dice = random.Random(seed)  # noqa: S311  (seeded data, no secret)
        self.session = session
        self.events = 0
        self._time = _BEGAN
        self._parent: str | None = None
        self._prev: str | None = None
        self._model = 0

    def header(self) -> bytes:
        return codec.header(self.session, format_time(_BEGAN), "/home/op/work") + b"\n"

    def host(self, length: int) -> bytes:
        """A message of about so many bytes."""
        blob, cuts = _text()
        identity = f"{self.dice.getrandbits(32):08x}"
        role = _ROLES[self.dice.randrange(len(_ROLES))]
        self._time += timedelta(milliseconds=1234)
        begin = cuts[self.dice.randrange(len(cuts) // 2)]
        end = cuts[bisect.bisect(cuts, begin + max(length - 175, 20))]
        parent = (self._parent or "").encode()
        head = _HEAD % (identity.encode(), parent, format_time(self._time).encode(), role)
        self._parent = identity
        return head + blob[begin:end] + _ENDS[role]

    def own(self, *, all_types: bool = False) -> bytes:
        """The next record of ours. ``all_types``: also those that ripgrep isn't asked for."""
        self._time += timedelta(milliseconds=self.dice.randrange(1, 9000))
        event = self._next(f"{self.dice.getrandbits(64):016x}", all_types=all_types)
        record = codec.encode(event, session=self.session, parent_id=self._parent, prev=self._prev)
        self._parent, self._prev = event.id, record.seal
        self.events += 1
        return record.data + b"\n"

    def _next(self, identity: str, *, all_types: bool) -> Event:
        model, dice = MODELS[self._model], self.dice
        turn = f"t-{self.events // 3}"
        kind = dice.random()
        if self.events == 0 or kind < 0.2:
            before, cause = None, "initial"
            if self.events:
                self._model = (self._model + dice.randrange(1, len(MODELS))) % len(MODELS)
                before, cause = model, "fallback" if self._model else "probe"
            return ModelSwitch(
                to=MODELS[self._model], from_=before, cause=cause, turn=turn, id=identity, timestamp=self._time
            )
        if all_types and kind < 0.4:
            return AttemptSucceeded(
                model=model,
                duration_ms=dice.randrange(400, 90_000),
                seen=self.events,
                turn=turn,
                id=identity,
                timestamp=self._time,
            )
        if all_types and kind < 0.42:
            return FailureCleared(model=model, by="operator", note="topped up", id=identity, timestamp=self._time)
        reason = dice.choice(list(_ERRORS))
        return AttemptFailed(
            model=model,
            reason=reason,
            status=429 if reason == "rate_limit" else None,
            retry_after_ms=7000 if reason == "rate_limit" else None,
            error=_ERRORS[reason],
            duration_ms=dice.randrange(40, 90_000),
            seen=self.events,
            turn=turn,
            id=identity,
            timestamp=self._time,
        )


def transcript(out: BinaryIO, story: Story, size: int, length: Callable[[random.Random], int]) -> None:
    """A host's transcript of about so many bytes; ``length`` draws that of its lines. It holds one of ours at least."""
    written = out.write(story.header()) + out.write(story.own())
    while written < size:
        mine = story.dice.random() < OWN
        written += out.write(story.own() if mine else story.host(length(story.dice)))


def events(out: BinaryIO, count: int, seed: int = SEED) -> None:
    """A log of ours alone: so many events of all types, some 370 bytes each."""
    story = Story(SESSION, f"events {seed}")
    out.write(story.header())
    for _ in range(count):
        out.write(story.own(all_types=True))
        progress("events", story.events, count)


def long_lines(dice: random.Random) -> int:
    return dice.randrange(10_300, 50_000)


def short_lines(dice: random.Random) -> int:
    return dice.randrange(300, 480)


def mixed_lines(dice: random.Random) -> int:
    """0.5 to 50 KB: many short, some long."""
    return int(500 * 100 ** dice.random())


class Data:
    """The folder of what has been made."""

    def __init__(self, folder: Path, *, quick: bool = False) -> None:
        self.folder = folder
        self.quick = quick

    def scaled(self, count: int) -> int:
        """So many, or a hundredth of it for a quick look."""
        return count // 100 if self.quick else count

    def log(self, name: str, size: int, length: Callable[[random.Random], int]) -> Path:
        """A transcript of so many bytes. One seed for each name, so a smaller one is the beginning of a larger."""
        return self._made(f"{name}-{size}", lambda out: transcript(out, Story(SESSION, f"{SEED} {name}"), size, length))

    def events(self, count: int) -> Path:
        return self._made(f"events-{count}", lambda out: events(out, count))

    def sessions(self, count: int, size: int = 200_000) -> Path:
        """A folder of so many transcripts."""
        folder = self.folder / f"sessions-{count}-{size}"
        if not folder.is_dir():
            draft = folder.with_suffix(".part")
            draft.mkdir(exist_ok=True)
            for number in range(count):
                name = f"{number:08x}"
                with (draft / f"{name}.jsonl").open("wb") as out:
                    transcript(out, Story(name, f"{SEED} session {number}"), size, mixed_lines)
                progress("sessions", number + 1, count)
            draft.rename(folder)
            settle()
        return folder

    def some_sessions(self, of: Path, count: int) -> Path:
        """A folder with the first so many of another, as further names of the same files."""
        files = sorted(of.iterdir())
        if count >= len(files):
            return of
        folder = of.with_name(f"{of.name}-first-{count}")
        if not folder.is_dir():
            folder.mkdir()
            for one in files[:count]:
                (folder / one.name).hardlink_to(one)
        return folder

    def _made(self, name: str, make: Callable[[BinaryIO], None]) -> Path:
        path = self.folder / name / f"{SESSION}.jsonl"
        if not path.exists():
            progress(f"making {name}")
            path.parent.mkdir(exist_ok=True)
            draft = path.with_suffix(".part")
            with draft.open("wb", buffering=1 << 20) as out:
                make(out)
            draft.rename(path)
            settle()
        return path


def settle() -> None:
    """What was made goes to the disk now, and not beneath a measurement."""
    progress("waiting for the disk")
    os.sync()


_made_text: list[tuple[bytes, list[int]]] = []


def _text() -> tuple[bytes, list[int]]:
    """2 MB of a conversation's text, escaped as in JSON, and the places where it may be cut; made once a process."""
    if not _made_text:
        dice = random.Random(SEED)  # noqa: S311  (seeded data, no secret)
        words = [orjson.dumps(word)[1:-1] for word in (*_WORDS.split(), *_ESCAPED)]
        cuts, parts, at = [0], list[bytes](), 0
        while at < 2 << 20:
            part = b" ".join(dice.choices(words, k=5)) + b" "
            parts.append(part)
            at += len(part)
            cuts.append(at)
        _made_text.append((b"".join(parts), cuts))
    return _made_text[0]
