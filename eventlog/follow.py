"""One session's events as they come, through all that happens to its file.

Law: bytes in, events with the state after each out; each event is told once, however often its file is replaced. The
file that stands there now is the truth: where it was replaced or cut, the state begins anew with it, and what was told
before is not told again. Nothing is written, and nothing but what can never be read raises.

A line is told when it has its newline: a record is one write, so what has none yet is half of one, or was cut off by a
crash, and the next append ends it. Who asks for an end (``finish``) is told it all the same, as by a reader.

A transcript and its companion are one session: first the transcript as far as it goes, then the companion; what comes
later, in the order in which it comes. What a host's own lines tell counts until the first event of ours.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from eventlog import raw, sources
from eventlog.errors import UnreadableError
from eventlog.lines import Kind
from eventlog.live_inference import LiveInference
from eventlog.pipe import Pipe
from eventlog.protection import OPEN, Protection
from eventlog.reader import Reader
from eventlog.report import Report
from eventlog.tail import Chunk, Tail
from replay import INITIAL, Event, ModelState, Recorded, evolve, fields_from_event

REPLACED: Final = "the file was replaced or cut; what stands in it now counts"
OURS: Final = "the first event of switchlog's own; what was inferred from the host's lines counts no more"

_OURS: Final = (Kind.NEWER.value, Kind.ALTERED.value, Kind.MISPLACED.value)


@dataclass(frozen=True, slots=True)
class Step:
    """An event, and the states before and after it."""

    recorded: Recorded
    before: ModelState
    after: ModelState
    inferred: bool = False


@dataclass(frozen=True, slots=True)
class Restart:
    """The state begins anew here."""

    why: str


class Following:
    """The session of a transcript that goes on: ``read`` what there is, ``wait`` for more.

    ``path`` None is standard input. The file need not be there yet.
    """

    def __init__(
        self,
        path: Path | None,
        protection: Protection = OPEN,
        stop: threading.Event | None = None,
        *,
        infer: bool = True,
    ) -> None:
        self.stop = threading.Event() if stop is None else stop
        self.state: ModelState = INITIAL
        self._path = path
        self._protection = protection
        self._infer = infer
        self._told: set[tuple[str, int]] = set()
        try:
            self._open()
        except ValueError as error:  # a NUL in the name
            raise UnreadableError(path or sources.STDIN, str(error)) from None
        self._begin()

    def _open(self) -> None:
        self._main: Tail | Pipe = Pipe(self.stop) if self._path is None else Tail(self._path, self.stop)
        self._beside: Tail | None = None
        if self._path is not None:  # waited for together with the other: it needs no watch of its own
            self._beside = Tail(sources.companion(self._path), self.stop, polling=True)

    def _begin(self) -> None:
        """Nothing has been read."""
        self.state = INITIAL
        self._reader = self._new_reader()
        self._companion: Reader | None = None
        self._inference = LiveInference() if self._infer else None  # never again, once an event of ours has come
        self._now: Counter[str] = Counter()
        """How often each event has come since the state began."""

    def close(self) -> None:
        """Give back what the system lent."""
        self._main.close()
        if self._beside is not None:
            self._beside.close()

    @property
    def ended(self) -> bool:
        """Whether nothing more can come: a pipe has ended."""
        return self._main.ended

    @property
    def piped(self) -> bool:
        """Whether it comes from standard input, and ends."""
        return self._path is None

    @property
    def trouble(self) -> str | None:
        """Why it can't be read now."""
        return self._main.trouble or (None if self._beside is None else self._beside.trouble)

    @property
    def session(self) -> str | None:
        """The session's id, as far as it is known."""
        return self._reader.report.session

    @property
    def report(self) -> Report:
        """The condition of what was read so far; call it once, at the end."""
        report = self._reader.report
        if self._companion is not None:
            report.add(self._companion.report)
        return report

    def read(self) -> Iterator[Step | Restart]:
        """All that is there now and was not told; never waits. Raises UnreadableError for a gateway's log."""
        while not self.stop.is_set():
            chunk = self._main.read()
            if chunk is not None:
                yield from self._take(chunk)
                continue
            beside = None if self._beside is None else self._beside.read()
            if beside is None:
                return
            yield from self._take_beside(beside)

    def wait(self, seconds: float | None = None) -> None:
        """Return as soon as there may be something to read; after ``seconds``, or one, in any case."""
        if isinstance(self._main, Tail):
            self._main.wait(seconds, self._beside)  # both are in one folder: the one's watch tells of the other
        else:
            self._main.wait(seconds)

    def finish(self) -> Iterator[Step]:
        """What a last line without its newline tells. Nothing can be read afterwards."""
        ours = self._reader.finish()
        if self._companion is not None:
            ours += self._companion.finish()
        yield from self._steps(ours)
        if self._inference is not None and not ours:
            yield from self._inferred(self._inference.finish())

    def _take(self, chunk: Chunk) -> Iterator[Step | Restart]:
        if chunk.begins_anew:
            if self._reader.report.size:
                both = self._companion is not None
                self._begin()
                yield Restart(REPLACED)
                if both:  # the companion's events count behind those of the new file: both are read again
                    self._reopen()
                    return
            if raw.log_form(chunk.data) is not None:
                named = self._path or sources.STDIN
                raise UnreadableError(named, "is a gateway's log, no transcript", "follow it by import --follow")
        found = self._reader.feed(chunk.data)
        if found or any(self._reader.report.pieces[kind] for kind in _OURS):
            yield from self._end_inference()
        if self._inference is not None:
            yield from self._inferred(self._inference.feed(chunk.data))
        yield from self._steps(found)

    def _take_beside(self, chunk: Chunk) -> Iterator[Step | Restart]:
        yield from self._end_inference()
        if chunk.begins_anew and self._companion is not None and self._companion.report.size:
            self._begin()
            self._reopen()
            yield Restart(REPLACED)
            return
        if self._companion is None:
            self._companion = self._new_reader()
        yield from self._steps(self._companion.feed(chunk.data))

    def _reopen(self) -> None:
        self.close()
        self._open()

    def _end_inference(self) -> Iterator[Restart]:
        """An event of ours: what the host's lines told is void."""
        told = self._inference is not None and self.state.position > 0
        self._inference, self._infer = None, False
        if told:
            self.state = INITIAL
            yield Restart(OURS)

    def _inferred(self, found: Iterator[tuple[int, Event]]) -> Iterator[Step]:
        for offset, event in found:
            yield from self._step(event, offset, inferred=True)

    def _steps(self, found: list[Recorded]) -> Iterator[Step]:
        for recorded in found:
            yield from self._step(recorded.event, recorded.offset, inferred=False)

    def _step(self, event: Event, offset: int, *, inferred: bool) -> Iterator[Step]:
        recorded = Recorded(event, self.state.position + 1, offset)
        before, self.state = self.state, evolve(self.state, recorded)
        key = event.id or sha256(repr(fields_from_event(event)).encode("utf-8", "replace")).hexdigest()
        self._now[key] += event.id is None  # two that are alike and have no id are two
        known = (key, self._now[key])
        if known not in self._told:
            self._told.add(known)
            yield Step(recorded, before, self.state, inferred)

    def _new_reader(self) -> Reader:
        return Reader(sources.Source(self._path).name, 0, self._protection)
