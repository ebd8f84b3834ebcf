"""The simulated disk, a sample of the torture that runs on it, and proof that the torture can fail.

Law: what is synced survives, what is not may go; the real disk is never touched; and a log without its sync, its heal
or its checks is caught. The whole run is ``make torture``.
"""

import errno
import inspect
import os
from collections.abc import Callable
from random import Random

import pytest
from disk import ROOT, Disk, Held
from torture import crashes, states
from torture.crashes import KINDS, SECTION, check, live, run
from torture.history import other_sessions_log
from torture.machine import CALLS, Machine
from torture.rows import Row

from eventlog import Report, Session, file
from eventlog.append import Log
from eventlog.judge import Judge

LOG = ROOT / "17a309d8.jsonl"

SEEN: list[tuple[int, str, int]] = [
    (1000004, "short write", 7),
    (1000089, "rename", 1),
    (1000209, "rename", 15),
    (1000000, "zeros inside", 5),
    (1000000, "ENOSPC", 6),
    (1000030, "stale records", 15),
    (1000049, "short write", 52),
    (1000163, "short write", 45),
    (1000050, "ENOSPC", 3),
    (1000050, "ENOSPC", 5),
    (1000284, "EIO on sync", 74),
    (1000065, "rename", 70),
    (1000190, "rename", 9),
    (1000070, "jumping clock", 11),
]
"""Cases that once failed, the log's fault or the harness's own: ``check(seed, fault, crash)``, as a note names them."""

CHOOSERS = [states.prefix, states.torn, states.zero_tail, states.zeros_inside, states.hole_then_valid]
CHOOSERS += [states.stale_records, states.anything]


def opened(disk: Disk) -> int:
    fd = disk.open_append(LOG, create=True)
    disk.lock(fd)
    return fd


def crashed(held: Held, block: int, tries: int = 300) -> set[bytes]:
    """What crashes of every kind leave of a file."""
    chance = Random(60466)
    found = {choose(chance, held, block, other_sessions_log()) for _ in range(tries) for choose in CHOOSERS}
    return {data for data in found if data is not None}


def now(disk: Disk) -> Held:
    point = disk.points[-1]
    return point.held[point.names[-1][LOG.name]]


@pytest.mark.parametrize("block", [64, 512, 4096])
def test_what_is_synced_survives_every_crash(block: int) -> None:
    disk = Disk(block=block)
    fd = opened(disk)
    disk.write(fd, b"synced " * 100)
    disk.sync(fd)
    assert crashed(now(disk), block) == {b"synced " * 100}
    disk.write(fd, b"not synced " * 100)
    disk.write(fd, b"nor is this " * 100)
    left = crashed(now(disk), block)
    assert len(left) > 100
    assert all(data.startswith(b"synced " * 100) for data in left)


def test_what_is_not_synced_may_go_in_every_way() -> None:
    disk = Disk(block=64)
    fd = opened(disk)
    disk.write(fd, b"a" * 200)
    disk.write(fd, b"b" * 200)
    left = crashed(now(disk), 64)
    assert b"" in left, "all of it"
    assert b"a" * 200 in left, "a whole write"
    assert any(0 < len(data) < 200 and set(data) == {0x61} for data in left), "torn"
    assert any(data.startswith(b"a") and data.endswith(bytes(64)) for data in left), "zeros at the end"
    assert any(bytes(64) in data and data.endswith(b"b") for data in left), "zeros inside, and more behind them"
    assert any(data.startswith(bytes(64)) and data.endswith(b"a" * 8 + b"b" * 200) for data in left), "a hole"
    assert any(b"stale" in data for data in left), "what the blocks held before"
    assert b"a" * 200 + b"b" * 200 in left, "nothing"


