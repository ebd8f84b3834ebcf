"""Our lines in OpenClaw's file, under its lock, where it bears them; else beside it, and read as one.

Law: whatever host and ours do at the same time, every acknowledged event is read once, every line of the host's is
still there, and no entry of its conversation loses its parent.
"""

import json
import logging
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import switchlog
from gateway import CHAIN, GLM, KIMI, LOCAL

from eventlog import MisuseError, Session, file, read_events
from eventlog.append import Log
from eventlog.openclaw import hosted, lock
from eventlog.openclaw.hosted import HostLog, log_of
from eventlog.openclaw.lock import held
from eventlog.openclaw.placement import companion_of_stored, of_host, place
from eventlog.sources import companion
from replay import AttemptFailed, fold

FIXTURES = Path(__file__).parent.parent / "fixtures" / "openclaw-2026.3.28"
WRITER = Path(__file__).with_name("writer.py")
OLD, NEW = "2026.3.28", "2026.5.28"

HEADER = b'{"type":"session","version":3,"id":"s-1","timestamp":"2026-04-02T04:55:37.000Z","cwd":"/srv"}\n'
ASKED = b'{"type":"message","id":"c0ffee01","parentId":null,"message":{"role":"user","content":[]}}\n'
ANSWERED = b'{"type":"message","id":"c0ffee02","parentId":"c0ffee01","message":{"role":"assistant","content":[]}}\n'

HOST = r"""
import json, os, sys, time
path, turns = sys.argv[1], int(sys.argv[2])
lock = path + ".lock"

def entries():
    with open(path, "rb") as file:
        return [line for line in file.read().split(b"\n") if line]

def add(kind, number):
    parent = json.loads(entries()[-1])["id"]
    entry = {"type": "message", "id": f"{kind}-{number}", "parentId": parent, "message": {"role": kind}}
    line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
    with open(path, "ab", buffering=0) as file:
        file.write(line[:40])
        if number == int(sys.argv[3]):
            os.kill(os.getpid(), 9)
        file.write(line[40:])

print("ready", flush=True)
sys.stdin.readline()
for number in range(turns):
    deadline = time.monotonic() + 10
    while True:
        try:
            fd = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            break
        except FileExistsError:
            assert time.monotonic() < deadline, "session file locked"
            time.sleep(0.003)
    started = int(open("/proc/self/stat").read().rpartition(")")[2].split()[19])
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    os.write(fd, json.dumps({"pid": os.getpid(), "createdAt": stamp, "starttime": started}, indent=2).encode())
    if number % 5 == 4:
        with open(path + ".tmp", "wb") as file:
            file.write(b"\n".join(entries()) + b"\n")
        os.rename(path + ".tmp", path)
    add("user", number)
    time.sleep(0.002)
    add("assistant", number)
    os.close(fd)
    os.unlink(lock)
    time.sleep(0.002)
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """OpenClaw's folder, of the version that bears our lines."""
    (tmp_path / "agents" / "main" / "sessions").mkdir(parents=True)
    set_version(tmp_path, OLD)
    return tmp_path


@pytest.fixture
def transcript(home: Path) -> Path:
    path = home / "agents" / "main" / "sessions" / "s-1.jsonl"
    path.write_bytes(HEADER + ASKED + ANSWERED)
    return path


@pytest.fixture
def living() -> Iterator[int]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process.pid
        process.kill()


def set_version(home: Path, version: object) -> None:
    model = {"primary": KIMI, "fallbacks": [GLM, LOCAL]}
    fields = {"agents": {"defaults": {"model": model}}, "meta": {"lastTouchedVersion": version}}
    (home / "openclaw.json").write_text(json.dumps(fields))


def begin_turn(transcript: Path, pid: int) -> None:
    """The host takes its lock, for longer than anybody of us waits."""
    fields = {"pid": pid, "createdAt": "2999-01-01T00:00:00.000Z"}
    lock.path_of(transcript).write_text(json.dumps(fields, indent=2))


def end_turn(transcript: Path) -> None:
    lock.path_of(transcript).unlink()


def impatient(transcript: Path) -> Session:
    session = Session.open(transcript, chain=CHAIN)
    assert isinstance(session.memory.log, HostLog)
    session.memory.log.patience = 0.02
    return session


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def names(transcript: Path) -> list[str]:
    return sorted(path.name for path in transcript.parent.iterdir())


def turns(path: Path) -> list[str | None]:
    """The labels of the events that a reader is told."""
    found = read_events(path)
    told = [one.event.turn for one in found]  # type: ignore[union-attr]
    assert not found.report.damaged, found.report.findings
    return told


