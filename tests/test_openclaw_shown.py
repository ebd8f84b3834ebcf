"""What the commands tell of OpenClaw's transcripts, databases and homes is what its provider received.

Law: `expected.tsv` was counted in the recordings, the requests at the provider. Where the host left no line of a
failure, nothing is made up: those places are listed here, all of them.
"""

import csv
import json
import shutil
import sqlite3
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import switchlog, within
from openclaw_homes import FIXTURES, NEW, OLD, new_home, old_home

from replay.events import EVENT_TYPES

KIMI, GLM = "kimi/kimi2.5", "zhipu/glm-5.1"
DEEPSEEK = "siliconflow/deepseek-ai/DeepSeek-V3.2"
N1 = "b993d365-21b5-4c4f-87c1-c42998b9ef34"
N2 = "ff3506f5-a3c6-4879-b95d-a2914163ebf5"
N6 = "a5dc14f4-4196-4eb8-ae56-557d61be72f7"
N10 = "7852528d-8c1b-495a-9c45-3375d9dd2842"

WITHOUT_TRACE = {
    ("64ce51d2-94d1-449a-a67a-8a2b3a5be529", "kimi/kimi2.5"),  # killed before the session's first answer
    (N1, "kimi/kimi2.5"),  # 2026.9 writes only the last candidate's error
    (N1, "zhipu/glm-5.1"),
    (N1, DEEPSEEK),
    (N6, "kimi/kimi2.5"),
    (N10, "kimi/kimi2.5"),
    (N10, "zhipu/glm-5.1"),
}
"""Sessions and models of which requests failed and the host left no line."""


def expected() -> dict[str, list[dict[str, str]]]:
    """The rows of the table by transcript."""
    with (FIXTURES / "expected.tsv").open(encoding="utf-8", newline="") as file:
        rows = defaultdict(list)
        for row in csv.DictReader(file, delimiter="\t"):
            rows[row["file"]].append(row)
    return rows


EXPECTED = expected()


