"""Secrets out of error texts, before they are written.

Law: text in, text out. Providers quote keys and headers in their errors; a log that many people read must not keep
them. Only ``error`` texts pass through here: a model id is never masked, a masked id would break the record.
"""

import re
from typing import Final

PATTERNS: Final = (
    re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9+/=._~-]{8,}", re.IGNORECASE),
    re.compile(r"\b(sk|pk|rk|xai|gsk|hf|ghp|gho|AKIA|AIza)[-_]?[A-Za-z0-9_-]{12,}"),
    re.compile(r"(?i)\b(api[-_ ]?key|access[-_]?token|token|secret|password|key)(\"?\s*[=:]\s*\"?)[^\s\"'&,;]{6,}"),
)
"""What counts as a secret; the first group says what kind it was and stays."""

LONGEST: Final = 2_000
"""Characters that are kept of an error text."""


def clean(text: str) -> str:
    """The text without secrets, at most :data:`LONGEST` characters long."""
    text = text[: LONGEST * 4]  # a secret cut in two by the limit must still be seen whole; a 1 MB text need not be
    for pattern in PATTERNS:
        text = pattern.sub(_mask, text)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _mask(match: re.Match[str]) -> str:
    kind, *between = match.groups()
    return f"{kind}{between[0] if between else ' '}[redacted]"
