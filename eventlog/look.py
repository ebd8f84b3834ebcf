"""The look at both ends of a line: can it be ours?

Law: bytes in, an answer out; exact for any key order, spacing and escapes. Most lines of a transcript are the host's,
and long: a line's head decides if it is ``{"type":"`` and three letters; any other head needs one of our type names, or
an escape that could hide one. Its tail counts if it is a seal, whatever the head: a torn fragment may stand before a
good record.
"""

import re
from typing import Final

from eventlog import seal
from replay.events import EVENT_TYPES

HEAD: Final = b'{"type":"'
OUR_TYPES: Final = EVENT_TYPES | {"attempt_started"}
"""The values of ``type`` that are ours, one of them reserved."""

_OUR_HEADS: Final = frozenset({b"att", b"mod", b"fai", b"log"})
_OUR_STARTS: Final = tuple(HEAD + name.encode() + b'"' for name in sorted(OUR_TYPES))
_LONGEST_START: Final = max(map(len, _OUR_STARTS))
_HIDDEN: Final = re.compile(rb"\\u00|" + b"|".join(name.encode() for name in sorted(OUR_TYPES)))


def is_candidate(line: bytes) -> bool:
    """Whether the line (without its newline) can be or hold a record of ours: the look at both ends."""
    if line.startswith(HEAD):
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
