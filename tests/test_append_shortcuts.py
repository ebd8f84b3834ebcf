"""The short ways of an append and of a healthy request: what they leave out, and when they must not be taken.

Law: a short way gives what the long one gives. Where a file was cut, replaced, written to by others or inherited by a
fork, the long one is gone.
"""

import contextlib
import os
import random
import tempfile
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from logs import SESSION, message
from msgspec.structs import replace
from strategies import chains, events, nows, odd_events, policies, states
from test_append import add, child, ends_well, fail_once, failure, host_writes, models, own, record_calls

from eventlog import Chain, MisuseError, Policy, Session, clock, codec, file, known, read_events
from eventlog.append import Log
from eventlog.choosing import new_id
from eventlog.neighbours import Neighbours
from eventlog.reader import Reader
from replay import AttemptFailed, AttemptSucceeded, LogRepaired, ModelState, Recorded, decide, event_from_fields, fold
from replay.events import NOTHING, format_time

CALLS = ("open_append", "lock", "unlock", "identify", "identify_path", "read_at", "write", "written_to", "sync")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / f"{SESSION}.jsonl"


def session_at(path: Path, **more: Any) -> Session:
    return Session.open(path, chain=Chain("kimi/k1", "zhipu/glm"), policy=Policy(), **more)


def check(log: Log, path: Path) -> None:
    """What the log knows is what a reader finds."""
    found = read_events(path)
    assert log.state == fold(found)
    assert log.report == found.report
    assert log.position == log.state.position


# the calls that are left