def test_a_new_file_without_a_folder_sync_may_be_lost() -> None:
    disk = Disk()
    fd = opened(disk)
    disk.write(fd, b"synced")
    disk.sync(fd)
    assert [LOG.name in names for names in disk.points[-1].names] == [False, True]
    disk.sync_folder(ROOT)
    assert [LOG.name in names for names in disk.points[-1].names] == [True]


def test_another_file_under_the_same_name_leaves_an_open_descriptor_alone() -> None:
    disk = Disk({LOG.name: b"old"})
    fd = opened(disk)
    disk.replace(LOG.name, b"new", synced=True)
    named = disk.identify_path(LOG)
    assert named is not None
    assert not named.same_file(disk.identify(fd))
    assert disk.read_at(fd, 0, 9) == b"old"
    assert disk.read(LOG.name) == b"new"
    assert [names[LOG.name].held.cache for names in disk.points[-1].names] == [b"old", b"new"]
    disk.close(fd)
    disk.replace(LOG.name, b"newer", synced=False)
    again = disk.identify_path(LOG)
    assert again is not None
    assert again.inode == disk.points[0].names[0][LOG.name].number, "a new file gets the number of one that is gone"


def test_faults_come_as_the_system_tells_them() -> None:
    disk = Disk(block=64)
    fd = opened(disk)
    disk.short = 3
    assert disk.write(fd, b"12345") == 3
    disk.room = 4
    assert disk.write(fd, b"12345") == 4
    with pytest.raises(OSError, match="No space left") as full:
        disk.write(fd, b"5")
    assert full.value.errno == errno.ENOSPC
    disk.folder_sync_fails = True
    with pytest.raises(OSError, match="Input/output"):
        disk.sync_folder(ROOT)
    disk.unlock(fd)
    with pytest.raises(AssertionError, match="without the lock"):
        disk.write(fd, b"5")


@pytest.mark.parametrize(("mode", "read"), [("clean", b"x" * 100), ("gone", b"x" * 50 + bytes(50))])
def test_after_a_failed_sync_a_later_one_writes_nothing_of_it(mode: str, read: bytes) -> None:
    disk = Disk(block=50)
    fd = opened(disk)
    disk.write(fd, b"x" * 50)
    disk.sync(fd)
    disk.write(fd, b"x" * 50)
    disk.sync_fails = mode
    with pytest.raises(OSError, match="Input/output"):
        disk.sync(fd)
    assert disk.read(LOG.name) == read
    disk.write(fd, b"y" * 50)
    disk.sync(fd)
    assert crashed(now(disk), 50) == {b"x" * 50 + bytes(50) + b"y" * 50}


@pytest.mark.parametrize(("lie", "later"), [("late", b"xy"), ("never", b"\0" * 64 + b"y")])
def test_a_lying_disk_says_synced_and_is_not(lie: str, later: bytes) -> None:
    disk = Disk(block=64)
    fd = opened(disk)
    disk.lies = lie
    disk.write(fd, b"x" if lie == "late" else b"x" * 64)
    disk.sync(fd)
    assert now(disk).platter == b""
    disk.lies = ""
    disk.write(fd, b"y")
    disk.sync(fd)
    assert now(disk).platter == later


def test_every_system_call_of_the_log_is_replaced_and_comes_back() -> None:
    own = {name for name, one in inspect.getmembers(file, inspect.isfunction) if one.__module__ == file.__name__}
    others = {name for name in own if name.startswith("_")} | {"working_folder", "network_file_system"}
    others |= {"open_new", "replace"}  # a repair's own: no session and no reader calls them
    others |= {"aside", "discard", "draft", "publish", "try_lock"}  # a host's lock: no log of our own takes one
    assert own - others == set(CALLS), "a system call that the simulated disk does not know"
    before = {name: getattr(file, name) for name in own}
    with Machine().running():
        assert all(getattr(file, name) is not before[name] for name in CALLS)
    assert {name: getattr(file, name) for name in own} == before


