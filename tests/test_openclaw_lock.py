"""OpenClaw's lock: one holder at a time, a dead one's taken away by one, and nothing left behind.

Law: real files, real processes, real kills. What OpenClaw does is played here by its own rules, with nothing of ours.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from eventlog import file
from eventlog.openclaw import lock
from eventlog.openclaw.lock import STALE, LockedError, held

SAMPLE = Path(__file__).parent.parent / "fixtures" / "openclaw-2026.3.28" / "sample.jsonl.lock"
linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are told apart by /proc")

OURS = """
import os, sys, time
from pathlib import Path
from eventlog.openclaw.lock import held
path, rounds, pause = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
for number in range(rounds):
    with held(path, 30):
        os.close(os.open(path.with_name("inside"), os.O_CREAT | os.O_EXCL))
        print("in", flush=True)
        time.sleep(pause)
        os.unlink(path.with_name("inside"))
"""

HOST = """
import json, os, sys, time
path, rounds, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
lock, inside = path + ".lock", os.path.join(os.path.dirname(path), "inside")
print("ready", flush=True)
sys.stdin.readline()
for number in range(rounds):
    while True:
        try:
            fd = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            break
        except FileExistsError:
            time.sleep(0.002)
    started = int(open("/proc/self/stat").read().rpartition(")")[2].split()[19])
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    os.write(fd, json.dumps({"pid": os.getpid(), "createdAt": stamp, "starttime": started}, indent=2).encode())
    os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
    print("in", flush=True)
    time.sleep(pause)
    os.unlink(inside)
    os.close(fd)
    os.unlink(lock)
