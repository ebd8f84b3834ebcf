"""From what a client got to a reason: the table for HTTP answers, and what real clients' errors say."""

import errno
import http.client
import json
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus
from types import SimpleNamespace

import pytest
from gateway import KIMI, RefusedError
from hypothesis import given
from hypothesis import strategies as st
from loopback import Answer, Provider, free_port, get, healthy, silent_server

from eventlog.outcomes import Outcome, ResponseRefused, is_response, of_exception, of_response
from replay.classify import (
    BY_STATUS,
    BY_TYPE,
    Verdict,
    classify,
    classify_type,
    retry_after,
    until_reset,
    wait_in_body,
)
from replay.reasons import BLAMELESS, BLAMING

NOW = datetime(2026, 4, 2, 5, 0, tzinfo=UTC)
KNOWN = BLAMING | BLAMELESS
DAY = timedelta(days=1)

# The table.


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "invalid_request"),
        (401, "auth"),
        (402, "billing"),
        (403, "auth"),
        (404, "model_not_found"),
        (405, "invalid_request"),
        (408, "timeout"),
        (413, "context_overflow"),
        (418, "invalid_request"),
        (422, "invalid_request"),
        (429, "rate_limit"),
        (499, "invalid_request"),
        (500, "server_error"),
        (501, "server_error"),
        (502, "server_error"),
        (503, "overloaded"),
        (504, "timeout"),
        (520, "server_error"),
        (529, "overloaded"),
        (599, "server_error"),
    ],
)
def test_a_status_alone_has_a_reason(status: int, reason: str) -> None:
    assert classify(status, {}, "", NOW) == Verdict(reason, status)


@pytest.mark.parametrize("status", [100, 200, 204, 302, 304, 399])
def test_a_status_below_400_is_no_failure(status: int) -> None:
    assert classify(status, {"retry-after": "5"}, "rate limit", NOW) is None


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (400, "This model's maximum context length is 8192 tokens, however you requested 9000", "context_overflow"),
        (400, '{"code":"context_length_exceeded"}', "context_overflow"),
        (400, "prompt is too long: 210000 tokens > 200000 maximum", "context_overflow"),
        (400, "Input exceeds the context window", "context_overflow"),
        (422, "too many tokens", "context_overflow"),
        (429, "too many tokens", "rate_limit"),
        (400, '{"code":"content_filter"}', "content_filter"),
        (400, "triggering Azure OpenAI's content management policy", "content_filter"),
        (403, "flagged by moderation", "content_filter"),
        (500, "content filter crashed", "server_error"),
        (429, '{"error":{"code":"insufficient_quota"}}', "billing"),
        (429, "You exceeded your current quota, please check your plan and billing details", "billing"),
        (403, "Insufficient Balance", "billing"),
        (429, "Rate limit reached for gpt-4o", "rate_limit"),
        (429, "Quota of requests per minute", "rate_limit"),
        (403, "Too Many Requests", "rate_limit"),
        (400, "rate_limit_exceeded", "rate_limit"),
        (400, "API key not valid. Invalid API key.", "auth"),
        (400, "Incorrect API key provided", "auth"),
        (403, "expired access token", "auth"),
        (400, "Invalid 'max_tokens': integer below minimum value", "invalid_request"),
        (400, "Unknown parameter: 'safety_identifier'", "invalid_request"),
        (400, "Your credit balance is too low", "billing"),
        (402, "usage limit reached, resets at 14:00", "rate_limit"),
        (402, "top up", "billing"),
        (403, "Quota exceeded for requests", "rate_limit"),
        (403, "Project does not have access to model gpt-5", "model_not_found"),
        (429, "RESOURCE_EXHAUSTED: You exceeded your current quota, check your plan and billing", "rate_limit"),
        (429, "engine_overloaded_error", "overloaded"),
        (429, "Request too large for gpt-4o", "context_overflow"),
        (400, "The model `x` does not exist", "model_not_found"),
        (400, "model kimi/k9 not found", "model_not_found"),
        (400, "messages: at least one message is required", "invalid_request"),
        (401, "rate limit", "auth"),
        (503, "insufficient quota", "overloaded"),
    ],
)
def test_the_body_decides_where_a_status_has_two_meanings(status: int, body: str, reason: str) -> None:
    for spelt in (body, body.upper(), json.dumps({"error": {"message": body}})):
        assert classify(status, {}, spelt, NOW) == Verdict(reason, status)


