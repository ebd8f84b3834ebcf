"""LiteLLM's proxy remembers, per session and over restarts, which models fail.

Law: nothing in here fails a request, and one without a session id passes untouched. The model is LiteLLM's model group,
and the chain is the one that its own configuration gives. A user of the proxy adds a line to config.yaml:

    litellm_settings:
      callbacks: ["eventlog.gateways.litellm.memory"]

Users of LiteLLM's Router in Python wrap it: ``router = MemoryRouter(Router(…), "sessions")``.
"""

import logging
import sys
from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from typing import Any, Final
from weakref import WeakKeyDictionary

from litellm.integrations.custom_logger import CustomLogger

from eventlog.gateways.litellm_config import Folder, alone, chain_of, may_use, no_fallback, session_id
from eventlog.gateways.litellm_requests import Request, aquietly, quietly, soonest
from eventlog.gateways.litellm_router import MemoryRouter
from eventlog.sessions import Sessions
from eventlog.shielded import off_loop
from replay import Decision

__all__ = ["LiteLLMMemory", "MemoryRouter", "memory"]

_CHATS: Final = frozenset({"acompletion", "completion", "anthropic_messages"})
"""The calls that are looked at; embeddings of another model, for one, would not be of the same space."""

_AS_IT_IS: Final = frozenset({"api_base", "api_key", "user_config"})
"""A request that brings one of these means this provider and no other."""


class LiteLLMMemory(CustomLogger):
    """LiteLLM's callback. Without ``sessions`` it finds the folder by itself: see :class:`Folder`."""

    def __init__(self, sessions: Sessions | None = None) -> None:
        super().__init__()
        self._folder = Folder(sessions)
        self._heard = False
        self._requests: WeakKeyDictionary[object, Request] = WeakKeyDictionary()  # by LiteLLM's own handle on each

    async def async_pre_call_hook(self, user_api_key_dict: Any, cache: Any, data: Any, call_type: Any) -> Any:  # noqa: ARG002
        """Before the request is routed: whom to ask."""
        if call_type in _CHATS:
            if not self._heard:
                self._heard = True
                quietly(_speak)
            await aquietly(self._decide, user_api_key_dict, data)
        return data

    async def async_pre_call_deployment_hook(self, kwargs: Any, call_type: Any) -> None:  # noqa: ARG002
        """Before each attempt. LiteLLM would fail the request if this raised."""
        await aquietly(self._begin, kwargs, sys.exc_info()[1])

    async def async_post_call_failure_deployment_hook(
        self,
        request_data: Mapping[str, Any],
        exception: Exception,
        call_type: Any,  # noqa: ARG002
        fallback_depth: int | None = None,  # noqa: ARG002
    ) -> None:
        """After each attempt that failed. LiteLLM waits for it before it asks anyone else."""
        if (request := self._of(request_data)) is not None:
            await aquietly(request.afailed, exception)

    async def async_post_call_success_deployment_hook(self, request_data: Any, response: Any, call_type: Any) -> None:  # noqa: ARG002
        """After each attempt that succeeded; a stream has an end of its own."""
        if (request := self._of(request_data)) is not None:
            await aquietly(request.asucceeded)

    async def async_post_call_streaming_iterator_hook(
        self,
        user_api_key_dict: Any,  # noqa: ARG002
        response: AsyncIterable[Any],
        request_data: Any,
    ) -> AsyncGenerator[Any, None]:
        """Around each stream on its way to the user."""
        request, streaming = self._of(request_data), False
        try:
            async for chunk in response:
                streaming = True
                yield chunk
        except BaseException as error:
            if request is not None:
                await (aquietly(request.aended, error) if streaming else aquietly(request.afailed, error))
            raise
        if request is not None:
            await aquietly(request.asucceeded)

    async def _decide(self, key: Any, data: dict[str, Any]) -> None:
        identity, model, router = session_id(data), data.get("model"), _router()
        handle = data.get("litellm_logging_obj")
        if identity is None or router is None or handle is None or not isinstance(model, str):
            return
        if data.get("disable_fallbacks") or not _AS_IT_IS.isdisjoint(data):
            return
        of_key = data.get("router_settings_override")
        given = data.get("fallbacks") or (of_key.get("fallbacks") if isinstance(of_key, Mapping) else None)
        chain = chain_of(router, model, given)
        session = await self._folder.afind(identity) if chain is not None else None
        if chain is None or session is None:
            return
        turn = data.get("litellm_call_id")
        request = Request(session, chain, turn if isinstance(turn, str) else None)
        decision = request.glanced()
        if decision is None or decision.order != chain.models:
            state = session.memory.glance()
            pinned = (await off_loop(lambda: session.state) if state is None else state).pinned
            others = dict.fromkeys((*chain, pinned or model))
            request.forbidden = {one for one in others if one != model and not await may_use(one, key, data, router)}
            decision = await request.achoose()
            if decision.model is not None and decision.model not in others:
                return  # a pin that came this very moment, and nobody has looked at: the next request follows it
        self._requests[handle] = request
        changes = _changes(request, decision, no_fallback(router, data))
        if "num_retries" not in data and alone(router, chain):
            changes["num_retries"] = 0  # to ask again who has just failed would be the waste that we are here for
        data.update(changes)

    async def _begin(self, kwargs: Mapping[str, Any], handled: BaseException | None) -> None:
        request, model = self._of(kwargs), _group(kwargs)
        if request is None or model is None:
            return
        if request.running and model == request.model:
            return  # the call inside a call, as where LiteLLM translates one API into another
        decided = None if request.decision is None else request.decision.model
        known = model in (decided, *request.chain)
        if request.running and (known or handled is not None):
            # A stream that broke before its first byte: no other hook tells of it, and LiteLLM is handling its error.
            await request.afailed(handled)
        if known:
            await request.abegan(model, _deployment(kwargs))

    def _of(self, data: Mapping[str, Any]) -> Request | None:
        handle = data.get("litellm_logging_obj")
        return None if handle is None else quietly(self._requests.get, handle)


