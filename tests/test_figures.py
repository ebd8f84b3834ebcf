"""Figures of a history, and the file that a command may write to."""

from pathlib import Path

import pytest
from commands import INCIDENT

from eventlog import UnreadableError, sources
from replay import AttemptFailed, AttemptSucceeded, FailureCleared, ModelSwitch, Recorded
from replay.figures import Figures, ModelFigures


def test_outcomes_are_counted_and_what_was_never_asked_is_not() -> None:
    history = [
        ModelSwitch(to="a/x", cause="initial"),
        AttemptFailed(model="a/x", reason="timeout"),
        AttemptFailed(model="a/x", reason="redirected"),
        AttemptFailed(model="a/x", reason="aborted"),
        ModelSwitch(to="b/y", from_="a/x", cause="fallback"),
        AttemptSucceeded(model="b/y"),
        FailureCleared(model="a/x"),
    ]
    recorded = [Recorded(event, position) for position, event in enumerate(history, 1)]
    total = Figures()
    assert list(total.watch(recorded)) == recorded
    assert total.models == {"a/x": ModelFigures(1, 1, aborted=1), "b/y": ModelFigures(1, 0)}
    assert total.events == {"model_switch": 2, "attempt_failed": 3, "attempt_succeeded": 1, "failure_cleared": 1}
    assert (total.last_switch, total.last) == (recorded[4], recorded[6])


def test_only_a_transcript_may_be_written_to(tmp_path: Path) -> None:
    path = tmp_path / "s-1.jsonl"
    assert sources.transcript(str(path), create=True) == path
    path.write_text("{}\n")
    assert sources.transcript(str(path)) == path == sources.transcript(str(tmp_path))
    for other in ("-", str(INCIDENT)):
        with pytest.raises(UnreadableError):
            sources.transcript(other)
