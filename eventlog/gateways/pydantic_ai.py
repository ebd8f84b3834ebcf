"""A model for pydantic-ai that asks in the order of the session's memory, and remembers what failed.

Law: only what the provider did wrong blames a model; an error of the agent's own tools or handlers passes through. What
has begun to stream is never asked for again.

    from eventlog.gateways.pydantic_ai import RememberingModel

    models = {"openai/gpt-5": OpenAIChatModel("gpt-5"), "anthropic/claude-sonnet-5": AnthropicModel("claude-sonnet-5")}
    agent = Agent(RememberingModel(session, models))

Needs pydantic-ai-slim (or pydantic-ai) 2.68. Set ``max_retries=0`` on the clients below: they would ask a failing model
three times before we hear of it.
"""

import logging
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, Final

from pydantic_ai.exceptions import FallbackExceptionGroup, ModelAPIError, ModelHTTPError
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.settings import ModelSettings

from eventlog.attempts import Attempts
from eventlog.errors import MisuseError
from eventlog.session import Session
from replay import Chain

_logger: Final = logging.getLogger("switchlog")


class RememberingModel(FallbackModel):
    """Asks the models of a session's chain, the one that works first, until one answers.

    ``models`` says which pydantic-ai model (or its name for one) stands behind each name of the chain; a session
    without a chain uses their order. ``session`` may be a function that gives the session, where one agent serves
    many: ``lambda: sessions.open(current.get())`` with a ContextVar. Raises AllModelsFailed when no model is left.

    A response that is suspended (a job in the background) goes back to the model that has begun it, unrecorded.
    """

    def __init__(self, session: Session | Callable[[], Session], models: Mapping[str, Model | str]) -> None:
        if not models:
            raise MisuseError("no models: name at least one, as {'provider/model-id': model}")
        super().__init__(*models.values())
        # One that falls back to nothing prepares the request for its model, keeps its deadlines, and waits for the
        # first event of a stream.
        self._single = {name: FallbackModel(model) for name, model in zip(models, self.models, strict=True)}
        self._own_chain = Chain(*models)
        self._session: Callable[[], Session] = (lambda: session) if isinstance(session, Session) else session
        if isinstance(session, Session) and (missing := self._missing(session)):
            raise MisuseError(f"the session's chain names what models does not have: {', '.join(missing)}")

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Ask, and go on down the chain until a model answers."""
        if _suspended(messages):
            return await super().request(messages, model_settings, model_request_parameters)
        async for attempt in self._attempts():
            async with attempt:
                with _alone():
                    model = self._asked(attempt.model)
                    return await model.request(messages, model_settings, model_request_parameters)
        raise AssertionError("attempts end with an answer or an error")

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: Any = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """The same for a stream: until its first event the next model may be asked, after it no more."""
        request = (messages, model_settings, model_request_parameters, run_context)
        if _suspended(messages):
            async with super().request_stream(*request) as response:
                yield response
            return
        async for attempt in self._attempts():
            async with AsyncExitStack() as stack:
                async with attempt:
                    with _alone():
                        model = self._asked(attempt.model)
                        response = await stack.enter_async_context(model.request_stream(*request))
                    attempt.begin_stream()
                if attempt.outcome is not None:
                    continue
                events = _Events.of(response)
                try:
                    yield response
                except BaseException as error:
                    # What reads the stream may fail too, and that is not the model's fault.
                    if isinstance(error, ModelAPIError) or error is events.broke or not isinstance(error, Exception):
                        await attempt.aend_stream(error)
                    raise
                await attempt.aend_stream(None)

    def _attempts(self) -> Attempts:
        session = self._session()
        missing = self._missing(session)
        if missing:
            _logger.error("%s: no model stands behind %s of the chain, left out", session.path, ", ".join(missing))
        known = [name for name in session.chain or () if name not in missing]
        return session.attempts(chain=Chain(*known) if known else self._own_chain)

    def _missing(self, session: Session) -> list[str]:
        return [name for name in session.chain or () if name not in self._single]

    def _asked(self, name: str) -> FallbackModel:
        model = self._single.get(name)
        if model is None:  # a person may pin anything
            raise ModelHTTPError(404, name, "no such model in this RememberingModel")
        return model


class _Events:
    """A response's events, and with what they broke: pydantic-ai lets some errors of the client below pass as they are.

    It puts its own iterators in the same place. A version that has no such place loses nothing but that knowledge.
    """

    def __init__(self, events: Any) -> None:
        self._events = events
        self.broke: Exception | None = None

    @classmethod
    def of(cls, response: Any) -> "_Events":
        if not hasattr(response, "_event_iterator"):
            return cls(None)
        response._event_iterator = events = cls(aiter(response))
        return events

    def __aiter__(self) -> "_Events":
        return self

    async def __anext__(self) -> Any:
        try:
            return await anext(self._events)
        except StopAsyncIteration:
            raise
        except Exception as error:
            self.broke = error
            raise


def _suspended(messages: list[ModelMessage]) -> bool:
    return bool(messages) and getattr(messages[-1], "state", None) == "suspended"


@contextmanager
def _alone() -> Iterator[None]:
    """The error of a chain of one, without the group around it."""
    try:
        yield
    except FallbackExceptionGroup as group:
        if len(group.exceptions) != 1:
            raise
        raise group.exceptions[0] from group.exceptions[0].__cause__
