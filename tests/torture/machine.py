"""A machine for the real code to run on: its disk is a simulated one, its clock and its ids are decided by the test.

Law: while it runs, the log's code sees nothing of the real disk, clock or randomness; afterwards all is as it was.
"""

import contextlib
import hashlib
import itertools
import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Final

from disk import EPOCH, ROOT, Disk, inside

from eventlog import append, choosing, clock, file, reading, session, sources
from eventlog.config import Config

CALLS: Final = (
    "open_append",
    "open_read",
    "close",
    "lock",
    "unlock",
    "identify",
    "identify_path",
    "read_at",
    "write",
    "written_to",
    "sync",
    "sync_folder",
    "exists",
)
"""The functions of ``eventlog.file`` that a disk replaces by its own of the same name."""


class Machine:
    """What the code runs on: a disk, which may be changed for another one, its clock, and ids that a seed decides."""

    def __init__(self) -> None:
        self.disk = Disk()
        self.seed(0)

    def seed(self, *parts: object) -> None:
        """From here on the events' ids follow from ``parts``."""
        self._ids = (hashlib.blake2b(f"{parts}{n}".encode(), digest_size=8).hexdigest() for n in itertools.count())

    def _call(self, name: str) -> Callable[..., object]:
        return lambda *arguments, **named: getattr(self.disk, name)(*arguments, **named)

    def _now(self) -> datetime:
        return EPOCH + timedelta(milliseconds=self.disk.wall_ms)

    def patches(self) -> Iterator[tuple[object, str, object]]:
        """What is replaced while the machine runs: (where, name, by what)."""
        for name in CALLS:
            yield file, name, self._call(name)
        yield file, "working_folder", lambda: str(ROOT)
        yield file, "network_file_system", lambda _: None
        for module in (reading, session):  # no switchlog.toml lies above the simulated folder
            if hasattr(module, "find"):
                yield module, "find", lambda *_, **__: Config()
        yield clock, "now", self._now
        yield choosing, "_random", SimpleNamespace(getrandbits=lambda _: int(next(self._ids), 16))
        times = {
            "monotonic": lambda: self.disk.monotonic_ms / 1000,
            "time": lambda: self._now().timestamp(),
            "sleep": lambda seconds: self.disk.pass_time(seconds),
        }
        yield append, "time", SimpleNamespace(**times)
        lexists = {"lexists": lambda path: self.disk.exists(Path(path))}
        yield sources, "os", SimpleNamespace(path=SimpleNamespace(**lexists), scandir=os.scandir)
        exists, is_dir = Path.exists, Path.is_dir
        yield Path, "exists", lambda path: self.disk.exists(path) if inside(path) else exists(path)
        yield Path, "is_dir", lambda path: path == ROOT if inside(path) else is_dir(path)

    @contextlib.contextmanager
    def running(self) -> Iterator["Machine"]:
        """While this lasts, the log's code sees this machine and not the real one."""
        with contextlib.ExitStack() as stack:
            for where, name, replacement in list(self.patches()):
                stack.callback(setattr, where, name, getattr(where, name))
                setattr(where, name, replacement)
            yield self
