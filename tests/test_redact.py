"""Secrets in error texts: what is found, and what a setting adds.

Law: each kind of the public list has examples that go and near misses that stay; a model's id stays whatever it looks
like (test_attempts has those laws); a pattern of one's own takes its whole match.
"""

import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventlog import ConfigError, Session, redact
from eventlog.config import load
from eventlog.protection import Protection
from eventlog.redact import GONE, PATTERNS, clean

X = "Zq7" * 8

EXAMPLES: dict[str, tuple[list[str], list[str]]] = {
    "a key in PEM form": (
        [f"-----BEGIN RSA PRIVATE KEY-----\n{X}\n-----END RSA PRIVATE KEY-----", f"-----BEGIN PRIVATE KEY-----\\n{X}"],
        ["-----BEGIN CERTIFICATE-----"],
    ),
    "an authorization header": (
        [f"Authorization: Bearer {X}", f"'authorization': 'Basic {X}=='", f"bearer {X}.{X}-{X}"],
        ["bearer of news", "Basic auth"],
    ),
    "a provider's key": (
        [
            *(
                f"key {begin}{X}"
                for begin in ("sk-", "sk-proj-", "sk-ant-api03-", "sk-or-v1-", "sk_live_", "rk_", "pk-")
            ),
            *(
                f"{begin}{X}"
                for begin in ("xai-", "pplx-", "nvapi-", "glpat-", "csk-", "xoxb-", "AKIA", "ASIA", "AIza", "ya29.")
            ),
            *(
                f"({begin}{X})"
                for begin in ("gsk_", "hf_", "fw_", "r8_", "tgp_v1_", "ghp_", "gho_", "github_pat_", "npm_", "dop_v1_")
            ),
        ],
        [
            "skyscraper-construction-work",
            "hf-internal-testing/tiny",
            "task-orientation-handbook",
            "sk-short",
            "risk-assessment-form",
        ],
    ),
    "a JSON web token": ([f"eyJ{X}.eyJ{X}.{X}", f"token eyJhbGciOi.{X}."], ["eyJ", "eyJustice.for.all"]),
    "a password in an address": (
        [f"redis://user:{X}@host:6379/0", f"postgres://:{X}@db", f"https://me:{X}@proxy.corp"],
        ["https://host:8443/v1@2", "see https://host/a:b", "10:30@noon"],
    ),
    "a named secret": (
        [
            f"?key={X}&n=1",
            f"api_key: {X}",
            f"OPENAI_API_KEY={X}",
            f"x-api-key: {X}",
            f"x-goog-api-key: {X}",
            f"Ocp-Apim-Subscription-Key: {X}",
            f"SharedAccessKey={X}",
            f"aws_secret_access_key = {X}",
            f'"client_secret": "{X}"',
            f"Set-Cookie: {X}",
            f"X-Amz-Signature={X}",
            f"passwd={X}",
        ],
        ["keyboard: interrupted", "max_tokens: 100000", "key: a/b", "monkey: capuchin", "the key is missing"],
    ),
}


@pytest.mark.parametrize("kind", PATTERNS)
def test_each_kind_of_secret_goes_and_its_near_misses_stay(kind: str) -> None:
    secrets, others = EXAMPLES[kind]
    for text in secrets:
        alone = PATTERNS[kind].sub("", text)
        assert alone != text, f"{text!r} is no {kind}"
        assert X not in clean(text), text
        assert GONE in clean(text)
    for text in others:
        assert clean(text) == text


@pytest.mark.parametrize("kind", PATTERNS)
@given(data=st.data())
def test_what_is_found_holds_a_sign_of_its_kind(kind: str, data: st.DataObject) -> None:
    """A text without a sign is not searched: so there must be none of which something would go."""
    text = data.draw(st.from_regex(PATTERNS[kind], alphabet=st.characters(max_codepoint=127)))
    assert PATTERNS[kind].search(text)
    assert any(sign in text.lower() for sign in redact._SIGNS[kind])
    assert not any(sign in GONE for sign in redact._SIGNS[kind]), "what one kind leaves behind is no sign of another"


def test_letters_that_only_count_as_ours_hide_nothing() -> None:
    assert X not in clean(f"\u017fig={X}")  # a long s: (?i) takes it for an s, and lower() does not


def test_every_kind_has_examples() -> None:
    assert EXAMPLES.keys() == PATTERNS.keys()


def test_a_pattern_of_ones_own_takes_its_whole_match_but_never_a_models_id(tmp_path: Path) -> None:
    (tmp_path / "switchlog.toml").write_text("redact = ['corp-[0-9]{4}', 'cust:\\w+']\n")
    with Session.open(tmp_path / "s.jsonl") as session:
        session.failed("acme/corp-1234", reason="auth", error="corp-1234 refused corp-9876 of cust:anna, key sk-" + X)
    told = [line for line in session.path.read_text().splitlines() if "attempt_failed" in line]
    assert '"error":"corp-1234 refused [redacted] of [redacted], key sk-[redacted]"' in told[0]
    assert Protection(secrets=(re.compile("a+"),)).secrets


@pytest.mark.parametrize(
    ("value", "why"),
    [('["["]', "is no pattern"), ("[7]", "it is no text"), ('["a*"]', "matches everything"), ('"x"', "list")],
)
def test_a_pattern_that_can_not_be_used_is_refused(tmp_path: Path, value: str, why: str) -> None:
    path = tmp_path / "switchlog.toml"
    path.write_text(f"redact = {value}\n")
    with pytest.raises(ConfigError, match=why):
        load(path)


@given(st.text(max_size=100), st.sampled_from(["", "a/b", "corp/sk-12"]))
def test_cleaning_with_ones_own_patterns_is_stable_and_never_longer_than_the_limit(text: str, model: str) -> None:
    also = (re.compile("[0-9]{3,}"),)
    once = clean(text, model, also)
    assert clean(once, model, also) == once


def test_a_hostile_text_costs_no_more_than_its_length() -> None:
    """No pattern backtracks without bound: the worst texts we know take milliseconds."""
    for part in (
        "key" * 3000,
        "a-" * 4000,
        "sk-" * 3000,
        "x://" + "a:" * 4000,
        "-----BEGIN PRIVATE KEY-----" * 300,
        "eyJ" + "a." * 4000,
        "api_" * 2000 + "=" * 9,
    ):
        before = time.process_time()
        clean(part)
        assert time.process_time() - before < 1
