"""Hostile text for the terminal.

Law: one function, and everything that comes from a log passes through it before it is printed. rich lets escape
sequences, C1 controls, bidi and zero-width characters through, and turns ``[…]`` of a plain string into markup.
"""

import unicodedata
from typing import Final

_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that a person can't see or that move what they see."""

_INVISIBLE: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800")
"""Blank letters: visible by category, not to the eye."""


def visible(text: str, longest: int = 300) -> str:
    """The text with every control, bidi and zero-width character as a visible escape, shortened in the middle."""
    if not text.isascii() or not text.isprintable():
        text = "".join(_escape(char) if _is_hidden(char) else char for char in text[: longest * 4])
    if len(text) <= longest:
        return text
    half = (longest - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def _is_hidden(char: str) -> bool:
    return unicodedata.category(char) in _HIDDEN or char in _INVISIBLE


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
