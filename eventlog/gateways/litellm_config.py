"""What LiteLLM's own configuration and request tell: the chain, the session, who may use which model.

Law: nothing is configured twice. The chain is the requested model group and the fallbacks that LiteLLM would walk for
it; what we don't understand gives None, and the request is left alone.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from weakref import WeakValueDictionary

import litellm
import orjson
from litellm.router_utils.fallback_event_handlers import get_fallback_model_group

from eventlog.config import find
from eventlog.errors import MisuseError, SwitchlogError
from eventlog.session import Session
from eventlog.sessions import Sessions
from eventlog.shielded import off_loop
from replay import Chain

_logger: Final = logging.getLogger("switchlog")

VARIABLE: Final = "SWITCHLOG_SESSIONS"

_MOST_FALLBACKS: Final = 5
"""LiteLLM's own default."""


class Folder:
    """The proxy's sessions, in the folder that is named first by

    - ``callback_settings: {switchlog: {sessions: …}}`` in its config.yaml,
    - the environment's ``SWITCHLOG_SESSIONS``,
    - ``sessions`` in the ``switchlog.toml`` of the working directory, or above;

    else in ``sessions`` in the working directory.
    """

    def __init__(self, sessions: Sessions | None = None) -> None:
        self._sessions = sessions
        self._known: WeakValueDictionary[str, Session] = WeakValueDictionary()
        self._told: set[str] = set()

    def find(self, identity: str) -> Session | None:
        """The session of this id; None, and told once, if there can be none."""
        try:
            if self._sessions is None:
                self._sessions = _sessions()
            self._known[identity] = session = self._sessions.open(identity)
        except MisuseError as error:
            self.tell("a request is left alone, and others like it", error)
        except (OSError, SwitchlogError) as error:
            self.tell("requests go on without a memory", error)
        else:
            return session
        return None

    async def afind(self, identity: str) -> Session | None:
        """:meth:`find`. One that is open costs no disk, hence no thread."""
        return self.find(identity) if identity in self._known else await off_loop(lambda: self.find(identity))

    def tell(self, what: str, why: object) -> None:
        """Log it once: a client, or a configuration, that does it once does it with each request."""
        if what not in self._told:
            self._told.add(what)
            _logger.warning("%s: %s", what, why)


def _sessions() -> Sessions:
    settings = getattr(litellm, "callback_settings", None)
    ours = settings.get("switchlog") if isinstance(settings, Mapping) else None
    named = (ours.get("sessions") if isinstance(ours, Mapping) else None) or os.environ.get(VARIABLE)
    if named:
        return Sessions(str(named))
    config = find(Path())
    if config.sessions is not None:
        return Sessions(
            config.sessions,
            policy=config.policy,
            protection=config.protection,
            share_failures=config.share_failures,
        )
    return Sessions("sessions")


def session_id(data: Mapping[str, Any]) -> str | None:
    """The id that the caller gave its session; None if it gave none: an id that LiteLLM makes up is no session's."""
    headers = _mapping(_mapping(data.get("proxy_server_request")).get("headers"))
    given = {str(name).lower(): value for name, value in headers.items()}
    buckets = (
        {"session_id": given.get("x-litellm-session-id")},
        _mapping(data.get("metadata")),
        _mapping(data.get("litellm_metadata")),
        {"session_id": data.get("litellm_session_id")},
    )
    if any(bucket.get("litellm_session_id_generated") for bucket in buckets):  # missing_session_id: generate
        return None
    # LiteLLM takes the id of a trace for the session's where both could be meant; a trace may be one request.
    trace = given.get("x-litellm-trace-id")
    ids = (bucket.get("session_id") for bucket in buckets)
    return next((one for one in ids if isinstance(one, str) and one and one != trace), None)


def chain_of(router: Any, model: str, given: object = None) -> Chain | None:
    """The models that LiteLLM would ask for this one, in its order; None if there is one alone, or one that we don't
    understand. ``given``: the fallbacks of the request or of its key, which count instead of the router's.
    """
    fallbacks = getattr(router, "fallbacks", None) if given is None else given
    if not isinstance(fallbacks, list) or not fallbacks:
        return None
    most = getattr(router, "max_fallbacks", None)
    try:
        return _chain(model, orjson.dumps(fallbacks), most if isinstance(most, int) else _MOST_FALLBACKS)
    except TypeError:  # objects of somebody's own, which no list of names has
        return None


@lru_cache(maxsize=1000)
def _chain(model: str, told: bytes, most: int) -> Chain | None:
    """Of LiteLLM's fallbacks, as JSON. Kept, for LiteLLM's look-up knows a hundred providers and takes its time."""
    fallbacks = orjson.loads(told)
    plain = [_plain(target) for target in fallbacks]
    # A client's own list, as ["glm", "local"], is walked as it stands; a configuration names the groups it is for.
    walk = iter([model, *plain]) if None not in plain else _walk(fallbacks, model, set())
    order = list(dict.fromkeys(walk))[: 1 + most]
    names = [one for one in order if one is not None]
    return Chain(*names) if len(names) == len(order) > 1 else None


def _walk(fallbacks: list[Any], model: str, met: set[str]) -> Iterator[str | None]:
    """LiteLLM's walk: the fallbacks of a fallback come before the next one."""
    met.add(model)
    yield model
    targets, _ = get_fallback_model_group(fallbacks=fallbacks, model_group=model)
    for target in targets or ():
        name = _plain(target)
        if name is None:  # it changes more of the request than its model
            yield None
        elif name not in met:
            yield from _walk(fallbacks, name, met)


def _plain(target: object) -> str | None:
    if isinstance(target, Mapping) and target.keys() == {"model"}:
        target = target["model"]
    return target if isinstance(target, str) and target else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def no_fallback(router: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """What tells LiteLLM to ask this model and no other, but for a request that is too long or too hot for it."""
    special = ("context_window_fallbacks", "content_policy_fallbacks")
    if any(options.get(name) or getattr(router, name, None) for name in special):
        return {"fallbacks": []}
    return {"disable_fallbacks": True}


def alone(router: Any, chain: Chain) -> bool:
    """Whether each group has one deployment, so that a retry inside it asks the very one that has just failed."""
    return all(len(router.get_model_list(model_name=model) or ()) == 1 for model in chain)


async def may_use(model: str, key: Any, data: Mapping[str, Any], router: Any) -> bool:
    """Whether the caller's key could have asked for this model itself: LiteLLM's own check, and that of its budgets.

    LiteLLM has checked the requested model before it comes to us; what we put in its place nobody else checks.
    """
    try:
        from litellm.proxy.auth.auth_checks import can_key_call_resolved_model

        if not router.get_model_list(model_name=model):
            return False  # a pin may name what this router does not have
        await can_key_call_resolved_model(model=model, llm_model_list=None, valid_token=key, llm_router=router)
        within = getattr(router, "fallback_budget_check", None)
        return within is None or bool(await within(model=model, request_kwargs=data, llm_router=router))
    except Exception:  # noqa: BLE001  (its refusals have many classes; and where a look-up fails, the answer is no)
        return False
