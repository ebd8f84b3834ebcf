"""A gateway's handle on one session: what to ask now, and what came of it.

Law: nothing in here fails a user's request. What the disk refuses waits in memory, the session says ``degraded``, and
only a caller's own mistake raises. A method that records returns True once its event is on the disk.
"""

import logging
import weakref
from collections.abc import Awaitable, Callable, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from msgspec.structs import replace

from eventlog import clock, file
from eventlog.append import Durability, Log
from eventlog.attempts import Attempts
from eventlog.choosing import answered, new_id
from eventlog.config import find
from eventlog.degraded import Memory
from eventlog.errors import MisuseError
from eventlog.neighbours import Neighbours
from eventlog.observe import Observer
from eventlog.openclaw.hosted import log_of
from eventlog.outcomes import Hook, is_response
from eventlog.protection import Protection
from eventlog.sources import COMPANION
from replay import (
    AttemptFailed,
    AttemptSucceeded,
    Chain,
    Decision,
    Event,
    FailureCleared,
    LogRepaired,
    ModelState,
    ModelSwitch,
    Policy,
    changes,
    decide,
)

_logger: Final = logging.getLogger("switchlog")
_logger.addHandler(logging.NullHandler())

T = TypeVar("T")

_NO_RESPONSE: Final = frozenset({str, dict, list, bytes, int, float, bool, type(None)})
"""What needs no look for a status: it can have none."""


