"""Repair: a log is written anew without losing a byte that might mean something.

Law: only NULs go. All else stays in its order, each piece on a line of its own; the same events are told, what others
wrote stays, the file before is kept whole, and what damage stays is recorded: known from then on, and only that.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from commands import switchlog
from hypothesis import HealthCheck, example, given, settings
from logs import SESSION, STAMP, Draft, compact, header, hosted, kinds, message, mutated_logs, put, read, ten_events

from eventlog import Session, file, read_events
from eventlog.errors import SwitchlogError
from eventlog.keys import Keys
from eventlog.openclaw.lock import held
from eventlog.protection import OPEN, Protection
from eventlog.repair import BusyError, UnsafeRepairError, plan, repair
from replay import LogRepaired

BARE = compact({"type": "model_switch", "from": "a/1", "to": "a/2", "timestamp": STAMP})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / f"{SESSION}.jsonl"


def damaged() -> bytes:
    """All that can go wrong: an altered line, a missing one, NULs, a fragment glued to a record, no newline."""
    lines = hosted().lines
    whole = ten_events().lines[1:]
    altered = whole[1].replace(b"rate_limit", b"rate_limix")
    return (
        b"".join(lines)
        + b"".join([whole[0], altered, *whole[3:5]])
        + b"\0" * 700
        + b"\n"
        + whole[5][:90]
        + whole[6]
        + message()[:-1]
    )


def without_nuls(data: bytes) -> bytes:
    return data.replace(b"\0", b"")


@given(mutated_logs())
@example(damaged())
@example(b"")
@example(b"\0" * 5000)
@example(b"\0\n\0\n")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_only_nuls_go_and_the_same_events_are_told(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / f"{SESSION}.jsonl"
    put(path, data)
    before, report = read(data)
    found = plan(path, OPEN)
    assert path.read_bytes() == data
    try:
        done = repair(path, protection=OPEN)
    except UnsafeRepairError:
        assert path.read_bytes() == data
        return
    assert done.needed is found.needed
    if not done.needed:
        assert path.read_bytes() == data
        assert not report.damaged
        return
    assert done.copy is not None
    assert done.copy.read_bytes() == data
    mended = path.read_bytes()
    after, now = read(mended)
    record = after.pop()
    assert isinstance(record.event, LogRepaired)
    assert [(one.event, one.position) for one in after] == [(one.event, one.position) for one in before]
    kept, end = mended[: record.offset], mended[record.offset :]
    assert kept.replace(b"\n", b"") == without_nuls(data).replace(b"\n", b"")
    assert end.count(b"\n") == 1
    assert b"\0" not in mended
    assert not now.damaged, (now.damage, now.known)
    assert not plan(path, OPEN).needed
    done.copy.unlink()


def test_a_mended_log_goes_on_and_new_damage_is_news(path: Path) -> None:
    put(path, damaged())
    code = switchlog("show", path).returncode
    assert code == 4
    assert repair(path).needed
    with Session.open(path) as session:
        assert session.failed("a/new", reason="timeout")
    assert switchlog("show", path).returncode == 0
    report = read(path.read_bytes())[1]
    assert (report.repairs, report.damaged, report.pieces["altered"]) == (1, False, 1)
    lines = path.read_bytes().splitlines(keepends=True)
    for change in (
        [*lines[:-1], lines[-1].replace(b"timeout", b"timeouT")],  # one more altered line, behind the repair
        [
            line.replace(b"zhipu", b"ZHIPU") if b'"seal"' in line and number < 6 else line
            for number, line in enumerate(lines)
        ],
        [line for line in lines if b"rate_limix" not in line],  # the known one is gone
    ):
        assert read(b"".join(change))[1].damaged


def test_a_repair_that_somebody_else_wrote_makes_nothing_known(path: Path) -> None:
    for forged in (
        {"type": "log_repaired", "altered": 1, "gaps": 0},  # bare
        {"type": "log_repaired", "altered": 2, "gaps": 0, "session": SESSION, "v": 1},  # other damage than there is
    ):
        draft = ten_events()
        draft.lines[-1] = draft.lines[-1].replace(b"timeout", b"TIMEOUT")
        assert read(draft.data)[1].damage["altered"] == 1
        draft.prev = json.loads(draft.lines[-2])["seal"]
        if "v" in forged:
            draft.record(
                **{
                    "kind": "log_repaired",
                    **{key: value for key, value in forged.items() if key not in ("type", "session")},
                }
            )
        else:
            draft.add(compact(forged) + b"\n")
        found, report = read(draft.data)
        assert isinstance(found[-1].event, LogRepaired)
        assert report.damaged
        draft.lines.append(draft.failed().replace(b"rate_limit", b"RATE_LIMIT"))  # what it may have been meant to hide
        assert read(draft.data)[1].damage["altered"] == 2
        assert read(draft.data)[1].damaged


def test_with_keys_only_a_signed_repair_counts_and_without_them_none_is_made(path: Path) -> None:
    keyed = Protection(keys=Keys({"k1": bytes(32)}))
    with Session.open(path, protection=keyed) as session:
        session.failed("a/1", reason="timeout")
    path.write_bytes(path.read_bytes() + b"\0\0\0")
    with pytest.raises(UnsafeRepairError, match="written with keys"):
        repair(path, protection=OPEN)
    assert repair(path, protection=keyed).zeros == 3
    assert b'"mac":"k1.' in path.read_bytes().splitlines()[-1]
    report = read_events(path, protection=keyed)
    assert [type(one.event).__name__ for one in report] == ["AttemptFailed", "LogRepaired"]


def test_the_copy_has_the_sessions_name_and_is_no_session_of_its_own(path: Path) -> None:
    put(path, damaged())
    path.chmod(0o640)
    done = repair(path, by="op", note="power cut")
    assert done.copy is not None
    assert re.fullmatch(rf"{SESSION}\.jsonl\.before-repair-\d{{8}}T\d{{6}}", done.copy.name)
    assert json.loads(switchlog("show", done.copy, "--json").stdout)["sessionId"] == SESSION
    assert json.loads(switchlog("show", path.parent, "--json").stdout)["log"]["repairs"] == 1
    assert path.stat().st_mode & 0o777 == 0o640
    event = [one.event for one in read_events(path)][-1]
    assert isinstance(event, LogRepaired)
    assert (event.copy, event.by, event.note) == (done.copy.name, "op", "power cut")
    assert sorted(one.name for one in path.parent.iterdir()) == [path.name, done.copy.name]


def test_an_open_session_goes_on_in_the_repaired_file(path: Path) -> None:
    with Session.open(path) as session:
        assert session.failed("a/1", reason="timeout")
        with path.open("ab") as stream:
            stream.write(b"\0" * 30)
        assert repair(path).zeros == 30
        assert session.failed("a/2", reason="timeout")
        state = session.state
    found, report = read(path.read_bytes())
    assert [type(one.event).__name__ for one in found] == ["AttemptFailed", "LogRepaired", "AttemptFailed"]
    assert (set(state.tried), report.gaps, report.damaged) == ({"a/1", "a/2"}, 0, False)


def test_a_host_that_writes_meanwhile_loses_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the new file takes its place: begin again. At the very moment: carried over. Without an end: refused."""
    put(path, damaged())
    late = [message("c0ffee91"), message("c0ffee92")]
    sync, replace = file.sync, file.replace

    def host(line: bytes) -> None:
        stream.write(line)

    def sync_while_the_host_writes(fd: int) -> None:
        sync(fd)
        if len(late) == 2:
            host(b"\n" + late.pop(0))

    def replace_while_the_host_writes(old: Path, new: Path, keep: Path) -> None:
        host(late.pop())
        replace(old, new, keep)

    def sync_while_the_host_never_stops(fd: int) -> None:
        sync(fd)
        host(message("c0ffee93"))

    with path.open("ab", buffering=0) as stream:
        monkeypatch.setattr(file, "sync", sync_while_the_host_writes)
        monkeypatch.setattr(file, "replace", replace_while_the_host_writes)
        assert repair(path).copy is not None
    lines = path.read_bytes().splitlines(keepends=True)
    assert lines[-1] == message("c0ffee92")
    assert message("c0ffee91") in lines
    assert not read(path.read_bytes())[1].damaged
    monkeypatch.setattr(file, "replace", replace)
    put(path, damaged())
    with path.open("ab", buffering=0) as stream:
        monkeypatch.setattr(file, "sync", sync_while_the_host_never_stops)
        with pytest.raises(BusyError, match="stop the gateway"):
            repair(path)
    assert path.read_bytes().startswith(damaged())


