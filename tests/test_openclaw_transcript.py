"""The transcript dialect: what a host's own entries tell, against recorded ones, and against entries of any kind."""

import csv
import json
from collections import defaultdict
from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventlog import codec
from replay import AttemptFailed, AttemptSucceeded, Event, ModelSwitch, Recorded, fold
from replay.dialects.openclaw_transcript import Transcript
from replay.events import format_time, is_complete
from replay.figures import Figures
from replay.reasons import blames

FIXTURES = Path(__file__).parent.parent / "fixtures"
KIMI, ZHIPU, LOCAL = "kimi/kimi2.5", "zhipu/glm-5.1", "local/qwen2.5:14b"
STAMP = "2026-11-22T14:31:22.340Z"

Entry = dict[str, object]


def entries_of(path: Path) -> list[Entry]:
    entries = []
    for line in path.read_text("utf-8").split("\n"):
        try:
            entries.append(json.loads(line))
        except ValueError:
            continue
    return entries


def events_of(entries: Iterable[Entry]) -> list[Event]:
    transcript = Transcript()
    return [event for entry in entries for event in transcript.feed(entry)]


def short(event: Event) -> tuple[str | None, ...]:
    match event:
        case ModelSwitch():
            return event.cause, event.from_, event.to
        case AttemptFailed():
            return "failed", event.model, event.reason
        case AttemptSucceeded():
            return "succeeded", event.model
    raise AssertionError(event)


def told(*entries: Entry) -> list[tuple[str | None, ...]]:
    """What a session tells behind its first model, which is KIMI."""
    return [short(event) for event in events_of((change(KIMI, None), *entries))][1:]


# Entries, each a child of the one before unless it says otherwise


def entry(kind: str, **more: object) -> Entry:
    return {"type": kind, "parentId": "before", "timestamp": STAMP, **more}


def split(model: str, key: str) -> Entry:
    provider, _, name = model.partition("/")
    return {"provider": provider, key: name}


def change(model: str, parent: str | None = "before", **more: object) -> Entry:
    return entry("model_change", **split(model, "modelId"), **more) | {"parentId": parent}


def snapshot(model: str, **more: object) -> Entry:
    return entry("custom", customType="model-snapshot", data=split(model, "modelId"), **more)


def answer(model: str, stopped: object = "stop", error: object = None, **more: object) -> Entry:
    message = {"role": "assistant", "content": [], **split(model, "model"), "stopReason": stopped}
    return entry("message", message=message if error is None else message | {"errorMessage": error}, **more)


def failed(model: str, error: object = "401 Invalid API key", **more: object) -> Entry:
    return answer(model, "error", error, **more)


def prompt_error(model: str, error: object, **more: object) -> Entry:
    data = {"runId": "r", **split(model, "model"), "error": error}
    return entry("custom", customType="openclaw:prompt-error", data=data, **more)


def user(**more: object) -> Entry:
    return entry("message", message={"role": "user", "content": "hello"}, **more)


# Recorded transcripts


