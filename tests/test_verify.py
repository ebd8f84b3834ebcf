"""`verify` to the end: anchors, anchor files, the deep look, and words that claim no more than the evidence.

Law: an anchor that is kept elsewhere shows a cut end, a replaced log, an event without a seal that came or went before
it. An anchor file is only ever added to, and only with ends of logs in which nothing was found.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from commands import switchlog
from logs import SESSION, Draft, compact, header, message, ten_events

from eventlog import Session, raw
from eventlog.deep import deep
from eventlog.verify import Anchor, verify


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three sessions."""
    sessions = tmp_path / "sessions"
    sessions.mkdir()
    for name in ("aaa", "bbb", "ccc"):
        grow(sessions / f"{name}.jsonl")
    return sessions


def grow(path: Path) -> None:
    with Session.open(path) as session:
        assert session.failed("kimi/kimi2.5", reason="timeout")


def check(folder: Path, *more: str | Path) -> tuple[int, dict[str, dict[str, Any]]]:
    done = switchlog("verify", folder, "--json", *more)
    assert done.stderr == ""
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, {Path(line["file"]).stem: line for line in lines}


def seal_of(path: Path) -> str:
    return str(json.loads(switchlog("show", path, "--json").stdout)["lastSeal"])


def test_the_last_seal_is_an_anchor_for_all_that_comes(folder: Path) -> None:
    path = folder / "aaa.jsonl"
    grow(path)
    seal, whole = seal_of(path), path.read_bytes()
    grow(path)
    assert switchlog("verify", path, "--anchor", seal).returncode == 0
    for cut in (whole[:-1], whole[: whole[:-1].rindex(b"\n") + 1], b""):
        path.write_bytes(cut)
        verdict = verify(path, anchor=Anchor(seal))
        assert verdict.intact is (cut == whole[:-1])
        assert (verdict.anchor_lost is None) is (cut == whole[:-1])
    done = switchlog("verify", path, "--anchor", seal)
    assert (done.returncode, "TAMPERED WITH" in done.stdout) == (1, True)


def test_an_anchor_file_grows_day_by_day_and_shows_what_is_gone(folder: Path, tmp_path: Path) -> None:
    anchors = tmp_path / "far" / "anchors.jsonl"
    assert check(folder, "--anchors", anchors)[0] == 0
    first = anchors.read_bytes()
    assert [json.loads(line)["file"] for line in first.splitlines()] == ["aaa.jsonl", "bbb.jsonl", "ccc.jsonl"]
    assert check(folder, "--anchors", anchors)[0] == 0
    assert anchors.read_bytes() == first, "nothing grew, nothing is noted"
    grow(folder / "bbb.jsonl")
    older = (folder / "bbb.jsonl").read_bytes()
    grow(folder / "bbb.jsonl")
    code, found = check(folder, "--anchors", anchors)
    assert (code, found["bbb"]["anchor"]["found"]) == (0, True)
    assert anchors.read_bytes().startswith(first)
    assert len(anchors.read_bytes().splitlines()) == 4
    (folder / "bbb.jsonl").write_bytes(older)
    (folder / "ccc.jsonl").unlink()
    code, found = check(folder, "--anchors", anchors)
    assert code == 1
    assert {name: one["intact"] for name, one in found.items()} == {"aaa": True, "bbb": False, "ccc": False}
    assert len(anchors.read_bytes().splitlines()) == 4, "a log with a finding is not noted"
    shown = switchlog("verify", folder, "--anchors", anchors).stdout
    assert "ccc.jsonl: GONE: its end was noted on 20" in shown
    assert shown.endswith("2 logs: 1 intact, 1 with findings, 1 gone; 0 new anchors noted\n")


def test_an_event_without_a_seal_that_comes_later_before_the_anchor_is_seen(folder: Path, tmp_path: Path) -> None:
    path, anchors = folder / "aaa.jsonl", tmp_path / "anchors.jsonl"
    check(folder, "--anchors", anchors)
    lines = path.read_bytes().splitlines(keepends=True)
    bare = b'{"type":"model_switch","from":"a/1","to":"a/2"}\n'
    path.write_bytes(lines[0] + bare + b"".join(lines[1:]))
    code, found = check(folder, "--anchors", anchors)
    assert (code, found["aaa"]["intact"], found["aaa"]["anchor"]["found"]) == (1, False, True)
    path.write_bytes(b"".join(lines) + bare)
    assert check(folder, "--anchors", anchors)[0] == 0


