"""OpenClaw's database: read whole, in one state, whoever writes meanwhile, and left as it was.

Law: each state of the file is a real one, made by SQLite itself, by a process that writes or one that was killed.
"""

import errno
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from backports import zstd
from commands import ROOT

from eventlog import UnreadableError
from eventlog.openclaw import database, snapshot

FIXTURES = ROOT / "fixtures" / "openclaw-2026.9.6"
SAMPLE = FIXTURES / database.NAME
SESSION = "b993d365-21b5-4c4f-87c1-c42998b9ef34"
WRITER = """
import sqlite3, sys
store = sqlite3.connect(sys.argv[1], isolation_level=None)
for line in sys.stdin:
    for statement in line.split(";"):
        store.execute(statement).fetchall()
    print("done", flush=True)
"""
ADD = "INSERT INTO transcript_events(session_id, seq, event_json, created_at) VALUES"
READER = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from eventlog.openclaw import database
print(len(list(database.lines(Path(sys.argv[1]), "s"))))
"""
PACKED = "INSERT INTO transcript_events(session_id, seq, event_zstd) VALUES ('s',?,?)"
RENEW = "UPDATE transcript_events SET event_json='new' WHERE session_id='s'"
State = dict[str, tuple[bytes, int, int]]


class Writer:
    """A gateway, as far as its database is concerned: a process of its own."""

    def __init__(self, path: Path, *first: str) -> None:
        command = [sys.executable, "-c", WRITER, str(path)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for statement in first:
            self.run(statement)

    def run(self, statement: str) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(statement, file=self.process.stdin, flush=True)
        assert self.process.stdout.readline() == "done\n"

    def end(self, number: int | None = None) -> None:
        if number is not None:
            self.process.send_signal(number)
        self.process.communicate()


@contextmanager
def writer(path: Path, *first: str) -> Iterator[Writer]:
    one = Writer(path, *first)
    try:
        yield one
    finally:
        one.end(signal.SIGKILL)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A copy of the sample, under a name that a URI would take apart."""
    folder = tmp_path / "a b?mode=rw#%41;é"
    folder.mkdir()
    return shutil.copyfile(SAMPLE, folder / database.NAME)


def change(path: Path, *statements: str, parameters: tuple[object, ...] = ()) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as store:
        for statement in statements:
            store.execute(statement, parameters).fetchall()


def state(folder: Path) -> State:
    return {one.name: (one.read_bytes(), one.stat().st_mtime_ns, one.stat().st_ino) for one in folder.iterdir()}


def told(path: Path, session: str = "s") -> list[bytes]:
    return list(database.lines(path, session))


def numbered(count: int, first: int = 0) -> str:
    return ADD + ",".join(f"('s',{number},'{{\"n\":{number}}}',{number})" for number in range(first, first + count))


# what the store holds


@pytest.mark.parametrize("transcript", sorted((FIXTURES / "transcripts").iterdir()), ids=lambda one: one.name[:14])
def test_a_session_is_told_byte_for_byte(transcript: Path) -> None:
    session = transcript.name.split(".")[1]
    assert b"".join(database.lines(SAMPLE, session)) == transcript.read_bytes()
    assert b"".join(database.blocks(SAMPLE, session)) == transcript.read_bytes()


def test_the_sessions_have_their_keys_times_and_sizes() -> None:
    found = {one.key: one for one in database.sessions(SAMPLE)}
    assert set(found) == {f"agent:main:{name}" for name in ("main", "n1", "n2", "n6", "n7", "n10")}
    updated = datetime(2026, 11, 22, 14, 36, 11, 619000, UTC)
    assert found["agent:main:n1"] == database.Stored(SESSION, "agent:main:n1", updated, 24)


def test_an_earlier_session_of_a_key_is_known_by_its_window_and_dated_by_its_last_event(path: Path) -> None:
    change(path, numbered(3))
    assert {one.id: one for one in database.sessions(path)}["s"] == database.Stored(
        "s", None, datetime.fromtimestamp(0.002, UTC), 3
    )
    change(
        path,
        "CREATE TABLE session_windows(session_id, session_key)",
        "INSERT INTO session_windows VALUES('s','agent:main:n1')",
    )
    assert {one.id: one.key for one in database.sessions(path)}["s"] == "agent:main:n1"


