"""docs/format.md is enough to write and read logs: the test vector, and writers in other languages."""

import json
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from commands import ROOT, switchlog

from eventlog import Chain, Session, read_events
from replay import fold

VECTOR = ROOT / "docs" / "vector.jsonl"
WRITERS = ROOT / "docs" / "writers"
FAILED = '{"type":"attempt_failed","model":"kimi/kimi2.5","reason":"timeout"}'
SWITCHED = '{"type":"model_switch","from":"kimi/kimi2.5","to":"zhipu/glm-5.1","cause":"fallback"}'


def needs(*programs: str) -> pytest.MarkDecorator:
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)}: not on this machine")


node = pytest.param("append.mjs", marks=needs("node", "flock"))
shell = pytest.param("append.sh", marks=needs("bash", "jq", "openssl", "flock"))


def write(writer: str, path: Path, event: str) -> None:
    command = ["flock", path, "node", WRITERS / writer] if writer.endswith(".mjs") else [WRITERS / writer]
    subprocess.run([*command, path, event], check=True, capture_output=True)


def test_the_vector_is_sealed_and_chained_as_the_page_says() -> None:
    _, first, second = VECTOR.read_bytes().splitlines()
    for line, prev in ((first, None), (second, json.loads(first)["seal"])):
        body, _, _ = line.rpartition(b',"seal":"')
        assert json.loads(line)["seal"] == sha256(body).hexdigest()[:32]
        assert json.loads(line)["prev"] == prev


def test_the_vector_reads_as_the_page_says() -> None:
    events = read_events(VECTOR)
    state = fold(events)
    assert (state.current, list(state.tried), state.position) == ("zhipu/glm-5.1", ["kimi/kimi2.5"], 2)
    assert (events.report.damaged, events.report.pieces["event"], events.report.session) == (False, 2, "demo")
    done = switchlog("verify", VECTOR, "--json")
    assert (done.returncode, json.loads(done.stdout)["intact"]) == (0, True)


def test_the_page_shows_where_the_vector_is() -> None:
    page = (ROOT / "docs" / "format.md").read_text()
    assert "](vector.jsonl)" in page
    assert all(f"](writers/{writer.name})" in page for writer in WRITERS.iterdir())


@pytest.mark.parametrize("writer", [node, shell])
def test_a_writer_in_another_language_makes_a_log_that_verifies(tmp_path: Path, writer: str) -> None:
    path = tmp_path / "s-1.jsonl"
    for event in (FAILED, SWITCHED, FAILED):
        write(writer, path, event)
    events = read_events(path)
    state = fold(events)
    assert (state.current, state.position, state.tried["kimi/kimi2.5"]["timeout"].count) == ("zhipu/glm-5.1", 3, 2)
    assert (events.report.damaged, events.report.gaps, events.report.unsealed) == (False, 0, 0)
    assert switchlog("verify", path).returncode == 0
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    assert [entry.get("parentId") for entry in entries[1:]] == [None, *(entry["id"] for entry in entries[1:-1])]


@pytest.mark.parametrize("writer", [node, shell])
def test_it_goes_on_behind_a_host_a_crash_and_our_own_session(tmp_path: Path, writer: str) -> None:
    path = tmp_path / "s-1.jsonl"
    with Session.open(path, chain=Chain("kimi/kimi2.5", "zhipu/glm-5.1")) as session:
        session.failed("kimi/kimi2.5", reason="rate_limit", error='höhe } " \\ ,"seal":"')
    with path.open("ab") as file:
        file.write(b'{"type":"message","id":"c0ffee01","parentId":null}\n{"type":"attempt_fai')
    write(writer, path, SWITCHED)
    with Session.open(path, chain=Chain("kimi/kimi2.5", "zhipu/glm-5.1")) as session:
        assert session.state.current == "zhipu/glm-5.1"
        assert session.failed("zhipu/glm-5.1", reason="timeout")
    events = read_events(path)
    assert fold(events).position == 3
    assert (events.report.damaged, events.report.pieces["torn"]) == (False, 1)
    assert json.loads(path.read_text().splitlines()[4])["parentId"] == "c0ffee01"


@needs("node", "bash", "jq", "openssl", "flock")
def test_node_and_shell_and_we_agree_on_the_vector(tmp_path: Path) -> None:
    """Each writer goes on behind the vector; the one after it accepts what was written."""
    path = tmp_path / "demo.jsonl"
    shutil.copy(VECTOR, path)
    for writer in ("append.mjs", "append.sh", "append.mjs"):
        write(writer, path, FAILED)
    assert switchlog("append", path, FAILED).returncode == 0
    events = read_events(path)
    assert fold(events).position == 6
    assert not events.report.damaged


@needs("node")
def test_a_line_through_javascripts_json_keeps_its_seal() -> None:
    lines = "require('fs').readFileSync(0, 'utf8').trim().split('\\n')"
    code = f"for (const line of {lines}) console.log(JSON.stringify(JSON.parse(line)))"
    done = subprocess.run(["node", "-e", code], input=VECTOR.read_bytes(), capture_output=True, check=True)
    assert done.stdout == VECTOR.read_bytes()


@needs("bash", "jq")
def test_the_gateway_in_ten_lines_of_shell_remembers(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "format.md").read_text()
    script = page.split("```sh\n")[1].split("```")[0]
    assert len(script.strip().splitlines()) <= 10
    (tmp_path / "chat").write_text('#!/bin/sh\necho "$1" >> asked\n[ "$1" != kimi/kimi2.5 ] && echo "reply from $1"\n')
    (tmp_path / "chat").chmod(0o755)
    (tmp_path / "switchlog").symlink_to(Path(sys.executable).parent / "switchlog")
    for _ in range(2):
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path,
            env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "reply from zhipu/glm-5.1\n", "")
    assert (tmp_path / "asked").read_text().split() == ["kimi/kimi2.5", "zhipu/glm-5.1", "zhipu/glm-5.1"]
