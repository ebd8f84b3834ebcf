"""Differences of histories and states: the laws, and what the command says of copies, sessions and moments."""

import json
from pathlib import Path

import pytest
from commands import INCIDENT, within
from hypothesis import given, settings
from hypothesis import strategies as st
from logs import Draft
from msgspec.structs import replace
from strategies import histories, odd_events, states

from replay import AttemptFailed, Event, Failure, ModelState, Probe, Recorded, fold
from replay.compare import Both, Comparison, compare, compare_states, identity

FIELDS = ("current", "pinned", "last_good", "switched_at", "tried", "probing")
some = histories(max_size=5) | st.lists(odd_events(), max_size=3)
quick = settings(max_examples=50)


def recorded(events: list[Event]) -> list[Recorded]:
    return [Recorded(event, position, 100 * position) for position, event in enumerate(events, 1)]


def unplaced(one: Failure | Probe) -> object:
    return replace(one, position=0)


def said(state: ModelState, name: str) -> object:
    """What a field of a state says, whatever the positions."""
    if name == "tried":
        return {(model, why): unplaced(one) for model, of in state.tried.items() for why, one in of.items()}
    if name == "probing":
        return {model: unplaced(one) for model, one in state.probing.items()}
    return getattr(state, name)


@quick
@given(some)
def test_a_history_and_itself_differ_in_nothing(events: list[Event]) -> None:
    found = compare(recorded(events), recorded(events))
    assert found.same
    assert (found.common, found.parted, found.failures, found.only) == (len(events), None, {}, Both((), ()))
    assert found.state.names == frozenset()


@quick
@given(some, some, some)
def test_the_other_way_round_the_sides_are_swapped(start: list[Event], one: list[Event], other: list[Event]) -> None:
    there = compare(recorded(start + one), recorded(start + other))
    back = compare(recorded(start + other), recorded(start + one))
    assert swapped(there) == plain(back)
    assert there.same is back.same


def plain(found: Comparison) -> dict[str, object]:
    state = found.state
    return {
        "histories": (found.histories.one, found.histories.other),
        "plain": dict(state.plain),
        "tried": dict(state.tried),
        "probing": dict(state.probing),
        "failures": dict(found.failures),
        "common": found.common,
        "parted": found.parted,
        "only": found.only,
    }


def swapped(found: Comparison) -> dict[str, object]:
    def turned(value: object) -> object:
        if isinstance(value, Both):
            return value.swapped
        if isinstance(value, dict):
            return {key: turned(one) for key, one in value.items()}
        return value[::-1] if isinstance(value, tuple) else value

    return {key: turned(value) for key, value in plain(found).items()}


@quick
@given(some, some)
def test_one_history_that_goes_on_parts_where_the_other_ends(events: list[Event], more: list[Event]) -> None:
    found = compare(recorded(events), recorded(events + more))
    assert found.common == len(events)
    assert found.only == Both((), tuple(recorded(events + more)[len(events) :]))
    assert found.same is not bool(more)
    assert found.histories.one.state == fold(events)
    assert found.histories.other.state == fold(events + more)


@quick
@given(st.lists(st.sampled_from("abc"), max_size=6), st.lists(st.sampled_from("abc"), max_size=6))
def test_events_that_only_one_has_are_counted_as_often_as_they_are_too_many(one: list[str], other: list[str]) -> None:
    first, second = ([AttemptFailed(model=model, reason="auth") for model in models] for models in (one, other))
    found = compare(recorded([*first]), recorded([*second]))
    for model in "abc":
        too_many = sum(item.event.model == model for item in found.only.one)  # type: ignore[union-attr]
        assert too_many == max(0, one.count(model) - other.count(model))
    assert found.same is (one == other)


@quick
@given(states(), states())
def test_a_difference_names_exactly_the_fields_that_differ(one: ModelState, other: ModelState) -> None:
    found = compare_states(one, other)
    assert found.names == {name for name in FIELDS if said(one, name) != said(other, name)}
    for name, pair in found.plain.items():
        assert (pair.one, pair.other) == (getattr(one, name), getattr(other, name))
    for name, differing in (("tried", found.tried), ("probing", found.probing)):
        made = dict(said(one, name))  # type: ignore[call-overload]
        for key, sides in differing.items():  # type: ignore[attr-defined]
            made.pop(key, None)
            if sides.other is not None:
                made[key] = unplaced(sides.other)
        assert made == said(other, name)


@quick
@given(odd_events(), odd_events())
def test_events_are_the_same_if_all_their_fields_are(one: Event, other: Event) -> None:
    assert (identity(one) == identity(other)) is (one == other)
    assert identity(replace(one, extra={"prev": "x", "seal": "y", "parentId": "z"})) == identity(one)
    assert identity(replace(one, extra={"x": 1})) != identity(replace(one, extra={"x": True}))
    assert identity(replace(one, extra={"x": [{"y": None}]})) != identity(one)


# The command


def draft(events: int) -> Draft:
    made = Draft("s-1")
    made.switch("kimi/kimi2.5", "initial", **{"from": None})
    made.failed(retryAfterMs=7000)
    made.switch()
    made.record("attempt_succeeded", model="zhipu/glm-5.1")
    made.failed("zhipu/glm-5.1", "server_error")
    made.lines = made.lines[: events + 1]
    return made


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """A backup of two events, and the live file of five."""
    backup, live = tmp_path / "backup" / "s-1.jsonl", tmp_path / "s-1.jsonl"
    backup.parent.mkdir()
    backup.write_bytes(draft(2).data)
    live.write_bytes(draft(5).data)
    return backup, live


