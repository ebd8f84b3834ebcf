"""The events of a failover log: what happened, as frozen values.

Law: pure. A line's fields (a dict that somebody else has decoded) become an event here and an event becomes fields
again; bytes, seals and files are none of this room's business.

Attributes carry the file's field names in snake case; ``from`` is ``from_``. Times are aware datetimes in UTC with
milliseconds, spans are whole milliseconds (``…_ms``). What a line holds beyond the known fields is kept in
``extra``, and so is a known field whose value can't be used: nothing a host wrote is thrown away.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

MAX_INTEGER: Final = 2**53 - 1
"""The largest integer that JavaScript gives back unchanged."""

_NOTHING: Final[Mapping[str, object]] = MappingProxyType({})


def _nothing() -> Mapping[str, object]:
    return _NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFailed:
    """A request to ``model`` failed for ``reason`` (see :mod:`replay.reasons`)."""

    model: str
    reason: str
    status: int | None = None
    retry_after_ms: int | None = None
    error: str | None = None
    duration_ms: int | None = None
    phase: str | None = None
    deployment: str | None = None
    seen: int | None = None
    """Position of the last event that the attempt knew when it began; None: all before it."""
    turn: str | None = None
    id: str | None = None
    timestamp: datetime | None = None
    session: str | None = None
    extra: Mapping[str, object] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptSucceeded:
    """``model`` answered. Written only where that changes the state."""

    model: str
    duration_ms: int | None = None
    deployment: str | None = None
    seen: int | None = None
    turn: str | None = None
    id: str | None = None
    timestamp: datetime | None = None
    session: str | None = None
    extra: Mapping[str, object] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSwitch:
    """The session's model became ``to``.

    ``cause`` is ``initial fallback probe pin config`` (decided by :func:`replay.decide`, written before the first
    request to ``to``) or ``user unpin reverted`` (only ever recorded). A bare switch of another tool has none.
    """

    to: str
    from_: str | None = None
    cause: str | None = None
    turn: str | None = None
    id: str | None = None
    timestamp: datetime | None = None
    session: str | None = None
    extra: Mapping[str, object] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureCleared:
    """Somebody says that a ``model``, or a whole ``provider``, is mended."""

    model: str | None = None
    provider: str | None = None
    by: str | None = None
    note: str | None = None
    turn: str | None = None
    id: str | None = None
    timestamp: datetime | None = None
    session: str | None = None
    extra: Mapping[str, object] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRepaired:
    """Somebody repaired the log: what damage was left in it, known from then on, and where the file before is kept.

    Tells of the log and not of models: the state stays as it is. The counts are those of all that stands before it.
    """

    copy: str | None = None
    """Name of the file that was kept, in the same folder."""
    zeros: int | None = None
    """NUL bytes that were taken out; nothing else was."""
    corrupt: int | None = None
    altered: int | None = None
    misplaced: int | None = None
    conflict: int | None = None
    gaps: int | None = None
    by: str | None = None
    note: str | None = None
    turn: str | None = None
    id: str | None = None
    timestamp: datetime | None = None
    session: str | None = None
    extra: Mapping[str, object] = field(default_factory=_nothing)


Event = AttemptFailed | AttemptSucceeded | ModelSwitch | FailureCleared | LogRepaired


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event where it stands in a log: its ``position`` (ordinal, from 1) and ``offset`` (byte, from 0)."""

    event: Event
    position: int
    offset: int = 0


# The file's field order, as (attribute, field name, type). Common fields come first, whatever the type.
_HEAD: Final = (("id", "id", str), ("timestamp", "timestamp", datetime), ("session", "session", str))
_FIELDS: Final[Mapping[type[Event], tuple[tuple[str, str, type], ...]]] = {
    AttemptFailed: (
        ("turn", "turn", str),
        ("model", "model", str),
        ("reason", "reason", str),
        ("status", "status", int),
        ("retry_after_ms", "retryAfterMs", int),
        ("error", "error", str),
        ("duration_ms", "durationMs", int),
        ("phase", "phase", str),
        ("deployment", "deployment", str),
        ("seen", "seen", int),
    ),
    AttemptSucceeded: (
        ("turn", "turn", str),
        ("model", "model", str),
        ("duration_ms", "durationMs", int),
        ("deployment", "deployment", str),
        ("seen", "seen", int),
    ),
    ModelSwitch: (("turn", "turn", str), ("from_", "from", str), ("to", "to", str), ("cause", "cause", str)),
    FailureCleared: (
        ("turn", "turn", str),
        ("model", "model", str),
        ("provider", "provider", str),
        ("by", "by", str),
        ("note", "note", str),
    ),
    LogRepaired: (
        ("turn", "turn", str),
        ("copy", "copy", str),
        ("zeros", "zeros", int),
        ("corrupt", "corrupt", int),
        ("altered", "altered", int),
        ("misplaced", "misplaced", int),
        ("conflict", "conflict", int),
        ("gaps", "gaps", int),
        ("by", "by", str),
        ("note", "note", str),
    ),
}
_CLASSES: Final[Mapping[str, type[Event]]] = {
    "attempt_failed": AttemptFailed,
    "attempt_succeeded": AttemptSucceeded,
    "model_switch": ModelSwitch,
    "failure_cleared": FailureCleared,
    "log_repaired": LogRepaired,
}
_NAMES: Final[Mapping[type[Event], str]] = {kind: name for name, kind in _CLASSES.items()}

