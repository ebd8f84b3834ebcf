"""Following a gateway's log: no line twice and none lost, whatever happens to the log, the disk and the follower."""

import errno
import io
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from commands import ROOT, switchlog
from hypothesis import given, settings
from hypothesis import strategies as st

from eventlog import Session, UnreadableError, file, live_import, read_events
from eventlog.importer import BehindError, Importer
from eventlog.live_import import Gained, LiveImport
from replay import AttemptFailed

FIXTURES = ROOT / "fixtures"
OLD, NEW = FIXTURES / "openclaw-2026.3.28", FIXTURES / "openclaw-2026.9.6"
CONSOLES = sorted(FIXTURES.glob("openclaw-*/gateway-console.*"))
FILES = sorted(FIXTURES.glob("openclaw-*/gateway-file.*"))
SHORT = FIXTURES / "seed" / "17a309d8.three-restarts.gateway.log"
INCIDENT = FIXTURES / "seed" / "17a309d8.gateway.log"
OTHER = FIXTURES / "seed" / "674cdb94.gateway.log"
ID = "17a309d8-bee5-4752-8775-5791d41df367"
FALLBACK = OLD / "gateway-file.1431-fallback-kill-term.jsonl"
KEYED = OLD / "gateway-file.1438-keyed-and-patch.jsonl"
DEADLINE = 20.0

Ids = dict[str, list[str | None]]


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def ids_in(folder: Path) -> Ids:
    """Each transcript's events in order, which are there once and as they were written."""
    found = {}
    for path in sorted(folder.glob("*.jsonl")):
        events = read_events(path)
        found[path.name] = [recorded.event.id for recorded in events]
        assert not events.report.damaged
        assert events.report.counts["duplicate"] == 0
    return found


def plain(log: Path, into: Path, session: str | None = None) -> Ids:
    """What importing the log at once gives."""
    Importer(log, session).run(into)
    return ids_in(into)


def add(path: Path, data: bytes) -> None:
    with path.open("ab", buffering=0) as out:
        out.write(data)


def until(true: Callable[[], bool], told: Callable[[], object] = lambda: "") -> None:
    """For what another process does: its files say when it has done it."""
    deadline = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < deadline, told()
        time.sleep(0.005)


class Following:
    """A live import in a thread of its own."""

    def __init__(self, log: Path, into: Path, session: str | None = None, *, force: bool = False) -> None:
        self.stop = threading.Event()
        self.gained: list[Gained] = []
        self.warnings: list[str] = []
        self._new = threading.Condition()
        self.live = LiveImport(log, into, session, force=force, stop=self.stop, warn=self._warn)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        for gained in self.live.run():
            with self._new:
                self.gained += gained
                self._new.notify()

    def _warn(self, text: str) -> None:
        with self._new:
            self.warnings.append(text)
            self._new.notify()

    def until(self, true: Callable[[], bool]) -> None:
        with self._new:
            assert self._new.wait_for(true, DEADLINE), (len(self.gained), self.warnings)

    def until_gained(self, count: int) -> None:
        self.until(lambda: len(self.gained) >= count)

    def end(self) -> None:
        self.stop.set()
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()


@contextmanager
def following(log: Path, into: Path, session: str | None = None, *, force: bool = False) -> Iterator[Following]:
    one = Following(log, into, session, force=force)
    try:
        yield one
    finally:
        one.end()


# What comes is what importing at once gives


