"""A growing file is read whole and in order, whatever is done to it: real files, and waits that end when it is so."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventlog import UnreadableError, tail
from eventlog.pipe import Pipe
from eventlog.tail import Chunk, Tail

DEADLINE = 10.0
PATTERN = "openclaw-????-??-??.log"


class Reader:
    """Reads a tail in a thread of its own, as a program would; ``text`` is what it has been given so far."""

    def __init__(self, source: Tail) -> None:
        self._tail = source
        self._new = threading.Condition()
        self.chunks: list[Chunk] = []
        self.times: list[float] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with self._tail:
            for chunk in self._tail:
                with self._new:
                    self.chunks.append(chunk)
                    self.times.append(time.perf_counter())
                    self._new.notify()

    @property
    def files(self) -> list[str]:
        """What was read of each file."""
        found: list[str] = []
        for chunk in self.chunks:
            found += [""] if chunk.begins_anew else []
            found[-1] += chunk.data.decode()
        return found

    def until(self, *files: str) -> None:
        self.when(lambda: self.files == [*files])

    def when(self, true: Callable[[], bool]) -> None:
        with self._new:
            assert self._new.wait_for(true, DEADLINE), self.files

    def end(self) -> None:
        self._tail.stop.set()
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()


@contextmanager
def reading(path: Path, pattern: str | None = None, **options: bool) -> Iterator[Reader]:
    reader = Reader(Tail(path, pattern=pattern, **options))
    try:
        yield reader
    finally:
        reader.end()


def add(path: Path, text: str) -> None:
    with path.open("ab", buffering=0) as out:
        out.write(text.encode())


@pytest.mark.parametrize("polling", [False, True])
def test_what_is_appended_comes(tmp_path: Path, polling: bool) -> None:
    log = tmp_path / "g.log"
    add(log, "one\n")
    with reading(log, polling=polling) as reader:
        reader.until("one\n")
        add(log, "two\nth")
        reader.until("one\ntwo\nth")
        add(log, "ree\n")
        reader.until("one\ntwo\nthree\n")
    assert [chunk.begins_anew for chunk in reader.chunks] == [True, False, False]


def test_a_file_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    log = tmp_path / "later" / "g.log"
    with reading(log) as reader:
        log.parent.mkdir()
        add(log, "one\n")
        reader.until("one\n")
        add(log, "two\n")
        reader.until("one\ntwo\n")


def test_renamed_it_is_read_to_its_end_before_the_next_one(tmp_path: Path) -> None:
    log, old = tmp_path / "g.log", tmp_path / "g.log.1"
    add(log, "a")
    with reading(log) as reader:
        reader.until("a")
        log.rename(old)
        add(old, "b")  # nobody else has its name: its writer has not noticed
        reader.until("ab")
        add(log, "c")
        add(old, "B")  # the last words of a second writer
        reader.until("abB", "c")
        add(log, "d")
        reader.until("abB", "cd")


def test_an_empty_new_file_does_not_end_the_old_one(tmp_path: Path) -> None:
    """logrotate's create: the writer is told to open its log anew long after."""
    log, old = tmp_path / "g.log", tmp_path / "g.log.1"
    add(log, "a")
    with reading(log) as reader:
        reader.until("a")
        log.rename(old)
        log.touch()
        time.sleep(2 * tail.STILL)
        add(old, "b")
        reader.until("ab")
        add(log, "c")
        reader.until("ab", "c")


def test_several_rotations_in_a_row_lose_nothing(tmp_path: Path) -> None:
    log = tmp_path / "g.log"
    add(log, "0")
    source = Tail(log)
    assert source.read() == Chunk(b"0", begins_anew=True)
    for number in range(1, 5):  # faster than the old one is given up
        log.rename(tmp_path / f"g.log.{number}")
        add(log, str(number))
        assert source.read() is None
    reader = Reader(source)
    reader.until("1", "2", "3", "4")
    reader.end()


def test_somebody_who_goes_on_writing_to_the_old_one_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "PATIENCE", 0.5)
    log, old = tmp_path / "g.log", tmp_path / "g.log.1"
    add(log, "a")
    with reading(log) as reader:
        reader.until("a")
        log.rename(old)
        add(log, "c")
        deadline = time.monotonic() + DEADLINE
        while len(reader.files) < 2 and time.monotonic() < deadline:
            add(old, "b")
            time.sleep(0.02)
        reader.when(lambda: reader.files[-1] == "c")
    assert set(reader.files[0]) == {"a", "b"}


def test_cut_to_nothing_it_begins_anew(tmp_path: Path) -> None:
    log = tmp_path / "g.log"
    add(log, "one\ntwo")
    with reading(log) as reader:
        reader.until("one\ntwo")
        os.truncate(log, 0)
        add(log, "3\n")
        reader.until("one\ntwo", "3\n")


