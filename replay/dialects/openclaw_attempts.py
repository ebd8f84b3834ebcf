"""Which session a line of OpenClaw's logs belongs to: the attempts that are under way, as far as it told.

Law: pure. State comes from the lines alone and is bounded, whatever they say.

The lines around an attempt name its run, its session or its lane; the decision that closes it names only the model::

    [agent/embedded] embedded run start: runId=R sessionId=S provider=P model=M …
    [agent/embedded] embedded run agent end: runId=R isError=true model=M provider=P error=… rawError=…
    [agent/embedded] embedded run failover decision: runId=R … decision=fallback_model … from=P/M   (old: provider=)
    [diagnostic] lane task error: lane=session:<session key or id> durationMs=… error="…"

A quiet console shows few of them, so each alone has to do. In the file log a decision names its run as well, or the
session itself; where only the run is known, the attempt that ended right before tells whose it is, or a later line.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, TypeVar

from replay.reasons import UNKNOWN

__all__ = ["VALUE_LENGTH", "Attempt", "Attempts", "fields_of", "is_session_id", "shortened", "status_of"]

_SESSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_STATUS: Final = re.compile(r"(?:HTTP )?([45]\d\d)\b", re.ASCII)
_ENDS: Final = frozenset({"fallback_model", "surface_error"})
_SETTLE: Final = timedelta(seconds=10)
"""A decision follows the end of its attempt within milliseconds; an end that is older has none (the last candidate's
abort, a primary that answered)."""
_AT_ONCE: Final = timedelta(seconds=0.5)
"""So soon after it a decision that names an unknown run is taken for the end that was told last."""
_KEPT: Final = 1024
"""Attempts and names that are remembered: far more than run at once, and a bound for a log without end."""
VALUE_LENGTH: Final = 256
_ERROR_LENGTH: Final = 500
_KEYS: Final = frozenset({
    *("runId", "sessionId", "sessionKey", "lane", "provider", "model", "from", "isError"),
    *("decision", "candidate", "reason", "next"),
})  # fmt: skip
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_RUN: Final = "run "
_V = TypeVar("_V")


@dataclass(slots=True)
class Attempt:
    """A candidate that a session tries. ``key``: the session's id, or the best name there is until it is known."""

    key: str = ""
    session: str | None = None
    model: str | None = None
    expected: bool = False  # named by the last decision's next=, not seen to begin yet
    ended: datetime | None = None
    failed: bool = False
    redirected: bool = False  # put back before it was asked
    error: str | None = None
    status: int | None = None

    @property
    def run(self) -> str | None:
        """The run that names it for want of a session."""
        named = self.session is None and self.key.startswith(_RUN)
        return self.key.removeprefix(_RUN) if named else None

    def fits(self, reason: str, time: datetime, failed: bool) -> bool:
        """Whether a decision of this kind can be about it: not about one that ended long ago, or otherwise."""
        if self.ended is not None and (abs(time - self.ended) > _SETTLE or self.failed != failed):
            return False
        return not self.redirected or reason == UNKNOWN

    def fails(self, told: str, raw: str = "") -> None:
        """Keep what the log says of the failure: its own words, and the status that the upstream's begin with."""
        self.error, self.status = shortened(told), status_of(raw or told)


