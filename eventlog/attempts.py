"""The attempts of one request: ask, and go on down the chain until a model answers.

Law: every attempt ends in exactly one outcome. What blames a model is recorded, and durable, before the next one is
asked; what doesn't is the caller's and passes through untouched. No model is asked twice in one loop.
"""

import logging
import time
from collections.abc import AsyncIterable, Iterable
from dataclasses import replace
from types import TracebackType
from typing import Final, Self, TypeVar

from eventlog import clock
from eventlog.choosing import answered, choose, glance, is_expected, is_news, new_id
from eventlog.degraded import Memory
from eventlog.errors import MisuseError
from eventlog.outcomes import Hook, Outcome, ResponseRefused, of_exception, of_response
from eventlog.shielded import off_loop as off_loop
from eventlog.streaming import AsyncStream, Stream
from replay import AllModelsFailed, AttemptFailed, Chain, Decision, Policy, Skipped, decide
from replay.reasons import FINAL

_logger: Final = logging.getLogger("switchlog")

T = TypeVar("T")


class Attempt:
    """One request to one model: ``with attempt: reply = client.chat(attempt.model, messages)``.

    Leaving the block without an error is a success. An error that blames the model is recorded and swallowed, so that
    the loop goes on; any other passes through.
    """

    def __init__(
        self, memory: Memory, classify: Hook | None, decision: Decision, model: str, seen: int, turn: str | None
    ) -> None:
        self.model = model
        self.decision = decision
        self.outcome: Outcome | None = None
        """Why it failed, once it has."""
        self.error: BaseException | None = None
        self.settled = False
        self._memory, self._classify = memory, classify
        self._seen = seen
        self._turn = turn
        self._began = time.monotonic()
        self._streaming = self._told = False
        self._handed_out = False  # a stream was given out: what becomes of it is this attempt's outcome

    def first_byte(self) -> None:
        """The model has begun to answer: from now on a failure is recorded and raised, never retried elsewhere."""
        self._streaming = True

    def stream(self, chunks: Iterable[T]) -> Stream[T]:
        """What the model streams, to be read inside the block or after it.

        Waits here for the first chunk: a failure until then goes on down the chain. One after it is recorded
        (``mid_stream``) and raised where the chunks are read. Who stops before the end calls ``close()``.
        """
        stream = Stream(chunks, self.end_stream)
        self.begin_stream()
        return stream

    async def astream(self, chunks: AsyncIterable[T]) -> AsyncStream[T]:
        """:meth:`stream` for asyncio: ``chunks = await attempt.astream(await client.chat(…))``."""
        stream = await AsyncStream.begun(chunks, self.aend_stream)
        self.begin_stream()
        return stream

    def begin_stream(self) -> None:
        """The model streams, and :meth:`end_stream` will say how that ended; for adapters."""
        self._streaming = self._handed_out = True

    def end_stream(self, error: BaseException | None) -> None:
        """How the stream ended. Of an error that is not the model's nothing is recorded."""
        self._handed_out = False
        self._settle(error)

    async def aend_stream(self, error: BaseException | None) -> None:
        """:meth:`end_stream` for asyncio."""
        if error is not None or self._is_news():
            await off_loop(lambda: self.end_stream(error))

    def response(self, response: T) -> T:
        """Look at the response of a client that doesn't raise (httpx, requests); it is given back.

        On a status of 400 and above the block is left at once, and the attempt has failed.
        """
        refused = of_response(response, clock.now())
        if refused is not None:
            raise ResponseRefused(response, refused.error)
        return response

    def __enter__(self) -> Self:
        if self.settled:
            raise MisuseError("this attempt is over: ask the loop for the next one")
        self._began = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        return self._settle(error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None and (self._handed_out or not self._is_news()):
            self.settled = True
            return False
        return await off_loop(lambda: self._settle(error))

    def _settle(self, error: BaseException | None) -> bool:
        """Record how it ended; whether the error is to be swallowed, so that the loop goes on."""
        self.settled = True
        if self._told or (error is None and self._handed_out):
            return False
        self._told = True
        if error is None:
            if not is_expected(self._memory, self.model, self._seen):
                answered(self._memory, self.model, seen=self._seen, turn=self._turn, duration_ms=self._duration())
            return False
        self.error = error
        outcome = of_exception(error, clock.now(), self._classify)
        if outcome is None:
            return False
        self.outcome = outcome
        self._record(outcome)
        # Of a group that holds an interruption the failure is a fact too; but who interrupts wants no other model.
        return isinstance(error, Exception) and not (self._streaming or outcome.reason in FINAL)

    def _is_news(self) -> bool:
        known = is_expected(self._memory, self.model, self._seen)
        return not known and is_news(self._memory, self.model, self._seen)

    def _record(self, outcome: Outcome) -> None:
        event = AttemptFailed(
            model=self.model,
            reason=outcome.reason,
            status=outcome.status,
            retry_after_ms=outcome.retry_after_ms,
            error=outcome.error,
            turn=self._turn,
            duration_ms=self._duration(),
            phase="mid_stream" if self._streaming else None,
            seen=self._seen,
            id=new_id(),
            timestamp=clock.now(),
        )
        try:
            self._memory.add(event)
        except MisuseError:
            _logger.exception("a failure of %.200r could not be recorded", self.model)

    def _duration(self) -> int:
        return round((time.monotonic() - self._began) * 1000)


class Attempts:
    """Iterates over the attempts of one request, with ``for`` or ``async for``; ends after the one that succeeds.

    Raises AllModelsFailed (from the last error) when no model is left, and MisuseError if an attempt is asked for
    before the one before it was used in a ``with`` block.
    """

    def __init__(self, memory: Memory, chain: Chain, policy: Policy, classify: Hook | None, turn: str | None) -> None:
        self._memory = memory
        self._chain = chain
        self._policy = policy
        self._classify = classify
        self._turn = turn
        self._tried: dict[str, Attempt] = {}
        self._last: Attempt | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Attempt:
        if self._over():
            raise StopIteration
        decision, seen = self._choose()
        if decision.model is None:
            raise self._exhausted() from self._last_error()
        return self._begin(decision, decision.model, seen)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Attempt:
        if self._over():
            raise StopAsyncIteration
        chosen = glance(self._memory, self._chain, self._policy, self._tried.keys())
        decision, seen = chosen or await self._choose_off_loop()
        if decision.model is None:
            raise await off_loop(self._exhausted) from self._last_error()
        return self._begin(decision, decision.model, seen)

    async def _choose_off_loop(self) -> tuple[Decision, int]:
        import asyncio  # which a gateway without it need not wait for

        chosen: list[tuple[Decision, int]] = []
        try:
            await off_loop(lambda: chosen.append(self._choose()))
        except asyncio.CancelledError:
            for decision, seen in chosen:
                if decision.model is not None and decision.cause != "keep":
                    # Its switch says that an attempt began; without an outcome a probe would be waited for.
                    async with self._attempt(decision, decision.model, seen):
                        raise
            raise
        return chosen[0]

    def _over(self) -> bool:
        if self._last is None:
            return False
        if not self._last.settled:
            raise MisuseError("the attempt before was never settled: use each one as `with attempt: …`")
        return self._last.outcome is None

    def _choose(self) -> tuple[Decision, int]:
        return choose(self._memory, self._chain, self._policy, self._tried.keys(), self._turn)

    def _attempt(self, decision: Decision, model: str, seen: int) -> Attempt:
        return Attempt(self._memory, self._classify, decision, model, seen, self._turn)

    def _last_error(self) -> BaseException | None:
        return None if self._last is None else self._last.error

    def _begin(self, decision: Decision, model: str, seen: int) -> Attempt:
        if decision.forced:  # one a loop: the rest of the chain cools for a reason
            self._policy = replace(self._policy, force=False)
        self._memory.begins(decision)
        self._last = self._attempt(decision, model, seen)
        self._tried[model] = self._last
        return self._last

    def _exhausted(self) -> AllModelsFailed:
        policy = replace(self._policy, force=False)
        self._memory.refresh()
        state, now = self._memory.state, clock.now()
        cooling = decide(
            state, self._chain, now, policy, elsewhere=self._memory.elsewhere(state, self._chain, now, policy)
        )
        known = {one.model: one for one in cooling.skipped}
        models = dict.fromkeys((*self._tried, *known, *self._chain))
        skipped = tuple(known.get(model) or Skipped(model, self._why(model)) for model in models)
        return AllModelsFailed(skipped, min((one.until for one in skipped if one.until is not None), default=None))

    def _why(self, model: str) -> str:
        attempt = self._tried.get(model)
        return attempt.outcome.reason if attempt is not None and attempt.outcome is not None else "unknown"
