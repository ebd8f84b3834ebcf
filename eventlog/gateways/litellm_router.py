"""LiteLLM's Router with a memory: the same calls, and each session goes on with the model that works.

Law: nothing in here fails a request. A call without a session id goes to the Router as it is; what the Router raises is
what the caller gets; after the first chunk of a stream no other model is asked.
"""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from eventlog.gateways.litellm_config import Folder, alone, chain_of, no_fallback, session_id
from eventlog.gateways.litellm_requests import Request, aquietly, quietly
from eventlog.sessions import Sessions
from eventlog.streaming import AsyncStream, Stream
from replay import Chain


class MemoryRouter:
    """A Router whose ``completion`` and ``acompletion`` remember: ``MemoryRouter(Router(…), "sessions")``.

    A session is named as LiteLLM names it: ``metadata={"session_id": "17a309d8"}``. All else is the Router's own.
    """

    def __init__(self, router: Any, sessions: Sessions | str | Path) -> None:
        self.router = router
        self.sessions = sessions if isinstance(sessions, Sessions) else Sessions(sessions)
        self._folder = Folder(self.sessions)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.router, name)

    def completion(self, model: str, messages: list[Any], **options: Any) -> Any:
        """``Router.completion``."""
        request, failure = quietly(self._request, model, options), None
        while request is not None and (chosen := quietly(request.following)) is not None:
            if not chosen:
                raise failure or AssertionError("one model is asked at least")
            try:
                reply = self.router.completion(model=chosen, messages=messages, **self._of_one(request.chain, options))
                if options.get("stream"):
                    return _Stream(reply, _end_of(request))
            except BaseException as error:
                goes_on = quietly(request.failed, error)
                if goes_on is False or not isinstance(error, Exception):
                    raise
                failure, request = error, request if goes_on else None
            else:
                if not _fell_back(reply):
                    quietly(request.succeeded)
                return reply
        return self.router.completion(model=model, messages=messages, **options)

    async def acompletion(self, model: str, messages: list[Any], **options: Any) -> Any:
        """``Router.acompletion``."""
        request, failure = await aquietly(self._arequest, model, options), None
        while request is not None and (chosen := await aquietly(request.afollowing)) is not None:
            if not chosen:
                raise failure or AssertionError("one model is asked at least")
            try:
                of_one = self._of_one(request.chain, options)
                reply = await self.router.acompletion(model=chosen, messages=messages, **of_one)
                if options.get("stream"):
                    return await _AsyncStream.begun(reply, _aend_of(request))
            except BaseException as error:
                goes_on = await aquietly(request.afailed, error)
                if goes_on is False or not isinstance(error, Exception):
                    raise
                failure, request = error, request if goes_on else None
            else:
                if not _fell_back(reply):
                    await aquietly(request.asucceeded)
                return reply
        return await self.router.acompletion(model=model, messages=messages, **options)

    def _request(self, model: str, options: Mapping[str, Any]) -> Request | None:
        identity, chain = self._wanted(model, options)
        session = self._folder.find(identity) if identity is not None and chain is not None else None
        return Request(session, chain) if session is not None and chain is not None else None

    async def _arequest(self, model: str, options: Mapping[str, Any]) -> Request | None:
        identity, chain = self._wanted(model, options)
        session = await self._folder.afind(identity) if identity is not None and chain is not None else None
        return Request(session, chain) if session is not None and chain is not None else None

    def _wanted(self, model: str, options: Mapping[str, Any]) -> tuple[str | None, Chain | None]:
        if options.get("disable_fallbacks"):
            return None, None
        return session_id(options), chain_of(self.router, model, options.get("fallbacks"))

    def _of_one(self, chain: Chain, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options of a request to one model: the walk down the chain is ours."""
        changed = no_fallback(self.router, options)
        for bucket in ("metadata", "litellm_metadata"):  # the Router writes into these
            if isinstance(options.get(bucket), dict):
                changed[bucket] = dict(options[bucket])
        if "num_retries" not in options and alone(self.router, chain):
            changed["num_retries"] = 0
        return {**options, **changed}


def _fell_back(reply: object) -> bool:
    """Whether LiteLLM went elsewhere all the same, as for a context that was too long: no answer of the model's."""
    hidden = getattr(reply, "_hidden_params", None)
    headers = hidden.get("additional_headers") if isinstance(hidden, Mapping) else None
    return bool(isinstance(headers, Mapping) and headers.get("x-litellm-attempted-fallbacks"))


def _end_of(request: Request) -> Callable[[BaseException | None], None]:
    return lambda error: quietly(request.ended, error)


def _aend_of(request: Request) -> Callable[[BaseException | None], Awaitable[None]]:
    return lambda error: aquietly(request.aended, error)


class _Stream(Stream[Any]):
    """A stream of ``completion``'s; what else it can do is LiteLLM's."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)


class _AsyncStream(AsyncStream[Any]):
    """A stream of ``acompletion``'s; what else it can do is LiteLLM's."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)