class Session:
    """One session's memory of what works. Made by :meth:`open`; safe to use from several threads and processes."""

    def __init__(
        self,
        log: Log,
        chain: Chain | None,
        policy: Policy,
        classify: Hook | None,
        neighbours: Neighbours | None = None,
        observe: Observer | None = None,
    ) -> None:
        self.chain = chain
        self.policy = policy
        self.classify = classify
        self._memory = Memory(log, neighbours, observe)
        weakref.finalize(self, log.close)  # a session that nobody holds any more must not keep its file open

    @classmethod
    def open(
        cls,
        path: str | Path,
        chain: Chain | None = None,
        policy: Policy | None = None,
        durability: Durability = "disk",
        classify: Hook | None = None,
        companion: bool = False,
        protection: Protection | None = None,
        neighbours: Neighbours | None = None,
        observe: Observer | None = None,
    ) -> Self:
        """The session whose log is ``path``. The file is made with the first event, in a folder of mode 0700.

        ``durability="disk"``: an event survives a power cut once the call that recorded it has returned;
        ``"process"``: it survives the death of the process only, and costs no sync. ``classify`` is asked first for
        the reason of an exception. Chain and policy that are left out come from the ``switchlog.toml`` beside or above
        the log (see :mod:`eventlog.config`); one that can't be used raises ConfigError. A log that can't be read or
        written does not raise: see :attr:`degraded`.

        ``companion``: keep the events in a file beside the transcript (``….jsonl.switchlog``), for a host that does not
        bear lines of others in its own. Once there, it is used without asking, and every reader reads the two as one.
        A transcript of OpenClaw's own is known: its events go into it under its lock where its version bears that, else
        into the companion (:mod:`eventlog.openclaw.placement`); :attr:`path` says where they go.

        ``protection``: keys that sign what is written, and what error texts lose; left out, the configuration's.
        ``neighbours``: the other sessions of a folder, see :class:`eventlog.Sessions`. ``observe`` is called with each
        attempt, failure, switch and saved attempt (see :mod:`eventlog.observe`).
        """
        if chain is None or policy is None or protection is None:
            config = find(Path(path).parent)
            chain, policy, protection = chain or config.chain, policy or config.policy, protection or config.protection
        log = log_of(Path(path), durability, protection, companion=companion)
        session = cls(log, chain, policy, classify, neighbours, observe)
        kind = file.network_file_system(session.path)
        if kind is not None:
            _logger.warning("%s lies on %s, where appends are not atomic: keep logs on a local disk", path, kind)
        session._memory.refresh()
        if protection.keys is None and session._memory.log.report.unproven:
            _logger.warning(
                "%s is written with keys and none is set: who has them will not count what is written", path
            )
        return session

    @property
    def path(self) -> Path:
        """The log's file."""
        return self._memory.log.path

    @property
    def id(self) -> str:
        """The session's id: the header's, or the file's name up to ``.jsonl``."""
        return self._memory.log.session

    @property
    def memory(self) -> Memory:
        """The log and what waits for it, for an adapter that runs a loop of its own (:mod:`eventlog.choosing`)."""
        return self._memory

    @property
    def state(self) -> ModelState:
        """Where the session stands now, what others have written included. Costs one ``lstat`` if nobody has."""
        self._memory.refresh()
        return self._memory.state

    @property
    def degraded(self) -> str | None:
        """Why events wait in memory instead of being on the disk; None if all is well."""
        return self._memory.degraded

    def decide(
        self, now: datetime | None = None, *, exclude: AbstractSet[str] = frozenset(), chain: Chain | None = None
    ) -> Decision:
        """Which model to ask at ``now`` (aware; the present if left out) and why not the others. Records nothing."""
        state, chain, now = self.state, self._chain(chain), now or clock.now()
        return decide(state, chain, now, self.policy, exclude, self._memory.elsewhere(state, chain, now, self.policy))

    def call(self, request: Callable[[str], T], *, turn: str | None = None, chain: Chain | None = None) -> T:
        """Ask the models in the order of the decision, until ``request(model)`` returns; what it returned.

        An error that blames a model is recorded and the next one is asked; so is a returned HTTP response of 400 and
        above. Other errors are the caller's and pass through. Raises AllModelsFailed when no model is left.
        """
        for attempt in self.attempts(turn=turn, chain=chain):
            with attempt:
                reply = request(attempt.model)
                return reply if type(reply) in _NO_RESPONSE or not is_response(reply) else attempt.response(reply)
        raise AssertionError("attempts end with an answer or an error")

    async def acall(
        self, request: Callable[[str], Awaitable[T]], *, turn: str | None = None, chain: Chain | None = None
    ) -> T:
        """:meth:`call` for asyncio: ``await session.acall(ask)`` with ``async def ask(model)``.

        What has to be recorded is written by a thread, so that no sync holds up the loop, and is finished even if the
        task is cancelled.
        """
        async for attempt in self.attempts(turn=turn, chain=chain):
            async with attempt:
                reply = await request(attempt.model)
                return reply if type(reply) in _NO_RESPONSE or not is_response(reply) else attempt.response(reply)
        raise AssertionError("attempts end with an answer or an error")

    def attempts(self, *, turn: str | None = None, chain: Chain | None = None) -> Attempts:
        """The attempts of one request: ``for attempt in session.attempts(): with attempt: …``.

        For asyncio: ``async for attempt in session.attempts(): async with attempt: …``.
        """
        return Attempts(self._memory, self._chain(chain), self.policy, self.classify, turn)

    def failed(
        self,
        model: str,
        *,
        reason: str = "unknown",
        status: int | None = None,
        retry_after_ms: int | None = None,
        error: str | None = None,
        turn: str | None = None,
        duration_ms: int | None = None,
        phase: str | None = None,
        deployment: str | None = None,
        seen: int | None = None,
    ) -> bool:
        """Record that a request to ``model`` failed. ``seen``: the session's position when that request began."""
        event = AttemptFailed(
            model=model,
            reason=reason,
            status=status,
            retry_after_ms=retry_after_ms,
            error=error,
            turn=turn,
            duration_ms=duration_ms,
            phase=phase,
            deployment=deployment,
            seen=self._memory.position if seen is None else seen,
            id=new_id(),
            timestamp=clock.now(),
        )
        return self._memory.add(event)

    def succeeded(
        self, model: str, *, turn: str | None = None, duration_ms: int | None = None, seen: int | None = None
    ) -> bool:
        """Record that ``model`` answered, if that changes anything: a healthy session writes nothing."""
        seen = self._memory.position if seen is None else seen
        return answered(self._memory, model, seen=seen, turn=turn, duration_ms=duration_ms)

    def switch(
        self, to: str, cause: str = "user", turn: str | None = None, *, by: str | None = None, note: str | None = None
    ) -> bool:
        """Record a switch. By a ``user`` it pins ``to`` until :meth:`unpin` and lifts what cools it.

        ``by`` and ``note`` say who and why, for whoever reads the log.
        """
        event_id, now, extra = new_id(), clock.now(), _said(by, note)
        return self._memory.record(
            lambda state: [
                ModelSwitch(to=to, from_=state.current, cause=cause, turn=turn, id=event_id, timestamp=now, extra=extra)
            ]
        )

    def unpin(self, turn: str | None = None, *, by: str | None = None, note: str | None = None) -> bool:
        """Take the pin away; without one, nothing is written."""
        event_id, now, extra = new_id(), clock.now(), _said(by, note)

        def switch(state: ModelState) -> list[Event]:
            if state.pinned is None or state.current is None:
                return []
            to = state.current
            return [ModelSwitch(to=to, from_=to, cause="unpin", turn=turn, id=event_id, timestamp=now, extra=extra)]

        return self._memory.record(switch)

    def clear(
        self, model: str | None = None, *, provider: str | None = None, by: str | None = None, note: str | None = None
    ) -> bool:
        """Record that somebody says a ``model``, or a whole ``provider``, is mended: its failures are forgotten."""
        if (model is None) == (provider is None):
            raise MisuseError("clear names a model or a provider, one of the two")
        event = FailureCleared(model=model, provider=provider, by=by, note=note, id=new_id(), timestamp=clock.now())
        return self._memory.add(event)

    def append(self, event: Event) -> bool:
        """Record an event that was made elsewhere; an id and a time are added where it has none.

        A success that changes nothing is not written, as everywhere. A ``log_repaired`` is no one's to make up
        (MisuseError): repairing the log records it.
        """
        if isinstance(event, LogRepaired):
            raise MisuseError("a log_repaired is written by a repair alone: switchlog repair FILE")
        event = replace(event, id=event.id or new_id(), timestamp=event.timestamp or clock.now())
        quiet = isinstance(event, AttemptSucceeded)
        return self._memory.record(lambda state: [event] if not quiet or changes(state, event) else [])

    def write(self, line: Mapping[str, object]) -> None:
        """Append a line of the host's own to the transcript, by the same protocol: locked, in one write, durable.

        ``parentId`` is added to a line that has an ``id`` and none. Raises OSError if the disk refuses, MisuseError for
        a line of our types, where the events lie in a companion file, or where the transcript is OpenClaw's.
        """
        if self.path.name.endswith(COMPANION):
            raise MisuseError("the events of this session lie in a companion file; the transcript is its host's alone")
        self._memory.log.write(line)

    def close(self) -> None:
        """Give the file back. The session can still be used; it opens the file again when it has to."""
        self._memory.flush()
        self._memory.log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _chain(self, chain: Chain | None) -> Chain:
        chosen = chain or self.chain
        if chosen is None:
            raise MisuseError('this session has no chain: Session.open(path, chain=Chain("provider/model", …))')
        return chosen


def _said(by: str | None, note: str | None) -> dict[str, object]:
    return {key: text for key, text in (("by", by), ("note", note)) if text is not None}