def expected() -> dict[str, dict[str, tuple[int, int]]]:
    """By file and model: the entries that failed and that were answered, counted when the corpus was recorded."""
    rows: dict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
    with (FIXTURES / "expected.tsv").open(newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if row["trace"] != "own":
                counts = int(row["failed_entries"]), int(row["answered_entries"])
                rows[row["file"]].update({row["model"]: counts} if any(counts) else {})
    return rows


EXPECTED = expected()
LAST = dict(line.split("\t")[:2] for line in (FIXTURES / "expected.tsv").read_text().splitlines())
RECORDED = sorted(FIXTURES.glob("openclaw-*/transcripts/*"))


def test_every_transcript_here_is_expected() -> None:
    assert {f"{path.parent.parent.name}/transcripts/{path.name}" for path in RECORDED} == set(LAST) - {"file"}
    assert set(LAST) - set(EXPECTED) - {"file"} == {name for name in LAST if ".reset." in name}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_recorded_transcript_gives_what_was_counted(name: str) -> None:
    events = events_of(entries_of(FIXTURES / name))
    figures = Figures()
    for position, event in enumerate(events, start=1):
        figures.add(Recorded(event, position))
    counts = {model: (one.failures, one.attempts - one.failures) for model, one in figures.models.items()}
    assert counts == EXPECTED[name]
    assert fold(events).current == LAST[name]
    assert fold(events).pinned is None
    assert len({event.id for event in events}) == len(events)
    assert {tuple(event.extra.items()) for event in events} == {(("source", "openclaw-transcript"),)}


def test_a_turn_that_falls_back_is_told_in_the_order_of_the_file() -> None:
    events = events_of(
        entries_of(FIXTURES / "openclaw-2026.3.28/transcripts/33333333-3333-4333-8333-333333333333.jsonl")
    )
    assert [(event.id, str(event.timestamp)[11:23], *short(event)) for event in events[:7]] == [
        ("a45ae143", "14:31:21.641", "initial", None, KIMI),
        ("2acea4ea", "14:31:21.669", "succeeded", KIMI),
        ("7a53cf75", "14:31:22.340", "failed", KIMI, "auth"),
        ("9cdd584a", "14:31:22.453", "fallback", KIMI, ZHIPU),
        ("6e07ad6d", "14:31:22.483", "succeeded", ZHIPU),
        ("0797bcfd", "14:31:23.159", "reverted", ZHIPU, KIMI),
        ("6d00336e", "14:31:23.180", "failed", KIMI, "auth"),
    ]  # fmt: skip
    (failure,) = (event for event in events if event.id == "0c9f3e02")
    assert isinstance(failure, AttemptFailed)
    assert (failure.reason, failure.status, failure.error) == (
        "rate_limit",
        429,
        "429 Rate limit reached for kimi/kimi2.5",
    )


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("openclaw-*/foreign/*")), ids=lambda path: path.name)
def test_lines_of_others_in_the_tree_pin_nobodys_model(path: Path) -> None:
    """A host that lost the thread begins a new root, or a branch on the other's line; that is no person's choice."""
    state = fold(events_of(entries_of(path)))
    assert (state.current, state.pinned, dict(state.tried), state.last_good) == (KIMI, None, {}, KIMI)


# The session's model and the attempted one


def test_a_model_named_on_a_branch_that_has_one_is_a_persons_choice() -> None:
    assert told(answer(KIMI), change(ZHIPU), answer(ZHIPU)) == [
        ("succeeded", KIMI),
        ("user", KIMI, ZHIPU),
        ("succeeded", ZHIPU),
    ]
    assert told(change(KIMI)) == [("user", KIMI, KIMI)]
    assert told(user(id="x"), change(ZHIPU, "x")) == [("user", KIMI, ZHIPU)]
    assert told(snapshot(KIMI, parentId=None, id="x"), change(ZHIPU, "x")) == [("user", KIMI, ZHIPU)]


def test_a_new_root_is_the_configurations_if_its_model_is_another() -> None:
    assert told(answer(KIMI), change(KIMI, None)) == [("succeeded", KIMI)]
    assert told(answer(KIMI), change(ZHIPU, None)) == [("succeeded", KIMI), ("config", KIMI, ZHIPU)]


def test_a_branch_is_opened_behind_entries_that_name_no_model() -> None:
    opened = [
        entry("custom", parentId=None, id="x"),
        entry("thinking_level_change", parentId="x", id="y"),
        change(ZHIPU, "y", id="z"),
    ]
    assert told(*opened, change(LOCAL, "z")) == [("config", KIMI, ZHIPU), ("user", ZHIPU, LOCAL)]


def test_a_session_without_a_model_change_begins_with_its_first_snapshot() -> None:
    events = events_of([user(), snapshot(KIMI), answer(KIMI), snapshot(ZHIPU), snapshot(KIMI)])
    assert [short(event)[0] for event in events] == ["initial", "succeeded", "fallback", "reverted"]


def test_a_snapshot_of_the_current_model_tells_nothing() -> None:
    assert told(snapshot(KIMI)) == []


