"""What the other sessions of a folder know: a key that is rate limited is so for every session.

Law: a view, never a second truth. The folder's ``.switchlog-failing`` only says in which logs to look; what counts is
what these logs say, read when it is asked for. Lost, late or wrong, it costs an attempt and nothing else. Bounded: the
latest :data:`WATCHED` logs that failed.
"""

import contextlib
import logging
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from eventlog import file
from eventlog.errors import SwitchlogError
from eventlog.openclaw.hosted import log_of
from eventlog.protection import OPEN, Protection
from eventlog.sources import COMPANION, session_name
from eventlog.view import View
from replay import NOWHERE, Elsewhere, ModelState, Policy, Skipped
from replay.decide import bearing

HINTS: Final = ".switchlog-failing"
"""One file name a line, newest last; anybody may delete it."""

WATCHED: Final = 64
PATIENCE: Final = 1.0
"""Seconds for which a session that has its own experience is content with the last look."""

_LONGEST: Final = 64 << 10
_AGAIN: Final = 600.0
_NAME: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]{0,160}")

_logger: Final = logging.getLogger("switchlog")


class Neighbours:
    """The logs of a folder in which something failed lately. Safe to use from several threads."""

    def __init__(self, folder: Path, protection: Protection = OPEN) -> None:
        self._path = folder / HINTS
        self._protection = protection
        self._logs: OrderedDict[str, View] = OrderedDict()
        self._identity: file.Identity | None = None
        self._looked = float("-inf")
        self._hinted: dict[str, float] = {}
        self._lock = threading.Lock()

    def failed(self, log: Path, *, first: bool) -> None:
        """A failure was recorded in this log, the ``first`` one that it holds now: let the others look there.

        Raises nothing; a lost hint costs an attempt.
        """
        now = time.monotonic()
        with self._lock:
            if not first and now - self._hinted.get(log.name, float("-inf")) < _AGAIN:
                return
            self._hinted = {name: then for name, then in self._hinted.items() if now - then < _AGAIN} | {log.name: now}
        try:
            self._hint(log.name)
        except (OSError, SwitchlogError) as error:
            _logger.debug("%s can't be written: %s", self._path, error)

    def elsewhere(
        self, own: str, models: Iterable[str], now: datetime, policy: Policy, *, patient: bool = False
    ) -> Elsewhere:
        """What the other logs say of ``models`` at ``now``. ``own`` is the file name of the log that asks.

        ``patient``: a look of the last second will do. Raises nothing.
        """
        with self._lock:
            try:
                self._look(patient=patient)
            except (OSError, SwitchlogError) as error:
                _logger.debug("%s can't be read: %s", self._path, error)
            asking = session_name(Path(own))  # its transcript and the companion of that are one session
            states = [
                (log.session, log.state) for name, log in self._logs.items() if session_name(Path(name)) != asking
            ]
        if not states:
            return NOWHERE
        found = {model: tuple(_told(states, model, now, policy)) for model in models}
        return {model: told for model, told in found.items() if told}

    def _look(self, *, patient: bool) -> None:
        now = time.monotonic()
        if patient and now - self._looked < PATIENCE:
            return
        self._looked = now
        found = file.identify_path(self._path)
        if found is not None and found != self._identity:
            self._read(found)
        for name, log in list(self._logs.items()):
            if not log.current():
                log.refresh()
                log.close()  # many logs are watched, and none needs a descriptor meanwhile
            if not log.state.tried and not log.state.probing:
                del self._logs[name]  # mended; its next failure is hinted again

    def _read(self, found: file.Identity) -> None:
        fd = file.open_read(self._path)
        try:
            before = self._identity
            known = before.size if before is not None and found.same_file(before) and before.size <= found.size else 0
            data = file.read_at(fd, max(known, found.size - _LONGEST), _LONGEST)
        finally:
            file.close(fd)
        self._identity = found
        for line in data.split(b"\n"):
            if _NAME.fullmatch(line):
                name = line.decode()
                if name not in self._logs:
                    self._logs[name] = self._log(self._path.with_name(name))
                self._logs.move_to_end(name)
        while len(self._logs) > WATCHED:
            self._logs.popitem(last=False)

    def _log(self, path: Path) -> View:
        """A transcript and its companion are one log."""
        transcript = path.with_name(path.name.removesuffix(COMPANION))
        return log_of(transcript, protection=self._protection, companion=path != transcript)

    def _hint(self, name: str) -> None:
        fd = file.open_append(self._path, create=True)
        try:
            if file.identify(fd).size > _LONGEST:  # readers look at its end; begin anew
                with contextlib.suppress(FileNotFoundError):
                    self._path.unlink()
                file.close(fd)
                fd = file.open_append(self._path, create=True)
            file.write(fd, name.encode() + b"\n")
        finally:
            file.close(fd)


def _told(states: list[tuple[str, ModelState]], model: str, now: datetime, policy: Policy) -> Iterable[Skipped]:
    for session, state in states:
        for one in bearing(state, model, now, policy):
            yield replace(one, session=session)
