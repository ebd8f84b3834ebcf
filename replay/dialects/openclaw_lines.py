"""What the lines of OpenClaw's logs mean, whichever form they have (2026.3.28 to 2026.9.6).

Law: pure. Recognised lines in, one :class:`LogLine` for each out; the same lines give the same answer.

Three kinds of line tell of a failover::

    [agent/embedded] live session model switch detected before attempt for <session>: A -> B
    [agent/embedded] live session model switch detected: A -> B
    [model-fallback/decision] model fallback decision: decision=… requested=… candidate=A reason=R next=B [detail=…]

The *switch* is not a switch that A failed: the gateway turned to A, found B persisted, and put B back before it had
asked A anything. So it is A→B ``reverted``, and the ``candidate_failed … reason=unknown`` that follows is A
``redirected``, which blames nobody. Worded ``after failed attempt`` A was asked and did fail: its reason stays.

*Decisions* seldom name a session; :mod:`replay.dialects.openclaw_attempts` joins them to the attempt whose end the
lines before them tell. Where that isn't certain the session is None, and the caller may know better. A candidate that
the gateway refused by itself (its key cools, the transcript is locked) got no request either: ``redirected`` too, with
the log's own reason kept in ``extra["loggedReason"]``. Where the log shows no error text, such a refusal can't be told
from a failure. Nor does it say that a primary answered: only a success after a failure is decided on.

An event's id comes from its time, type, models and place in the line, so reading a log twice, in part or beside an
overlapping one gives the same ids; two identical lines are one event.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from replay.dialects.openclaw_attempts import Attempt, Attempts, fields_of, is_session_id, shortened, status_of
from replay.events import AttemptFailed, AttemptSucceeded, Event, ModelSwitch, format_time
from replay.reasons import REDIRECTED, UNKNOWN

__all__ = ["Lines", "LogLine"]

_SWITCH: Final = re.compile(
    r"live session model switch (?:detected|requested)(?: (?P<when>[a-z ]{1,40}?))?(?: for (?P<session>\S{1,128}))?: "
    r"(?P<left>\S{1,256}) -> (?P<right>\S{1,256})(?!\S)"
)
_REFUSED: Final = re.compile(
    r"is temporarily disabled after a provider|\(all in cooldown or unavailable\)|session file locked \(timeout"
)
"""What the gateway says where it refused a candidate itself, without a request."""

_SWITCH_HEAD: Final = "live session model switch "
_DECISION_HEAD: Final = "model fallback decision: "


@dataclass(frozen=True, slots=True)
class LogLine:
    """What one line of the log told.

    ``kind``: ``event``; ``restart`` (of the gateway); ``skip`` (a candidate passed over, or probed while it cools: no
    event); ``unreadable`` (speaks of a switch or a decision, but can't be understood: cut off, garbled); ``blank``;
    ``other`` (anything else, lines without a time included). ``session`` is the one the line was joined to, if any;
    else ``run`` may name the gateway's run. ``learned``: runs whose session this line tells, so that whoever has kept
    the lines of such a run knows it now.
    """

    number: int
    kind: str
    session: str | None = None
    events: tuple[Event, ...] = ()
    run: str | None = None
    learned: tuple[tuple[str, str], ...] = ()


class Lines:
    """Translates lines one by one. It keeps which session each attempt belongs to, never the lines."""

    def __init__(self) -> None:
        self._number = 0
        self._announced = False
        self._attempts = Attempts()

    def _message(self, subsystem: str, message: str, time: datetime | None) -> LogLine:
        """A line of words. Without a time (it can't be read) nothing is an event."""
        if time is None:
            return self._told("unreadable" if message.startswith((_SWITCH_HEAD, _DECISION_HEAD)) else "other")
        if message.startswith(_SWITCH_HEAD):
            return self._switch(message, time)
        if message.startswith(_DECISION_HEAD):
            head, _, detail = message.removeprefix(_DECISION_HEAD).partition(" detail=")
            return self._decision(fields_of(head), detail, time)
        if subsystem == "gateway" and self._restarts(message):
            self._attempts.restart()
            return self._told("restart")
        if subsystem == "agent/embedded":
            self._attempts.run(message, time)
        elif subsystem == "diagnostic":
            self._attempts.lane(message, time)
        return self._told("other")

    def _told(self, kind: str, session: str | None = None, *events: Event, run: str | None = None) -> LogLine:
        return LogLine(self._number, kind, session, events, run, self._attempts.learned())

    def _restarts(self, message: str) -> bool:
        """A restart is announced by the old process, or (after a kill) only seen in the new one's first lines."""
        if message.startswith("restart mode:"):
            self._announced = True
            return True
        if not message.startswith("agent model:"):  # once a start; a second gateway that is refused never gets there
            return False
        announced, self._announced = self._announced, False
        return not announced

    def _switch(self, message: str, time: datetime) -> LogLine:
        match = _SWITCH.match(message)
        if match is None or not is_session_id(match["session"] or "none"):
            return self._told("unreadable")
        left, right = match["left"], match["right"]
        session = self._attempts.switch(match["session"], left, time, match["when"] != "after failed attempt")
        return self._told("event", session, _moved(0, left, right, "reverted", time, session))

    def _decision(self, fields: Mapping[str, str], detail: str, time: datetime, status: int | None = None) -> LogLine:
        """A decision; ``fields`` as the console names them. ``status``: what the gateway took the failure for."""
        decision, model, reason = fields.get("decision"), fields.get("candidate"), fields.get("reason", UNKNOWN)
        following = fields.get("next", "none")
        if model is None:
            return self._told("unreadable")
        if decision == "skip_candidate":
            return self._told("skip", self._attempts.skip(model, None if following == "none" else following))
        if decision == "probe_cooldown_candidate":
            return self._told("skip", self._attempts.skip(model, None))
        if decision not in ("candidate_failed", "candidate_succeeded"):
            return self._told("unreadable")
        failed = decision == "candidate_failed"
        attempt = self._attempts.close(model, reason, time, failed=failed, named=fields)
        session, run = attempt.session, attempt.run
        if not failed:  # its next= is the candidate that was not needed
            identity = _identify(0, time, "attempt_succeeded", model)
            success = AttemptSucceeded(model=model, id=identity, timestamp=time, session=session)
            return self._told("event", session, success, run=run)
        failure = _failed(model, reason, detail, attempt, time, status)
        if following == "none":
            return self._told("event", session, failure, run=run)
        self._attempts.expect(attempt, following)
        fallback = _moved(1, model, following, "fallback", time, session)
        return self._told("event", session, failure, fallback, run=run)


def _failed(
    model: str, reason: str, detail: str, attempt: Attempt, time: datetime, taken_for: int | None
) -> AttemptFailed:
    error, status = shortened(detail), status_of(detail)
    if error is None and attempt.model in (model, None):
        error, status = attempt.error, attempt.status
    refused = error is not None and _REFUSED.search(error) is not None
    unasked = refused or (attempt.redirected and reason == UNKNOWN)
    return AttemptFailed(
        model=model,
        reason=REDIRECTED if unasked else reason,
        status=status or (None if unasked else taken_for),
        error=error,
        id=_identify(0, time, "attempt_failed", model),
        timestamp=time,
        session=attempt.session,
        extra={"loggedReason": reason} if unasked and reason != UNKNOWN else {},
    )


def _moved(place: int, left: str, right: str, cause: str, time: datetime, session: str | None) -> ModelSwitch:
    identity = _identify(place, time, "model_switch", left, right)
    return ModelSwitch(from_=left, to=right, cause=cause, id=identity, timestamp=time, session=session)


def _identify(place: int, time: datetime, *parts: str) -> str:
    # Whatever text a log held must have an id, half a surrogate pair included.
    told = "\n".join((format_time(time), *parts, str(place)))
    return sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:16]