def test_the_way_back_is_to_the_model_that_was_chosen_last() -> None:
    events = told(snapshot(ZHIPU), change(LOCAL), snapshot(ZHIPU), snapshot(KIMI), snapshot(LOCAL))
    assert [cause for cause, *_ in events] == ["fallback", "user", "fallback", "fallback", "reverted"]


def test_an_answer_of_another_model_says_that_the_host_turned_to_it() -> None:
    first, *events = events_of([change(KIMI, None), answer(ZHIPU, id="a1"), failed(KIMI, id="b2")])
    assert [(event.id, *short(event)) for event in events] == [
        ("a1.switch", "fallback", KIMI, ZHIPU),
        ("a1", "succeeded", ZHIPU),
        ("b2.switch", "reverted", ZHIPU, KIMI),
        ("b2", "failed", KIMI, "auth"),
    ]
    assert first.id is not None


# How an attempt ended


@pytest.mark.parametrize("stopped", ["stop", "toolUse", "length", "refusal"])
def test_an_answer_is_a_success_however_long(stopped: str) -> None:
    assert told(answer(KIMI, stopped)) == [("succeeded", KIMI)]


def test_who_stops_a_run_blames_nobody() -> None:
    (event,) = events_of([change(KIMI, None), answer(KIMI, "aborted", "429 try again in 9s")])[1:]
    assert isinstance(event, AttemptFailed)
    assert (event.reason, event.status, event.retry_after_ms) == ("aborted", None, None)
    assert told(prompt_error(KIMI, "aborted")) == [("failed", KIMI, "aborted")]


def spoken(text: str) -> Entry:
    said = answer("openclaw/gateway-injected")
    said["message"]["content"] = [{"type": "text", "text": text}]  # type: ignore[index]
    return said


@pytest.mark.parametrize("told_as", [ZHIPU, f"GLM ({ZHIPU})"])
def test_a_persons_choice_counts_with_the_next_attempt_and_pins(told_as: str) -> None:
    entries = [change(KIMI, None), spoken(f"Model set to {told_as}."), snapshot(ZHIPU), answer(ZHIPU)]
    events = events_of(entries)
    assert [short(event) for event in events][1:] == [("user", KIMI, ZHIPU), ("succeeded", ZHIPU)]
    assert fold(events).pinned == ZHIPU
    events = events_of([*entries, spoken(f"Model reset to default ({KIMI})."), snapshot(KIMI)])
    assert short(events[-1]) == ("unpin", ZHIPU, KIMI)
    assert fold(events).pinned is None


def test_what_a_model_or_a_person_says_of_models_chooses_none() -> None:
    said = answer(KIMI)
    said["message"]["content"] = spoken(f"Model set to {ZHIPU}.")["message"]["content"]  # type: ignore[index]
    assert told(said, snapshot(ZHIPU))[-1] == ("fallback", KIMI, ZHIPU)
    assert told(spoken(f'Model "{ZHIPU}" is not allowed.'), snapshot(ZHIPU)) == [("fallback", KIMI, ZHIPU)]


def test_what_the_host_calls_an_error_is_one_whatever_its_text() -> None:
    assert told(failed(KIMI, "Request was aborted")) == [("failed", KIMI, "unknown")]


def test_the_hosts_own_tries_in_a_row_are_one_incident() -> None:
    limited = [failed(KIMI, "429 slow down") for _ in range(4)]
    once = fold(events_of([change(KIMI, None), user(), *limited]))
    assert once.tried[KIMI]["rate_limit"].count == 1
    twice = fold(events_of([change(KIMI, None), user(), *limited, user(), *limited]))
    assert twice.tried[KIMI]["rate_limit"].count == 2


def test_what_the_host_says_itself_is_no_models_answer() -> None:
    assert told(answer("openclaw/gateway-injected"), answer("openclaw/delivery-mirror"), snapshot("openclaw/x")) == []


@pytest.mark.parametrize("end", [failed(KIMI), answer(KIMI, "aborted"), prompt_error(KIMI, "429 slow down")])
@pytest.mark.parametrize("error", ["aborted", "401 Invalid API key"])
def test_a_prompt_error_behind_the_end_of_its_attempt_adds_nothing(end: Entry, error: str) -> None:
    assert told(end, prompt_error(KIMI, error)) == told(end)


