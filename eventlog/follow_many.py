"""Where all sessions of a place stand, as they go on.

Law: a session is read again when its files have changed, and no file is kept open: ten thousand sessions cost a stamp
each. What the system tells of is looked at within milliseconds; what it doesn't, with the next listing. A session that
is gone is told as gone; what can't be read is told in its row.

A long one that is written to all the time is read again now and then, not each time: reading takes a twentieth of the
time at most.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from eventlog import sources
from eventlog.errors import UnreadableError
from eventlog.follow import Step
from eventlog.row import Listed, Question, Standing
from eventlog.standing import standing, steps

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

STEP: Final = 2
"""Milliseconds between two looks at what the system told; it is handed on at the second, 3 ms later in the middle. The
looks cost 2 % of a core."""

LISTED: Final = 2.0
"""Seconds between two listings where nothing tells of changes."""

TOLD: Final = 10.0
"""The same where the system does: a change may go untold, and a new folder is not watched yet."""

_PAUSE: Final = 100
"""Nobody having asked for it, listing takes a hundredth of the time at most; else a tenth."""

_LONG: Final = 0.025

_SHARE: Final = 20
_STORED: Final = 8
"""The newest of a database are read again whenever it has changed: its own word on each may come late."""

Stamp = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """What has become of a session: ``before`` is None if it is new, ``after`` if it is gone."""

    before: Standing | None
    after: Standing | None


class FollowingMany:
    """The sessions that ``listing`` names: ``begin`` with where they stand, then ``look`` and ``wait`` in turn."""

    def __init__(
        self, listing: Callable[[], list[Listed]], question: Callable[[], Question], stop: threading.Event | None = None
    ) -> None:
        """``question`` is asked anew for each reading: its time is that moment's."""
        self.stop = threading.Event() if stop is None else stop
        self.rows: dict[str, Standing] = {}
        self._listing = listing
        self._question = question
        self._stamps: dict[str, Stamp] = {}
        self._held: dict[str, Listed] = {}
        self._dirty: set[str] = set()
        self._due: dict[str, float] = {}  # sessions that took long: not before then
        self._next = 0.0
        self._soonest = 0.0
        self._watcher: RustNotify | None = None
        self._watched: tuple[str, ...] = ()

    def begin(self, read: Callable[[list[Listed]], Iterator[Standing]]) -> None:
        """List and read them all; ``read`` says how."""
        self._list()
        held = {name: self._held[name] for name in self._dirty if name in self._held}
        for name, row in zip(held, read(list(held.values())), strict=True):
            self.rows[name] = row
        self._dirty.clear()

    def close(self) -> None:
        """Give back what the system lent."""
        if self._watcher is not None:
            self._watcher.close()
        self._watcher, self._watched = None, ()

    def look(self) -> list[Change]:
        """What has changed since the last look."""
        if time.monotonic() >= self._next:
            self._list()
        found: list[Change] = []
        now = time.monotonic()
        for name in [name for name in self._dirty if self._due.get(name, 0.0) <= now]:
            if self.stop.is_set():
                break
            self._dirty.discard(name)
            before, listed = self.rows.get(name), self._held.get(name)
            if listed is None:
                if self.rows.pop(name, None) is not None:
                    found.append(Change(before, None))
                continue
            began = time.monotonic()
            row = self.rows[name] = standing(listed, self._question())
            took = time.monotonic() - began
            self._due.pop(name, None)
            if took > _LONG:
                self._due[name] = time.monotonic() + _SHARE * took
            found.append(Change(before, row))
        return found

    def wait(self, seconds: float) -> None:
        """Return as soon as something may have changed; after ``seconds`` in any case."""
        now = time.monotonic()
        waiting = [self._due.get(name, now) for name in self._dirty]
        seconds = max(0.0, min([seconds, self._next - now, *(due - now for due in waiting)]))
        if self._watcher is None:
            self.stop.wait(min(seconds, LISTED))
            return
        told = self._watcher.watch(4 * STEP, STEP, max(1, round(seconds * 1000)), self.stop)
        if told == "signal":
            raise KeyboardInterrupt
        if isinstance(told, set):
            self._touched({path for _, path in told})

    def _touched(self, paths: set[str]) -> None:
        for path in paths:
            name = path.removesuffix(sources.COMPANION)
            if not name.endswith(sources.SUFFIX):
                if ".sqlite" in Path(path).name:
                    self._list_soon()
            elif name in self._held:
                if not self._stamp(name, self._held[name]):
                    self._list_soon()
            else:
                self._list_soon()  # a new one, or it is known by another name

    def _stamp(self, name: str, listed: Listed) -> bool:
        """Look whether the session's files have changed; False if they are gone."""
        if listed.source.stored is not None:
            stamp: Stamp = (listed.updated,)
        else:
            stamp = (_stamp(name), _stamp(name + sources.COMPANION))
            if stamp == (None, None):
                return False
        if self._stamps.get(name) != stamp:
            self._stamps[name] = stamp
            self._dirty.add(name)
        return True

    def _list(self) -> None:
        """See which sessions are there, and which have changed."""
        began = time.monotonic()
        try:
            held = {_name(one): one for one in self._listing()}
        except UnreadableError:  # nothing is there now, or it may not be listed
            held = {name: one for name, one in self._held.items() if self._stamp(name, one)}
        gone = self._held.keys() - held.keys()
        self._dirty |= gone
        for name in gone:
            self._stamps.pop(name, None)
            self._due.pop(name, None)
        self._held = held
        for name, one in held.items():
            if not self._stamp(name, one):
                self._dirty.add(name)
        self._look_into_databases(held)
        self._watch()
        now = time.monotonic()
        self._next = now + max(TOLD if self._watcher is not None else LISTED, _PAUSE * (now - began))
        self._soonest = now + 10 * (now - began)

    def _list_soon(self) -> None:
        self._next = min(self._next, self._soonest)

    def _look_into_databases(self, held: dict[str, Listed]) -> None:
        for path in {one.source.path for one in held.values() if one.source.stored is not None and one.source.path}:
            stamp = (_stamp(str(path)), _stamp(f"{path}-wal"))
            if self._stamps.get(f"{path}") != stamp:
                self._stamps[f"{path}"] = stamp
                own = [name for name, one in held.items() if one.source.path == path]
                own.sort(key=lambda name: held[name].updated or 0.0)
                self._dirty.update(own[-_STORED:])

    def _watch(self) -> None:
        paths = {one.source.path for one in self._held.values()}
        folders = tuple(sorted({str(path.parent.absolute()) for path in paths if path is not None}))
        if folders == self._watched:
            return
        from watchfiles._rust_notify import RustNotify

        self.close()
        self._watched = folders
        with suppress(OSError, RuntimeError):  # gone again, or the system's watches are used up: it is listed
            self._watcher = RustNotify(list(folders), False, False, 300, False, True) if folders else None


def new_steps(change: Change, question: Question) -> Iterator[Step]:
    """The events that a session has gained. Where its file was replaced: those behind the last one that was told."""
    before, after = change.before, change.after
    if after is None or after.error is not None:
        return
    every = (step for step in steps(after.listed, question) if step.recorded.position <= after.events)
    if before is None or before.error is not None or before.inferred != after.inferred:
        yield from every
        return
    later, behind = [], not before.events
    for step in every:
        event = step.recorded.event
        last = event.id == before.last_id if before.last_id else step.recorded.position == before.events
        if behind:
            yield step
        elif last:
            behind = True
        elif event.timestamp is not None and (before.last is None or event.timestamp > before.last):
            later.append(step)
    if not behind:
        yield from later


def restarted(change: Change) -> bool:
    """Whether what was told of it before is void: it was inferred, and events of ours have come."""
    before, after = change.before, change.after
    return before is not None and after is not None and before.inferred and not after.inferred and before.events > 0


def _name(listed: Listed) -> str:
    source = replace(listed.source, path=listed.source.path.absolute()) if listed.source.path else listed.source
    return str(source.path) if source.stored is None else str(source)


def _stamp(path: str) -> Stamp | None:
    try:
        found = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
