"""How an attempt ended: from a client's exception or response to a reason.

Law: looks, never raises, imports no client, and reads nothing that the client has not read. An exception that neither
this table nor the author's hook recognises blames no model: a KeyError of the author's own must not cool one.

An exception with a status, headers and a body is judged by those (see :mod:`replay.classify`), one without a status by
what the provider calls it, any other by its class. Measured with openai 2, anthropic 2, google-genai 3, litellm 1.106,
pydantic-ai 2, httpx, requests and aiohttp. The body of urllib's HTTPError is left to the author: to read it could
block, and he could not read it again.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from eventlog.clients import CLIENTS, FRAMEWORKS, MORE_THAN_STATUS, by_class, comes_from, get
from eventlog.errors import SwitchlogError
from replay import reasons
from replay.classify import DAY_MS, classify, classify_type

_logger: Final = logging.getLogger("switchlog")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a failed attempt is recorded as."""

    reason: str
    status: int | None = None
    retry_after_ms: int | None = None
    error: str | None = None


Hook = Callable[[BaseException], "str | Outcome | None"]
"""An author's own classification: the reason for an exception, the whole outcome, or None to leave it to the table.

``invalid_request`` for what is the author's own: it is recorded, blames no model, and is raised at once.
"""

_LONGEST: Final = 10_000
"""Characters that are looked at of what a provider says; a record keeps fewer."""


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
    said = _of_hook(hook, error)
    if isinstance(said, Outcome):
        return said if said.error is not None else replace(said, error=_text(error))
    found = _of_table(error, now)
    if isinstance(said, str) and said:
        found = replace(found or Outcome(said), reason=said)
    return None if found is None else replace(found, error=_text(error))


def _of_group(group: BaseExceptionGroup[BaseException], now: datetime, hook: Hook | None) -> Outcome | None:
    """A task group's errors: if one is the author's own, so is the group; else the first that blames the model."""
    outcomes = [of_exception(one, now, hook) for one in _errors(group)]
    known = [one for one in outcomes if one is not None]
    if len(known) < len(outcomes):
        return None
    told = [one for one in known if one.reason != reasons.ABORTED] or known
    return next((one for one in told if reasons.blames(one.reason)), told[0])


def _errors(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    waiting: list[BaseException] = [group]  # no recursion: a group can be nested deeper than Python's own limit
    while waiting:
        one = waiting.pop()
        if isinstance(one, BaseExceptionGroup):
            waiting.extend(reversed(one.exceptions))
        else:
            yield one


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
    return _status(value) is not None and get(value, "headers") is not None


def _of_hook(hook: Hook | None, error: Exception) -> str | Outcome | None:
    try:
        return None if hook is None else hook(error)
    except Exception:
        _logger.exception("the classify hook failed on %s", type(error).__name__)
        return None


def _of_table(error: Exception, now: datetime) -> Outcome | None:
    if comes_from(error, FRAMEWORKS):
        return None
    broken = get(error, "original_exception") if comes_from(error, ("litellm",)) else None  # its broken streams
    return (_of_client(broken, now) if isinstance(broken, Exception) else None) or _of_client(error, now)


def _of_client(error: Exception, now: datetime) -> Outcome | None:
    named, reason = by_class(error)
    answer = of_response(error, now) or of_response(get(error, "response"), now) or _of_type(error, now)
    if answer is None:
        return None if reason is None else Outcome(reason, retry_after_ms=_asked(error))
    if reason is not None and named in MORE_THAN_STATUS:
        status = None if reason == reasons.NETWORK else answer.status  # that one no server has said
        answer = replace(answer, reason=reason, status=status)
    return answer if answer.retry_after_ms is not None else replace(answer, retry_after_ms=_asked(error))


def _of_type(error: Exception, now: datetime) -> Outcome | None:
    """An error inside of a stream, whose status was 200 when it began: its own name for itself."""
    if not comes_from(error, CLIENTS):
        return None
    for kind in _kinds(error):
        verdict = classify_type(kind, _text(error), now)
        if verdict is not None:
            return Outcome(verdict.reason, None, verdict.retry_after_ms)
    return None


def _kinds(error: Exception) -> Iterator[str]:
    body = get(error, "body")
    outer = body if isinstance(body, dict) else {}
    inner = outer.get("error")
    holders = ({name: get(error, name) for name in _KINDS}, inner if isinstance(inner, dict) else {}, outer)
    return (kind for name in _KINDS for holder in holders if isinstance(kind := holder.get(name), str))


_KINDS: Final = ("code", "type", "status")
"""The most exact first."""


def _asked(error: Exception) -> int | None:
    """The seconds in ``retry_after``, where pydantic-ai has put them."""
    seconds = get(error, "retry_after") if comes_from(error, ("pydantic_ai",)) else None
    if not isinstance(seconds, int | float) or not 0 <= seconds < DAY_MS:
        return None
    return min(round(seconds * 1000), DAY_MS)


def _status(value: object) -> int | None:
    for name in ("status_code", "status", "code"):
        found = get(value, name)
        if isinstance(found, int) and 100 <= found <= 599 and (name == "status_code" or _is_http(value)):
            return None if comes_from(value, FRAMEWORKS) else int(found)  # not the HTTPStatus that it may be
    return None


def _is_http(value: object) -> bool:
    """Whether a ``status`` or ``code`` is one of HTTP: an exception of a database has those too."""
    if not isinstance(value, Exception) or comes_from(value, CLIENTS):
        return True
    return get(value, "headers") is not None or get(value, "response") is not None


def _headers(value: object) -> Mapping[str, str]:
    for holder in (value, get(value, "response")):
        for name in ("headers", "litellm_response_headers"):
            headers = get(holder, name)
            with contextlib.suppress(Exception):
                return {str(name): str(text) for name, text in headers.items()}  # type: ignore[attr-defined]
    return {}


def _body(value: object) -> str:
    for holder in (value, get(value, "response")):
        if get(holder, "_content") is False:
            continue  # of requests, with stream=True: not read yet, and to read it could block
        content = get(holder, "content")
        if isinstance(content, bytes) and content:  # to decode all of a large body, requests would first guess how
            return content[: 4 * _LONGEST].decode("utf-8", "replace")[:_LONGEST]
        if isinstance(text := get(holder, "text"), str) and text:
            return text[:_LONGEST]
    return _text(value) if isinstance(value, Exception) else ""


def _text(error: object) -> str:
    try:
        return str(error)[:_LONGEST] or type(error).__name__
    except Exception:  # noqa: BLE001  (an author's __str__ may do anything, and the failure must still be recorded)
        return type(error).__name__
