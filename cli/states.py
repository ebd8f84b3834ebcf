"""A state in JSON's words: the shape that `show`, `replay` and later commands share.

Law: values in, plain dicts out; keys are camelCase and, where the issue proposed a name, the issue's.
"""

from collections.abc import Mapping
from datetime import datetime

from replay import ModelState, Policy, Skipped
from replay.decide import bearing
from replay.events import format_time


def state_fields(state: ModelState, now: datetime | None, policy: Policy) -> dict[str, object]:
    """The state as of ``now`` (None: nothing is said of cooling)."""
    return {
        "currentModel": state.current,
        "attemptedModels": list(state.attempted),
        "modelSwitchedAt": stamp(state.switched_at),
        "triedModels": {model: _tried(state, model, now, policy) for model in state.tried},
        "pinnedModel": state.pinned,
        "lastGoodModel": state.last_good,
    }


def skipped_fields(one: Skipped) -> dict[str, object]:
    """Why a model is not asked."""
    told: dict[str, object] = {"model": one.model, "why": one.why, "until": stamp(one.until), "position": one.position}
    return told if one.session is None else {**told, "session": one.session}


def stamp(time: datetime | None) -> str | None:
    """A time as JSON has it: UTC with milliseconds."""
    return None if time is None else format_time(time)


def worst(state: ModelState, model: str, now: datetime | None, policy: Policy) -> tuple[str, datetime | None]:
    """The reason of the model's own failures that matters most, and until when it cools."""
    own = state.tried[model]
    cooling = [] if now is None else [one for one in bearing(state, model, now, policy) if one.until and one.why in own]
    if cooling:
        longest = max(cooling, key=lambda one: stamp(one.until) or "")
        return longest.why, longest.until
    return max(own, key=lambda reason: own[reason].position), None


def _tried(state: ModelState, model: str, now: datetime | None, policy: Policy) -> Mapping[str, object]:
    reason, until = worst(state, model, now, policy)
    failure = state.tried[model][reason]
    return {
        "reason": reason,
        "failures": failure.count,
        "failedAt": stamp(failure.at),
        "coolingUntil": stamp(until),
    }
