"""The only way in: what a person names, to bytes, to events.

Law: what can be read is read, whatever it holds; what can't says why and what to do, in one error.
"""

import errno
import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from logs import OTHER, SESSION, Draft, hosted, kinds, read, ten_events

from eventlog import Events, UnreadableError, file, raw, read_events, sources

FIXTURES = Path(__file__).parent.parent / "fixtures"
INCIDENT = FIXTURES / "seed" / "17a309d8.gateway.log"
TWO_SESSIONS = FIXTURES / "openclaw-2026.9.6" / "gateway-console.1432-fallback.log"


def pipe_in(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three sessions, an archive and a link, the second session being the newest."""
    for age, name in enumerate(
        (f"{OTHER}.jsonl", f"{SESSION}.jsonl", "17b.jsonl", f"{SESSION}.jsonl.reset.2026", "notes.txt")
    ):
        (tmp_path / name).write_bytes(ten_events().data)
        os.utime(tmp_path / name, (1_000_000 + age, 1_000_000 + age))
    os.utime(tmp_path / f"{SESSION}.jsonl", (2_000_000, 2_000_000))
    (tmp_path / "17linked.jsonl").symlink_to(tmp_path / "notes.txt")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "session"),
    [
        ("17a309d8.jsonl", "17a309d8"),
        ("17a309d8.jsonl.reset.2026-11-22T14-48-06.522Z", "17a309d8"),
        ("26a984f2.jsonl.bak-19411-1795358103984", "26a984f2"),
        ("gateway.log", "gateway.log"),
        ("a.jsonl.jsonl", "a"),
        (".jsonl", ".jsonl"),
    ],
)
def test_a_files_name_tells_its_session(name: str, session: str) -> None:
    assert sources.session_name(Path("somewhere") / name) == session


def test_a_folder_means_its_newest_transcript(folder: Path) -> None:
    assert sources.resolve(folder) == folder / f"{SESSION}.jsonl"
    assert len(list(read_events(folder))) == 10


def test_archives_links_and_other_files_are_no_transcripts(folder: Path) -> None:
    assert {path.name for path in sources.transcripts(folder)} == {f"{OTHER}.jsonl", f"{SESSION}.jsonl", "17b.jsonl"}


def test_the_beginning_of_an_id_means_the_session_of_this_folder(folder: Path) -> None:
    assert sources.resolve("99") == Path(f"{OTHER}.jsonl")
    assert sources.resolve("17a309d8") == Path(f"{SESSION}.jsonl")


def test_a_file_is_itself_and_a_dash_is_standard_input(folder: Path) -> None:
    assert sources.resolve("notes.txt") == Path("notes.txt")
    assert sources.resolve(folder / "17linked.jsonl") == folder / "17linked.jsonl"
    assert sources.resolve("-") is None


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("17", r"2 sessions begin so: 17a309d8, 17b; name more of the id"),
        ("42", "no such file, and no session of this folder begins so"),
        ("no/such/file", "there is no such file; name a transcript"),
        ("bad\0name", "no such file|null"),
        ("x" * 5000, "no such file|too long"),
        ("", "no transcript|no such file"),
    ],
)
def test_what_can_not_be_found_says_what_to_do(folder: Path, where: str, why: str) -> None:
    empty = folder / "empty"
    empty.mkdir()
    with pytest.raises(UnreadableError, match=why):
        sources.resolve(where or empty)


def test_blocks_give_a_file_as_far_as_it_reaches_now(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"x" * (file.BLOCK + 5))
    blocks = raw.blocks(path)
    assert len(next(blocks)) == file.BLOCK
    with path.open("ab") as writer:
        writer.write(b"more")
    assert list(blocks) == [b"xxxxxmore"]


def test_standard_input_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe_in(monkeypatch, ten_events().data)
    events = read_events("-")
    assert len(list(events)) == 10
    assert (events.path, events.report.session, events.report.damaged) == (None, SESSION, False)


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (errno.EACCES, "permission denied; read it as its owner"),
        (errno.EIO, "input/output error"),
        (errno.ENOENT, "no such file"),
    ],
)
def test_a_file_that_can_not_be_opened_says_why(
    tmp_path: Path, number: int, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> int:
        raise OSError(number, os.strerror(number))

    (tmp_path / "a.jsonl").touch()
    monkeypatch.setattr(file, "open_read", refuse)
    with pytest.raises(UnreadableError, match=why) as caught:
        list(read_events(tmp_path / "a.jsonl"))
    assert caught.value.path == tmp_path / "a.jsonl"


def test_a_disk_that_fails_within_the_file_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jsonl").write_bytes(ten_events().data)
    real, closed = file.read_at, []

    def fail(fd: int, offset: int, size: int) -> bytes:
        if offset:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(fd, offset, 100)

    monkeypatch.setattr(file, "read_at", fail)
    monkeypatch.setattr(file, "close", closed.append)
    with pytest.raises(UnreadableError, match="input/output error at byte 100"):
        list(read_events(tmp_path / "a.jsonl"))
    assert len(closed) == 1
    os.close(closed[0])


def test_a_search_that_the_system_refuses_says_why(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(place: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UnreadableError, match="permission denied"):
        sources.resolve(folder)


# a whole log at once


@pytest.mark.parametrize("make", [ten_events, hosted], ids=["own", "hosted"])
def test_a_file_is_read_like_its_bytes(tmp_path: Path, make: Callable[[], Draft]) -> None:
    path = tmp_path / f"{SESSION}.jsonl"
    path.write_bytes(make().data)
    events = read_events(str(path))
    assert (list(events), events.report) == read(make().data)
    assert events.form == "transcript"


def test_an_empty_file_is_an_empty_log(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").touch()
    events = read_events(tmp_path / "a.jsonl")
    assert list(events) == []
    assert (events.report.session, kinds(events.report), events.report.findings) == ("a", {}, [])


def test_events_come_one_by_one_and_the_report_is_whole_behind_the_last(tmp_path: Path) -> None:
    path = tmp_path / f"{SESSION}.jsonl"
    path.write_bytes(ten_events().data[:-1])
    events = read_events(path)
    assert iter(events) is events
    assert next(events).position == 1
    assert events.report.pieces["unterminated"] == 0
    assert [one.position for one in events] == list(range(2, 11))
    assert events.report.pieces["unterminated"] == 1
    assert list(events) == []


def test_a_missing_file_is_told_at_once() -> None:
    with pytest.raises(UnreadableError):
        read_events("no/such/file")


def test_a_console_log_of_one_session_is_read_too() -> None:
    events = read_events(INCIDENT)
    found = list(events)
    assert events.form == "console"
    assert [one.position for one in found] == list(range(1, len(found) + 1))
    assert all(0 <= one.offset < INCIDENT.stat().st_size for one in found)
    data = INCIDENT.read_bytes()
    assert all(one.offset == 0 or data[one.offset - 1 : one.offset] == b"\n" for one in found)
    report = events.report
    assert report.session is not None
    assert report.session.startswith("17a309d8")
    assert (report.size, report.unsealed, report.restarts, report.damaged) == (len(data), len(found), 1, False)
    assert sum(report.counts.values()) == data.count(b"\n") + (not data.endswith(b"\n"))


def test_a_console_log_without_its_last_newline_is_read_to_the_end(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(INCIDENT.read_bytes().rstrip(b"\n"))
    assert [one.event for one in read_events(tmp_path / "a.log")] == [one.event for one in read_events(INCIDENT)]


def test_a_console_log_of_several_sessions_asks_which() -> None:
    with pytest.raises(UnreadableError, match="a log of 2 sessions; name one with --session: b993d365"):
        list(read_events(TWO_SESSIONS))
    with pytest.raises(UnreadableError, match="tells of no session 'zz'; name one with --session: b993d365"):
        list(read_events(TWO_SESSIONS, session="zz"))
    one, other = read_events(TWO_SESSIONS, session="b993"), read_events(TWO_SESSIONS, session="ff35")
    assert {event.event.session for event in one} == {"b993d365-21b5-4c4f-87c1-c42998b9ef34"}
    assert {event.event.session for event in other} == {"ff3506f5-a3c6-4879-b95d-a2914163ebf5"}


def test_a_log_that_names_no_session_has_none(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(
        (FIXTURES / "openclaw-2026.3.28" / "gateway-console.1421-first-turns.log").read_bytes()
    )
    events: Events = read_events(tmp_path / "a.log")
    assert list(events) == []
    assert (events.form, events.report.session) == ("console", None)


def test_neither_binary_nor_text_is_taken_for_a_console_log(tmp_path: Path) -> None:
    for data in (os.urandom(5000).replace(b"{", b""), b"some notes\nof mine\n", b"\0" * 5000):
        (tmp_path / "a.log").write_bytes(data)
        events = read_events(tmp_path / "a.log")
        assert list(events) == []
        assert events.form == "transcript"