@pytest.mark.parametrize("log", [INCIDENT, OTHER, *CONSOLES, *FILES], ids=name_of)
def test_line_by_line_it_is_what_importing_at_once_gives(
    tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "BLOCK", 4_099)  # lines are cut anywhere
    whole = plain(log, tmp_path / "whole")
    count = sum(map(len, whole.values()))
    path, data = tmp_path / "g.log", log.read_bytes()
    monkeypatch.setattr(live_import, "MOST", 3)
    path.write_bytes(data[: len(data) // 3])
    with following(path, tmp_path / "live") as one:
        add(path, data[len(data) // 3 : -1])
        one.until_gained(count - 2)  # the last line of some is an event
        add(path, data[-1:])
        one.until_gained(count)
    assert ids_in(tmp_path / "live") == whole
    assert (
        [gained.event.id for gained in one.gained if gained.session == one.gained[0].session]
        == whole[one.gained[0].path.name]
        if count
        else True
    )
    assert (one.live.imported, one.live.unknown_session, one.live.behind, one.warnings) == (count, 0, 0, [])


def test_a_log_that_names_no_session_is_the_one_that_is_asked_for(tmp_path: Path) -> None:
    log = tmp_path / "g.log"
    log.write_bytes(SHORT.read_bytes())
    with following(log, tmp_path / "live", ID) as one:
        one.until_gained(12)
    assert ids_in(tmp_path / "live") == plain(SHORT, tmp_path / "whole", ID)
    with following(log, tmp_path / "nobody") as one:
        until(lambda: one.live.unknown_session == 12)
    assert (one.gained, one.live.unknown_session) == ([], 12)


def test_a_log_that_is_empty_at_first_and_then_is_not_quite_a_log(tmp_path: Path) -> None:
    log = tmp_path / "g.log"
    log.touch()
    with following(log, tmp_path / "live") as one:
        add(log, b"\n> openclaw@2026.9.6 start\n")
        add(log, INCIDENT.read_bytes())
        one.until_gained(10)
    for text in (b'{"type":"session"}\n', b"words\n" * 20_000):
        log.write_bytes(text)
        with pytest.raises(UnreadableError, match="is no gateway's log"):
            list(LiveImport(log, tmp_path / "live").run())


def test_a_line_without_its_newline_waits_for_it(tmp_path: Path) -> None:
    log, data = tmp_path / "g.log", INCIDENT.read_bytes()
    end = data.rstrip(b"\n").rfind(b"\n") + 1
    before = len(Importer(put(tmp_path / "part.log", data[:end])).sessions[ID])
    log.write_bytes(data[:-1])
    with following(log, tmp_path / "live") as one:
        one.until_gained(before)
        until(lambda: one.live.waiting == 0)
        assert len(one.gained) == before < 10
        add(log, b"\n")
        one.until_gained(10)
    assert one.live.held_back == 0
    log.write_bytes(data[:-1])
    with following(log, tmp_path / "again") as one:
        one.until_gained(before)
    assert one.live.held_back == 1


def put(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_one_session_of_several(tmp_path: Path) -> None:
    session = "fd3d29ff-8139-48db-b02c-77c94d38e46c"
    whole = plain(FALLBACK, tmp_path / "whole", "fd3d29ff")
    log = put(tmp_path / "g.log", FALLBACK.read_bytes())
    with following(log, tmp_path / "live", "fd3d29ff") as one:
        one.until_gained(len(whole[f"{session}.jsonl"]))
    assert ids_in(tmp_path / "live") == whole


AT = "2026-11-22T14:{:02d}:00.000+00:00 "
SWITCH = "[agent/embedded] live session model switch detected before attempt for {}: a/{} -> b/2\n"
DECISION = (
    "[model-fallback/decision] model fallback decision: decision=candidate_failed candidate=a/{} reason=auth next=b\n"
)
RUN = "[agent/embedded] embedded run agent end: runId={} isError=true model=1 provider=a error=no\n"
LEARNED = "[agent/embedded] embedded run prompt end: runId={0} sessionId={0} durationMs=3\n"


@given(
    st.lists(st.sampled_from((*(SWITCH,) * 2, DECISION, RUN, LEARNED)).flatmap(
        lambda form: st.tuples(st.just(form), st.sampled_from(("s1", "s2")))
    ), max_size=10),
    st.sampled_from((None, None, "s1", "s2")),
    st.sampled_from((1, 50, 1000)),
)  # fmt: skip
@settings(max_examples=60)
def test_it_is_what_importing_again_and_again_would_give(
    tmp_path_factory: pytest.TempPathFactory, told: list[tuple[str, str]], session: str | None, block: int
) -> None:
    folder = tmp_path_factory.mktemp("each")
    lines = []
    for number, (form, name) in enumerate(told):
        words = form.format(number) if form is DECISION else form.format(name, number)
        lines.append(AT.format(number if form is not DECISION else max(0, number - 1)) + words)
    too_late = False
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file, "sync", lambda _: None)
        patch.setattr(file, "sync_folder", lambda _: None)
        for number in range(1, len(lines) + 1):
            try:
                Importer(put(folder / "part", "".join(lines[:number]).encode()), session).run(folder / "again")
            except UnreadableError:  # no session yet
                pass
            except BehindError:
                too_late = True
        patch.setattr(file, "BLOCK", block)
        patch.setattr(sys, "stdin", type("Stdin", (), {"buffer": io.BytesIO("".join(lines).encode())}))
        live = LiveImport("-", folder / "live", session)
        gained = [one for some in live.run() for one in some]
    found = ids_in(folder / "live")
    assert live.imported == len(gained) == sum(map(len, found.values()))
    if not too_late:  # else it depends on how much comes at once
        assert (found, live.behind) == (ids_in(folder / "again"), 0)


def test_several_sessions_that_begin_as_asked_are_refused(tmp_path: Path) -> None:
    text = "".join(AT.format(number) + SWITCH.format(name, number) for number, name in enumerate(("s1x", "t", "s1y")))
    with pytest.raises(UnreadableError, match="name one with --session: s1x, s1y"):
        list(LiveImport(put(tmp_path / "g.log", text.encode()), tmp_path / "into", "s1").run())


# Too late


def test_behind_newer_events_of_its_own_it_is_left_out_and_told_once(tmp_path: Path) -> None:
    into, data = tmp_path / "into", INCIDENT.read_bytes()
    into.mkdir()
    with Session.open(into / f"{ID}.jsonl") as session:
        session.failed("zhipu/glm-5.1", reason="auth")
    before = (into / f"{ID}.jsonl").read_bytes()
    log = put(tmp_path / "g.log", data[:400])
    with following(log, into) as one:
        add(log, data[400:])
        until(lambda: one.live.behind == 10)
    assert (into / f"{ID}.jsonl").read_bytes() == before
    (warning,) = one.warnings
    assert warning.startswith(f"{ID}: model_switch ")
    assert "belongs before what its transcript holds (its own attempt_failed" in warning
    with following(log, into, force=True) as one:
        one.until_gained(10)


def test_what_somebody_writes_meanwhile_counts(tmp_path: Path) -> None:
    into, data = tmp_path / "into", INCIDENT.read_bytes()
    log = put(tmp_path / "g.log", data[: data.index(b"\n", len(data) // 2) + 1])
    gained = len(Importer(log).sessions[ID])
    with following(log, into) as one:
        one.until_gained(gained)
        with Session.open(into / f"{ID}.jsonl") as session:
            session.append(
                AttemptFailed(model="a/b", reason="auth", id="x", timestamp=datetime(2030, 1, 1, tzinfo=UTC))
            )
        add(log, data[log.stat().st_size :])
        until(lambda: one.live.behind == 10 - gained)
    assert len(one.gained) == gained


def test_an_earlier_part_of_the_log_is_not_written_behind_a_later_one(tmp_path: Path) -> None:
    """The part that rotated away while nobody followed, imported too late."""
    lines = FALLBACK.read_bytes().splitlines(keepends=True)
    early, late = put(tmp_path / "early", b"".join(lines[:200])), put(tmp_path / "late", b"".join(lines[200:]))
    Importer(late).run(tmp_path / "into")
    with pytest.raises(BehindError, match="openclaw-file"):
        Importer(early).run(tmp_path / "into")
    with following(early, tmp_path / "into") as one:
        until(lambda: one.live.behind > 0)
    assert one.gained == []


def test_a_clock_that_was_set_back_hides_nothing(tmp_path: Path) -> None:
    at = "2026-11-22T{}+00:00 [agent/embedded] live session model switch detected before attempt for s1: a/1 -> b/{}\n"
    lines = [at.format("14:00:00.000", 1), at.format("13:00:00.000", 2), at.format("13:00:01.000", 3)]
    log = put(tmp_path / "g.log", lines[0].encode())
    with following(log, tmp_path / "into") as one:
        one.until_gained(1)
        add(log, lines[1].encode())
        one.until_gained(2)
    with following(log, tmp_path / "into") as one:  # and after a restart
        add(log, lines[2].encode())
        one.until_gained(1)
    assert len(ids_in(tmp_path / "into")["s1.jsonl"]) == 3


# The disk


@pytest.mark.parametrize("call", ["write", "sync", "open_append"])
def test_what_the_disk_refuses_waits_and_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    monkeypatch.setattr(live_import, "_SOONEST", 0.01)
    monkeypatch.setattr(live_import, "_LATEST", 0.01)
    monkeypatch.setattr(live_import, "MOST", 20)
    monkeypatch.setattr(file, "BLOCK", 10_000)
    whole = plain(FALLBACK, tmp_path / "whole")
    log, refused = put(tmp_path / "g.log", FALLBACK.read_bytes()), 0

    def refuse(*_: object, **__: object) -> int:
        nonlocal refused
        refused += 1
        raise OSError(errno.ENOSPC, "No space left on device")

    real = getattr(file, call)
    monkeypatch.setattr(file, call, refuse)
    with following(log, tmp_path / "live") as one:
        until(lambda: refused > 5)
        assert one.gained == []
        assert 0 < one.live.waiting < 20 + 10  # what one block more may bring
        monkeypatch.setattr(file, call, real)
        one.until_gained(sum(map(len, whole.values())))
        one.until(lambda: one.warnings[-1] == "what waited is written")
    assert "can't be written: no space left on device" in one.warnings[0]
    if call != "sync":  # after a failed sync nobody knows what is on the disk: it is written again
        assert one.warnings[1:] == ["what waited is written"]
        assert ids_in(tmp_path / "live") == whole
    for path in (tmp_path / "live").iterdir():
        events = read_events(path)
        assert [recorded.event.id for recorded in events] == whole[path.name]
        assert not events.report.damaged


def test_a_gained_event_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    real_write, real_sync = file.write, file.sync
    monkeypatch.setattr(file, "write", lambda fd, data: (calls.append("write"), real_write(fd, data))[1])
    monkeypatch.setattr(file, "sync", lambda fd: (calls.append("sync"), real_sync(fd))[1])
    live = LiveImport(put(tmp_path / "g.log", INCIDENT.read_bytes()), tmp_path / "into")
    run = live.run()
    assert len(next(run)) == 10
    assert calls == ["write"] * 10 + ["sync"]  # one for all that came at once
    run.close()


def test_many_sessions_hold_few_descriptors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_import, "_OPEN", 4)
    at = "2026-11-22T14:00:00.{:03d}+00:00 [agent/embedded] live session model switch detected for s{}: a/1 -> b/{}\n"
    lines = [at.format(number, number % 50, number) for number in range(200)]
    log = put(tmp_path / "g.log", "".join(lines).encode())
    before = descriptors()
    with following(log, tmp_path / "into") as one:
        one.until_gained(200)
        assert descriptors() < before + 20
    assert {len(ids) for ids in ids_in(tmp_path / "into").values()} == {4}


def descriptors() -> int:
    return len([*Path("/proc/self/fd").iterdir()]) if sys.platform == "linux" else 0


# Processes


@contextmanager
def follower(log: Path, into: Path, *more: str, stdin: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "cli.app", "import", str(log), "--into", str(into), "--follow", *more]
    with subprocess.Popen(
        command,
        bufsize=0,  # what one has read a line of can still be read to its end
        cwd=ROOT,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "TZ": "UTC"},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def at_work(process: "subprocess.Popen[bytes]", log: Path) -> bool:
    """Whether the follower has come so far that it reads."""
    return bool(parts_read(process, log))


def settled(process: "subprocess.Popen[bytes]", log: Path) -> bool:
    """Whether the follower reads the log under its present name, and no older part of it."""
    return parts_read(process, log) == {log.name}


def parts_read(process: "subprocess.Popen[bytes]", log: Path) -> set[str]:
    found = set()
    for entry in Path(f"/proc/{process.pid}/fd").iterdir():
        with suppress(OSError):  # closed in the meantime
            target = entry.readlink()
            if target.parent == log.parent:
                found.add(target.name)
    return found


def survive(seed: int, recording: Path, folder: Path, deaths: int) -> None:
    """Append, rotate, kill and start again in any order; the transcripts are those of the whole log in the end."""
    choice = random.Random(seed)
    data, log, into = recording.read_bytes(), folder / "logs" / "g.log", folder / "into"
    log.parent.mkdir(parents=True)
    whole = plain(recording, folder / "whole")
    at = parts = 0
    missed = False
    while at < len(data) or deaths > 0:
        with follower(log, into) as process:
            alive = choice.randrange(1, 12)
            while alive:
                alive -= 1
                at = write(choice, data, at, log)
                if choice.random() < 0.4 and at and data[at - 1 : at] == b"\n" and log.exists():
                    until(lambda process=process: settled(process, log))  # type: ignore[misc]
                    parts = rotate(log, parts)
                    missed = missed or parts > 1  # killed now, it leaves more behind than it looks at again
            if at and choice.random() < 0.7:  # once it is at work; else it dies while it starts
                until(lambda process=process: at_work(process, log))  # type: ignore[misc]
                time.sleep(choice.random() * 0.02)  # any moment will do
        deaths -= 1
        for _ in range(choice.randrange(3)):  # while nobody follows
            at = write(choice, data, at, log)
            if at and data[at - 1 : at] == b"\n" and log.exists():
                parts = rotate(log, parts)
                missed = missed or parts > 1
        if missed:  # more than one part: what --help says has to be done
            names = [log.with_name(f"g.log.{number}") for number in range(parts, 0, -1)]
            together = b"".join(name.read_bytes() for name in [*names, log] if name.exists())
            if together.strip():
                Importer(put(folder / "together", together)).run(into)
        if at == len(data) and deaths <= 0:
            break
    with follower(log, into) as process:
        add(log, data[at:])
        until(lambda: ids_in_growing(into) == whole, lambda: (seed, ids_in_growing(into), whole))
        until(lambda: at_work(process, log))  # before that a signal just ends it
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=DEADLINE)
    assert process.returncode == 130, err
    assert ids_in(into) == whole


def ids_in_growing(folder: Path) -> Ids:
    return {path.name: [one.event.id for one in read_events(path)] for path in sorted(folder.glob("*.jsonl"))}


def write(choice: random.Random, data: bytes, at: int, log: Path) -> int:
    """Some bytes more, cut anywhere, or up to the end of a line."""
    end = min(len(data), at + choice.randrange(1, max(2, len(data) // 10)))
    if choice.random() < 0.6:
        end = (data.find(b"\n", end) + 1) or len(data)
    while at < end:
        size = choice.randrange(1, 9000)
        add(log, data[at : min(end, at + size)])
        at = min(end, at + size)
    return at


def rotate(log: Path, parts: int) -> int:
    for number in range(parts, 0, -1):
        log.with_name(f"g.log.{number}").rename(log.with_name(f"g.log.{number + 1}"))
    log.rename(log.with_name("g.log.1"))
    return parts + 1


@pytest.mark.skipif(sys.platform != "linux", reason="only /proc tells which file another process reads")
@pytest.mark.parametrize(("seed", "log"), [(1, FALLBACK), (2, CONSOLES[1])], ids=["file", "console"])
def test_killed_and_rotated_at_any_moment_nothing_is_lost_or_twice(tmp_path: Path, seed: int, log: Path) -> None:
    survive(seed, log, tmp_path, deaths=3)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only /proc tells which file another process reads")
@pytest.mark.parametrize("seed", range(3, 15))
def test_killed_and_rotated_at_many_moments_nothing_is_lost_or_twice(tmp_path: Path, seed: int) -> None:
    logs = [log for log in [*CONSOLES, *FILES] if Importer(log).sessions]
    survive(seed, logs[seed % len(logs)], tmp_path, deaths=8)


def test_cut_after_it_was_read_nothing_is_lost_or_twice(tmp_path: Path) -> None:
    """copytruncate: what was not read when it was cut off is lost to anybody."""
    log, into, data = tmp_path / "g.log", tmp_path / "into", KEYED.read_bytes()
    whole = plain(KEYED, tmp_path / "whole")
    count, at = 0, 0
    with following(log, into) as one:
        for end in (len(data) // 4, len(data) // 2, len(data)):
            end = data.rfind(b"\n", 0, end) + 1
            for cut in (end - 1, end):  # the last byte is a newline: once it is read, all before it is
                add(log, data[at:cut])
                at = cut
            count = sum(map(len, part_of(tmp_path, data[:end]).values()))
            one.until_gained(count)
            lines = data[:end].count(b"\n")
            until(lambda lines=lines: sum(one.live.kinds.values()) == lines)  # type: ignore[misc]
            (tmp_path / "copy").write_bytes(log.read_bytes())
            os.truncate(log, 0)
    assert ids_in(into) == whole
    assert one.live.held_back == 0


def part_of(folder: Path, data: bytes) -> Ids:
    return {name: [event.id for event in events] for name, events in Importer(put(folder / "p", data)).sessions.items()}


def test_two_followers_write_each_event_once(tmp_path: Path) -> None:
    log, into, data = tmp_path / "g.log", tmp_path / "into", FALLBACK.read_bytes()
    whole = plain(FALLBACK, tmp_path / "whole")
    count = sum(map(len, whole.values()))
    with following(log, into) as one, following(log, into) as other:
        for at in range(0, len(data), 20_000):
            add(log, data[at : at + 20_000])
        until(lambda: len(one.gained) + len(other.gained) == count)
    assert ids_in(into) == whole


# The command


def test_a_line_of_json_for_each_event_and_an_end_by_ctrl_c(tmp_path: Path) -> None:
    log, into = tmp_path / "g.log", tmp_path / "into"
    log.write_bytes(INCIDENT.read_bytes())
    with follower(log, into, "--json") as process:
        assert process.stdout is not None
        told = [json.loads(process.stdout.readline()) for _ in range(10)]  # while it goes on
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=DEADLINE)
    assert (process.returncode, out) == (130, b"")
    assert err.decode().splitlines()[-1] == "switchlog: 10 events imported; 1 restart"
    assert [one["event"]["id"] for one in told] == ids_in(into)[f"{ID}.jsonl"]
    first = told[0]
    assert [*first] == ["schemaVersion", "sessionId", "path", "timestamp", "event"]
    assert (first["sessionId"], first["path"]) == (ID, str(into / f"{ID}.jsonl"))
    assert {"type", "id", "timestamp", "session", "source"} <= {*first["event"]}


def test_what_people_see_of_a_pipe_that_ends(tmp_path: Path) -> None:
    data = INCIDENT.read_bytes()
    with follower(Path("-"), tmp_path / "into", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(data[: data.index(b"\n", len(data) // 2) + 1])
        process.stdin.flush()
        first = process.stdout.readline().decode()  # before the pipe's end
        out, err = process.communicate(data[data.index(b"\n", len(data) // 2) + 1 :], timeout=DEADLINE)
    assert process.returncode == 0
    assert first.split()[2:] == [ID, "reverted", "zhipu/glm-5.1", "→", "kimi/kimi2.5"]
    assert len(out.splitlines()) == 9
    assert err.decode() == "switchlog: 10 events imported; 1 restart\n"


def test_a_reader_that_has_seen_enough_ends_it_silently(tmp_path: Path) -> None:
    data = INCIDENT.read_bytes()
    log = put(tmp_path / "g.log", data[: len(data) // 2])
    with follower(log, tmp_path / "into") as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.stdout.close()
        add(log, data[len(data) // 2 :])
        assert process.wait(DEADLINE) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""


def test_misuse_of_it(tmp_path: Path) -> None:
    assert switchlog("import", INCIDENT, "--follow", "--dry-run").returncode == 2
    assert switchlog("import", INCIDENT, "--follow", "--session", "../x").returncode == 2
    os.mkfifo(tmp_path / "fifo")
    done = switchlog("import", tmp_path / "fifo", "--follow")
    assert (done.returncode, "pipe it into `-`" in done.stderr) == (3, True)
