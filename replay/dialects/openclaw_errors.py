"""What a failed run's words say of the failure: the texts that OpenClaw leaves in its transcripts, as reasons.

Law: a pure table. Text in, a verdict out; no text raises, and no more than its beginning is looked at.

``errorMessage`` holds what the provider's client said, in one of three forms. ``401 Invalid API key`` begins with the
status, and :mod:`replay.classify` knows the rest. ``{"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}`` names itself
within. ``fetch failed`` is words alone: those are the rows below, each with a text that was really seen.
"""

import re
from datetime import datetime
from typing import Final, NamedTuple

from replay import reasons
from replay.classify import Verdict, classify, classify_type, wait_in_body

__all__ = ["ROWS", "Row", "verdict_on"]


class Row(NamedTuple):
    """Words, what they mean, and texts in which they were met. The first row that fits decides."""

    words: re.Pattern[str]
    reason: str
    examples: tuple[str, ...]


def _row(words: str, reason: str, *examples: str) -> Row:
    return Row(re.compile(words, re.IGNORECASE | re.ASCII), reason, examples)


ROWS: Final = (
    _row(r"abort.{0,30}timeout", reasons.TIMEOUT, "The operation was aborted due to timeout"),
    # A run that OpenClaw itself gave up for its time limit reads the same: it blames nobody, for want of a sign.
    _row(
        r"^(error: )?aborted\b|\b(request|operation) (was )?(aborted|cancell?ed)|interrupted by user",
        reasons.ABORTED,
        *("aborted", "Request was aborted", "This operation was aborted", "Interrupted by user"),
        "Request aborted before processing provider output.",
    ),
    # Bedrock counts the tokens of a minute: "too many" of them is no long prompt.
    _row(r"throttl", reasons.RATE_LIMIT, "ThrottlingException: Too many tokens, please wait before trying again."),
    _row(
        r"context.?(length|window|size|overflow)|maximum context|too many tokens|(prompt|input) is too long"
        r"|prompt too (long|large)|request_too_large|token count.{0,40}exceeds|exceeded model token limit",
        reasons.CONTEXT_OVERFLOW,
        *("context window exceeds limit", "prompt is too long: 208310 tokens > 200000 maximum"),
    ),
    _row(
        r"content.?(filter|policy)|finish.?reason:? ?(safety|prohibited)|was flagged",
        reasons.CONTENT_FILTER,
        "Provider finish_reason: content_filter",
    ),
    _row(
        r"credit balance|insufficient.?(quota|balance|funds|credit)|payment required|requires more credits"
        r"|billing error|out of credits",
        reasons.BILLING,
        "This request requires more credits, or fewer max_tokens.",
        "⚠️ API provider returned a billing error — your API key has run out of credits",
    ),
    _row(
        r"rate.?limit|too many requests|usage limit|quota|resource.?(has been )?exhausted|tokens per (minute|day)"
        r"|(daily|weekly|monthly) limit|model_cooldown",
        reasons.RATE_LIMIT,
        *("Rate limit exceeded. Please try again later. | status=failed", "rate limited"),
        *("Codex error: The usage limit has been reached", "⚠️ API rate limit reached. Please try again later."),
        "You have hit your ChatGPT usage limit (plus plan). Try again in ~46 min.",
    ),
    _row(
        r"overloaded|high demand|at capacity|service.?unavailable|server is busy",
        reasons.OVERLOADED,
        "The AI service is temporarily overloaded. Please try again in a moment.",
        "The service may be temporarily overloaded, please try again later",
    ),
    _row(
        r"\bmodel\b.{0,80}(not found|not exist|not supported|unavailable)|unknown model|not a valid model",
        reasons.MODEL_NOT_FOUND,
        *("Unknown model: kimi/kimi2.6", 'model "llama3:8b" not found, try pulling it first'),
    ),
    _row(
        r"api.?key|unauthori[sz]ed|authenticat|oauth|forbidden|access denied|no credentials|couldn't sign in"
        r"|token.{0,20}expired",
        reasons.AUTH,
        *("No API key for provider: openai", "No API key found for the selected model."),
        "Couldn't sign in to kimi. Your saved login looks expired or no longer works. `openclaw configure`.",
    ),
    _row(
        r"tim(ed?|e) ?out|deadline exceeded|without sending (any )?chunks?",
        reasons.TIMEOUT,
        *("Request timed out.", "LLM request timed out.", "terminated | Body Timeout Error"),
        "connect ETIMEDOUT 104.18.6.192:443",
    ),
    _row(
        r"fetch failed|connection error|network.?(error|request failed)|socket hang up|^terminated\b|other side closed"
        r"|\bE(CONN(REFUSED|RESET|ABORTED)|NOTFOUND|AI_AGAIN|PIPE|(NET|HOST)(UNREACH|DOWN|RESET))\b"
        r"|connection.{0,20}(closed|reset|lost|refused)",
        reasons.NETWORK,
        *("Connection error.", "fetch failed", "terminated", "socket hang up"),
        "connect ECONNREFUSED 127.0.0.1:11434",
    ),
    _row(
        r"internal.?(server )?error|server.?error|bad gateway|provider returned error",
        reasons.SERVER_ERROR,
        *("Provider returned error", "Internal server error"),
    ),
    _row(
        r"tool_use|tool.?call.?id|invalid.?request|(invalid|unsupported) (temperature|parameter|value)"
        r"|rejected the request|roles must alternate",
        reasons.INVALID_REQUEST,
        "invalid temperature: only 1 is allowed for this model",
        "LLM request failed: provider rejected the request schema or tool payload.",
    ),
)
"""Gathered from recordings, from public issues of OpenClaw and of the agent that it is built on, and from clients."""

