"""A configuration as people write it: JSON with comments, with a comma too many, with keys that are not quoted.

Law: pure, and total but for ValueError; linear in the text, whatever it holds. What JSON itself can read means the same
here.
"""

import re
from typing import Final

import orjson

_TOKEN: Final = re.compile(
    r'"(?:[^"\\]|\\.)*"?'  # a string is a whole: what looks like a comment in it is none
    r"|(?P<comment>//[^\n]*|/\*(?:[^*]|\*(?!/))*(?:\*/)?)"
    r"|(?P<name>[A-Za-z_$][\w$]*)"
    r"|[^\"/A-Za-z_$,]+|.",
    re.DOTALL,
)


def loads(data: bytes) -> object:
    """The value that ``data`` holds. Raises ValueError if it is more than relaxed."""
    try:
        value: object = orjson.loads(data)
    except orjson.JSONDecodeError as strict:
        try:
            value = orjson.loads(_strict(data.decode("utf-8-sig")))
        except ValueError:
            raise ValueError(f"{strict} (comments, a last comma and keys without quotes would do)") from None
    return value


def _strict(text: str) -> str:
    """From its end to its beginning: what a piece means depends on the next sign behind it."""
    parts, following = [], ""
    for token in reversed(list(_TOKEN.finditer(text))):
        part = token[0]
        if token["comment"] is not None:
            continue
        if part == "," and following in {"]", "}"}:
            part, following = "", part  # one comma too many, not two
        if token["name"] is not None and following == ":":
            part = f'"{part}"'
        parts.append(part)
        following = part.lstrip()[:1] or following
    return "".join(reversed(parts))