@pytest.mark.parametrize("call", ["open_new", "write", "sync", "replace", "sync_folder"])
def test_a_disk_that_refuses_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    put(path, damaged())

    def refuse(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(file, call, refuse)
    with pytest.raises(OSError, match="No space"):
        repair(path)
    assert path.read_bytes() == damaged()
    monkeypatch.undo()
    assert repair(path).copy is not None


@pytest.mark.parametrize("call", ["open_new", "write", "sync", "replace", "sync_folder"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_at_any_step_leaves_one_of_the_two_files_whole(path: Path, call: str, when: str) -> None:
    put(path, damaged())
    code = (
        "import os, sys; from pathlib import Path; from eventlog import file, repair\n"
        f"real = file.{call}\n"
        "def die(*arguments):\n"
        f"    {'' if when == 'before' else 'real(*arguments)'}\n"
        "    os.kill(os.getpid(), 9)\n"
        f"file.{call} = die\n"
        "repair.repair(Path(sys.argv[1]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], check=False)
    assert done.returncode == -9
    data, before = path.read_bytes(), read(damaged())[0]
    assert [one.event for one in read(data)[0]][: len(before)] == [one.event for one in before]
    assert data == damaged() or b"log_repaired" in data.splitlines()[-1]
    repair(path)
    assert not read(path.read_bytes())[1].damaged
    assert not list(path.parent.glob(".*.repair"))


def test_a_record_within_anothers_line_that_would_begin_to_count_is_not_let_out(path: Path) -> None:
    """A bare event in other key order, glued before a record: foreign there, an event on a line of its own."""
    draft = Draft()
    record = draft.failed()
    data = header() + b'{"to":"a/9","type":"model_switch"}' + record
    put(path, data)
    assert read(data)[0][0].event == read(draft.data)[0][0].event
    with pytest.raises(UnsafeRepairError, match="would tell other events"):
        repair(path)
    assert path.read_bytes() == data
    done = switchlog("repair", path)
    assert (done.returncode, done.stdout) == (4, "")
    assert "would tell other events" in done.stderr


def test_one_gap_is_told_as_one(path: Path) -> None:
    draft = Draft()
    lines = [draft.failed() for _ in range(3)]
    put(path, header() + lines[0] + b"\0\0" + lines[2])
    shown = switchlog("repair", path, "--dry-run").stdout
    assert re.search(r"^stays +1 gap: told as known damage", shown, re.MULTILINE), shown


def test_the_command_says_what_it_does_and_does_nothing_twice(path: Path) -> None:
    put(path, damaged())
    dry = json.loads(switchlog("repair", path, "--dry-run", "--json").stdout)
    assert path.read_bytes() == damaged()
    assert (dry["needed"], dry["repaired"], dry["copy"]) == (True, False, None)
    assert dry["knownDamage"] == read(damaged())[1].damage
    shown = switchlog("repair", path, "--note", "power cut").stdout
    assert re.search(r"^out +701 bytes of NULs, in 1 run$", shown, re.MULTILINE)
    assert re.search(r"^stays +1 corrupt, 1 altered, 2 conflict, 3 gaps: told as known damage", shown, re.MULTILINE)
    again = switchlog("repair", path)
    assert (again.returncode, again.stdout) == (0, f"{path}: nothing to repair\n")
    assert switchlog("verify", path).returncode == 0


def test_a_companion_is_repaired_with_its_transcript(path: Path) -> None:
    path.write_bytes(header() + message())
    with Session.open(path, companion=True) as session:
        session.failed("a/1", reason="timeout")
    beside = session.path
    beside.write_bytes(beside.read_bytes() + b"\0\0")
    shown = [json.loads(line) for line in switchlog("repair", path, "--json").stdout.splitlines()]
    assert [(one["file"], one["repaired"]) for one in shown] == [(str(path), False), (str(beside), True)]


@pytest.mark.parametrize(
    ("what", "code", "why"),
    [
        ("-", 3, "standard input"),
        ("nowhere.jsonl", 3, "no such file"),
        ("link.jsonl", 3, "symbolic link"),
        ("gateway.log", 3, "no transcript"),
    ],
)
def test_what_can_not_be_repaired_says_why(tmp_path: Path, what: str, code: int, why: str) -> None:
    put(tmp_path / f"{SESSION}.jsonl", damaged())
    (tmp_path / "link.jsonl").symlink_to(f"{SESSION}.jsonl")
    (tmp_path / "gateway.log").write_text("2026-04-02T12:55:24.661+08:00 [gateway] listening\n")
    done = switchlog("repair", what, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert why in done.stderr


def test_a_bare_event_stays_one(path: Path) -> None:
    data = header() + BARE + b"\0" * 9 + b"\n"
    put(path, data)
    assert repair(path).separated == 1
    assert kinds(read(path.read_bytes())[1]) == {"event": 2, "foreign": 1}


def test_the_errors_are_of_one_root() -> None:
    assert issubclass(BusyError, SwitchlogError)
    assert issubclass(UnsafeRepairError, SwitchlogError)


def test_a_hosts_transcript_is_not_replaced_while_a_turn_holds_its_lock(tmp_path: Path) -> None:
    path = tmp_path / "agents" / "main" / "sessions" / "s.jsonl"
    path.parent.mkdir(parents=True)
    with Session.open(tmp_path / "s.jsonl") as session:
        session.failed("kimi/kimi2.5", reason="auth")
    before = (tmp_path / "s.jsonl").read_bytes() + bytes(7) + message("c0ffee01")
    path.write_bytes(before)
    with held(path), pytest.raises(BusyError, match="lock"):
        repair(path)
    assert path.read_bytes() == before
    assert repair(path).zeros == 7
    assert not [one for one in path.parent.iterdir() if one.name.endswith(".lock")]
