"""One conversation with a live OpenClaw, and what its model was sent of it.

Law: the script is the same for everyone, so that runs can be compared turn by turn; what differs is who writes into the
transcript meanwhile, and when. A count is taken from what the provider received, never from the transcript.
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.openclaw_host import Host
from benchmarks.openclaw_install import Programs
from benchmarks.openclaw_provider import SPOKEN, SUMMARY, Message, Provider
from benchmarks.openclaw_writers import Nobody, Ours, cut_last_line
from eventlog import read_events
from eventlog.look import OUR_TYPES

TURNS: Final = 20
AFTER: Final = {
    3: "kill",
    6: "term",
    9: "compact",
    11: "kill",
    12: "cut the host's",
    15: "cut ours, heal",
    17: "cut ours",
    18: "term",
}
"""What happens once so many turns are over: a signal and a new start, ``/compact``, the last line cut in a kill."""

TOLD: Final = {
    "kill": "SIGKILL and a new start",
    "term": "SIGTERM and a new start",
    "compact": "/compact",
    "cut the host's": "SIGKILL, the host's last line (an answer) cut in the middle, ours behind it",
    "cut ours, heal": "SIGKILL, our last line cut in the middle, healed by our next append",
    "cut ours": "SIGKILL, our last line cut in the middle, and left so",
}
HOLD: Final = 3.0
"""Seconds of an answer, where lines are written while it is on its way."""

BETWEEN: Final = 3
"""So many turns of that run come first, with lines written between them."""

_KEY: Final = "agent:main:bench"
_KEEP: Final = {"compaction": {"keepRecentTokens": 24}}


@dataclass
class Run:
    """What came of one conversation."""

    messages: list[int] = field(default_factory=list)
    """By turn: the messages of the history that the provider was sent, the new question among them."""
    missing: list[list[str]] = field(default_factory=list)
    """By turn: what was said and is not in that history."""
    wanted: list[int] = field(default_factory=list)
    """By turn: how much of what was said has to be in it."""
    summaries: int = 0
    """Requests that the compaction made."""
    strange: list[str] = field(default_factory=list)
    inside: int = 0
    beside: int = 0
    acknowledged: int = 0
    attempted: int = 0
    lost: int = 0
    host_lines: int = 0
    host_lost: int = 0
    verified: bool = True


def play(
    programs: Programs, folder: Path, writer: Nobody, turns: int = TURNS, *, during: bool = False
) -> Iterator[Run]:
    """The conversation; the run so far after each turn. ``during``: what is written, is written within a turn."""
    with Provider() as provider:
        host = Host(programs, folder, provider, **_KEEP)
        try:
            host.start()
            yield from _Story(host, provider, writer).turns(turns, {} if during else AFTER, during=during)
        finally:
            host.stop()


class _Story:
    def __init__(self, host: Host, provider: Provider, writer: Nobody) -> None:
        self._host, self._provider, self._writer = host, provider, writer
        self._run = Run()
        self._said: list[str] = []  # what the model has to know
        self._lines: dict[bytes, None] = {}  # the host's, as they were first seen
        self._transcript = Path()

    def turns(self, count: int, after: dict[int, str], *, during: bool) -> Iterator[Run]:
        for turn in range(1, count + 1):
            within = during and turn > BETWEEN
            self._provider.hold = HOLD if within else 0.0
            self._turn(turn, within=within)
            self._then(turn, after.get(turn, ""), write=not within)
            yield self._run
        self._end()
        yield self._run

    def _turn(self, turn: int, *, within: bool) -> None:
        question, since = f"question {turn}", len(self._provider.asked)
        sent = self._host.send(_KEY, question)
        if within:
            for _ in range(2):
                time.sleep(HOLD / 4)
                self._writer.write(self._transcript, turn)
        state, text = self._host.wait(sent)
        if (state, text) != ("final", f"answer {turn}"):
            self._run.strange.append(f"turn {turn}: {state} {text}")
        self._said.append(question)
        asked = self._provider.asked[since:]
        if len(asked) != 1:
            self._run.strange.append(f"turn {turn}: {len(asked)} requests")
        self._count(asked[0].history if asked else ())
        self._said.append(f"answer {turn}")
        self._transcript = self._host.transcript(_KEY)
        self._host.rest(self._transcript)
        if turn == 1:
            self._writer.begin(self._transcript)
        self._see()

    def _count(self, history: tuple[Message, ...]) -> None:
        heard = list(dict.fromkeys(spoken for message in history for spoken in SPOKEN.findall(message.text)))
        self._run.messages.append(len(history))
        self._run.wanted.append(len(self._said))
        self._run.missing.append([one for one in self._said if one not in heard])
        known = [one for one in heard if one in self._said]
        if known != [one for one in self._said if one in known]:
            self._run.strange.append(f"{self._said[-1]}: the history is in another order")

    def _then(self, turn: int, what: str, *, write: bool) -> None:
        """What happens after a turn, and what is written there."""
        host, writer = self._host, self._writer
        if what == "cut the host's":
            host.stop()
            self._lines.pop(cut_last_line(self._transcript))
            self._said.remove(f"answer {turn}")
        if write:
            writer.write(self._transcript, turn)
        if what == "compact":
            self._compact()
        elif what.startswith("cut ours"):
            host.stop()
            if isinstance(writer, Ours):
                writer.cut()
            if what.endswith("heal"):
                writer.write(self._transcript, turn)
        elif what:
            host.stop(signal.SIGTERM if what == "term" else signal.SIGKILL)
            writer.close()
        if what not in ("", "compact"):
            host.start()

    def _compact(self) -> None:
        """From here on the model has to know the summary, what the host chose to keep, and what is said after it."""
        since = len(self._provider.asked)
        state, text = self._host.turn(_KEY, "/compact")
        self._run.summaries = len(self._provider.asked) - since
        self._host.rest(self._transcript)
        self._see()
        kept = _kept(self._transcript)
        if state != "final" or not kept or self._said[-len(kept) :] != kept or len(kept) == len(self._said):
            self._run.strange.append(f"/compact: {state} {text}, keeps {kept}")
        self._said = [SUMMARY, *kept]

    def _see(self) -> None:
        """The host's lines that stand in its file."""
        self._lines.update(dict.fromkeys(_host_lines(self._transcript)))

    def _end(self) -> None:
        self._writer.close()
        run, found = self._run, set(_host_lines(self._transcript))
        run.host_lines, run.host_lost = len(self._lines), sum(line not in found for line in self._lines)
        if not isinstance(self._writer, Ours):
            return
        ours = self._writer.attempted
        inside = [one.event.turn for one in read_events(self._transcript, alone=True) if one.event.turn in ours]
        everywhere = [one.event.turn for one in read_events(self._transcript)]
        run.attempted, run.acknowledged = len(ours), len(self._writer.acknowledged)
        run.inside, run.beside = len(inside), len(everywhere) - len(inside)
        run.lost = sum(everywhere.count(label) != 1 for label in ours)
        command = [sys.executable, "-m", "cli.app", "verify", str(self._transcript)]
        run.verified = subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603


def _host_lines(transcript: Path) -> list[bytes]:
    whole = transcript.read_bytes().split(b"\n")[:-1]
    return [line for line in whole if line and json.loads(line).get("type") not in OUR_TYPES]


def _kept(transcript: Path) -> list[str]:
    """What the newest compaction keeps of what was said before it."""
    lines = [json.loads(line) for line in transcript.read_bytes().split(b"\n") if line]
    place = max((index for index, line in enumerate(lines) if line["type"] == "compaction"), default=None)
    if place is None:
        return []
    first = next(index for index, line in enumerate(lines) if line.get("id") == lines[place]["firstKeptEntryId"])
    return [spoken for line in lines[first:place] for spoken in SPOKEN.findall(json.dumps(line.get("message")))]
