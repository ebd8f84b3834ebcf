"""An OpenClaw home: found whatever the version, its sessions named by key and by id.

Law: homes are laid out as the host leaves them; hostile ones are read as far as they make sense.
"""

import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import orjson
import pytest
from commands import ROOT

from eventlog import UnreadableError
from eventlog.openclaw import database
from eventlog.openclaw.home import Home, HostSession, find_home, host_version

OLD = ROOT / "fixtures" / "openclaw-2026.3.28"
NEW = ROOT / "fixtures" / "openclaw-2026.9.6"
KEYED = "fd3d29ff-8139-48db-b02c-77c94d38e46c"
PLAIN = "33333333-3333-4333-8333-333333333333"
STORED = "b993d365-21b5-4c4f-87c1-c42998b9ef34"


def home(folder: Path) -> Home:
    found = find_home(folder)
    assert found is not None
    return found


def by_id(found: Home) -> dict[str, HostSession]:
    sessions = list(found.sessions())
    assert len({one.id for one in sessions}) == len(sessions)
    return {one.id: one for one in sessions}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A home with an agent of each kind."""
    files = tmp_path / "agents" / "main" / "sessions"
    store = tmp_path / "agents" / "other" / "agent"
    files.mkdir(parents=True)
    store.mkdir(parents=True)
    shutil.copyfile(OLD / "openclaw.json", tmp_path / "openclaw.json")
    shutil.copyfile(OLD / "sessions.json", files / "sessions.json")
    shutil.copyfile(OLD / "sample.jsonl.lock", files / f"{KEYED}.jsonl.lock")
    for age, name in enumerate((f"{KEYED}.jsonl", f"{PLAIN}.jsonl")):
        shutil.copyfile(OLD / "transcripts" / name, files / name)
        os.utime(files / name, (1_000_000 + age, 1_000_000 + age))
    shutil.copyfile(NEW / database.NAME, store / database.NAME)
    return tmp_path


@pytest.mark.parametrize(
    ("part", "agents"),
    [("", ("main", "other")), ("agents", ("main", "other")), ("agents/main", ("main",)), ("agents/other", ("other",))],
)
def test_a_home_is_found_by_any_of_its_parts(
    folder: Path, part: str, agents: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert home(folder / part) == Home(folder, folder / "openclaw.json", agents)
    monkeypatch.chdir(folder / part)
    assert home(Path()).agents == agents


def test_other_folders_are_none(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "project" / "agents" / "main").mkdir(parents=True)
    (tmp_path / "project" / "sessions").mkdir()
    for name in (
        "project",
        "project/agents",
        "project/agents/main",
        "agents/main/sessions",
        "missing",
        "a\0b",
        "x" * 999,
    ):
        assert find_home(tmp_path / name) is None
    assert find_home(folder / "openclaw.json") is None


@pytest.mark.parametrize("text", [None, "", "{", "// nothing yet\n{}", "[]", '{"meta":7}'])
def test_a_home_needs_no_readable_configuration(folder: Path, text: str | None) -> None:
    if text is None:
        (folder / "openclaw.json").unlink()
    else:
        (folder / "openclaw.json").write_text(text)
    found = home(folder)
    assert (found.config is None) is (text is None)
    assert (found.version, found.logs(folder), len(by_id(found))) == (None, (), 8)


def test_a_home_without_sessions_has_no_newest(tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    assert find_home(tmp_path) is None
    (tmp_path / "openclaw.json").touch()
    found = home(tmp_path)
    assert list(found.sessions()) == []
    with pytest.raises(UnreadableError, match="no session in this OpenClaw home"):
        found.newest()
    with pytest.raises(UnreadableError, match="has this key or id; it has none"):
        found.find("x")


def test_sessions_of_files_and_of_databases_are_told_alike(folder: Path) -> None:
    found = by_id(home(folder))
    files = folder / "agents" / "main" / "sessions"
    assert found[KEYED] == HostSession("main", KEYED, "agent:main:o2", files / f"{KEYED}.jsonl", False, 1_000_000.0)
    assert found[PLAIN] == HostSession("main", PLAIN, None, files / f"{PLAIN}.jsonl", False, 1_000_001.0)
    store = folder / "agents" / "other" / "agent" / database.NAME
    assert found[STORED] == HostSession("other", STORED, "agent:main:n1", store, True, 1795358171.619)
    assert len(found) == 8


def test_a_file_that_the_database_took_in_is_its_archive(folder: Path) -> None:
    files = folder / "agents" / "other" / "sessions"
    files.mkdir()
    (files / f"{STORED}.jsonl").touch()
    (files / "later.jsonl").touch()
    found = by_id(home(folder))
    assert found[STORED].stored
    assert not found["later"].stored


def test_only_live_transcripts_are_sessions(folder: Path) -> None:
    files = folder / "agents" / "main" / "sessions"
    for ending in (
        ".jsonl.reset.2026-11-22T14-48-06.522Z",
        ".jsonl.deleted.17",
        ".jsonl.bak-19411-1795358103984",
        ".jsonl.lock",
        ".jsonl.switchlog",
        ".trajectory.jsonl",
        ".checkpoint.0b5209aa-d2ee-4c3f-b5dd-fb12fb208f9a.jsonl",
    ):
        (files / f"aa{ending}").touch()
    (files / ".jsonl").touch()
    (files / "folder.jsonl").mkdir()
    (files / "link.jsonl").symlink_to(files / f"{PLAIN}.jsonl")
    assert len(by_id(home(folder))) == 8


def test_a_thread_has_its_key_by_its_file(folder: Path) -> None:
    files = folder / "agents" / "main" / "sessions"
    entry = {"sessionId": "abc", "sessionFile": "C:\\Users\\op\\abc-topic-7.jsonl"}
    (files / "sessions.json").write_bytes(orjson.dumps({"agent:main:t7": entry}))
    (files / "abc-topic-7.jsonl").touch()
    assert by_id(home(folder))["abc-topic-7"].key == "agent:main:t7"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\0",
        b"[1]",
        b"[" * 100_000,
        orjson.dumps({"a\nb": {"sessionId": KEYED}}),
        orjson.dumps({"": {"sessionId": KEYED}}),
        orjson.dumps({"a": {"sessionId": f"../sessions/{KEYED}"}}),
        orjson.dumps({"a": {"sessionId": 17, "sessionFile": {}}, "b": [KEYED], "c": KEYED, "d": None}),
    ],
    ids=lambda content: repr(content[:20]),
)
def test_a_list_of_keys_that_is_no_use_costs_nothing_but_the_keys(folder: Path, content: bytes) -> None:
    (folder / "agents" / "main" / "sessions" / "sessions.json").write_bytes(content)
    found = by_id(home(folder))
    assert len(found) == 8
    assert found[KEYED].key is None


# by name


@pytest.mark.parametrize(
    ("name", "session"),
    [
        ("agent:main:o2", KEYED),
        (KEYED, KEYED),
        ("fd3", KEYED),
        ("333", PLAIN),
        ("agent:main:n1", STORED),
        ("b", STORED),
    ],
)
def test_a_session_is_found_by_key_id_or_the_beginning_of_its_id(folder: Path, name: str, session: str) -> None:
    assert home(folder).find(name).id == session


def test_what_several_or_none_are_called_names_what_might_be_meant(folder: Path) -> None:
    files = folder / "agents" / "main" / "sessions"
    (files / "fd3.jsonl").touch()
    (files / "fd4.jsonl").touch()
    found = home(folder)
    assert found.find("fd3").id == "fd3"
    with pytest.raises(UnreadableError, match=rf"3 sessions are called so: .*{KEYED} \(agent:main:o2\); name more"):
        found.find("fd")
    with pytest.raises(UnreadableError, match=r"has this key or id; the latest are .*agent:main:n10, "):
        found.find("agent:main:nobody")
    with pytest.raises(UnreadableError, match="called so"):
        found.find("")
    for one in ("main", "other"):
        (folder / "agents" / one / "sessions").mkdir(exist_ok=True)
        (folder / "agents" / one / "sessions" / "twin.jsonl").touch()
    with pytest.raises(UnreadableError, match=r"2 sessions are called so: (main|other)/twin, (main|other)/twin"):
        found.find("twin")


def test_a_key_means_its_latest_session(folder: Path) -> None:
    store = folder / "agents" / "other" / "agent" / database.NAME
    with closing(sqlite3.connect(store, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE session_windows(session_id, session_key)")
        connection.execute("INSERT INTO session_windows VALUES('earlier','agent:main:n1')")
        connection.execute(
            "INSERT INTO transcript_events(session_id, seq, event_json, created_at) VALUES('earlier',0,'{}',5)"
        )
    found = home(folder)
    assert by_id(found)["earlier"].key == "agent:main:n1"
    assert found.find("agent:main:n1").id == STORED
    assert found.find("earlier").updated == 0.005


def test_the_newest_is_the_one_that_was_last_written_to(folder: Path) -> None:
    assert home(folder).newest().key == "agent:main:n10"
    assert home(folder / "agents" / "main").newest().id == PLAIN


def test_a_database_that_can_not_be_read_is_told_behind_all_others(folder: Path) -> None:
    (folder / "agents" / "other" / "agent" / database.NAME).write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    found = home(folder)
    sessions = found.sessions()
    assert {next(sessions).id, next(sessions).id} == {KEYED, PLAIN}
    with pytest.raises(UnreadableError, match=r"openclaw-agent\.sqlite: is damaged"):
        next(sessions)
    assert found.find("agent:main:o2").id == KEYED
    with pytest.raises(UnreadableError, match="is damaged"):
        found.find("agent:main:n1")
    with pytest.raises(UnreadableError, match="is damaged"):
        found.newest()


def test_thousands_of_sessions_are_told_at_once(folder: Path) -> None:
    files = folder / "agents" / "main" / "sessions"
    for number in range(5000):
        (files / f"{number:08x}.jsonl").touch()
    keys = {f"agent:main:{number}": {"sessionId": f"{number:08x}", "skills": "x" * 500} for number in range(5000)}
    (files / "sessions.json").write_bytes(orjson.dumps(keys))
    started = time.perf_counter()
    found = by_id(home(folder))
    took = time.perf_counter() - started
    assert len(found) == 5008
    assert found["00000fff"].key == "agent:main:4095"
    assert took < 3  # 0.1 on an idle machine


# its configuration


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('{"meta":{"lastTouchedVersion":"2026.9.6"}}', (2026, 9, 6)),
        ('{meta: {lastTouchedVersion: "2026.3.28-beta.1",}} // mine', (2026, 3, 28)),
        ('{"meta":{"lastTouchedVersion":"v2026"}}', None),
        ('{"meta":{"lastTouchedVersion":2026.9}}', None),
        ('{"meta":[]}', None),
        ("null", None),
        ("", None),
        ("\0", None),
    ],
)
def test_the_version_is_the_configurations_or_none(tmp_path: Path, text: str, version: tuple[int, ...] | None) -> None:
    (tmp_path / "openclaw.json").write_text(text)
    assert host_version(tmp_path / "openclaw.json") == version
    assert host_version(tmp_path) is host_version(tmp_path / "missing") is None


def test_logs_are_the_configured_one_or_the_usual_ones_and_those_of_the_home(folder: Path) -> None:
    usual = folder / "tmp"
    for path in (usual / "openclaw-2026-11-22.log", usual / "openclaw-2026-11-21.log", usual / "other.log"):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (folder / "logs").mkdir()
    (folder / "logs" / "gateway.log").touch()
    (folder / "logs" / "folder.log").mkdir()
    own = folder / "logs" / "gateway.log"
    found = home(folder)
    assert found.logs(usual) == (own,)  # the configured one is not there
    (folder / "openclaw.json").write_text("{}")
    days = (usual / "openclaw-2026-11-21.log", usual / "openclaw-2026-11-22.log")
    assert found.logs(usual) == (*days, own)
    assert found.logs(folder / "missing") == (own,)
    (folder / "openclaw.json").write_bytes(orjson.dumps({"logging": {"file": str(usual / "other.log")}}))
    assert found.logs(usual) == (usual / "other.log", own)
