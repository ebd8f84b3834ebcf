"""Wasted attempts: requests that the session's own log could have spared.

Law: pure. A provider's requests and the session's events in, the requests that were wasted out. The two are told by
different witnesses; only their clock has to be the same.

A request is wasted if it began while the log held a failure that still cooled its model. Not wasted: a model's first
failure, the probe after a cooldown, an attempt forced because every model cools, and a request that was never
answered (the gateway was killed while it waited).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from replay.decide import bearing, decide
from replay.events import AttemptFailed, AttemptSucceeded, Event, Recorded
from replay.policy import Chain, Policy
from replay.state import INITIAL, ModelState, evolve


@dataclass(frozen=True, slots=True)
class Request:
    """One upstream request as the provider tells it. ``ended`` None: nobody was there to take the answer."""

    model: str
    began: datetime
    ended: datetime | None = None
    status: int | None = None
    turn: str | None = None


def wasted(
    requests: Iterable[Request], events: Iterable[Event | Recorded], chain: Chain, policy: Policy | None = None
) -> list[Request]:
    """The requests that were wasted, in the order in which they began.

    ``chain`` and ``policy`` are the gateway's: they say what cools, and when nothing else was left to ask.
    """
    policy = policy or Policy()
    ordered = sorted(requests, key=lambda one: one.began)
    found = []
    for index, (request, state) in enumerate(_held(ordered, events)):
        if request.ended is None or not _cools(state, request.model, request.began, policy):
            continue
        asked = {
            one.model
            for one in ordered[:index]
            if one.turn == request.turn and one.ended is not None and one.ended <= request.began
        }
        decision = decide(state, chain, request.began, policy, asked - {request.model})
        if not (decision.forced and decision.model == request.model):
            found.append(request)
    return found


def joined(generations: Iterable[Iterable[Event | Recorded]]) -> Iterator[Event]:
    """The logs of a session's generations, one process after the other, as if they had been one log.

    What a process knew when an attempt began (``seen``) is counted within its own log, so it is moved along.
    """
    count = 0
    for generation in generations:
        before = count
        for item in generation:
            count += 1
            event = item.event if isinstance(item, Recorded) else item
            if isinstance(event, AttemptFailed | AttemptSucceeded) and event.seen is not None:
                event = replace(event, seen=event.seen + before)
            yield event


def _held(requests: list[Request], events: Iterable[Event | Recorded]) -> Iterator[tuple[Request, ModelState]]:
    """Each request with the state that the log could tell when it began.

    A log is written front to back, so an event was on the disk no earlier than any event before it happened: what a
    moment could know is everything up to the first event that happened later.
    """
    coming = iter(events)
    following = next(coming, None)
    state = INITIAL
    for request in requests:
        while following is not None and not _later(following, request.began):
            state = evolve(state, following)
            following = next(coming, None)
        yield request, state


def _later(item: Event | Recorded, moment: datetime) -> bool:
    event = item.event if isinstance(item, Recorded) else item
    return event.timestamp is not None and event.timestamp > moment


def _cools(state: ModelState, model: str, now: datetime, policy: Policy) -> bool:
    return any(one.until is not None and one.why != "probing" for one in bearing(state, model, now, policy))