def test_only_the_beginning_of_a_body_is_looked_at() -> None:
    assert classify(400, {}, "x" * 3_900 + "rate limit", NOW) == Verdict("rate_limit", 400)
    assert classify(400, {}, "x" * 4_000 + "rate limit", NOW) == Verdict("invalid_request", 400)


def test_every_reason_of_the_table_is_a_known_one() -> None:
    assert set(BY_STATUS.values()) <= KNOWN


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7_000),
        ({"Retry-After": " 7 "}, 7_000),
        ({"RETRY-AFTER": "0"}, 0),
        ({"retry-after": "0.25"}, 250),
        ({"retry-after": "1.0005"}, 1_000),
        ({"retry-after": "86400"}, 86_400_000),
        ({"retry-after-ms": "1500"}, 1_500),
        ({"Retry-After-Ms": "12.6", "retry-after": "99"}, 13),
        ({"retry-after-ms": "soon", "retry-after": "3"}, 3_000),
        ({"retry-after": "Thu, 02 Apr 2026 05:00:30 GMT"}, 30_000),
        ({"retry-after": "Thu, 02 Apr 2026 07:00:30 +0200"}, 30_000),
        ({"retry-after": "Thu, 02 Apr 2026 05:00:30 -0000"}, 30_000),
        ({"retry-after": "Thu, 02 Apr 2026 04:59:00 GMT"}, 0),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, 86_400_000),
        ({"retry-after": "86401"}, 86_400_000),
        ({"retry-after-ms": "99999999999"}, 86_400_000),
        ({"retry-after": "2026-04-02T05:00:30Z"}, 30_000),
        ({"retry-after": ""}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "1e3"}, None),
        ({"retry-after": "7s"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1" * 40}, None),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": "Thu, 32 Apr 2026 05:00:30 GMT"}, None),
        ({"retry-after": "Mon, 01 Jan 2024 00:00:00 +999999999999999999"}, None),
        ({"x-other": "7"}, None),
    ],
)
def test_how_long_a_provider_wants_peace(headers: Mapping[str, str], wait: int | None) -> None:
    assert retry_after(headers, NOW) == wait
    assert classify(429, headers, "", NOW) == Verdict("rate_limit", 429, wait)


EPOCH = int(NOW.timestamp()) + 40


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        # OpenAI and those who copy it: spans, one for each limit.
        ({"x-ratelimit-reset-requests": "1s"}, 1_000),
        ({"X-RateLimit-Reset-Tokens": "6m0s"}, 360_000),
        ({"x-ratelimit-reset-tokens": "20ms"}, 20),
        ({"x-ratelimit-reset-tokens": "1h2m3.5s"}, 3_723_500),
        ({"x-ratelimit-reset-tokens": "9d"}, 86_400_000),
        ({"x-ratelimit-reset-tokens": "1s", "x-ratelimit-remaining-tokens": "0"}, 1_000),
        ({"x-ratelimit-reset-tokens": "1s", "x-ratelimit-remaining-tokens": "12"}, None),
        ({"x-ratelimit-reset-tokens": "1s", "x-ratelimit-remaining-tokens": "some"}, None),
        (
            {
                "x-ratelimit-reset-tokens": "1s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-requests": "8h",
                "x-ratelimit-remaining-requests": "7",
                "x-ratelimit-reset-input-images": "4s",
                "x-ratelimit-remaining-input-images": "0",
            },
            4_000,
        ),
        # Azure and the draft of the IETF: seconds.
        ({"x-ratelimit-reset-requests": "10"}, 10_000),
        ({"ratelimit-reset": "10", "ratelimit-remaining": "0"}, 10_000),
        # GitHub: seconds since 1970; OpenRouter: milliseconds.
        ({"x-ratelimit-reset": f"{EPOCH}"}, 40_000),
        ({"x-ratelimit-reset": f"{EPOCH}500"}, 40_500),
        ({"x-ratelimit-reset": f"{EPOCH - 80}"}, 0),
        ({"x-ratelimit-reset": "9999999999"}, 86_400_000),
        # Anthropic.
        ({"anthropic-ratelimit-tokens-reset": "2026-04-02T05:00:30Z"}, 30_000),
        ({"anthropic-ratelimit-tokens-reset": "2026-04-02T07:00:30+02:00"}, 30_000),
        ({"anthropic-ratelimit-tokens-reset": "2026-04-02T04:00:30Z"}, 0),
        ({"anthropic-ratelimit-unified-reset": f"{EPOCH}"}, 40_000),
        *(({"x-ratelimit-reset": text}, None) for text in ("", "soon", "-5", "1e9", "5 s", "s", "1" * 30, "1y", "nan")),
        ({"x-ratelimit-resets": "5", "reset": "5", "x-ratelimit-limit": "5"}, None),
    ],
)
def test_when_the_limits_that_bind_are_lifted(headers: Mapping[str, str], wait: int | None) -> None:
    assert until_reset(headers, NOW) == wait
    assert classify(429, headers, "", NOW) == Verdict("rate_limit", 429, wait)
    assert classify(500, headers, "", NOW) == Verdict("server_error", 500), "there a limit is not what failed"
    assert classify(429, {**headers, "retry-after": "5"}, "", NOW) == Verdict("rate_limit", 429, 5_000)