EVENT_TYPES: Final = frozenset(_CLASSES)
"""The ``type`` values that this version understands."""

KNOWN_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    name: frozenset({"type", *(key for _, key, _ in (*_HEAD, *_FIELDS[kind]))}) for name, kind in _CLASSES.items()
}
"""Event type to the field names that it defines; what a writer of events may not use for something else."""


def type_name(event: Event) -> str:
    """The event's ``type`` as the file spells it."""
    return _NAMES[type(event)]


def event_from_fields(fields: Mapping[str, object], without: frozenset[str] = frozenset()) -> Event | None:
    """The event that a decoded line tells, or None if it is not one of ours or lacks what its type requires.

    ``without`` names fields of the record's frame (seal, parent and the like), which are no part of the event.
    """
    kind = _CLASSES.get(name) if isinstance(name := fields.get("type"), str) else None
    if kind is None:
        return None
    values: dict[str, object] = {}
    used = {"type"}
    for attribute, key, wanted in (*_HEAD, *_FIELDS[kind]):
        value = fields.get(key)
        usable = _usable(value, wanted)
        if usable is not None:
            values[attribute] = usable
        if usable is not None or value is None:
            used.add(key)
    if kind is FailureCleared:
        complete = "model" in values or "provider" in values
    elif kind is ModelSwitch:
        complete = "to" in values
    elif kind is LogRepaired:
        complete = True
    else:
        complete = "model" in values
        if kind is AttemptFailed:
            values.setdefault("reason", "unknown")
    if not complete:
        return None
    extra = {key: value for key, value in fields.items() if key not in used and key not in without}
    if extra:
        values["extra"] = extra
    # The loop above fills only attributes that the class has, with values of their types; mypy can't see it.
    return kind(**values)  # type: ignore[arg-type]


def is_complete(event: Event) -> bool:
    """Whether the event names what its type requires: without that it would not be read back."""
    match event:
        case AttemptFailed() | AttemptSucceeded():
            return _named(event.model)
        case ModelSwitch():
            return _named(event.to)
        case FailureCleared():
            return _named(event.model) or _named(event.provider)
        case LogRepaired():
            return True


def _named(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def fields_from_event(event: Event) -> dict[str, object]:
    """The event's fields under the file's names and in the file's order, without those that are not set.

    ``from`` of a switch is always there: null says that there was no model before.
    """
    fields: dict[str, object] = {"type": type_name(event)}
    for attribute, key, wanted in (*_HEAD, *_FIELDS[type(event)]):
        value = getattr(event, attribute)
        if value is not None:
            fields[key] = format_time(value) if wanted is datetime else value
        elif key == "from":
            fields[key] = None
    for key, value in event.extra.items():
        fields.setdefault(key, value)
    return fields


def parse_time(text: str) -> datetime | None:
    """An RFC 3339 time as UTC, cut to milliseconds; None if it can't be read or names no offset."""
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is None:
            return None
        time = time.astimezone(UTC)
    except (ValueError, OverflowError):  # OverflowError: year 1 or 9999, pushed over the edge by its offset
        return None
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def format_time(time: datetime) -> str:
    """A time as files and JSON spell it: ``2026-04-02T04:55:40.889Z``."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _usable(value: object, wanted: type) -> object:
    if wanted is datetime:
        return parse_time(value) if isinstance(value, str) else None
    if wanted is int:
        usable = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_INTEGER
        return value if usable else None
    return value if isinstance(value, str) and value else None