@pytest.mark.parametrize("between", [[user()], [answer(KIMI)], [failed(ZHIPU)], [snapshot(ZHIPU), snapshot(KIMI)]])
def test_a_prompt_error_of_another_attempt_counts(between: list[Entry]) -> None:
    assert told(failed(KIMI), *between, prompt_error(KIMI, "503 busy"))[-1] == ("failed", KIMI, "overloaded")


def test_a_failure_tells_its_status_its_error_and_the_wait() -> None:
    (event,) = events_of(
        [change(KIMI, None), failed(KIMI, "429 Rate limit reached, try again in 1m30s. " + "x" * 9_000)]
    )[1:]
    assert isinstance(event, AttemptFailed)
    assert (event.reason, event.status, event.retry_after_ms) == ("rate_limit", 429, 90_000)
    assert len(event.error or "") == 500
    assert (event.error or "").endswith("…")


def test_a_wait_from_an_unknown_time_on_is_none() -> None:
    (event,) = events_of([change(KIMI, None), failed(KIMI, "429 try again in 9s", timestamp=None)])[1:]
    assert isinstance(event, AttemptFailed)
    assert (event.reason, event.retry_after_ms, event.timestamp) == ("rate_limit", None, None)


def test_a_failure_without_words_is_unknown() -> None:
    assert told(answer(KIMI, "error"), user(), prompt_error(KIMI, None)) == [("failed", KIMI, "unknown")] * 2


def test_what_is_no_models_fault_enters_no_tried_set() -> None:
    texts = (
        "prompt is too long: 208310 tokens",
        "invalid temperature: only 1",
        "finish_reason: content_filter",
    )
    events = events_of([change(KIMI, None), *(failed(KIMI, text) for text in texts)])
    reasons = [event.reason for event in events if isinstance(event, AttemptFailed)]
    assert len(set(reasons)) == 3
    assert not any(map(blames, reasons))
    assert dict(fold(events).tried) == {}


# Entries that tell nothing, and hostile ones


@pytest.mark.parametrize(
    "one",
    [
        {},
        {"type": "session", "version": 4, "id": "s", "provider": "zhipu", "modelId": "glm-5.1"},
        {"type": 7, "message": {"role": "assistant"}},
        {"type": "message", "message": "assistant"},
        {"type": "custom", "customType": "model-snapshot", "data": [1]},
        {"type": "custom", "customType": "model_switch", "data": {"from": "a", "to": "b"}},
        {"type": "custom_message", "customType": "run-failed-before-reply", "content": "All models failed (5)"},
        {"type": "compaction", "summary": "reply", "firstKeptEntryId": "x"},
        {"type": "attempt_failed", "model": ZHIPU, "reason": "auth"},
        {"type": "model_switch", "from": KIMI, "to": ZHIPU},
        {"type": "assistant", "provider": "zhipu", "model": "glm-5.1", "stopReason": "stop"},
        answer(ZHIPU, None),
        answer(ZHIPU, ""),
        answer(ZHIPU, 1),
        user(),
        change("zhipu/" + "x" * 251),
        change("zhipu/glm\x1b[2J"),
        change("zhipu/\ud800"),
        change("zhipu/"),
        change("/glm"),
        snapshot("a" * 257 + "/x"),
    ],
    ids=lambda one: json.dumps(one)[:60],
)
def test_an_entry_without_a_model_or_an_end_tells_nothing(one: Entry) -> None:
    assert told(one) == []


def test_a_model_id_of_256_characters_is_one() -> None:
    assert told(change("zhipu/" + "x" * 250))[0][0] == "user"


@pytest.mark.parametrize("identity", [None, 7, "", "x" * 257, "a\nb", "\ud800", "deadbeef.switch", ["x"]])
def test_an_entry_whose_id_is_none_still_gets_one_and_always_the_same(identity: object) -> None:
    entries = [change(KIMI, None, id=identity), failed(KIMI, id=identity), answer(ZHIPU, id=identity)]
    ids = [event.id for event in events_of(entries)]
    assert len(ids) == len(set(ids)) == 4
    assert ids == [event.id for event in events_of(deepcopy(entries))]