@pytest.mark.parametrize(
    ("body", "wait"),
    [
        ('{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"37s"}', 37_000),
        ("{'@type': 'type.googleapis.com/google.rpc.RetryInfo', 'retryDelay': '0.847s'}", 847),
        ('{"error":{"type":"usage_limit_reached","resets_in_seconds":3600}}', 3_600_000),
        (f'{{"metadata":{{"headers":{{"X-RateLimit-Reset":"{EPOCH}000"}}}}}}', 40_000),
        ("Please try again in 1.2s. Visit https://example.org", 1_200),
        ("Please try again in 6m0s.", 360_000),
        ("please try again after 1 seconds", 1_000),
        ("Please retry after 23 seconds.", 23_000),
        ("Please retry in 37.5s.", 37_500),
        ("try again in 9999d", 86_400_000),
        ("try again in a while", None),
        ("try again later", None),
        ('"retryDelay": "soon"', None),
    ],
)
def test_what_an_error_says_in_words(body: str, wait: int | None) -> None:
    assert wait_in_body(body, NOW) == wait
    assert classify(429, {}, body, NOW) == Verdict("rate_limit", 429, wait)
    assert classify(429, {"retry-after": "1"}, body, NOW) == Verdict("rate_limit", 429, 1_000)


@pytest.mark.parametrize(
    ("kind", "body", "verdict"),
    [
        ("overloaded_error", "Overloaded", Verdict("overloaded")),
        ("RESOURCE_EXHAUSTED", "x", Verdict("rate_limit")),
        ("rate_limit_exceeded", "Please try again in 2s.", Verdict("rate_limit", None, 2_000)),
        ("rate_limit_error", "Request too large for this model", Verdict("context_overflow")),
        ("invalid_request_error", "prompt is too long", Verdict("context_overflow")),
        ("invalid_request_error", "messages: required", Verdict("invalid_request")),
        ("insufficient_quota", "x", Verdict("billing")),
        ("of_no_provider", "rate limit", None),
        ("", "", None),
    ],
)
def test_an_error_without_a_status_is_what_it_calls_itself(kind: str, body: str, verdict: Verdict | None) -> None:
    assert classify_type(kind, body, NOW) == verdict


def test_every_name_stands_for_a_known_reason() -> None:
    assert set(BY_TYPE.values()) <= KNOWN
    assert all(name == name.lower() for name in BY_TYPE)


@given(st.timedeltas(timedelta(0), timedelta(days=400)))
def test_a_date_is_counted_from_now(span: timedelta) -> None:
    date = (NOW + span).replace(microsecond=0)
    for text in (format_datetime(date, usegmt=True), format_datetime(date)):
        assert retry_after({"Retry-After": text}, NOW) == min(date - NOW, DAY) // timedelta(milliseconds=1)


