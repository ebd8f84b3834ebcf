"""The seal: a line proves by itself that it is whole.

Law: bytes in, bytes out. A seal is the first 32 hex digits of SHA-256 over the line's raw bytes before the final
``,"seal"``. It is evidence of accidents, not of tampering: whoever can write the file can seal anew.
"""

import hashlib
import re
from typing import Final

_MARK: Final = b',"seal":"'
_DIGITS: Final = 32
TAIL: Final = len(_MARK) + _DIGITS + len(b'"}')
"""Bytes from the mark to the end of a sealed line."""
_BEHIND_MARK: Final = TAIL - len(_MARK)

ENDINGS: Final = re.compile(rb',"seal":"[0-9a-f]{32}"\}')
"""Where a sealed record may end."""

_LAST_BRACE: Final = re.compile(rb'[0-9a-f]{32}"\}\Z')


def seal(body: bytes) -> bytes:
    """``body`` (a line without its closing brace) closed with its seal."""
    return body + _MARK + _digest(body) + b'"}'


def is_sealed(line: bytes) -> bool:
    """Whether the line ends as a sealed one does; says nothing of whether the seal is right."""
    if line[-TAIL:-_BEHIND_MARK] != _MARK or len(line) == TAIL:  # nearly every line: not worth an expression
        return False
    return ENDINGS.fullmatch(line, len(line) - TAIL) is not None


def may_end(block: bytes, behind: int) -> bool:
    """Whether a sealed line may end before the newline before ``behind``: a look at its mark alone."""
    return block[behind - 1 - TAIL : behind - 1 - _BEHIND_MARK] == _MARK


def seal_of(line: bytes) -> str | None:
    """The seal of a line that ends in the right one, else None."""
    if not is_sealed(line):
        return None
    body = line[:-TAIL]
    written = line[-_DIGITS - 2 : -2]
    return written.decode("ascii") if _digest(body) == written else None


def is_cut(line: bytes) -> bool:
    """Whether what can't be read looks like a record that was cut short, and not like one that was damaged.

    A record cut within its seal still has the digits that belong to its body; one that is there to its last brace was
    not cut. An error text may hold braces and be cut behind one, but its quotes are escaped: it never looks like that.
    """
    mark = line.rfind(_MARK)
    if mark < 0:
        return _LAST_BRACE.search(line) is None
    whole, written = _digest(line[:mark]) + b'"}', line[mark + len(_MARK) :]
    same = next((at for at, byte in enumerate(written) if whole[at : at + 1] != bytes([byte])), len(written))
    return same == len(written) or written.startswith(b'{"', same)  # somebody's next line may be glued to it


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest()[:_DIGITS].encode("ascii")