"""


@pytest.fixture
def transcript(tmp_path: Path) -> Path:
    path = tmp_path / "s-1.jsonl"
    path.touch()
    return path


@pytest.fixture
def living() -> Iterator[subprocess.Popen[bytes]]:
    """A process that lives for as long as the test."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def start(program: str, transcript: Path, rounds: int, pause: float) -> subprocess.Popen[str]:
    """The program, waiting for its line of input."""
    command = [sys.executable, "-c", program, str(transcript), str(rounds), str(pause)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def ends_well(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=60)
    assert process.returncode == 0


def put(transcript: Path, age: float = 0.0, **fields: object) -> Path:
    """Somebody else's lock, made ``age`` seconds ago."""
    stamp = (datetime.now(UTC) - timedelta(seconds=age)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return put_raw(transcript, json.dumps({"createdAt": stamp} | fields, indent=2).encode())


def put_raw(transcript: Path, content: bytes, age: float = 0.0) -> Path:
    path = lock.path_of(transcript)
    path.write_bytes(content)
    os.utime(path, (time.time() - age,) * 2)
    return path


def dead() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def names(transcript: Path) -> list[str]:
    return sorted(path.name for path in transcript.parent.iterdir())


def is_taken_at_once(transcript: Path) -> bool:
    with held(transcript, 0):
        assert json.loads(lock.path_of(transcript).read_bytes())["pid"] == os.getpid()
    return names(transcript) == [transcript.name]


def is_respected(transcript: Path) -> bool:
    path = lock.path_of(transcript)
    before = path.read_bytes(), path.stat().st_ino
    with pytest.raises(LockedError, match="turn"), held(transcript, 0.01):
        pass
    return before == (path.read_bytes(), path.stat().st_ino) and names(transcript) == ["s-1.jsonl", "s-1.jsonl.lock"]


# What the lock is


def test_a_lock_looks_as_the_hosts_and_is_gone_afterwards(transcript: Path) -> None:
    with held(transcript):
        assert names(transcript) == ["s-1.jsonl", "s-1.jsonl.lock"]
        text = transcript.with_name("s-1.jsonl.lock").read_text()
    assert names(transcript) == ["s-1.jsonl"]
    fields = json.loads(text)
    assert fields["pid"] == os.getpid()
    assert abs(datetime.fromisoformat(fields["createdAt"]) - datetime.now(UTC)) < timedelta(seconds=5)

    def form(one: str) -> str:
        return re.sub(r"\d+", "0", one)

    if sys.platform == "linux" and SAMPLE.exists():
        assert form(text) == form(SAMPLE.read_text())


def test_it_lies_in_the_folders_real_place(transcript: Path, tmp_path: Path) -> None:
    link = tmp_path.parent / f"{tmp_path.name}-link"
    link.symlink_to(tmp_path)
    with held(link / "s-1.jsonl"):
        assert is_respected(transcript)
    link.unlink()


def test_it_is_given_back_after_an_error(transcript: Path) -> None:
    with pytest.raises(KeyError), held(transcript):
        raise KeyError
    assert names(transcript) == ["s-1.jsonl"]


@linux
def test_a_process_is_told_by_its_start_whatever_its_name(tmp_path: Path, living: subprocess.Popen[bytes]) -> None:
    strange = tmp_path / "x) 1 2 (y"
    shutil.copy(shutil.which("sleep") or "", strange)
    with subprocess.Popen([strange, "60"]) as process:
        began = lock.started(process.pid)
        process.kill()
    before = lock.started(living.pid)
    assert began is not None
    assert before is not None
    assert before <= began < before + 100 * 60
    assert lock.started(process.pid) is None


# Whose lock is respected, and whose is taken


@linux
def test_a_living_holders_lock_is_respected(transcript: Path, living: subprocess.Popen[bytes]) -> None:
    put(transcript, pid=living.pid, starttime=lock.started(living.pid))
    assert is_respected(transcript)
    put(transcript, pid=living.pid)
    assert is_respected(transcript)
    put(transcript, pid=living.pid, starttime=lock.started(living.pid), age=STALE - 60)
    assert is_respected(transcript)


def test_a_lock_that_somebody_gives_back_is_waited_for(transcript: Path, living: subprocess.Popen[bytes]) -> None:
    path = put(transcript, pid=living.pid)
    threading.Timer(0.1, path.unlink).start()
    began = time.monotonic()
    with held(transcript, 10):
        assert 0.05 < time.monotonic() - began < 2


def test_nobody_waits_longer_than_the_patience(transcript: Path, living: subprocess.Popen[bytes]) -> None:
    put(transcript, pid=living.pid)
    began = time.monotonic()
    with pytest.raises(BlockingIOError), held(transcript, 0.1):
        pass
    assert 0.1 <= time.monotonic() - began < 0.6


def test_a_dead_holders_lock_is_taken_at_once(transcript: Path) -> None:
    put(transcript, pid=dead(), starttime=1)
    assert is_taken_at_once(transcript)


@linux
def test_a_holder_that_waits_to_be_reaped_is_dead(transcript: Path) -> None:
    process = subprocess.Popen(["true"])
    while lock._status(process.pid)[0] != b"Z":
        time.sleep(0.001)
    put(transcript, pid=process.pid)
    assert is_taken_at_once(transcript)
    process.wait()


@linux
def test_another_process_of_the_same_number_is_not_the_holder(
    transcript: Path, living: subprocess.Popen[bytes]
) -> None:
    put(transcript, pid=living.pid, starttime=(lock.started(living.pid) or 0) - 1)
    assert is_taken_at_once(transcript)


def test_a_lock_of_more_than_half_an_hour_is_taken_whoever_holds_it(
    transcript: Path, living: subprocess.Popen[bytes]
) -> None:
    put(transcript, pid=living.pid, age=STALE + 60)
    assert is_taken_at_once(transcript)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"pid":"1"}',
        b'{"pid":0,"createdAt":"2026-"}',
        b'{"pid":true}',
        b"\0" * 99,
        b"9" * 9999,
    ],
)
def test_what_tells_no_holder_is_held_while_it_is_young(transcript: Path, content: bytes) -> None:
    put_raw(transcript, content)
    assert is_respected(transcript)
    put_raw(transcript, content, age=STALE + 60)
    assert is_taken_at_once(transcript)


def test_what_is_no_file_is_left_alone(transcript: Path) -> None:
    path = lock.path_of(transcript)
    path.symlink_to("nowhere")
    with pytest.raises(LockedError), held(transcript, 0.01):
        pass
    path.unlink()
    path.mkdir()
    with pytest.raises(LockedError), held(transcript, 0.01):
        pass


def test_a_folder_that_can_hold_no_lock_is_an_error_of_the_disk(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "gone" / "s-1.jsonl", tmp_path / "file" / "s-1.jsonl"):
        with pytest.raises(OSError, match=r"No such|Not a") as caught, held(path):
            pass
        assert not isinstance(caught.value, LockedError)


# Several at once


def test_threads_of_one_process_exclude_each_other(transcript: Path) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(10):
            with held(transcript, 30):
                inside += 1
                most = max(most, inside)
                time.sleep(0.0005)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, names(transcript)) == (1, ["s-1.jsonl"])


@linux
def test_hosts_and_ours_are_never_inside_together(transcript: Path) -> None:
    processes = [start(program, transcript, 30, 0.001) for program in (OURS, HOST, OURS, HOST)]
    for process in processes:
        go(process)
    for process in processes:
        ends_well(process)
    assert names(transcript) == ["s-1.jsonl"]


