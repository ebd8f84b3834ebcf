"""Events to record bytes and back.

Law: bytes and values, no files. What leaves here is one flat JSON object in UTF-8, at most 16 KiB, that JavaScript's
``JSON.parse`` and ``JSON.stringify`` give back byte for byte; what comes in may be anything.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from msgspec import UNSET, Struct, defstruct, field
from msgspec.json import Encoder
from msgspec.structs import astuple, replace

from eventlog import redact
from eventlog.errors import MisuseError
from eventlog.protection import OPEN, Protection
from eventlog.seal import TAIL, seal
from replay import AttemptFailed, Event, ModelSwitch, fields_from_event
from replay.events import FIELDS, KNOWN_FIELDS, MAX_INTEGER, NOTHING, format_time, is_complete

VERSION: Final = 1
LONGEST: Final = 16 * 1024
"""Bytes that a record may have, its newline included."""

FRAME: Final = frozenset({"parentId", "v", "prev", "mac", "seal"})
"""Fields that belong to the record's place in its file and not to the event."""

PLACE: Final = frozenset({"parentId", "prev", "mac", "seal"})
"""Fields in which two copies of one event may differ."""

_NESTED: Final = (dict, list)
_INTEGER_KEY: Final = re.compile(r"\d+")


class Record(Struct, frozen=True, gc=False):
    """A sealed record: its bytes without a newline, and its event's id, as it is written.

    ``event``: what it is read back as, but for the ``session``; None where only reading it tells.
    """

    data: bytes
    id: object
    seal: str
    session: str
    event: Event | None = None


def encode(
    event: Event, *, session: str, parent_id: str | None, prev: str | None, protection: Protection = OPEN
) -> Record:
    """The sealed record of ``event``; with a proof, where there is a key.

    Error texts lose their secrets and are shortened. Raises MisuseError where a field has no place in the format: a
    value that is no string, integer or null, a name that is taken, or a record of more than 16 KiB; and where what it
    needs is missing, for it would be read back as damage.
    """
    if isinstance(event, AttemptFailed) and event.error is not None:
        error = redact.clean(event.error, event.model, protection.secrets)
        event = event if error is event.error else replace(event, error=error)
    body = _at_once(event, session, parent_id, prev)
    if body is not None and len(body) < LONGEST - TAIL and protection.keys is None:
        record = seal(body)
        read_back = event if _is_exact(event.timestamp) else None
        return Record(record, event.id, record[-34:-2].decode("ascii"), session, read_back)
    fields = fields_from_event(event)
    _check(event, fields)
    # The order is the format's: what every record has comes first, and keeps its place as the fields are filled in.
    ordered: dict[str, object] = {"type": None, "id": None, "parentId": parent_id, "timestamp": None, "session": None}
    ordered |= fields
    ordered |= {"session": session, "v": VERSION, "prev": prev}
    if event.timestamp is None:
        del ordered["timestamp"]
    body = dumps(ordered)[:-1]
    record = seal(body if protection.keys is None else protection.keys.sign(body))
    if len(record) >= LONGEST:
        longest = max(ordered, key=lambda key: len(str(ordered[key])))
        raise MisuseError(f"an event of {len(record)} bytes is longer than {LONGEST}: shorten its {longest!r}")
    event_id = ordered["id"] if body.isascii() else (decode(record) or {}).get("id")  # a lone surrogate was replaced
    return Record(record, event_id, record[-34:-2].decode("ascii"), session)


def _form(kind: type[Event]) -> type[Struct]:
    """Of a kind of events, the record up to its seal: fields that are unset are left out."""
    own = [key for attribute, key, _ in FIELDS[kind] if attribute not in _FIRST]
    keys = ["id", "parentId", "timestamp", "session", *own, "v", "prev"]
    fields = [(f"_{key}", Any, field(name=key)) for key in keys]
    return defstruct(f"{kind.__name__}Form", fields, tag_field="type", tag=kind.__struct_config__.tag, gc=False)


_FIRST: Final = ("id", "timestamp", "session")
_FORMS: Final = {kind: _form(kind) for kind in FIELDS}
_TYPES: Final = {kind: [wanted for name, _, wanted in FIELDS[kind] if name != "timestamp"] for kind in FIELDS}
_FORM_ENCODER: Final = Encoder()