def test_packed_events_are_unpacked(path: Path) -> None:
    with closing(sqlite3.connect(path)) as store:
        rows = store.execute("SELECT rowid, event_json FROM transcript_events WHERE seq % 2").fetchall()
        packed = [(zstd.compress(text.encode(), 1), len(text.encode()), rowid) for rowid, text in rows]
        change = "UPDATE transcript_events SET event_json=NULL, event_zstd=?, event_utf8_bytes=? WHERE rowid=?"
        store.executemany(change, packed)
        store.commit()
    assert len(rows) > 40
    for one in database.sessions(SAMPLE):
        assert told(path, one.id) == told(SAMPLE, one.id)


def test_what_can_not_be_unpacked_is_a_line_of_its_own(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "LARGEST", 1 << 20)
    words = [f"word {number} of many".encode() for number in range(300)]
    whole = zstd.compress(b"".join(words), options={zstd.CompressionParameter.checksum_flag: 1})
    turned = bytearray(whole)
    turned[-1] ^= 1
    dictionary = zstd.train_dict(words, 1000)
    frames = [
        (zstd.compress(b"x", zstd_dict=dictionary), "can't be unpacked"),
        (whole[:-9], "its end is missing"),
        (bytes(turned), "can't be unpacked"),
        (b"", "its end is missing"),
        (b"no frame", "can't be unpacked"),
        (zstd.compress(b"x" * (1 << 20)), "x" * (1 << 20)),
        (zstd.compress(b"x" * ((1 << 20) + 1)), "larger than 1 MiB"),
    ]
    for number, (frame, _) in enumerate(frames):
        change(path, PACKED, parameters=(number, frame))
    change(path, f"{ADD}('s',99,'{{}}',0)")
    lines = told(path)
    assert lines.pop() == b"{}\n"
    for number, (line, (_, why)) in enumerate(zip(lines, frames, strict=True), 1):
        assert why in line.decode()
        assert line.startswith(f"(event {number} of this session: ".encode()) or "x" in why


def test_without_the_unpacker_the_other_events_are_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "backports.zstd", None)
    monkeypatch.delattr("backports.zstd")
    frame = zstd.compress(b"{}")
    change(path, PACKED, parameters=(0, frame))
    change(path, numbered(1, first=1))
    [packed, plain] = told(path)
    assert b"is packed, and can't be unpacked here" in packed
    assert plain == b'{"n":1}\n'


def test_an_event_stays_one_line_whatever_it_holds(path: Path) -> None:
    values = ['{"a":\n1}', "\n\n", None, 17, 1.5, b'{"blob":1}', "\r\x00é", "x" * 3_000_000, "{}"]
    for number, value in enumerate(values):
        change(path, f"{ADD}('s',{number},?,0)", parameters=(value,))
    expected = [b'{"a": 1}', b"  ", b"", b"17", b"1.5", b'{"blob":1}', b"\r\0\xc3\xa9", b"x" * 3_000_000, b"{}"]
    assert told(path) == [line + b"\n" for line in expected]


def test_an_event_beyond_all_measure_is_told_of_and_not_held(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "LARGEST", 1 << 20)
    change(path, f"{ADD}('s',0,'{{}}',0)", f"{ADD}('s',1,zeroblob(2000000),0)", f"{ADD}('s',2,'{{}}',0)")
    assert told(path) == [b"{}\n", b"(event 2 of this session: string or blob too big)\n", b"{}\n"]


def test_blocks_are_neither_small_nor_without_end(path: Path) -> None:
    change(path, numbered(40_000))
    blocks = list(database.blocks(path, "s"))
    assert len(blocks) > 1
    assert all(database.BLOCK <= len(block) < database.BLOCK + 100 for block in blocks[:-1])
    assert all(block.endswith(b"\n") for block in blocks)
    assert b"".join(blocks).count(b"\n") == 40_000


