"""One request that LiteLLM serves: which model to ask, and what came of each attempt.

Law: a switch and a failure are on the disk before the next model is asked; where nothing has to be recorded, neither a
lock nor the disk is touched. The ``a…`` methods are for asyncio: what goes to the disk is written by a thread.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Final, ParamSpec, TypeVar

from eventlog import clock
from eventlog.choosing import answered, choose, glance, is_news, new_id
from eventlog.outcomes import Outcome, of_exception
from eventlog.session import Session
from eventlog.shielded import off_loop
from replay import Chain, Decision, Event, ModelState, ModelSwitch
from replay.reasons import ABORTED, FINAL, NETWORK, REDIRECTED, UNKNOWN

_logger: Final = logging.getLogger("switchlog")

P = ParamSpec("P")
T = TypeVar("T")


class Request:
    """The attempts of one request, one after the other: choose, then for each ``began`` and how it ended."""

    def __init__(self, session: Session, chain: Chain, turn: str | None = None) -> None:
        self.session = session
        self.chain = chain
        self.turn = turn
        self.forbidden: AbstractSet[str] = frozenset()
        """Models that are not to be decided for."""
        self.decision: Decision | None = None
        """Whom to ask next, the switch to it on the disk; None once that has begun."""
        self.running = False
        """Whether an attempt has begun and has no outcome yet."""
        self.model: str | None = None
        """Whom the attempt that runs, or ran last, asks."""
        self._policy = session.policy
        self._deployment: str | None = None
        self._began = time.monotonic()
        self._seen = 0
        self._tried: dict[str, int] = {}  # model → the position that its first attempt knew

    def glanced(self) -> Decision | None:
        """The decision, if it needs no record and no disk; None otherwise."""
        chosen = glance(self.session.memory, self.chain, self._policy, self._left_out())
        return None if chosen is None else self._chosen(chosen)

    def choose(self) -> Decision:
        """Whom to ask now, the switch to it recorded."""
        return self._chosen(choose(self.session.memory, self.chain, self._policy, self._left_out(), self.turn))

    async def achoose(self) -> Decision:
        """:meth:`choose`."""
        glanced = self.glanced()
        return await off_loop(self.choose) if glanced is None else glanced

    def following(self) -> str:
        """The next model to ask, its attempt begun; empty when each one was asked, or cools.

        One is asked whatever is known of all, for to refuse a request is not ours.
        """
        model = self._next(self.choose())
        if model:
            self.began(model)
        return model

    async def afollowing(self) -> str:
        """:meth:`following`."""
        model = self._next(await self.achoose())
        if model:
            await self.abegan(model)
        return model

    def began(self, model: str, deployment: str | None = None) -> None:
        """An attempt on ``model`` begins: by our decision, or by LiteLLM's own walk down its chain."""
        if self._hops(model):
            self._switch(model)
        self._begin(model, deployment)

    async def abegan(self, model: str, deployment: str | None = None) -> None:
        """:meth:`began`."""
        if self.decision is not None and self.decision.model == model:
            self._begin(model, deployment)
        else:
            await off_loop(lambda: self.began(model, deployment))

    def failed(self, error: BaseException | None, *, streaming: bool = False) -> bool:
        """The attempt ended with this error (None: nobody knows with which); whether another model may do better."""
        if not self.running or self.model is None:
            return False
        self.running = False
        outcome = Outcome(UNKNOWN) if error is None else of_exception(error, clock.now(), _reason)
        if outcome is not None:
            self.session.failed(
                self.model,
                reason=outcome.reason,
                status=outcome.status,
                retry_after_ms=outcome.retry_after_ms,
                error=outcome.error,
                turn=self.turn,
                duration_ms=self._duration(),
                phase="mid_stream" if streaming else None,
                deployment=self._deployment or _deployment_of(error),
                seen=self._tried[self.model],  # LiteLLM's retries inside a group meet one incident: counted once
            )
        return outcome is not None and outcome.reason not in FINAL

    async def afailed(self, error: BaseException | None, *, streaming: bool = False) -> bool:
        """:meth:`failed`."""
        return await off_loop(lambda: self.failed(error, streaming=streaming)) if self.running else False

    def succeeded(self) -> None:
        """The model has answered."""
        if self.running and self.model is not None:
            self.running = False
            answered(self.session.memory, self.model, seen=self._seen, turn=self.turn, duration_ms=self._duration())

    async def asucceeded(self) -> None:
        """:meth:`succeeded`."""
        if self.running and self.model is not None and is_news(self.session.memory, self.model, self._seen):
            await off_loop(self.succeeded)
        self.running = False

    def left(self) -> None:
        """Who asked has gone before the end: that says nothing of the model, but nobody must wait for a probe."""
        if self.running and self.model is not None and self.model in self.session.memory.state.probing:
            self.session.failed(self.model, reason=ABORTED, turn=self.turn, seen=self._seen)
        self.running = False

    async def aleft(self) -> None:
        """:meth:`left`."""
        if self.running:
            await off_loop(self.left)

    def ended(self, error: BaseException | None) -> None:
        """A stream that had begun is at its end, or broke, or was left."""
        if error is None:
            self.succeeded()
        elif isinstance(error, Exception):
            self.failed(error, streaming=True)
        else:
            self.left()

    async def aended(self, error: BaseException | None) -> None:
        """:meth:`ended`."""
        if error is None:
            await self.asucceeded()
        elif isinstance(error, Exception):
            await self.afailed(error, streaming=True)
        else:
            await self.aleft()

    def _next(self, decision: Decision) -> str:
        return decision.model or ("" if self._tried else soonest(decision) or "")

    def _left_out(self) -> AbstractSet[str]:
        return self._tried.keys() | self.forbidden

    def _chosen(self, chosen: tuple[Decision, int]) -> Decision:
        self.decision, self._seen = chosen
        if self.decision.forced:  # one a request: the rest of the chain cools for a reason
            self._policy = replace(self._policy, force=False)
        return self.decision

    def _hops(self, model: str) -> bool:
        """Whether it is LiteLLM that goes on to this model, so that its switch still has to be recorded."""
        return model not in (self.model, None if self.decision is None else self.decision.model)

    def _switch(self, to: str) -> None:
        event_id, now = new_id(), clock.now()

        def switch(state: ModelState) -> list[Event]:
            if state.current == to:
                return []
            cause = "initial" if state.current is None else "fallback"
            return [ModelSwitch(to=to, from_=state.current, cause=cause, turn=self.turn, id=event_id, timestamp=now)]

        self.session.memory.record(switch)

    def _begin(self, model: str, deployment: str | None) -> None:
        if self.decision is not None and self.decision.model == model:  # it knows what the decision knew
            self.session.memory.begins(self.decision)
        else:
            self._seen = self.session.memory.state.position
        self.decision = None
        self._tried.setdefault(model, self._seen)
        self.model, self._deployment, self._began, self.running = model, deployment, time.monotonic(), True

    def _duration(self) -> int:
        return round((time.monotonic() - self._began) * 1000)


