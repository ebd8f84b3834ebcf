"""Which events somebody wants to see.

Law: pure. An event in, yes or no out. A filter chooses what is shown and counted, never what is folded: a state is that
of the whole log, whoever looks at a part of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from replay.events import AttemptFailed, AttemptSucceeded, Event, FailureCleared, ModelSwitch
from replay.reasons import provider_of

__all__ = ["EVERYTHING", "Filter", "models_of"]


@dataclass(frozen=True, slots=True)
class Filter:
    """What has to be true of an event; an empty set or None asks for nothing. Several names of a kind: any of them."""

    since: datetime | None = None
    """From this moment on, itself included. An event without a time is in no span of time."""
    until: datetime | None = None
    """Before this moment."""
    models: frozenset[str] = frozenset()
    """``provider/model-id``; a switch is about both of its models."""
    providers: frozenset[str] = frozenset()
    reasons: frozenset[str] = frozenset()
    """Of failures: other events have none."""
    turns: frozenset[str] = frozenset()

    def takes(self, event: Event) -> bool:
        """Whether the event is wanted."""
        if not self.covers(event.timestamp):
            return False
        models = models_of(event)
        if self.models and not self.models.intersection(models):
            return False
        if self.providers and not self.providers.intersection(_providers(event, models)):
            return False
        if self.reasons and not (isinstance(event, AttemptFailed) and event.reason in self.reasons):
            return False
        return not self.turns or getattr(event, "turn", None) in self.turns

    def covers(self, time: datetime | None) -> bool:
        """Whether the moment is within the span of time."""
        if time is None:
            return self.since is None and self.until is None
        return (self.since is None or time >= self.since) and (self.until is None or time < self.until)


EVERYTHING = Filter()


def models_of(event: Event) -> tuple[str, ...]:
    """The models that an event is about."""
    match event:
        case ModelSwitch(from_=None):
            return (event.to,)
        case ModelSwitch():
            return (event.from_ or event.to, event.to)
        case AttemptFailed() | AttemptSucceeded():
            return (event.model,)
        case FailureCleared(model=str()):
            return (event.model or "",)
    return ()


def _providers(event: Event, models: Iterable[str]) -> set[str]:
    named = {provider_of(model) for model in models}
    return named | {event.provider} if isinstance(event, FailureCleared) and event.provider is not None else named