def test_a_store_without_the_later_columns_and_tables_is_read(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    change(path, "CREATE TABLE transcript_events(session_id, seq, event_json, created_at)", numbered(2))
    assert told(path) == [b'{"n":0}\n', b'{"n":1}\n']
    assert [one.key for one in database.sessions(path)] == [None]


def test_rows_that_make_no_sense_are_told_all_the_same(path: Path) -> None:
    change(
        path,
        f"{ADD}(x'ff',NULL,'a',-1e300),(NULL,'x','b',9e18),(17,1,'c','yesterday')",
        "INSERT INTO session_nodes(session_key, current_session_id, updated_at) VALUES(x'ff',17,'now')",
    )
    found = {one.id: (one.key, one.updated) for one in database.sessions(path)}
    assert found["17"] == ("\ufffd", None)
    assert found["\ufffd"] == found[""] == (None, None)
    assert told(path, "17") == [b"c\n"]


# nothing is left behind, whatever lies there


def test_a_store_at_rest_stays_as_it_was(path: Path) -> None:
    change(path, "PRAGMA journal_mode=WAL", numbered(3))
    before = state(path.parent)
    assert list(before) == [path.name]
    assert len(told(path)) == 3
    assert len(database.sessions(path)) == 7
    assert state(path.parent) == before


def test_the_committed_rows_in_a_killed_gateways_log_are_seen_and_left_there(path: Path) -> None:
    gateway = Writer(path, "PRAGMA journal_mode=WAL", numbered(3), "BEGIN", numbered(2, first=3))
    gateway.end(signal.SIGKILL)
    before = state(path.parent)
    assert sorted(before) == [path.name, path.name + "-shm", path.name + "-wal"]
    assert len(told(path)) == 3
    assert "s" in {one.id for one in database.sessions(path)}
    assert state(path.parent) == before


def test_a_log_that_came_without_its_index_is_read_too(path: Path) -> None:
    Writer(path, "PRAGMA journal_mode=WAL", numbered(3)).end(signal.SIGKILL)
    path.with_name(path.name + "-shm").unlink()
    before = state(path.parent)
    assert len(told(path)) == 3
    assert state(path.parent) == before


NONSENSE = b"nonsense" * 5000


@pytest.mark.parametrize(
    ("log", "index"),
    [
        *((log, index) for log in (None, b"", bytes(32768), NONSENSE) for index in (None, b"", bytes(32768))),
        *((log, NONSENSE) for log in (None, b"", NONSENSE)),
        # SQLite hopes for ten seconds that it gets better.
        pytest.param(bytes.fromhex("377f0682") + NONSENSE, NONSENSE, marks=pytest.mark.slow),
    ],
)
def test_a_log_and_an_index_of_nonsense_count_for_nothing(path: Path, log: bytes | None, index: bytes | None) -> None:
    change(path, "PRAGMA journal_mode=WAL", numbered(3))
    for ending, content in (("-wal", log), ("-shm", index)):
        if content is not None:
            path.with_name(path.name + ending).write_bytes(content)
    before = state(path.parent)
    assert len(told(path)) == 3
    assert state(path.parent) == before


def test_an_unfinished_transaction_is_rolled_back_in_a_copy(path: Path) -> None:
    change(path, numbered(3))
    spill = "UPDATE transcript_events SET event_json = hex(zeroblob(20000))"
    Writer(path, "PRAGMA cache_size=1", "BEGIN", spill).end(signal.SIGKILL)
    before = state(path.parent)
    assert sorted(before) == [path.name, path.name + "-journal"]
    assert told(path) == [b'{"n":0}\n', b'{"n":1}\n', b'{"n":2}\n']
    assert state(path.parent) == before


def test_a_folder_that_may_not_be_written_to_is_read(path: Path) -> None:
    Writer(path, "PRAGMA journal_mode=WAL", numbered(3)).end(signal.SIGKILL)
    path.with_name(path.name + "-shm").unlink()
    command = [sys.executable, "-c", READER, str(path)]
    path.chmod(0o444)
    path.parent.chmod(0o555)
    nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    try:
        for one in (path.parent, *path.parent.parents[:2]):
            if nobody:
                one.chmod(one.stat().st_mode | 0o555)
        path.with_name(path.name + "-wal").chmod(0o444)
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
        assert (done.stdout, done.stderr) == ("3\n", "")
    finally:
        path.parent.chmod(0o755)


# while a gateway writes


def test_what_a_gateway_commits_meanwhile_is_the_next_readers(path: Path) -> None:
    with writer(path, "PRAGMA journal_mode=WAL", numbered(30_000)) as gateway:
        reading = database.blocks(path, "s")
        first = next(reading)
        gateway.run(f"{RENEW};{numbered(5, first=30_000)}")
        gateway.run("PRAGMA wal_checkpoint(PASSIVE)")
        data = first + b"".join(reading)
        assert data == b"".join(b'{"n":%d}\n' % number for number in range(30_000))
        assert told(path)[:30_000] == [b"new\n"] * 30_000
        assert len(told(path)) == 30_005
        gateway.run(numbered(1, first=30_005))
        assert len(told(path)) == 30_006


def test_a_reader_under_way_does_not_hold_up_the_gateway_or_its_end(path: Path) -> None:
    with writer(path, "PRAGMA journal_mode=WAL", "PRAGMA busy_timeout=0", numbered(30_000)) as gateway:
        reading = database.lines(path, "s")
        assert next(reading) == b'{"n":0}\n'
        for number in range(30_000, 30_020):
            gateway.run(numbered(1, first=number))
        assert database.is_database(path)  # a peek that takes no lock away
        gateway.end()
        assert path.with_name(path.name + "-wal").stat().st_size > 0  # it knew of the reader and left it the log
        assert len(list(reading)) == 29_999
    assert len(told(path)) == 30_020


def test_a_gateway_that_starts_under_a_reader_gets_it_to_read_again_or_to_say_so(path: Path) -> None:
    change(path, "PRAGMA journal_mode=WAL", numbered(30_000))
    reading = database.blocks(path, "s")
    next(reading)
    change(path, RENEW)
    with pytest.raises(UnreadableError, match="was written to while it was read; read it again"):
        list(reading)
    assert told(path) == [b"new\n"] * 30_000


def test_what_changed_before_anything_was_told_is_read_again(path: Path) -> None:
    change(path, "PRAGMA journal_mode=WAL", numbered(3))
    asked = []

    def query(store: sqlite3.Connection) -> Iterator[int]:
        asked.append(store)
        if len(asked) == 1:
            change(path, numbered(1, first=3))
        yield from (count for (count,) in store.execute("SELECT count(*) FROM transcript_events WHERE session_id='s'"))

    assert list(snapshot.read(path, query)) == [4]
    assert len(asked) == 2


def test_the_older_mode_is_read_beside_a_writer_that_has_not_committed(path: Path) -> None:
    with writer(path, "PRAGMA journal_mode=DELETE", numbered(3), "BEGIN IMMEDIATE", numbered(2, first=3)) as gateway:
        assert len(told(path)) == 3
        gateway.run("COMMIT")
        assert len(told(path)) == 5
    assert sorted(state(path.parent)) == [path.name]


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_a_store_that_another_locks_says_so(path: Path, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "WAIT", 0.05)
    alone = "PRAGMA locking_mode=EXCLUSIVE" if mode == "WAL" else "PRAGMA cache_size=10"
    with writer(path, alone, f"PRAGMA journal_mode={mode}", numbered(1), "BEGIN EXCLUSIVE"):
        for ask in (lambda: database.sessions(path), lambda: told(path)):
            with pytest.raises(UnreadableError, match="is locked by another program; read it again when") as caught:
                ask()
            assert caught.value.path == path


# what is no store, or a broken one


def test_only_an_sqlite_file_is_a_database(path: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("SQLite format 3, they say")
    (tmp_path / "short").write_bytes(snapshot.MAGIC[:-1])
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(path)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    names = ["text", "short", "pipe", "loop", "missing", "", "a\0b"]
    assert [database.is_database(tmp_path / name) for name in names] == [False] * len(names)
    assert database.is_database(path)
    assert database.is_database(tmp_path / "link")
    for name in names:
        for ask in (lambda one: list(database.lines(one, "s")), database.sessions):
            with pytest.raises(UnreadableError):
                ask(tmp_path / name)


def test_through_a_link_the_log_beside_the_file_itself_counts(path: Path, tmp_path: Path) -> None:
    Writer(path, "PRAGMA journal_mode=WAL", numbered(3)).end(signal.SIGKILL)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "link").symlink_to(path)
    before = state(path.parent)
    assert len(told(tmp_path / "elsewhere" / "link")) == 3
    assert state(path.parent) == before
    assert [one.name for one in (tmp_path / "elsewhere").iterdir()] == ["link"]


def test_a_planted_pipe_is_not_waited_at(path: Path) -> None:
    change(path, "PRAGMA journal_mode=WAL")
    os.mkfifo(path.with_name(path.name + "-shm"))
    with pytest.raises(UnreadableError, match="-shm: is no regular file"):
        database.sessions(path)


@pytest.mark.parametrize(
    ("statements", "why"),
    [
        (["DROP TABLE transcript_events"], "no store of OpenClaw's: it has no table transcript_events"),
        (["DROP TABLE transcript_events", "CREATE VIEW transcript_events AS SELECT 1"], "it has no table"),
        (["ALTER TABLE transcript_events RENAME session_id TO x"], "can't be read: no such column"),
    ],
)
def test_another_database_says_what_it_lacks(path: Path, statements: list[str], why: str) -> None:
    change(path, *statements)
    for ask in (lambda: database.sessions(path), lambda: told(path)):
        with pytest.raises(UnreadableError, match=why):
            ask()


@pytest.mark.parametrize("name", ["no-such", "", "\ud800", "a\0b", "' OR 1 --"])
def test_a_session_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(UnreadableError, match="holds no session"):
        told(SAMPLE, name)


def test_a_lost_disk_says_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Writer(path, "PRAGMA journal_mode=WAL", numbered(3)).end(signal.SIGKILL)
    path.with_name(path.name + "-shm").unlink()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(UnreadableError, match="no space left on device"):
        told(path)


def test_any_damage_is_read_or_refused_and_never_raises_another_error(path: Path) -> None:
    """Cuts and flips: what can't be had is told, and the file is closed and unchanged behind it."""
    chance = random.Random(20_261_122)
    change(path, "UPDATE transcript_events SET event_zstd=NULL", "VACUUM")
    whole = path.read_bytes()
    read = refused = 0
    for number in range(250):
        data = bytearray(whole)
        if number % 5 == 0:
            del data[chance.randrange(len(data)) :]
        else:
            for _ in range(chance.choice((1, 1, 3, 300))):
                data[chance.randrange(100 if number % 3 == 0 else len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        for ask in (lambda: database.sessions(path), lambda: told(path, SESSION)):
            try:
                ask()
                read += 1
            except UnreadableError:
                refused += 1
    assert path.read_bytes() == data
    assert list(state(path.parent)) == [path.name]
    assert read > 50
    assert refused > 50


def test_one_damaged_event_does_not_take_the_others_with_it(path: Path) -> None:
    big = "y" * 20_000
    change(path, numbered(3))
    change(path, "UPDATE transcript_events SET event_json=? WHERE session_id='s' AND seq=1", parameters=(big,))
    data = bytearray(path.read_bytes())
    first = next(at for at in range(0, len(data), 4096) if data[at + 4 : at + 4096] == b"y" * 4092)
    data[first : first + 4] = (1 << 30).to_bytes(4, "big")
    path.write_bytes(data)
    assert [line[:10] for line in told(path)] == [b'{"n":0}\n', b"(event 2 o", b'{"n":2}\n']
