"""Figures of a history by model, and what it would have been with the memory.

Law: pure, streaming, bounded. Counts recorded outcomes; what a log does not tell is not guessed.

*What it would have been*: the recorded attempts are gone through in their order, beside a second fold. An attempt on a
model that cools by that fold would not have been made, so it is counted as ``saved`` (it failed) or ``missed`` (it
answered: the price of not asking), and the second fold does not learn its outcome: a failure that did not happen cools
nothing. All else goes into both folds. So ``saved`` is no more than what the *same* attempts say; which other model
would have been asked in its place, and how that had ended, nobody knows, and nothing is claimed of it. Where the
gateway used the memory no attempt is passed over, the two folds are one, and ``saved`` is 0. ``wasted`` counts by the
first fold: the attempts that were made while their model cooled, as it was.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from replay.events import AttemptFailed, AttemptSucceeded, ModelSwitch, Recorded
from replay.findings import MOST_WATCHED, is_attempt
from replay.hindsight import COOLING, FORCED
from replay.reasons import ABORTED, REDIRECTED, provider_of

__all__ = ["OTHERS", "Account", "Accounts"]

OTHERS: Final = "(other models)"
_SAMPLES: Final = 1_000
_REASONS: Final = 20
_OTHER_REASONS: Final = "(other reasons)"


@dataclass(slots=True)
class Account:
    """A model's, or a provider's."""

    attempts: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    """By reason; ``redirected`` and ``aborted`` are in neither number."""
    redirected: int = 0
    """Turns to it that were undone before it was asked."""
    aborted: int = 0
    wasted: int = 0
    forced: int = 0
    """Attempts while it cooled, when all others did too: not wasted."""
    saved: int = 0
    missed: int = 0
    in_use: timedelta = timedelta(0)
    """How long it was the session's model, from its switch to the next, or to the last event."""
    recoveries: list[float] = field(default_factory=list)
    """Seconds from the first failure of an outage to the next answer: of the first thousand outages."""

    @property
    def failed(self) -> int:
        return self.failures.total()

    @property
    def recovery(self) -> float | None:
        """The median of the times to recover, in seconds."""
        ordered = sorted(self.recoveries)
        half = len(ordered) // 2
        if not ordered:
            return None
        return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2

    def add(self, other: "Account") -> None:
        """Take in another's figures."""
        for reason, count in other.failures.items():
            self._fail(reason, count)
        for name in ("attempts", "redirected", "aborted", "wasted", "forced", "saved", "missed", "in_use"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.recoveries += other.recoveries[: _SAMPLES - len(self.recoveries)]

    def outcome(self, event: AttemptFailed | AttemptSucceeded, verdict: str, *, passed_over: bool) -> None:
        """Count an attempt's end."""
        failed = isinstance(event, AttemptFailed)
        if isinstance(event, AttemptFailed):
            if event.reason in (REDIRECTED, ABORTED):
                self.redirected += event.reason == REDIRECTED
                self.aborted += event.reason == ABORTED
                return
            self._fail(event.reason, 1)
        self.attempts += 1
        self.wasted += verdict == COOLING
        self.forced += verdict == FORCED
        self.saved += passed_over and failed
        self.missed += passed_over and not failed

    def _fail(self, reason: str, count: int) -> None:
        known = reason in self.failures or len(self.failures) < _REASONS
        self.failures[reason if known else _OTHER_REASONS] += count


@dataclass(slots=True)
class Accounts:
    """All models' figures, and the switches."""

    models: dict[str, Account] = field(default_factory=dict)
    events: int = 0
    switches: int = 0
    fallbacks: int = 0
    reverted: int = 0
    first: datetime | None = None
    last: datetime | None = None
    _failing: dict[str, datetime] = field(default_factory=dict)
    _current: tuple[str, datetime] | None = None

    def of(self, model: str) -> Account:
        """The model's; beyond a bound all others share one."""
        found = self.models.get(model)
        if found is None:
            name = model if len(self.models) < MOST_WATCHED else OTHERS
            found = self.models.setdefault(name, Account())
        return found

    def see(self, recorded: Recorded, verdict: str, *, passed_over: bool) -> None:
        """Count an event."""
        event = recorded.event
        self.events += 1
        at = event.timestamp
        self._span(at)
        if isinstance(event, ModelSwitch):
            self.switches += event.from_ != event.to
            self.fallbacks += event.cause == "fallback"
            self.reverted += event.cause == "reverted"
            self._turn_to(event.to, at)
        elif isinstance(event, AttemptFailed | AttemptSucceeded):
            self.of(event.model).outcome(event, verdict, passed_over=passed_over)
            if isinstance(event, AttemptSucceeded) and self._current is None:
                self._turn_to(event.model, at)
            if at is not None and is_attempt(event):
                self._recover(event, at)

    def finish(self) -> None:
        """The last event's model was in use until then."""
        self._turn_to("", self.last)

    def add(self, other: "Accounts") -> None:
        """Take in another session's figures."""
        for model, one in other.models.items():
            self.of(model).add(one)
        self.events += other.events
        self.switches += other.switches
        self.fallbacks += other.fallbacks
        self.reverted += other.reverted
        self._span(other.first)
        self._span(other.last)

    @property
    def providers(self) -> dict[str, Account]:
        """The same by provider."""
        found: dict[str, Account] = {}
        for model, one in self.models.items():
            found.setdefault(OTHERS if model == OTHERS else provider_of(model), Account()).add(one)
        return found

    @property
    def total(self) -> Account:
        """Of all models together."""
        whole = Account()
        for one in self.models.values():
            whole.add(one)
        return whole

    @property
    def switches_a_day(self) -> float:
        """Over the time that the events cover; what is shorter than a day counts as one."""
        if self.first is None or self.last is None:
            return float(self.switches)
        return self.switches / max((self.last - self.first) / timedelta(days=1), 1.0)

    def share(self, one: Account) -> float | None:
        """Its part of the time in which any model is known to have been in use."""
        whole = sum((other.in_use for other in self.models.values()), timedelta(0))
        return one.in_use / whole if whole else None

    def _span(self, at: datetime | None) -> None:
        if at is not None:
            self.first = at if self.first is None else min(self.first, at)
            self.last = at if self.last is None else max(self.last, at)

    def _turn_to(self, model: str, at: datetime | None) -> None:
        if at is None:
            return
        if self._current is not None:
            was, since = self._current
            self.of(was).in_use += max(at - since, timedelta(0))
        self._current = model, at

    def _recover(self, event: AttemptFailed | AttemptSucceeded, at: datetime) -> None:
        if isinstance(event, AttemptFailed):
            if event.model in self._failing or len(self._failing) < MOST_WATCHED:
                self._failing.setdefault(event.model, at)
            return
        since = self._failing.pop(event.model, None)
        recoveries = self.of(event.model).recoveries
        if since is not None and at >= since and len(recoveries) < _SAMPLES:
            recoveries.append((at - since).total_seconds())