@given(
    st.integers(-5, 700),
    st.dictionaries(
        st.sampled_from(["retry-after", "Retry-After-Ms", "x-ratelimit-reset", "anthropic-ratelimit-tokens-reset"]),
        st.text(max_size=60) | st.from_regex(r"[0-9]{1,40}(ms|s|m|h|d|\.[0-9]+)?|[0-9]{4}-[0-9]{2}-[0-9]{2}T.*"),
    ),
    st.text(max_size=60) | st.from_regex(r"(try again|retry) (in|after) [0-9]{1,30}(s| seconds)"),
    st.integers(-(10**30), 10**30),
)
def test_no_answer_can_raise(status: int, headers: Mapping[str, str], body: str, offset: int) -> None:
    verdict = classify(status, headers, body, NOW)
    assert (verdict is None) == (status < 400)
    if verdict is not None:
        assert verdict.reason in KNOWN
        assert verdict.retry_after_ms is None or 0 <= verdict.retry_after_ms <= 86_400_000
    wait = retry_after({"retry-after": f"Mon, 01 Jan 2024 00:00:00 {offset:+05}"}, NOW)
    assert wait is None or wait >= 0


# Real clients, against a real server.


def caught(act: Callable[[], object]) -> Exception:
    """What the client raises."""
    try:
        act()
    except Exception as error:  # noqa: BLE001  (which one it is, is what the test looks at)
        return error
    raise AssertionError("the client did not fail")


def urllib_ask(port: int, *, timeout: float = 20) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{KIMI}", data=b"{}", timeout=timeout) as reply:
        return bytes(reply.read())


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(429, {"Retry-After": "7"}), ("rate_limit", 429, 7_000)),
        (Answer(503, {"Retry-After": "Thu, 02 Apr 2026 05:00:30 GMT"}), ("overloaded", 503, 30_000)),
        (Answer(429, {"retry-after-ms": "150"}), ("rate_limit", 429, 150)),
        (Answer(500), ("server_error", 500, None)),
        (Answer(401), ("auth", 401, None)),
        (Answer(404), ("model_not_found", 404, None)),
        (Answer(400), ("invalid_request", 400, None)),
    ],
)
def test_urllib_raises_an_http_error_that_says_it_all(answer: Answer, outcome: tuple[object, ...]) -> None:
    with Provider(lambda _: answer) as provider:
        error = caught(lambda: urllib_ask(provider.port))
        assert isinstance(error, urllib.error.HTTPError)
        with error:
            found = of_exception(error, NOW)
    assert found is not None
    assert (found.reason, found.status, found.retry_after_ms) == outcome
    assert str(answer.status) in str(found.error)


def test_looking_at_an_http_error_leaves_its_body_to_the_author() -> None:
    with Provider(lambda _: Answer(400, body="messages: required")) as provider:
        error = caught(lambda: urllib_ask(provider.port))
        assert isinstance(error, urllib.error.HTTPError)
        with error:
            of_exception(error, NOW)
            assert error.read() == b"messages: required"


def test_a_refused_connection_is_the_network() -> None:
    port = free_port()
    for act in (lambda: urllib_ask(port), lambda: get(port)):
        found = of_exception(caught(act), NOW)
        assert found is not None
        assert (found.reason, found.status) == ("network", None)
        assert "refused" in str(found.error)


def test_a_silent_server_is_a_timeout() -> None:
    with silent_server() as port:
        for act in (lambda: urllib_ask(port, timeout=0.05), lambda: get(port, timeout=0.05)):
            found = of_exception(caught(act), NOW)
            assert found is not None
            assert found.reason == "timeout"


def test_a_timeout_of_the_connection_itself_is_a_timeout_too() -> None:
    """Here the server never answers the handshake; urllib wraps that, and it is no less a timeout."""
    with silent_server() as port:
        error = caught(lambda: urllib.request.urlopen(f"https://127.0.0.1:{port}/", timeout=0.05))
    assert isinstance(error, urllib.error.URLError)
    assert isinstance(error.reason, TimeoutError)
    found = of_exception(error, NOW)
    assert found is not None
    assert found.reason == "timeout"


def test_a_name_that_does_not_resolve_is_the_network() -> None:
    for error in (socket.gaierror(-2, "Name or service not known"), urllib.error.URLError(socket.gaierror(-2, "x"))):
        found = of_exception(error, NOW)
        assert found is not None
        assert found.reason == "network"


def test_a_body_that_breaks_off_is_the_network() -> None:
    with Provider(lambda _: Answer(body="half", promised=100)) as provider:
        for act in (lambda: urllib_ask(provider.port), lambda: get(provider.port)):
            error = caught(act)
            assert isinstance(error, http.client.IncompleteRead)
            found = of_exception(error, NOW)
            assert found is not None
            assert found.reason == "network"


