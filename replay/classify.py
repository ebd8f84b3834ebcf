"""From an HTTP answer to the reason for a failure.

Law: a pure table. Status, headers and the beginning of the body in, a verdict out; which client produced them does
not matter here. The body decides where a status has two meanings.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
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
    500: reasons.SERVER_ERROR,
    502: reasons.SERVER_ERROR,
    503: reasons.OVERLOADED,
    504: reasons.TIMEOUT,
    529: reasons.OVERLOADED,
}


def _says(words: str) -> re.Pattern[str]:
    return re.compile(words, re.IGNORECASE)


_BY_BODY: Final = (
    (
        {400, 413, 422},
        _says(r"context.?(length|window)|maximum context|too many tokens|prompt is too long"),
        reasons.CONTEXT_OVERFLOW,
    ),
    ({400, 403, 422}, _says(r"content.?(filter|policy|management)|safety|moderation"), reasons.CONTENT_FILTER),
    (
        {403, 429},
        _says(r"insufficient.?(quota|balance|funds|credit)|billing|payment|exceeded your current quota"),
        reasons.BILLING,
    ),
    ({400, 403}, _says(r"rate.?limit|too many requests"), reasons.RATE_LIMIT),
    ({400, 403}, _says(r"(invalid|incorrect|expired).{0,20}(api.?key|token)"), reasons.AUTH),
    ({400, 422}, _says(r"model.{0,60}(not found|does not exist|not exist)"), reasons.MODEL_NOT_FOUND),
)
"""(statuses, words in the body, reason): the first that fits overrules the table above."""

_LOOKED_AT: Final = 4_000


def classify(status: int, headers: Mapping[str, str], body: str, now: datetime) -> Verdict | None:
    """The verdict on an HTTP answer received at ``now``; None where the status tells of no failure (below 400).

    Header names may have any case. An unlisted 4xx is ``invalid_request``, an unlisted 5xx ``server_error``.
    """
    if status < 400:
        return None
    reason = next(
        (reason for statuses, words, reason in _BY_BODY if status in statuses and words.search(body[:_LOOKED_AT])),
        BY_STATUS.get(status, reasons.INVALID_REQUEST if status < 500 else reasons.SERVER_ERROR),
    )
    return Verdict(reason, status, retry_after(headers, now))


def retry_after(headers: Mapping[str, str], now: datetime) -> int | None:
    """The milliseconds that ``retry-after-ms`` or ``retry-after`` (seconds or a date) ask for; None if neither."""
    lower = {name.lower(): value.strip() for name, value in headers.items()}
    if (exact := _number(lower.get("retry-after-ms", ""))) is not None:
        return round(exact)
    value = lower.get("retry-after", "")
    if (seconds := _number(value)) is not None:
        return round(seconds * 1000)
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    until = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
    return max(0, round((until - now).total_seconds() * 1000))


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\d{1,12}(\.\d{1,9})?", text) else None
