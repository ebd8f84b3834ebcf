"""Events beside a transcript, host lines through the session, and the names that archives have."""

import errno
import json
from pathlib import Path

import pytest
from commands import switchlog
from gateway import CHAIN, GLM, KIMI, Disk

from eventlog import MisuseError, Session, read_events
from eventlog.sources import companion, session_name
from replay import fold

HEADER = b'{"type":"session","version":3,"id":"s-1","timestamp":"2026-04-02T04:55:37.000Z","cwd":"/srv"}\n'
TALK = b'{"type":"message","id":"c0ffee01","parentId":null,"message":{"role":"user"}}\n'


@pytest.fixture
def transcript(tmp_path: Path) -> Path:
    path = tmp_path / "s-1.jsonl"
    path.write_bytes(HEADER + TALK)
    return path


# A companion file


def test_a_companion_keeps_the_hosts_file_untouched(transcript: Path) -> None:
    with Session.open(transcript, chain=CHAIN, companion=True) as session:
        session.failed(KIMI, reason="rate_limit")
        assert session.id == "s-1"
    assert transcript.read_bytes() == HEADER + TALK
    assert companion(transcript).exists()


def test_the_two_are_read_as_one_by_sessions_and_commands(transcript: Path) -> None:
    Session.open(transcript, chain=CHAIN).failed(KIMI, reason="rate_limit")
    Session.open(transcript, chain=CHAIN, companion=True).switch(GLM)
    events = read_events(transcript)
    state = fold(events)
    assert (list(state.tried), state.pinned, state.position) == ([KIMI], GLM, 2)
    assert Session.open(transcript, chain=CHAIN).state == state
    assert (events.report.damaged, events.report.pieces["event"]) == (False, 2)
    shown = json.loads(switchlog("show", transcript, "--json").stdout)
    assert (shown["pinnedModel"], list(shown["triedModels"])) == (GLM, [KIMI])
    assert switchlog("unpin", transcript).returncode == 0
    assert fold(read_events(transcript)).pinned is None
    assert fold(read_events(transcript, alone=True)).position == 1


def test_a_success_beside_settles_a_failure_within(transcript: Path) -> None:
    Session.open(transcript, chain=CHAIN).failed(KIMI, reason="timeout")
    beside = Session.open(transcript, chain=CHAIN, companion=True)
    assert beside.succeeded(KIMI)
    assert not fold(read_events(transcript)).tried
    assert Session.open(transcript, chain=CHAIN).state == beside.state


def test_a_companion_may_be_there_before_its_transcript(tmp_path: Path) -> None:
    path = tmp_path / "s-1.jsonl"
    Session.open(path, chain=CHAIN, companion=True).failed(KIMI, reason="timeout")
    assert not path.exists()
    assert list(fold(read_events(path)).tried) == [KIMI]
    assert json.loads(switchlog("show", path, "--json").stdout)["sessionId"] == "s-1"


def test_damage_beside_is_damage_of_the_whole(transcript: Path) -> None:
    Session.open(transcript, chain=CHAIN, companion=True).failed(KIMI, reason="timeout")
    beside = companion(transcript)
    beside.write_bytes(beside.read_bytes().replace(b'"timeout"', b'"unknown"'))
    done = switchlog("verify", transcript)
    assert (done.returncode, "in the companion file" in done.stdout) == (1, True)


# Host lines


def test_a_host_line_is_chained_and_durable_behind_what_is_there(transcript: Path) -> None:
    session = Session.open(transcript, chain=CHAIN)
    session.failed(KIMI, reason="timeout")
    own = json.loads(transcript.read_bytes().splitlines()[-1])["id"]
    session.write({"type": "message", "id": "c0ffee02", "message": {"role": "assistant", "content": "höhe"}})
    session.failed(KIMI, reason="timeout")
    entries = [json.loads(line) for line in transcript.read_bytes().splitlines()]
    assert [entry.get("parentId") for entry in entries[2:]] == ["c0ffee01", own, "c0ffee02"]
    assert entries[3]["message"]["content"] == "höhe"
    report = read_events(transcript)
    assert fold(report).position == 2
    assert not report.report.damaged


def test_a_host_may_begin_its_own_file(tmp_path: Path) -> None:
    session = Session.open(tmp_path / "s-1.jsonl", chain=CHAIN)
    session.write(json.loads(HEADER))
    session.failed(KIMI, reason="timeout")
    assert session.path.read_bytes().startswith(HEADER.removesuffix(b"\n"))
    assert session.path.read_bytes().count(b'"type":"session"') == 1


def test_a_torn_end_is_healed_before_a_host_line(tmp_path: Path) -> None:
    path = tmp_path / "s-1.jsonl"
    Session.open(path, chain=CHAIN).failed(KIMI, reason="timeout")
    with path.open("ab") as file:
        file.write(b'{"type":"attempt_fai')
    Session.open(path, chain=CHAIN).write({"type": "message", "id": "c0ffee02"})
    assert json.loads(path.read_bytes().splitlines()[-1])["id"] == "c0ffee02"


def test_what_is_none_of_the_hosts_is_refused(transcript: Path) -> None:
    session = Session.open(transcript, chain=CHAIN)
    for line in ({"type": "attempt_failed", "model": KIMI}, {"type": "log_repaired"}, {"type": "x", "seal": "0"}):
        with pytest.raises(MisuseError, match="none of the host"):
            session.write(line)
    with pytest.raises(MisuseError, match="companion"):
        Session.open(transcript, chain=CHAIN, companion=True).write({"type": "message"})
    assert transcript.read_bytes() == HEADER + TALK


def test_a_host_line_that_the_disk_refuses_raises(transcript: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session.open(transcript, chain=CHAIN)
    Disk(refuses=errno.ENOSPC).install(monkeypatch)
    with pytest.raises(OSError, match="No space"):
        session.write({"type": "message"})


# Names


@pytest.mark.parametrize(
    "name",
    [
        "s-1.jsonl",
        "s-1.jsonl.reset.2026-11-22T14-48-06.522Z",
        "s-1.jsonl.bak-19411-1795358103984",
        "s-1.jsonl.deleted.1795358103984",
        "s-1.jsonl.switchlog",
    ],
)
def test_an_archive_is_read_as_the_session_it_was(tmp_path: Path, name: str) -> None:
    path = tmp_path / "s-1.jsonl"
    Session.open(path, chain=CHAIN).failed(KIMI, reason="timeout")
    path = path.rename(tmp_path / name)
    assert session_name(path) == "s-1"
    events = read_events(path)
    assert (list(fold(events).tried), events.report.damaged) == ([KIMI], False)


def test_a_folder_shows_its_live_sessions_and_not_its_archives(tmp_path: Path) -> None:
    Session.open(tmp_path / "s-1.jsonl", chain=CHAIN).failed(KIMI, reason="timeout")
    Session.open(tmp_path / "s-2.jsonl", chain=CHAIN).failed(KIMI, reason="timeout")
    (tmp_path / "s-2.jsonl").rename(tmp_path / "s-2.jsonl.reset.2026-11-22T14-48-06.522Z")
    assert json.loads(switchlog("show", tmp_path, "--json").stdout)["sessionId"] == "s-1"
