"""What an operator may choose: the chain of models and how long a failure cools.

Law: pure values, checked when they are made. Both are arguments of a decision, never part of a session's state, so an
edited configuration counts at once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from replay import reasons
from replay.state import REST


class Chain:
    """The models to use, best first: ``Chain("kimi/kimi2.5", "zhipu/glm-5.1", "local/qwen2.5:14b")``.

    A model is ``provider/model-id``. Raises ValueError for an empty chain, an empty name or one named twice.
    """

    __slots__ = ("models",)

    def __init__(self, *models: str) -> None:
        if not models:
            raise ValueError("the chain is empty: name at least one model, as provider/model-id")
        for index, model in enumerate(models):
            if not _is_name(model):
                raise ValueError(f"model {index + 1} of the chain has no name: {model!r}")
            if model in models[:index]:
                raise ValueError(f"the chain names {model!r} twice: a model is tried once a turn")
        self.models: Final = models

    @classmethod
    def parse(cls, text: str) -> "Chain":
        """The chain of a command line: names separated by commas."""
        return cls(*(name.strip() for name in text.split(",")))

    def __iter__(self) -> Iterator[str]:
        return iter(self.models)

    def __len__(self) -> int:
        return len(self.models)

    def __eq__(self, other: object) -> bool:
        return self.models == other.models if isinstance(other, Chain) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.models)

    def __repr__(self) -> str:
        return f"Chain({', '.join(map(repr, self.models))})"


@dataclass(frozen=True, slots=True)
class Cooldown:
    """A first failure cools for ``base``, each further one twice as long, never longer than ``cap`` (at most 24 h)."""

    base: timedelta
    cap: timedelta

    def __post_init__(self) -> None:
        if not timedelta(0) <= self.base <= self.cap <= REST:
            raise ValueError(f"a cooldown needs 0 <= base <= cap <= 24 h, not base {self.base} and cap {self.cap}")

    def wait(self, count: int) -> timedelta:
        """How long the ``count``-th failure in a row cools."""
        if not self.base:
            return self.base
        # 2^60 times the smallest base is past any cap: a long row of failures must not cost, nor overflow.
        factor = 2 ** min(max(count, 1) - 1, 60)
        return self.cap if factor >= self.cap / self.base else self.base * factor


def _is_name(model: object) -> bool:
    return isinstance(model, str) and bool(model.strip())


def _minutes(base: float, cap: float) -> Cooldown:
    return Cooldown(timedelta(minutes=base), timedelta(minutes=cap))


COOLDOWNS: Final[Mapping[str, Cooldown]] = MappingProxyType(
    {
        reasons.RATE_LIMIT: _minutes(5, 60),
        reasons.TIMEOUT: _minutes(2, 60),
        reasons.SERVER_ERROR: _minutes(1, 30),
        reasons.OVERLOADED: _minutes(1, 30),
        reasons.NETWORK: _minutes(0.5, 10),
        reasons.AUTH: _minutes(30, 120),
        reasons.BILLING: _minutes(30, 120),
        reasons.MODEL_NOT_FOUND: _minutes(30, 360),
        reasons.UNKNOWN: _minutes(1, 60),
    }
)
"""The defaults, found by simulating days of outages: long enough to spare a dead model, short enough to come back."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How a decision weighs what the log says.

    ``cooldowns`` overrides the defaults reason by reason. With ``return_to_primary=False`` a session stays with the
    model that works instead of probing a better one when its cooldown ends. ``force``: when every model cools, one of
    them may be asked all the same, once a loop. ``probe_timeout``: how long a probe without an outcome keeps the
    others away (its run may have been killed).
    """

    cooldowns: Mapping[str, Cooldown] = field(default_factory=dict)
    return_to_primary: bool = True
    force: bool = True
    probe_timeout: timedelta = timedelta(seconds=60)

    def __post_init__(self) -> None:
        unknown = self.cooldowns.keys() - COOLDOWNS.keys()
        if unknown:
            raise ValueError(f"no such reason to cool for: {', '.join(sorted(unknown))} (of {', '.join(COOLDOWNS)})")

    def cooldown(self, reason: str) -> Cooldown:
        """The cooldown for a reason that blames a model."""
        return self.cooldowns.get(reason) or COOLDOWNS[reason]
