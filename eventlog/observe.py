"""What a gateway's metrics can count: attempts, failures, switches, and the attempts that the memory saved.

Law: tells what happens and changes nothing. An observer that raises is told of in the log, and costs no request.

    counter = Counter("switchlog_total", "…", ["kind", "model", "why"])                    # prometheus_client
    sessions = Sessions("sessions", observe=lambda it: counter.labels(it.kind, it.model, it.why).inc())
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from replay import AttemptFailed, Decision, Event, ModelSwitch

_logger = logging.getLogger("switchlog")


@dataclass(frozen=True, slots=True)
class Observation:
    """One thing that happened in a session.

    ``attempt``: a request to ``model`` begins. ``failure``: one failed, ``why`` is its reason. ``switch``: the model of
    the session became ``model``, ``why`` is the cause. ``saved``: a model that comes before the one that is asked was
    left alone, for ``why`` still cools it: a gateway without a memory would have asked it.
    """

    kind: Literal["attempt", "failure", "switch", "saved"]
    model: str
    why: str
    session: str


Observer = Callable[[Observation], None]
"""Called in the thread that records; it should be quick."""


def of_events(events: Iterable[Event], session: str) -> Iterable[Observation]:
    """What recording these events tells."""
    for event in events:
        match event:
            case AttemptFailed():
                yield Observation("failure", event.model, event.reason, session)
            case ModelSwitch():
                yield Observation("switch", event.to, event.cause or "", session)


def of_decision(decision: Decision, session: str) -> Iterable[Observation]:
    """What the beginning of an attempt tells."""
    if decision.model is None:
        return
    for one in decision.skipped:
        if one.until is not None and one.why != "probing":
            yield Observation("saved", one.model, one.why, session)
    yield Observation("attempt", decision.model, decision.cause or "", session)


def tell(observer: Observer | None, observations: Iterable[Observation]) -> None:
    """Tell the observer, if there is one. Raises nothing."""
    if observer is None:
        return
    for one in observations:
        try:
            observer(one)
        except Exception:
            _logger.exception("the observer failed on %s of %.200r", one.kind, one.model)
