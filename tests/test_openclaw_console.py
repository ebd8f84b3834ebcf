"""The console dialect against real logs, against what the provider received, and against text of any kind."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay import AttemptFailed, AttemptSucceeded, Event, ModelSwitch, event_from_fields, fields_from_event, fold
from replay.dialects.openclaw_console import ConsoleLog, LogLine
from replay.dialects.openclaw_forms import is_console_line
from replay.events import format_time, type_name

FIXTURES = Path(__file__).parent.parent / "fixtures"
SESSION = "17a309d8-bee5-4752-8775-5791d41df367"
KINDS = {"event", "restart", "skip", "other", "blank", "unreadable"}
AT = "2026-11-22T14:31:22.365+00:00"


def lines_of(name: str) -> list[str]:
    return (FIXTURES / name).read_text("utf-8").removesuffix("\n").split("\n")


def read(lines: Iterable[str]) -> list[LogLine]:
    log = ConsoleLog()
    return [log.feed(line) for line in lines]


def events_of(lines: Iterable[str]) -> list[Event]:
    return [event for line in read(lines) for event in line.events]


def of_session(start: str, name: str) -> list[Event]:
    return [event for event in events_of(lines_of(name)) if (event.session or "").startswith(start)]


def kinds_of(lines: Iterable[str]) -> Counter[str]:
    return Counter(line.kind for line in read(lines))


def short(event: Event) -> tuple[str | None, ...]:
    match event:
        case ModelSwitch():
            return event.cause, event.from_, event.to
        case AttemptFailed():
            return "failed", event.model, event.reason
        case AttemptSucceeded():
            return "succeeded", event.model
    raise AssertionError(event)


def failed(model: str, reason: str, following: str = "none", at: str = AT, detail: str = "") -> str:
    return (
        f"{at} [model-fallback/decision] model fallback decision: decision=candidate_failed requested=kimi/kimi2.5 "
        f"candidate={model} reason={reason} next={following}{detail}"
    )


# Recorded logs


def test_the_incident_is_ten_events_in_order() -> None:
    lines = read(lines_of("seed/17a309d8.gateway.log"))
    events = [event for line in lines for event in line.events]
    kimi, zhipu, r1 = "kimi/kimi2.5", "zhipu/glm-5.1", "siliconflow/deepseek-ai/DeepSeek-R1"
    coding, local = "kimi/kimi-for-coding", "local/qwen2.5:14b"
    assert [(format_time(event.timestamp)[11:] if event.timestamp else None, *short(event)) for event in events] == [
        ("04:55:40.884Z", "reverted", zhipu, kimi),
        ("04:55:40.889Z", "failed", zhipu, "redirected"),
        ("04:55:40.889Z", "fallback", zhipu, r1),
        ("04:55:40.906Z", "reverted", r1, kimi),
        ("04:55:40.907Z", "failed", r1, "redirected"),
        ("04:55:40.907Z", "fallback", r1, coding),
        ("04:55:40.946Z", "reverted", coding, kimi),
        ("04:55:40.947Z", "failed", coding, "redirected"),
        ("04:55:40.947Z", "fallback", coding, local),
        ("04:55:40.965Z", "reverted", local, kimi),
    ]
    assert {event.session for event in events} == {SESSION}
    assert len({event.id for event in events}) == 10
    assert not any(event.extra for event in events)
    assert Counter(line.kind for line in lines) == {"restart": 1, "other": 8, "event": 7}
    assert [line.number for line in lines] == list(range(1, 17))


def test_the_incident_leaves_the_primary_current_and_nothing_tried() -> None:
    state = fold(events_of(lines_of("seed/17a309d8.gateway.log")))
    assert (state.current, dict(state.tried), state.pinned) == ("kimi/kimi2.5", {}, None)


def test_the_incident_that_ships_is_the_issues() -> None:
    shipped = FIXTURES.parent / "cli" / "incident.log"
    assert shipped.read_bytes() == (FIXTURES / "seed/17a309d8.gateway.log").read_bytes()


def test_three_restarts_of_which_two_are_logged_reverted_twelve_times() -> None:
    lines = lines_of("seed/17a309d8.three-restarts.gateway.log")
    events = events_of(lines)
    assert Counter(short(event)[0] for event in events) == {"reverted": 12}
    assert {event.session for event in events} == {None}  # the short form names none; whoever imports it knows
    assert kinds_of(lines) == {"restart": 2, "event": 12, "other": 2}
    assert Counter(short(event)[1] for event in events) == {
        "zhipu/glm-5.1": 3,
        "siliconflow/DeepSeek-R1": 1,
        "siliconflow/DeepSeek-V3-0324": 1,
        "siliconflow/DeepSeek-V3.2": 1,
        "kimi/kimi-for-coding": 3,
        "local/qwen2.5:14b": 3,
    }


def test_long_and_short_form_comments_and_blank_lines_in_one_file() -> None:
    lines = lines_of("seed/674cdb94.gateway.log")
    events = events_of(lines)
    assert kinds_of(lines) == {"event": 10, "blank": 2, "other": 3}
    assert [event.session for event in events] == ["674cdb94-f203-44b1-bb08-49d5ae7e93ee"] * 4 + [None] * 6
    assert {short(event)[0] for event in events} == {"reverted"}


OLD, NEW = "openclaw-2026.3.28/gateway-console.", "openclaw-2026.9.6/gateway-console."
# Counted by hand: candidate_failed by session, of which redirected; then candidate_succeeded, switches, restarts.
COUNTS: dict[str, tuple[dict[str, tuple[int, int]], int, int, int]] = {
    f"{OLD}1421-first-turns.log": ({}, 0, 0, 1),
    f"{OLD}1431-fallback-kill-term.log": ({"33333333": (13, 0), "fd3d29ff": (12, 9)}, 5, 12, 3),
    f"{OLD}1434-foreign-lines.log": ({"f5ccf2f4": (4, 4)}, 0, 4, 0),
    f"{OLD}1438-keyed-patch-kill-hang.log": (
        {"95a7356e": (4, 3), "7b97297f": (4, 4), "0df6141c": (4, 3)},
        0,
        13,
        2,
    ),
    f"{OLD}1445-loop.log": ({"6c1f58df": (24, 18)}, 0, 24, 0),
    f"{OLD}1447-foreign-lines-kill.log": ({}, 0, 0, 1),
    f"{OLD}1452-patch-during-retries.log": ({"8cd3c05d": (1, 0)}, 1, 1, 0),
    f"{NEW}1423-first-turns.log": ({}, 0, 0, 0),
    f"{NEW}1432-fallback.log": ({"b993d365": (7, 3), "ff3506f5": (5, 5)}, 5, 0, 0),
    f"{NEW}1435-after-kill.log": ({"b993d365": (4, 2), "ff3506f5": (2, 2)}, 4, 0, 1),
    f"{NEW}1439-cooldown-kill-recover.log": ({"a5dc14f4": (4, 1)}, 4, 0, 1),
    f"{NEW}1455-user-pin.log": ({"7852528d": (2, 0)}, 1, 0, 0),
}


def test_every_console_log_here_is_counted() -> None:
    assert {f"{path.parent.name}/{path.name}" for path in FIXTURES.glob("openclaw-*/*.log")} == set(COUNTS)


@pytest.mark.parametrize("name", COUNTS)
def test_a_recorded_log_gives_what_a_count_by_hand_gives(name: str) -> None:
    by_session, succeeded, switches, restarts = COUNTS[name]
    lines = lines_of(name)
    events = events_of(lines)
    failures = [event for event in events if isinstance(event, AttemptFailed)]
    redirected = Counter((event.session or "")[:8] for event in failures if event.reason == "redirected")
    assert {
        session: (count, redirected[session])
        for session, count in Counter((event.session or "")[:8] for event in failures).items()
    } == by_session
    assert len(failures) == sum("decision=candidate_failed" in line for line in lines)
    assert sum(isinstance(event, AttemptSucceeded) for event in events) == succeeded
    assert sum(isinstance(event, ModelSwitch) and event.cause == "reverted" for event in events) == switches
    kinds = kinds_of(lines)
    assert kinds["restart"] == restarts
    assert kinds["unreadable"] == kinds["skip"] == 0
    assert all(line.number == number for number, line in enumerate(read(lines), start=1))


def sessions_by_hand(lines: list[str]) -> Counter[str]:
    """candidate_failed by session without the dialect: whoever the last switch or lane error before it names."""
    keys = {key: session for session, key in re.findall(r"sessionId=(\S+) sessionKey=(\S+)", "\n".join(lines))}
    counts: Counter[str] = Counter()
    owner = ""
    for line in lines:
        if found := re.search(r"lane task error: lane=session:(\S+)|live session model switch .* for (\S+):", line):
            owner = found[2] or keys.get(found[1], found[1])
        if "decision=candidate_failed" in line:
            counts[owner] += 1
    return counts


@pytest.mark.parametrize("name", COUNTS)
def test_the_join_agrees_with_the_line_before(name: str) -> None:
    lines = lines_of(name)
    joined = Counter(event.session for event in events_of(lines) if isinstance(event, AttemptFailed))
    assert joined == sessions_by_hand(lines)


@pytest.mark.parametrize("name", COUNTS)
def test_no_more_attempts_than_requests_that_the_provider_received(name: str) -> None:
    requests: Counter[tuple[str | None, str]] = Counter()
    for row in lines_of("truth.tsv")[1:]:
        file, session, _, model, _, count = row.split("\t")
        if file == name:
            requests[session, model] += int(count)
    attempts: Counter[tuple[str | None, str]] = Counter()
    for event in events_of(lines_of(name)):
        if isinstance(event, AttemptSucceeded) or (isinstance(event, AttemptFailed) and event.reason != "redirected"):
            attempts[event.session, event.model] += 1
    assert {key: count for key, count in attempts.items() if count > requests[key]} == {}


def test_restarts_are_those_that_happened() -> None:
    starts = Counter(row.split("\t")[0] for row in lines_of("restarts.tsv")[1:] if row.split("\t")[2] == "start")
    logged = Counter[str]()
    for name, (*_, restarts) in COUNTS.items():
        logged[name.partition("/")[0]] += restarts
    logged["openclaw-2026.3.28"] -= 1  # the first start of all: nothing was stopped before it
    assert logged == starts


def test_a_model_that_was_asked_before_the_switch_keeps_its_failure() -> None:
    switch, failure, fallback, success = events_of(lines_of(f"{OLD}1452-patch-during-retries.log"))
    assert short(switch) == ("reverted", "kimi/kimi2.5", "zhipu/glm-5.1")
    assert isinstance(failure, AttemptFailed)
    assert (failure.reason, failure.status) == ("unknown", 429)
    assert failure.error == "⚠️ API rate limit reached. Please try again later."
    assert short(fallback) == ("fallback", "kimi/kimi2.5", "zhipu/glm-5.1")
    assert short(success) == ("succeeded", "zhipu/glm-5.1")


def test_a_plugin_that_overrides_the_model_does_not_hide_the_redirect() -> None:
    events = of_session("7b97297f", f"{OLD}1438-keyed-patch-kill-hang.log")
    deepseek = "siliconflow/deepseek-ai/DeepSeek-V3.2"
    assert [short(event) for event in events[:3]] == [
        ("reverted", deepseek, "kimi/kimi2.5"),
        ("failed", "kimi/kimi2.5", "redirected"),
        ("fallback", "kimi/kimi2.5", "zhipu/glm-5.1"),
    ]
    assert dict(fold(events).tried) == {}


def test_a_candidate_that_the_gateway_refused_itself_is_not_blamed_and_its_reason_is_kept() -> None:
    new = of_session("ff3506f5", f"{NEW}1432-fallback.log")
    assert {event.extra.get("loggedReason") for event in new if isinstance(event, AttemptFailed)} == {"auth"}
    assert dict(fold(new).tried) == {}
    locked = events_of(lines_of(f"{OLD}1434-foreign-lines.log"))[0]
    assert isinstance(locked, AttemptFailed)
    assert (locked.reason, dict(locked.extra)) == ("redirected", {"loggedReason": "timeout"})
    assert (locked.error or "").startswith("Error: session file locked (timeout 10000ms)")


def test_errors_and_status_come_from_the_same_attempt() -> None:
    failures = [e for e in events_of(lines_of(f"{OLD}1431-fallback-kill-term.log")) if isinstance(e, AttemptFailed)]
    told = {(event.reason, event.status, event.error) for event in failures}
    assert told == {
        ("auth", 401, "HTTP 401: Invalid API key"),
        ("rate_limit", 429, "⚠️ API rate limit reached. Please try again later."),
        ("timeout", 500, "HTTP 500: internal server error"),
        ("redirected", None, None),
    }


# Forms that the recordings don't hold


def switch(left: str, right: str, session: str | None = None, at: str = AT, when: str = "before attempt") -> str:
    where = f" {when} for {session}" if session else ""
    return f"{at} [agent/embedded] live session model switch detected{where}: {left} -> {right}"


def agent_ended(run: str) -> str:
    told = f"runId={run} isError=true model=1 provider=a error=no rawError=429"
    return f"{AT} [agent/embedded] embedded run agent end: {told}"


def lane_ended(lane: str, error: str = "no", done: bool = False) -> str:
    what = "done" if done else "error"
    return f'{AT} [diagnostic] lane task {what}: lane=session:{lane} durationMs=9 error="{error}"'


def decided(decision: str, model: str, following: str = "none") -> str:
    return failed(model, "rate_limit", following).replace("candidate_failed", decision, 1)


def test_a_short_form_line_belongs_to_the_chain_that_waits_for_its_model() -> None:
    lines = [switch("a/1", "p/0", "s1"), failed("a/1", "unknown", "b/2"), switch("b/2", "p/0"), switch("c/3", "p/0")]
    assert [line.session for line in read(lines)] == ["s1", "s1", "s1", None]


def test_a_short_form_redirect_needs_no_session() -> None:
    events = events_of([switch("a/1", "p/0"), failed("a/1", "unknown", "b/2"), failed("b/2", "auth")])
    assert [short(event)[2] for event in events if isinstance(event, AttemptFailed)] == ["redirected", "auth"]
    assert {event.session for event in events} == {None}


def test_an_unknown_failure_without_a_switch_stays_unknown() -> None:
    (event, _) = events_of([failed("a/1", "unknown", "b/2", detail=" detail=CLI backend cannot enforce toolsAllow")])
    assert isinstance(event, AttemptFailed)
    assert (event.reason, event.error) == ("unknown", "CLI backend cannot enforce toolsAllow")


def test_a_redirect_of_long_ago_excuses_nobody() -> None:
    events = events_of([switch("a/1", "p/0", "s1"), failed("a/1", "unknown", at="2026-11-22T15:31:22.365+00:00")])
    assert short(events[1]) == ("failed", "a/1", "unknown")
    assert events[1].session is None


def test_a_restart_ends_every_attempt() -> None:
    lines = [switch("a/1", "p/0", "s1"), f"{AT} [gateway] agent model: p/0", failed("a/1", "unknown")]
    assert [line.session for line in read(lines)] == ["s1", None, None]


def test_an_announced_restart_is_counted_once() -> None:
    announced, started = f"{AT} [gateway] restart mode: full process restart", f"{AT} [gateway] agent model: p/0"
    kinds = [line.kind for line in read([started, announced, started, started])]
    assert kinds == ["restart", "restart", "other", "restart"]


def test_skipped_and_probed_candidates_are_counted_and_the_chain_goes_on() -> None:
    lines = [
        switch("a/1", "p/0", "s1"),
        failed("a/1", "unknown", "b/2"),
        decided("skip_candidate", "b/2", "c/3"),
        decided("probe_cooldown_candidate", "c/3", "d/4"),
        failed("c/3", "rate_limit", "d/4"),
        decided("candidate_succeeded", "d/4", "e/5"),
        f"{AT} [agent/embedded] embedded run start: runId=r2 sessionId=s2 provider=z model=9 thinking=off",
        decided("skip_candidate", "z/9"),
    ]
    told = read(lines)
    assert [line.kind for line in told] == ["event", "event", "skip", "skip", "event", "event", "other", "skip"]
    assert [line.session for line in told] == ["s1"] * 6 + [None, None]
    assert [short(event) for event in told[5].events] == [("succeeded", "d/4")]


def test_a_run_is_joined_when_its_session_becomes_known() -> None:
    lines = [
        agent_ended("r1"),
        f"{AT} [agent/embedded] embedded run prompt end: runId=r1 sessionId=s1 durationMs=32",
        f"{AT} [agent/embedded] embedded run failover decision: runId=r1 decision=fallback_model from=a/1 profile=-",
        failed("a/1", "rate_limit", "b/2"),
    ]
    told = read(lines)
    assert [line.session for line in told] == [None, None, None, "s1"]
    assert [(event.error, event.status) for event in told[3].events if isinstance(event, AttemptFailed)] == [
        ("no", 429)
    ]


def test_a_quiet_log_learns_the_run_from_the_redirect_that_follows() -> None:
    lines = [
        agent_ended("r1"),
        failed("a/1", "auth", "b/2"),
        switch("b/2", "a/1", "s1"),
        failed("b/2", "unknown"),
        agent_ended("r1"),
        failed("a/1", "auth", "b/2"),
    ]
    assert [line.session for line in read(lines)] == [None, None, "s1", "s1", None, "s1"]


@pytest.mark.parametrize("lane", ["agent:main:x", "unknown"])
def test_a_lane_whose_session_nobody_named_joins_no_other(lane: str) -> None:
    lines = [
        f"{AT} [agent/embedded] embedded run start: runId=r1 sessionId=s1 provider=a model=1 thinking=off",
        f"{AT} [diagnostic] session state: sessionId=s1 sessionKey=unknown prev=idle",
        lane_ended(lane, "no sessionId=s1"),
        failed("a/1", "auth", "b/2"),
    ]
    assert read(lines)[3].session is None


def test_a_lane_named_by_a_session_id_needs_no_earlier_line() -> None:
    assert read([lane_ended(SESSION), failed("a/1", "auth", "b/2")])[1].session == SESSION


def test_a_decision_is_joined_once() -> None:
    lines = [switch("a/1", "p/0", "s1"), failed("a/1", "unknown"), failed("a/1", "unknown")]
    assert [line.session for line in read(lines)] == ["s1", "s1", None]


def test_of_two_runs_on_one_model_the_decision_belongs_to_the_one_that_gave_up() -> None:
    lines = [
        *[f"{AT} [agent/embedded] embedded run prompt start: runId=r{one} sessionId=s{one}" for one in (1, 2)],
        *[agent_ended(f"r{one}") for one in (1, 2, 1)],
        f"{AT} [agent/embedded] embedded run failover decision: runId=r1 decision=fallback_model provider=a/1",
        agent_ended("r2"),
        failed("a/1", "rate_limit"),
        failed("a/1", "rate_limit"),
    ]
    assert [line.session for line in read(lines)][-2:] == ["s1", "s2"]


def test_a_run_that_has_just_answered_did_not_fail() -> None:
    lines = [
        f"{AT} [agent/embedded] embedded run prompt start: runId=r2 sessionId=s2",
        agent_ended("r2"),
        f"{AT} [agent/embedded] embedded run start: runId=r1 sessionId=s1 provider=a model=1 thinking=off",
        lane_ended("s1", done=True),
        failed("a/1", "rate_limit"),
    ]
    assert read(lines)[-1].session == "s2"


LATER = "2026-11-22T15:31:22.365+00:00"


def test_an_hour_after_a_redirect_the_same_session_and_model_can_fail_by_themselves() -> None:
    lines = [
        f"{AT} [diagnostic] session state: sessionId=s1 sessionKey=k1 prev=idle",
        f"{AT} [agent/embedded] embedded run prompt end: runId=r2 sessionId=s1",
        switch("a/1", "p/0", "s1"),
        agent_ended("r2").replace(AT, LATER),
        failed("a/1", "rate_limit", at=LATER),
        switch("a/1", "p/0", "s1"),
        lane_ended("k1").replace(AT, LATER),
        failed("p/0", "auth", at=LATER),
    ]
    told = [line.session for line in read(lines)]
    assert (told[4], told[7]) == ("s1", "s1")


def test_a_lane_that_begins_anew_forgets_an_end_without_a_decision() -> None:
    lines = [
        f"{AT} [diagnostic] session state: sessionId=s1 sessionKey=k1 prev=idle",
        switch("z/9", "a/1", "s1"),
        f"{AT} [diagnostic] lane dequeue: lane=session:k1 waitMs=0 queueSize=0",
        lane_ended("k1"),
        failed("a/1", "timeout"),
    ]
    assert read(lines)[4].session == "s1"


def test_the_error_of_an_attempt_on_another_model_is_left_out() -> None:
    lines = [f"{AT} [agent/embedded] embedded run prompt start: runId=r1 sessionId=s1", agent_ended("r1")]
    (event,) = events_of([*lines, failed("b/2", "timeout")])
    assert isinstance(event, AttemptFailed)
    assert (event.session, event.error, event.status) == ("s1", None, None)


def test_half_a_surrogate_pair_in_a_model_has_an_id() -> None:
    (event,) = events_of([failed("a/\ud83d", "auth")])
    assert isinstance(event, AttemptFailed)
    assert (event.model, len(event.id or "")) == ("a/\ud83d", 16)


def test_lines_that_a_journal_has_prefixed_are_the_same_events() -> None:
    line = failed("a/1", "timeout", "b/2")
    assert events_of([f"May 04 19:14:06 host node[1210995]: {line}"]) == events_of([line])
    assert is_console_line(f"May  4 19:14:06 host node[1210995]: {line}")


@pytest.mark.parametrize(
    "text",
    [
        f"{AT} [agent/embedded] live session model switch detected before attempt for 17a309d8-bee5",
        f"{AT} [agent/embedded] live session model switch detected: a/1 ->",
        f"{AT} [agent/embedded] live session model switch detected before attempt for ../../etc/passwd: a/1 -> b/2",
        f"{AT} [agent/embedded] live session model switch detected: {'a' * 300} -> b/2",
        f"{AT} [model-fallback/decision] model fallback decision: decision=candidate_failed requested=a/1",
        failed("a" * 300, "auth"),
        f"{AT} [model-fallback/decision] model fallback decision: decision=something_new candidate=a/1",
        "2026-13-45T14:31:22.365+00:00 [agent/embedded] live session model switch detected: a/1 -> b/2",
    ],
)
def test_a_cut_or_garbled_line_is_counted_as_unreadable(text: str) -> None:
    assert read([text]) == [LogLine(1, "unreadable")]


@pytest.mark.parametrize(
    "text",
    [
        "...",
        "# Pattern continues for hours",
        "[gateway] requires state migration.",
        f"{AT} web_search: no provider configured",
        f"{AT} reply 5: live session model switch detected: a/1 -> b/2",
        f"{AT} [ws] → event agent text=live session model switch detected: a/1 -> b/2",
        "2026-11-22T14:31:22.365 [agent/embedded] live session model switch detected: a/1 -> b/2",
        "2026-13-45T14:31:22.365+00:00 [ws] something",
        f"{AT} [agent/embedded] embedded run done: durationMs=3",
        f"{AT} [diagnostic] lane task done: lane=main durationMs=105",
    ],
)
def test_what_only_looks_like_a_switch_is_other(text: str) -> None:
    assert read([text]) == [LogLine(1, "other")]


def test_a_log_of_countless_sessions_holds_bounded_memory() -> None:
    log = ConsoleLog()
    for number in range(3000):
        log.feed(
            f"{AT} [agent/embedded] embedded run start: runId=r{number} sessionId=s{number} provider=a model={number}"
        )
    assert log.feed(failed("a/2999", "auth")).session == "s2999"
    assert log.feed(failed("a/3", "auth")).session is None


# Two sessions at once: each log keeps its order, the lines that end an attempt stay beside their decision.


def blocks_of(lines: list[str]) -> list[list[str]]:
    blocks: list[list[str]] = [[]]
    for line in lines:
        blocks[-1].append(line.partition(" ")[2])
        if not re.search(r"lane task (error|interrupted|done)|live session model|\[ws\]", line):
            blocks.append([])
    return blocks


def part(name: str, first: int, last: int) -> list[str]:
    return lines_of(name)[first - 1 : last]


PAIRS = [
    # a chain that works beside one that is put back
    ([], part(f"{OLD}1431-fallback-kill-term.log", 148, 380), part(f"{OLD}1431-fallback-kill-term.log", 567, 729)),
    # candidates that get a request beside candidates that cool: the same models, and no run begins for the latter
    (
        part(f"{NEW}1432-fallback.log", 1, 558),
        part(f"{NEW}1432-fallback.log", 559, 666),
        part(f"{NEW}1432-fallback.log", 667, 823),
    ),
]


PAIRED = [
    [{"33333333-3333-4333-8333-333333333333"}, {"fd3d29ff-8139-48db-b02c-77c94d38e46c"}],
    [{"b993d365-21b5-4c4f-87c1-c42998b9ef34"}, {"ff3506f5-a3c6-4879-b95d-a2914163ebf5"}],
]
Told = list[tuple[str | None, tuple[str | None, ...]]]


def told_by_turns(before: list[str], queues: list[list[list[str]]], random: Random) -> list[Told]:
    """What each queue's lines told, its blocks taken by turns, 20 ms a line."""
    log = ConsoleLog()
    for line in before:
        log.feed(line)
    told: list[Told] = [[] for _ in queues]
    left = [list(reversed(blocks)) for blocks in queues]
    number = 0
    while any(left):
        turn = random.choice([turn for turn, blocks in enumerate(left) if blocks])
        for text in left[turn].pop():
            number += 1
            at = AT.replace("31:22.365", f"{40 + number // 3000}:{number // 50 % 60:02}.{number % 50 * 20:03}")
            told[turn].extend((event.session, short(event)) for event in log.feed(f"{at} {text}").events)
    return told