def test_a_server_that_hangs_up_is_the_network() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def ask_and_be_left() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            try:
                connection.request("GET", "/")
                server.accept()[0].close()
                connection.getresponse()
            finally:
                connection.close()

        found = of_exception(caught(ask_and_be_left), NOW)
    assert found is not None
    assert found.reason == "network"


def test_what_is_no_http_at_all_is_the_network() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def ask_and_be_told() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            try:
                connection.request("GET", "/")
                client = server.accept()[0]
                client.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
                client.close()
                connection.getresponse()
            finally:
                connection.close()

        error = caught(ask_and_be_told)
    found = of_exception(error, NOW)
    assert found is not None
    assert found.reason == "network"


def test_a_plain_http_response_is_looked_at_as_it_is() -> None:
    with Provider(lambda _: Answer(429, {"Retry-After": "2"}, "limit")) as provider:
        connection = http.client.HTTPConnection("127.0.0.1", provider.port, timeout=20)
        connection.request("POST", f"/{KIMI}", body="{}")
        response = connection.getresponse()
        assert is_response(response)
        assert of_response(response, NOW) == Outcome("rate_limit", 429, 2_000, "HTTP 429")
        assert response.read() == b"limit"
        connection.close()
    with Provider(healthy) as provider, urllib.request.urlopen(provider.url, b"{}") as reply:  # noqa: S310
        assert is_response(reply)
        assert of_response(reply, NOW) is None


@pytest.mark.parametrize(
    "act",
    [
        lambda: http.client.HTTPConnection("127.0.0.1").request("GET", "/with a space"),
        lambda: http.client.HTTPConnection("127.0.0.1:eighty"),
        lambda: http.client.HTTPConnection("127.0.0.1").getresponse(),
        lambda: urllib.request.urlopen("no-scheme"),  # noqa: S310
    ],
)
def test_a_request_that_was_wrongly_made_is_the_authors_own(act: Callable[[], object]) -> None:
    """http.client gives these errors the same root as the network's."""
    assert of_exception(caught(act), NOW) is None


# Clients that are not installed here: their errors by module, name and attributes.


def made(name: str, *bases: type, **attributes: object) -> type[Exception]:
    """A class as ``module.Name`` of a client."""
    module, _, own = name.rpartition(".")
    return type(own, bases or (Exception,), {"__module__": module, **attributes})


def answered(status: int, body: str = "", **headers: str) -> SimpleNamespace:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return SimpleNamespace(status_code=status, text=body, headers=named)


