"""Where lines end: a stream of blocks cut into texts, at newlines and around runs of NULs.

Law: bytes in, texts out, the same for any division into blocks. Bounded: of a line over 1 MiB only the last 16 KiB are
kept.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from eventlog import codec
from eventlog.look import HEAD_LENGTH, is_candidate

LONGEST: Final = 1 << 20
"""Bytes; a longer line is foreign."""

_ZEROS: Final = bytes(4096)
_NOT_ZERO: Final = re.compile(rb"[^\0]")


class Text(NamedTuple):
    """A stretch between newlines and runs of NULs. ``data`` ends with its newline if it has one.

    ``length`` counts all of it; of an overlong one ``data`` holds the last bytes only. ``zeros``: it is a NUL run.
    ``behind``: it stands behind such a run in its line; if that is a single NUL, these bytes stand before it.
    """

    offset: int
    length: int
    data: bytes
    zeros: bool = False
    behind: bytes | None = None

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

    def texts(self) -> Iterator["Text"]:
        """The lines, each for itself."""
        at = self.offset
        for line in self.lines:
            yield Text(at, len(line) + 1, line + b"\n")
            at += len(line) + 1


class Splitter:
    """Cuts a stream of blocks at ``\\n`` and around runs of NULs.

    Most lines of a transcript are the host's. Those that stand together within a block come out as one
    :class:`Stretch`: they are split, tested and counted, and no object is made of each. The same bytes in smaller
    blocks come out as more :class:`Text` s, but their :func:`eventlog.scan.pieces` are the same.
    """

    def __init__(self) -> None:
        self.offset = 0  # of the text that is being gathered
        self._parts: list[bytes] = []
        self._length = 0
        self._zeros = False
        self._before = b""  # what stands in the line before the run of NULs
        self._behind: bytes | None = None

    def feed(self, block: bytes) -> Iterator[Text | Stretch]:
        """What ends within ``block``; what is left waits for the next one."""
        at = 0
        while at < len(block):
            if self._zeros:
                end = _end_of_zeros(block, at)
                self._length += end - at
                if end < len(block):  # the newline behind a run of NULs is the run's
                    ending = block[end : end + 1] if block[end : end + 1] == b"\n" else b""
                    single, before = self._length == 1, self._before
                    yield self._end(ending)
                    self._behind = None if ending else before if single else b""
                    end += len(ending)
            elif (end := block.find(b"\0", at)) >= 0:
                yield from self._lines(block[at:end])
                self._before = b""
                if self._length:
                    text = self._end(b"")
                    self._before = text.data[-codec.LONGEST :]
                    yield text
                self._zeros = True
            else:
                yield from self._lines(block[at:] if at else block)
                end = len(block)
            at = end

    def whole(self, block: bytes) -> tuple[int, int]:
        """Begin and end of the lines that are whole within the block that comes next, the file's first one left out.

        They are the same where there are none, or where a NUL stands among them.
        """
        if b"\0" in block:
            return 0, 0
        begun = self._length > 0 or self._behind is not None or not self.offset
        begin = block.find(b"\n") + 1 if begun else 0
        return begin, block.rfind(b"\n") + 1

    @property
    def head(self) -> bytes:
        """The first bytes of the line that is being gathered; none where it has to be looked at in any case."""
        plain = self._parts and self.offset and not self._zeros and self._behind is None and self._length < LONGEST // 2
        return self._parts[0][:HEAD_LENGTH] if plain else b""

    def pass_over(self, rest: int) -> tuple[int, int]:
        """Be done with the line that is being gathered, of which ``rest`` bytes come yet: where it is, and how long."""
        offset, length = self.offset, self._length + rest
        self.offset += length
        self._parts, self._length = [], 0
        return offset, length

    def skip(self, length: int) -> None:
        """Go on behind whole lines that somebody else has looked at. Nothing may wait for its end."""
        self.offset += length

    def rest(self) -> Text | None:
        """What has no end yet, without taking it: a stream may go on behind it."""
        if not self._length:
            return None
        return Text(self.offset, self._length, b"".join(self._parts), self._zeros, self._behind)

    def _lines(self, block: bytes) -> Iterator[Text | Stretch]:
        """Of bytes without a NUL."""
        *lines, rest = block.split(b"\n")
        done = 0  # lines that are given out
        begun = self._length > 0 or self._behind is not None
        if lines and (begun or not self.offset):  # begun in an earlier block, or the file's header
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
        self.gather(rest)

    def _stretch(self, lines: list[bytes]) -> Stretch:
        stretch = Stretch(self.offset, lines)
        self.offset += stretch.length
        return stretch

    def gather(self, part: bytes) -> None:
        """The beginning of a line, or more of it: bytes without a newline and without a NUL."""
        if not part:
            return
        self._parts.append(part)
        self._length += len(part)
        if self._length > LONGEST:
            self._parts = [b"".join(self._parts)[-codec.LONGEST :]]

    def _end(self, part: bytes) -> Text:
        if self._parts:
            self.gather(part)
            text = Text(self.offset, self._length, b"".join(self._parts), self._zeros, self._behind)
        else:
            text = Text(self.offset, self._length + len(part), part, self._zeros, self._behind)
        self.offset += text.length
        self._parts, self._length, self._zeros, self._behind = [], 0, False, None
        return text


def _end_of_zeros(block: bytes, at: int) -> int:
    while block.startswith(_ZEROS, at):  # a long run costs a comparison, not a search
        at += len(_ZEROS)
    found = _NOT_ZERO.search(block, at)
    return found.start() if found is not None else len(block)