def _changes(request: Request, decision: Decision, alone: dict[str, Any]) -> dict[str, Any]:
    """What to change in the request's data: nothing where LiteLLM's own walk begins with the model that we chose.

    Who must not be chosen for this key stays behind those who may: whether LiteLLM falls back to it is LiteLLM's rule.
    """
    asked, model = request.chain.models[0], decision.model or soonest(decision)
    if model is None or (model == asked and (request.forbidden or decision.order == request.chain.models)):
        return {}
    rest = [one for one in request.chain if one in request.forbidden]
    rest = [*decision.order[1:], *rest]
    # By the model's name: a bare list would also stand in for LiteLLM's context_window_fallbacks.
    return {"model": model, "fallbacks": [{model: rest}]} if rest else {"model": model, **alone}


def _group(kwargs: Mapping[str, Any]) -> str | None:
    return next((found for found in _of_metadata(kwargs, "model_group") if isinstance(found, str)), None)


def _deployment(kwargs: Mapping[str, Any]) -> str | None:
    infos = (kwargs.get("model_info"), *_of_metadata(kwargs, "model_info"))
    ids = (info.get("id") for info in infos if isinstance(info, Mapping))
    return next((one for one in ids if isinstance(one, str)), None)


def _of_metadata(kwargs: Mapping[str, Any], name: str) -> list[Any]:
    buckets = (kwargs.get("litellm_metadata"), kwargs.get("metadata"))
    return [bucket.get(name) for bucket in buckets if isinstance(bucket, Mapping)]


def _router() -> Any:
    """The proxy's router; None outside of a proxy."""
    return getattr(sys.modules.get("litellm.proxy.proxy_server"), "llm_router", None)


def _speak() -> None:
    """Let what the library logs be seen: a proxy's operator has configured no logger of ours, only LiteLLM's."""
    logger, theirs = logging.getLogger("switchlog"), logging.getLogger("LiteLLM Proxy")
    if not logging.getLogger().handlers and all(isinstance(one, logging.NullHandler) for one in logger.handlers):
        for handler in theirs.handlers:
            logger.addHandler(handler)


memory: Final = LiteLLMMemory()
"""The proxy's callback: ``callbacks: ["eventlog.gateways.litellm.memory"]``."""
