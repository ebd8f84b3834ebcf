"""The events of a failover log: what happened, as frozen values.

Law: pure. A line's fields (a dict that somebody else has decoded) become an event here and an event becomes fields
again; bytes, seals and files are none of this room's business.

Attributes carry the file's field names in snake case; ``from`` is ``from_``. Times are aware datetimes in UTC with
milliseconds, spans are whole milliseconds (``…_ms``). What a line holds beyond the known fields is kept in
``extra``, and so is a known field whose value can't be used: nothing a host wrote is thrown away.

They are msgspec's structs and no dataclasses because a log of a million events is a million of them: a fifth of the
time to make one, and a decoder can make them from a line by itself. Their types say what a line may hold; nothing
checks what a program puts in, that is done where an event is written.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Final, get_args

from msgspec import Meta, Struct, ValidationError, convert, field, to_builtins
from msgspec.structs import astuple, replace
from msgspec.structs import fields as declared

MAX_INTEGER: Final = 2**53 - 1
"""The largest integer that JavaScript gives back unchanged."""

Text = Annotated[str, Meta(min_length=1)]
Count = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
Time = Annotated[datetime, Meta(tz=True)]


class _Nothing(Mapping[str, object]):
    """No further fields: one for all events, and nobody can add to it."""

    def __getitem__(self, key: str) -> object:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    __hash__ = object.__hash__  # it is the only one; and one of Python's own would be called for each event

    def __repr__(self) -> str:
        return "{}"

    def __reduce__(self) -> str:
        return "NOTHING"


NOTHING: Final[Mapping[str, object]] = _Nothing()


class _Event(Struct, frozen=True, kw_only=True, gc=False, rename="camel", tag_field="type"):
    """What every event has; the order of the fields is the file's."""

    id: Text | None = None
    timestamp: Time | None = None
    session: Text | None = None
    turn: Text | None = None
    extra: Mapping[str, object] = NOTHING


class AttemptFailed(_Event, frozen=True, kw_only=True, tag="attempt_failed"):
    """A request to ``model`` failed for ``reason`` (see :mod:`replay.reasons`)."""

    model: Text
    reason: Text
    status: Count | None = None
    retry_after_ms: Count | None = None
    error: Text | None = None
    duration_ms: Count | None = None
    phase: Text | None = None
    deployment: Text | None = None
    seen: Count | None = None
    """Position of the last event that the attempt knew when it began; None: all before it."""


class AttemptSucceeded(_Event, frozen=True, kw_only=True, tag="attempt_succeeded"):
    """``model`` answered. Written only where that changes the state."""

    model: Text
    duration_ms: Count | None = None
    deployment: Text | None = None
    seen: Count | None = None


class ModelSwitch(_Event, frozen=True, kw_only=True, tag="model_switch"):
    """The session's model became ``to``.

    ``cause`` is ``initial fallback probe pin config`` (decided by :func:`replay.decide`, written before the first
    request to ``to``) or ``user unpin reverted`` (only ever recorded). A bare switch of another tool has none.
    """

    from_: Text | None = field(default=None, name="from")
    to: Text
    cause: Text | None = None


class FailureCleared(_Event, frozen=True, kw_only=True, tag="failure_cleared"):
    """Somebody says that a ``model``, or a whole ``provider``, is mended."""

    model: Text | None = None
    provider: Text | None = None
    by: Text | None = None
    note: Text | None = None


class LogRepaired(_Event, frozen=True, kw_only=True, tag="log_repaired"):
    """Somebody repaired the log: what damage was left in it, known from then on, and where the file before is kept.

    Tells of the log and not of models: the state stays as it is. The counts are those of all that stands before it.
    """

    copy: Text | None = None
    """Name of the file that was kept, in the same folder."""
    zeros: Count | None = None
    """NUL bytes that were taken out; nothing else was."""
    corrupt: Count | None = None
    altered: Count | None = None
    misplaced: Count | None = None
    conflict: Count | None = None
    gaps: Count | None = None
    by: Text | None = None
    note: Text | None = None


