"""A history that can be walked in both directions.

Law: values in, answers out; no terminal and no clock. A state is kept for every few hundred events and the others are
evolved from there, so that a million events do not need a million states.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import islice
from typing import Final

from replay import INITIAL, AttemptFailed, ModelState, Recorded, evolve, fold
from replay.filters import models_of

APART: Final = 256
"""Events between two states that are kept."""

LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_NONE, _MANY = "·", "#"


class History:
    """The events of a log, by index from 0, and the state after each."""

    def __init__(self, events: Iterable[Recorded]) -> None:
        self.events: list[Recorded] = []
        self.letters: dict[str, str] = {}
        """The models that were the current one, in order, and the letter that stands for each."""
        self._kept: list[ModelState] = [INITIAL]
        self._failed = bytearray()
        self._models: list[str] = []  # one shared string an event: the letter of the model after it
        source = iter(events)
        state = INITIAL
        while batch := list(islice(source, APART)):
            for recorded in batch:
                state = evolve(state, recorded)
                self._models.append(self._letter(state.current))
                self._failed.append(isinstance(recorded.event, AttemptFailed))
            self.events += batch
            self._kept.append(state)

    def __len__(self) -> int:
        return len(self.events)

    def state(self, index: int) -> ModelState:
        """The state after the event of this index; before all of them at -1."""
        kept = (index + 1) // APART
        return fold(self.events[kept * APART : index + 1], self._kept[kept])

    def buckets(self, width: int) -> list[tuple[int, int]]:
        """The events in so many parts, or one part each if there are fewer."""
        count = min(width, len(self))
        return [(len(self) * place // count, len(self) * (place + 1) // count) for place in range(count)]

    def strip(self, width: int) -> tuple[str, str]:
        """The current model's letter at the end of each part, and ``!`` where something failed in it."""
        parts = self.buckets(width)
        models = "".join(self._models[end - 1] for _, end in parts)
        return models, "".join("!" if self._failed.find(1, start, end) >= 0 else " " for start, end in parts)

    def failure(self, index: int, direction: int) -> int | None:
        """The next failed attempt in this direction."""
        found = self._failed.find(1, index + 1) if direction > 0 else self._failed.rfind(1, 0, max(index, 0))
        return None if found < 0 else found

    def search(self, wanted: Callable[[Recorded], bool], index: int, direction: int) -> int | None:
        """The next event that is wanted, from this one on; round the end if there is none before it."""
        count = len(self)
        for step in range(1, count + 1):
            found = (index + direction * step) % count
            if wanted(self.events[found]):
                return found
        return None

    def at(self, time: datetime) -> int | None:
        """The last event that is stamped at or before the time, as `--at` finds it."""
        for index in range(len(self) - 1, -1, -1):
            stamped = self.events[index].event.timestamp
            if stamped is not None and stamped <= time:
                return index
        return None

    def of_position(self, position: int) -> int | None:
        """The last event at or before the position."""
        for index in range(min(position, len(self)) - 1, -1, -1):
            if self.events[index].position <= position:
                return index
        return None

    def _letter(self, model: str | None) -> str:
        if model is None:
            return _NONE
        if model not in self.letters:
            if len(self.letters) == len(LETTERS):
                return _MANY
            self.letters[model] = LETTERS[len(self.letters)]
        return self.letters[model]


def mentions(text: str) -> Callable[[Recorded], bool]:
    """Whether an event says this anywhere: models, reason, cause, error, note, turn, id; upper case or lower."""
    sought = text.casefold()

    def wanted(recorded: Recorded) -> bool:
        event = recorded.event
        told = [*models_of(event), *(getattr(event, name, None) for name in _TEXTS)]
        return any(isinstance(one, str) and sought in one.casefold() for one in told)

    return wanted


_TEXTS: Final = ("reason", "error", "cause", "phase", "deployment", "provider", "by", "note", "copy", "turn", "id")
