"""All sessions of a place: each told once with where it stands, in any order and width, whatever is in the files."""

import json
import os
import shutil
from pathlib import Path

import pytest
from commands import switchlog, within
from logs import Draft, header, message
from openclaw_homes import new_home, old_home

from eventlog.row import Question, Standing
from eventlog.sources import companion
from eventlog.standings import listed, standings

NOW = "2026-04-02T12:00:00Z"


def draft(name: str, hour: int, *failed: str, to: str | None = None) -> Draft:
    """A session that began at that hour with kimi, met failures a minute later, and went on with ``to``."""
    made = Draft(name)
    made.switch("kimi/kimi2.5", "initial", **{"from": None, "timestamp": f"2026-04-02T{hour:02d}:00:00.000Z"})
    for number, reason in enumerate(failed, 1):
        made.failed(reason=reason, seen=number, timestamp=f"2026-04-02T{hour:02d}:01:{number:02d}.000Z")
    if to is not None:
        made.switch(to, timestamp=f"2026-04-02T{hour:02d}:02:00.000Z")
    return made


def said(name: str, at: str) -> bytes:
    """A line of the host's, of that time."""
    return message(name)[:-2] + b',"timestamp":"2026-04-02T%b.000Z"}\n' % at.encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "sessions"
    place.mkdir()
    logs = {
        "fine": draft("fine", 8).data,
        "cooling": draft("cooling", 11, *["rate_limit"] * 5, to="z/glm").data,
        "stuck": draft("stuck", 9, "rate_limit", to="z/glm").data + said("x", "11:30:00"),
        "idle": draft("idle", 7, "billing", to="z/glm").data + said("x", "07:03:00"),
        "hurt": draft("hurt", 10, "timeout", to="z/glm").data.replace(b'"timeout"', b'"Timeout"'),
        "silent": header("silent") + message(),
    }
    for name, data in logs.items():
        (place / f"{name}.jsonl").write_bytes(data)
        os.utime(place / f"{name}.jsonl", (1_000_000_000, 1_000_000_000))
    return place


def rows(*arguments: str | Path) -> list[dict[str, object]]:
    return [json.loads(one) for one in within("sessions", *arguments, "--json", "--now", NOW).stdout.splitlines()]


def names(*arguments: str | Path) -> list[object]:
    return [one["sessionId"] for one in rows(*arguments)]


def test_each_is_told_with_its_health(folder: Path) -> None:
    found = {one["sessionId"]: one for one in rows(folder)}
    health = {name: one["health"] for name, one in found.items()}
    assert health == {
        "fine": "ok",
        "cooling": "cooling",
        "stuck": "stuck",
        "idle": "ok",
        "hurt": "damaged",
        "silent": "ok",
    }
    one = found["cooling"]
    assert (one["schemaVersion"], one["currentModel"], one["firstModel"]) == (1, "z/glm", "kimi/kimi2.5")
    assert (one["cooling"], one["tried"], one["failures"], one["events"]) == (1, 1, 5, 7)
    assert one["lastEventAt"] == one["modelSwitchedAt"] == "2026-04-02T11:02:00.000Z"
    assert one["triedModels"] == {
        "kimi/kimi2.5": {
            "reason": "rate_limit",
            "failures": 5,
            "failedAt": "2026-04-02T11:01:05.000Z",
            "coolingUntil": one["coolingUntil"],
        }
    }


def test_damage_is_counted_told_and_ends_nothing(folder: Path) -> None:
    (folder / "gone.jsonl").symlink_to(folder / "nowhere")  # no transcript
    done = within("sessions", folder, "--now", NOW)
    assert done.returncode == 4
    assert done.stderr == "switchlog: 6 sessions: 3 ok, 1 cooling, 1 stuck, 1 damaged\n"
    (folder / "hurt.jsonl").unlink()
    assert within("sessions", folder).returncode == 0


def test_orders_and_limits(folder: Path) -> None:
    assert names(folder) == ["cooling", "hurt", "stuck", "fine", "idle", "silent"]
    assert names(folder, "--sort", "failures")[0] == "cooling"
    assert names(folder, "--sort", "name", "-n", "2") == ["cooling", "fine"]
    assert names(folder, "--sort", "model") == ["fine", "cooling", "hurt", "stuck", "idle", "silent"]
    assert names(folder, "--sort", "since", "-n", "1") == ["cooling"]