OPENAI = made("openai.OpenAIError")
OPENAI_API = made("openai.APIError", OPENAI)
OPENAI_CONNECTION = made("openai.APIConnectionError", OPENAI_API)
ANTHROPIC_API = made("anthropic.APIError", made("anthropic.AnthropicError"))
ANTHROPIC_CONNECTION = made("anthropic.APIConnectionError", ANTHROPIC_API)
HTTPX = made("httpx.HTTPError")
HTTPX_REQUEST = made("httpx.RequestError", HTTPX)
HTTPX_TRANSPORT = made("httpx.TransportError", HTTPX_REQUEST)
HTTPX_TIMEOUT = made("httpx.TimeoutException", HTTPX_TRANSPORT)
HTTPX_NETWORK = made("httpx.NetworkError", HTTPX_TRANSPORT)
REQUESTS = made("requests.exceptions.RequestException", OSError)
REQUESTS_CONNECTION = made("requests.exceptions.ConnectionError", REQUESTS)
REQUESTS_TIMEOUT = made("requests.exceptions.Timeout", REQUESTS)
URLLIB3 = made("urllib3.exceptions.HTTPError")
URLLIB3_TIMEOUT = made("urllib3.exceptions.TimeoutError", URLLIB3)
AIOHTTP = made("aiohttp.client_exceptions.ClientError")
AIOHTTP_CONNECTION = made("aiohttp.client_exceptions.ClientConnectionError", AIOHTTP)
HTTPCORE_NETWORK = made("httpcore.NetworkError")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (OPENAI_CONNECTION, "network"),
        (made("openai.APITimeoutError", OPENAI_CONNECTION), "timeout"),
        (ANTHROPIC_CONNECTION, "network"),
        (made("anthropic.APITimeoutError", ANTHROPIC_CONNECTION), "timeout"),
        (made("httpx.ConnectError", HTTPX_NETWORK), "network"),
        (made("httpx.ReadError", HTTPX_NETWORK), "network"),
        (made("httpx.RemoteProtocolError", made("httpx.ProtocolError", HTTPX_TRANSPORT)), "network"),
        (made("httpx.ConnectTimeout", HTTPX_TIMEOUT), "timeout"),
        (made("httpx.ReadTimeout", HTTPX_TIMEOUT), "timeout"),
        (made("httpx.PoolTimeout", HTTPX_TIMEOUT), "timeout"),
        (REQUESTS_CONNECTION, "network"),
        (made("requests.exceptions.SSLError", REQUESTS_CONNECTION), "network"),
        (made("requests.exceptions.ReadTimeout", REQUESTS_TIMEOUT), "timeout"),
        (made("requests.exceptions.ConnectTimeout", REQUESTS_CONNECTION, REQUESTS_TIMEOUT), "timeout"),
        (made("requests.exceptions.ChunkedEncodingError", REQUESTS), "network"),
        (made("urllib3.exceptions.ReadTimeoutError", URLLIB3_TIMEOUT), "timeout"),
        (made("urllib3.exceptions.NewConnectionError", URLLIB3), "network"),
        (made("urllib3.exceptions.MaxRetryError", URLLIB3), "network"),
        (made("urllib3.exceptions.ProtocolError", URLLIB3), "network"),
        (made("aiohttp.client_exceptions.ServerDisconnectedError", AIOHTTP_CONNECTION), "network"),
        (made("aiohttp.client_exceptions.ServerTimeoutError", AIOHTTP_CONNECTION, TimeoutError), "timeout"),
        (made("aiohttp.client_exceptions.ClientPayloadError", AIOHTTP), "network"),
        (made("httpcore.ConnectError", HTTPCORE_NETWORK), "network"),
        (made("httpcore.ReadTimeout", made("httpcore.TimeoutException")), "timeout"),
        (made("httpcore.RemoteProtocolError", made("httpcore.ProtocolError")), "network"),
    ],
    ids=lambda value: f"{value.__module__}.{value.__name__}" if isinstance(value, type) else value,
)
def test_a_clients_own_errors_are_known_by_name(kind: type[Exception], reason: str) -> None:
    assert of_exception(kind("it broke"), NOW) == Outcome(reason, error="it broke")
    own = made("my_gateway.OurError", kind)
    assert of_exception(own("it broke"), NOW) == Outcome(reason, error="it broke")