def _at_once(event: Event, session: str, parent_id: str | None, prev: str | None) -> bytes | None:
    """The record up to its seal, if it is read back as what the event is; None where it needs a closer look.

    It is the same as that look finds, in a third of the time. Most of all, it is little code: between two syncs the
    processor forgets much of it, and each step costs ten times what it does in a loop.
    """
    if event.extra is not NOTHING or not is_complete(event):
        return None
    event_id, timestamp, told, turn, _, *rest = astuple(event)
    own: list[object] = []
    for value, wanted in zip((event_id, told, turn, *rest), _TYPES[type(event)], strict=True):
        if value is None:
            own.append(UNSET)
        elif type(value) is wanted and (0 <= value <= MAX_INTEGER if isinstance(value, int) else value):
            own.append(value)
        else:
            return None
    if isinstance(event, ModelSwitch):
        own[3] = event.from_  # the one that is told if there is none
    stamp = UNSET if timestamp is None else format_time(timestamp)
    form = _FORMS[type(event)](event_id, parent_id, stamp, session, *own[2:], VERSION, prev)
    try:
        return _FORM_ENCODER.encode(form)[:-1]
    except UnicodeEncodeError:  # a lone surrogate
        return None


def _is_exact(time: datetime | None) -> bool:
    """Whether a time is read back as it is: in UTC, and no finer than a file's."""
    return time is None or (time.tzinfo is UTC and type(time) is datetime and time.microsecond % 1000 == 0)


def header(session: str, timestamp: str, cwd: str) -> bytes:
    """The first line of a file that we create, in the form of pi and OpenClaw (version 3)."""
    return dumps({"type": "session", "version": 3, "id": session, "timestamp": timestamp, "cwd": cwd})


def decode(line: bytes) -> dict[str, object] | None:
    """The line's fields if it is one JSON object, else None. Raises on nothing."""
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return fields if isinstance(fields, dict) else None


def names_type_twice(line: bytes) -> bool:
    """Whether the object's own ``type`` stands in it more than once: then nobody can say which one is meant."""
    if line.count(b'"type"') < 2 and rb"\u00" not in line:
        return False
    try:
        pairs: list[tuple[str, object]] = json.loads(line, object_pairs_hook=list)
    except (ValueError, RecursionError):  # deeper than Python's parser goes; no line of ours nests at all
        return True
    return sum(key == "type" for key, _ in pairs) > 1


def flat(fields: dict[str, object]) -> dict[str, object]:
    """The fields without nested values: an event is flat, and what another tool nests in a bare one stays its own."""
    nested = [key for key, value in fields.items() if type(value) in _NESTED]
    return {key: value for key, value in fields.items() if key not in nested} if nested else fields


def content(fields: Mapping[str, object]) -> bytes:
    """What two copies of one event have in common, wherever they stand."""
    return orjson.dumps({key: value for key, value in fields.items() if key not in PLACE}, option=orjson.OPT_SORT_KEYS)


def dumps(fields: Mapping[str, object]) -> bytes:
    """Compact JSON; lone surrogates, which UTF-8 has no form for, become U+FFFD."""
    try:
        return orjson.dumps(fields)
    except orjson.JSONEncodeError:
        return orjson.dumps({_whole(key): _whole(value) for key, value in fields.items()})


def _whole(value: object) -> object:
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if isinstance(value, str) else value


def _check(event: Event, fields: Mapping[str, object]) -> None:
    for key in event.extra if event.extra is not NOTHING else ():
        if key in FRAME or key in KNOWN_FIELDS[str(fields["type"])] or _INTEGER_KEY.fullmatch(key):
            # JavaScript moves integer-like keys to the front: the line would not come back byte for byte.
            raise MisuseError(f"an event can't have an extra field named {key!r}")
    for key, value in fields.items():
        if value is None or isinstance(value, str) or (type(value) is int and abs(value) <= MAX_INTEGER):
            continue
        told = repr(value) if isinstance(value, int | float) else type(value).__name__  # it may nest without end
        raise MisuseError(f"field {key!r}: an event holds strings, integers up to 2^53-1 and null, not {told:.80}")
    if not is_complete(event):
        raise MisuseError(f"this {fields['type']} names no model")
