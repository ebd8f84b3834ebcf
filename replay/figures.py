"""Figures of a history: what was asked of each model and how it ended.

Law: pure. Counts recorded outcomes only; what a log does not tell is not guessed.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from replay.events import AttemptFailed, AttemptSucceeded, ModelSwitch, Recorded, type_name
from replay.reasons import ABORTED, REDIRECTED


@dataclass(slots=True)
class ModelFigures:
    """A model's recorded outcomes. ``redirected`` and ``aborted`` ones are in neither number."""

    attempts: int = 0
    failures: int = 0
    aborted: int = 0
    """Attempts that were given up, by a person or for want of time."""


@dataclass(slots=True)
class Figures:
    """What a history comes to."""

    events: Counter[str] = field(default_factory=Counter)
    """Events by type."""
    models: dict[str, ModelFigures] = field(default_factory=dict)
    last_switch: Recorded | None = None
    """The switch that made the current model the current one."""
    last: Recorded | None = None

    def add(self, recorded: Recorded) -> None:
        event = recorded.event
        self.events[type_name(event)] += 1
        self.last = recorded
        match event:
            case AttemptFailed(reason=reason) if reason == ABORTED:
                self._of(event.model).aborted += 1
            case AttemptFailed(reason=reason) if reason != REDIRECTED:
                self._of(event.model).attempts += 1
                self._of(event.model).failures += 1
            case AttemptSucceeded():
                self._of(event.model).attempts += 1
            case ModelSwitch():
                self.last_switch = recorded

    def watch(self, events: Iterable[Recorded]) -> Iterator[Recorded]:
        """Pass the events on, counting them."""
        for recorded in events:
            self.add(recorded)
            yield recorded

    def _of(self, model: str) -> ModelFigures:
        return self.models.setdefault(model, ModelFigures())
