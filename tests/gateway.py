"""What a gateway's tests need besides a provider: models, a clock to turn, a disk that refuses, a client's error."""

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from eventlog import Chain, Session, file, read_events
from replay import Event, ModelState, fold
from replay.events import type_name

KIMI: Final = "kimi/kimi2.5"
GLM: Final = "zhipu/glm-5.1"
LOCAL: Final = "local/qwen2.5:14b"
CHAIN: Final = Chain(KIMI, GLM, LOCAL)


class RefusedError(Exception):
    """What a client raises on an HTTP status, as far as we look at it."""

    def __init__(self, status: int = 429, text: str = "Rate limit reached", **headers: str) -> None:
        super().__init__(text)
        self.status_code = status
        self.headers: Mapping[str, str] = {name.replace("_", "-"): value for name, value in headers.items()}


class Clock:
    """The sessions' clock, standing still unless it is turned. It starts at the present, which a log's header needs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)
        monkeypatch.setattr("eventlog.clock.now", lambda: self.now)

    def forward(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass
class Disk:
    """Stands in front of ``eventlog.file``: counts what goes to the disk, and refuses it while ``refuses`` is set."""

    writes: int = 0
    syncs: int = 0
    refuses: int | None = None
    """The errno of every write."""
    sync_refuses: int | None = None
    left: int | None = None
    """So many more writes succeed, then the disk is full."""
    calls: list[str] = field(default_factory=list)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> "Disk":
        write, sync, lock = file.write, file.sync, file.lock

        def locking(fd: int) -> None:
            self.calls.append("lock")
            lock(fd)

        def writing(fd: int, data: bytes) -> int:
            self.calls.append("write")
            if self.left is not None:
                self.left -= 1
                self.refuses = errno.ENOSPC if self.left < 0 else self.refuses
            if self.refuses is not None:
                raise OSError(self.refuses, os.strerror(self.refuses))
            self.writes += 1
            return write(fd, data)

        def syncing(fd: int) -> None:
            self.calls.append("sync")
            if self.sync_refuses is not None:
                raise OSError(self.sync_refuses, os.strerror(self.sync_refuses))
            self.syncs += 1
            sync(fd)

        monkeypatch.setattr(file, "lock", locking)
        monkeypatch.setattr(file, "write", writing)
        monkeypatch.setattr(file, "sync", syncing)
        return self

    def fill(self) -> None:
        self.refuses = errno.ENOSPC

    def cure(self) -> None:
        self.refuses = self.sync_refuses = self.left = None


def events(path: Path) -> list[Event]:
    """What stands in the log."""
    return [recorded.event for recorded in read_events(path)]


def told(path: Path) -> list[str]:
    """What stands in the log, each event in a word or two: ``attempt_failed kimi/kimi2.5``."""
    return [
        f"{type_name(event)} {getattr(event, 'to', None) or getattr(event, 'model', None)}" for event in events(path)
    ]


def folded(path: Path) -> ModelState:
    """The state that the log alone tells."""
    return fold(read_events(path)) if path.exists() else ModelState()


def agrees(session: Session) -> bool:
    """Whether the session knows what its log says: no more, no less."""
    return session.state == folded(session.path)