def test_nothing_of_the_real_disk_is_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    check(1, "jumping clock", 1)  # whatever is imported late is there now

    def refuse(*arguments: object, **named: object) -> None:
        raise AssertionError(f"the real disk: {arguments}")

    for name in ("open", "stat", "lstat", "scandir", "mkdir", "fsync", "fdatasync", "write", "rename", "unlink"):
        monkeypatch.setattr(os, name, refuse)
    row = Row(SECTION, "companions too")
    for seed in range(2):
        run(row, seed, "lost file", range(5))
        run(row, seed, "jumping clock", range(5))
    monkeypatch.undo()
    assert not row.raised, row.notes
    assert row.tried
    assert not ROOT.exists()


def test_one_seed_is_one_history_and_one_set_of_images() -> None:
    def told(seed: int) -> list[object]:
        machine = Machine()
        with machine.running():
            return [machine.disk.image() for fault in KINDS if live(machine, seed, fault)]

    def images(seed: int) -> set[int]:
        row = Row(SECTION, "torn end")
        run(row, seed, "torn end", range(20))
        return row.images

    assert told(7) == told(7) != told(8)
    assert images(7) == images(7) != images(8)


@pytest.mark.parametrize(("seed", "fault", "crash"), SEEN)
def test_what_once_failed_holds(seed: int, fault: str, crash: int) -> None:
    check(seed, fault, crash)


@pytest.mark.parametrize("fault", KINDS)
def test_a_sample_of_the_torture(fault: str) -> None:
    row = Row(SECTION, fault)
    for seed in range(60_466, 60_471):
        run(row, seed, fault, range(18))
    assert row.tried >= 40
    assert (row.lost, row.accepted, row.silent, row.raised, row.foreign, row.wrong) == (0,) * 6, row.notes


def faults(fault: str, histories: int = 6) -> Row:
    row = Row(SECTION, fault)
    for seed in range(histories):
        run(row, seed, fault, range(30))
    return row


def only_noted(disk: Disk, *_: object) -> None:
    disk.note()


@pytest.mark.parametrize(
    ("owner", "name", "instead", "fault", "column"),
    [
        (Disk, "sync", only_noted, "prefix loss", "lost"),
        (Disk, "sync", only_noted, "zero tail", "lost"),
        (Disk, "sync", only_noted, "hole then valid", "lost"),
        (Disk, "sync_folder", only_noted, "lost file", "lost"),
        (Log, "_end_of_torn", lambda *_: b"", "torn end", "foreign"),
        (Report, "damaged", property(lambda _: False), "phantom write", "silent"),
        (Judge, "_belongs", lambda *_, **__: True, "stale records", "accepted"),
        (Session, "degraded", "full", "ENOSPC", "wrong"),
    ],
    ids=["sync", "sync: zeros", "sync: hole", "folder sync", "heal", "gap", "session", "degraded"],
)
def test_a_log_that_lacks_something_is_caught(
    monkeypatch: pytest.MonkeyPatch, owner: type, name: str, instead: object, fault: str, column: str
) -> None:
    monkeypatch.setattr(owner, name, instead)
    row = faults(fault)
    assert getattr(row, column), row


def test_a_session_that_calls_kept_what_a_failed_sync_lost_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    sync: Callable[[Disk, int], None] = Disk.sync

    def swallow(disk: Disk, fd: int) -> None:
        try:
            sync(disk, fd)
        except OSError:
            return

    monkeypatch.setattr(Disk, "sync", swallow)
    assert faults("EIO on sync", 12).lost


def test_a_fault_names_what_shows_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Disk, "sync", only_noted)
    note = faults("prefix loss").notes[0]
    assert note.startswith("check(seed="), note
    with pytest.raises(AssertionError, match="lost"):
        eval(note.split("#", 1)[0], {"check": crashes.check})  # noqa: S307  (our own line)
    monkeypatch.undo()
    eval(note.split("#", 1)[0], {"check": crashes.check})  # noqa: S307