@linux
@pytest.mark.parametrize("program", [OURS, HOST])
def test_a_holder_killed_inside_is_followed_by_exactly_one(transcript: Path, program: str) -> None:
    holder, *others = (start(one, transcript, 1, 60 if not n else 0.02) for n, one in enumerate([program, OURS, OURS]))
    go(holder)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "in\n"
    for process in others:
        go(process)
    assert is_held_by(transcript, holder.pid)
    transcript.with_name("inside").unlink()
    holder.kill()
    holder.communicate()
    for process in others:
        ends_well(process)
    assert names(transcript) == ["s-1.jsonl"]


def is_held_by(transcript: Path, pid: int) -> bool:
    return bool(json.loads(lock.path_of(transcript).read_bytes())["pid"] == pid)


def test_many_that_find_a_dead_holder_take_turns(transcript: Path) -> None:
    """In each round all of them judge the same lock stale at the same time."""
    gone, count = dead(), 6
    meet, inside, overlaps = threading.Barrier(count), threading.Lock(), list[int]()

    def work() -> None:
        for number in range(15):
            if meet.wait() == 0:
                put(transcript, pid=gone, starttime=1)
            meet.wait()
            with held(transcript, 30):
                if not inside.acquire(blocking=False):
                    overlaps.append(number)
                    continue
                inside.release()

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (overlaps, names(transcript)) == ([], ["s-1.jsonl"])


def taken_meanwhile(transcript: Path, pid: int) -> None:
    """Another takes the dead holder's lock away and makes its own, as OpenClaw does it."""
    lock.path_of(transcript).unlink()
    put(transcript, pid=pid)


@pytest.mark.parametrize("moment", ["try_lock", "aside"])
def test_a_lock_that_another_has_just_made_is_not_taken_for_the_dead_ones(
    transcript: Path, living: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    put(transcript, pid=dead())
    keep = file.open_read(lock.path_of(transcript))  # else the new file may get the old one's number
    real: Callable[..., Any] = getattr(file, moment)
    late = list[int]()

    def meanwhile(*arguments: Any) -> Any:
        if not late:
            late.append(1)
            taken_meanwhile(transcript, living.pid)
        return real(*arguments)

    monkeypatch.setattr(file, moment, meanwhile)
    with pytest.raises(LockedError), held(transcript, 0.01):
        pass
    assert late
    assert is_held_by(transcript, living.pid)
    assert names(transcript) == ["s-1.jsonl", "s-1.jsonl.lock"]
    file.close(keep)


def test_only_ones_own_lock_is_given_back(transcript: Path, living: subprocess.Popen[bytes]) -> None:
    with held(transcript):
        taken_meanwhile(transcript, living.pid)
    assert is_held_by(transcript, living.pid)
    lock.path_of(transcript).unlink()
    with held(transcript):
        lock.path_of(transcript).unlink()
    assert names(transcript) == ["s-1.jsonl"]


def test_a_forked_child_gives_nothing_back(transcript: Path) -> None:
    program = """if True:
        import os, pathlib, sys
        from eventlog.openclaw.lock import held
        path = pathlib.Path(sys.argv[1])
        with held(path):
            child = os.fork()
            if child == 0:
                sys.exit()
            os.waitpid(child, 0)
            assert path.with_name("s-1.jsonl.lock").exists()
    """
    subprocess.run([sys.executable, "-c", program, transcript], check=True, timeout=30)
    assert names(transcript) == ["s-1.jsonl"]


# Nothing is left behind


@pytest.mark.parametrize("nameless", [True, False])
def test_a_draft_is_never_left_behind(
    transcript: Path, living: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, nameless: bool
) -> None:
    if not nameless:
        monkeypatch.setattr(file.sys, "platform", "darwin")
    assert is_taken_at_once(transcript)
    put(transcript, pid=living.pid)
    assert is_respected(transcript)
    monkeypatch.setattr(file, "write", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError), held(transcript):
        pass
    assert names(transcript) == ["s-1.jsonl", "s-1.jsonl.lock"]


@linux
def test_not_even_a_kill_leaves_a_draft(transcript: Path) -> None:
    program = (
        "import os, sys, pathlib; from eventlog import file; from eventlog.openclaw.lock import held\n"
        "file.publish = lambda *_: os.kill(os.getpid(), 9)\n"
        "with held(pathlib.Path(sys.argv[1])): pass"
    )
    assert subprocess.run([sys.executable, "-c", program, transcript], check=False).returncode == -signal.SIGKILL
    assert names(transcript) == ["s-1.jsonl"]


def test_no_descriptor_is_left_open(transcript: Path, living: subprocess.Popen[bytes]) -> None:
    first = os.open("/dev/null", os.O_RDONLY)
    os.close(first)
    for _ in range(3):
        assert is_taken_at_once(transcript)
    put(transcript, pid=dead())
    assert is_taken_at_once(transcript)
    put(transcript, pid=living.pid)
    assert is_respected(transcript)
    again = os.open("/dev/null", os.O_RDONLY)
    os.close(again)
    assert again == first
