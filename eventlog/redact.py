"""Secrets out of error texts, before they are written.

Law: text in, text out. Providers quote keys and headers in their errors; a log that many people read must not keep
them. Only ``error`` texts pass through here, and the failed model's id stays whatever it looks like: an operator must
be able to tell which model it was.
"""

import re
from typing import Final

PATTERNS: Final = (
    re.compile(r"(?i)\b(Bearer|Basic)(\s+)([A-Za-z0-9+/=._~-]{8,})"),
    re.compile(r"\b((?:sk|pk|rk|xai)[-_]|(?:gsk|hf|gh[opsu])_|AKIA|AIza)()([A-Za-z0-9_-]{12,})"),
    re.compile(
        r"(?i)(?<![a-z])(api[-_ ]?key|access[-_]?token|token|secret|password|key)"
        r"([\"']?\s*[=:]\s*[\"']?)([^\s\"'&,;]{6,})"
    ),
)
"""What counts as a secret: what tells its kind, what stands between, and the secret itself, which goes."""

LONGEST: Final = 2_000
"""Characters that are kept of an error text."""


def clean(text: str, model: str = "") -> str:
    """The text without secrets, at most :data:`LONGEST` characters long; the id of ``model`` is none."""
    text = text[: LONGEST * 4]  # a secret cut in two by the limit must still be seen whole; a 1 MB text need not be
    ids = _ids(model)
    for pattern in PATTERNS:
        text = _mask(text, pattern, ids)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _ids(model: str) -> re.Pattern[str]:
    """Where the model is named, with its provider or without, and not just as the beginning of something else."""
    names = {model, model.partition("/")[2]} - {""}
    either = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.compile(rf"(?:{either})(?![\w/+-]|\.\w)" if names else r"(?!)")


def _mask(text: str, pattern: re.Pattern[str], ids: re.Pattern[str]) -> str:
    spans = [found.span() for found in ids.finditer(text)]

    def mask(match: re.Match[str]) -> str:
        named = any(start <= match.start(3) < end for start, end in spans)
        return match[0] if named else f"{match[1]}{match[2]}[redacted]"

    return pattern.sub(mask, text)
