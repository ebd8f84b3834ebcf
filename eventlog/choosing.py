"""What an attempt asks of a session's memory: a model to ask, its switch on the disk, and a place for its outcome.

Law: a switch is durable before the first request to its model, and is decided under the file's lock, with all that
others have written. Where nothing has to be recorded, neither a lock nor the disk is touched.
"""

import os
import random
from collections.abc import Set as AbstractSet

from eventlog import clock
from eventlog.degraded import Memory
from replay import AttemptSucceeded, Chain, Decision, Event, ModelState, ModelSwitch, Policy, changes, decide


def glance(memory: Memory, chain: Chain, policy: Policy, exclude: AbstractSet[str]) -> tuple[Decision, int] | None:
    """:func:`choose`, if nobody has written and the model stays: neither a lock nor the disk; None otherwise."""
    state = memory.glance()
    if state is None:
        return None
    now = clock.now()
    decision = decide(state, chain, now, policy, exclude, memory.elsewhere(state, chain, now, policy))
    return (decision, state.position) if decision.cause == "keep" else None


def choose(
    memory: Memory, chain: Chain, policy: Policy, exclude: AbstractSet[str], turn: str | None
) -> tuple[Decision, int]:
    """The decision for an attempt that begins now, its switch recorded, and the position that the attempt knows."""
    glanced = glance(memory, chain, policy, exclude)
    if glanced is not None:
        return glanced
    event_id, now = new_id(), clock.now()
    with memory.log.mutex():  # what another thread records meanwhile, this attempt does not know
        memory.refresh()
        elsewhere = memory.elsewhere(memory.state, chain, now, policy)
        decision = decide(memory.state, chain, now, policy, exclude, elsewhere)

        def switch(state: ModelState) -> list[Event]:
            nonlocal decision  # under the file's lock, with what others have written meanwhile
            decision = decide(state, chain, now, policy, exclude, elsewhere)
            if decision.model is None or decision.cause == "keep":
                return []
            to, cause = decision.model, decision.cause
            return [ModelSwitch(to=to, from_=state.current, cause=cause, turn=turn, id=event_id, timestamp=now)]

        if decision.model is not None and decision.cause != "keep":
            memory.record(switch)
        return decision, memory.state.position


def is_news(memory: Memory, model: str, seen: int) -> bool:
    """Whether an answer of ``model`` would have to be recorded."""
    state = memory.glance()
    return state is None or changes(state, AttemptSucceeded(model=model, seen=seen))


def is_expected(memory: Memory, model: str, seen: int) -> bool:
    """Whether an answer is no news by what is known, for an attempt that looked at the file when it began, at ``seen``.

    It needs no second look: what others have written since is newer than the attempt, and its answer takes back nothing
    that is.
    """
    state = memory.known()
    return state is not None and not changes(state, AttemptSucceeded(model=model, seen=seen))


def answered(memory: Memory, model: str, *, seen: int, turn: str | None = None, duration_ms: int | None = None) -> bool:
    """Record an answer, if it is news; True once that is on the disk."""
    if not is_news(memory, model, seen):
        return True
    event = AttemptSucceeded(
        model=model, turn=turn, duration_ms=duration_ms, seen=seen, id=new_id(), timestamp=clock.now()
    )
    return memory.record(lambda state: [event] if changes(state, event) else [])


def new_id() -> str:
    """An id for an event: 16 random hex digits."""
    return f"{_random.getrandbits(64):016x}"


# Seeded by the system, and in a forked child anew, so that two processes never make the same ids. One of our own: a
# program may seed the global one. An id has to be unlike all others, not hard to guess, so no call of the system each.
_random = random.Random()  # noqa: S311
os.register_at_fork(after_in_child=_random.seed)
