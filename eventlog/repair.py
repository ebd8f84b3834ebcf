"""Repair: a damaged log is written anew, without losing a byte that might mean something.

Law: only NUL bytes are left out, nothing is changed and nothing judged away. What a crash or an accident glued together
gets a line of its own; what is altered, corrupt, misplaced or missing stays as it is, and is counted in a
``log_repaired`` record: from then on it is *known* damage. The file before stays under another name, and whoever reads
meets either the old file or the new one, whole.

Which bytes go, and where a line is ended, :mod:`eventlog.mending` says; here the new file takes the old one's place. It
is read before that: it must tell the same events. A host that goes on writing into the old one meanwhile makes us begin
again; a line it manages to write after that is carried over.
"""

import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from eventlog import clock, codec, file, sources
from eventlog.choosing import new_id
from eventlog.config import find
from eventlog.errors import SwitchlogError, UnreadableError
from eventlog.mending import Edit, Tale, edits
from eventlog.openclaw.lock import LockedError, held
from eventlog.openclaw.placement import of_host
from eventlog.protection import Protection
from replay import LogRepaired

PATIENCE: Final = 3
"""How often we begin again where somebody writes meanwhile."""


class BusyError(SwitchlogError):
    """Somebody writes into the log faster than it can be repaired."""


class UnsafeRepairError(SwitchlogError):
    """The repaired file would not tell what the old one tells; nothing was changed."""


@dataclass(slots=True)
class Repair:
    """What a repair does, or would do."""

    path: Path
    zeros: int = 0
    """Bytes that are left out: NULs, and the newline that ends a run of them."""
    runs: int = 0
    separated: int = 0
    """Pieces that get a line of their own, or the newline that their line lacks."""
    damage: dict[str, int] = field(default_factory=dict)
    """What stays in the log as known damage, by kind."""
    news: bool = False
    """Whether some of that was not known before."""
    copy: Path | None = None
    """The file before, once the repair is done."""

    def count(self, edit: Edit) -> None:
        self.zeros += edit.zeros
        self.runs += edit.zeros > 0
        self.separated += edit.newline

    @property
    def needed(self) -> bool:
        return bool(self.zeros or self.separated or self.news)


def plan(path: Path, protection: Protection | None = None) -> Repair:
    """What a repair of the log would do. Changes nothing. Raises UnreadableError."""
    try:
        fd = file.open_read(path)
    except OSError as error:
        raise UnreadableError(path, (error.strerror or str(error)).lower()) from None
    try:
        return _Work(path, fd, _rules(path, protection)).found
    finally:
        file.close(fd)


def repair(
    path: Path, *, by: str | None = None, note: str | None = None, protection: Protection | None = None
) -> Repair:
    """Repair the log, if it needs that; what was done.

    On a crash the log is the old one or the new one, never a part; at worst a file ``.<name>.repair`` stays behind,
    which the next repair replaces. Raises BusyError or UnsafeRepairError, and OSError where the disk refuses; nothing
    was changed then.
    """
    rules = _rules(path, protection)
    try:
        with held(path) if of_host(path) else nullcontext():
            for _ in range(PATIENCE):
                fd = file.open_append(path, create=False)
                try:
                    file.lock(fd)
                    done = _attempt(path, fd, rules, by, note)
                finally:
                    file.close(fd)  # its lock goes with it
                if done is not None:
                    return done
                time.sleep(0.05)
    except LockedError as error:
        raise BusyError(f"{error}; repair it when its turn is over") from None
    raise BusyError(f"{path}: somebody is writing into it; stop the gateway, then repair it again")


def _rules(path: Path, protection: Protection | None) -> Protection:
    return find(path.parent).protection if protection is None else protection


def _attempt(path: Path, fd: int, rules: Protection, by: str | None, note: str | None) -> Repair | None:
    """One try under the lock; None if the file changed meanwhile."""
    before = file.identify(fd)
    if not before.same_file(file.identify_path(path)):
        return None
    work = _Work(path, fd, rules)
    if not work.found.needed:
        return work.found
    if work.report.unproven and rules.keys is None:
        raise UnsafeRepairError(f"{path}: it is written with keys; repair it where the key is (key_file)")
    new = path.with_name(f".{path.name}.repair")
    try:
        work.write(new, by, note)
        if file.identify(fd) != before:
            return None
        file.replace(path, new, work.kept)
    finally:
        new.unlink(missing_ok=True)
    work.carry_over()
    work.found.copy = work.kept
    return work.found


