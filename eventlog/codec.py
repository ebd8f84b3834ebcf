"""Events to record bytes and back.

Law: bytes and values, no files. What leaves here is one flat JSON object in UTF-8, at most 16 KiB, that JavaScript's
``JSON.parse`` and ``JSON.stringify`` give back byte for byte; what comes in may be anything.
"""

import json
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

import orjson

from eventlog import redact
from eventlog.errors import MisuseError
from eventlog.protection import OPEN, Protection
from eventlog.seal import seal
from replay import AttemptFailed, Event, fields_from_event
from replay.events import KNOWN_FIELDS, MAX_INTEGER, is_complete

VERSION: Final = 1
LONGEST: Final = 16 * 1024
"""Bytes that a record may have, its newline included."""

FRAME: Final = frozenset({"parentId", "v", "prev", "mac", "seal"})
"""Fields that belong to the record's place in its file and not to the event."""

PLACE: Final = frozenset({"parentId", "prev", "mac", "seal"})
"""Fields in which two copies of one event may differ."""

_REPLACED: Final = "\ufffd".encode()

_INTEGER_KEY: Final = re.compile(r"\d+")


class Record(NamedTuple):
    """A sealed record: its bytes without a newline, and what decoding them gives."""

    data: bytes
    fields: dict[str, object]
    seal: str


def encode(
    event: Event, *, session: str, parent_id: str | None, prev: str | None, protection: Protection = OPEN
) -> Record:
    """The sealed record of ``event``; with a proof, where there is a key.

    Error texts lose their secrets and are shortened. Raises MisuseError where a field has no place in the format: a
    value that is no string, integer or null, a name that is taken, or a record of more than 16 KiB; and where what it
    needs is missing, for it would be read back as damage.
    """
    fields = fields_from_event(event)
    if isinstance(event, AttemptFailed) and event.error is not None:
        fields["error"] = redact.clean(event.error, event.model, protection.secrets)
    _check(event, fields)
    # The order is the format's: what every record has comes first.
    ordered: dict[str, object] = {"type": fields.pop("type"), "id": fields.pop("id", None), "parentId": parent_id}
    if "timestamp" in fields:
        ordered["timestamp"] = fields.pop("timestamp")
    ordered["session"] = session
    fields.pop("session", None)
    ordered |= fields
    ordered |= {"v": VERSION, "prev": prev}
    body = dumps(ordered)[:-1]
    record = seal(body if protection.keys is None else protection.keys.sign(body))
    if len(record) >= LONGEST:
        longest = max(ordered, key=lambda key: len(str(ordered[key])))
        raise MisuseError(f"an event of {len(record)} bytes is longer than {LONGEST}: shorten its {longest!r}")
    # A lone surrogate, the one thing that does not come back as it went, leaves its replacement in the record.
    fields = (decode(record) or {}) if _REPLACED in record else ordered
    return Record(record, fields, record[-34:-2].decode("ascii"))


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


def flat(fields: Mapping[str, object]) -> dict[str, object]:
    """The fields without nested values: an event is flat, and what another tool nests in a bare one stays its own."""
    return {key: value for key, value in fields.items() if not isinstance(value, dict | list)}


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
    for key in event.extra:
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