def test_cut_and_longer_than_before_when_it_is_seen_it_begins_anew(tmp_path: Path) -> None:
    log = tmp_path / "g.log"
    log.write_text("one\n" * 10)
    with Tail(log) as source:
        assert source.read() == Chunk(b"one\n" * 10, begins_anew=True)
        log.write_text("another\n" * 10)
        assert source.read() == Chunk(b"another\n" * 10, begins_anew=True)
        assert source.read() is None


def test_a_writer_that_keeps_its_place_leaves_a_hole(tmp_path: Path) -> None:
    log = tmp_path / "g.log"
    with log.open("wb", buffering=0) as writer, Tail(log) as source:
        writer.write(b"one\n" * 100)
        assert source.read() is not None
        os.truncate(log, 0)
        writer.write(b"two\n")
        assert source.read() == Chunk(b"\0" * 400 + b"two\n", begins_anew=True)


def test_deleted_and_made_again_it_begins_anew(tmp_path: Path) -> None:
    log = tmp_path / "g.log"
    add(log, "one")
    with reading(log) as reader:
        reader.until("one")
        log.unlink()
        add(log, "two")
        reader.until("one", "two")


def test_its_folder_may_go_and_come_back(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "g.log"
    log.parent.mkdir()
    add(log, "one")
    with reading(log) as reader:
        reader.until("one")
        log.parent.rename(tmp_path / "old")
        log.parent.mkdir()
        add(log, "two")
        reader.until("one", "two")
        add(log, "+")
        reader.until("one", "two+")


def test_a_link_is_followed_to_where_it_points_now(tmp_path: Path) -> None:
    link, days = tmp_path / "current.log", tmp_path / "days"
    days.mkdir()
    add(days / "monday", "mo")
    link.symlink_to(days / "monday")
    with reading(link) as reader:
        reader.until("mo")
        add(days / "monday", "n")
        reader.until("mon")
        add(days / "tuesday", "tue")
        (tmp_path / "next").symlink_to(days / "tuesday")
        (tmp_path / "next").rename(link)
        reader.until("mon", "tue")


def test_of_a_folder_the_last_by_name_is_todays(tmp_path: Path) -> None:
    for day in ("01", "02"):
        add(tmp_path / f"openclaw-2026-11-{day}.log", day)
    add(tmp_path / "zzz.txt", "other")
    with reading(tmp_path, PATTERN) as reader:
        reader.until("02")
        add(tmp_path / "openclaw-2026-11-03.log", "03")
        reader.until("02", "03")
        add(tmp_path / "openclaw-2026-11-01.log", "late")
        add(tmp_path / "openclaw-2026-11-03.log", "!")
        reader.until("02", "03!")
    with reading(tmp_path, PATTERN, rotated=True) as reader:
        reader.until("02", "03!")


def test_the_part_that_rotated_away_comes_first_if_it_is_asked_for(tmp_path: Path) -> None:
    log = tmp_path / "g.log"
    add(tmp_path / "g.log.1", "old")
    with reading(log, rotated=True) as reader:
        reader.until("old")
        add(log, "new")
        reader.until("old", "new")


def test_what_cant_be_read_is_told_and_tried_again(tmp_path: Path) -> None:
    log = tmp_path / "g.log"
    os.mkfifo(log)
    with Tail(log) as source:
        assert source.read() is None
        assert source.trouble == "is a named pipe, not a file"
        log.unlink()
        add(log, "one")
        assert source.read() == Chunk(b"one", begins_anew=True)
        assert source.trouble is None
    with pytest.raises(UnreadableError):
        tail.file.open_read(tmp_path)


def test_to_stop_wakes_at_once(tmp_path: Path) -> None:
    for polling in (False, True):
        with reading(tmp_path / "g.log", polling=polling) as reader:
            began = time.monotonic()
            reader.end()
            assert time.monotonic() - began < 1


def test_what_is_appended_is_seen_within_milliseconds(tmp_path: Path) -> None:
    log = tmp_path / "g.log"
    log.touch()
    written = []
    with reading(log) as reader:
        for count in range(1, 21):
            written.append(time.perf_counter())
            add(log, "x")
            reader.when(lambda count=count: len(reader.chunks) == count)  # type: ignore[misc]
    latencies = sorted(seen - at for seen, at in zip(reader.times, written, strict=True))
    assert latencies[10] < 0.1  # 2 ms where nothing else runs; far below the second after which it looks anyway


def test_what_comes_between_the_last_read_and_the_wait_ends_the_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "NET", 10 * DEADLINE)
    log, elsewhere = tmp_path / "logs" / "g.log", tmp_path / "other.log"
    log.parent.mkdir()
    add(log, "a")
    elsewhere.hardlink_to(log)  # what is done by this name nobody tells of
    with Tail(log) as tailed:
        assert tailed.read() is not None
        assert tailed.read() is None
        add(elsewhere, "b")
        watchdog = threading.Timer(DEADLINE, tailed.stop.set)
        watchdog.start()
        tailed.wait()
        watchdog.cancel()
        assert not tailed.stop.is_set()
        assert tailed.read() is not None