class _Work:
    """One log, read once: what is to be done to it, and how."""

    def __init__(self, path: Path, fd: int, rules: Protection) -> None:
        self._path, self._fd, self._rules = path, fd, rules
        self._size = file.identify(fd).size
        self._told = self._tells(fd, self._size)
        self.report = self._told.reader.report
        self.kept = _name_for_copy(path)
        self.found = Repair(path, damage=self.report.damage, news=self.report.damaged)
        for edit in self._edits():
            self.found.count(edit)

    def write(self, new: Path, by: str | None, note: str | None) -> None:
        """The repaired log as a file of its own, on the disk."""
        fd = file.open_new(new, self._fd)
        try:
            done = 0
            for edit in self._edits():
                self._copy(fd, done, edit.offset)
                _write(fd, b"\n" if edit.newline else b"")
                done = edit.offset + edit.zeros
            self._copy(fd, done, self._size)
            told = self._tells(fd, file.identify(fd).size)
            if told.digest != self._told.digest:
                raise UnsafeRepairError(
                    f"{self._path}: repaired, it would tell other events; mend it by hand, from a copy"
                )
            self.found.damage = told.reader.report.damage
            record = self._record(told, fd, by, note)
            _write(fd, record.data + b"\n")
            file.sync(fd)
        finally:
            file.close(fd)

    def carry_over(self) -> None:
        """What somebody wrote into the old file at the last moment goes behind the new one too."""
        late = file.identify(self._fd).size - self._size
        if late <= 0:
            return
        fd = file.open_append(self._path, create=False)
        try:
            file.lock(fd)
            _write(fd, file.read_at(self._fd, self._size, late))
            file.sync(fd)
        finally:
            file.close(fd)

    def _record(self, told: Tale, fd: int, by: str | None, note: str | None) -> codec.Record:
        """The ``log_repaired`` that comes behind what the new file tells."""
        event = LogRepaired(
            copy=self.kept.name,
            zeros=self.found.zeros,
            by=by,
            note=note,
            id=new_id(),
            timestamp=clock.now(),
            corrupt=self.found.damage["corrupt"],
            altered=self.found.damage["altered"],
            misplaced=self.found.damage["misplaced"],
            conflict=self.found.damage["conflict"],
            gaps=self.found.damage["gaps"],
        )
        report = told.reader.report
        return codec.encode(
            event,
            session=report.session or sources.session_name(self._path),
            parent_id=told.reader.last_entry(lambda offset, length: file.read_at(fd, offset, length)),
            prev=report.last_seal,
            protection=self._rules,
        )

    def _tells(self, fd: int, size: int) -> Tale:
        return Tale(_blocks(fd, size), sources.session_name(self._path), self._rules)

    def _edits(self) -> Iterator[Edit]:
        return edits(_blocks(self._fd, self._size))

    def _copy(self, fd: int, start: int, end: int) -> None:
        for offset in range(start, end, file.BLOCK):
            data = file.read_at(self._fd, offset, min(file.BLOCK, end - offset))
            if len(data) < min(file.BLOCK, end - offset):
                raise UnsafeRepairError(f"{self._path}: it shrank while it was read; nothing was changed")
            _write(fd, data)


def _blocks(fd: int, size: int) -> Iterator[bytes]:
    for offset in range(0, size, file.BLOCK):
        yield file.read_at(fd, offset, min(file.BLOCK, size - offset))


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[file.write(fd, data) :]


def _name_for_copy(path: Path) -> Path:
    stamp = clock.now().strftime("%Y%m%dT%H%M%S")
    names = (f"{path.name}.before-repair-{stamp}{more}" for more in ("", *(f".{n}" for n in range(2, 1000))))
    return next(found for name in names if not (found := path.with_name(name)).exists())