def soonest(decision: Decision) -> str | None:
    """Where every model cools and its provider asked for peace: the one that is free first."""
    free = [(one.until, one.model) for one in decision.skipped if one.until is not None]
    return min(free)[1] if free else None


def quietly(step: Callable[P, T], *args: P.args, **options: P.kwargs) -> T | None:
    """What the step returns; None if it fails, which is told to the log and to nobody else."""
    try:
        return step(*args, **options)
    except Exception:
        _logger.exception("the request goes on without its memory")
        return None


async def aquietly(step: Callable[P, Awaitable[T]], *args: P.args, **options: P.kwargs) -> T | None:
    """:func:`quietly`."""
    try:
        return await step(*args, **options)
    except Exception:
        _logger.exception("the request goes on without its memory")
        return None


def _reason(error: BaseException) -> str | None:
    """What LiteLLM's class says that no status does."""
    kind = type(error)
    if not kind.__module__.startswith("litellm."):
        return None
    if kind.__name__ in _ASKED_NOBODY:
        return REDIRECTED
    return NETWORK if kind.__name__ == "InternalServerError" and "Connection error" in str(error) else None


_ASKED_NOBODY: Final = frozenset({"RouterRateLimitError", "RouterRateLimitErrorBasic"})
"""Its router has put all deployments of a group aside for a while: no news of the model, and another may answer."""


def _deployment_of(error: BaseException | None) -> str | None:
    found = getattr(error, "failed_deployment_id", None)
    return found if isinstance(found, str) else None