def tree_is_unbroken(path: Path) -> bool:
    entries = lines(path)[1:]
    return [entry["parentId"] for entry in entries] == [None, *(entry["id"] for entry in entries[:-1])]


# The place


def test_a_transcript_that_no_host_owns_is_its_own_place(tmp_path: Path) -> None:
    path = tmp_path / "s-1.jsonl"
    assert (of_host(path), place(path)) == (False, path)
    path.write_bytes(HEADER)
    assert place(path) == path
    assert type(log_of(path)) is Log
    companion(path).touch()
    assert place(path) == companion(path) == place(companion(path))


def test_a_host_is_known_by_its_folder_or_its_store(transcript: Path, tmp_path: Path, monkeypatch: Any) -> None:
    assert of_host(transcript)
    assert of_host(transcript.with_name("not-there-yet.jsonl"))
    monkeypatch.chdir(transcript.parent)
    assert of_host(Path("s-1.jsonl"))
    elsewhere = tmp_path / "elsewhere" / "s-1.jsonl"
    elsewhere.parent.mkdir()
    assert not of_host(elsewhere)
    elsewhere.with_name("sessions.json").write_text("{}")
    assert of_host(elsewhere)
    elsewhere.write_bytes(HEADER + ASKED + ANSWERED)
    assert place(elsewhere) == companion(elsewhere), "nothing tells the host's version"


@pytest.mark.parametrize(
    ("version", "inside"),
    [
        (OLD, True),
        ("2026.4.26", True),
        ("v2026.4.26-beta.1", True),
        ("2025.12.1", True),
        ("2026.5.0", False),
        (NEW, False),
        ("2026.10.1", False),
        ("2027.1.1", False),
        ("unknown", False),
        ("2026.", False),
        (2026.3, False),
        (None, False),
    ],
)
def test_only_a_version_that_does_not_check_gets_our_lines(
    home: Path, transcript: Path, version: Any, inside: bool
) -> None:
    set_version(home, version)
    assert place(transcript) == (transcript if inside else companion(transcript))


@pytest.mark.parametrize("config", [b"", b"{", b"[]", b'{"meta":[]}', b"// JSON5\n{}", None])
def test_a_configuration_that_tells_no_version_means_beside(home: Path, transcript: Path, config: bytes | None) -> None:
    (home / "openclaw.json").unlink()
    if config is not None:
        (home / "openclaw.json").write_bytes(config)
    assert place(transcript) == companion(transcript)


def test_sessions_that_lie_in_the_hosts_database_mean_beside(home: Path, transcript: Path) -> None:
    database = home / "agents" / "main" / "agent" / "openclaw-agent.sqlite"
    database.parent.mkdir()
    database.touch()
    assert place(transcript) == companion(transcript)
    assert companion_of_stored(database, "s-1") == companion(transcript)
    for name in ("../s-1", "", "s-1.jsonl", ".s"):
        with pytest.raises(MisuseError, match="no session id"):
            companion_of_stored(database, name)


@pytest.mark.parametrize(
    ("content", "inside"),
    [
        (b"", False),
        (HEADER, False),
        (HEADER + ASKED, False),
        (HEADER + ASKED + ANSWERED, True),
        (HEADER + ASKED * 5_000 + ANSWERED, True),
        (HEADER + ASKED + json.dumps({"type": "message", "text": ANSWERED.decode()}).encode() + b"\n", False),
        (HEADER + b'{"type":"custom","data":' + ANSWERED[:-1] + b"}\n", False),
        (HEADER.replace(b'"version":3', b'"version":4') + ASKED + ANSWERED, False),
        (ASKED + ANSWERED, False),
    ],
)
def test_nothing_is_written_before_the_first_answer(transcript: Path, content: bytes, inside: bool) -> None:
    transcript.write_bytes(content)
    assert place(transcript) == (transcript if inside else companion(transcript))


def test_an_answer_is_found_wherever_the_blocks_end(transcript: Path) -> None:
    for size in range((1 << 16) - 120, (1 << 16) + 20, 7):
        filler = b'{"type":"custom","x":"' + b"x" * (size - len(HEADER) - 25) + b'"}\n'
        transcript.write_bytes(HEADER + filler + ANSWERED)
        assert place(transcript) == transcript, size


def test_every_recorded_transcript_has_its_answer(transcript: Path) -> None:
    recorded = [*FIXTURES.glob("transcripts/*.jsonl"), *FIXTURES.glob("foreign/*.jsonl")]
    assert len(recorded) > 20
    for one in recorded:
        shutil.copy(one, transcript)
        assert place(transcript) == transcript, one.name


