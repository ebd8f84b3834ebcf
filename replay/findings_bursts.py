"""Findings about bursts: several models fail or are put back within seconds, or every model there is.

Law: pure. A burst ends with an answer or a pause; only then is it judged, for only then all of it is known. Where the
chain is not known, it is taken to be the models that the log has named so far, and said so.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from replay.events import AttemptFailed, AttemptSucceeded, ModelSwitch, Recorded
from replay.filters import Filter
from replay.findings import MOST_WATCHED, Evidence, Finding, Thresholds, lasted, listed
from replay.policy import Chain
from replay.reasons import ABORTED, REDIRECTED

__all__ = ["Bursts"]


@dataclass(slots=True)
class Bursts:
    """Cascades (several models) and exhausted chains (every model) between two answers or pauses."""

    limits: Thresholds
    wanted: Filter
    chain: Chain | None
    _found: Evidence | None = None
    _models: dict[str, bool] = field(default_factory=dict)
    """The burst's models, and whether a request to them failed (else they were only put back)."""
    _turn: str | None = None
    _answered: str | None = None
    """Who answered since the last switch."""

    def see(self, recorded: Recorded, known: Chain | None) -> Iterator[Finding]:
        """``known``: the models that the log has named before this event."""
        event = recorded.event
        if isinstance(event, AttemptSucceeded):
            self._answered = event.model
            yield from self._close(known)
            return
        answered = self._answered
        if isinstance(event, ModelSwitch):
            self._answered = None
        asked = isinstance(event, AttemptFailed) and event.reason != REDIRECTED
        if isinstance(event, AttemptFailed):
            model = None if event.reason == ABORTED else event.model
        else:
            model = event.from_ if isinstance(event, ModelSwitch) and event.cause == "reverted" else None
            if model is not None and (model == answered or self._models.get(model, False)):
                model = None  # it did answer or fail: coming back from it is no failure of its own
        if model is None:
            return
        same = self._turn is not None and event.turn == self._turn
        if self._found is not None and not same and not self._found.near(event, self.limits.together):
            yield from self._close(known)
        self._found, self._turn = self._found or Evidence(self.wanted), event.turn
        self._found.add(recorded, model)
        if model in self._models or len(self._models) < MOST_WATCHED:
            self._models[model] = self._models.get(model, False) or asked

    def finish(self, known: Chain | None) -> Iterator[Finding]:
        yield from self._close(known)

    def _close(self, known: Chain | None) -> Iterator[Finding]:
        found, models = self._found, self._models
        self._found, self._models, self._turn = None, {}, None
        chain = self.chain or known
        if found is None or chain is None:
            return
        unasked = [model for model, asked in models.items() if not asked]
        whole = len(chain) > 1 and models.keys() >= set(chain)
        if not whole and len(models) < self.limits.cascade:
            return
        how = "failed" if not unasked else "were put back before any request" if len(unasked) == len(models) else ""
        how = how or f"failed, or were put back before any request ({len(unasked)} of them)"
        names = listed(models)
        if whole:
            of = "the chain" if self.chain is not None else "all that this log had named"
            told = f"all {len(models)} models ({of}) {how}{lasted(found)}: {names}"
            remedy = (
                "put a model of another provider, or a local one, at the end of the chain; wait for the soonest retry"
            )
            one = found.found("chain_exhausted", "critical", told, remedy, len(models))
        else:
            told = f"{len(models)} models {how}{lasted(found)}: {names}"
            remedy = "look for what they share (provider, key, network, the host itself) before adding fallbacks"
            one = found.found("cascade", "warning", told, remedy, len(models))
        if one is not None:
            yield one