class Attempts:
    """The attempts under way, the one told of last at the end."""

    def __init__(self) -> None:
        self._open: dict[str, Attempt] = {}
        self._sessions: dict[str, str] = {}  # "run <id>" or "key <session key or id>" -> session id
        self._learned: list[tuple[str, str]] = []

    def learned(self) -> tuple[tuple[str, str], ...]:
        """The runs whose session has become known since the last call."""
        learned, self._learned = tuple(self._learned), []
        return learned

    def restart(self) -> None:
        """Forget what was under way: no attempt outlives its process."""
        self._open.clear()

    def run(self, message: str, time: datetime) -> None:
        """A line of ``[agent/embedded]``: who runs what, and how it ended."""
        what, colon, rest = message.partition(": ")
        if not colon or not what.startswith("embedded run "):
            return
        head, _, error = rest.partition(" error=")
        told, _, raw = error.partition(" rawError=")
        self.run_told(what, fields_of(head), time, told, raw)

    def run_told(self, what: str, fields: Mapping[str, str], time: datetime, told: str = "", raw: str = "") -> None:
        """The same, already taken apart: what the line is about, its fields, its error as told and as it came in."""
        session = self._learn(fields)
        if session is None and "runId" not in fields:
            return
        key = session or _RUN + fields["runId"]
        if what == "embedded run start":
            self._touch(key, session, _model(fields), time)
        elif what == "embedded run agent end" and fields.get("isError") == "true":
            self._touch(key, session, _model(fields), time).fails(told, raw)
        elif what == "embedded run failover decision" and fields.get("decision") in _ENDS:
            self._touch(key, session, fields.get("from") or fields.get("provider"), time, failed=True)

    def lane(self, message: str, time: datetime) -> None:
        """A line of ``[diagnostic]``. Lanes end right before a decision, also where no run ever began."""
        head, _, quoted = message.partition('"')  # within quotes stands anybody's text
        what, _, rest = head.partition(": ")
        fields = fields_of(rest)
        self._learn(fields)
        kind, _, name = fields.get("lane", "").partition(":")
        if kind != "session" or not name:
            return
        session = self._sessions.get(f"key {name}") or (name if _UUID.fullmatch(name) else None)
        key = session or f"key {name}"
        if what == "lane dequeue":  # something new begins: an end that is still kept had no decision
            if key in self._open and self._open[key].ended is not None:
                del self._open[key]
        elif what.startswith("lane task "):
            attempt = self._touch(key, session, None, time, failed=what != "lane task done")
            if what == "lane task error" and attempt.error is None:
                attempt.fails(quoted.rpartition('"')[0])

    def switch(self, session: str | None, model: str, time: datetime, redirected: bool) -> str | None:
        """The host leaves ``model``. A chain that waits for this very model tells whose line it is, or who that is."""
        waiting = [one for one in self._open.values() if one.model == model and one.expected]
        if session is None:
            session = waiting[-1].session if waiting else None
        elif len(waiting) == 1 and waiting[0].session is None:
            self._name(waiting[0].key, session)
        self._touch(session or "", session, model, time, failed=True).redirected = redirected
        return session

    def skip(self, model: str, following: str | None) -> str | None:
        """A chain that waits for ``model`` passes it over for ``following`` (None: it stays)."""
        waiting = [one for one in self._open.values() if one.model == model and one.expected]
        if not waiting:
            return None
        waiting[-1].model = following or model
        return waiting[-1].session

    def close(
        self, model: str, reason: str, time: datetime, failed: bool, named: Mapping[str, str] = _NOTHING
    ) -> Attempt:
        """Take out the attempt that a decision on ``model`` closes; one without a session where none surely is.

        A decision that names its session or its run (``named``) closes nobody else's; without such a name:
        Best first: one that has just ended on this model; one that has just ended on a model that the log did not
        name, or (where a plugin overrides the model) by a redirect; one that runs on this model and whose end the log
        doesn't show; any that has just ended. Of several the one told of last, and redirects only for ``unknown``.
        An attempt that fits in no such way is taken only if it is the only one there is.
        """
        session, run = self._learn(named), named.get("runId")
        if session is None and run is not None:
            session = self._owner(_RUN + run, model, reason, time, failed)
        if session is not None or run is not None:
            return self._close_named(session or f"{_RUN}{run}", session, reason, time, failed)
        ranked: list[tuple[tuple[int, bool, int], Attempt]] = []
        for age, one in enumerate(self._open.values()):
            over = one.ended is not None
            if not one.fits(reason, time, failed):
                continue
            if one.model == model:
                rank = 4 if over else 2
            else:
                rank = 0 if not over else 3 if one.model is None or one.redirected else 1
            ranked.append(((rank, one.redirected, age), one))
        (rank, *_), attempt = max(ranked, key=lambda pair: pair[0], default=((0, False, 0), Attempt()))
        if rank == 0 and len(ranked) != 1:
            return Attempt()
        del self._open[attempt.key]
        return attempt

    def _close_named(self, key: str, session: str | None, reason: str, time: datetime, failed: bool) -> Attempt:
        attempt = self._open.pop(key, None)
        return attempt if attempt is not None and attempt.fits(reason, time, failed) else Attempt(key, session)

    def _owner(self, run: str, model: str, reason: str, time: datetime, failed: bool) -> str | None:
        """The session of a run that no line has named: whose attempt ended at once before, if it is only one."""
        ended = [
            one
            for one in self._open.values()
            if one.session is not None
            and one.ended is not None
            and abs(time - one.ended) <= _AT_ONCE
            and one.fits(reason, time, failed)
        ]
        exact = [one for one in ended if one.model == model]
        found = exact or [one for one in ended if one.model is None or one.redirected]
        if len(found) != 1 or found[0].session is None:
            return None
        own = self._open.pop(run, None)
        if own is not None and own.error is not None:  # what the run said itself says more than its lane
            found[0].error, found[0].status = own.error, own.status
        self._name(run, found[0].session)
        return found[0].session

    def expect(self, closed: Attempt, model: str) -> None:
        """The chain of an attempt that was closed goes on with ``model``."""
        if closed.key:
            _put(self._open, closed.key, Attempt(closed.key, closed.session, model, expected=True))

    def _learn(self, fields: Mapping[str, str]) -> str | None:
        """The line's session: named by it, or by an earlier one of the same run."""
        session = fields.get("sessionId", "unknown")
        run = _RUN + fields["runId"] if "runId" in fields else None
        if session == "unknown" or not is_session_id(session):
            return None if run is None else self._sessions.get(run)
        for name in (run, f"key {fields.get('sessionKey', session)}", f"key {session}"):
            if name is not None and name != "key unknown":
                self._name(name, session)
        return session

    def _name(self, name: str, session: str) -> None:
        """From now on this run or key is that session; so is an attempt that was met before."""
        if name.startswith(_RUN) and self._sessions.get(name) != session:
            self._learned.append((name.removeprefix(_RUN), session))
        _put(self._sessions, name, session)
        attempt = self._open.pop(name, None)
        if attempt is not None:
            attempt.key = attempt.session = session
            _put(self._open, session, attempt)

    def _touch(
        self, key: str, session: str | None, model: str | None, time: datetime, failed: bool | None = None
    ) -> Attempt:
        """The attempt that a line tells of, and with ``failed`` that it is over.

        It is another one than the line before told of if the model is another, or if that one was over already.
        """
        attempt = self._open.get(key)
        if attempt is not None and attempt.ended and (failed is None or abs(time - attempt.ended) > _SETTLE):
            attempt = None
        if attempt is None or (model is not None and attempt.model not in (model, None)):
            attempt = Attempt(key, session)
        attempt.model, attempt.expected = model or attempt.model, False
        if failed is not None:
            attempt.ended, attempt.failed = time, failed
        _put(self._open, key, attempt)
        return attempt