# In the host's file


def test_our_lines_are_chained_and_written_under_the_hosts_lock(
    transcript: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, locked = file.write, list[bool]()

    def write(fd: int, data: bytes) -> int:
        if b"attempt_failed" in data:
            locked.append(lock.path_of(transcript).exists())
        return real(fd, data)

    monkeypatch.setattr(file, "write", write)
    with Session.open(transcript, chain=CHAIN) as session:
        assert session.failed(KIMI, reason="timeout", turn="1")
        assert session.failed(KIMI, reason="timeout", turn="2")
    assert locked == [True, True]
    assert tree_is_unbroken(transcript)
    assert names(transcript) == ["s-1.jsonl"]
    assert turns(transcript) == ["1", "2"]


def test_the_lock_is_held_for_little_more_than_the_write(transcript: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transcript.write_bytes(HEADER + ASKED + ANSWERED * 20_000)
    took, held_for, written = list[float](), list[float](), list[float]()
    publish, give_back, put = file.publish, lock._give_back, Log._put

    def timed_put(log: Log, *arguments: Any) -> int:
        began = time.monotonic()
        try:
            return put(log, *arguments)
        finally:
            written.append(time.monotonic() - began)

    monkeypatch.setattr(file, "publish", lambda *parts: (publish(*parts), took.append(time.monotonic())))
    monkeypatch.setattr(
        lock, "_give_back", lambda *parts: (give_back(*parts), held_for.append(time.monotonic() - took[-1]))
    )
    monkeypatch.setattr(Log, "_put", timed_put)
    with Session.open(transcript, chain=CHAIN) as session:
        for _ in range(20):
            assert session.failed(KIMI, reason="timeout")
    besides = sorted(whole - put for whole, put in zip(held_for, written, strict=True))
    assert besides[10] < 0.01, besides
    assert len(took) == 20


def test_a_torn_line_of_the_hosts_is_ended_at_once_under_its_lock(
    transcript: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = transcript.read_bytes()
    transcript.write_bytes(whole + b'{"type":"message","id":"c0ff')
    monkeypatch.setattr("eventlog.append.time.sleep", lambda _: pytest.fail("waited"))
    with Session.open(transcript, chain=CHAIN) as session:
        assert session.failed(KIMI, reason="timeout", turn="1")
    assert transcript.read_bytes().startswith(whole + b'{"type":"message","id":"c0ff\n{"type":"attempt_failed"')
    assert turns(transcript) == ["1"]


def test_a_file_that_the_host_has_replaced_is_the_one_written_to(transcript: Path) -> None:
    with Session.open(transcript, chain=CHAIN) as session:
        session.failed(KIMI, reason="timeout", turn="1")
        compacted = transcript.with_name("compacted")
        compacted.write_bytes(transcript.read_bytes())
        compacted.replace(transcript)
        session.failed(KIMI, reason="timeout", turn="2")
    assert turns(transcript) == ["1", "2"]
    assert tree_is_unbroken(transcript)


def test_a_host_line_is_never_written_for_the_host(transcript: Path) -> None:
    with pytest.raises(MisuseError, match="host's alone"):
        Session.open(transcript, chain=CHAIN).write({"type": "message"})


# The way beside


def test_while_a_turn_runs_events_go_beside_and_nothing_is_lost(
    transcript: Path, living: int, caplog: pytest.LogCaptureFixture
) -> None:
    session, other = impatient(transcript), impatient(transcript)
    assert session.failed(KIMI, reason="timeout", turn="1")
    assert list(other.state.tried) == [KIMI]
    before = transcript.read_bytes()
    begin_turn(transcript, living)
    began = time.monotonic()
    with caplog.at_level(logging.INFO, "switchlog"):
        assert session.failed(GLM, reason="timeout", turn="2")
    assert time.monotonic() - began < 0.5
    assert "s-1.jsonl.switchlog" in caplog.text
    assert (session.degraded, session.path) == (None, companion(transcript))
    assert list(session.state.tried) == [KIMI, GLM]
    assert session.state == other.state == fold(read_events(transcript)), "another process sees it at its next look"
    end_turn(transcript)
    assert other.failed(LOCAL, reason="timeout", turn="3")
    assert session.failed(KIMI, reason="timeout", turn="4")
    assert transcript.read_bytes() == before, "once there is a companion, all goes there"
    assert turns(transcript) == ["1", "2", "3", "4"]
    again = Session.open(transcript, chain=CHAIN)
    assert session.state == other.state == again.state == fold(read_events(transcript))
    assert again.path == companion(transcript)
    assert names(transcript) == ["s-1.jsonl", "s-1.jsonl.switchlog"]


def test_one_that_goes_beside_while_another_is_about_to_write_takes_it_along(
    transcript: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other holds the host's lock and has found no companion, when ours loses its patience and makes one."""
    other, ours = impatient(transcript), impatient(transcript)
    assert other.failed(KIMI, reason="timeout", turn="1")
    real, done = file.lock, list[bool]()

    def locking(fd: int) -> None:
        if not done:
            done.append(True)
            done.append(ours.failed(GLM, reason="timeout", turn="2"))
        real(fd)

    monkeypatch.setattr(file, "lock", locking)
    assert other.failed(LOCAL, reason="timeout", turn="3")
    assert done == [True, True]
    assert turns(transcript) == ["1", "2", "3"]
    assert ours.state == other.state == fold(read_events(transcript))
    assert [one.get("turn") for one in lines(transcript)[3:]] == ["1"]


def test_one_that_writes_while_another_goes_beside_is_known_there(
    transcript: Path, living: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, ours = Session.open(transcript, chain=CHAIN), impatient(transcript)
    begin_turn(transcript, living)
    real, done = hosted._told, list[bool]()

    def told(*arguments: Any) -> Any:
        if not done:
            done.append(True)
            end_turn(transcript)
            assert_locked(transcript)
        return real(*arguments)

    monkeypatch.setattr(hosted, "_told", told)
    assert ours.failed(KIMI, reason="timeout", turn="1")
    assert other.failed(GLM, reason="timeout", turn="2")
    assert turns(transcript) == ["1", "2"]
    assert ours.state == other.state


def assert_locked(transcript: Path) -> None:
    """Nobody of ours may write into the transcript between the look and the companion's making."""
    fd = file.open_append(transcript, create=False)
    assert not file.try_lock(fd)
    file.close(fd)


def test_a_host_that_was_upgraded_meanwhile_gets_no_more_lines(home: Path, transcript: Path) -> None:
    session = Session.open(transcript, chain=CHAIN)
    session.failed(KIMI, reason="timeout", turn="1")
    before = transcript.read_bytes()
    set_version(home, NEW)
    session.failed(KIMI, reason="timeout", turn="2")
    assert transcript.read_bytes() == before
    assert turns(transcript) == ["1", "2"]


def test_what_was_in_a_transcript_that_the_host_set_aside_is_remembered_beside(transcript: Path) -> None:
    session = Session.open(transcript, chain=CHAIN)
    session.failed(KIMI, reason="timeout", turn="1")
    transcript.rename(transcript.with_name("s-1.jsonl.reset.2026-11-22T14-48-06.522Z"))
    session.failed(GLM, reason="timeout", turn="2")
    assert not transcript.exists(), "a transcript is its host's to make"
    assert turns(transcript) == ["1", "2"]
    assert list(session.state.tried) == [KIMI, GLM]
    assert session.state == fold(read_events(transcript))


def test_a_transcript_that_goes_while_we_append_is_not_made_anew(
    transcript: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session.open(transcript, chain=CHAIN)
    real = hosted.place

    def answered_and_gone(path: Path) -> Path:
        answer = real(path)
        transcript.rename(transcript.with_name("s-1.jsonl.deleted.1795358103984"))
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(hosted, "place", answered_and_gone)
        assert not session.failed(KIMI, reason="timeout", turn="1")
    assert not transcript.exists()
    assert session.failed(KIMI, reason="timeout", turn="2")
    assert turns(transcript) == ["1", "2"]


def test_what_was_learned_before_the_first_answer_stays_beside(transcript: Path) -> None:
    transcript.unlink()
    early = Session.open(transcript, chain=CHAIN)
    transcript.write_bytes(HEADER + ASKED + ANSWERED)
    late = Session.open(transcript, chain=CHAIN)
    assert late.failed(KIMI, reason="timeout", turn="1")
    assert late.path == transcript
    assert early.failed(GLM, reason="timeout", turn="2")
    assert early.path == companion(transcript)
    assert turns(transcript) == ["1", "2"]
    assert early.state == late.state == fold(read_events(transcript))


def test_what_would_hold_the_lock_for_long_is_finished_beside(
    transcript: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = log_of(transcript)
    events = [AttemptFailed(model=KIMI, reason="timeout", turn=str(number), id=f"e{number}") for number in range(6)]
    monkeypatch.setattr(hosted, "LONGEST_HOLD", 0.05)

    def slowly(_: object) -> Iterator[Any]:
        for number, event in enumerate(events):
            if number == 3:
                time.sleep(0.06)
            yield event

    log.append(slowly)
    assert turns(transcript) == ["0", "1", "2", "3", "4", "5"]
    assert len(lines(transcript)) == 3 + 3
    assert log.state == fold(read_events(transcript))
    assert names(transcript) == ["s-1.jsonl", "s-1.jsonl.switchlog"]


def test_a_disk_that_refuses_the_lock_delays_the_event(transcript: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session.open(transcript, chain=CHAIN)
    with monkeypatch.context() as patch:

        def refuse(*_: object) -> None:
            raise PermissionError(13, "Permission denied", str(transcript))

        patch.setattr(file, "publish", refuse)
        assert not session.failed(KIMI, reason="timeout", turn="1")
        assert session.degraded is not None
        assert list(session.state.tried) == [KIMI]
    assert session.failed(GLM, reason="timeout", turn="2")
    assert session.degraded is None
    assert turns(transcript) == ["1", "2"]
    assert session.path == transcript


# With a host that lives


def host(transcript: Path, count: int, dies: int = -1) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOST, str(transcript), str(count), str(dies)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.skipif(sys.platform != "linux", reason="the host tells its start by /proc")
def test_a_host_and_ours_write_in_turns_and_nothing_is_lost(transcript: Path) -> None:
    command = [sys.executable, WRITER, transcript]
    ours = [
        subprocess.Popen([*command, name, "30", "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in ("p", "q")
    ]
    processes = [host(transcript, 30), *ours]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    told = [process.communicate(timeout=60)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert told[1:] == [[f"{name}-0.{number}" for number in range(30)] for name in ("p", "q")]
    assert tree_is_unbroken(transcript)
    entries = {entry["id"] for entry in lines(transcript)}
    assert entries >= {f"{kind}-{number}" for kind in ("user", "assistant") for number in range(30)}
    assert sorted(filter(None, turns(transcript))) == sorted([*told[1], *told[2]])
    assert set(names(transcript)) <= {"s-1.jsonl", "s-1.jsonl.switchlog"}
    assert any("seal" in entry for entry in lines(transcript))


@pytest.mark.skipif(sys.platform != "linux", reason="the host tells its start by /proc")
def test_a_host_killed_in_the_middle_of_its_line_holds_nobody_up(transcript: Path) -> None:
    process = host(transcript, 3, dies=1)
    process.communicate("\n", timeout=30)
    assert lock.path_of(transcript).exists()
    assert not transcript.read_bytes().endswith(b"\n")
    began = time.monotonic()
    with Session.open(transcript, chain=CHAIN) as session:
        assert session.failed(KIMI, reason="timeout", turn="1")
    assert time.monotonic() - began < 0.5
    assert names(transcript) == ["s-1.jsonl"]
    assert turns(transcript) == ["1"]


def test_one_of_ours_killed_under_the_lock_holds_nobody_up(transcript: Path) -> None:
    for place_of_death in ("write", "before-sync", "after-sync"):
        command = [sys.executable, WRITER, transcript, "w", "1", "--die", place_of_death, "2", "20"]
        subprocess.run(command, check=False, capture_output=True, timeout=30)
        assert lock.path_of(transcript).exists()
        with held(transcript, 0):
            pass
    with Session.open(transcript, chain=CHAIN) as session:
        assert session.failed(KIMI, reason="timeout", turn="1")
    assert names(transcript) == ["s-1.jsonl"]
    assert turns(transcript)[-1] == "1"


# Commands


def test_a_command_says_where_it_wrote_if_not_into_the_transcript(transcript: Path, living: int) -> None:
    assert switchlog("pin", transcript, GLM).stderr == ""
    assert lines(transcript)[-1]["to"] == GLM
    begin_turn(transcript, living)
    done = switchlog("unpin", transcript)
    assert (done.returncode, done.stdout) == (0, f"s-1: unpinned {GLM}\n")
    assert done.stderr == f"switchlog: written beside the transcript, into {companion(transcript)}\n"
    done = switchlog("append", transcript, json.dumps({"type": "attempt_failed", "model": KIMI, "reason": "auth"}))
    assert (done.returncode, done.stdout) == (0, "3\n")
    assert done.stderr == f"switchlog: written beside the transcript, into {companion(transcript)}\n"
    assert switchlog("unpin", transcript).stderr == "", "nothing was written"
