"""Sessions that don't find back to their first model.

Law: judges a state at the moment at which its session was last used; of the world it reads that moment alone.

*Stuck* is a session that was used although its first model had been free for ten minutes, and still stands on another:
nothing has brought it back. What stood idle meanwhile is not stuck, nor what somebody pinned, nor what is told to stay.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from eventlog import codec, file
from eventlog.sources import Source
from replay import ModelState, Policy
from replay.decide import bearing
from replay.events import parse_time
from replay.reasons import provider_of

WHILE: Final = timedelta(minutes=10)
"""So long a model must have been free, for a session that goes on without it to be stuck."""

_TAIL: Final = 1 << 16
"""Bytes in which a host's last line is looked for."""


def is_stuck(state: ModelState, first: str | None, used: datetime, policy: Policy) -> bool:
    """Whether a session that was last used at ``used`` had been away from its first model for too long by then."""
    if first is None or state.current in (None, first) or state.pinned is not None or not policy.return_to_primary:
        return False
    before = _earlier(used, WHILE)
    if state.switched_at is None or state.switched_at > before:
        return False
    provider = provider_of(first)
    own = (failures for model, failures in state.tried.items() if provider_of(model) == provider)
    if any(one.at is None or one.at > before for failures in own for one in failures.values()):
        return False
    return not any(one.until for moment in (before, used) for one in bearing(state, first, moment, policy))


def last_used(source: Source, updated: float | None) -> datetime | None:
    """When the host last added to the session: its own last line says so. (A file's times say when it was copied.)"""
    if source.stored is not None:
        return None if updated is None else _moment(updated)
    if source.path is None or not file.exists(source.path):
        return None
    fd = file.open_read(source.path)
    try:
        data = file.read_at(fd, max(0, file.identify(fd).size - _TAIL), _TAIL)
    finally:
        file.close(fd)
    lines = data.rstrip(b"\n").rsplit(b"\n", 1)
    fields = codec.decode(lines[-1])
    stamp = None if fields is None else fields.get("timestamp")
    return parse_time(stamp) if isinstance(stamp, str) else None


def _moment(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _earlier(time: datetime, span: timedelta) -> datetime:
    try:
        return time - span
    except OverflowError:  # the first day that a time can hold
        return time
