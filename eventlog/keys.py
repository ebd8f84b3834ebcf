"""Keys: proof of who wrote a record, where a seal only proves that it is whole.

Law: bytes and names; :func:`load` is the one way in from a file. A proof stands before the seal, as
``"mac":"<key id>.<32 hex>"``: the first 32 hex digits of HMAC-SHA-256 over the line's raw bytes before ``,"mac"``.

A key file has one key a line, an id and at least 32 hex digits: ``k1 9f86d081884c7d65…``. The first line's key signs,
all of them verify: to change keys, put the new one on top and leave the old one below. Make one with
``echo "k1 $(openssl rand -hex 32)" > switchlog.keys; chmod 600 switchlog.keys``.
"""

import hashlib
import hmac
import logging
import re
import stat as modes
from collections.abc import Mapping
from enum import Enum, auto
from pathlib import Path
from typing import Final, Self

_DIGITS: Final = 32
_PROOF: Final = re.compile(rb',"mac":"([A-Za-z0-9_-]{1,32})\.([0-9a-f]{32})","seal":"[0-9a-f]{32}"\}')
_LONGEST: Final = len(b',"mac":"') + 32 + 1 + _DIGITS + len(b'","seal":"') + _DIGITS + len(b'"}')
_KEY: Final = re.compile(r"([A-Za-z0-9_-]{1,32})[ \t]+((?:[0-9A-Fa-f]{2}){16,})")

_logger: Final = logging.getLogger("switchlog")


class Proof(Enum):
    """What a sealed record proves of its writer."""

    NONE = auto()
    """It has no proof: whoever can write the file can have written it."""
    RIGHT = auto()
    """Made with a key of the ring."""
    WRONG = auto()
    """It names a key of the ring, and was not made with it."""
    UNKNOWN = auto()
    """It names a key that the ring doesn't have."""


class KeyFileError(ValueError):
    """A key file that can't be used: which line, why."""


class Keys:
    """A ring of keys, by id. The first one signs."""

    def __init__(self, ring: Mapping[str, bytes]) -> None:
        """Raises KeyFileError for a ring without a key."""
        if not ring:
            raise KeyFileError("there is no key in it")
        self._ring = dict(ring)
        self.signing = next(iter(self._ring))
        """The id of the key that signs."""

    @classmethod
    def load(cls, path: Path) -> Self:
        """The keys of a file (see above). Raises OSError, and KeyFileError with the line that is wrong."""
        ring: dict[str, bytes] = {}
        for number, line in enumerate(path.read_text(encoding="ascii", errors="replace").splitlines(), 1):
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            key = _KEY.fullmatch(text)
            if key is None:
                raise KeyFileError(
                    f"line {number} is no key: write an id and 32 or more hex digits (openssl rand -hex 32)"
                )
            if key[1] in ring:
                raise KeyFileError(f"line {number}: there are two keys {key[1]!r}")
            ring[key[1]] = bytes.fromhex(key[2])
        if path.stat().st_mode & modes.S_IRWXO:
            _logger.warning("%s can be read by everybody: what it signs proves little (chmod 600)", path)
        return cls(ring)

    def sign(self, body: bytes) -> bytes:
        """``body`` (a line without its closing brace) with its proof; the seal goes behind it."""
        return body + b',"mac":"' + self.signing.encode() + b"." + _digest(self._ring[self.signing], body) + b'"'

    def prove(self, record: bytes) -> Proof:
        """What a record with a right seal proves."""
        return prove(record, self._ring)


def prove(record: bytes, ring: Mapping[str, bytes]) -> Proof:
    """What a record with a right seal proves to somebody who has these keys."""
    at = record.rfind(b',"mac":"', max(0, len(record) - _LONGEST))
    found = _PROOF.fullmatch(record, at) if at >= 0 else None
    if found is None:
        return Proof.NONE
    key = ring.get(found[1].decode())
    if key is None:
        return Proof.UNKNOWN
    return Proof.RIGHT if hmac.compare_digest(_digest(key, record[:at]), found[2]) else Proof.WRONG


def _digest(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, body, hashlib.sha256).hex()[:_DIGITS].encode()