def test_filters(folder: Path) -> None:
    assert names(folder, "--stuck") == ["stuck"]
    assert names(folder, "--reason", "billing") == ["idle"]
    assert names(folder, "--provider", "z") == ["cooling", "hurt", "stuck", "idle"]
    assert names(folder, "--model", "kimi/kimi2.5", "--reason", "rate_limit") == ["cooling", "stuck"]
    assert names(folder, "--since", "-2h") == ["cooling", "hurt"]
    assert names(folder, "--until", "2026-04-02T08:00:00Z") == ["idle", "silent"]


def test_a_chain_says_which_model_is_the_first(folder: Path) -> None:
    (folder / "switchlog.toml").write_text('chain = ["z/glm", "kimi/kimi2.5"]\n')
    assert names(folder, "--stuck") == []
    with (folder / "fine.jsonl").open("ab") as out:
        out.write(said("x", "11:00:00"))
    assert names(folder, "--stuck") == ["fine"]
    (folder / "switchlog.toml").write_text('chain = ["z/glm", "kimi/kimi2.5"]\nreturn_to_primary = false\n')
    assert names(folder, "--stuck") == []


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_the_table_fits_the_screen(folder: Path, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = draft("模型" * 20, 6, "unknown", to=f"提供者/{'長' * 60}")
    (folder / f"{'模型' * 20}.jsonl").write_bytes(wide.data)
    monkeypatch.setenv("COLUMNS", str(width))
    from rich.cells import cell_len

    lines = within("sessions", folder, "--now", NOW).stdout.splitlines()
    assert len(lines) == 8
    assert all(cell_len(line) <= width for line in lines)
    assert ("FAILED" in lines[0], "TRIED" in lines[0], "SINCE" in lines[0]) == (width > 95, width > 149, width > 69)


def test_homes_of_both_kinds_and_a_database(tmp_path: Path) -> None:
    old = rows(old_home(tmp_path / "old"))
    assert {one["agent"] for one in old} == {"main"}
    assert "agent:main:main" in {one["key"] for one in old}
    assert any(one["inferred"] for one in old)
    home = new_home(tmp_path / "new")
    new = rows(home)
    assert len(new) == 6
    store = home / "agents" / "main" / "agent" / "openclaw-agent.sqlite"
    assert {one["sessionId"] for one in rows(store)} == {one["sessionId"] for one in new}


def test_a_companion_belongs_to_its_transcript(folder: Path) -> None:
    beside = Draft("silent", headed=False)
    beside.switch("a/b", "user", timestamp="2026-04-02T11:59:00.000Z")
    companion(folder / "silent.jsonl").write_bytes(beside.data)
    (one,) = rows(folder, "-n", "1")
    assert (one["sessionId"], one["currentModel"], one["pinnedModel"]) == ("silent", "a/b", "a/b")


def test_several_processes_tell_the_same(folder: Path) -> None:
    for number in range(120):
        shutil.copy(folder / "cooling.jsonl", folder / f"copy{number}.jsonl")
    held, trouble = listed(folder)
    from datetime import datetime

    question = Question(datetime.fromisoformat(NOW))

    def told(workers: int) -> list[Standing]:
        return list(standings(held, question, workers))

    assert trouble is None
    assert told(2) == told(1)


def test_an_empty_folder_and_none_are_said_plainly(tmp_path: Path) -> None:
    assert within("sessions", tmp_path).returncode == 3
    done = switchlog("sessions", tmp_path / "nowhere")
    assert (done.returncode, done.stdout) == (3, "")
    assert "there is no such file" in done.stderr


@pytest.mark.slow
def test_ten_thousand_sessions_a_tenth_damaged(tmp_path: Path) -> None:
    whole, hurt = draft("s", 9, "timeout", to="z/glm").data, b'"Timeout"'
    for number in range(10_000):
        data = whole.replace(b'"timeout"', hurt) if number % 10 == 0 else whole
        (tmp_path / f"s.jsonl{number:05d}.jsonl").write_bytes(data)
    done = switchlog("sessions", tmp_path, "-n", "1", "--now", NOW)
    assert done.returncode == 4
    assert done.stderr == "switchlog: 10,000 sessions: 9,000 ok, 1,000 damaged\n"
