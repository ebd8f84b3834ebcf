"""How an attempt ended: from a client's exception or response to a reason.

Law: looks, never raises, imports no client. An exception that neither this table nor the author's hook recognises
blames no model: a KeyError of the author's own must not cool one.
"""

import contextlib
import errno
import logging
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from eventlog.errors import SwitchlogError
from replay import reasons
from replay.classify import classify

_logger: Final = logging.getLogger("switchlog")

Hook = Callable[[BaseException], str | None]
"""An author's own classification: the reason for an exception, or None to leave it to the table."""

# Class names of the usual clients (httpx, requests, aiohttp, openai, anthropic); they need not be installed.
_BY_NAME: Final[Mapping[str, str | None]] = {
    "APITimeoutError": reasons.TIMEOUT,
    "ConnectTimeout": reasons.TIMEOUT,
    "Timeout": reasons.TIMEOUT,
    "TimeoutError": reasons.TIMEOUT,
    "TimeoutException": reasons.TIMEOUT,
    "APIConnectionError": reasons.NETWORK,
    "ChunkedEncodingError": reasons.NETWORK,
    "ClientConnectionError": reasons.NETWORK,
    "ClientPayloadError": reasons.NETWORK,
    "ConnectionError": reasons.NETWORK,
    "HTTPException": reasons.NETWORK,
    "MaxRetryError": reasons.NETWORK,
    "NetworkError": reasons.NETWORK,
    "NewConnectionError": reasons.NETWORK,
    "ProtocolError": reasons.NETWORK,
    "TransportError": reasons.NETWORK,
    "URLError": reasons.NETWORK,
    # Requests that were wrongly made; the clients give them the network's root.
    "ImproperConnectionState": None,
    "InvalidURL": None,
    "UnsupportedProtocol": None,
}
_CLIENTS: Final = frozenset(
    {"httpx", "httpcore", "requests", "urllib3", "aiohttp", "openai", "anthropic", "http", "urllib"}
)
_LONGEST: Final = 10_000
"""Characters that are looked at of what a provider says; a record keeps fewer."""

_UNREACHABLE: Final = frozenset({errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH})
"""Numbers of an OSError that has no class of its own, as a bare socket raises it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a failed attempt is recorded as."""

    reason: str
    status: int | None = None
    retry_after_ms: int | None = None
    error: str | None = None


class ResponseRefused(SwitchlogError):
    """Raised by ``attempt.response`` to leave the attempt's block: the provider answered, with a failure."""

    def __init__(self, response: object, told: str | None) -> None:
        super().__init__(told)
        self.response = response


def of_exception(error: BaseException, now: datetime, hook: Hook | None = None) -> Outcome | None:
    """What the exception says of the model; None if nothing (then it is the caller's own)."""
    if isinstance(error, BaseExceptionGroup):
        return _of_group(error, now, hook)
    if not isinstance(error, Exception):
        return Outcome(reasons.ABORTED)
    answer = of_response(error, now) or of_response(_get(error, "response"), now)
    reason = _of_hook(hook, error) or (_by_class(error) if answer is None else answer.reason)
    if reason is None:
        return None
    return replace(answer or Outcome(reason), reason=reason, error=_text(error))


def _of_group(group: BaseExceptionGroup[BaseException], now: datetime, hook: Hook | None) -> Outcome | None:
    """A task group's errors: if one is the author's own, so is the group; else the first that blames the model."""
    outcomes = [of_exception(one, now, hook) for one in group.exceptions]
    known = [one for one in outcomes if one is not None]
    if len(known) < len(outcomes):
        return None
    told = [one for one in known if one.reason != reasons.ABORTED] or known
    return next((one for one in told if reasons.blames(one.reason)), told[0])


def of_response(response: object, now: datetime) -> Outcome | None:
    """What an HTTP response (or an exception that carries one's status) says; None if it is no failure."""
    status = _status(response)
    if status is None:
        return None
    body = _body(response)
    verdict = classify(status, _headers(response), body, now)
    if verdict is None:
        return None
    return Outcome(verdict.reason, status, verdict.retry_after_ms, f"HTTP {status}" + (f": {body}" if body else ""))


def is_response(value: object) -> bool:
    """Whether a client's return value is an HTTP response that it did not raise for."""
    return _status(value) is not None and _get(value, "headers") is not None


def _of_hook(hook: Hook | None, error: Exception) -> str | None:
    try:
        return None if hook is None else hook(error)
    except Exception:
        _logger.exception("the classify hook failed on %s", type(error).__name__)
        return None


def _status(value: object) -> int | None:
    for name in ("status_code", "status", "code"):
        found = _get(value, name)
        if isinstance(found, int) and 100 <= found <= 599:
            return int(found)  # not the HTTPStatus that it may be
    return None


def _headers(value: object) -> Mapping[str, str]:
    for holder in (value, _get(value, "response")):
        headers = _get(holder, "headers")
        with contextlib.suppress(Exception):
            return {str(name): str(text) for name, text in headers.items()}  # type: ignore[attr-defined]
    return {}


def _body(value: object) -> str:
    for holder in (value, _get(value, "response")):
        if isinstance(text := _get(holder, "text"), str):
            return text[:_LONGEST]
    return _text(value) if isinstance(value, Exception) else ""


def _get(value: object, name: str) -> object:
    """The attribute, or None: a property may raise, as that of a streamed response which was not read does."""
    with contextlib.suppress(Exception):
        return getattr(value, name, None)
    return None


def _by_class(error: Exception) -> str | None:
    if isinstance(error, TimeoutError):
        return reasons.TIMEOUT
    if isinstance(error, ConnectionError | socket.gaierror | ssl.SSLError):
        return reasons.NETWORK
    if isinstance(error, OSError) and error.errno in _UNREACHABLE:
        return reasons.NETWORK
    for kind in type(error).__mro__:
        if kind.__module__.partition(".")[0] in _CLIENTS and kind.__name__ in _BY_NAME:
            wrapped = isinstance(_get(error, "reason"), TimeoutError)  # urllib's, of a connection not taken
            return reasons.TIMEOUT if wrapped else _BY_NAME[kind.__name__]
    return None


def _text(error: object) -> str:
    try:
        return str(error)[:_LONGEST]
    except Exception:  # noqa: BLE001  (an author's __str__ may do anything, and the failure must still be recorded)
        return type(error).__name__