Event = AttemptFailed | AttemptSucceeded | ModelSwitch | FailureCleared | LogRepaired


class Recorded(Struct, frozen=True, gc=False):
    """An event where it stands in a log: its ``position`` (ordinal, from 1) and ``offset`` (byte, from 0)."""

    event: Event
    position: int
    offset: int = 0


_KINDS: Final[tuple[type[Event], ...]] = (AttemptFailed, AttemptSucceeded, ModelSwitch, FailureCleared, LogRepaired)
_CLASSES: Final[Mapping[str, type[Event]]] = {str(kind.__struct_config__.tag): kind for kind in _KINDS}
_NAMES: Final[Mapping[type[Event], str]] = {kind: name for name, kind in _CLASSES.items()}


def _type_of(annotation: object) -> type:
    """Of a field by its declaration: text, a count, or a time."""
    kinds = (annotation, *get_args(annotation))
    return int if Count in kinds else datetime if Time in kinds else str


FIELDS: Final[Mapping[type[Event], tuple[tuple[str, str, type], ...]]] = {
    kind: tuple((one.name, one.encode_name, _type_of(one.type)) for one in declared(kind) if one.name != "extra")
    for kind in _KINDS
}
"""Of each class the file's fields in their order, as (attribute, field name, type)."""

_WITH_FRACTION: Final = len("2026-04-02T04:55:40.889000Z")

EVENT_TYPES: Final = frozenset(_CLASSES)
"""The ``type`` values that this version understands."""

KNOWN_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    name: frozenset({"type", *(key for _, key, _ in FIELDS[kind])}) for name, kind in _CLASSES.items()
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
    if _is_as_written(fields.get("timestamp")) and "extra" not in fields:
        with suppress(ValidationError):  # what can't be used as it is goes into the extra fields, one by one
            event: Event = convert(fields, kind)
            known = KNOWN_FIELDS[str(name)]
            extra = {key: value for key, value in fields.items() if key not in known and key not in without}
            if is_complete(event):
                return replace(event, extra=extra) if extra else event
    values: dict[str, object] = {}
    used = {"type"}
    for attribute, key, wanted in FIELDS[kind]:
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
    pairs = zip(event.__struct_encode_fields__, astuple(event), strict=True)
    fields: dict[str, object] = {"type": type_name(event)}
    fields |= {key: value for key, value in pairs if value is not None or key == "from"}
    if event.timestamp is not None:
        fields["timestamp"] = format_time(event.timestamp)
    del fields["extra"]
    if event.extra is not NOTHING:
        for key, value in event.extra.items():
            fields.setdefault(key, value)
    return fields


def _is_as_written(timestamp: object) -> bool:
    """Whether a time is none, or in UTC and no finer than ours: there all readers of RFC 3339 agree."""
    return timestamp is None or (isinstance(timestamp, str) and len(timestamp) <= 24 and timestamp.endswith("Z"))


def parse_time(text: str) -> datetime | None:
    """An RFC 3339 time as UTC, cut to milliseconds; None if it can't be read or names no offset."""
    try:
        time = datetime.fromisoformat(text[:-1] + "Z" if text.endswith("z") else text)  # "z" is RFC 3339 too
        if time.tzinfo is None:
            return None
        time = time.astimezone(UTC)
    except (ValueError, OverflowError):  # OverflowError: year 1 or 9999, pushed over the edge by its offset
        return None
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def format_time(time: datetime) -> str:
    """A time as files and JSON spell it: ``2026-04-02T04:55:40.889Z``."""
    if time.tzinfo is UTC and type(time) is datetime:  # what we stamp ourselves: in a quarter of the time
        text: str = to_builtins(time)
        return text[:23] + "Z" if len(text) == _WITH_FRACTION else text[:19] + ".000Z"
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _usable(value: object, wanted: type) -> object:
    if wanted is datetime:
        return parse_time(value) if isinstance(value, str) else None
    if wanted is int:
        usable = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_INTEGER
        return value if usable else None
    return value if isinstance(value, str) and value else None
