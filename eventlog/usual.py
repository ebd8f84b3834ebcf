"""The usual records, many at once: decoded, and their seals and their chain verified.

Law: bytes in; out comes what the exact reader would make of each of them, or nothing at all. Whatever is not as we
write it every day (an unknown field, a proof, a bare event, damage, a second ``type``) is left to the exact reader, so
that this one only has to know what it is sure of.

A line is decoded twice, which is still half of what once costs through a dict: to its event, whose types say what a
field may hold, and to its frame, which refuses every field that is not known. The decoder takes newlines for blanks:
it is the seals at the lines' ends that make each line one record.
"""

from collections.abc import Collection, Sequence
from datetime import UTC
from hashlib import sha256
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from eventlog.seal import TAIL
from eventlog.split import LONGEST
from replay import AttemptFailed, AttemptSucceeded, Event, FailureCleared, ModelSwitch

LONGEST_ID: Final = 256
"""Characters. What somebody else calls his entry or session must not make our records too long to be written."""

_DIGITS: Final = 32
_MARK, _END = ',"seal":"', '"}'


class _Frame(Struct, frozen=True, kw_only=True, gc=False, tag_field="type"):
    """What a record says of its place. Of the event's own fields only the names count here."""

    id: Annotated[str, Meta(min_length=1, max_length=LONGEST_ID)]
    timestamp: Annotated[str, Meta(max_length=len("2026-04-02T04:55:40.889Z"))] | None = None  # no finer
    session: str
    parent_id: str | None = msgspec.field(default=None, name="parentId")
    v: Literal[1]
    prev: str | None
    seal: str


def _names_something(frame: Any) -> None:
    """A cleared failure needs one of two fields, which no type can say."""
    if frame.model is None and frame.provider is None:
        raise ValueError("cleared is a model or a provider")


def _frame_of(kind: type[Event]) -> Any:
    own = [
        (attribute, str | int | None, msgspec.field(default=None, name=key))
        for attribute, key in zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True)
        if attribute not in (*_Frame.__struct_fields__, "extra")
    ]
    return msgspec.defstruct(
        f"{kind.__name__}Frame",
        own,
        bases=(_Frame,),
        namespace={"__post_init__": _names_something} if kind is FailureCleared else None,
        tag=kind.__struct_config__.tag,
        frozen=True,
        kw_only=True,
        gc=False,
        forbid_unknown_fields=True,
    )


_EVENTS: Final[msgspec.json.Decoder[Event]] = msgspec.json.Decoder(
    AttemptFailed | AttemptSucceeded | ModelSwitch | FailureCleared
)
_FRAMES: Final[msgspec.json.Decoder[_Frame]] = msgspec.json.Decoder(
    _frame_of(AttemptFailed) | _frame_of(AttemptSucceeded) | _frame_of(ModelSwitch) | _frame_of(FailureCleared)
)


class Usual(NamedTuple):
    """Verified records: each one's event, its id and its seal."""

    events: Sequence[Event]
    ids: Sequence[str]
    seals: Sequence[str]


def usual(lines: Sequence[bytes], prev: str | None, sessions: Collection[str]) -> Usual | None:
    """The records that these lines are, if each is a usual one.

    ``prev`` is the seal before the first of them, ``sessions`` the ids that their file goes by. None: at least one of
    them is something else, or does not follow on the one before it.
    """
    text = b"\n".join(lines)
    if text.count(b'"type"') != len(lines) or (b"\\" in text and rb"\u00" in text):
        return None  # a second type, or an escape that could hide one
    if len(text) >= LONGEST and max(map(len, lines)) >= LONGEST:
        return None
    seals = [sha256(line[:-TAIL]).hexdigest()[:_DIGITS] for line in lines]
    tails = _MARK + f"{_END}{_MARK}".join(seals) + _END
    if b"".join([line[-TAIL:] for line in lines]) != tails.encode():
        return None
    try:
        frames, events = _FRAMES.decode_lines(text), _EVENTS.decode_lines(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    # Each line ends where an object does: as many objects as lines are one in each.
    if [frame.prev for frame in frames] != [prev, *seals[:-1]]:
        return None
    if not {frame.session for frame in frames}.issubset(sessions):
        return None
    if [1 for event in events if (time := event.timestamp) is not None and time.tzinfo is not UTC]:
        return None
    return Usual(events, [frame.id for frame in frames], seals)
