"""Importing a gateway's log: twice is once, nothing is guessed, and no more happened than the provider saw."""

import json
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from commands import switchlog
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from eventlog import Kind, MisuseError, Session, UnreadableError, file, read_events
from eventlog.importer import SOURCE, BehindError, Imported, Importer
from replay import AttemptFailed, AttemptSucceeded, Event, ModelSwitch, fold
from replay.dialects.openclaw_console import ConsoleLog
from replay.dialects.openclaw_file import FileLog
from replay.dialects.openclaw_forms import is_file_line
from replay.events import format_time, type_name

pytestmark = pytest.mark.once

FIXTURES = Path(__file__).parent.parent / "fixtures"
SEED = FIXTURES / "seed"
INCIDENT = SEED / "17a309d8.gateway.log"
RESTARTS = SEED / "17a309d8.three-restarts.gateway.log"
OTHER = SEED / "674cdb94.gateway.log"
ID = "17a309d8-bee5-4752-8775-5791d41df367"
OTHER_ID = "674cdb94-f203-44b1-bb08-49d5ae7e93ee"
KIMI, ZHIPU = "kimi/kimi2.5", "zhipu/glm-5.1"
CONSOLES = sorted(FIXTURES.glob("openclaw-*/gateway-console.*"))
FILES = sorted(FIXTURES.glob("openclaw-*/gateway-file.*"))
FALLBACK = FIXTURES / "openclaw-2026.3.28" / "gateway-file.1431-fallback-kill-term.jsonl"
KEYED = FIXTURES / "openclaw-2026.3.28" / "gateway-file.1438-keyed-and-patch.jsonl"


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def imported(log: Path, into: Path, session: str | None = None, **options: bool) -> list[Imported]:
    return Importer(log, session).run(into, **options)


def events_in(path: Path) -> list[Event]:
    return [recorded.event for recorded in read_events(path)]


def ids_in(folder: Path) -> dict[str, list[str | None]]:
    return {path.name: [event.id for event in events_in(path)] for path in sorted(folder.glob("*.jsonl"))}


def bytes_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def counts(one: Imported) -> tuple[int, int, int, int, int]:
    return one.imported, one.reverted, one.redirected, one.failures, one.successes


def part_of(log: Path, where: Path, first: int, last: int | None = None) -> Path:
    """A file of some of the log's lines."""
    where.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[first:last]))
    return where


# The issue's logs, counted by hand: new events, reverted, redirected, failed requests, answers; restarts.


