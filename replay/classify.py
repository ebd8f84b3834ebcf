"""From a provider's answer to the reason for a failure.

Law: a pure table. Status, headers and the beginning of the body in, a verdict out; which client produced them does
not matter here. The body decides where a status has two meanings. No answer whatever raises.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from replay import reasons


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer says: the ``reason``, the HTTP ``status`` and for how long the provider wants peace (ms)."""

    reason: str
    status: int | None = None
    retry_after_ms: int | None = None


BY_STATUS: Final[Mapping[int, str]] = {
    400: reasons.INVALID_REQUEST,
    401: reasons.AUTH,
    402: reasons.BILLING,
    403: reasons.AUTH,
    404: reasons.MODEL_NOT_FOUND,
    408: reasons.TIMEOUT,
    413: reasons.CONTEXT_OVERFLOW,
    422: reasons.INVALID_REQUEST,
    429: reasons.RATE_LIMIT,
    498: reasons.OVERLOADED,  # Groq: no capacity for the flex tier
    500: reasons.SERVER_ERROR,
    502: reasons.SERVER_ERROR,
    503: reasons.OVERLOADED,
    504: reasons.TIMEOUT,
    524: reasons.TIMEOUT,  # Cloudflare, before a provider
    529: reasons.OVERLOADED,  # Anthropic
}

_TYPES: Final[Mapping[str, str]] = {
    reasons.RATE_LIMIT: "rate_limit_error rate_limit_exceeded rate_limit_reached_error resource_exhausted",
    reasons.OVERLOADED: "engine_overloaded_error overloaded_error server_is_overloaded slow_down unavailable",
    reasons.SERVER_ERROR: "api_error internal internal_error server_error",
    reasons.TIMEOUT: "deadline_exceeded timeout_error",
    reasons.AUTH: "authentication_error invalid_api_key permission_denied permission_error unauthenticated",
    reasons.BILLING: "billing_error billing_hard_limit_reached billing_not_active exceeded_current_quota_error"
    " insufficient_quota",
    reasons.MODEL_NOT_FOUND: "model_not_found not_found not_found_error",
    reasons.CONTEXT_OVERFLOW: "context_length_exceeded request_too_large",
    reasons.CONTENT_FILTER: "content_filter content_policy_violation",
    reasons.INVALID_REQUEST: "invalid_argument invalid_request_error",
}
BY_TYPE: Final[Mapping[str, str]] = {name: reason for reason, names in _TYPES.items() for name in names.split()}
"""What an error calls itself, in small letters: inside of a stream, where the status was 200 long ago, it is all there
is. From the references of errors of OpenAI (``code``, ``type``), Anthropic (``error.type``), Google (``status``, the
names of google.rpc.Code) and Moonshot (``error.type``); many others copy the first."""


def _says(words: str) -> re.Pattern[str]:
    return re.compile(words, re.IGNORECASE)


