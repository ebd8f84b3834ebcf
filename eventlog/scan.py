"""From texts to pieces: which bytes are records of ours, and what the others are.

Law: bytes in, pieces out, no file and no memory of what came before. The pieces of a text tile it.
"""

from collections.abc import Iterator
from typing import Final

from eventlog import codec, seal
from eventlog.lines import Kind, Piece
from eventlog.look import HEAD, OUR_TYPES, begins_like_ours, is_candidate
from eventlog.split import LONGEST, Stretch, Text
from replay.events import EVENT_TYPES

_FRAME: Final = frozenset({"v", "prev", "session", "seal"})


def pieces(text: Text | Stretch) -> Iterator[Piece]:
    """The pieces of one text, in order; together they are as long as it is."""
    if isinstance(text, Stretch):
        yield from (Piece(one.offset, one.length, Kind.FOREIGN) for one in text.texts())
    elif text.zeros:
        yield Piece(text.offset, text.length, Kind.ZEROS)
    elif text.length > len(text.data) or text.length > LONGEST:
        yield from _overlong(text)
    else:
        yield from _line(text.offset, text.data, text.behind)


def _line(offset: int, data: bytes, behind: bytes | None) -> Iterator[Piece]:
    line = data.removesuffix(b"\n")
    if not line.strip():
        yield Piece(offset, len(data), Kind.BLANK)
        return
    if not is_candidate(line):
        yield Piece(offset, len(data), Kind.FOREIGN)
        return
    fields = codec.decode(line)
    if fields is not None:
        stray = len(line) - len(line.rstrip(b" \t\r"))
        if stray and seal.is_sealed(line[:-stray]):  # an editor's carriage return, a stray blank
            yield _judge(offset, len(line) - stray, line[:-stray], fields)
            yield Piece(offset + len(line) - stray, stray + len(data) - len(line), Kind.TORN)
        else:
            yield _judge(offset, len(data), line, fields)
        return
    yield from _glued(offset, data, line, behind)


def _judge(offset: int, length: int, line: bytes, fields: dict[str, object]) -> Piece:
    """One whole object: a sealed record, a bare event, an altered one, or the host's."""
    right = seal.seal_of(line)
    ours = fields.get("type") in OUR_TYPES if isinstance(fields.get("type"), str) else False
    if (ours or right) and codec.names_type_twice(line):
        return Piece(offset, length, Kind.FOREIGN)
    if right is not None:
        return Piece(offset, length, None, codec.flat(fields), right, line)
    if (ours and not _FRAME.isdisjoint(fields)) or seal.is_sealed(line):
        return Piece(offset, length, Kind.ALTERED)
    if ours and fields["type"] in EVENT_TYPES:
        return Piece(offset, length, None, codec.flat(fields))
    return Piece(offset, length, Kind.FOREIGN)


def _glued(offset: int, data: bytes, line: bytes, behind: bytes | None) -> Iterator[Piece]:
    """A line that is no object: look for whole sealed records inside it, each from the nearest head before its seal."""
    done = 0
    for ending in seal.ENDINGS.finditer(line):
        # No record is longer than 16 KiB: looking back further would make a hostile line cost its length squared.
        start = line.rfind(HEAD, max(done, ending.end() - codec.LONGEST), ending.start())
        if start < 0:
            continue
        record = line[start : ending.end()]
        fields = codec.decode(record)
        if fields is None or seal.seal_of(record) is None:
            continue
        if start > done:
            yield from _fragment(offset + done, line[done:start])
        last = ending.end() == len(line)
        yield _judge(offset + start, len(record) + (len(data) - len(line) if last else 0), record, fields)
        done = ending.end()
    if done == len(line):
        return
    if done:
        yield from _fragment(offset + done, data[done:])
    elif behind is not None and seal.is_sealed(line) and not line.startswith(b'{"') and not _flipped(behind, line):
        yield Piece(offset, len(data), None)  # the end of a record out of which a power cut took a part
    else:
        yield _unreadable(offset, len(data), line)


def _flipped(before: bytes, line: bytes) -> bool:
    """Whether the NUL between the two is one flipped bit of a whole record: damage, and not a power cut's work."""
    start = before[before.rfind(HEAD) :] if HEAD in before else b""
    return bool(start) and any(seal.seal_of(start + bytes([1 << bit]) + line) is not None for bit in range(8))


def _fragment(offset: int, data: bytes) -> Iterator[Piece]:
    """What stands before, between or behind the records of a glued line: a line of its own if it can be one."""
    line = data.removesuffix(b"\n")
    if line.startswith(HEAD):
        fields = codec.decode(line) if is_candidate(line) else None
        if fields is not None:
            yield _judge(offset, len(data), line, fields)
        else:
            yield _unreadable(offset, len(data), line)
    elif b"{" in line:
        yield Piece(offset, len(data), Kind.FOREIGN)
    else:
        yield Piece(offset, len(data), Kind.TORN)


def _unreadable(offset: int, length: int, line: bytes) -> Piece:
    """No object and no record in it: cut short, damaged, or never ours."""
    if begins_like_ours(line):
        return Piece(offset, length, None if seal.is_cut(line) else Kind.CORRUPT)
    return Piece(offset, length, Kind.CORRUPT if seal.is_sealed(line) else Kind.FOREIGN)


def _overlong(text: Text) -> Iterator[Piece]:
    """Foreign, but a record of ours may be glued to its end."""
    data = text.data[-codec.LONGEST :]  # all that is left of it, if it came in several blocks
    ending = data.removesuffix(b"\n")
    start = ending.rfind(HEAD) if seal.is_sealed(ending) else -1
    record = ending[start:] if start >= 0 else b""
    fields = codec.decode(record) if seal.seal_of(record) else None
    if fields is None:
        yield Piece(text.offset, text.length, Kind.FOREIGN)
        return
    length = len(record) + len(data) - len(ending)
    yield Piece(text.offset, text.length - length, Kind.FOREIGN)
    yield _judge(text.offset + text.length - length, length, record, fields)