def test_an_entry_that_is_there_twice_happened_once() -> None:
    assert told(failed(KIMI, id="a"), answer(ZHIPU, id="b"), failed(KIMI, id="a")) == told(
        failed(KIMI, id="a"), answer(ZHIPU, id="b")
    )


@pytest.mark.parametrize(
    ("stamp", "inner", "time"),
    [
        (STAMP, 0, STAMP),
        ("2026-11-22T15:31:22.340999+01:00", None, STAMP),
        (None, 1795357882340, STAMP),
        ("yesterday", 1795357882340, STAMP),
        (1795357882340, None, STAMP),
        (None, 2**60, None),
        (None, 2**53 - 1, None),
        (None, -1, None),
        (None, True, None),
        (float("nan"), 1.5, None),
        ("2026-11-22T14:31:22", None, None),
    ],
)
def test_the_time_is_the_entrys_or_the_one_within(stamp: object, inner: object, time: str | None) -> None:
    one = answer(KIMI)
    message = one["message"]
    assert isinstance(message, dict)
    one |= {"timestamp": stamp, "message": message | {"timestamp": inner}}
    (event,) = events_of([change(KIMI, None), one])[1:]
    assert (None if event.timestamp is None else format_time(event.timestamp)) == time


def test_what_is_kept_is_bounded() -> None:
    transcript = Transcript()
    for number in range(20_000):
        transcript.feed(user(id=f"root{number}", parentId=None))
        transcript.feed(answer(f"p/{number}", id=f"a{number}"))
    kept = [value for value in vars(transcript).values() if isinstance(value, dict)]
    assert len(kept) == 2
    assert all(len(one) == 1024 for one in kept)


REAL = [one for path in RECORDED for one in entries_of(path)[:40]]
WORDS = st.sampled_from(
    [
        *(
            "message",
            "custom",
            "model_change",
            "model-snapshot",
            "openclaw:prompt-error",
            "session",
            "assistant",
            "user",
        ),
        *("error", "aborted", "stop", "kimi", "openclaw", "kimi2.5", "x" * 300, "\ud800", "\x00", "", ".switch", STAMP),
        *("429 try again in 9999999d", "9999-12-31T23:59:59-14:00", "retry-after", '{"code":429}'),
    ]
)
LEAVES = st.one_of(
    WORDS,
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from((2**53, 2**70, -1)),
    st.floats(),
    st.text(max_size=5),
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=6
)
FIELDS = ("type", "id", "parentId", "timestamp", "customType", "data", "message", "provider", "modelId")
INNER = ("role", "provider", "model", "modelId", "stopReason", "errorMessage", "error", "timestamp")


@st.composite
def mutated(draw: st.DrawFn) -> Entry:
    """A real entry of which a field or two became something else, or nothing."""
    one = deepcopy(draw(st.sampled_from(REAL)))
    for _ in range(draw(st.integers(0, 2))):
        inner = one.get(draw(st.sampled_from(("message", "data", ""))))
        holder, names = (inner, INNER) if isinstance(inner, dict) else (one, FIELDS)
        name = draw(st.sampled_from(names))
        if draw(st.booleans()):
            holder[name] = draw(VALUES)
        else:
            holder.pop(name, None)
    return one


made = st.lists(mutated() | st.dictionaries(st.sampled_from(FIELDS) | WORDS, VALUES, max_size=5), max_size=12)


@settings(max_examples=250)
@given(made, st.integers(0, 12))
def test_any_entries_give_events_that_can_be_written_and_folded(entries: list[Entry], cut: int) -> None:
    before = deepcopy(entries)
    events = events_of(entries)
    assert repr(entries) == repr(before)
    assert events_of(entries) == events
    assert events_of(entries[:cut]) == events[: len(events_of(entries[:cut]))]
    assert len(events) <= 2 * len(entries)
    assert len({event.id for event in events}) == len(events)
    for event in events:
        assert is_complete(event)
        assert codec.decode(codec.encode(event, session="s", parent_id=None, prev=None).data) is not None
    fold(events)