_BY_BODY: Final = (
    # Too long for this model. OpenAI says so with a 429 where one request alone is above the limit of a minute.
    (
        {400, 413, 422},
        _says(
            r"context.?(length|window)|maximum context|too many tokens|(prompt|input) is too long"
            r"|token count.{0,40}exceeds|exceeded model token limit"
        ),
        reasons.CONTEXT_OVERFLOW,
    ),
    ({429}, _says(r"request too large|tokens must be reduced"), reasons.CONTEXT_OVERFLOW),
    # Azure, OpenAI, OpenRouter ("input was flagged"), Moonshot ("high risk"), DeepSeek.
    (
        {400, 403, 422},
        _says(
            r"content.?(filter|policy|management)|safety.?(system|filter|polic|check|setting)|moderation|was flagged"
            r"|considered high risk|content exists risk"
        ),
        reasons.CONTENT_FILTER,
    ),
    # A plan's allowance that fills up again is a wait, also where the status says "pay".
    (
        {402, 403, 429},
        _says(
            r"usage_limit_reached|limit.{0,120}(will reset|resets? (at|in|on)|try again later)"
            r"|try again (in|at) |resets_(at|in)"
        ),
        reasons.RATE_LIMIT,
    ),
    # Google words a limit of a minute as OpenAI does an empty account; this tells them apart.
    ({429}, _says(r"resource_exhausted|retrydelay|free_?tier|per.?(minute|day)"), reasons.RATE_LIMIT),
    # Of OpenAI, Anthropic (a 400), DeepSeek, Moonshot, Zhipu, OpenRouter.
    (
        {400, 403, 429},
        _says(
            r"insufficient.?(quota|balance|funds|credit)|credit balance|enable billing|billing_(not|hard)"
            r"|exceeded.(your.)?current.(token.)?quota|regain access on|code\W{1,4}1113\b"
        ),
        reasons.BILLING,
    ),
    ({403, 429}, _says(r"billing|payment|spending limit|key limit exceeded|recharge"), reasons.BILLING),
    ({429, 500}, _says(r"overloaded"), reasons.OVERLOADED),
    (
        {400, 403},
        _says(r"(rate|daily).?limit|too many requests|quota.{0,20}exce|throttl|resource.?exhausted"),
        reasons.RATE_LIMIT,
    ),
    # OpenAI's 403 "does not have access to model" bears this code: the key is good for all others.
    (
        {400, 403, 422},
        _says(r"model.{0,60}(not found|does not exist|not exist)|model_not_found|not a valid model|access to model"),
        reasons.MODEL_NOT_FOUND,
    ),
    (
        {400},
        _says(r"(invalid|incorrect|expired).{0,12}(api.?key|access.?token)|api.?key.{0,5}(not valid|expired)"),
        reasons.AUTH,
    ),
)
"""(statuses, words in the body, reason): the first that fits overrules the table above."""

_LOOKED_AT: Final = 4_000


def classify(status: int, headers: Mapping[str, str], body: str, now: datetime) -> Verdict | None:
    """The verdict on an HTTP answer received at ``now``; None where the status tells of no failure (below 400).

    Header names may have any case. An unlisted 4xx is ``invalid_request``, an unlisted 5xx ``server_error``.
    """
    if status < 400:
        return None
    reason = _reason(status, body)
    wait = retry_after(headers, now)
    if wait is None and reason in _WAITING:
        in_words = wait_in_body(body, now)
        wait = until_reset(headers, now) if in_words is None else in_words
    return Verdict(reason, status, wait)


def classify_type(kind: str, body: str, now: datetime) -> Verdict | None:
    """The verdict on an error without a status, by what it calls itself; None for a name that is not in the table."""
    reason = BY_TYPE.get(kind.lower())
    if reason in _VAGUE:
        reason = _reason(_VAGUE[reason], body)
    return None if reason is None else Verdict(reason, None, wait_in_body(body, now) if reason in _WAITING else None)


def _reason(status: int, body: str) -> str:
    body = body[:_LOOKED_AT]
    return next(
        (reason for statuses, words, reason in _BY_BODY if status in statuses and words.search(body)),
        BY_STATUS.get(status, reasons.INVALID_REQUEST if status < 500 else reasons.SERVER_ERROR),
    )


# Of these types the words beside them say more, as they do of these statuses.
_VAGUE: Final = {reasons.RATE_LIMIT: 429, reasons.INVALID_REQUEST: 400}

_WAITING: Final = frozenset({reasons.RATE_LIMIT, reasons.OVERLOADED})
"""For these alone the end of a limit says when the model answers again."""

DAY_MS: Final = 24 * 60 * 60 * 1000
"""No wait is longer: who says "next year" is asked again tomorrow."""


def retry_after(headers: Mapping[str, str], now: datetime) -> int | None:
    """The milliseconds that ``retry-after-ms`` or ``retry-after`` (seconds or a date) ask for; None if neither.

    The second is RFC 9110's, the first OpenAI's, Azure's and Anthropic's.
    """
    lower = {name.lower(): value.strip() for name, value in headers.items()}
    if (exact := _number(lower.get("retry-after-ms", ""))) is not None:
        return _capped(exact)
    value = lower.get("retry-after", "")
    seconds = _number(value)
    return _capped(seconds * 1000) if seconds is not None else _until(value, now)


