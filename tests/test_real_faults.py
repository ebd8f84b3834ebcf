"""Real faults on the real file system: processes killed at every system call, full disks, disks that say EIO.

Law: what was acknowledged is read back whole and in order, and the next process goes on from it. A crash damages
nothing. Where the disk refuses, no exception comes out, the session says ``degraded`` until the disk works again, and
then what waited is on the disk once, in order. No complete line of the host's is lost.
"""

import os
import random
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import faults
import faults_runs as runs
import pytest
from faults import NAME, SCENES, Child, Nursery, judge
from faults_runs import Run, labels

heavy = pytest.mark.slow
SCENE = {scene.name: scene for scene in SCENES}


def needs(why: Callable[[], str]) -> None:
    if reason := why():
        pytest.skip(reason)


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as nursery:
        yield nursery


@pytest.fixture(scope="module")
def shimmed() -> Iterator[Nursery]:
    needs(faults.no_shim)
    with Nursery(shim=True) as nursery:
        yield nursery


def well(run: Run) -> None:
    """It found nothing wrong, and it did try."""
    assert run.faults == []
    assert run.tried > 0
    print(f"{run.tried} tried, {dict(run.facts)}")


# killed


@pytest.mark.parametrize("name", ["new", "torn", *[pytest.param(one, marks=heavy) for one in ("replaced", "full")]])
def test_a_kill_at_any_system_call_loses_nothing(nursery: Nursery, tmp_path: Path, name: str) -> None:
    needs(faults.no_strace)
    run = runs.kill_at_each_call(nursery, SCENE[name], tmp_path)
    well(run)
    assert run.facts["write"] >= 2
    assert run.facts["fdatasync"] >= 2
    assert run.facts["flock"] >= 4
    assert run.facts["fsync"] >= (2 if name == "new" else 1), "new names are made durable"


@pytest.mark.parametrize(("seed", "kills"), [(1, 40), pytest.param(2, 200, marks=heavy)])
def test_a_kill_in_the_middle_of_a_write_loses_nothing(shimmed: Nursery, tmp_path: Path, seed: int, kills: int) -> None:
    run = runs.kill_in_mid_write(shimmed, tmp_path, random.Random(seed), kills)
    well(run)
    assert run.tried == kills
    assert run.facts["torn"] > kills // 4, "too few kills left half a line"


@pytest.mark.parametrize(
    ("seed", "kills", "writers"), [(1, 40, 8), (2, 12, 1), pytest.param(3, 100, 8, marks=heavy)], ids=str
)
def test_writers_killed_again_and_again_lose_nothing(
    nursery: Nursery, tmp_path: Path, seed: int, kills: int, writers: int
) -> None:
    run = runs.kill_from_outside(nursery, tmp_path / "sessions" / NAME, random.Random(seed), kills, writers)
    well(run)
    assert run.tried == kills
    assert run.facts["acknowledged"] >= kills


# the disk refuses


@pytest.mark.parametrize("name", ["new", *[pytest.param(one, marks=heavy) for one in ("torn", "replaced", "full")]])
def test_an_error_of_any_system_call_delays_an_event_and_loses_none(
    nursery: Nursery, tmp_path: Path, name: str
) -> None:
    needs(faults.no_strace)
    well(runs.error_at_each_call(nursery, SCENE[name], tmp_path, every=name == "torn"))


