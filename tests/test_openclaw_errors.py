"""The table of the words that OpenClaw leaves of a failure, each row against texts that were really seen."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.dialects.openclaw_errors import ROWS, verdict_on
from replay.events import parse_time
from replay.reasons import BLAMELESS, BLAMING

NOW = parse_time("2026-11-22T14:31:22.340Z")

GOOGLE = '{"error":{"code":429,"message":"Quota. Please retry in 7s.","status":"RESOURCE_EXHAUSTED"}}'
ANTHROPIC = '{"type":"error","error":{"details":null,"type":"overloaded_error","message":"Overloaded"}}'
POOR = '400 {"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low"}}'
TOO_LONG = "400 request (150001 tokens) exceeds the available context size (150000 tokens), try increasing it"
TEXTS: list[tuple[str, str, int | None, int | None]] = [
    ("401 Invalid API key", "auth", 401, None),
    ("500 internal server error", "server_error", 500, None),
    ("503 Service Unavailable", "overloaded", 503, None),
    ("Error: 429 Too Many Requests", "rate_limit", 429, None),
    ("OpenAI API error (429): 429 status code (no body)", "rate_limit", 429, None),
    ("got status: 429 . {}", "rate_limit", 429, None),
    (GOOGLE, "rate_limit", 429, 7_000),
    (ANTHROPIC, "overloaded", None, None),
    (POOR, "billing", 400, None),
    (TOO_LONG, "context_overflow", 400, None),
    ("400 bad model", "invalid_request", 400, None),
    ("You have hit your ChatGPT usage limit (plus plan). Try again in ~46 min.", "rate_limit", None, 2_760_000),
    ("4290 things", "unknown", None, None),
    ("boom", "unknown", None, None),
    ("", "unknown", None, None),
]


@pytest.mark.parametrize(("text", "reason", "status", "wait"), TEXTS)
def test_an_errors_text_tells_the_reason(text: str, reason: str, status: int | None, wait: int | None) -> None:
    assert NOW is not None
    verdict = verdict_on(text, NOW)
    assert (verdict.reason, verdict.status, verdict.retry_after_ms) == (reason, status, wait)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.reason}-{row.examples[0][:20]}")
def test_every_row_of_the_table_decides_its_own_examples(row: tuple[re.Pattern[str], str, tuple[str, ...]]) -> None:
    _, reason, examples = row
    assert NOW is not None
    for example in examples:
        assert verdict_on(example, NOW).reason == reason
        assert next(one for one in ROWS if one.words.search(example)) == row


def test_the_table_knows_no_reason_that_the_format_does_not() -> None:
    assert {row.reason for row in ROWS} <= BLAMING | BLAMELESS


WORDS = st.sampled_from([word for row in ROWS for text in row.examples for word in text.split()])
PARTS = WORDS | st.sampled_from(
    ["429", "try again in 9999999d", "retry after 99 seconds", '"code":429', '"type":"api_error"', "\ud800", "\x00"]
)


@given(st.text(max_size=60) | st.lists(PARTS, max_size=6).map(" ".join))
def test_any_text_of_an_error_has_a_verdict(text: str) -> None:
    assert NOW is not None
    verdict = verdict_on(text, NOW)
    assert verdict.reason
    assert verdict.retry_after_ms is None or verdict.retry_after_ms >= 0