_RESET: Final = _says(r"(x-|anthropic-)?rate-?limit-(?:[\w-]{1,40}-)?reset(?:-[\w-]{1,40})?")


def until_reset(headers: Mapping[str, str], now: datetime) -> int | None:
    """The milliseconds until the limits that bind are lifted, the longest of them; None if no header says so.

    A limit binds if nothing of it remains (``…-remaining-…: 0``), or nobody says how much does. Read are OpenAI's
    ``x-ratelimit-reset-tokens: 6m0s``, Azure's seconds, Anthropic's ``anthropic-ratelimit-tokens-reset`` (RFC 3339),
    ``x-ratelimit-reset`` in seconds (GitHub) or milliseconds (OpenRouter) since 1970, ``ratelimit-reset`` (seconds).
    """
    lower = {name.lower(): value.strip() for name, value in headers.items()}
    waits = [
        wait
        for name, value in lower.items()
        if _RESET.fullmatch(name) and _number(lower.get(name.replace("reset", "remaining"), "0")) == 0
        if (wait := _span(value, now)) is not None
    ]
    return max(waits, default=None)


_SPAN: Final = r"(?:\d{1,9}(?:\.\d{1,9})?(?:ms|us|µs|ns|d|h|m|s))"
_UNITS: Final = {"ns": 1e-6, "us": 1e-3, "µs": 1e-3, "ms": 1, "s": 1e3, "m": 60e3, "h": 3600e3, "d": 86400e3}
_BODY_WAITS: Final = (
    _says(rf"""retryDelay["']\s*:\s*["']({_SPAN})["']"""),  # google.rpc.RetryInfo
    _says(r"""["']resets_in_seconds["']\s*:\s*(\d{1,9})"""),  # OpenAI's allowance of a plan
    _says(r"""["']X-RateLimit-Reset["']\s*:\s*["']?(\d{10,13})"""),  # OpenRouter, headers told in the body
    _says(rf"(?:try again|retry) in ({_SPAN}{{1,5}})"),  # OpenAI, Groq, Google
    _says(r"(?:try again|retry) (?:in|after) (\d{1,9}) seconds?"),  # Azure, Moonshot
)


def wait_in_body(body: str, now: datetime) -> int | None:
    """The milliseconds that an error's own words ask for; None if it says nothing of it."""
    found = next((match for words in _BODY_WAITS if (match := words.search(body[:_LOOKED_AT]))), None)
    return _span(found[1], now) if found is not None else None


def _span(text: str, now: datetime) -> int | None:
    """The milliseconds from now that are meant: ``1m30s``, ``7``, a date, or (from its size) a time since 1970."""
    number = _number(text)
    if number is not None:
        if number < 1e9:
            return _capped(number * 1000)
        return max(0, _capped((number if number >= 1e11 else number * 1000) - now.timestamp() * 1000))
    if re.fullmatch(rf"{_SPAN}{{1,8}}", text):
        return _capped(sum(float(size) * _UNITS[unit] for size, unit in re.findall(r"([\d.]+)(\D+)", text)))
    return _until(text, now)


def _until(text: str, now: datetime) -> int | None:
    """The milliseconds until a date, of an e-mail's form or RFC 3339."""
    try:
        from email.utils import parsedate_to_datetime  # it imports a great deal, and few providers write dates

        date = datetime.fromisoformat(text) if re.match(r"\d{4}-\d\d-\d\d[Tt ]", text) else parsedate_to_datetime(text)
        until = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
        return max(0, _capped((until - now).total_seconds() * 1000))
    except (ValueError, TypeError, OverflowError, ImportError, OSError):  # or no file is left to import it with
        return None


def _capped(wait: float) -> int:
    return min(round(wait), DAY_MS)


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\d{1,13}(\.\d{1,9})?", text) else None