def test_growth_is_seen_also_where_nobody_tells_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a file with two names, only what is done by the name in the watched folder is told."""
    monkeypatch.setattr(tail, "NET", 10 * DEADLINE)
    log, elsewhere = tmp_path / "logs" / "g.log", tmp_path / "other.log"
    log.parent.mkdir()
    add(log, "a")
    elsewhere.hardlink_to(log)
    with reading(log) as reader:
        reader.until("a")
        for count in range(1, 6):
            add(elsewhere, "b")
            reader.until("a" + count * "b")


def test_who_waits_for_one_hears_of_the_other_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "NET", 10 * DEADLINE)
    log, beside, elsewhere = tmp_path / "logs" / "g.log", tmp_path / "logs" / "beside", tmp_path / "other"
    log.parent.mkdir()
    for one in (log, beside):
        add(one, "a")
    elsewhere.hardlink_to(beside)
    with Tail(log) as source, Tail(beside, polling=True) as other:
        assert (all_of(source), all_of(other)) == (b"a", b"a")
        for _ in range(3):  # what was done before it was watched may still be told
            waited(source, 0.2, other)
        writer = threading.Timer(0.1, add, (elsewhere, "b"))
        writer.start()
        assert waited(source, DEADLINE, other) < DEADLINE
        writer.join()
        assert (all_of(source), all_of(other)) == (b"", b"b")


def test_what_is_left_unread_ends_no_wait(tmp_path: Path) -> None:
    """Who has no room to read would else go round and round."""
    log = tmp_path / "g.log"
    log.touch()
    with Tail(log) as source:
        assert source.read() is None
        add(log, "a")
        times = [waited(source, 0.3) for _ in range(3)]  # it is told once, and perhaps once more
        assert times[-1] > 0.2
        assert all_of(source) == b"a"


def test_at_rest_it_costs_next_to_nothing(tmp_path: Path) -> None:
    log = tmp_path / "g.log"
    log.touch()
    with Tail(log) as source:
        source.read()
        began = time.process_time()
        source.wait(0.5)
        assert time.process_time() - began < 0.1 / 2  # of a core: five times what it takes


def test_who_has_no_room_to_read_still_sees_each_file(tmp_path: Path) -> None:
    log = tmp_path / "g.log"
    add(log, "0")
    with Tail(log) as source:
        source.wait(0)
        for number in range(1, 4):
            log.rename(tmp_path / f"g.log.{number}")
            add(log, str(number))
            source.wait(0)
        for file in tmp_path.iterdir():
            os.utime(file, (0, 0))  # nobody has written to them for long
        assert all_of(source) == b"0123"


@given(st.data())
@settings(max_examples=60)
def test_any_order_of_growth_rotation_and_reading_gives_every_byte_once(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("tail")
    log = folder / "g.log"
    wanted, found, number, late = b"", b"", 0, False
    with pytest.MonkeyPatch.context() as patch, Tail(log, polling=True) as source:
        patch.setattr(tail, "STILL", 0.0)
        patch.setattr(tail.file, "BLOCK", 7)
        for _ in range(data.draw(st.integers(1, 30))):
            match data.draw(st.sampled_from(("append", "append", "rotate", "late", "delete", "read"))):
                case "append":
                    text = data.draw(st.binary(min_size=1, max_size=20))
                    wanted += text
                    with log.open("ab") as out:
                        out.write(text)
                    late = False
                case "rotate" if log.exists():
                    found += all_of(source)  # a file that comes and goes unseen can't be read
                    number += 1
                    log.rename(folder / f"g.log.{number}")
                    late = True
                case "late" if late:  # nobody has written to a new one yet
                    wanted += b"late"
                    with (folder / f"g.log.{number}").open("ab") as out:
                        out.write(b"late")
                case "delete" if log.exists():
                    found += all_of(source)
                    log.unlink()
                    late = False
                case "read":
                    found += all_of(source)
        found += all_of(source)
    assert found == wanted


def waited(source: Tail, seconds: float, beside: Tail | None = None) -> float:
    """How long it really waited."""
    began = time.monotonic()
    source.wait(seconds, beside)
    return time.monotonic() - began


def all_of(source: Tail) -> bytes:
    found = b""
    while chunk := source.read():
        found += chunk.data
    return found


def test_a_pipe_gives_what_comes_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.pipe()
    with os.fdopen(ours, "rb") as stdin:
        monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": stdin}))
        with Pipe() as source:
            assert source.read() is None
            os.write(theirs, b"one")
            source.wait(DEADLINE)
            assert source.read() == Chunk(b"one", begins_anew=True)
            os.write(theirs, b"two")
            os.close(theirs)
            assert source.read() == Chunk(b"two", begins_anew=False)
            assert (source.read(), source.ended) == (None, True)