@pytest.mark.parametrize(("before", "one", "other"), PAIRS, ids=["2026.3.28", "2026.9.6"])
@settings(max_examples=60)
@given(random=st.randoms(use_true_random=False))
def test_two_interleaved_sessions_keep_their_decisions_apart(
    before: list[str], one: list[str], other: list[str], random: Random
) -> None:
    queues = [blocks_of(one), blocks_of(other)]
    alone = [told_by_turns(before, [queue], random)[0] for queue in queues]
    assert [{session for session, _ in told} for told in alone] in PAIRED
    assert told_by_turns(before, queues, random) == alone


# Text of any kind

TELLING = [
    line
    for name in [*COUNTS, "seed/17a309d8.gateway.log", "seed/674cdb94.gateway.log"]
    for line in lines_of(name)
    if re.search(r"model switch|model fallback|embedded run|lane task|\[gateway\]", line)
]
ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=60)  # lone surrogates and controls as well


@st.composite
def mutated(draw: st.DrawFn) -> str:
    line = draw(st.sampled_from(TELLING))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(line)))
        end = draw(st.integers(start, min(len(line), start + 40)))
        graft = draw(ANY_TEXT | st.sampled_from(TELLING).map(lambda other: other[20:90]))
        line = line[:start] + graft + line[end:]
    return line