def raised(kind: type[Exception], text: str, **attributes: object) -> Exception:
    error = kind(text)
    for name, value in attributes.items():
        setattr(error, name, value)
    return error


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (
            raised(
                made("openai.RateLimitError", OPENAI_API),
                "Error code: 429",
                status_code=429,
                code="insufficient_quota",
                response=answered(429, '{"error":{"code":"insufficient_quota"}}', Retry_After="3"),
            ),
            Outcome("billing", 429, 3_000, "Error code: 429"),
        ),
        (
            raised(
                made("openai.RateLimitError", OPENAI_API),
                "Error code: 429",
                status_code=429,
                code=None,
                response=answered(429, "", retry_after_ms="40"),
            ),
            Outcome("rate_limit", 429, 40, "Error code: 429"),
        ),
        (
            raised(made("anthropic.InternalServerError", ANTHROPIC_API), "Overloaded", status_code=529),
            Outcome("overloaded", 529, None, "Overloaded"),
        ),
        (
            raised(made("httpx.HTTPStatusError", HTTPX), "Client error '401'", response=answered(401)),
            Outcome("auth", 401, None, "Client error '401'"),
        ),
        (
            raised(
                made("requests.exceptions.HTTPError", REQUESTS),
                "503 Server Error",
                response=answered(503, "busy", RETRY_AFTER="1"),
            ),
            Outcome("overloaded", 503, 1_000, "503 Server Error"),
        ),
        (
            raised(
                made("aiohttp.client_exceptions.ClientResponseError", AIOHTTP),
                "429, message='Too Many Requests'",
                status=429,
                headers={"Retry-After": "5"},
            ),
            Outcome("rate_limit", 429, 5_000, "429, message='Too Many Requests'"),
        ),
        (
            raised(made("google.genai.errors.ClientError"), "429 RESOURCE_EXHAUSTED", code=429, status="EXHAUSTED"),
            Outcome("rate_limit", 429, None, "429 RESOURCE_EXHAUSTED"),
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_clients_error_that_carries_a_status_is_judged_by_it(error: Exception, outcome: Outcome) -> None:
    assert of_exception(error, NOW) == outcome


WEB = made("starlette.exceptions.HTTPException")
BROKEN = made("litellm.exceptions.MidStreamFallbackError", OPENAI_API)
PYDANTIC = made("pydantic_ai.exceptions.ModelAPIError")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (raised(OPENAI_API, "x", code="rate_limit_exceeded", type="requests"), Outcome("rate_limit", error="x")),
        (raised(OPENAI_API, "x", code=None, type="server_error"), Outcome("server_error", error="x")),
        (
            raised(OPENAI_API, "try again in 2s", type="rate_limit_error"),
            Outcome("rate_limit", None, 2_000, "try again in 2s"),
        ),
        (raised(OPENAI_API, "x", code=502, body={"code": 502}), Outcome("server_error", 502, None, "x")),
        (raised(OPENAI_API, "x", code=["odd"], type=7, body="odd"), Outcome("unknown", error="x")),
        (
            raised(ANTHROPIC_API, "x", status_code=200, body={"error": {"type": "overloaded_error"}}),
            Outcome("overloaded", error="x"),
        ),
        (raised(BROKEN, "x", status_code=500, original_exception=TimeoutError()), Outcome("timeout", error="x")),
        (raised(BROKEN, "x", status_code=503, original_exception=KeyError()), Outcome("overloaded", 503, None, "x")),
        (raised(OPENAI_CONNECTION, "x", status_code=500), Outcome("network", error="x")),
        (
            raised(made("litellm.exceptions.ContextWindowExceededError", OPENAI_API), "x", status_code=400),
            Outcome("context_overflow", 400, None, "x"),
        ),
        (raised(PYDANTIC, "x"), Outcome("unknown", error="x")),
        (raised(made("pydantic_ai.exceptions.ModelTimeoutError", PYDANTIC), "x"), Outcome("timeout", error="x")),
        (
            raised(made("pydantic_ai.exceptions.ModelRateLimitError", PYDANTIC), "x", retry_after=37.5),
            Outcome("rate_limit", None, 37_500, "x"),
        ),
        (raised(PYDANTIC, "x", status_code=429, retry_after=1e300), Outcome("rate_limit", 429, None, "x")),
        (raised(PYDANTIC, "x", status_code=429, retry_after=-1), Outcome("rate_limit", 429, None, "x")),
    ],
)
def test_an_error_without_a_status_of_http_is_judged_by_its_own_name(error: Exception, outcome: Outcome) -> None:
    assert of_exception(error, NOW) == outcome


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"code": 503}, None),
        ({"status": 404}, None),
        ({"code": 503, "headers": {}}, "overloaded"),
        ({"code": 503, "response": object()}, "overloaded"),
        ({"status": 503, "headers": {}}, "overloaded"),
        ({"status_code": 503}, "overloaded"),
    ],
)
def test_a_code_alone_may_be_a_databases(attributes: dict[str, object], reason: str | None) -> None:
    found = of_exception(raised(made("pymongo.errors.OperationFailure"), "x", **attributes), NOW)
    assert (found.reason if found else None) == reason


@pytest.mark.parametrize(
    "name",
    [
        *("starlette.exceptions.HTTPException", "fastapi.exceptions.HTTPException", "tornado.web.HTTPError"),
        *("werkzeug.exceptions.NotFound", "aiohttp.web_exceptions.HTTPNotFound", "ninja.errors.HttpError"),
        *("rest_framework.exceptions.APIException", "litestar.exceptions.HTTPException", "sanic.exceptions.NotFound"),
    ],
)
def test_a_web_frameworks_own_error_says_nothing_of_the_model(name: str) -> None:
    for kind in (made(name), made("mine.GatewayError", made(name))):
        for attribute in ("status_code", "status", "code"):
            error = raised(kind, "x", headers={"Retry-After": "7"}, **{attribute: 503})
            assert of_exception(error, NOW) is None
            assert of_response(error, NOW) is None
            assert of_exception(error, NOW, lambda _: "overloaded") == Outcome("overloaded", error="x")