_LOOKED_AT: Final = 4_000
_STATUS: Final = re.compile(
    r"(?:[a-z. ]{0,40}(?:error|status)[ :(]{1,3})?(?:HTTP )?([45]\d\d)\b", re.IGNORECASE | re.ASCII
)
_CODE: Final = re.compile(r"\"(?:code|status)\"\s{0,9}:\s{0,9}([45]\d\d)\b", re.ASCII)
_NAME: Final = re.compile(r"\"(?:code|type|status)\"\s{0,9}:\s{0,9}\"(\w{1,60})\"", re.ASCII)
_OVERFLOW: Final = re.compile(r"context.?size", re.IGNORECASE)
"""llama.cpp's words for a 400, beside those that are known of others."""
_MINUTES: Final = re.compile(r"try again in ~?(\d{1,6}) min", re.IGNORECASE | re.ASCII)


def verdict_on(text: str, now: datetime) -> Verdict:
    """What the text says: reason, the status it begins with, the wait it asks for; ``unknown`` if nothing.

    ``now`` is when it was written: a wait that ends at a date is counted from there.
    """
    text = text[:_LOOKED_AT]
    number = _STATUS.match(text) or _CODE.search(text)
    found = classify(int(number[1]), {}, text, now) if number is not None else None
    if found is not None and found.reason == reasons.INVALID_REQUEST and _OVERFLOW.search(text):
        found = Verdict(reasons.CONTEXT_OVERFLOW, found.status)
    if found is None:
        named = (classify_type(name, text, now) for name in _NAME.findall(text))
        found = next((one for one in named if one is not None), None) or _by_words(text, now)
    minutes = _MINUTES.search(text) if found.retry_after_ms is None and found.reason == reasons.RATE_LIMIT else None
    return found if minutes is None else Verdict(found.reason, found.status, int(minutes[1]) * 60_000)


def _by_words(text: str, now: datetime) -> Verdict:
    reason = next((row.reason for row in ROWS if row.words.search(text)), reasons.UNKNOWN)
    waits = reason in (reasons.RATE_LIMIT, reasons.OVERLOADED)
    return Verdict(reason, None, wait_in_body(text, now) if waits else None)