def shown(*arguments: str | Path) -> dict[str, Any]:
    done = within("show", "--json", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    fields: dict[str, Any] = json.loads(done.stdout)
    return fields


def outcomes(fields: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Model to failures and answers, without those that have neither."""
    told = {model: (one["failures"], one["attempts"] - one["failures"]) for model, one in fields["models"].items()}
    return {model: counts for model, counts in told.items() if any(counts)}


@pytest.mark.parametrize("name", EXPECTED, ids=lambda name: name.rpartition("/")[2][:20])
def test_a_transcript_tells_what_the_recording_holds(name: str) -> None:
    rows = EXPECTED[name]
    fields = shown(FIXTURES / name)
    own = {row["trace"] for row in rows} == {"own"}
    wanted = {row["model"]: (int(row["failed_entries"]), 0 if own else int(row["answered_entries"])) for row in rows}
    assert outcomes(fields) == {model: counts for model, counts in wanted.items() if any(counts)}
    assert fields["currentModel"] == rows[0]["last_model"]
    assert fields["inferred"] is not own


def test_exactly_these_failures_left_no_trace() -> None:
    found, marked = set(), set()
    for name, rows in EXPECTED.items():
        told = outcomes(shown(FIXTURES / name))
        session = next(part for part in Path(name).name.split(".") if len(part) == 36)
        for row in rows:
            failures, _ = told.get(row["model"], (0, 0))
            if int(row["failed_requests"]) and not failures:
                found.add((session, row["model"]))
            if row["trace"] == "none":
                marked.add((session, row["model"]))
    assert found == WITHOUT_TRACE == marked


def test_events_of_ours_in_a_hosts_transcript_count_alone() -> None:
    (name,) = (name for name, rows in EXPECTED.items() if rows[0]["trace"] == "own")
    fields = shown(FIXTURES / name)
    lines = [json.loads(line) for line in (FIXTURES / name).read_text().splitlines()]
    assert sum(fields["events"].values()) == sum(line["type"] in EVENT_TYPES for line in lines) == 2
    assert fields["log"]["unsealed"] == 2


def test_a_transcript_from_a_pipe_tells_the_same() -> None:
    name = next(name for name in EXPECTED if "33333333" in name)
    told = json.loads(switchlog("show", "--json", "-", stdin=(FIXTURES / name).read_bytes()).stdout)
    del told["sessionId"]
    assert told == {key: value for key, value in shown(FIXTURES / name).items() if key != "sessionId"}


# recorded besides: what is counted was counted at the provider (recorded/README.md)

RECORDED = {
    "user-stops": ({KIMI: (0, 2)}, KIMI, None),  # two requests were given up: they blame nobody
    "timeout": ({KIMI: (0, 3)}, KIMI, None),  # three were, by the host; it leaves the lines of a person's stop
    "timeout-falls-back": ({KIMI: (0, 2), GLM: (0, 1)}, KIMI, None),
    "user-switches-model": ({KIMI: (0, 2), GLM: (0, 2)}, KIMI, None),
    "user-switched-then-429": ({KIMI: (0, 1), GLM: (6, 2)}, GLM, GLM),
    "context-overflow": ({KIMI: (1, 3)}, KIMI, None),
    "connection-dropped": ({KIMI: (13, 3)}, KIMI, None),
    "connection-dropped-falls-back": ({KIMI: (4, 2), GLM: (0, 1)}, KIMI, None),
    "connection-dropped-mid-stream": ({KIMI: (4, 2)}, KIMI, None),
}


@pytest.mark.parametrize("name", RECORDED)
def test_what_was_done_to_the_host_is_told(name: str) -> None:
    fields = shown(OLD / "recorded" / f"{name}.jsonl")
    assert (outcomes(fields), fields["currentModel"], fields["pinnedModel"]) == RECORDED[name]


def test_an_attempt_that_was_given_up_is_told_once() -> None:
    done = within("replay", "--json", OLD / "recorded" / "timeout.jsonl")
    given_up = [line for line in map(json.loads, done.stdout.splitlines()) if line["event"].get("reason") == "aborted"]
    assert len(given_up) == 3


def test_a_file_that_tells_of_no_model_is_no_hosts_word(tmp_path: Path) -> None:
    (tmp_path / "notes.jsonl").write_text("# just notes\n")
    assert shown(tmp_path / "notes.jsonl")["inferred"] is False
    assert "host" not in within("show", tmp_path / "notes.jsonl").stdout


# the database


def stored() -> list[tuple[str, str, Path]]:
    """The sessions of the recorded database with their keys and their exported lines."""
    files = sorted((NEW / "transcripts").iterdir())
    return [(":".join(file.name.split(".")[0].split("_")), file.name.split(".")[1], file) for file in files]


@pytest.mark.parametrize(("key", "session", "exported"), stored(), ids=lambda value: str(value)[:16])
def test_the_database_tells_what_its_exported_lines_tell(
    key: str, session: str, exported: Path, tmp_path: Path
) -> None:
    path = tmp_path / f"{session}.jsonl"
    shutil.copy(exported, path)
    for command in ("show", "replay", "next"):
        more = ["--chain", f"kimi/kimi2.5,{DEEPSEEK}"] if command == "next" else []
        more += [] if command == "replay" else ["--now", "2026-11-22T15:00:00Z"]
        from_lines = within(command, "--json", str(path), *more).stdout
        assert from_lines
        for named in (key, session, session[:8]):
            done = within(command, "--json", str(NEW / "openclaw-agent.sqlite"), "--session", named, *more)
            assert (done.returncode, done.stdout) == (0, from_lines)


def test_reading_the_database_leaves_its_folder_as_it_was(tmp_path: Path) -> None:
    home = new_home(tmp_path / "home")
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in home.rglob("*") if path.is_file()}
    shown(home)
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in home.rglob("*") if path.is_file()} == before


def test_a_session_that_is_not_there_is_named_with_those_that_are() -> None:
    done = switchlog("show", str(NEW / "openclaw-agent.sqlite"), "--session", "agent:main:n99")
    assert done.returncode == 3
    assert "agent:main:n99" in done.stderr
    assert "agent:main:n1" in done.stderr


def test_a_persons_word_on_a_stored_session_lies_where_its_transcript_was_and_counts(tmp_path: Path) -> None:
    home = new_home(tmp_path / "home")
    database = home / "agents" / "main" / "agent" / "openclaw-agent.sqlite"
    done = switchlog("pin", str(database), "zhipu/glm-5.1", "--session", "agent:main:n2", "--by", "me")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (home / "agents" / "main" / "sessions").iterdir()] == [f"{N2}.jsonl.switchlog"]
    for where in (home, database):
        fields = shown(where, "--session", "agent:main:n2")
        assert (fields["pinnedModel"], fields["inferred"]) == ("zhipu/glm-5.1", False)
    assert switchlog("verify", str(database), "--session", N2).returncode == 0
    assert switchlog("unpin", str(home), "--session", "agent:main:n2").returncode == 0
    assert shown(home, "--session", "agent:main:n2")["pinnedModel"] is None


# a whole home


@pytest.mark.parametrize(("build", "sessions"), [(old_home, 11), (new_home, 6)])
def test_a_home_shows_its_newest_session_and_what_all_come_to(
    build: Callable[[Path], Path], sessions: int, tmp_path: Path
) -> None:
    home = build(tmp_path / "home")
    fields = shown(home)
    whole = fields["home"]
    assert (whole["sessions"], whole["unreadable"], whole["damaged"]) == (sessions, 0, 0)
    assert whole["agents"] == ["main"]
    assert whole["chain"][0] == "kimi/kimi2.5"
    assert whole["config"] == fields["config"] == str(home / "openclaw.json")
    release = OLD.name if build is old_home else NEW.name
    wanted: dict[str, int] = defaultdict(int)
    for name, rows in EXPECTED.items():
        for row in rows if name.startswith(release) and ".reset." not in name else ():
            wanted[row["model"]] += int(row["failed_entries"])
    told = {model: sum(reasons.values()) for model, reasons in whole["failures"].items()}
    assert told == {model: count for model, count in wanted.items() if count}
    assert fields["sessionId"] in {one["sessionId"] for one in [*whole["worst"], fields]}


def test_a_home_is_asked_for_a_session_by_key_id_or_its_beginning(tmp_path: Path) -> None:
    home = old_home(tmp_path / "home")
    key = shown(home, "--session", "agent:main:p4")
    assert key["sessionId"].startswith("0df6141c")
    assert key == shown(home, "--session", "0df6") == shown(home, "--session", key["sessionId"])
    assert "home" not in key
    decided = json.loads(switchlog("next", "--json", str(home), "--session", "agent:main:p4").stdout)
    assert decided["order"][0] == "kimi/kimi2.5"  # the chain of the home's own configuration


def test_a_session_that_can_not_be_read_is_counted_and_ends_nothing(tmp_path: Path) -> None:
    home = new_home(tmp_path / "home")
    broken = home / "agents" / "other" / "sessions" / "17a309d8.jsonl"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"\xff\xfe not a transcript\n")
    with sqlite3.connect(home / "agents" / "main" / "agent" / "openclaw-agent.sqlite") as connection:
        connection.execute(
            "update transcript_events set event_json = '{', event_zstd = null where session_id = ?", (N1,)
        )
    connection.close()
    whole = shown(home)["home"]
    assert whole["sessions"] == 7
    assert whole["agents"] == ["main", "other"]


@pytest.mark.parametrize("command", ["show", "sessions", "audit", "verify"])
def test_a_home_without_a_session_is_no_good_news(command: str, tmp_path: Path) -> None:
    (tmp_path / "home" / "agents" / "main" / "sessions").mkdir(parents=True)
    done = within(command, tmp_path / "home")
    assert (done.returncode, done.stdout) == (3, "")