@pytest.mark.parametrize(
    ("call", "error"),
    [("write", "ENOSPC"), ("fdatasync", "EIO"), ("openat", "EROFS"), ("flock", "EIO"), ("stat", "EIO")],
)
def test_a_disk_that_refuses_for_good_is_never_said_to_keep(
    nursery: Nursery, tmp_path: Path, call: str, error: str
) -> None:
    needs(faults.no_strace)
    calls = SCENE["new"].calls(nursery, tmp_path / "traced" / "sessions" / NAME)
    if call == "stat":  # which has another name on each machine
        call = next(one.name for one in calls if "stat" in one.name)
    chosen = [one for one in calls if one.name == call]
    assert chosen
    for one in chosen[:: 1 + len(chosen) // 5]:
        (tmp_path / str(one.nth)).mkdir()
        path = tmp_path / str(one.nth) / "sessions" / NAME
        run = runs.refuse_for_good(nursery, SCENE["new"], path, call, one.nth, error)
        well(run)
        if call in ("write", "fdatasync"):
            assert run.facts["acknowledged"] == one.nth - 1
            assert run.facts["degraded"], "it says so as long as something waits"


def test_a_short_write_at_any_byte_is_a_delay(nursery: Nursery, tmp_path: Path) -> None:
    run = runs.short_writes(nursery, tmp_path, range(0, 420, 11))
    well(run)
    assert run.facts["short"] > run.tried // 2


def test_a_short_write_that_goes_on_is_one_event(shimmed: Nursery, tmp_path: Path) -> None:
    run = runs.short_once(shimmed, tmp_path, range(0, 420, 11))
    well(run)
    assert run.facts["short"] > run.tried // 2


def test_what_a_failed_sync_has_lost_is_written_again(shimmed: Nursery, tmp_path: Path) -> None:
    well(runs.lose_at_sync(shimmed, tmp_path, (1, 2, 3, 4)))


@pytest.mark.parametrize("rounds", [5, pytest.param(20, marks=heavy)])
def test_a_full_disk_is_waited_out(tmp_path: Path, rounds: int) -> None:
    needs(faults.no_mount)
    run = runs.full_disk(tmp_path / "disk", random.Random(rounds), rounds)
    well(run)
    assert run.facts["torn"] > 0, "not one short write"
    assert run.facts["held"] > rounds


def test_a_disk_without_a_free_name_is_waited_out(tmp_path: Path) -> None:
    needs(faults.no_mount)
    folder = tmp_path / "disk"
    folder.mkdir()
    with faults.small_disk(folder, "size=64k,nr_inodes=4") as nursery, nursery.child() as child:
        seen = Path(f"{nursery.root}{folder}")
        names = [seen / str(number) for number in range(3)]
        for name in names:
            name.touch()
        child.ask("open", str(folder / "sessions" / NAME))
        for number in (0, 1):  # without a folder, then without a file
            _, kept, why = child.ask("fail", f"a.{number}")
            assert kept is False
            assert "No space left on device" in str(why)
            names.pop().unlink()
        assert child.ask("fail", "a.2") == ["a.2", True, None]
        made = ["a.0", "a.1", "a.2"]
        assert labels(seen / "sessions" / NAME) == made
        assert judge(seen / "sessions" / NAME, made, made) == []


def test_a_disk_that_can_only_be_read_is_waited_out(tmp_path: Path) -> None:
    needs(faults.no_mount)
    if shutil.which("nsenter") is None:
        pytest.skip("there is no nsenter")
    folder = tmp_path / "disk"
    folder.mkdir()
    path = folder / NAME
    with faults.small_disk(folder) as nursery, nursery.child() as child:
        child.ask("open", str(path))
        assert child.ask("fail", "a.0") == ["a.0", True, None]
        assert child.ask("close") == ["close", None]  # or the kernel won't make it so
        nursery.run("mount", "-o", "remount,ro", str(folder))
        for number in (1, 2):
            _, kept, why = child.ask("fail", f"a.{number}")
            assert kept is False
            assert re.search(rf"Read-only file system.*\({number} events wait", str(why))
        assert str(child.ask("close")[1]).startswith("[Errno 30]")
        nursery.run("mount", "-o", "remount,rw", str(folder))
        assert child.ask("fail", "a.3") == ["a.3", True, None]
        assert labels(Path(f"{nursery.root}{path}")) == ["a.0", "a.1", "a.2", "a.3"]


def test_a_process_without_a_free_descriptor_goes_on_in_memory(nursery: Nursery, tmp_path: Path) -> None:
    path = tmp_path / "sessions" / NAME
    made = [f"a.{number}" for number in range(4)]
    with nursery.child() as child:
        child.ask("open", str(path))
        assert child.ask("fail", "a.0") == ["a.0", True, None]
        child.ask("close")
        child.ask("files", 3)
        for label in made[1:3]:
            _, kept, why = child.ask("fail", label)
            assert kept is False
            assert "Too many open files" in str(why)
        child.ask("files", None)
        assert child.ask("fail", "a.3") == ["a.3", True, None]
    assert labels(path) == made
    assert judge(path, made, made) == []


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user can come to: pytest's own are their owner's alone."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "sessions").mkdir(mode=0o777)
        (Path(folder) / "sessions").chmod(0o777)
        yield Path(folder) / "sessions"
        (Path(folder) / "sessions").chmod(0o777)


def as_nobody(child: Child) -> None:
    """Root is refused nothing."""
    if os.geteuid() == 0:
        assert child.ask("become", 65534) == ["become"]


def test_a_folder_that_was_forbidden_is_waited_out(nursery: Nursery, open_folder: Path) -> None:
    path = open_folder / NAME
    with nursery.child() as child:
        as_nobody(child)
        child.ask("open", str(path))
        assert child.ask("fail", "a.0") == ["a.0", True, None]
        open_folder.chmod(0)
        for label in ("a.1", "a.2"):
            _, kept, why = child.ask("fail", label)
            assert kept is False
            assert "Permission denied" in str(why)
        open_folder.chmod(0o777)
        assert child.ask("fail", "a.3") == ["a.3", True, None]
    made = [f"a.{number}" for number in range(4)]
    assert labels(path) == made
    assert judge(path, made, made) == []


def test_a_session_in_a_forbidden_folder_opens_degraded(nursery: Nursery, open_folder: Path) -> None:
    open_folder.chmod(0)
    with nursery.child() as child:
        as_nobody(child)
        assert child.ask("open", str(open_folder / NAME)) == ["open"]
        _, kept, why = child.ask("fail", "a.0")
        assert kept is False
        assert "Permission denied" in str(why)


# forks


@pytest.mark.parametrize("waiting", [False, True])
@pytest.mark.parametrize("how", runs.FORKS)
def test_forks_with_an_open_session_append_each_for_itself(
    nursery: Nursery, tmp_path: Path, how: tuple[object, ...], waiting: bool
) -> None:
    run = runs.fork(nursery, tmp_path / "sessions" / NAME, how, waiting=waiting)
    well(run)
    assert run.facts["acknowledged"] >= 42


# a host that replaces the file


@pytest.mark.parametrize("actions", [("say", "copy", "replace"), ("say", "delete"), ("say", "cut")], ids=str)
def test_a_host_that_takes_the_log_away_takes_nothing_with_it(
    nursery: Nursery, tmp_path: Path, actions: tuple[str, ...]
) -> None:
    run = runs.replace_in_a_loop(nursery, tmp_path / "sessions" / NAME, random.Random(1), 120, actions)
    well(run)
    assert min(run.facts[action] for action in actions) > 3


@pytest.mark.parametrize("count", [30, pytest.param(120, marks=heavy)])
def test_between_two_appends_a_host_may_do_what_it_likes(nursery: Nursery, tmp_path: Path, count: int) -> None:
    well(runs.replace_between(nursery, tmp_path / "sessions" / NAME, random.Random(count), count))
