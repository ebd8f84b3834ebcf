"""How an event becomes a line: behind everything that others have written, durable before it is acknowledged.

Law: what was acknowledged is in the file, whole, once, in the chain and in the host's tree, whatever other writers,
forks, full disks and replaced files do in between; nothing that stood there is changed.
"""

import errno
import fcntl
import hashlib
import json
import os
import select
import stat
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from logs import SESSION, STAMP, Draft, compact, header, kinds, message, put, read
from msgspec.structs import replace

from eventlog import MisuseError, Session, UnreadableError, append, file, read_events
from eventlog.append import REMEMBERED, STILL, Log
from replay import AttemptFailed, Event, Recorded, fold

WRITER = Path(__file__).with_name("writer.py")
TICK = 0.02
"""Seconds by which a file's time may lag behind the clock."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / f"{SESSION}.jsonl"


@pytest.fixture
def log(path: Path) -> Iterator[Log]:
    log = Log(path)
    yield log
    log.close()


def failure(name: str, **more: Any) -> AttemptFailed:
    return AttemptFailed(model=f"kimi/{name}", reason="rate_limit", id=name, **more)


def add(log: Log, *events: Event) -> list[Recorded]:
    return log.append(lambda _: events)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def own(path: Path) -> list[dict[str, Any]]:
    """The sealed records as a stranger reads them: no code of ours."""
    found = [line for line in path.read_bytes().splitlines() if b',"seal":"' in line]
    return [json.loads(line) for line in found]


def models(path: Path) -> list[str]:
    return [getattr(one.event, "model", "") for one in read_events(path)]


def host_writes(path: Path, data: bytes) -> None:
    with path.open("ab") as host:
        host.write(data)


def put_behind(path: Path, data: bytes) -> None:
    """The host writes, and the file looks as if that had been long ago."""
    host_writes(path, data)
    os.utime(path, (1_700_000_000, 1_700_000_000))


def check_chain(path: Path) -> None:
    """Each record's seal computed with hashlib, and its ``prev`` the seal before it."""
    prev = None
    for line in path.read_bytes().splitlines():
        body, mark, rest = line.rpartition(b',"seal":"')
        if mark:
            assert hashlib.sha256(body).hexdigest()[:32].encode() + b'"}' == rest
            assert json.loads(line)["prev"] == prev
            prev = rest[:-2].decode()


# the line


def test_a_record_looks_as_the_format_says(log: Log, path: Path) -> None:
    add(log, failure("1", status=429, retry_after_ms=7000, error="Rate limit reached", turn="t-42", seen=11))
    line = path.read_bytes().splitlines()[1]
    assert line.startswith(
        b'{"type":"attempt_failed","id":"1","parentId":null,"session":"17a309d8","turn":"t-42","model":"kimi/1",'
        b'"reason":"rate_limit","status":429,"retryAfterMs":7000,"error":"Rate limit reached","seen":11,'
        b'"v":1,"prev":null,"seal":"'
    )
    check_chain(path)


def test_what_append_returns_stands_where_it_says(log: Log, path: Path) -> None:
    recorded = add(log, failure("1"), failure("2"))
    recorded += add(log, failure("3"))
    assert [one.position for one in recorded] == [1, 2, 3]
    data = path.read_bytes()
    assert all(
        data[one.offset :].startswith(compact({"type": "attempt_failed", "id": one.event.id})[:-1]) for one in recorded
    )
    assert [(one.position, one.offset) for one in read_events(path)] == [(one.position, one.offset) for one in recorded]


def test_each_record_names_the_seal_and_the_entry_before_it(log: Log, path: Path) -> None:
    add(log, failure("1"), failure("2"))
    add(log, failure("3"))
    first, second, third = own(path)
    assert [first["prev"], second["prev"], third["prev"]] == [None, first["seal"], second["seal"]]
    assert [first["parentId"], second["parentId"], third["parentId"]] == [None, "1", "2"]


# the parent


def parent_after(path: Path, before: bytes) -> object:
    put(path, before)
    add(Log(path), failure("ours"))
    return own(path)[-1]["parentId"]