TEXTS = st.lists(mutated() | ANY_TEXT | ANY_TEXT.map(lambda text: f"{AT} [agent/embedded] {text}"), max_size=12)


@given(TEXTS)
def test_any_text_gives_a_line_and_the_same_text_the_same_line(texts: list[str]) -> None:
    lines = read(texts)
    assert lines == read(texts)
    assert {line.kind for line in lines} <= KINDS
    for line in lines:
        assert (line.kind == "event") == bool(line.events)
        assert len({event.id for event in line.events}) == len(line.events)
        for event in line.events:
            assert event.session == line.session
            assert event.timestamp is not None
            assert re.fullmatch("[0-9a-f]{16}", event.id or "")
            assert event_from_fields(fields_from_event(event)) == event
    fold(event for line in lines for event in line.events)


@given(mutated(), TEXTS)
def test_an_event_has_the_same_id_wherever_its_line_stands(text: str, before: list[str]) -> None:
    def told(lines: list[str]) -> list[tuple[str, str | None]]:
        return [(type_name(event), event.id) for event in read(lines)[-1].events]

    assert told([text]) == told([*before, text])


def test_ids_of_recorded_events_differ() -> None:
    events = {(event.id, event.timestamp, *short(event)[:3]) for line in TELLING for event in events_of([line])}
    assert len(events) > 100
    assert len({event[0] for event in events}) == len(events)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 1_000_000,
        f"{AT} [" + "a" * 1_000_000,
        f"{AT} [agent/embedded] live session model switch detected" + " a" * 500_000,
        f"{AT} [agent/embedded] live session model switch detected" + " for a" * 200_000 + ": a/1 -> b/2",
        f"{AT} [agent/embedded] live session model switch detected: a/1" + " -> b" * 200_000,
        f"{AT} [agent/embedded] live session model switch detected: a/1 -> " + "b" * 1_000_000,
        f"{AT} [model-fallback/decision] model fallback decision: " + "candidate=" * 100_000,
        f"{AT} [model-fallback/decision] model fallback decision: " + "candidate=a next=b " * 50_000,
        failed("a/1", "auth", "b/2", detail=" detail=" + "session file locked " * 50_000),
        f"{AT} [agent/embedded] embedded run agent end: runId=r isError=true" + " error=x rawError=y" * 50_000,
        f"{AT} [agent/embedded] embedded run start: " + "sessionId=" + "s" * 1_000_000,
        f'{AT} [diagnostic] lane task error: lane=session:k error="' + '"' * 1_000_000,
        "Jan 01 00:00:00 " + "a" * 1_000_000,
        "\n" * 1_000_000,
    ],
    ids=range(14),
)
def test_a_hostile_line_of_a_megabyte_is_done_with_soon(text: str) -> None:
    log = ConsoleLog()
    for _ in range(3):
        line = log.feed(text)
        assert line.kind in KINDS
        assert all(len(event.error or "") <= 500 for event in line.events if isinstance(event, AttemptFailed))
    assert log.feed(failed("a/1", "auth")).kind == "event"
