"""The look at both ends of a line: can it be ours?

Law: bytes in, an answer out; exact for any key order, spacing and escapes. Most lines of a transcript are the host's,
and long: a line's head decides if it is ``{"type":"`` and three letters; any other head needs one of our type names, or
an escape that could hide one. Its tail counts if it is a seal, whatever the head: a torn fragment may stand before a
good record.
"""

import re
from io import BytesIO
from itertools import count
from typing import Final

from eventlog import seal
from replay.events import EVENT_TYPES

HEAD: Final = b'{"type":"'
OUR_TYPES: Final = EVENT_TYPES | {"attempt_started"}
"""The values of ``type`` that are ours, one of them reserved."""

HEAD_LENGTH: Final = 12
"""Bytes that decide."""
_KNOWN: Final = 16
"""So many of the host's heads are known by heart; it has a handful of types."""

_SHORT: Final = 2_048
"""Bytes of a line, on average, below which it is cheaper copied than hopped over."""

_OUR_HEADS: Final = frozenset({b"att", b"mod", b"fai", b"log"})
_OURS: Final = tuple(HEAD + letters for letters in sorted(_OUR_HEADS))
_OUR_STARTS: Final = tuple(HEAD + name.encode() + b'"' for name in sorted(OUR_TYPES))
_QUOTE: Final = 34
_LONGEST_START: Final = max(map(len, _OUR_STARTS))
_HIDDEN: Final = re.compile(rb"\\u00|" + b"|".join(name.encode() for name in sorted(OUR_TYPES)))


def is_candidate(line: bytes) -> bool:
    """Whether the line (without its newline) can be or hold a record of ours: the look at both ends."""
    if line.startswith(HEAD):
        if line[9:HEAD_LENGTH] in _OUR_HEADS or seal.is_sealed(line):
            return True
        if _is_decided(line):
            return False
    if begins_like_ours(line) or seal.is_sealed(line):
        return True
    # Each of our names has a "_": to look for that alone is ten times as quick, and mostly enough.
    return (b"_" in line or b"\\" in line) and _HIDDEN.search(line) is not None


class Look:
    """The look at a whole block of lines: it touches both ends of each and nothing between.

    A host begins nearly all of its lines with one of a few heads. They are remembered, so that such a line costs a
    comparison of its head and of one byte of its tail. Where lines are long, it hops from newline to newline; where
    they are short, to copy each costs less than a hop.
    """

    def __init__(self) -> None:
        self._foreign: tuple[bytes, ...] = (b"\0",)  # which no line that comes here holds
        self._short = False  # what the last block's lines were

    def over(self, block: bytes, begin: int, end: int) -> tuple[int, list[tuple[int, int]]]:
        """How many lines stand between ``begin``, where a line begins, and ``end``, where the block's last one ends,
        and where those lie that :func:`is_candidate` or are blank: from their first byte to behind their newline. The
        block holds no NUL."""
        lines, found = self._copied(block, begin, end) if self._short else self._hopped(block, begin)
        self._short = end - begin < lines * _SHORT
        return lines, found

    def _hopped(self, block: bytes, begin: int) -> tuple[int, list[tuple[int, int]]]:
        find, starts, most = block.find, block.startswith, self._foreign[0]
        found, at = list[tuple[int, int]](), begin
        for lines in count():  # a third of the cost of counting the newlines afterwards
            behind = find(10, at) + 1
            if not behind:
                return lines, found
            if starts(most, at) and block[behind - 3] != _QUOTE:
                pass  # nearly every line, where a host writes
            elif starts(_OURS, at):
                found.append((at, behind))
            elif not starts(self._foreign, at) or seal.may_end(block, behind):
                if self._stands_out(block[at : behind - 1]):
                    found.append((at, behind))
                most = self._foreign[0]
            at = behind
        raise AssertionError("a block has an end")

    def _copied(self, block: bytes, begin: int, end: int) -> tuple[int, list[tuple[int, int]]]:
        found, most, lines = list[tuple[int, int]](), self._foreign[0], 0
        stream = BytesIO(block)
        stream.seek(begin)
        for lines, line in enumerate(stream, 1):  # noqa: B007  (their number is the answer)
            if line.startswith(most) and line[-3] != _QUOTE:
                continue
            if line.startswith(_OURS):
                found.append((stream.tell() - len(line), stream.tell()))
            elif not line.startswith(self._foreign) or seal.may_end(line, len(line)):
                if self._stands_out(line[:-1]):
                    found.append((stream.tell() - len(line), stream.tell()))
                most = self._foreign[0]
        if end == len(block):
            return lines, found
        return lines - 1, [one for one in found if one[1] <= end]  # the last one has no newline yet

    def _stands_out(self, line: bytes) -> bool:
        """Whether a line, without its newline, is a candidate or blank. If its head alone says no, that is
        remembered."""
        if is_candidate(line) or not line.strip():
            return True
        if _is_decided(line) and len(self._foreign) < _KNOWN:
            self._foreign = (line[:HEAD_LENGTH], *self._foreign)
        return False

    def is_over(self, head: bytes, block: bytes, behind: int) -> bool:
        """Whether a line that began with ``head`` in an earlier block and ends before ``behind`` is none of ours."""
        sealed = behind <= seal.TAIL or (block[behind - 3] == _QUOTE and seal.may_end(block, behind))
        return not sealed and head.startswith(self._foreign)


def _is_decided(line: bytes) -> bool:
    """Whether the head alone says that the line is not ours."""
    letters = line[9:HEAD_LENGTH]
    return line.startswith(HEAD) and letters.isalpha() and len(letters) == 3 and letters not in _OUR_HEADS


def begins_like_ours(line: bytes) -> bool:
    """Whether the line is the beginning of a record of ours, or a part of such a beginning."""
    if not line.startswith(b'{"'):  # most pieces of a binary: not worth six comparisons
        return False
    if len(line) >= _LONGEST_START:
        return line.startswith(_OUR_STARTS)
    return line.startswith(_OUR_STARTS) or any(start.startswith(line) for start in _OUR_STARTS)
