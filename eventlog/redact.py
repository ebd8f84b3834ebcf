"""Secrets out of error texts, before they are written.

Law: text in, text out. Providers quote keys and headers in their errors; a log that many people read must not keep
them. Only ``error`` texts pass through here, and the failed model's id stays whatever it looks like: an operator must
be able to tell which model it was.
"""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

PATTERNS: Final[Mapping[str, re.Pattern[str]]] = MappingProxyType(
    {
        "a key in PEM form": re.compile(
            r"()()(-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*-----|\Z))", re.DOTALL
        ),
        "an authorization header": re.compile(r"(?i)\b(Bearer|Basic)([ \t]+)([A-Za-z0-9+/=._~-]{8,})"),
        "a provider's key": re.compile(
            r"(?<![A-Za-z0-9])((?:sk|pk|rk|xai)[-_]|(?:pplx|nvapi|glpat|csk|xox[a-z])-|AKIA|ASIA|AIza|ya29\."
            r"|(?:gsk|hf|fw|r8|tgp_v1|gh[oprsu]|github_pat|npm|dop_v1)_)()([A-Za-z0-9_-]{12,})"
        ),
        "a JSON web token": re.compile(r"\b(eyJ)()([A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*)?)"),
        "a password in an address": re.compile(
            r"(?i)\b([a-z][a-z0-9+.-]{1,20}://)([^\s:/@]{0,64}:)([^\s/@]{1,256})(?=@)"
        ),
        "a named secret": re.compile(
            r"(?i)(?<![a-z])((?:x-)?(?:api|goog-api|subscription|shared-?access|access|secret|private|account|auth)?"
            r"[-_ ]?(?:key|token|secret|password|passwd|pwd|signature|credential|cookie|sig))"
            r"([\"']?\s*[=:]\s*[\"']?)([^\s\"'&,;]{6,})"
        ),
    }
)
"""What counts as a secret, by name. The groups of each: what tells its kind, what stands between, and the secret."""

_SUSPECT: Final = re.compile(r"[=:@_-]|\b(?i:Bearer|Basic)\b|AKIA|ASIA|AIza|ya29|eyJ")
"""Every secret above has one of these: a text without any needs no closer look."""

_SIGNS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "a key in PEM form": ("-----begin ",),
        "an authorization header": ("bearer", "basic"),
        "a provider's key": (
            *("sk-", "sk_", "pk-", "pk_", "rk-", "rk_", "xai-", "xai_", "pplx-", "nvapi-", "glpat-", "xox", "akia"),
            *("asia", "aiza", "ya29.", "hf_", "fw_", "r8_", "tgp_v1_", "gho_", "ghp_", "ghr_", "ghs_", "ghu_"),
            *("github_pat_", "npm_", "dop_v1_"),
        ),
        "a JSON web token": ("eyj",),
        "a password in an address": ("://",),
        "a named secret": ("key", "token", "secret", "passw", "pwd", "sig", "credential", "cookie"),
    }
)
"""Of what each pattern finds, a part stands here, in small letters: a text with none of them need not be searched for
it, which takes thirty times as long. True of ASCII only: beyond it, other letters count as the same."""

LONGEST: Final = 2_000
"""Characters that are kept of an error text."""

GONE: Final = "[redacted]"


def clean(text: str, model: str = "", also: Iterable[re.Pattern[str]] = ()) -> str:
    """The text without secrets, at most :data:`LONGEST` characters long; the id of ``model`` is none.

    ``also``: patterns of one's own, of which the whole match goes.
    """
    if len(text) <= LONGEST and _SUSPECT.search(text) is None and not also:
        return text
    text = text[: LONGEST * 4]  # a secret cut in two by the limit must still be seen whole; a 1 MB text need not be
    small = text.lower() if text.isascii() else None
    suspects = [
        pattern for name, pattern in PATTERNS.items() if small is None or any(sign in small for sign in _SIGNS[name])
    ]
    if suspects or also:
        ids = _ids(model)
        for pattern in (*suspects, *also):
            text = _mask(text, pattern, ids)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _ids(model: str) -> re.Pattern[str]:
    """Where the model is named, with its provider or without, and not just as the beginning of something else."""
    names = {model, model.partition("/")[2]} - {""}
    either = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.compile(rf"(?:{either})(?![\w/+-]|\.\w)" if names else r"(?!)")


def _mask(text: str, pattern: re.Pattern[str], ids: re.Pattern[str]) -> str:
    spans = [found.span() for found in ids.finditer(text)]
    ours = pattern in _OURS

    def mask(match: re.Match[str]) -> str:
        secret = match.start(3) if ours else match.start()
        if any(start <= secret < end for start, end in spans):
            return match[0]
        return f"{match[1]}{match[2]}{GONE}" if ours else GONE

    return pattern.sub(mask, text)


_OURS: Final = frozenset(PATTERNS.values())
