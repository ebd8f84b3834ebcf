"""A history, audited: findings and figures in one pass.

Law: pure, streaming, bounded; no events raise. Every event is folded; a filter chooses what is counted and told. The
findings that are known after a part of a history stand first, and in this order, among those of the whole.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from replay.events import AttemptFailed, AttemptSucceeded, Event, ModelSwitch, Recorded
from replay.filters import EVERYTHING, Filter, models_of
from replay.findings import MOST_WATCHED, SEVERITIES, Finding, Thresholds, is_attempt
from replay.findings_attempts import Amnesia, Hammering, WhileCooling
from replay.findings_bursts import Bursts
from replay.findings_home import PinOverridden, Stuck
from replay.findings_switches import Clock, Flapping, Reverted
from replay.hindsight import COOLING, MODELS, UNKNOWN, Memory
from replay.outlook import Accounts
from replay.policy import Chain, Policy

__all__ = ["MOST_FINDINGS", "Audit"]

MOST_FINDINGS: Final = 1_000
"""Findings that are kept; of more all are counted."""


class Audit:
    """Fed with the events of one session, in order; then finished.

    ``restarts``: positions behind which the gateway was restarted (0: before the first event). ``wanted`` chooses what
    is counted and told, never what is folded.
    """

    def __init__(
        self,
        chain: Chain | None = None,
        policy: Policy | None = None,
        *,
        restarts: Collection[int] = (),
        limits: Thresholds | None = None,
        wanted: Filter = EVERYTHING,
    ) -> None:
        self.findings: list[Finding] = []
        self.kinds: Counter[str] = Counter()
        self.severities: Counter[str] = Counter()
        self.accounts = Accounts()
        self._chain = chain
        self._named: dict[str, None] = {}
        self._known = chain
        self._restarts = sorted(restarts, reverse=True)
        self._wanted = wanted
        self._asked: set[str] = set()
        self._turn: str | None = None
        policy, limits = policy or Policy(), limits or Thresholds()
        self._memory = self._better = Memory(policy)
        self._cooling = WhileCooling(limits, wanted)
        self._hammering = Hammering(limits, wanted)
        self._amnesia = Amnesia(limits, wanted)
        self._bursts = Bursts(limits, wanted, chain)
        self._reverted = Reverted(limits, wanted, policy)
        self._flapping = Flapping(limits, wanted)
        self._pin = PinOverridden(wanted, policy)
        self._stuck = Stuck(limits, wanted, policy, chain)
        self._clock = Clock(limits, wanted)

    @property
    def worst(self) -> str | None:
        """The gravest severity of all findings; None where there are none."""
        return next((one for one in reversed(SEVERITIES) if self.severities[one]), None)

    def feed(self, recorded: Recorded) -> None:
        """One more event."""
        event = recorded.event
        restarted = self._restarted(recorded.position)
        if restarted or event.turn != self._turn:
            self._asked.clear()
            self._turn = event.turn
        verdict = hindsight = UNKNOWN
        if is_attempt(event):
            self._name(models_of(event))  # who is asked is in the chain
            verdict = self._memory.verdict(recorded, self._known, self._asked)
            one_fold = self._better is self._memory
            hindsight = verdict if one_fold else self._better.verdict(recorded, self._known, self._asked)
        for one in self._found(recorded, verdict, restarted=restarted):
            self._keep(one)
        self._name(models_of(event))
        passed_over = hindsight == COOLING
        if self._wanted.takes(event):
            self.accounts.see(recorded, verdict, passed_over=passed_over)
        if passed_over and self._better is self._memory:
            self._better = self._memory.copy()
        self._memory.apply(recorded)
        if passed_over:
            self._better.pass_over(recorded)
        elif self._better is not self._memory:
            self._better.apply(recorded)
        for one in self._stuck.see(recorded, self._memory.state):
            self._keep(one)
        self._remember_turn(event)

    def finish(self, damaged: Mapping[str, int] | None = None) -> None:
        """The history ends here. ``damaged``: what its log's reader found, by kind."""
        for detector in (
            self._cooling,
            self._hammering,
            self._amnesia,
            self._reverted,
            self._flapping,
            self._stuck,
        ):
            for one in detector.finish():
                self._keep(one)
        for one in self._bursts.finish(self._known):
            self._keep(one)
        found = {kind: count for kind, count in (damaged or {}).items() if count}
        if found:
            self._keep(_damage(found))
        self.accounts.finish()

    def _restarted(self, position: int) -> bool:
        """Whether a restart stands between the event before and this one."""
        passed = False
        while self._restarts and self._restarts[-1] < position:
            self._restarts.pop()
            passed = True
        return passed

    def _found(self, recorded: Recorded, verdict: str, *, restarted: bool) -> Iterator[Finding]:
        before = self._memory.state
        yield from self._clock.see(recorded)
        yield from self._amnesia.see(recorded, verdict, before, restarted=restarted)
        yield from self._cooling.see(recorded, verdict)
        yield from self._hammering.see(recorded)
        yield from self._bursts.see(recorded, self._known)
        yield from self._reverted.see(recorded, before)
        yield from self._flapping.see(recorded)
        yield from self._pin.see(recorded, before)

    def _keep(self, found: Finding) -> None:
        self.kinds[found.kind] += 1
        self.severities[found.severity] += 1
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(found)

    def _name(self, models: tuple[str, ...]) -> None:
        """The chain, as far as the log names its models."""
        new = [model for model in models if model.strip() and model not in self._named]
        if self._chain is None and new and len(self._named) < MODELS:
            self._named.update(dict.fromkeys(new))
            self._known = Chain(*self._named)

    def _remember_turn(self, event: Event) -> None:
        """What a turn has tried it does not try again; where turns have no names, one ends with an answer."""
        if isinstance(event, AttemptSucceeded):
            self._asked.clear()
        elif isinstance(event, AttemptFailed) and len(self._asked) < MOST_WATCHED:
            self._asked.add(event.model)
        elif isinstance(event, ModelSwitch) and event.cause == "reverted":
            self._asked.clear()  # a host that goes back to its own model begins anew


def _damage(found: Mapping[str, int]) -> Finding:
    told = ", ".join(f"{count:,} {kind}" for kind, count in found.items())
    return Finding(
        "damaged_log",
        "critical",
        f"the log is damaged: {told}; what those lines told is not in these figures",
        "see where with `switchlog verify`, then `switchlog repair`",
        sum(found.values()),
    )
