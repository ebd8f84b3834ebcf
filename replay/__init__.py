"""replay: what a failover log means. Events, the fold to a state, the decision.

Law: pure. No file, clock, environment, randomness, logging, network or decoding of bytes; time is always an argument.
Imports nothing of ours.
"""

from replay.decide import NOWHERE, AllModelsFailed, Decision, Elsewhere, Skipped, decide
from replay.events import (
    AttemptFailed,
    AttemptSucceeded,
    Event,
    FailureCleared,
    LogRepaired,
    ModelSwitch,
    Recorded,
    event_from_fields,
    fields_from_event,
)
from replay.policy import Chain, Cooldown, Policy
from replay.state import INITIAL, Failure, ModelState, Probe, changes, evolve, fold, scan

__all__ = [
    "INITIAL",
    "NOWHERE",
    "AllModelsFailed",
    "AttemptFailed",
    "AttemptSucceeded",
    "Chain",
    "Cooldown",
    "Decision",
    "Elsewhere",
    "Event",
    "Failure",
    "FailureCleared",
    "LogRepaired",
    "ModelState",
    "ModelSwitch",
    "Policy",
    "Probe",
    "Recorded",
    "Skipped",
    "changes",
    "decide",
    "event_from_fields",
    "evolve",
    "fields_from_event",
    "fold",
    "scan",
]