def test_a_backup_and_the_live_file(two: tuple[Path, Path]) -> None:
    done = within("diff", *two, "--json", "--now", "2026-04-02T04:56:00Z")
    assert (done.returncode, done.stderr) == (1, "")
    told = json.loads(done.stdout)
    assert told["same"] is False
    assert (told["a"]["events"], told["b"]["events"], told["commonEvents"]) == (2, 5, 2)
    assert told["partedAt"] == {"a": None, "b": 3}
    assert told["state"]["currentModel"] == {"a": "kimi/kimi2.5", "b": "zhipu/glm-5.1"}
    assert told["state"]["lastGoodModel"] == {"a": None, "b": "zhipu/glm-5.1"}
    assert told["state"]["triedModels"] == {
        "zhipu/glm-5.1": {
            "server_error": {
                "a": None,
                "b": {"failures": 1, "failedAt": "2026-04-02T04:55:40.889Z", "retryAfterMs": None},
            }
        }
    }
    assert told["state"]["cooling"] == {
        "zhipu/glm-5.1": {"a": None, "b": {"reason": "server_error", "until": "2026-04-02T04:56:40.889Z"}}
    }
    assert told["failures"] == {"zhipu/glm-5.1": {"server_error": {"a": 0, "b": 1}}}
    assert told["onlyIn"]["a"] == {"count": 0, "events": []}
    assert [one["position"] for one in told["onlyIn"]["b"]["events"]] == [3, 4, 5]


def test_what_people_see_of_it(two: tuple[Path, Path]) -> None:
    done = within("diff", *two, "--utc", "--now", "2026-04-02T04:56:00Z")
    shown = [line.rstrip() for line in done.stdout.splitlines()]
    assert "- model     kimi/kimi2.5" in shown
    assert "+ model     zhipu/glm-5.1" in shown
    assert "- answered  none" in shown
    assert "+ tried     zhipu/glm-5.1 (server_error ×1) at 04:55:40.889 UTC" in shown
    assert "+ cools     zhipu/glm-5.1 until 04:56:40 UTC (server_error)" in shown
    assert "  2 events in common; they part after that" in shown
    assert "+     5 04:55:40.889 failed     zhipu/glm-5.1: server_error" in shown
    assert all(line[0] in "-+ " for line in shown)


def test_no_difference_ends_with_zero(two: tuple[Path, Path]) -> None:
    for pair in ((two[1], two[1]), (two[0], two[0]), (INCIDENT, INCIDENT)):
        done = within("diff", *pair)
        assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "  no difference")
        assert json.loads(within("diff", *pair, "--json").stdout)["same"] is True


@pytest.mark.parametrize(
    ("options", "events", "code"),
    [
        (("--from", "2"), (2, 5), 1),
        (("--to", "2"), (0, 2), 1),
        (("--from", "2", "--to", "4"), (2, 4), 1),
        (("--from", "4", "--to", "2"), (4, 2), 1),
        (("--from", "3", "--to", "3"), (3, 3), 0),
        (("--from", "0", "--to", "0"), (0, 0), 0),
        (("--from", "2026-04-01"), (0, 5), 1),
        (("--from", "99", "--to", "2026-04-02T04:55:40.889Z"), (5, 5), 0),
    ],
)
def test_two_moments_of_one_session(two: tuple[Path, Path], options: tuple[str], events: object, code: int) -> None:
    done = within("diff", two[1], *options, "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, (told["a"]["events"], told["b"]["events"])) == (code, events)
    assert told["same"] is (code == 0)


def test_what_cools_no_more_is_a_difference_of_two_moments(two: tuple[Path, Path]) -> None:
    done = within("diff", two[1], "--from", "5", "--to", "2026-04-03T00:00:00Z")
    assert done.returncode == 1
    assert "- cools     kimi/kimi2.5 until" in done.stdout


def test_many_events_are_not_all_printed(tmp_path: Path, two: tuple[Path, Path]) -> None:
    made = draft(5)
    for _ in range(30):
        made.failed()
    (tmp_path / "long.jsonl").write_bytes(made.data)
    told = within("diff", two[1], tmp_path / "long.jsonl").stdout
    assert "+ and 10 more" in told


def test_a_damaged_side_is_said(two: tuple[Path, Path]) -> None:
    two[1].write_bytes(two[1].read_bytes().replace(b'"retryAfterMs":7000', b'"retryAfterMs":9000'))
    done = within("diff", *two)
    assert done.returncode == 4
    assert "altered" in done.stderr


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ((), "--from"),
        (("x", "--from", "1"), "leave out OTHER"),
        (("--from", "soon"), "is no time"),
        (("--session", "a", "--session", "b", "--session", "c"), "two sides"),
    ],
)
def test_misuse(two: tuple[Path, Path], options: tuple[str, ...], word: str) -> None:
    done = within("diff", two[1], *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert word in done.stderr


def test_two_sessions_of_one_log_are_told_apart(tmp_path: Path) -> None:
    log, other = tmp_path / "gateway.log", "674cdb94-f203-44b1-bb08-49d5ae7e93ee"
    text = INCIDENT.read_text()
    log.write_text(text + text.replace("17a309d8-bee5-4752-8775-5791d41df367", other))
    done = within("diff", log, "--session", "17a3", "--session", "674c")
    assert done.returncode == 1
    first, second = done.stdout.splitlines()[:2]
    assert "session 17a309d8" in first
    assert f"session {other}" in second
    assert "no event in common" in done.stdout
    assert within("diff", log, "--session", "674c", "--session", "674c").returncode == 0


def test_standard_input_is_one_side(two: tuple[Path, Path]) -> None:
    assert within("diff", "-", two[1], stdin=two[1].read_bytes()).returncode == 0
    assert within("diff", "-", "-", stdin=two[1].read_bytes()).returncode == 2