@pytest.mark.parametrize(
    ("log", "session", "by_hand", "restarts", "current"),
    [
        (INCIDENT, ID, (10, 4, 3, 0, 0), 1, KIMI),
        (RESTARTS, ID, (12, 12, 0, 0, 0), 2, KIMI),
        (OTHER, OTHER_ID, (10, 10, 0, 0, 0), 0, KIMI),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else None,
)
def test_an_issues_log_gives_what_a_count_by_hand_gives(
    tmp_path: Path, log: Path, session: str, by_hand: tuple[int, ...], restarts: int, current: str
) -> None:
    importer = Importer(log, session if log == RESTARTS else None)
    (one,) = importer.run(tmp_path)
    assert (one.session, counts(one), one.state.current) == (session, by_hand, current)
    assert (importer.log.kinds["restart"], importer.unknown_session, importer.held_back) == (restarts, 0, 0)
    events = read_events(one.path)
    assert fold(events) == one.state
    assert events.report.pieces == {Kind.EVENT: by_hand[0], Kind.FOREIGN: 1}
    assert not events.report.damaged
    assert events.report.unsealed == 0


def test_the_three_restarts_are_three_cascades_of_twelve_reverted(tmp_path: Path) -> None:
    (one,) = imported(RESTARTS, tmp_path, ID)
    events = events_in(one.path)
    assert all(isinstance(event, ModelSwitch) and event.cause == "reverted" for event in events)
    cascades = Counter(format_time(event.timestamp)[:16] for event in events if event.timestamp is not None)
    assert cascades == {"2026-04-02T04:55": 4, "2026-04-02T04:57": 4, "2026-04-02T04:59": 4}
    assert {event.to for event in events if isinstance(event, ModelSwitch)} == {KIMI}


def test_a_log_whose_lines_name_no_session_needs_one(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="its lines name no session; name it with --session"):
        Importer(RESTARTS)
    (one,) = imported(RESTARTS, tmp_path, "any.name_1")
    assert one.path == tmp_path / "any.name_1.jsonl"


@pytest.mark.parametrize("log", [INCIDENT, RESTARTS, OTHER, *CONSOLES, *FILES], ids=name_of)
def test_twice_imported_changes_no_byte(tmp_path: Path, log: Path) -> None:
    session = ID if log == RESTARTS else None
    first = imported(log, tmp_path, session)
    before = bytes_in(tmp_path)
    again = imported(log, tmp_path, session)
    assert bytes_in(tmp_path) == before
    assert [(one.imported, one.already_there) for one in again] == [(0, one.imported) for one in first]
    assert [one.state for one in again] == [one.state for one in first]


@pytest.mark.parametrize("log", [INCIDENT, OTHER, FALLBACK, KEYED], ids=name_of)
def test_in_part_then_whole_is_whole_and_so_is_overlapping(tmp_path: Path, log: Path) -> None:
    total = len(log.read_bytes().splitlines())
    imported(log, tmp_path / "whole")
    whole = ids_in(tmp_path / "whole")
    for cut in {1, total // 3, total // 2, total - 1}:
        folder = tmp_path / f"in-part-{cut}"
        for part in (part_of(log, tmp_path / "head", 0, cut), log, part_of(log, tmp_path / "tail", total // 4)):
            imported(part, folder)
        assert ids_in(folder) == whole
        assert [fold(read_events(path)) for path in sorted(folder.iterdir())] == [
            fold(read_events(path)) for path in sorted((tmp_path / "whole").iterdir())
        ]


def test_the_end_then_the_whole_would_be_the_wrong_order(tmp_path: Path) -> None:
    imported(part_of(FALLBACK, tmp_path / "end", 200), tmp_path / "into")
    before = bytes_in(tmp_path / "into")
    with pytest.raises(BehindError, match=r"it has the log's later attempt_succeeded of 2026-"):
        imported(FALLBACK, tmp_path / "into")
    assert bytes_in(tmp_path / "into") == before
    imported(FALLBACK, tmp_path / "into", force=True)
    imported(FALLBACK, tmp_path / "whole")
    forced, whole = ids_in(tmp_path / "into"), ids_in(tmp_path / "whole")
    assert {name: sorted(map(str, ids)) for name, ids in forced.items()} == {
        name: sorted(map(str, ids)) for name, ids in whole.items()
    }


def test_the_other_form_of_a_log_is_not_counted_twice(tmp_path: Path) -> None:
    console = FALLBACK.with_name("gateway-console.1431-fallback-kill-term.log")
    imported(console, tmp_path)
    with pytest.raises(BehindError, match="openclaw-console"):
        imported(FALLBACK, tmp_path)


# The corpus


@pytest.mark.parametrize("log", [*CONSOLES, *FILES], ids=name_of)
def test_failed_candidates_are_those_that_a_plain_count_finds(tmp_path: Path, log: Path) -> None:
    importer = Importer(log)
    done = importer.run(tmp_path)
    assert (importer.unknown_session, importer.log.kinds["unreadable"], importer.held_back) == (0, 0, 0)
    assert Counter({one.session: one.failures + one.redirected for one in done}) == grep(log)


def grep(log: Path) -> Counter[str]:
    """candidate_failed by session without a dialect: whoever the switch or lane error nearest to it names."""
    text = log.read_text("utf-8")
    keys = {key: session for session, key in re.findall(r"sessionId=(\S+) sessionKey=([\w:-]+)", text)}
    lines = text.splitlines()
    failed = [index for index, line in enumerate(lines) if re.search(r'decision(=|":")candidate_failed', line)]
    counts: Counter[str] = Counter()
    for index in failed:
        own = re.search(r'"sessionId":"([^"]+)"', lines[index])
        owner = own[1] if own else ""
        for line in [] if owner else [*reversed(lines[:index])]:
            found = re.search(r"lane task error: lane=session:(\S+)|live session model switch .* for (\S+):", line)
            if found:
                owner = found[2] or keys.get(found[1], found[1])
                break
        if not re.fullmatch(r"[0-9a-f-]{36}", owner):  # a key that no line translates: the chain's next switch does
            owner = next(filter(None, (re.search(r"model switch .* for (\S+):", line) for line in lines[index:])))[1]
        counts[owner] += 1
    return counts


@pytest.mark.parametrize("log", [*CONSOLES, *FILES], ids=name_of)
def test_no_more_requests_than_the_provider_received(tmp_path: Path, log: Path) -> None:
    received: Counter[tuple[str, str]] = Counter()
    for row in (FIXTURES / "truth.tsv").read_text("utf-8").splitlines()[1:]:
        where, session, _, model, _, count = row.split("\t")
        if where == name_of(log):
            received[session, model] += int(count)
    happened: Counter[tuple[str, str]] = Counter()
    for one in imported(log, tmp_path):
        for event in events_in(one.path):
            if isinstance(event, AttemptSucceeded) or (
                isinstance(event, AttemptFailed) and event.reason != "redirected"
            ):
                happened[one.session, event.model] += 1
        assert one.failures + one.successes == sum(count for key, count in happened.items() if key[0] == one.session)
    assert {key: count for key, count in happened.items() if count > received[key]} == {}


def test_every_log_of_the_corpus_is_here() -> None:
    told = {row.split("\t")[0] for row in (FIXTURES / "truth.tsv").read_text("utf-8").splitlines()[1:]}
    assert told <= {name_of(log) for log in [*CONSOLES, *FILES]}
    assert (len(CONSOLES), len(FILES)) == (12, 11)


PAIRS = [
    ("openclaw-2026.3.28", "1431-fallback-kill-term", "1431-fallback-kill-term"),
    ("openclaw-2026.3.28", "1445-loop", "1445-loop"),
    ("openclaw-2026.3.28", "1452-patch-during-retries", "1452-patch-during-retries"),
]


def told_of(event: Event) -> tuple[object, ...]:
    """An event without what tells its line: id and time."""
    return type_name(event), replace(event, id=None, timestamp=None, extra={})


@pytest.mark.parametrize(("version", "console", "log"), PAIRS, ids=lambda value: value)
def test_both_forms_of_a_log_tell_the_same(tmp_path: Path, version: str, console: str, log: str) -> None:
    imported(FIXTURES / version / f"gateway-console.{console}.log", tmp_path / "console")
    imported(FIXTURES / version / f"gateway-file.{log}.jsonl", tmp_path / "file")
    names = sorted(path.name for path in (tmp_path / "console").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "file").iterdir())
    for name in names:
        one, other = events_in(tmp_path / "console" / name), events_in(tmp_path / "file" / name)
        assert [told_of(event) for event in one] == [told_of(event) for event in other]


# What is not the log's


def test_aliases_name_every_model_and_leave_the_ids(tmp_path: Path) -> None:
    plain = imported(INCIDENT, tmp_path / "plain")[0]
    (one,) = Importer(INCIDENT, aliases={KIMI: "kimi-coding/kimi2.5", ZHIPU: "glm"}).run(tmp_path / "named")
    events, before = events_in(one.path), events_in(plain.path)
    assert [event.id for event in events] == [event.id for event in before]
    text = one.path.read_text()
    assert (KIMI in text, ZHIPU in text, one.state.current) == (False, False, "kimi-coding/kimi2.5")
    again = Importer(INCIDENT).run(tmp_path / "named")  # without the aliases: still the same events
    assert again[0].imported == 0


def test_secrets_of_an_error_are_not_imported(tmp_path: Path) -> None:
    log = tmp_path / "g.log"
    log.write_text(failed("a/1", "auth", session="s1", detail="401 key sk-abcdefghijklmnop1234 is wrong"))
    (one,) = imported(log, tmp_path / "into")
    assert "abcdefghijklmnop" not in one.path.read_text()
    assert "401 key sk-[redacted] is wrong" in one.path.read_text()


def test_behind_newer_events_of_its_own_it_is_refused_without_force(tmp_path: Path) -> None:
    path = tmp_path / f"{ID}.jsonl"
    with Session.open(path) as session:
        session.failed(ZHIPU, reason="auth")
    before = path.read_bytes()
    first = next(iter(Importer(INCIDENT).sessions.values()))[0]
    with pytest.raises(
        BehindError, match=f"{ID}: model_switch {first.id} of .*its own attempt_failed .*--force"
    ) as told:
        imported(INCIDENT, tmp_path)
    assert (told.value.session, told.value.event.id) == (ID, first.id)
    assert path.read_bytes() == before
    done = switchlog("import", INCIDENT, "--into", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert ID in done.stderr
    (one,) = imported(INCIDENT, tmp_path, force=True)
    assert (one.imported, one.state.current) == (10, KIMI)
    assert path.read_bytes().startswith(before)
    assert imported(INCIDENT, tmp_path)[0].imported == 0  # nothing new: nothing to refuse


def test_in_front_of_older_events_of_its_own_it_is_imported(tmp_path: Path) -> None:
    path = tmp_path / f"{ID}.jsonl"
    old = ModelSwitch(to=ZHIPU, cause="initial", id="old", timestamp=datetime(2020, 1, 1, tzinfo=UTC))
    with Session.open(path) as session:
        session.append(old)
    assert imported(INCIDENT, tmp_path)[0].imported == 10
    assert not read_events(path).report.damaged


def test_one_refused_session_leaves_the_others_unwritten(tmp_path: Path) -> None:
    sessions = sorted(Importer(FALLBACK).sessions)
    with Session.open(tmp_path / f"{sessions[-1]}.jsonl") as session:
        session.failed(ZHIPU, reason="auth")
        session.append(AttemptFailed(model=ZHIPU, reason="auth", id="x", timestamp=datetime(2030, 1, 1, tzinfo=UTC)))
    with pytest.raises(BehindError):
        imported(FALLBACK, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f"{sessions[-1]}.jsonl"]


def test_one_session_of_several(tmp_path: Path) -> None:
    (one,) = imported(FALLBACK, tmp_path, "fd3d29ff")
    assert (one.session, one.failures, one.redirected) == ("fd3d29ff-8139-48db-b02c-77c94d38e46c", 3, 9)
    assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(UnreadableError, match="tells of no session 'zzz'"):
        Importer(FALLBACK, "zzz")


def failed(model: str, reason: str, following: str = "none", session: str | None = None, detail: str = "") -> str:
    at = "2026-11-22T14:31:22.365+00:00"
    ended = f'{at} [diagnostic] lane task error: lane=session:{session} durationMs=9 error="no"\n'
    known = f"{at} [agent/embedded] embedded run prompt end: runId=r-{session} sessionId={session}\n"
    told = f"decision=candidate_failed requested={KIMI} candidate={model} reason={reason} next={following}"
    tail = f" detail={detail}" if detail else ""
    start = f"{at} [agent/embedded] embedded run start: runId=r-{session} sessionId={session} provider=a model=1\n"
    head = "" if session is None else known + start + ended
    return f"{head}{at} [model-fallback/decision] model fallback decision: {told}{tail}\n"


def switched(session: str, left: str = "a/1", right: str = "b/2", at: str = "2026-11-22T14:31:22.365+00:00") -> str:
    return f"{at} [agent/embedded] live session model switch detected before attempt for {session}: {left} -> {right}\n"


def test_events_of_an_unknown_session_are_told_and_not_guessed(tmp_path: Path) -> None:
    log = tmp_path / "g.log"
    lone = failed("z/9", "auth").replace("14:31:22.365", "15:31:22.365")
    log.write_text(switched("s1") + switched("s2", "c/3") + lone)
    importer = Importer(log)
    assert [one.session for one in importer.run(tmp_path / "into")] == ["s1", "s2"]
    assert importer.unknown_session == 1
    assert Importer(log, "s1").unknown_session == 1
    done = switchlog("import", log, "--into", tmp_path / "into")
    assert done.returncode == 0
    assert "1 event left out: the log does not say of which session" in done.stderr


@pytest.mark.parametrize("session", ["../x", "/etc/x", "..", ".hidden", "-x", "a.jsonl.b", "x" * 129, "a\x00b", ""])
def test_a_hostile_session_id_is_no_file(tmp_path: Path, session: str) -> None:
    with pytest.raises(MisuseError, match="no session id"):
        Importer(RESTARTS, session)
    fields = decision("candidate_failed", sessionId=session, runId="r1")
    log = tmp_path / "g.jsonl"
    log.write_text(json.dumps(fields) + "\n" + switched(session or "x/y"))
    into = tmp_path / "deep" / "into"
    importer = Importer(log)
    importer.run(into)
    assert not into.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["g.jsonl"]
    console = tmp_path / "g.log"
    console.write_text(switched(session or "x/y"))
    importer = Importer(console)
    importer.run(into)
    assert not into.exists()
    assert importer.unknown_session + importer.log.kinds["unreadable"] == 1


# Garbage and cuts


def test_garbage_lines_are_counted_and_cost_nothing_else(tmp_path: Path) -> None:
    lines = FALLBACK.read_bytes().splitlines(keepends=True)
    spoilt = tmp_path / "spoilt.jsonl"
    garbage = [b"\n", b"{\n", b"\xff\xfe\x00\n", b"[1]\n", b'{"0":"{\\"subs\n', b"x" * (3 << 20) + b"\n", b"{}\n"]
    spoilt.write_bytes(b"".join(line + garbage[index % len(garbage)] for index, line in enumerate(lines)))
    importer = Importer(spoilt)
    importer.run(tmp_path / "spoilt")
    imported(FALLBACK, tmp_path / "clean")
    assert ids_in(tmp_path / "spoilt") == ids_in(tmp_path / "clean")
    per = [len(range(kind, len(lines), len(garbage))) for kind in range(len(garbage))]
    assert importer.log.kinds["unreadable"] == per[1] + per[2] + per[3] + per[4]
    assert importer.log.kinds["blank"] == per[0]


@pytest.mark.parametrize("log", [INCIDENT, OTHER, KEYED], ids=name_of)
def test_a_log_cut_at_any_byte_is_imported_and_goes_on(tmp_path: Path, log: Path) -> None:
    data = log.read_bytes()
    whole = {session: [event.id for event in events] for session, events in Importer(log).sessions.items()}
    cuts = range(len(data) + 1) if len(data) < 5000 else range(0, len(data), 997)
    part = tmp_path / "part.log"
    for cut in cuts:
        part.write_bytes(data[:cut])
        sessions = Importer(part).sessions
        for session, events in sessions.items():
            assert [event.id for event in events] == whole[session][: len(events)], cut
    folder = tmp_path / "into"
    for cut in [*cuts][:: len(cuts) // 20]:  # a log that grows under us, imported again and again
        part.write_bytes(data[:cut])
        Importer(part).run(folder)
    Importer(log).run(folder)
    assert ids_in(folder) == {f"{session}.jsonl": ids for session, ids in whole.items()}


@given(start=st.integers(0, 123_392), length=st.integers(0, 40_000))
@settings(max_examples=40)
def test_any_piece_of_a_log_is_read_without_an_exception(
    tmp_path_factory: pytest.TempPathFactory, start: int, length: int
) -> None:
    part = tmp_path_factory.mktemp("part") / "part.log"
    part.write_bytes(KEYED.read_bytes()[start : start + length])
    try:
        importer = Importer(part)
    except UnreadableError as error:
        assert "no gateway's log" in str(error)  # noqa: PT017  (most pieces are fine; this is the one other answer)
        return
    known = {event.id for events in Importer(KEYED).sessions.values() for event in events}
    assert {event.id for events in importer.sessions.values() for event in events} <= known


def test_half_a_last_line_is_left_out_and_told(tmp_path: Path) -> None:
    log = tmp_path / "g.log"
    log.write_text((switched("s1") + switched("s1", "c/3", "b/2"))[:-2])  # the line ends in b/ for now
    importer = Importer(log)
    assert ([one.imported for one in importer.run(tmp_path / "into")], importer.held_back) == ([1], 1)
    assert "may be half a line" in switchlog("import", log, "--into", tmp_path / "into").stderr


def test_what_is_no_gateways_log_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("one\ntwo\nthree\n")
    with pytest.raises(UnreadableError, match="is no gateway's log"):
        Importer(other)
    imported(INCIDENT, tmp_path)
    with pytest.raises(UnreadableError, match="is no gateway's log"):
        Importer(tmp_path / f"{ID}.jsonl")
    empty = tmp_path / "empty.log"
    empty.write_bytes(b"")
    assert Importer(empty).run(tmp_path / "into") == []


# The disk


def test_nothing_is_called_imported_before_it_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    real_write, real_sync, real_folder = file.write, file.sync, file.sync_folder
    monkeypatch.setattr(file, "write", lambda fd, data: (calls.append("write"), real_write(fd, data))[1])
    monkeypatch.setattr(file, "sync", lambda fd: (calls.append("sync"), real_sync(fd))[1])
    monkeypatch.setattr(file, "sync_folder", lambda folder: (calls.append("folder"), real_folder(folder))[1])
    imported(INCIDENT, tmp_path)
    assert calls == ["write"] * 10 + ["sync", "folder"]


def test_a_sync_that_fails_is_an_error_and_the_next_import_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(fd: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(file, "sync", refuse)
        with pytest.raises(UnreadableError, match="can't be written: input/output error"):
            imported(INCIDENT, tmp_path)
    (one,) = imported(INCIDENT, tmp_path)
    assert one.imported + one.already_there == 10
    assert len(events_in(one.path)) == 10


# The file log's own forms


def decision(what: str, time: object = "2026-11-22T14:31:22.365+00:00", **fields: object) -> dict[str, object]:
    told: dict[str, object] = {
        "event": "model_fallback_decision",
        "decision": what,
        "candidateProvider": "a",
        "candidateModel": "1",
        "nextCandidateProvider": "b",
        "nextCandidateModel": "2/3:4",
    }
    return {
        "0": '{"subsystem":"model-fallback/decision"}',
        "1": {**told, **fields},
        "2": "…",
        "_meta": {},
        "time": time,
    }


def words(subsystem: str, message: str, time: str = "2026-11-22T14:31:22.365+00:00") -> dict[str, object]:
    return {"0": json.dumps({"subsystem": subsystem}, separators=(",", ":")), "1": message, "_meta": {}, "time": time}


def test_a_decision_that_names_its_session_needs_no_other_line() -> None:
    line = FileLog().feed(decision("candidate_failed", sessionId="s1", runId="r1", reason="timeout", status=408))
    failure, fallback = line.events
    assert isinstance(failure, AttemptFailed)
    assert isinstance(fallback, ModelSwitch)
    assert (line.session, failure.model, failure.reason, failure.status) == ("s1", "a/1", "timeout", 408)
    assert (fallback.from_, fallback.to, fallback.cause, fallback.session) == ("a/1", "b/2/3:4", "fallback", "s1")


def test_a_run_whose_session_a_later_line_tells_is_joined_to_it(tmp_path: Path) -> None:
    lines = [
        decision("candidate_failed", runId="r1", reason="auth"),
        decision("candidate_failed", runId="r2", reason="auth", candidateProvider="c"),
        words("agent/embedded", "embedded run prompt end: runId=r1 sessionId=s1 durationMs=3"),
        words("agent/embedded", "embedded run prompt end: runId=r9 sessionId=s9 durationMs=3"),
        decision("candidate_succeeded", runId="r9"),
    ]
    log = tmp_path / "g.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    importer = Importer(log)
    assert {session: len(events) for session, events in importer.sessions.items()} == {"s1": 2, "s9": 1}
    assert {event.session for event in importer.sessions["s1"]} == {"s1"}
    assert importer.unknown_session == 2  # r2's failure and its fallback


def test_of_two_lanes_that_ended_together_an_unknown_run_is_neither() -> None:
    log = FileLog()
    one, other = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
    for session in (one, other):
        log.feed(words("diagnostic", f'lane task error: lane=session:{session} durationMs=9 error="no"'))
    line = log.feed(decision("candidate_failed", runId="r1", reason="auth"))
    assert (line.session, line.run) == (None, "r1")


def test_skipped_and_probed_candidates_are_counted(tmp_path: Path) -> None:
    log = tmp_path / "g.jsonl"
    lines = [decision("skip_candidate", sessionId="s1"), decision("probe_cooldown_candidate", sessionId="s1")]
    log.write_text("".join(json.dumps(line) + "\n" for line in [*lines, decision("candidate_failed", sessionId="s1")]))
    importer = Importer(log)
    assert importer.log.kinds == {"skip": 2, "event": 1}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["0", "1", "2", "time", "_meta", "x"]), JSON), JSON, JSON)
def test_any_object_gives_a_line(fields: dict[str, object], one: object, other: object) -> None:
    log = FileLog()
    kinds = {"event", "restart", "skip", "other", "blank", "unreadable"}
    assert log.feed(fields).kind in kinds
    assert log.feed(decision("candidate_failed", time=one)).kind in kinds
    told = log.feed(decision("candidate_failed", runId=one, sessionId=other, candidateModel=one, status=other))
    assert told.kind in kinds
    fold(told.events)
    told = log.feed(decision("candidate_failed", reason=one, errorPreview=other, nextCandidateModel=other))
    fold(told.events)
    log.feed({**words("agent/embedded", ""), "1": {"event": "embedded_run_agent_end", "runId": one, "error": other}})
    assert log.feed(None).kind == "unreadable"


def test_words_mean_the_same_in_both_forms() -> None:
    text = "live session model switch detected before attempt for s1: a/1 -> b/2"
    at = "2026-11-22T14:31:22.365+00:00"
    assert FileLog().feed(words("agent/embedded", text)) == ConsoleLog().feed(f"{at} [agent/embedded] {text}")
    assert is_file_line(words("x", text))


# The command


def test_show_of_the_transcript_agrees_with_show_of_the_log(tmp_path: Path) -> None:
    at = ("--now", "2026-11-22T15:00:00Z", "--json")
    for log in (INCIDENT, FALLBACK, KEYED, FALLBACK.with_name("gateway-console.1431-fallback-kill-term.log")):
        folder = tmp_path / log.name
        for one in imported(log, folder):
            shown = [
                json.loads(switchlog("show", *where, *at).stdout)
                for where in ([log, "--session", one.session], [one.path])
            ]
            for told in shown:
                del told["log"], told["lastSeal"]
            assert shown[0] == shown[1]
            assert shown[0]["sessionId"] == one.session


def test_the_json_of_the_command(tmp_path: Path) -> None:
    done = switchlog("import", INCIDENT, "--into", tmp_path, "--json")
    told = {
        "sessionId": ID,
        "path": str(tmp_path / f"{ID}.jsonl"),
        "imported": 10,
        "alreadyThere": 0,
        "reverted": 4,
        "redirected": 3,
        "failures": 0,
        "successes": 0,
        "currentModel": KIMI,
    }
    rest = {"restarts": 1, "skipped": 0, "unreadable": 0, "unknownSession": 0, "heldBack": 0}
    assert json.loads(done.stdout) == {"schemaVersion": 1, "sessions": [told], **rest}
    assert (done.returncode, done.stderr) == (0, "")
    again = json.loads(switchlog("import", INCIDENT, "--into", tmp_path, "--json").stdout)
    assert again["sessions"] == [{**told, "imported": 0, "alreadyThere": 10}]


def test_what_people_see_and_a_dry_run_that_writes_nothing(tmp_path: Path) -> None:
    done = switchlog("import", INCIDENT, "--into", tmp_path / "into", "--dry-run")
    assert "10 events would be imported into 1 transcript; 1 restart" in done.stdout
    assert not (tmp_path / "into").exists()
    done = switchlog("import", "-", "--into", "into", stdin=INCIDENT.read_bytes(), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == f"{ID}: 10 events (4 reverted, 3 redirected)"
    assert done.stdout.splitlines()[-1] == f"next: switchlog show into/{ID}.jsonl"
    assert switchlog("show", f"into/{ID}.jsonl", cwd=tmp_path).returncode == 0


def test_a_current_model_outside_the_chain_is_warned_of_and_aliases_mend_it(tmp_path: Path) -> None:
    config = tmp_path / "switchlog.toml"
    config.write_text('chain = ["kimi-coding/kimi2.5", "zhipu/glm-5.1"]\nsessions = "here"\n')
    done = switchlog("import", INCIDENT, "--dry-run", cwd=tmp_path)
    assert f"its current model {KIMI} is not in the chain" in done.stderr
    done = switchlog("import", INCIDENT, "--alias", f"{KIMI}=kimi-coding/kimi2.5", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "here" / f"{ID}.jsonl").exists()
    config.write_text(config.read_text() + f'[aliases]\n"{KIMI}" = "kimi-coding/kimi2.5"\n')
    assert switchlog("import", OTHER, cwd=tmp_path).stderr == ""
    assert switchlog("import", INCIDENT, "--alias", "nonsense", cwd=tmp_path).returncode == 2


def test_imported_events_say_where_they_come_from(tmp_path: Path) -> None:
    (one,) = imported(INCIDENT, tmp_path)
    assert {event.extra[SOURCE] for event in events_in(one.path)} == {"openclaw-console"}