def is_session_id(text: str) -> bool:
    """Whether the text may name a transcript: anything else would be a path, or worse."""
    return _SESSION.fullmatch(text) is not None


def fields_of(text: str) -> dict[str, str]:
    """The ``key=value`` tokens that mean something here; the first of a name counts, an endless value doesn't."""
    fields: dict[str, str] = {}
    for token in text.split():
        key, _, value = token.partition("=")
        if key in _KEYS and 0 < len(value) <= VALUE_LENGTH:
            fields.setdefault(key, value)
    return fields


def status_of(text: str) -> int | None:
    """The HTTP status that an error text begins with."""
    match = _STATUS.match(text)
    return None if match is None else int(match[1])


def shortened(text: str) -> str | None:
    """The text at a length that fits a record; None for no text."""
    return (text if len(text) <= _ERROR_LENGTH else text[: _ERROR_LENGTH - 1] + "…") or None


def _model(fields: Mapping[str, str]) -> str | None:
    provider, model = fields.get("provider"), fields.get("model")
    return None if provider is None or model is None else f"{provider}/{model}"


def _put(table: dict[str, _V], key: str, value: _V) -> None:
    """Set the entry as the youngest, and forget the oldest beyond the bound."""
    table.pop(key, None)
    table[key] = value
    if len(table) > _KEPT:
        del table[next(iter(table))]
