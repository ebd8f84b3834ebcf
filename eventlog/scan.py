"""From bytes to pieces: where lines end, and which of them can be ours.

Law: bytes in, pieces out, no file and no memory of what came before; exact for any key order, spacing and escapes.
Bounded: a line over 1 MiB is not kept, only its last 16 KiB are.

A line is looked at from both ends, because most lines of a transcript are the host's and long: its head decides if it
is ``{"type":"`` and three letters; any other head needs one of our type names, or an escape that could hide one. Its
tail counts if it is a seal, whatever the head: a torn fragment may stand before a good record.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from eventlog import codec, seal
from eventlog.lines import Kind, Piece
from replay.events import EVENT_TYPES

LONGEST: Final = 1 << 20
"""Bytes; a longer line is foreign."""

_HEAD: Final = b'{"type":"'
_OUR_HEADS: Final = frozenset({b"att", b"mod", b"fai", b"log"})
_RESERVED: Final = frozenset({"attempt_started"})
OUR_TYPES: Final = EVENT_TYPES | _RESERVED
_OUR_STARTS: Final = tuple(_HEAD + name.encode() + b'"' for name in sorted(OUR_TYPES))
_LONGEST_START: Final = max(map(len, _OUR_STARTS))
_HIDDEN: Final = re.compile(rb"\\u00|" + b"|".join(name.encode() for name in sorted(OUR_TYPES)))
_ZEROS: Final = bytes(4096)
_NOT_ZERO: Final = re.compile(rb"[^\0]")
_FRAME: Final = frozenset({"v", "prev", "session", "seal"})


class Text(NamedTuple):
    """A stretch between newlines and runs of NULs. ``data`` ends with its newline if it has one.

    ``length`` counts all of it; of an overlong one ``data`` holds the last bytes only. ``zeros``: it is a NUL run.
    """

    offset: int
    length: int
    data: bytes
    zeros: bool = False

    @property
    def ended(self) -> bool:
        return self.data.endswith(b"\n")


class Stretch(NamedTuple):
    """Whole foreign lines, one behind the other, none of them worth a look of its own; without their newlines."""

    offset: int
    lines: list[bytes]

    @property
    def length(self) -> int:
        return sum(map(len, self.lines)) + len(self.lines)

    def last(self, most: int) -> list[tuple[int, int]]:
        """Offset and length of the last lines, ``most`` of them."""
        end, found = self.offset + self.length, []
        for line in reversed(self.lines[-most:]):
            end -= len(line) + 1
            found.append((end, len(line) + 1))
        return found[::-1]

    def texts(self) -> Iterator["Text"]:
        """The lines, each for itself."""
        for (offset, length), line in zip(self.last(len(self.lines)), self.lines, strict=True):
            yield Text(offset, length, line + b"\n")


class Splitter:
    """Cuts a stream of blocks at ``\\n`` and around runs of NULs.

    Most lines of a transcript are the host's. Those that stand together within a block come out as one
    :class:`Stretch`: they are split, tested and counted, and no object is made of each. The same bytes in smaller
    blocks come out as more :class:`Text` s, but their :func:`pieces` are the same.
    """

    def __init__(self) -> None:
        self.offset = 0  # of the text that is being gathered
        self._parts: list[bytes] = []
        self._length = 0
        self._zeros = False

    def feed(self, block: bytes) -> Iterator[Text | Stretch]:
        """What ends within ``block``; what is left waits for the next one."""
        at = 0
        while at < len(block):
            if self._zeros:
                end = _end_of_zeros(block, at)
                self._length += end - at
                if end < len(block):  # the newline behind a run of NULs is the run's
                    ending = block[end : end + 1] if block[end : end + 1] == b"\n" else b""
                    yield self._end(ending)
                    end += len(ending)
            elif (end := block.find(b"\0", at)) >= 0:
                yield from self._lines(block[at:end])
                if self._length:
                    yield self._end(b"")
                self._zeros = True
            else:
                yield from self._lines(block[at:] if at else block)
                end = len(block)
            at = end

    def rest(self) -> Text | None:
        """What has no end yet, without taking it: a stream may go on behind it."""
        if not self._length:
            return None
        return Text(self.offset, self._length, b"".join(self._parts), self._zeros)

    def _lines(self, block: bytes) -> Iterator[Text | Stretch]:
        """Of bytes without a NUL."""
        *lines, rest = block.split(b"\n")
        done = 0  # lines that are given out
        if lines and (self._length or not self.offset):  # begun in an earlier block, or the file's header
            yield self._end(lines[0] + b"\n")
            done = 1
        for number, line in enumerate(lines[done:], done):
            if is_candidate(line) or not line or line.isspace():
                if done < number:
                    yield self._stretch(lines[done:number])
                yield self._end(line + b"\n")
                done = number + 1
        if done < len(lines):
            yield self._stretch(lines[done:])
        self._gather(rest)

    def _stretch(self, lines: list[bytes]) -> Stretch:
        stretch = Stretch(self.offset, lines)
        self.offset += stretch.length
        return stretch

    def _gather(self, part: bytes) -> None:
        if not part:
            return
        self._parts.append(part)
        self._length += len(part)
        if self._length > LONGEST:
            self._parts = [b"".join(self._parts)[-codec.LONGEST :]]

    def _end(self, part: bytes) -> Text:
        if self._parts:
            self._gather(part)
            text = Text(self.offset, self._length, b"".join(self._parts), self._zeros)
        else:
            text = Text(self.offset, self._length + len(part), part, self._zeros)
        self.offset += text.length
        self._parts, self._length, self._zeros = [], 0, False
        return text


def _end_of_zeros(block: bytes, at: int) -> int:
    while block.startswith(_ZEROS, at):  # a long run costs a comparison, not a search
        at += len(_ZEROS)
    found = _NOT_ZERO.search(block, at)
    return found.start() if found is not None else len(block)


def pieces(text: Text | Stretch) -> Iterator[Piece]:
    """The pieces of one text, in order; together they are as long as it is."""
    if isinstance(text, Stretch):
        yield from (Piece(offset, length, Kind.FOREIGN) for offset, length in text.last(len(text.lines)))
    elif text.zeros:
        yield Piece(text.offset, text.length, Kind.ZEROS)
    elif text.length > len(text.data) or text.length > LONGEST:
        yield from _overlong(text)
    else:
        yield from _line(text.offset, text.data)


def is_candidate(line: bytes) -> bool:
    """Whether the line (without its newline) can be or hold a record of ours: the look at both ends."""
    if line.startswith(_HEAD):
        letters = line[9:12]
        if letters in _OUR_HEADS or seal.is_sealed(line):
            return True
        if letters.isalpha() and len(letters) == 3:
            return False
    if begins_like_ours(line) or seal.is_sealed(line):
        return True
    # Each of our names has a "_": to look for that alone is ten times as quick, and mostly enough.
    return (b"_" in line or b"\\" in line) and _HIDDEN.search(line) is not None


def begins_like_ours(line: bytes) -> bool:
    """Whether the line is the beginning of a record of ours, or a part of such a beginning."""
    if not line.startswith(b'{"'):  # most pieces of a binary: not worth six comparisons
        return False
    if len(line) >= _LONGEST_START:
        return line.startswith(_OUR_STARTS)
    return line.startswith(_OUR_STARTS) or any(start.startswith(line) for start in _OUR_STARTS)


def _line(offset: int, data: bytes) -> Iterator[Piece]:
    line = data.removesuffix(b"\n")
    if not line.strip():
        yield Piece(offset, len(data), Kind.BLANK)
        return
    if not is_candidate(line):
        yield Piece(offset, len(data), Kind.FOREIGN)
        return
    fields = codec.decode(line)
    if fields is not None:
        behind = len(line) - len(line.rstrip(b" \t\r"))
        if behind and seal.is_sealed(line[:-behind]):  # an editor's carriage return, a stray blank
            yield _judge(offset, len(line) - behind, line[:-behind], fields)
            yield Piece(offset + len(line) - behind, behind + len(data) - len(line), Kind.TORN)
        else:
            yield _judge(offset, len(data), line, fields)
        return
    yield from _glued(offset, data, line)


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


def _glued(offset: int, data: bytes, line: bytes) -> Iterator[Piece]:
    """A line that is no object: look for whole sealed records inside it, each from the nearest head before its seal."""
    done = 0
    for ending in seal.ENDINGS.finditer(line):
        # No record is longer than 16 KiB: looking back further would make a hostile line cost its length squared.
        start = line.rfind(_HEAD, max(done, ending.end() - codec.LONGEST), ending.start())
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
    else:
        yield _unreadable(offset, len(data), line)


def _fragment(offset: int, data: bytes) -> Iterator[Piece]:
    """What stands before, between or behind the records of a glued line: a line of its own if it can be one."""
    line = data.removesuffix(b"\n")
    if line.startswith(_HEAD):
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
    start = ending.rfind(_HEAD) if seal.is_sealed(ending) else -1
    record = ending[start:] if start >= 0 else b""
    fields = codec.decode(record) if seal.seal_of(record) else None
    if fields is None:
        yield Piece(text.offset, text.length, Kind.FOREIGN)
        return
    length = len(record) + len(data) - len(ending)
    yield Piece(text.offset, text.length - length, Kind.FOREIGN)
    yield _judge(text.offset + text.length - length, length, record, fields)