def test_a_body_that_was_not_read_is_not_read_for_it() -> None:
    class Unread:
        status_code, headers, _content = 429, {}, False

        @property
        def content(self) -> bytes:
            raise AssertionError("read")

        text = content

    assert of_response(Unread(), NOW) == Outcome("rate_limit", 429, None, "HTTP 429")
    read = SimpleNamespace(status_code=429, headers={}, content="余 insufficient_quota".encode() * 9_000, text="other")
    found = of_response(read, NOW)
    assert found is not None
    assert (found.reason, len(found.error or "")) == ("billing", 10_000 + len("HTTP 429: "))


@pytest.mark.parametrize(
    "error",
    [
        KeyError("choices"),
        ValueError(429),
        FileNotFoundError(errno.ENOENT, "No such file"),
        PermissionError(errno.EACCES, "Permission denied"),
        IsADirectoryError(errno.EISDIR, "Is a directory"),
        OSError(errno.ENOSPC, "No space left on device"),
        OSError("no number at all"),
        raised(made("requests.exceptions.InvalidURL", REQUESTS, ValueError), "no scheme"),
        raised(made("httpx.InvalidURL"), "no scheme"),
        raised(made("httpx.UnsupportedProtocol", HTTPX_TRANSPORT), "ftp"),
        raised(made("my_gateway.Timeout"), "the author's own, whatever its name"),
        raised(made("my_gateway.Odd"), "x", status_code="429"),
        raised(made("my_gateway.Odd"), "x", status=True),
        raised(made("my_gateway.Odd"), "x", code=1062),
        raised(made("my_gateway.Odd"), "x", status_code=200),
        raised(made("my_gateway.Odd"), "x", response="a text"),
    ],
    ids=lambda error: f"{type(error).__module__}.{type(error).__name__}",
)
def test_an_error_of_the_authors_own_says_nothing_of_the_model(error: Exception) -> None:
    assert of_exception(error, NOW) is None


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionResetError(), "network"),
        (ConnectionRefusedError(), "network"),
        (BrokenPipeError(), "network"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "network"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "network"),
        (ssl.SSLCertVerificationError("certificate verify failed"), "network"),
        (TimeoutError(), "timeout"),
        (OSError(errno.ETIMEDOUT, "Connection timed out"), "timeout"),
        (urllib.error.URLError(TimeoutError("timed out")), "timeout"),
        (urllib.error.URLError("unknown"), "network"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
def test_the_languages_own_network_errors_are_known(error: Exception, reason: str) -> None:
    found = of_exception(error, NOW)
    assert found is not None
    assert found.reason == reason


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(503), GeneratorExit()])
def test_an_interruption_is_aborted(error: BaseException) -> None:
    assert of_exception(error, NOW, hook=lambda _: "timeout") == Outcome("aborted")


def test_only_the_beginning_of_what_a_provider_says_is_kept() -> None:
    for long in (TimeoutError("x" * 1_000_000), RefusedError(500, "x" * 1_000_000)):
        found = of_exception(long, NOW)
        assert found is not None
        assert found.error == "x" * 10_000
    found = of_response(answered(500, "x" * 1_000_000), NOW)
    assert found is not None
    assert found.error == "HTTP 500: " + "x" * 10_000


def test_a_refused_response_is_judged_as_the_response() -> None:
    response = answered(429, "limit", retry_after="2")
    error = ResponseRefused(response, "HTTP 429: limit")
    assert (
        of_exception(error, NOW) == of_response(response, NOW) == Outcome("rate_limit", 429, 2_000, "HTTP 429: limit")
    )


@pytest.mark.parametrize(
    ("value", "yes"),
    [
        (answered(200), True),
        (SimpleNamespace(status=HTTPStatus.OK, headers={}), True),
        (SimpleNamespace(status_code=200), False),
        (SimpleNamespace(headers={}), False),
        (SimpleNamespace(status="ok", headers={}), False),
        (SimpleNamespace(status_code=99, headers={}), False),
        (None, False),
        ({"status_code": 500, "headers": {}}, False),
    ],
)
def test_what_counts_as_a_response(value: object, yes: bool) -> None:
    assert is_response(value) is yes


@pytest.mark.parametrize("headers", [None, 5, "retry-after: 5", ["retry-after"], {5: 7}, {"retry-after": 3}])
def test_whatever_stands_for_headers_is_looked_at_with_care(headers: object) -> None:
    found = of_response(SimpleNamespace(status_code=429, headers=headers), NOW)
    assert found == Outcome("rate_limit", 429, 3_000 if headers == {"retry-after": 3} else None, "HTTP 429")