@pytest.mark.parametrize(
    ("before", "parent"),
    [
        (b"", None),
        (header(), None),
        (header()[:-1], None),
        (header() + header("again"), None),
        (header() + b"not JSON\n", None),
        (header() + message(None), None),
        (header() + message("c0ffee01"), "c0ffee01"),
        (message("c0ffee01"), "c0ffee01"),
        (header() + message("c0ffee01") + message("c0ffee02"), "c0ffee02"),
        (header() + message("c0ffee01") + message(None) + b"\n" + b"not JSON\n" + b'{"id":7}\n', "c0ffee01"),
        (header() + message("c0ffee01") + message("c0ffee02")[:-1], "c0ffee02"),
        (header() + message("c0ffee01") + message("c0ffee02")[:-9], "c0ffee01"),
        (header() + message("c0ffee01") + b"\0" * 50, "c0ffee01"),
        (header() + Draft().failed(), "0000000000000001"),
        (header() + Draft().failed()[:-1], "0000000000000001"),
        (header() + message("c0ffee01") + Draft().failed(), "0000000000000001"),
        (header() + Draft().failed() + message("c0ffee01"), "c0ffee01"),
        (header() + Draft().failed() + message("c0ffee01")[:-1], "c0ffee01"),
        (header() + Draft().record("budget_spent"), "0000000000000001"),
        (header() + Draft().record("budget_spent")[:-1], "0000000000000001"),
        (header() + Draft("99ffee00").failed(id="abroad"), "abroad"),
        (header() + Draft().failed("a/1").replace(b"a/1", b"a/2"), "0000000000000001"),
        (header() + Draft().record("attempt_failed", reason="timeout", id="incomplete"), "incomplete"),
        (header() + compact({"type": "model_switch", "to": "a/1", "id": "bare"}) + b"\n", "bare"),
        (header() + message("c0ffee01") + compact({"type": "model_switch", "to": "a/1"}) + b"\n", "c0ffee01"),
        (header() + message("big", text="x" * 2_000_000), "big"),
    ],
)
def test_the_parent_is_the_last_entry_whoever_wrote_it(path: Path, before: bytes, parent: str | None) -> None:
    assert parent_after(path, before) == parent
    assert path.read_bytes().startswith(before)


def test_the_parent_is_the_line_that_the_host_wrote_meanwhile(log: Log, path: Path) -> None:
    add(log, failure("1"))
    host_writes(path, message("c0ffee01", "1"))
    add(log, failure("2"), failure("3"))
    assert [record["parentId"] for record in own(path)] == [None, "c0ffee01", "2"]
    check_chain(path)


# a new file


