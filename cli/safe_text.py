r"""Hostile text, made safe for each place where it is shown: a terminal, JSON on a terminal, HTML, CSV.

Law: everything that comes from a log, a configuration or a command line passes through one of these before it is
shown. What a person can't see, or what moves what they see, becomes a visible escape like ``\x1b``; JSON's own escapes
give the text back unchanged. Nothing raises, whatever the text.

rich lets escape sequences, C1 controls, bidi and zero-width characters through, and turns ``[…]`` of a plain string
into markup; a spreadsheet takes a cell for a formula; so the last step is always one of these functions.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Final

_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that a person can't see or that move what they see: controls, bidi and tag characters, joiners,
lone surrogates, private use, noncharacters, line and paragraph separators."""

_BLANK: Final = frozenset(
    map(
        chr,
        (
            *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, 0x16FE4, 0x1D159),
            *(0x180B, 0x180C, 0x180D, 0x180F, *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)),  # variation selectors
        ),
    )
)
"""Letters and marks by category, nothing to the eye: any text can be hidden in a row of them."""

_MOST_MARKS: Final = 4
"""Combining marks on one letter that some script needs; a heap of them paints over the lines around."""

_NOT_ASCII: Final = re.compile(r"[^ -~]+")
_FORMULA: Final = frozenset("=+-@")
_BEFORE_FORMULA: Final = re.compile(r"""[\s"']*""")
_MAX: Final = 0xFFFF


def visible(text: str, longest: int = 300) -> str:
    """For a terminal: nothing in it that acts, shortened in the middle."""
    if len(text) <= longest:
        shown = _spelled(text)
        if len(shown) <= longest:
            return shown
        head = tail = shown
    else:  # the ends only: what is left out costs nothing, however long it is
        head, tail = _spelled(text[:longest]), _spelled(text[-longest:])
    half = (longest - 1) // 2
    return f"{head[:half]}…{tail[len(tail) - half :]}"


def for_json(text: str) -> str:
    r"""For JSON on a terminal: the serialised text with ``\uXXXX`` for what would act. It parses to the same."""
    return _NOT_ASCII.sub(lambda run: _replaced(run[0], _json_escape), text)


def for_html(text: str) -> str:
    """For HTML: safe as the text of an element and in a quoted attribute; not as a URL, a script or a style."""
    import html

    return html.escape(_spelled(text), quote=True)


def for_csv(text: str) -> str:
    """For a cell that a spreadsheet opens: what it could take for a formula gets a ``'`` before it.

    Quotes and blanks before the sign don't hide it (some programs strip them), nor does its full-width form. The cell
    is not quoted here: the csv module does that.
    """
    shown = _spelled(text)
    first = _BEFORE_FORMULA.sub("", text, count=1)[:1]
    acts = text[:1] in ("\t", "\r", "\n") or unicodedata.normalize("NFKC", first) in _FORMULA
    return f"'{shown}" if acts else shown


def _spelled(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    # A mark at the beginning would sit on what somebody else printed before it.
    return _replaced(text, _escape, marks=_MOST_MARKS)


def _replaced(text: str, escape: Callable[[str], str], marks: int = 0) -> str:
    """The text with each character that acts replaced; ``marks`` combining marks stand before it."""
    parts = []
    for char in text:
        kind = unicodedata.category(char)
        marks = marks + 1 if kind in ("Mn", "Me") else 0
        parts.append(escape(char) if kind in _HIDDEN or char in _BLANK or marks > _MOST_MARKS else char)
    return "".join(parts)


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code <= _MAX else f"\\U{code:08x}"


def _json_escape(char: str) -> str:
    code = ord(char)
    if code <= _MAX:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