def test_an_append_and_its_calls(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = session_at(path)
    assert session.failed("kimi/k1", reason="timeout")
    calls = record_calls(monkeypatch, *CALLS)
    assert session.failed("kimi/k1", reason="timeout")
    assert calls == ["lock", "identify_path", "read_at", "write", "sync", "written_to", "unlock"]


def test_a_healthy_request_looks_once_and_does_nothing_else(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = session_at(path)
    assert session.call(str) == "kimi/k1"
    calls = record_calls(monkeypatch, *CALLS)
    assert session.call(str) == "kimi/k1"
    assert calls == ["identify_path"]


# what is folded later


def test_what_we_wrote_is_folded_when_it_is_asked_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log(path, "process")
    add(log, failure("0"))
    monkeypatch.setattr(known, "fold", lambda *_: pytest.fail("folded"))
    with log.mutex():
        told = [log.add(failure(f"{number}")) for number in range(1, known._BEHIND)]
    assert [one.position for one in told] == list(range(2, known._BEHIND + 1))
    assert log.position == known._BEHIND
    assert log.holds(failure("7"))
    monkeypatch.undo()
    check(log, path)
    with log.mutex():
        for number in range(2 * known._BEHIND):
            log.add(failure(f"more {number}"))
    assert len(log._known.behind) <= known._BEHIND
    check(log, path)
    assert [(one.position, one.offset) for one in read_events(path)][1 : known._BEHIND] == [
        (one.position, one.offset) for one in told
    ]


def test_a_decision_is_made_of_what_we_wrote_ourselves(path: Path) -> None:
    log = Log(path)
    seen: list[int] = []
    with log.mutex():
        log.add(failure("1"))
        log.add(failure("2"))
    log.append(lambda state: seen.append(state.position) or [])
    assert seen == [2]


@pytest.mark.parametrize("name", [None, "", "x" * 256, "x" * 257, "taken", "a \ud800 b", "\x00"])
def test_an_id_that_is_unusual_means_what_the_reader_says(path: Path, name: str | None) -> None:
    log = Log(path)
    with log.mutex():
        for event in (failure("taken"), failure("2"), replace(failure("3"), id=name), failure("4")):
            log.add(event)
        assert [own(path)[number]["parentId"] for number in (1, 2)] == ["taken", "2"]
    again = Log(path)
    again.refresh()
    check(log, path)
    assert log.state == again.state
    parents = []
    for one in (log, again):
        with one.mutex():
            one.add(AttemptSucceeded(model="kimi/k1"))
        parents.append(own(path)[-1]["parentId"])
    assert parents[0] == "4"


def test_the_same_event_twice_counts_once(path: Path) -> None:
    log = Log(path)
    with log.mutex():
        assert [log.add(failure("1")).position for _ in range(2)] == [1, 1]
        assert log.add(failure("2")).position == 2
    check(log, path)


def test_what_a_host_writes_behind_what_is_not_folded_yet_keeps_its_place(path: Path) -> None:
    log = Log(path)
    with log.mutex():
        log.add(failure("1"))
        log.add(failure("2"))
        host_writes(path, message("c0ffee01"))
        log.add(failure("3"))
        log.add(failure("4"))
    assert [one["parentId"] for one in own(path)] == [None, "1", "c0ffee01", "3"]
    check(log, path)


def plain(event: Any) -> Any:
    """As a session makes them: nothing beyond the known fields, an id, a time of whole milliseconds."""
    return replace(event, extra=NOTHING, id=new_id(), timestamp=clock.now())


@given(st.lists(events() | odd_events() | events().map(plain), max_size=9), st.sets(st.integers(0, 8)))
def test_what_we_wrote_is_known_as_it_is_read(made: list[Any], asked: set[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{SESSION}.jsonl"
        log = Log(path, "process")
        add(log, failure("first"))
        for number, event in enumerate(made):
            with log.mutex(), contextlib.suppress(MisuseError, OverflowError):
                log.add(event)
            if number in asked:
                check(log, path)
        check(log, path)
        whole = Reader(log.session)
        found = whole.feed(path.read_bytes())
        mine = log._known.reader
        assert log.state == fold(found)
        assert mine._judge.ids == whole._judge.ids
        assert vars(mine._tally) | {"report": 0} == vars(whole._tally) | {"report": 0}
        assert mine.report == whole.report
        assert (mine.last_id, [*mine.foreign], mine.position) == (whole.last_id, [], whole.position)
        assert mine._splitter.offset == whole._splitter.offset


def test_a_repair_is_known_whoever_recorded_it(path: Path) -> None:
    log = Log(path)
    with log.mutex():
        log.add(failure("1"))
        log.add(plain(LogRepaired(corrupt=0, gaps=0)))
    assert log.report.repairs == 1
    check(log, path)


# who else writes


def cut_and_fill(path: Path) -> None:
    """The file is cut and written anew: the same file, as long as before, and its times set back."""
    before = path.stat()
    data = path.read_bytes()
    kept = b"".join(data.splitlines(keepends=True)[:2])
    path.write_bytes(kept + message("c0ffee77", text="x" * (len(data) - len(kept) - len(message("c0ffee77", text="")))))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_ino, after.st_size, after.st_mtime_ns) == (before.st_ino, before.st_size, before.st_mtime_ns)


def another_of_its_size(path: Path) -> None:
    """Another file takes its name, with as many bytes and the same times."""
    copy, before = path.with_name("copy"), path.stat()
    copy.write_bytes(path.read_bytes())
    cut_and_fill(copy)
    os.utime(copy, ns=(before.st_atime_ns, before.st_mtime_ns))
    copy.replace(path)


@pytest.mark.parametrize("change", [cut_and_fill, another_of_its_size])
@pytest.mark.parametrize("asked", [False, True])
def test_a_file_that_only_looks_the_same_is_read_anew(path: Path, change: Callable[[Path], None], asked: bool) -> None:
    session = session_at(path)
    for turn in "123":
        assert session.failed("kimi/k1", reason="timeout", turn=turn)
    if asked:
        assert session.state.position == 3
    change(path)
    assert session.failed("kimi/k1", reason="timeout", turn="4")
    assert [one.event.turn for one in read_events(path)] == list("1234")
    assert own(path)[1]["parentId"] == "c0ffee77"
    check(session.memory.log, path)


def test_a_file_cut_between_our_look_and_our_write_gets_the_lost_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(path)
    add(log, failure("1"), failure("2"))
    keep = len(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    real = file.write
    monkeypatch.setattr(file, "write", lambda fd, data: os.truncate(path, keep) or real(fd, data))
    add(log, failure("3"))
    monkeypatch.undo()
    assert models(path) == ["kimi/1", "kimi/3"]
    add(log, failure("4"))
    assert sorted(models(path)) == ["kimi/1", "kimi/2", "kimi/3", "kimi/4"]
    check(log, path)


def test_what_another_records_during_a_healthy_request_stands(path: Path) -> None:
    session, other = session_at(path), session_at(path)
    session.call(str)

    def request(model: str) -> str:
        assert other.failed(model, reason="timeout")
        return model

    assert session.call(request) == "kimi/k1"
    assert session.state.tried.keys() == {"kimi/k1"}, "an answer takes back no failure that came after its question"
    check(session.memory.log, path)


def test_an_answer_is_recorded_if_this_session_learned_something_meanwhile(path: Path) -> None:
    session = session_at(path)
    session.call(str)

    def request(model: str) -> str:
        assert session.succeeded("zhipu/glm")
        return model

    assert session.call(request) == "kimi/k1"
    assert session.state.last_good == "kimi/k1"


@pytest.mark.parametrize(
    "record",
    [
        lambda session: session.failed("kimi/k1", reason="timeout"),
        lambda session: session.clear("kimi/k1"),
        lambda session: session.switch("kimi/k1"),
        lambda session: session.append(failure("1")),
    ],
    ids=["failed", "clear", "switch", "append"],
)
def test_what_the_disk_refuses_is_not_acknowledged_on_any_way(
    path: Path, record: Callable[[Session], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    session = session_at(path)
    fail_once(monkeypatch, "sync")
    assert record(session) is False
    assert session.degraded is not None
    position = session.state.position
    assert session.memory.position == position == 1
    assert session.failed("zhipu/glm", reason="timeout") is True
    assert session.degraded is None
    assert session.state == fold(read_events(path))


def test_the_first_failure_after_all_were_forgiven_is_told_to_the_others(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[bool] = []
    neighbours = Neighbours(path.parent)
    monkeypatch.setattr(neighbours, "failed", lambda _, first: told.append(first))
    session, other = session_at(path, neighbours=neighbours), session_at(path)

    def fails(*expected: bool) -> None:
        told.clear()
        for _ in expected:
            assert session.failed("kimi/k1", reason="timeout")
        assert told == list(expected)

    fails(True, False, False)
    assert session.failed("kimi/k1", reason="aborted")
    fails(False, False)
    assert session.clear("kimi/k1")
    fails(True, False)
    assert session.succeeded("kimi/k1")
    fails(True, False)
    assert other.clear("kimi/k1")
    fails(True, False)


# threads and forks


def test_a_look_waits_for_no_lock(path: Path) -> None:
    session = session_at(path)
    session.call(str)
    memory, found = session.memory, []

    def look() -> None:
        found.extend([memory.glance(), memory.known()])

    with memory.log.mutex():
        state = memory.log.state
        for behind in (False, True):
            if behind:
                memory.log.add(failure("1"))
            thread = threading.Thread(target=look)
            thread.start()
            thread.join(10)
            assert not thread.is_alive()
    assert found == [state, state, None, None]
    assert memory.glance() == memory.known() == fold(read_events(path))


def test_a_look_while_another_thread_reads_tells_nothing_rather_than_the_state_before(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, other = session_at(path), session_at(path)
    session.failed("zhipu/glm", reason="timeout")
    assert session.state.position == 1
    other.failed("kimi/k1", reason="timeout")
    feed, seen = Reader.feed, list[ModelState | None]()

    def look_on(reader: Reader, block: bytes) -> list[Recorded]:
        looker = threading.Thread(target=lambda: seen.append(session.memory.glance()))
        looker.start()
        looker.join(20)
        return feed(reader, block)

    monkeypatch.setattr(Reader, "feed", look_on)
    assert session.state.position == 2
    assert seen == [None]
    after = session.memory.glance()
    assert after is not None
    assert list(after.tried) == ["zhipu/glm", "kimi/k1"]


def test_a_fork_with_something_not_folded_yet(path: Path) -> None:
    session = session_at(path)
    assert session.failed("kimi/k1", reason="timeout", turn="before")
    assert session.failed("kimi/k1", reason="timeout", turn="before")

    def work() -> None:
        assert session.state.position == 2
        assert session.failed("kimi/k1", reason="timeout", turn="child")
        check(session.memory.log, path)

    ends_well(*child(work))
    assert session.failed("kimi/k1", reason="timeout", turn="parent")
    assert [one.event.turn for one in read_events(path)] == ["before", "before", "child", "parent"]
    check(session.memory.log, path)


def test_ids_are_new_whatever_a_program_seeds_and_in_each_child() -> None:
    ids = set[str]()
    for _ in range(3):
        random.seed(7)
        ids |= {new_id() for _ in range(100)}
    for _ in range(3):
        ours, theirs = os.pipe()
        ends_well(*child(lambda told=theirs: os.write(told, new_id().encode()) and None))
        ids.add(os.read(ours, 100).decode())
        os.close(ours)
        os.close(theirs)
    ids.add(new_id())
    assert len(ids) == 304
    assert all(len(one) == 16 and int(one, 16) >= 0 for one in ids)


# times and decisions


def slowly(time: datetime) -> str:
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


class Stamp(datetime):
    """As a test's frozen clock, or pandas, makes them."""


@given(st.datetimes().filter(lambda time: 1 < time.year < 9999), st.integers(-1439, 1439))
def test_a_time_is_written_the_same_way_however_it_comes(time: datetime, minutes: int) -> None:
    for zone in (UTC, timezone(timedelta(0), "Z"), timezone(timedelta(minutes=minutes))):
        for one in (time, time.replace(microsecond=0)):
            aware = one.replace(tzinfo=zone)
            assert format_time(aware) == slowly(aware) == format_time(Stamp.fromisoformat(aware.isoformat()))


@given(st.integers(0, 253_402_300_799_999))
def test_the_clock_gives_whole_milliseconds(milliseconds: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock.time, "time_ns", lambda: milliseconds * 1_000_000 + 999_999)
        assert clock.now() == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)


ODD_TEXTS = st.text(max_size=9) | st.sampled_from([None, "", "\x00\x1f\x7f\u2028", '\\"/', "\ud800", "é😀"])
ODD_VALUES = st.sampled_from([None, 1, -1, 2**53 - 1, 2**53, -(2**53), True, 1.0, "x", b"x", [], timedelta(1)])


@given(events() | odd_events(), ODD_TEXTS, ODD_TEXTS, ODD_VALUES, st.none() | st.text(max_size=9))
def test_a_record_made_at_once_is_the_one_made_with_care(
    event: Any, text: Any, event_id: Any, value: Any, parent: str | None
) -> None:
    event = replace(event, turn=text, id=event_id)
    if isinstance(event, AttemptFailed):
        event = replace(event, status=value, error=text)

    def made() -> object:
        try:
            record = codec.encode(event, session="s", parent_id=parent, prev=parent)
        except (MisuseError, OverflowError) as error:  # a time of the year 1 or 9999 in another zone
            return repr(error)
        fields = codec.decode(record.data) or {}
        assert fields["id"] == record.id
        if record.event is not None:
            assert replace(record.event, session="s") == event_from_fields(fields, codec.FRAME)
        return replace(record, event=None)

    at_once = made()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "_at_once", lambda *_: None)
        assert at_once == made()


@given(states(), chains, nows, policies())
def test_where_all_is_well_the_short_decision_is_the_long_one(
    state: Any, chain: Chain, now: datetime, policy: Policy
) -> None:
    first = chain.models[0]
    for one in (state, replace(state, tried={}, probing={}, pinned=None, current=first)):
        assert decide(one, chain, now, policy) == decide(one, chain, now, policy, frozenset({"nobody/excluded"}))