@pytest.mark.parametrize("end", [b'{"taken":"2026-', b"\xff\n", b'{"file":"a.jsonl","seal":"xyz"}\n', b"[]\n"])
def test_an_anchor_file_that_can_not_be_read_is_told_with_its_line_and_left_alone(
    folder: Path, tmp_path: Path, end: bytes
) -> None:
    anchors = tmp_path / "anchors.jsonl"
    check(folder, "--anchors", anchors)
    data = anchors.read_bytes() + end
    anchors.write_bytes(data)
    done = switchlog("verify", folder, "--anchors", anchors)
    assert done.returncode == 3
    assert "line 4 is no anchor" in done.stderr
    assert anchors.read_bytes() == data


def test_an_anchor_file_that_can_not_be_written_is_told(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for anchors in (folder, tmp_path / "link"):
        done = switchlog("verify", folder, "--anchors", anchors)
        assert done.returncode == 3, done.stderr
        assert str(anchors) in done.stderr


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["sessions", "--anchor", "0" * 32], "a seal is that of one log, and 3 are named"),
        (["sessions/aaa.jsonl", "--anchor", "xyz"], "is no seal"),
        (["sessions", "other", "--anchors", "a"], "one folder"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(folder: Path, arguments: list[str], why: str) -> None:
    (folder.parent / "other").mkdir()
    grow(folder.parent / "other" / "ddd.jsonl")
    done = switchlog("verify", *arguments, cwd=folder.parent)
    assert done.returncode == 2
    assert why in " ".join(done.stderr.split())


def test_the_anchor_of_a_companion_is_found(tmp_path: Path) -> None:
    path = tmp_path / "aaa.jsonl"
    path.write_bytes(header("aaa") + message())
    with Session.open(path, companion=True) as session:
        session.failed("a/1", reason="timeout")
        session.failed("a/2", reason="timeout")
    seal = seal_of(path)
    assert verify(path, anchor=Anchor(seal, 1)).intact
    lines = session.path.read_bytes().splitlines(keepends=True)
    session.path.write_bytes(b"".join(lines[:-1]))
    assert not verify(path, anchor=Anchor(seal, 1)).intact


def test_a_deep_look_finds_what_stands_in_the_middle_and_what_a_host_can_not_read(tmp_path: Path) -> None:
    draft = Draft()
    draft.message()
    draft.failed()
    hidden = Draft().failed("evil/1").rstrip(b"\n")
    draft.add(b'{"role":"user","text":' + hidden + b',"x":1}\n')
    draft.add(b'{"role":"user","te\n')
    draft.failed(parentId="nobody")
    path = tmp_path / f"{SESSION}.jsonl"
    path.write_bytes(draft.data)
    assert verify(path).intact
    found = verify(path, thorough=True).deep
    assert found is not None
    assert [(one.what, one.line) for one in found] == [("hidden", 4), ("host line", 5), ("parent", 6)]
    one = found[0]
    assert draft.data[one.offset : one.offset + one.length] == hidden
    done = switchlog("verify", path, "--deep")
    assert done.returncode == 1
    assert "3 findings of the deep look" in done.stdout


def test_a_deep_look_has_nothing_to_say_of_a_whole_log(tmp_path: Path) -> None:
    path = tmp_path / f"{SESSION}.jsonl"
    path.write_bytes(ten_events().data)
    assert list(deep(raw.blocks(path))) == []
    session = Session.open(path)
    session.write({"type": "message", "id": "m1", "text": "x" * (2 << 20)})
    session.failed("a/1", reason="timeout")
    session.close()
    assert list(deep(raw.blocks(path))) == []


def test_the_words_claim_what_the_evidence_shows(folder: Path, tmp_path: Path) -> None:
    path = folder / "aaa.jsonl"
    plain = switchlog("verify", path).stdout
    assert "who wrote it (no key is set)" in plain
    assert "that its end is here (no anchor)" in plain
    anchored = switchlog("verify", path, "--anchor", seal_of(path)).stdout
    assert "up to its anchor, after 0 events, no sealed line changed, came or went" in anchored
    assert "no anchor" not in anchored
    path.write_bytes(header("aaa") + compact({"type": "model_switch", "to": "a/1"}) + b"\n")
    bare = switchlog("verify", path).stdout
    assert "nothing to verify" in bare
    assert "nothing; an event without a seal could say anything" in bare
    assert "what 1 event without a seal say" in bare
    (folder / "empty.jsonl").write_bytes(b"")
    assert switchlog("verify", folder).stdout.endswith("4 logs: 2 intact, 2 with nothing to verify\n")
