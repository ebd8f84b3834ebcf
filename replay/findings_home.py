"""Findings about the model that a session belongs to: away from a pin, or away from the primary for too long.

Law: pure. A pin and a policy that does not return are a person's will, and no mistake.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from replay.decide import bearing
from replay.events import AttemptFailed, AttemptSucceeded, ModelSwitch, Recorded
from replay.filters import Filter
from replay.findings import Evidence, Finding, Thresholds, is_attempt, listed, named
from replay.findings_switches import waits
from replay.policy import Chain, Policy
from replay.state import ModelState

__all__ = ["PinOverridden", "Stuck"]


@dataclass(slots=True)
class PinOverridden:
    """An automatic switch away from the pinned model while nothing was recorded against it."""

    wanted: Filter
    policy: Policy
    _failing: str | None = None
    """The model whose outcome came last, if that was a failure: an automatic switch then has its reason."""

    def see(self, recorded: Recorded, before: ModelState) -> Iterator[Finding]:
        event = recorded.event
        if isinstance(event, AttemptFailed):
            self._failing = event.model
        elif isinstance(event, AttemptSucceeded):
            self._failing = None
        pin = before.pinned
        if not isinstance(event, ModelSwitch) or pin is None or event.to == pin or event.cause in ("user", "unpin"):
            return
        if before.current not in (None, pin) or self._failing == pin or event.timestamp is None:
            return
        if not waits(before, pin, event.timestamp, self.policy):
            found = Evidence(self.wanted)
            found.add(recorded, pin, event.to)
            told = f"{pin} is pinned and did not cool, yet the session was moved to {event.to} ({event.cause})"
            remedy = "a pin belongs to the person who set it: leave it only while it fails, or `switchlog unpin`"
            one = found.found("pin_overridden", "warning", told, remedy)
            if one is not None:
                yield one


@dataclass(slots=True)
class Stuck:
    """Still on a fallback long after the primary's cooldown ended. The primary is the chain's, or the session's first.

    A pin, and a policy that does not return, are no mistake.
    """

    limits: Thresholds
    wanted: Filter
    policy: Policy
    chain: Chain | None
    _first: str | None = None
    _free: datetime | None = None
    """When the primary's last cooldown ended, or will end."""
    _open: Evidence | None = None

    def see(self, recorded: Recorded, after: ModelState) -> Iterator[Finding]:
        event = recorded.event
        self._first = self._first or named(event) or None
        primary = self.chain.models[0] if self.chain is not None else self._first
        at = event.timestamp
        if primary is None or at is None or not self.policy.return_to_primary:
            return
        if isinstance(event, AttemptFailed | AttemptSucceeded) and event.model == primary:
            yield from self._close()
            ends = [one.until for one in bearing(after, primary, at, self.policy) if one.until and one.why != "probing"]
            self._free = max(ends, default=None)
            return
        used = is_attempt(event) or isinstance(event, ModelSwitch)
        if not used or after.current in (primary, None) or after.pinned is not None:
            if after.current == primary or after.pinned is not None:
                yield from self._close()
            return
        if self._free is not None and at > self._free and at - self._free >= self.limits.stuck:
            self._open = self._open or Evidence(self.wanted)
            self._open.add(recorded, primary, named(event))

    def finish(self) -> Iterator[Finding]:
        yield from self._close()

    def _close(self) -> Iterator[Finding]:
        found, self._open = self._open, None
        if found is None:
            return
        primary, *others = found.models
        hours = (found.last - self._free).total_seconds() / 3600 if found.last and self._free else 0
        told = f"still on {listed(others, 2)} {hours:.1f} h after the cooldown of {primary} ended, and no probe of it"
        remedy = f"probe {primary} once its cooldown is over (`switchlog next` says when)"
        one = found.found("stuck_on_fallback", "warning", told, remedy)
        if one is not None:
            yield one
