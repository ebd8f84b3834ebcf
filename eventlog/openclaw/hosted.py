"""A log in a file that is a host's: in the transcript as long as that does no harm, else in the companion beside it.

Law: what was acknowledged stays where it is and is read. Within the transcript each append holds the host's lock. Once
there is a companion, all of us write there and nowhere else: it is made, and looked for, under ``flock`` of the
transcript, so that nothing is written into the transcript behind the look from which the companion's log goes on. The
way leads to the companion, never back.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from eventlog import file, sources
from eventlog.append import Durability, Log
from eventlog.errors import MisuseError, SwitchlogError
from eventlog.openclaw import lock
from eventlog.openclaw.placement import absolute, of_host, place
from eventlog.protection import OPEN, Protection
from eventlog.reading import read_events
from replay import INITIAL, Event, ModelState, Recorded, fold

LONGEST_HOLD: Final = 0.5
"""Seconds after which what is left to write goes to the companion: the host gives a turn up that waits for ten."""

_logger: Final = logging.getLogger("switchlog")


def log_of(
    path: Path, durability: Durability = "disk", protection: Protection = OPEN, *, companion: bool = False
) -> Log:
    """The log of the session whose transcript is ``path``, wherever its events go (see :func:`placement.place`)."""
    to = sources.companion(path) if companion else place(path)
    if to == path and not of_host(path):
        return Log(path, durability, protection=protection)
    return HostLog(path, durability, protection, beside=to != path)


class HostLog(Log):
    """The events of a transcript that somebody else writes. ``path`` is where they go at present."""

    def __init__(
        self,
        transcript: Path,
        durability: Durability = "disk",
        protection: Protection = OPEN,
        *,
        beside: bool,
        patience: float = lock.PATIENCE,
    ) -> None:
        self.patience = patience
        self._transcript = absolute(transcript)
        self._companion = sources.companion(self._transcript)
        self._inside = not beside
        self._settled = beside and file.exists(self._companion)  # else it is made with the first event
        self._hold = ExitStack()
        self._since = 0.0
        base, self._earlier = _told(self._transcript, protection) if beside else (INITIAL, frozenset[str | None]())
        super().__init__(self._companion if beside else self._transcript, durability, base, protection)
        # The descriptor may stay open between appends: the host replaces the file under its lock only, so that no
        # append finds the path naming another file after its look. And open, its inode can't be another file's.
        self._descriptor.creates = beside  # a transcript is its host's to make

    def current(self) -> bool:
        return super().current() and not (self._inside and file.exists(self._companion))

    def refresh(self) -> None:
        with self.mutex():
            if self.current():
                return
            if not self._settled and file.exists(self._companion):
                self._go_beside()
            super().refresh()

    def append(self, decide: Callable[[ModelState], Iterable[Event]]) -> list[Recorded]:
        with self.mutex(), self._held():
            return super().append(decide)

    def add(self, event: Event) -> Recorded:
        with self._held():
            return super().add(event)

    def write(self, line: Mapping[str, object]) -> None:
        raise MisuseError(f"a line of type {line.get('type')!r}: the transcript is its host's alone")

    def holds(self, event: Event) -> bool:
        return super().holds(event) or (event.id is not None and event.id in self._earlier)

    @contextmanager
    def _held(self) -> Iterator[None]:
        """The host's lock, where we write into its file. While a turn holds it, the companion is the place."""
        with ExitStack() as hold:
            if self._inside:
                try:
                    hold.enter_context(lock.held(self._transcript, self.patience))
                except lock.LockedError as error:
                    _logger.info("%s; events go to %s", error, self._companion)
                    self._go_beside()
            self._hold, self._since = hold, time.monotonic()
            yield

    def _lock(self) -> file.Identity:
        """Lock the file that the events go to, by what the folder says now: the host may have been upgraded, its file
        begun anew or set aside, or another process of ours has gone to the companion."""
        if not self._settled and (not self._inside or place(self._transcript) != self._transcript):
            self._go_beside()
        named = super()._lock()
        if not self._settled and file.exists(self._companion):
            self._go_beside()
            named = super()._lock()
        return named

    def _write(self, event: Event) -> Recorded:
        if self._inside and time.monotonic() - self._since > LONGEST_HOLD:
            if self._descriptor.fd is not None:
                self._descriptor.sync()  # who wants one sync for all will look for the rest only
            self._go_beside()
            self._catch_up(super()._lock())
        return super()._write(event)

    def _end_of_torn(self) -> bytes:
        if self._inside and self._known.reader.open_end:
            return b"\n"  # under the host's lock nobody is in the middle of a line: whoever began it is dead
        return super()._end_of_torn()

    def _go_beside(self) -> None:
        """From here on the companion. What we have acknowledged and the transcript lacks is written there again."""
        self._descriptor.forget()  # with a lock that it may hold
        with _locked(self._transcript):
            base, earlier = _told(self._transcript, self.protection)
            if not file.exists(self._companion):
                file.close(file.open_append(self._companion, create=True))
        known = self._acknowledged.items()
        self._acknowledged = OrderedDict((key, event) for key, event in known if key not in earlier)
        self._base, self._earlier, self._inside, self._settled = base, earlier, False, True
        self._descriptor.path, self._descriptor.creates, self._descriptor.identity = self._companion, True, None
        self._begin()
        self._hold.close()


@contextmanager
def _locked(transcript: Path) -> Iterator[None]:
    """``flock`` on the transcript, which keeps out those of us that write into it; of one that can't be opened none."""
    fd = None
    try:
        with suppress(OSError, SwitchlogError):
            fd = file.open_append(transcript, create=False)
            file.lock(fd)
        yield
    finally:
        if fd is not None:
            file.close(fd)


def _told(transcript: Path, protection: Protection) -> tuple[ModelState, frozenset[str | None]]:
    """What the transcript alone tells: the state, and the ids of its events."""
    ids = set[str | None]()

    def noted() -> Iterator[Recorded]:
        for recorded in read_events(transcript, alone=True, infer=False, protection=protection):
            ids.add(recorded.event.id)
            yield recorded

    try:
        return fold(noted()) if file.exists(transcript) else INITIAL, frozenset(ids)
    except (OSError, SwitchlogError):
        return INITIAL, frozenset()  # the host's trouble; what lies beside still counts
