"""How an attempt ended: from a client's exception or response to a reason.

Law: looks, never raises, imports no client. An exception that neither this table nor the author's hook recognises
blames no model: a KeyError of the author's own must not cool one.
"""

import contextlib
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from replay import reasons
from replay.classify import classify

Hook = Callable[[BaseException], str | None]
"""An author's own classification: the reason for an exception, or None to leave it to the table."""

# Class names of the usual clients (httpx, requests, aiohttp, openai, anthropic); they need not be installed.
_BY_NAME: Final[Mapping[str, str]] = {
    "APITimeoutError": reasons.TIMEOUT,
    "Timeout": reasons.TIMEOUT,
    "TimeoutException": reasons.TIMEOUT,
    "APIConnectionError": reasons.NETWORK,
    "ClientConnectionError": reasons.NETWORK,
    "ConnectionError": reasons.NETWORK,
    "HTTPException": reasons.NETWORK,
    "TransportError": reasons.NETWORK,
    "URLError": reasons.NETWORK,
}
_CLIENTS: Final = frozenset(
    {"httpx", "httpcore", "requests", "urllib3", "aiohttp", "openai", "anthropic", "http", "urllib"}
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a failed attempt is recorded as."""

    reason: str
    status: int | None = None
    retry_after_ms: int | None = None
    error: str | None = None


class ResponseRefused(Exception):
    """Raised by ``attempt.response`` to leave the attempt's block: the provider answered, with a failure."""

    def __init__(self, response: object) -> None:
        super().__init__("the provider refused the request")
        self.response = response


def of_exception(error: BaseException, now: datetime, hook: Hook | None = None) -> Outcome | None:
    """What the exception says of the model; None if nothing (then it is the caller's own)."""
    if isinstance(error, ResponseRefused):
        return of_response(error.response, now)
    if not isinstance(error, Exception):
        return Outcome(reasons.ABORTED)
    text = _text(error)
    if hook is not None and (reason := hook(error)) is not None:
        return Outcome(reason, _status(error), error=text)
    answer = of_response(error, now) or of_response(getattr(error, "response", None), now)
    if answer is not None:
        return Outcome(answer.reason, answer.status, answer.retry_after_ms, text)
    reason = _by_class(error)
    return None if reason is None else Outcome(reason, error=text)


def of_response(response: object, now: datetime) -> Outcome | None:
    """What an HTTP response (or an exception that carries one's status) says; None if it is no failure."""
    status = _status(response)
    if status is None:
        return None
    body = _body(response)
    verdict = classify(status, _headers(response), body, now)
    if verdict is None:
        return None
    return Outcome(
        verdict.reason, status, verdict.retry_after_ms, f"HTTP {status}" + (f": {body[:500]}" if body else "")
    )


def is_response(value: object) -> bool:
    """Whether a client's return value is an HTTP response that it did not raise for."""
    return _status(value) is not None and hasattr(value, "headers")


def _status(value: object) -> int | None:
    for name in ("status_code", "status", "code"):
        found = getattr(value, name, None)
        if isinstance(found, int) and not isinstance(found, bool) and 100 <= found <= 599:
            return found
    return None


def _headers(value: object) -> Mapping[str, str]:
    for holder in (value, getattr(value, "response", None)):
        headers = getattr(holder, "headers", None)
        with contextlib.suppress(Exception):
            return {str(name): str(text) for name, text in headers.items()}  # type: ignore[union-attr]
    return {}


def _body(value: object) -> str:
    for holder in (value, getattr(value, "response", None)):
        with contextlib.suppress(Exception):  # a streamed response that was not read raises here
            if isinstance(text := getattr(holder, "text", None), str):
                return text
    return _text(value) if isinstance(value, Exception) else ""


def _by_class(error: Exception) -> str | None:
    if isinstance(error, TimeoutError):
        return reasons.TIMEOUT
    if isinstance(error, ConnectionError | socket.gaierror | ssl.SSLError):
        return reasons.NETWORK
    for kind in type(error).__mro__:
        if kind.__module__.partition(".")[0] in _CLIENTS and kind.__name__ in _BY_NAME:
            return _BY_NAME[kind.__name__]
    return None


def _text(error: object) -> str:
    try:
        return str(error)[:10_000]
    except Exception:  # noqa: BLE001  (an author's __str__ may do anything, and the failure must still be recorded)
        return type(error).__name__