@pytest.mark.parametrize("exists", [True, False])
def test_the_header_comes_with_the_first_event_in_one_write(
    log: Log, path: Path, exists: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if exists:
        path.touch()
    writes: list[bytes] = []
    real = file.write
    monkeypatch.setattr(file, "write", lambda fd, data: writes.append(data) or real(fd, data))
    monkeypatch.chdir(tmp_path)
    assert not path.exists() or path.read_bytes() == b""
    add(log, failure("1", timestamp=read(Draft().failed())[0][0].event.timestamp), failure("2"))
    assert len(writes) == 2
    assert writes[0].count(b"\n") == 2
    assert b"".join(writes) == path.read_bytes()
    expected = {"type": "session", "version": 3, "id": SESSION, "timestamp": STAMP, "cwd": str(tmp_path)}
    assert json.dumps(lines(path)[0]) == json.dumps(expected)


def test_nothing_is_made_before_the_first_event(tmp_path: Path) -> None:
    log = Log(tmp_path / "sessions" / "a.jsonl")
    log.refresh()
    assert list(tmp_path.iterdir()) == []
    assert log.append(lambda _: []) == []
    assert (tmp_path / "sessions" / "a.jsonl").read_bytes() == b""


def test_a_new_file_is_its_owners_alone_in_a_folder_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "sessions" / "a.jsonl"
    add(Log(path), failure("1"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.parent.parent.stat().st_mode) == 0o700


def test_a_file_that_is_there_keeps_its_mode(path: Path) -> None:
    path.write_bytes(header())
    path.chmod(0o640)
    add(Log(path), failure("1"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_no_descriptor_of_a_log_reaches_another_program(log: Log) -> None:
    add(log, failure("1"))
    assert log._descriptor.fd is not None
    assert fcntl.fcntl(log._descriptor.fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    assert fcntl.fcntl(log._descriptor.fd, fcntl.F_GETFL) & os.O_APPEND


def make_link(path: Path) -> None:
    path.symlink_to(path.with_name("elsewhere"))
    path.with_name("elsewhere").write_bytes(b"precious\n")


@pytest.mark.parametrize(
    ("make", "why"),
    [(make_link, "symbolic link"), (os.mkfifo, "named pipe"), (Path.mkdir, "no regular file")],
    ids=["link", "pipe", "folder"],
)
def test_what_is_no_file_of_its_own_is_refused(path: Path, make: Callable[[Path], object], why: str) -> None:
    make(path)
    with pytest.raises(UnreadableError, match=why):
        add(Log(path), failure("1"))
    session = Session.open(path)
    assert session.failed("kimi/k2", reason="timeout") is False
    assert session.degraded is not None
    assert why in session.degraded
    assert session.state.position == 1
    if path.is_symlink():
        assert path.with_name("elsewhere").read_bytes() == b"precious\n"


def test_a_relative_path_names_the_same_file_wherever_the_process_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with Session.open("sessions/a.jsonl") as session:
        assert session.failed("kimi/k2", reason="timeout")
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert session.failed("kimi/k2", reason="timeout")
    assert len(list(read_events(tmp_path / "sessions" / "a.jsonl"))) == 2
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_process_in_a_removed_folder_can_begin_a_log(tmp_path: Path, path: Path) -> None:
    code = (
        "import os, sys\n"
        "from eventlog import Session\n"
        "os.mkdir(sys.argv[1]); os.chdir(sys.argv[1]); os.rmdir(sys.argv[1])\n"
        "assert Session.open(sys.argv[2]).failed('kimi/k2', reason='timeout')"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "gone"), str(path)], check=True)
    assert lines(path)[0]["cwd"] == ""
    assert models(path) == ["kimi/k2"]


# the order of things


def record_calls(monkeypatch: pytest.MonkeyPatch, *names: str) -> list[str]:
    calls: list[str] = []

    def recorded(name: str) -> Callable[..., object]:
        real = getattr(file, name)

        def call(*arguments: object, **more: object) -> object:
            calls.append(name)
            return real(*arguments, **more)

        return call

    for name in names:
        monkeypatch.setattr(file, name, recorded(name))
    return calls


def test_an_event_is_synced_under_the_lock_before_it_is_acknowledged(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = record_calls(monkeypatch, "lock", "write", "sync", "sync_folder", "unlock")
    session = Session.open(path)
    assert session.failed("kimi/k2", reason="timeout") is True
    assert calls == ["lock", "write", "sync", "sync_folder", "unlock"]
    calls.clear()
    assert session.failed("kimi/k2", reason="timeout") is True
    assert calls == ["lock", "write", "sync", "unlock"]


def test_an_event_is_not_acknowledged_while_the_sync_runs(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    event, during = failure("1"), []
    real = file.sync
    monkeypatch.setattr(file, "sync", lambda fd: during.append(log.acknowledged(event)) or real(fd))
    add(log, event)
    assert (during, log.acknowledged(event)) == ([False], True)


def test_durability_for_the_process_alone_never_syncs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = record_calls(monkeypatch, "sync", "sync_folder")
    with Session.open(path, durability="process") as session:
        assert session.failed("kimi/k2", reason="timeout") is True
    assert calls == []


def test_each_new_folder_is_made_durable_in_its_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    real = file.sync_folder
    monkeypatch.setattr(file, "sync_folder", lambda folder: synced.append(folder) or real(folder))
    add(Log(tmp_path / "deep" / "sessions" / "a.jsonl"), failure("1"))
    assert synced == [tmp_path, tmp_path / "deep", tmp_path / "deep" / "sessions"]


def test_a_name_is_made_durable_by_whoever_finds_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who made it may have crashed before; and a file of the same number may be another one by now."""
    path.touch()
    calls = record_calls(monkeypatch, "sync_folder")
    log = Log(path)
    add(log, failure("1"), failure("2"))
    assert len(calls) == 1
    log.close()
    add(log, failure("3"))
    assert len(calls) == 2
    log.close()


def test_the_decision_is_made_of_what_others_wrote(log: Log, path: Path) -> None:
    other = Log(path)
    add(other, failure("1"))
    seen: list[int] = []
    log.append(lambda state: seen.append(state.position) or [])
    add(other, failure("2"))
    log.append(lambda state: seen.append(state.position) or [])
    assert seen == [1, 2]
    other.close()


def test_a_mistake_in_the_middle_keeps_what_was_written_before(log: Log, path: Path) -> None:
    with pytest.raises(MisuseError):
        add(log, failure("1"), failure("2", extra={"seal": "x"}), failure("3"))
    assert models(path) == ["kimi/1"]
    add(log, failure("4"))
    assert models(path) == ["kimi/1", "kimi/4"]


# short writes and failing syncs


def write_at_most(monkeypatch: pytest.MonkeyPatch, *most: int) -> list[int]:
    """The next writes take only so many bytes (negative: so many fewer); later ones all."""
    real, left, taken = file.write, list(most), []

    def write(fd: int, data: bytes) -> int:
        limit = left.pop(0) if left else len(data)
        taken.append(real(fd, data[:limit]))
        return taken[-1]

    monkeypatch.setattr(file, "write", write)
    return taken


@pytest.mark.parametrize("most", [0, 1, 10, 200, -60, -35, -2, -1])
def test_after_a_short_write_the_whole_line_is_written_again(
    log: Log, path: Path, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(log, failure("0"))
    before = path.read_bytes()
    taken = write_at_most(monkeypatch, most)
    (recorded,) = add(log, failure("1", error="a } b"))
    add(log, failure("2"))
    assert len(taken) == 3
    assert path.read_bytes().startswith(before)
    found = read_events(path)
    assert [one.event.id for one in found] == ["0", "1", "2"]
    assert (recorded.position, recorded.offset) in [(one.position, one.offset) for one in read_events(path)]
    assert not found.report.damaged, found.report.findings
    assert kinds(found.report).keys() <= {"event", "foreign", "torn", "blank"}
    assert fold(read_events(path)) == log.state


@pytest.mark.parametrize("most", [1, 10, 200, -60, -2, -1])
def test_what_a_host_writes_behind_a_short_write_costs_us_nothing(
    log: Log, path: Path, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest of the line alone would be no line of ours any more."""
    add(log, failure("0"))
    real, calls = file.write, 0

    def write(fd: int, data: bytes) -> int:
        nonlocal calls
        calls += 1
        if calls > 1:
            return real(fd, data)
        taken = real(fd, data[:most])
        with path.open("ab") as host:
            host.write(message("c0ffee01"))
        return taken

    monkeypatch.setattr(file, "write", write)
    add(log, failure("1"))
    assert [one.event.id for one in read_events(path)] == ["0", "1"]
    add(log, failure("2"))
    found = read_events(path)
    assert [one.event.id for one in found] == ["0", "1", "2"]
    assert message("c0ffee01") in path.read_bytes()
    assert not found.report.pieces["conflict"]


def test_after_a_short_first_write_there_is_still_one_header(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Session.open(path) as session:
        write_at_most(monkeypatch, 50)
        assert session.failed("kimi/k2", reason="timeout") is True
    assert path.read_bytes().count(b'{"type":"session"') == 1
    assert kinds(read(path.read_bytes())[1]) == {"event": 1, "foreign": 1}


def test_a_disk_that_stays_full_acknowledges_nothing_and_loses_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Session.open(path) as session:
        assert session.failed("kimi/k2", reason="timeout") is True
        write_at_most(monkeypatch, 20, 7)
        assert session.failed("zhipu/glm", reason="billing", error="a } b") is False
        assert session.degraded is not None
        assert "short write" in session.degraded
        assert session.state.position == 2
        assert session.failed("kimi/k3", reason="network") is True
        assert session.degraded is None
    found = read_events(path)
    assert [getattr(one.event, "model", "") for one in found] == ["kimi/k2", "zhipu/glm", "kimi/k3"]
    assert not found.report.damaged
    assert kinds(found.report) == {"event": 3, "foreign": 1, "torn": 2}


def fail_once(monkeypatch: pytest.MonkeyPatch, name: str, number: int = errno.EIO) -> list[int]:
    """The next call of a file function fails; gives the descriptors it was called with."""
    real, used = getattr(file, name), []

    def call(fd: int, *arguments: object) -> object:
        used.append(fd)
        if len(used) == 1:
            raise OSError(number, os.strerror(number))
        return real(fd, *arguments)

    monkeypatch.setattr(file, name, call)
    return used


def test_after_a_failed_sync_the_descriptor_is_never_used_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session.open(path)
    assert session.failed("kimi/k1", reason="timeout") is True
    calls = record_calls(monkeypatch, "close", "open_append")
    fail_once(monkeypatch, "sync")
    assert session.failed("kimi/k2", reason="timeout") is False
    assert calls == ["close"]
    assert session.degraded is not None
    assert session.state.position == 2, "it stands in the file, and waits in memory too: one event"
    assert session.failed("kimi/k3", reason="timeout") is True
    assert calls == ["close", "open_append"]
    found = read_events(path)
    assert [getattr(one.event, "model", "") for one in found] == ["kimi/k1", "kimi/k2", "kimi/k3"]
    assert kinds(found.report) == {"event": 3, "foreign": 1, "duplicate": 1}
    assert not found.report.damaged, found.report.findings
    assert session.state == fold(read_events(path))
    session.close()


def test_a_failed_sync_gives_back_no_lock_but_its_own(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of the closed descriptor may be another thread's file by then, locked by it."""
    log = Log(path)
    add(log, failure("1"))
    other = tmp_path / "other"
    other.touch()
    taken: list[int] = []
    real = file.close

    def close_and_take(fd: int) -> None:
        real(fd)
        taken.append(os.open(other, os.O_RDWR))
        fcntl.flock(taken[0], fcntl.LOCK_EX)
        assert taken == [fd], "the number was to be the same"

    monkeypatch.setattr(file, "close", close_and_take)
    fail_once(monkeypatch, "sync")
    with pytest.raises(OSError, match="Input/output"):
        add(log, failure("2"))
    with other.open() as stranger, pytest.raises(BlockingIOError):
        fcntl.flock(stranger, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(taken[0])


def is_free(path: Path) -> bool:
    with path.open() as stranger:
        try:
            fcntl.flock(stranger, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


@pytest.mark.parametrize("name", ["write", "sync", "written_to", "lock", "read_at", "identify_path"])
def test_whatever_fails_the_lock_is_given_back(
    log: Log, path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(log, failure("1"))
    fail_once(monkeypatch, name)
    with pytest.raises(OSError, match="Input/output"):
        add(log, failure("2"))
    assert is_free(path)
    add(log, failure("3"))
    assert models(path)[-1] == "kimi/3"


def test_the_lock_is_given_back_when_the_name_can_not_be_looked_up(
    log: Log, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.touch()
    real, calls = file.identify_path, []

    def lost(named: Path) -> file.Identity | None:
        calls.append(named)
        if len(calls) == 2:  # the look after the new file was locked
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(named)

    monkeypatch.setattr(file, "identify_path", lost)
    with pytest.raises(PermissionError):
        add(log, failure("1"))
    assert len(calls) == 2
    assert is_free(path)


def test_a_sync_that_fails_on_the_folder_acknowledges_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with Session.open(path) as session:
        with monkeypatch.context() as patch:
            patch.setattr(file, "sync_folder", refuse)
            assert session.failed("kimi/k1", reason="timeout") is False
        assert session.failed("kimi/k2", reason="timeout") is True
    assert models(path) == ["kimi/k1", "kimi/k2"]


# a file that was replaced, cut or deleted


def swap_in(path: Path, data: bytes) -> None:
    """Replace the file by another one, as a host does it: written beside it, then renamed."""
    copy = path.with_name("copy")
    copy.write_bytes(data)
    copy.replace(path)


def change_back(path: Path, older: bytes) -> None:
    swap_in(path, older)


def cut_off(path: Path, older: bytes) -> None:
    os.truncate(path, len(older))


def write_over(path: Path, older: bytes) -> None:
    path.write_bytes(older + message("c0ffee77") * 20)


def delete(path: Path, older: bytes) -> None:
    path.unlink()


@pytest.mark.parametrize("lose", [change_back, cut_off, write_over, delete])
@pytest.mark.parametrize("closed", [False, True])
def test_what_a_replaced_file_lacks_is_appended_again(
    path: Path, lose: Callable[[Path, bytes], None], closed: bool
) -> None:
    with Session.open(path) as session:
        assert session.failed("kimi/k1", reason="timeout", turn="1") is True
        older = path.read_bytes()
        assert session.failed("kimi/k2", reason="auth", turn="2") is True
        assert session.failed("kimi/k3", reason="auth", turn="3") is True
        ids = [one.event.id for one in read_events(path)]
        if closed:
            session.close()
        lose(path, older)
        assert session.failed("kimi/k4", reason="timeout", turn="4") is True
        assert session.state == fold(read_events(path))
    found = read_events(path)
    again = [(one.event.turn, one.event.id) for one in found]
    assert again[:3] == list(zip("123", ids, strict=True))
    assert [turn for turn, _ in again] == list("1234")
    assert not found.report.damaged, found.report.findings
    assert path.read_bytes().count(b'"type":"session"') == 1
    check_chain(path)


def test_a_file_replaced_by_a_longer_copy_gets_nothing_twice(path: Path) -> None:
    with Session.open(path) as session:
        assert session.failed("kimi/k1", reason="timeout") is True
        swap_in(path, path.read_bytes() + message("c0ffee01"))
        assert session.failed("kimi/k2", reason="timeout") is True
    assert models(path) == ["kimi/k1", "kimi/k2"]
    assert own(path)[-1]["parentId"] == "c0ffee01"


def test_a_file_cut_while_the_lost_is_written_again_is_made_whole_by_the_next(
    log: Log, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(log, *(failure(f"{number}") for number in range(6)))
    older = path.read_bytes().splitlines(keepends=True)[:2]
    cut_off(path, b"".join(older))
    real, written = file.write, list[bytes]()

    def cut_at_the_fourth(fd: int, data: bytes) -> int:
        written.append(data)
        done = real(fd, data)
        if len(written) == 4:
            cut_off(path, b"".join(older))
        return done

    monkeypatch.setattr(file, "write", cut_at_the_fourth)
    add(log, failure("6"))
    add(log, failure("7"))
    assert sorted(models(path)) == [f"kimi/{number}" for number in range(8)]
    assert log.state == fold(read_events(path))


def test_a_disk_that_refuses_while_the_lost_is_written_again_is_asked_once_more(
    log: Log, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(log, *(failure(f"{number}") for number in range(4)))
    cut_off(path, b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    real, written = file.write, list[bytes]()

    def full_at_the_second(fd: int, data: bytes) -> int:
        written.append(data)
        if len(written) == 2:
            raise OSError(errno.ENOSPC, "no space left on device")
        return real(fd, data)

    monkeypatch.setattr(file, "write", full_at_the_second)
    with pytest.raises(OSError, match="no space"):
        add(log, failure("4"))
    add(log, failure("5"))
    assert sorted(models(path)) == ["kimi/0", "kimi/1", "kimi/2", "kimi/3", "kimi/5"]


def test_only_the_last_acknowledged_events_are_remembered(path: Path) -> None:
    log = Log(path, "process")
    add(log, *(failure(f"{number}") for number in range(REMEMBERED + 10)))
    path.unlink()
    add(log, failure("new"))
    assert [one.event.id for one in read_events(path)] == [*map(str, range(10, REMEMBERED + 10)), "new"]
    log.close()


def test_an_event_without_an_id_is_written_once(log: Log, path: Path) -> None:
    add(log, AttemptFailed(model="kimi/k1", reason="timeout"))
    add(log, failure("2"))
    assert models(path) == ["kimi/k1", "kimi/2"]


def test_a_file_replaced_while_we_wait_for_its_lock_is_left_alone(
    log: Log, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(log, failure("1"))
    old = path.read_bytes()
    real, locked = file.lock, []

    def lock(fd: int) -> None:
        if not locked:
            path.rename(path.with_name("old"))
            path.write_bytes(old + message("c0ffee01"))
        locked.append(fd)
        real(fd)

    monkeypatch.setattr(file, "lock", lock)
    add(log, failure("2"))
    assert len(locked) == 2
    assert path.with_name("old").read_bytes() == old
    assert models(path) == ["kimi/1", "kimi/2"]
    assert own(path)[-1]["parentId"] == "c0ffee01"


def test_refresh_sees_what_others_wrote_cut_and_replaced(log: Log, path: Path) -> None:
    other = Log(path)
    add(other, failure("1"), failure("2"))
    log.refresh()
    assert log.state.position == 2
    os.truncate(path, path.stat().st_size - 5)
    log.refresh()
    assert (log.state.position, kinds(log.report)["torn"]) == (1, 1)
    swap_in(path, header())
    log.refresh()
    assert log.state.position == 0
    path.unlink()
    log.refresh()
    assert log.state.position == 0
    other.close()


def test_a_deleted_file_and_a_new_one_with_its_number_and_size_are_two(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system gives a number away again as soon as nobody has the old file open."""

    def numbered(look: Callable[..., file.Identity | None]) -> Callable[..., file.Identity | None]:
        def looking(where: object) -> file.Identity | None:
            found = look(where)
            return None if found is None else replace(found, inode=1)

        return looking

    monkeypatch.setattr(file, "identify", numbered(file.identify))
    monkeypatch.setattr(file, "identify_path", numbered(file.identify_path))
    log, other = Log(path), Log(path)
    add(log, failure("1"))
    size = path.stat().st_size
    path.unlink()
    log.refresh()
    assert log.state.tried.keys() == {"kimi/1"}, "it keeps what it knew until it writes again"
    assert not log.current(), "but the next request has to write it again"
    add(other, failure("2"))
    assert path.stat().st_size == size
    log.refresh()
    assert log.state.tried.keys() == {"kimi/2"}


def test_refresh_without_news_reads_nothing(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    add(log, failure("1"))
    calls = record_calls(monkeypatch, "read_at", "identify", "open_append")
    log.refresh()
    assert calls == []


def test_a_line_that_is_still_being_written_is_only_looked_at(log: Log, path: Path) -> None:
    draft = Draft()
    line = draft.failed("a/1")
    for end in range(0, len(line) + 1, 37):
        path.write_bytes(header() + line[:end])
        log.refresh()
        assert not log.report.damaged
    path.write_bytes(header() + line[:-1])
    log.refresh()
    assert (log.state.position, log.report.pieces["unterminated"]) == (1, 1)
    host_writes(path, b"\n")
    log.refresh()
    assert (log.state.position, kinds(log.report)) == (1, {"event": 1, "foreign": 1})


# others that write


def wait_until_blocked(pid: int, done: int) -> bool:
    """Whether the process waits for a file lock; False once it says that it is done instead."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if select.select([done], [], [], 0.01)[0]:
            return False
        locks = Path("/proc/locks").read_text(encoding="ascii").splitlines()
        if any("->" in line and f" {pid} " in line for line in locks):
            return True
    raise AssertionError("neither blocked nor done")


def child(work: Callable[[], None]) -> tuple[int, int]:
    """Run ``work`` in a forked process; its pid, and a descriptor on which it says when it is done."""
    done, say = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # to fork beside threads is what is tried here
        pid = os.fork()
    if pid:
        os.close(say)
        return pid, done
    status = 1
    try:
        work()
        os.write(say, b"done")
        status = 0
    finally:
        os._exit(status)


def ends_well(pid: int, done: int) -> None:
    assert os.waitpid(pid, 0)[1] == 0
    os.close(done)


def test_parent_and_child_of_a_fork_both_append(path: Path) -> None:
    session = Session.open(path)
    assert session.failed("kimi/before", reason="timeout")

    def work() -> None:
        for _ in range(30):
            assert session.failed("kimi/child", reason="timeout") is True

    pid, done = child(work)
    for _ in range(30):
        assert session.failed("kimi/parent", reason="timeout") is True
    ends_well(pid, done)
    assert session.state == fold(read_events(path))
    session.close()
    assert sorted(models(path)) == ["kimi/before"] + ["kimi/child"] * 30 + ["kimi/parent"] * 30
    assert kinds(read_events_whole(path)) == {"event": 61, "foreign": 1}
    check_chain(path)


def read_events_whole(path: Path) -> Any:
    events = read_events(path)
    list(events)
    return events.report


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="looks at Linux's table of locks")
def test_a_child_forked_within_an_append_does_not_share_its_lock(log: Log, path: Path) -> None:
    add(log, failure("before"))
    forked: list[tuple[int, int]] = []
    blocked: list[bool] = []

    def decide(_: object) -> list[Event]:
        forked.append(child(lambda: add(log, failure("child")) and None))
        blocked.append(wait_until_blocked(*forked[0]))
        return [failure("parent")]

    log.append(decide)
    ends_well(*forked[0])
    assert blocked == [True]
    assert models(path) == ["kimi/before", "kimi/parent", "kimi/child"]
    check_chain(path)


def test_a_child_that_fails_before_it_has_its_own_descriptor_leaves_the_parents_lock_alone(
    log: Log, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(log, failure("before"))

    def refuse(named: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    def work() -> None:
        monkeypatch.setattr(file, "identify_path", refuse)
        with pytest.raises(PermissionError):
            add(log, failure("child"))
        assert not is_free(path)

    def decide(_: object) -> list[Event]:
        ends_well(*child(work))
        return [failure("parent")]

    log.append(decide)
    assert models(path) == ["kimi/before", "kimi/parent"]


def test_a_child_forked_while_another_thread_reads_starts_afresh(
    log: Log, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread is gone in the child, and what it had half done stays half done: nothing of it may be used."""
    add(log, failure("1"))
    host_writes(path, message("c0ffee01"))
    reading, go_on = threading.Event(), threading.Event()
    main, real = os.getpid(), log._known.reader.feed

    def slow_feed(block: bytes) -> list[Recorded]:
        if os.getpid() == main:
            reading.set()
            assert go_on.wait(10)
        return real(block)

    monkeypatch.setattr(log._known.reader, "feed", slow_feed)
    thread = threading.Thread(target=log.refresh)
    thread.start()
    assert reading.wait(10)
    ends_well(*child(lambda: add(log, failure("child")) and None))
    go_on.set()
    thread.join()
    assert models(path) == ["kimi/1", "kimi/child"]
    assert own(path)[-1]["parentId"] == "c0ffee01"
    check_chain(path)


def test_threads_of_several_processes_lose_and_tear_nothing(path: Path) -> None:
    command = [sys.executable, str(WRITER), str(path)]
    writers = [
        subprocess.Popen([*command, name, "50", "2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in ("p", "q")
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    acknowledged: list[str] = []
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        acknowledged += writer.communicate()[0].split()
        assert writer.returncode == 0
    expected = [f"{name}-{thread}.{number}" for name in "pq" for thread in (0, 1) for number in range(50)]
    assert sorted(acknowledged) == sorted(expected)
    found = read_events(path)
    turns = [one.event.turn or "" for one in found]
    assert sorted(turns) == sorted(expected)
    for name in ("p-0", "p-1", "q-0", "q-1"):
        assert [turn for turn in turns if turn.startswith(name)] == [f"{name}.{number}" for number in range(50)]
    assert kinds(found.report) == {"event": 200, "foreign": 1}
    assert found.report.gaps == 0
    check_chain(path)
    entries = own(path)
    assert [entry["parentId"] for entry in entries] == [None, *(entry["id"] for entry in entries[:-1])]


def test_what_a_host_writes_between_our_look_and_our_write_is_read_too(
    log: Log, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(log, failure("1"))
    real = file.write
    monkeypatch.setattr(file, "write", lambda fd, data: host_writes(path, message("c0ffee01")) or real(fd, data))
    add(log, failure("2"))
    monkeypatch.undo()
    assert kinds(log.report) == {"event": 2, "foreign": 2}
    add(log, failure("3"))
    assert models(path) == ["kimi/1", "kimi/2", "kimi/3"]
    assert own(path)[-1]["parentId"] == "2"
    check_chain(path)
    assert kinds(log.report) == {"event": 3, "foreign": 2}


def test_a_line_glued_to_what_a_host_just_began_is_still_found(
    log: Log, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(log, failure("1"))
    real = file.write
    monkeypatch.setattr(file, "write", lambda fd, data: host_writes(path, message("c0ffee01")[:30]) or real(fd, data))
    add(log, failure("2"))
    assert models(path) == ["kimi/1", "kimi/2"]
    assert log.state.position == 2
    assert not log.report.damaged


# a host's unfinished line


def test_a_hosts_torn_line_is_ended_only_after_it_stood_still(path: Path) -> None:
    path.write_bytes(header() + message("c0ffee01") + message("c0ffee02")[:50])
    before = path.stat().st_mtime_ns
    add(Log(path), failure("1"))
    assert path.stat().st_mtime_ns - before >= (STILL - TICK) * 1e9
    assert path.read_bytes().startswith(
        header() + message("c0ffee01") + message("c0ffee02")[:50] + b"\n" + b'{"type":"att'
    )


def test_our_own_torn_line_is_ended_at_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(append.time, "sleep", lambda _: pytest.fail("waited"))
    path.write_bytes(header() + Draft().failed()[:-20])
    add(Log(path), failure("1"))
    assert models(path) == ["kimi/1"]


class Clock:
    """A host that does something each time we sleep, and the time that passes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, path: Path, steps: list[bytes], shift: float = 0.0) -> None:
        self.now, self.slept, self.path, self.steps, self.shift = time.time(), 0.0, path, steps, shift
        monkeypatch.setattr(append, "time", self)
        self.touch()

    def touch(self) -> None:
        stamp = self.now + self.shift
        os.utime(self.path, (stamp, stamp))

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds
        if self.steps:
            host_writes(self.path, self.steps.pop(0))
            self.touch()


def test_a_host_that_ends_its_line_itself_is_not_helped(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = message("c0ffee02")
    before = header() + message("c0ffee01")
    path.write_bytes(before + line[:20])
    clock = Clock(monkeypatch, path, [line[20:40], line[40:]])
    add(Log(path), failure("1"))
    assert path.read_bytes().startswith(before + line + b'{"type":"attempt_failed"')
    assert own(path)[0]["parentId"] == "c0ffee02"
    assert clock.slept < STILL


def test_a_host_that_ends_its_line_while_we_decide_is_not_helped_either(path: Path) -> None:
    line = message("c0ffee02")
    before = header() + message("c0ffee01")
    put(path, before + line[:20])

    def decide(_: object) -> list[Event]:
        put_behind(path, line[20:])
        return [failure("1")]

    Log(path).append(decide)
    assert path.read_bytes().startswith(before + line + b'{"type":"attempt_failed"')
    assert own(path)[0]["parentId"] == "c0ffee02"


def test_a_host_that_goes_on_writing_is_waited_for_each_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(header() + message("c0ffee01") + b'{"type":"message"')
    clock = Clock(monkeypatch, path, [b","] * 12)
    add(Log(path), failure("1"))
    assert clock.slept >= 12 * STILL / 10 + STILL - 0.001


def test_a_host_that_never_ends_its_line_makes_the_session_wait_in_memory(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = header() + message("c0ffee01") + b'{"type":"message"'
    path.write_bytes(before)
    Clock(monkeypatch, path, [b","] * 1_000)
    with Session.open(path) as session:
        assert session.failed("kimi/k1", reason="timeout") is False
        assert session.degraded is not None
        assert "still writing" in session.degraded
        assert b"attempt_failed" not in path.read_bytes()
        monkeypatch.undo()
        host_writes(path, b"}\n")
        assert session.failed("kimi/k2", reason="timeout") is True
    assert models(path) == ["kimi/k1", "kimi/k2"]


def test_a_file_time_from_a_clock_that_was_set_back_holds_nobody_up(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_bytes(header() + message("c0ffee01") + b'{"type":"message"')
    Clock(monkeypatch, path, [], shift=3600.0)
    add(Log(path), failure("1"))
    assert models(path) == ["kimi/1"]
