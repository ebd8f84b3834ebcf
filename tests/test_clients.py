"""The real client packages against what real providers say: each row a client, an answer, and what is made of it.

A package that is not installed is skipped. The bodies are those of the providers' own references and of public issues.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from gateway import CHAIN, GLM, KIMI, Clock, RefusedError, agrees, events, told
from loopback import PATIENCE, free_port
from providers import DONE, Host, Reply, delta, event, said, streamed

from eventlog import AllModelsFailed, Chain, MisuseError, Session, Sessions
from eventlog.outcomes import Outcome, of_exception, of_response
from replay import AttemptFailed

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
pytestmark = pytest.mark.filterwarnings("default")  # what these packages warn of is not ours

NOW: Final = datetime(2026, 4, 2, 5, 0, tzinfo=UTC)
IN_40_S: Final = NOW + timedelta(seconds=40)
MESSAGES: Final[Any] = [{"role": "user", "content": "hi"}]
SOON: Final = 0.1
"""Seconds that a client waits for a provider who says nothing."""


def package(name: str) -> Any:
    return pytest.importorskip(name, reason=f"{name} is not installed")


# The clients.


def openai_asks(url: str, wait: float = PATIENCE) -> None:
    with package("openai").OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0, timeout=wait) as client:
        client.chat.completions.create(model=KIMI, messages=MESSAGES)


def openai_streams(url: str, wait: float = PATIENCE) -> None:
    with package("openai").OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0, timeout=wait) as client:
        list(client.chat.completions.create(model=KIMI, messages=MESSAGES, stream=True))


def openai_asks_async(url: str, wait: float = PATIENCE) -> None:
    async def main() -> None:
        client = package("openai").AsyncOpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0, timeout=wait)
        async with client:
            [one async for one in await client.chat.completions.create(model=KIMI, messages=MESSAGES, stream=True)]

    asyncio.run(main())


def anthropic_asks(url: str, wait: float = PATIENCE) -> None:
    with package("anthropic").Anthropic(base_url=url, api_key="k", max_retries=0, timeout=wait) as client:
        client.messages.create(model="claude", max_tokens=5, messages=MESSAGES)


def anthropic_streams(url: str, wait: float = PATIENCE) -> None:
    with package("anthropic").Anthropic(base_url=url, api_key="k", max_retries=0, timeout=wait) as client:
        list(client.messages.create(model="claude", max_tokens=5, messages=MESSAGES, stream=True))


def google(url: str, wait: float) -> Any:
    return package("google.genai").Client(api_key="k", http_options={"base_url": url, "timeout": int(wait * 1000)})


def google_asks(url: str, wait: float = PATIENCE) -> None:
    with google(url, wait) as client:
        client.models.generate_content(model="gemini", contents="hi")


def google_streams(url: str, wait: float = PATIENCE) -> None:
    with google(url, wait) as client:
        list(client.models.generate_content_stream(model="gemini", contents="hi"))


def httpx_raises(url: str, wait: float = PATIENCE) -> None:
    with package("httpx").Client(timeout=wait) as client:
        client.post(f"{url}/{KIMI}").raise_for_status()


def httpx_streams(url: str, wait: float = PATIENCE) -> None:
    with package("httpx").Client(timeout=wait) as client, client.stream("POST", f"{url}/{KIMI}") as response:
        response.raise_for_status()
        list(response.iter_lines())


def requests_raises(url: str, wait: float = PATIENCE) -> None:
    with package("requests").post(f"{url}/{KIMI}", timeout=wait) as response:
        response.raise_for_status()


def requests_streams(url: str, wait: float = PATIENCE) -> None:
    with package("requests").post(f"{url}/{KIMI}", timeout=wait, stream=True) as response:
        response.raise_for_status()
        list(response.iter_lines())


def aiohttp_raises(url: str, wait: float = PATIENCE) -> None:
    aiohttp = package("aiohttp")

    async def main() -> None:
        timeout = aiohttp.ClientTimeout(wait)
        async with aiohttp.ClientSession(timeout=timeout) as client, client.post(f"{url}/{KIMI}") as response:
            response.raise_for_status()
            await response.read()

    asyncio.run(main())


def litellm_asks(url: str, wait: float = PATIENCE, *, stream: bool = False) -> None:
    litellm = package("litellm")
    litellm.suppress_debug_info = True
    given = {"api_base": f"{url}/v1", "api_key": "k", "max_retries": 0, "timeout": wait}
    reply = litellm.completion(model="openai/kimi", messages=MESSAGES, stream=stream, **given)
    if stream:
        list(reply)


def litellm_streams(url: str, wait: float = PATIENCE) -> None:
    litellm_asks(url, wait, stream=True)


# What they are told.


def openais(status: int, message: str, code: str | None = None, kind: str | None = None, **headers: str) -> Reply:
    return said(status, {"error": {"message": message, "type": kind, "param": None, "code": code}}, **headers)


def anthropics(status: int, kind: str, message: str, **headers: str) -> Reply:
    return said(status, {"type": "error", "error": {"type": kind, "message": message}}, **headers)


def googles(status: int, kind: str, message: str, *details: dict[str, str]) -> Reply:
    return said(status, {"error": {"code": status, "message": message, "status": kind, "details": details}})


QUOTA: Final = "You exceeded your current quota, please check your plan and billing details."
RETRY: Final = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37s"}
TPM: Final = "Rate limit reached for gpt-4o on tokens per min (TPM): Limit 30000, Used 29000, Requested 2000."
RESETS: Final = {"x_ratelimit_reset_requests": "1s", "x_ratelimit_reset_tokens": "6m0s"}
FREE: Final = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": f"{IN_40_S.timestamp():.0f}000"}
BEGUN: Final = event(
    {
        "type": "message_start",
        "message": {
            "id": "m",
            "type": "message",
            "role": "assistant",
            "content": [],
            "model": "claude",
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        },
    },
    "message_start",
)
PART: Final = event({"candidates": [{"content": {"parts": [{"text": "Hi"}], "role": "model"}}]})
CLOUDFLARE: Final = "<html><title>api.example | 524: A timeout occurred</title></html>"

Ask = Callable[[str, float], None]
Row = tuple[Ask, Reply, str, int | None, int | None]
TABLE: Final[list[Row]] = [
    # OpenAI.
    (
        openai_asks,
        openais(429, f"{TPM} Please try again in 2s.", "rate_limit_exceeded", "tokens"),
        "rate_limit",
        429,
        2_000,
    ),
    (
        openai_asks,
        openais(429, TPM, "rate_limit_exceeded", retry_after_ms="150", retry_after="1"),
        "rate_limit",
        429,
        150,
    ),
    (
        openai_asks,
        openais(429, TPM, **RESETS, x_ratelimit_remaining_requests="5", x_ratelimit_remaining_tokens="0"),
        "rate_limit",
        429,
        360_000,
    ),
    (
        openai_asks,
        openais(429, TPM, **RESETS, x_ratelimit_remaining_requests="0", x_ratelimit_remaining_tokens="5"),
        "rate_limit",
        429,
        1_000,
    ),
    (
        openai_asks,
        openais(429, TPM, **RESETS, x_ratelimit_remaining_requests="5", x_ratelimit_remaining_tokens="5"),
        "rate_limit",
        429,
        None,
    ),
    (openai_asks, openais(429, QUOTA, "insufficient_quota", "insufficient_quota"), "billing", 429, None),
    (
        openai_asks,
        openais(
            429,
            "Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 35000.",
            "rate_limit_exceeded",
        ),
        "context_overflow",
        429,
        None,
    ),
    (
        openai_asks,
        openais(429, "The usage limit has been reached", kind="usage_limit_reached"),
        "rate_limit",
        429,
        None,
    ),
    (
        openai_asks,
        openais(403, "Project `p` does not have access to model `gpt-5`", "model_not_found"),
        "model_not_found",
        403,
        None,
    ),
    (
        openai_asks,
        openais(403, "Country, region, or territory not supported", "unsupported_country_region_territory"),
        "auth",
        403,
        None,
    ),
    (openai_asks, openais(401, "Incorrect API key provided: k", "invalid_api_key"), "auth", 401, None),
    (openai_asks, openais(404, "The model `x` does not exist", "model_not_found"), "model_not_found", 404, None),
    (
        openai_asks,
        openais(400, "This model's maximum context length is 128000 tokens.", "context_length_exceeded"),
        "context_overflow",
        400,
        None,
    ),
    (openai_asks, openais(400, "Invalid 'max_tokens': integer below minimum value."), "invalid_request", 400, None),
    (openai_asks, openais(400, "Unknown parameter: 'safety_identifier'."), "invalid_request", 400, None),
    (openai_asks, openais(400, "Invalid schema for function 'get_billing'"), "invalid_request", 400, None),
    (
        openai_asks,
        openais(400, "Your request was rejected as a result of our safety system.", "content_policy_violation"),
        "content_filter",
        400,
        None,
    ),
    (
        openai_asks,
        openais(500, "The server had an error while processing your request.", kind="server_error"),
        "server_error",
        500,
        None,
    ),
    (openai_asks, openais(503, "Slow down", retry_after="Thu, 02 Apr 2026 05:00:30 GMT"), "overloaded", 503, 30_000),
    (openai_asks, openais(429, "later", retry_after="99999999"), "rate_limit", 429, 86_400_000),
    (openai_asks, openais(429, "never", retry_after="-5", x_ratelimit_reset="soon"), "rate_limit", 429, None),
    (openai_asks_async, openais(429, TPM, retry_after="7"), "rate_limit", 429, 7_000),
    (openai_asks, Reply(502, "<html>Bad gateway</html>"), "server_error", 502, None),
    (openai_asks, Reply(524, CLOUDFLARE), "timeout", 524, None),
    # Those who speak as OpenAI does: Azure, Moonshot, Zhipu, DeepSeek, Groq, OpenRouter, GitHub.
    (
        openai_asks,
        openais(429, "Requests have exceeded the token rate limit. Please retry after 23 seconds.", "429"),
        "rate_limit",
        429,
        23_000,
    ),
    (
        openai_asks,
        openais(429, "limit", x_ratelimit_reset_requests="10", x_ratelimit_remaining_requests="0"),
        "rate_limit",
        429,
        10_000,
    ),
    (
        openai_asks,
        openais(400, "The response was filtered due to Azure OpenAI's content management policy.", "content_filter"),
        "content_filter",
        400,
        None,
    ),
    (
        openai_asks,
        openais(404, "The API deployment for this resource does not exist.", "DeploymentNotFound"),
        "model_not_found",
        404,
        None,
    ),
    (
        openai_asks,
        openais(429, "The engine is currently overloaded, please try again later", kind="engine_overloaded_error"),
        "overloaded",
        429,
        None,
    ),
    (
        openai_asks,
        openais(
            429,
            "You exceeded your current token quota: <org> 0, please check your account balance",
            kind="exceeded_current_quota_error",
        ),
        "billing",
        429,
        None,
    ),
    (
        openai_asks,
        openais(
            429, "Your account reached max RPM: 20, please try again after 1 seconds", kind="rate_limit_reached_error"
        ),
        "rate_limit",
        429,
        1_000,
    ),
    (
        openai_asks,
        openais(400, "The request was rejected because it was considered high risk", kind="content_filter"),
        "content_filter",
        400,
        None,
    ),
    (
        openai_asks,
        openais(400, "Invalid request: Your request exceeded model token limit: 8192", kind="invalid_request_error"),
        "context_overflow",
        400,
        None,
    ),
    (openai_asks, openais(429, "no resource package", "1113"), "billing", 429, None),
    (openai_asks, openais(429, "Rate limit", "1302"), "rate_limit", 429, None),
    (openai_asks, openais(402, "Insufficient Balance", "invalid_request_error"), "billing", 402, None),
    (openai_asks, openais(400, "Content Exists Risk", "invalid_request_error"), "content_filter", 400, None),
    (
        openai_asks,
        openais(429, "Rate limit reached on tokens per day. Please try again in 7m12.5s.", "rate_limit_exceeded"),
        "rate_limit",
        429,
        432_500,
    ),
    (
        openai_asks,
        openais(413, "Request too large for model on tokens per minute", "rate_limit_exceeded"),
        "context_overflow",
        413,
        None,
    ),
    (
        openai_asks,
        said(402, {"error": {"code": 402, "message": "Insufficient credits. Add more to continue"}}),
        "billing",
        402,
        None,
    ),
    (
        openai_asks,
        said(402, {"error": {"message": "You have hit your 5-hour usage limit. It resets at 14:00 UTC"}}),
        "rate_limit",
        402,
        None,
    ),
    (openai_asks, said(403, {"error": {"message": "Key limit exceeded (monthly limit)"}}), "billing", 403, None),
    (
        openai_asks,
        said(403, {"error": {"message": "This model requires moderation and your input was flagged"}}),
        "content_filter",
        403,
        None,
    ),
    (openai_asks, said(400, {"error": {"message": "kimi/k9 is not a valid model ID"}}), "model_not_found", 400, None),
    (
        openai_asks,
        said(429, {"error": {"message": "Rate limit exceeded: free-models-per-day", "metadata": {"headers": FREE}}}),
        "rate_limit",
        429,
        40_000,
    ),
    (
        openai_asks,
        said(
            403,
            {"message": "API rate limit exceeded"},
            x_ratelimit_remaining="0",
            x_ratelimit_reset=f"{IN_40_S.timestamp():.0f}",
        ),
        "rate_limit",
        403,
        40_000,
    ),
    (openai_asks, said(403, {"message": "Quota exceeded for this project"}), "rate_limit", 403, None),
    # A stream: refused, broken by an error of its own, or cut off.
    (openai_streams, openais(429, QUOTA, "insufficient_quota"), "billing", 429, None),
    (
        openai_streams,
        streamed(event({"error": {"message": f"{TPM} Please try again in 2s.", "code": "rate_limit_exceeded"}})),
        "rate_limit",
        None,
        2_000,
    ),
    (
        openai_streams,
        streamed(delta("a"), event({"error": {"message": "x", "type": "server_error"}})),
        "server_error",
        None,
        None,
    ),
    (
        openai_streams,
        streamed(delta("a"), event({"error": {"message": "x", "type": "overloaded_error"}})),
        "overloaded",
        None,
        None,
    ),
    (
        openai_streams,
        streamed(
            delta("a"),
            event({"error": {"message": "x", "code": "context_length_exceeded", "type": "invalid_request_error"}}),
        ),
        "context_overflow",
        None,
        None,
    ),
    (
        openai_streams,
        streamed(delta("a"), event({"error": {"message": "maximum context length", "type": "invalid_request_error"}})),
        "context_overflow",
        None,
        None,
    ),
    (
        openai_streams,
        streamed(delta("a"), event({"error": {"message": "Provider disconnected", "code": 502}})),
        "server_error",
        502,
        None,
    ),
    (openai_streams, streamed(delta("a"), event({"error": {"message": "boom"}})), "unknown", None, None),
    (openai_streams, streamed(delta("a"), ends="hang-up"), "network", None, None),
    (openai_streams, streamed(delta("a"), ends="reset"), "network", None, None),
    (openai_asks_async, streamed(delta("a"), ends="reset"), "network", None, None),
    (openai_asks, Reply(ends="silent"), "timeout", None, None),
    # Anthropic.
    (anthropic_asks, anthropics(529, "overloaded_error", "Overloaded"), "overloaded", 529, None),
    (anthropic_asks, anthropics(429, "rate_limit_error", "per minute", retry_after="12"), "rate_limit", 429, 12_000),
    (
        anthropic_asks,
        anthropics(
            429,
            "rate_limit_error",
            "This request would exceed your rate limit",
            anthropic_ratelimit_requests_remaining="9",
            anthropic_ratelimit_requests_reset="2026-04-02T05:59:00Z",
            anthropic_ratelimit_input_tokens_remaining="0",
            anthropic_ratelimit_input_tokens_reset="2026-04-02T05:00:40Z",
        ),
        "rate_limit",
        429,
        40_000,
    ),
    (
        anthropic_asks,
        anthropics(400, "invalid_request_error", "Your credit balance is too low to access the API."),
        "billing",
        400,
        None,
    ),
    (
        anthropic_asks,
        anthropics(
            400,
            "invalid_request_error",
            "You have reached your specified API usage limits. You will regain access on 2026-05-01",
        ),
        "billing",
        400,
        None,
    ),
    (
        anthropic_asks,
        anthropics(400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
        "context_overflow",
        400,
        None,
    ),
    (
        anthropic_asks,
        anthropics(400, "invalid_request_error", "max_tokens: 9 > 8, the maximum allowed number of output tokens"),
        "invalid_request",
        400,
        None,
    ),
    (anthropic_asks, anthropics(401, "authentication_error", "invalid x-api-key"), "auth", 401, None),
    (anthropic_asks, anthropics(403, "permission_error", "Your API key does not have permission"), "auth", 403, None),
    (anthropic_asks, anthropics(404, "not_found_error", "model: claude-9"), "model_not_found", 404, None),
    (
        anthropic_asks,
        anthropics(413, "request_too_large", "Request exceeds the maximum size"),
        "context_overflow",
        413,
        None,
    ),
    (anthropic_asks, anthropics(500, "api_error", "Internal server error"), "server_error", 500, None),
    (anthropic_asks, Reply(ends="silent"), "timeout", None, None),
    (
        anthropic_streams,
        streamed(
            BEGUN, event({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, "error")
        ),
        "overloaded",
        None,
        None,
    ),
    (
        anthropic_streams,
        streamed(BEGUN, event({"type": "error", "error": {"type": "rate_limit_error", "message": "x"}}, "error")),
        "rate_limit",
        None,
        None,
    ),
    (
        anthropic_streams,
        streamed(BEGUN, event({"type": "error", "error": {"type": "new_error", "message": "x"}}, "error")),
        "unknown",
        None,
        None,
    ),
    (anthropic_streams, streamed(BEGUN, ends="hang-up"), "network", None, None),
    # Google.
    (
        google_asks,
        googles(429, "RESOURCE_EXHAUSTED", f"{QUOTA} Please retry in 37.1s.", RETRY),
        "rate_limit",
        429,
        37_000,
    ),
    (
        google_asks,
        googles(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
        "rate_limit",
        429,
        None,
    ),
    (
        google_asks,
        googles(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
        "auth",
        400,
        None,
    ),
    (
        google_asks,
        googles(
            400, "INVALID_ARGUMENT", "The input token count (1200000) exceeds the maximum number of tokens allowed"
        ),
        "context_overflow",
        400,
        None,
    ),
    (
        google_asks,
        googles(400, "FAILED_PRECONDITION", "Please enable billing on your project in Google AI Studio."),
        "billing",
        400,
        None,
    ),
    (google_asks, googles(403, "PERMISSION_DENIED", "The caller does not have permission"), "auth", 403, None),
    (
        google_asks,
        googles(404, "NOT_FOUND", "models/gemini-9 is not found for API version v1beta"),
        "model_not_found",
        404,
        None,
    ),
    (
        google_asks,
        googles(503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
        "overloaded",
        503,
        None,
    ),
    (google_asks, googles(504, "DEADLINE_EXCEEDED", "Deadline expired"), "timeout", 504, None),
    (
        google_streams,
        streamed(PART, event({"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}})),
        "overloaded",
        503,
        None,
    ),
    (google_streams, streamed(PART, ends="hang-up"), "network", None, None),
    # Bare clients. aiohttp's error does not hold the body, and neither do streams that were not read.
    (httpx_raises, openais(429, QUOTA, "insufficient_quota", retry_after="3"), "billing", 429, 3_000),
    (httpx_raises, Reply(ends="silent"), "timeout", None, None),
    (httpx_streams, openais(429, QUOTA, "insufficient_quota"), "rate_limit", 429, None),
    (httpx_streams, streamed(delta("a"), ends="reset"), "network", None, None),
    (requests_raises, openais(429, QUOTA, "insufficient_quota", retry_after="3"), "billing", 429, 3_000),
    (requests_raises, Reply(ends="silent"), "timeout", None, None),
    (requests_streams, openais(429, QUOTA, "insufficient_quota"), "rate_limit", 429, None),
    (requests_streams, streamed(delta("a"), ends="hang-up"), "network", None, None),
    (aiohttp_raises, openais(429, QUOTA, "insufficient_quota", retry_after="3"), "rate_limit", 429, 3_000),
    (aiohttp_raises, Reply(ends="silent"), "timeout", None, None),
    (aiohttp_raises, streamed(delta("a"), ends="hang-up"), "network", None, None),
    # litellm, whose errors are openai's and bear headers of their own.
    (litellm_asks, openais(429, TPM, retry_after="9"), "rate_limit", 429, 9_000),
    (litellm_asks, openais(429, QUOTA, "insufficient_quota"), "billing", 429, None),
    (
        litellm_asks,
        openais(400, "This model's maximum context length is 8192", "context_length_exceeded"),
        "context_overflow",
        400,
        None,
    ),
    (litellm_asks, openais(401, "Incorrect API key provided", "invalid_api_key"), "auth", 401, None),
    (litellm_asks, openais(503, "busy"), "overloaded", 503, None),
    (litellm_asks, Reply(ends="silent"), "timeout", 408, None),
    (
        litellm_streams,
        streamed(delta("a"), event({"error": {"message": "Rate limit reached"}})),
        "rate_limit",
        429,
        None,
    ),
    (litellm_streams, streamed(delta("a"), ends="hang-up"), "network", None, None),
]


def caught(act: Callable[[], object]) -> Exception:
    try:
        act()
    except Exception as error:  # noqa: BLE001  (which one it is, is what the test looks at)
        return error
    raise AssertionError("the client did not fail")


def found(error: Exception) -> Outcome | None:
    return of_exception(error, NOW)


@pytest.mark.parametrize(
    ("ask", "reply", "reason", "status", "wait"),
    TABLE,
    ids=[f"{row[0].__name__}-{row[1].status}-{number}" for number, row in enumerate(TABLE)],
)
def test_what_a_client_raises_is_what_the_provider_meant(
    ask: Ask, reply: Reply, reason: str, status: int | None, wait: int | None
) -> None:
    name = ask.__name__.partition("_")[0]
    package("google.genai" if name == "google" else name)
    with Host(reply) as host:
        error = caught(lambda: ask(host.url, SOON if reply.ends == "silent" else PATIENCE))
        outcome = found(error)
    assert outcome is not None, repr(error)
    assert (outcome.reason, outcome.status, outcome.retry_after_ms) == (reason, status, wait), repr(error)
    assert outcome.error
    assert len(host.requests) == 1


@pytest.mark.parametrize(
    "ask", [openai_asks, anthropic_asks, google_asks, httpx_raises, requests_raises, aiohttp_raises]
)
def test_a_provider_that_is_not_there_is_the_network(ask: Ask) -> None:
    outcome = found(caught(lambda: ask(f"http://127.0.0.1:{free_port()}", PATIENCE)))
    assert outcome is not None
    assert (outcome.reason, outcome.status) == ("network", None)


@pytest.mark.parametrize(("status", "reason"), [(200, None), (429, "billing")])
def test_responses_are_looked_at_as_they_are(status: int, reason: str | None) -> None:
    """Read ones: of a stream that was not read, only the status counts, and nothing is read."""
    reply = openais(status, QUOTA, "insufficient_quota")
    with Host(reply) as host:
        with package("httpx").Client() as client:
            outcomes = [of_response(client.post(host.url), NOW)]
        with package("requests").post(host.url) as response:
            outcomes.append(of_response(response, NOW))
        with package("requests").post(host.url, stream=True) as response:
            unread = of_response(response, NOW)
            assert QUOTA in response.text
    assert [one.reason if one else None for one in outcomes] == [reason, reason]
    assert (unread.reason if unread else None) == (reason and "rate_limit")


# Not a provider's.


def starlettes() -> list[Exception]:
    starlette, fastapi = package("starlette.exceptions"), package("fastapi")

    class MineError(starlette.HTTPException):  # type: ignore[name-defined, misc]
        pass

    return [starlette.HTTPException(503), fastapi.HTTPException(429, headers={"Retry-After": "7"}), MineError(404)]


def aiohttps() -> list[Exception]:
    web = package("aiohttp.web")
    return [web.HTTPServiceUnavailable(), web.HTTPNotFound()]


@pytest.mark.parametrize("made", [starlettes, aiohttps])
def test_a_web_frameworks_own_error_blames_no_model(tmp_path: Path, made: Callable[[], list[Exception]]) -> None:
    for number, error in enumerate(made()):
        assert found(error) is None
        with Session.open(tmp_path / f"{number}.jsonl", chain=CHAIN) as session:
            with pytest.raises(type(error)):
                session.call(lambda _, error=error: (_ for _ in ()).throw(error))
            assert told(session.path) == [f"model_switch {KIMI}"]


def test_a_web_frameworks_own_response_is_an_answer(tmp_path: Path) -> None:
    response = package("fastapi").Response(status_code=503)
    with Session.open(tmp_path / "a.jsonl", chain=CHAIN) as session:
        assert session.call(lambda _: response) is response


# Streams by the loop.


def chats(host: Host, model: str) -> Any:
    client = package("openai").OpenAI(base_url=f"{host.url}/v1", api_key="k", max_retries=0)
    return client.chat.completions.create(model=model, messages=MESSAGES, stream=True)


def words(chunks: Any, into: list[str]) -> list[str]:
    for chunk in chunks:
        into.append(chunk.choices[0].delta.content)  # noqa: PERF401  (what came before it breaks)
    return into


FINE: Final = streamed(delta("one "), delta("two"), DONE)
BROKEN: Final = streamed(delta("one "), event({"error": {"message": "x", "code": "server_error"}}))


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Session.open(tmp_path / "17a309d8.jsonl", chain=CHAIN) as session:
        yield session


def failures(session: Session) -> list[tuple[str, str, str | None]]:
    return [(one.model, one.reason, one.phase) for one in events(session.path) if isinstance(one, AttemptFailed)]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("first", [openais(429, TPM), streamed(event({"error": {"code": "server_error"}}))])
@pytest.mark.parametrize("inside", [True, False])
def test_a_stream_that_fails_before_its_first_chunk_goes_on(session: Session, first: Reply, inside: bool) -> None:
    seen: list[str] = []
    with Host(lambda model: first if model == KIMI else FINE) as host:
        for attempt in session.attempts():
            with attempt:
                chunks = attempt.stream(chats(host, attempt.model))
                if inside:
                    words(chunks, seen)
        assert "".join(words(chunks, seen)) == "one two"
        assert host.requests == [KIMI, GLM]
    assert [(model, phase) for model, _, phase in failures(session)] == [(KIMI, None)]
    assert session.state.last_good == GLM


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("inside", [True, False])
def test_a_stream_that_breaks_is_recorded_raised_and_not_doubled(session: Session, inside: bool) -> None:
    seen: list[str] = []
    with Host(lambda model: BROKEN if model == KIMI else FINE) as host:
        with pytest.raises(package("openai").APIError):  # noqa: PT012  (both ways to read)
            for attempt in session.attempts():
                with attempt:
                    chunks = attempt.stream(chats(host, attempt.model))
                    if inside:
                        words(chunks, seen)
            words(chunks, seen)
        assert host.requests == [KIMI]
    assert seen == ["one "]
    assert failures(session) == [(KIMI, "server_error", "mid_stream")]
    assert session.decide().model == GLM


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_first_byte_alone_does_the_same_inside_of_the_block(session: Session) -> None:
    seen: list[str] = []
    with Host(lambda model: BROKEN if model == KIMI else FINE) as host:
        with pytest.raises(package("openai").APIError):  # noqa: PT012
            for attempt in session.attempts():
                with attempt:
                    for chunk in chats(host, attempt.model):
                        attempt.first_byte()
                        seen.append(chunk.choices[0].delta.content)
        assert host.requests == [KIMI]
    assert failures(session) == [(KIMI, "server_error", "mid_stream")]


class AsyncChunks:
    """What a client streams: these, and then the error."""

    def __init__(self, *chunks: str, error: BaseException | None = None) -> None:
        self.chunks, self.error, self.closed = list(chunks), error, False

    def __aiter__(self) -> "AsyncChunks":
        return self

    async def __anext__(self) -> str:
        if self.chunks:
            return self.chunks.pop(0)
        raise self.error or StopAsyncIteration

    async def close(self) -> None:
        self.closed = True


async def astreamed(session: Session, sources: dict[str, AsyncChunks]) -> Any:
    async for attempt in session.attempts():
        async with attempt:
            chunks = await attempt.astream(sources[attempt.model])
    return chunks


def test_asyncio_streams_are_the_same(session: Session) -> None:
    sources = {KIMI: AsyncChunks(error=RefusedError(429)), GLM: AsyncChunks("one ", "two")}
    seen: list[str] = []

    async def main() -> None:
        async for chunk in await astreamed(session, sources):
            seen.append(chunk)  # noqa: PERF401
        sources[GLM] = AsyncChunks("one ", error=RefusedError(503))
        with pytest.raises(RefusedError):  # noqa: PT012
            async for chunk in await astreamed(session, sources):
                seen.append(chunk)  # noqa: PERF401

    asyncio.run(main())
    assert "".join(seen) == "one twoone "
    assert failures(session) == [(KIMI, "rate_limit", None), (GLM, "overloaded", "mid_stream")]
    assert agrees(session)


def test_a_stream_that_is_closed_early_is_aborted_and_its_source_closed(session: Session) -> None:
    source = AsyncChunks("one", "two")

    async def main() -> None:
        async with await astreamed(session, {KIMI: source}) as chunks:
            assert await anext(chunks) == "one"
        await chunks.aclose()

    asyncio.run(main())
    assert source.closed
    assert failures(session) == [(KIMI, "aborted", "mid_stream")]
    with next(session.attempts()) as attempt:
        stream = attempt.stream(["one", "two"])
    with stream:
        assert next(stream) == "one"
    assert failures(session) == [(KIMI, "aborted", "mid_stream")] * 2
    assert session.state.tried == {}


def test_a_cancelled_reader_is_aborted_and_the_record_is_whole(session: Session) -> None:
    async def main() -> None:
        async for _ in await astreamed(session, {KIMI: AsyncChunks("one", error=asyncio.CancelledError())}):
            pass

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    assert failures(session) == [(KIMI, "aborted", "mid_stream")]


def test_an_empty_stream_is_an_answer_and_an_authors_own_error_is_his(session: Session) -> None:
    for attempt in session.attempts():
        with attempt:
            assert list(attempt.stream([])) == []
    assert told(session.path) == [f"model_switch {KIMI}", f"attempt_succeeded {KIMI}"]
    for attempt in session.attempts():
        with pytest.raises(KeyError), attempt:  # noqa: PT012
            for _ in attempt.stream(["one"]):
                raise KeyError("mine")
    assert told(session.path) == [f"model_switch {KIMI}", f"attempt_succeeded {KIMI}"]


# The hook.


def test_a_hook_may_give_the_whole_outcome(tmp_path: Path) -> None:
    def hook(error: BaseException) -> str | Outcome | None:
        return Outcome("rate_limit", 429, 5_000) if isinstance(error, KeyError) else None

    with Session.open(tmp_path / "a.jsonl", chain=CHAIN, classify=hook) as session:
        attempt = next(session.attempts())
        with attempt:
            raise KeyError("busy")
        assert attempt.outcome == Outcome("rate_limit", 429, 5_000, "'busy'")
        assert failures(session) == [(KIMI, "rate_limit", None)]


@pytest.mark.parametrize("said", [True, 7, "", b"x", ["rate_limit"], object()])
def test_a_hook_that_says_nothing_sensible_leaves_it_to_the_table(said: Any) -> None:
    assert of_exception(RefusedError(503), NOW, lambda _: said) == of_exception(RefusedError(503), NOW)


# Whatever comes.


class HostileError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    @property
    def status(self) -> int:
        raise RuntimeError("no status")

    headers = response = body = code = retry_after = original_exception = status


def hostile(**attributes: object) -> Exception:
    return type("Odd", (TimeoutError,), attributes)("odd")


@pytest.mark.parametrize(
    "error",
    [
        HostileError(),
        type("Both", (HostileError, TimeoutError), {})(),
        type("Refused", (HostileError,), {"status_code": 429})(),
        RefusedError(500, "x" * 1_000_000),
        RefusedError(429, "try again in " + "9" * 1_000_000 + "s" * 10),
        RefusedError(429, "limit", retry_after="9" * 100_000, x_ratelimit_reset="9" * 100_000),
        RefusedError(429, "limit", x_ratelimit_reset_requests="1s" * 10_000, x_ratelimit_remaining_requests="-"),
        RefusedError(429, "limit", anthropic_ratelimit_requests_reset="9999-99-99T99:99:99Z"),
        RefusedError(429, "limit", retry_after="0001-01-01T00:00:00+23:59"),
        hostile(status_code=10**400),
        hostile(errno=[]),
        hostile(body={"error": {"code": ["x"], "type": {}}}),
        hostile(retry_after=float("nan")),
        hostile(retry_after=10**400),
        hostile(original_exception=TimeoutError()),
        hostile(headers={None: None, "retry-after": object()}),
        hostile(__module__=7),
    ],
    ids=lambda error: type(error).__name__,
)
def test_the_users_request_goes_on_whatever_an_error_is(session: Session, error: Exception) -> None:
    def ask(model: str) -> str:
        if model == KIMI:
            raise error
        return model

    if type(error) is HostileError:
        with pytest.raises(HostileError):
            session.call(ask)
        assert failures(session) == []
    else:
        assert session.call(ask) == GLM
        assert [model for model, _, _ in failures(session)] == [KIMI]
    assert agrees(session)
    assert session.path.stat().st_size < 20_000


def test_an_error_that_wraps_itself_is_looked_at_once(session: Session) -> None:
    error, outer, inner = (hostile(__module__="litellm.exceptions") for _ in range(3))
    error.original_exception = error  # type: ignore[attr-defined]
    outer.original_exception, inner.original_exception = inner, outer  # type: ignore[attr-defined]
    for one in (error, outer):
        assert found(one) == Outcome("timeout", error="odd")


def test_a_group_nested_deeper_than_pythons_limit_is_looked_into(session: Session) -> None:
    group: Exception = ExceptionGroup("inner", [RefusedError(503), TimeoutError()])
    for _ in range(5_000):
        group = ExceptionGroup("outer", [group])
    attempt = next(session.attempts())
    with attempt:
        raise group
    assert failures(session) == [(KIMI, "overloaded", None)]
    while isinstance(group, ExceptionGroup) and len(group.exceptions) == 1:  # freed from inside, it needs no stack
        group = group.exceptions[0]


@pytest.mark.parametrize("models", [(), (KIMI, KIMI), ("",), (KIMI, "  ")])
def test_a_chain_that_cant_be_is_a_clear_error(models: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"chain|name"):
        Chain(*models)


@pytest.mark.parametrize("name", ["../../etc/x", "/etc/passwd", "..", "a/b", "a\0b", "", "x" * 200])
def test_a_session_id_never_leads_out_of_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(MisuseError, match="no session id"):
        Sessions(tmp_path / "sessions", CHAIN).open(name)
    assert list(tmp_path.rglob("*")) == []


def test_a_clock_a_year_ahead_does_not_cool_for_a_year(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    clock.forward(days=365)
    for attempt in session.attempts():
        with attempt:
            if attempt.model == KIMI:
                raise RefusedError(429, retry_after="3600")
    clock.forward(days=-365)  # somebody set it right
    assert session.call(lambda model: model) == KIMI
    assert agrees(session)


def test_no_wait_is_longer_than_a_day(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    with pytest.raises(AllModelsFailed) as raised:
        session.call(lambda _: (_ for _ in ()).throw(RefusedError(429, retry_after="Fri, 31 Dec 9999 23:59:59 GMT")))
    assert raised.value.retry_at == clock.now + timedelta(days=1)
