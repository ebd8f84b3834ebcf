"""The demo, recounted.

Everything that `switchlog demo` says is counted here once more, from the provider's own request log and the
transcripts, by rules written down a second time: nothing of ``cli`` or ``replay`` is imported.
"""

import json
import os
import pty
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.once

SWITCHLOG = [sys.executable, "-c", "from cli.app import main; main()"]
TURNS, KILLS = 7, 2
QUICK = ["--turns", str(TURNS), "--kills", str(KILLS), "--speed", "20"]
COOLS = timedelta(seconds=300)
"""For how long the provider's 429 asks for peace (Retry-After), which is what our policy waits at first, too."""


def demo(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [*SWITCHLOG, "demo", *QUICK, *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", cwd=cwd, timeout=60, check=False)


def lines(path: str | Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def moment(entry: dict[str, Any]) -> datetime:
    key = "time" if "time" in entry else "timestamp"
    return datetime.fromisoformat(entry[key])


@dataclass
class Recount:
    """A run's figures, by this file's own counting."""

    begun: list[dict[str, Any]]
    ended: dict[int, dict[str, Any]]
    wasted: list[dict[str, Any]]

    @property
    def unanswered(self) -> list[dict[str, Any]]:
        return [one for one in self.begun if one["number"] not in self.ended]

    def after_restart(self) -> list[int]:
        kills = [one["number"] for one in self.unanswered]
        return [
            sum(since < one["number"] < until for one in self.wasted)
            for since, until in zip(kills, [*kills[1:], 10**9], strict=True)
        ]


def recount(run: dict[str, Any]) -> Recount:
    told = lines(run["providerLog"])
    ended = {one["number"]: one for one in told if one["event"] == "end"}
    recorded = [one for path in run["transcripts"] for one in lines(path)]
    failures = [one for one in recorded if one["type"] == "attempt_failed"]
    assert all(one["reason"] == "rate_limit" and one["retryAfterMs"] == 300_000 for one in failures)
    begun = [one for one in told if one["event"] == "begin"]
    wasted = [
        one
        for one in begun
        if one["number"] in ended
        and any(
            failure["model"] == one["model"] and moment(failure) <= moment(one) < moment(failure) + COOLS
            for failure in failures
        )
    ]
    return Recount(begun, ended, wasted)


@pytest.fixture(scope="module", params=[1, 2, 3], ids=lambda seed: f"seed{seed}")
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What ``--json`` says of a run with this seed."""
    folder = tmp_path_factory.mktemp("demo")
    done = demo("--seed", str(request.param), "--json", "--into", unique("new"), cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    told: dict[str, Any] = json.loads(done.stdout)
    for run in told["runs"]:
        run["transcripts"] = [folder / path for path in run["transcripts"]]
        run["providerLog"] = folder / run["providerLog"]
    return told


@pytest.fixture(scope="module")
def piped(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a pipe gets to see. Its folder is removed again; what is told of it stays true."""
    done = demo(cwd=tmp_path_factory.mktemp("demo"))
    assert (done.returncode, done.stderr) == (0, "")
    clean_up(done.stdout)
    return done.stdout


def test_the_figures_are_those_of_the_providers_log(played: dict[str, Any]) -> None:
    assert [run["memory"] for run in played["runs"]] == ["ram", "switchlog"]
    for run in played["runs"]:
        again = recount(run)
        models = [one["model"] for one in again.begun]
        assert run["requestsByModel"] == {model: models.count(model) for model in run["requestsByModel"]}
        assert sum(run["requestsByModel"].values()) == len(models)
        assert run["wastedAttempts"] == len(again.wasted)
        assert run["wastedAfterRestart"] == again.after_restart()
        assert len(run["turnMs"]) == played["turns"] == TURNS
        assert run["kills"] == run["restarts"] == len(run["killedTurns"]) == played["kills"] == KILLS


def test_nothing_is_wasted_with_switchlog_and_something_after_each_restart_without(played: dict[str, Any]) -> None:
    without, with_log = (recount(run) for run in played["runs"])
    assert with_log.wasted == []
    assert len(without.after_restart()) == KILLS
    assert min(without.after_restart()) >= 1


def test_each_kill_hits_a_request_that_was_never_answered(played: dict[str, Any]) -> None:
    for run in played["runs"]:
        again = recount(run)
        assert [one["turn"] for one in again.unanswered] == [f"t-{turn}" for turn in run["killedTurns"]]
        for one in again.unanswered:  # and the user got the answer afterwards, from the next process
            later = [end for end in again.ended.values() if end["turn"] == one["turn"] and end["status"] == 200]
            assert len(later) == 1
            assert moment(later[0]) > moment(one)


def test_the_two_runs_differ_in_their_memory_only(played: dict[str, Any]) -> None:
    without, with_log = played["runs"]
    assert without["killedTurns"] == with_log["killedTurns"]
    assert len(without["transcripts"]) == KILLS + 1
    assert len(with_log["transcripts"]) == 1
    for run in played["runs"]:
        answered = [end["turn"] for end in recount(run).ended.values() if end["status"] == 200]
        assert answered == [f"t-{turn}" for turn in range(1, TURNS + 1)]


def test_a_memory_in_ram_does_remember_until_it_is_killed(played: dict[str, Any]) -> None:
    """The baseline is no straw man: each process meets the rate limit once."""
    without = recount(played["runs"][0])
    refused = [end for end in without.ended.values() if end["status"] == 429]
    assert len(refused) == KILLS + 1
    assert len({one["session"] for one in refused}) == KILLS + 1


def test_the_incident_is_told_from_its_log(played: dict[str, Any]) -> None:
    incident = played["incident"]
    assert incident["sessionId"] == "17a309d8-bee5-4752-8775-5791d41df367"
    assert (incident["restarts"], incident["spanMs"], incident["requests"]) == (1, 81, 0)
    assert [one["from"] for one in incident["putBack"]] == [
        "zhipu/glm-5.1",
        "siliconflow/deepseek-ai/DeepSeek-R1",
        "kimi/kimi-for-coding",
        "local/qwen2.5:14b",
    ]
    assert {one["to"] for one in incident["putBack"]} == {"kimi/kimi2.5"}


def test_nobody_is_left_behind(played: dict[str, Any]) -> None:
    assert children(played["folder"]) == []


def test_the_text_fits_the_smallest_terminal_and_is_plain(piped: str) -> None:
    shown = piped.replace(folder_of(piped), "/any/tmp/switchlog-demo-abcdefgh").splitlines()
    assert len(shown) < 24  # the prompt needs a line, too
    assert max(map(len, shown)) <= 80
    assert "\x1b" not in piped
    assert all(line == line.rstrip() for line in shown)


def test_the_text_tells_the_figures_of_the_json(piped: str, tmp_path: Path) -> None:
    told = json.loads(demo("--json", "--into", "json", cwd=tmp_path).stdout)
    shown = piped.splitlines()
    for name, run in zip(("state in RAM only", "with switchlog"), told["runs"], strict=True):
        marks, figures = (line.removeprefix(name).split() for line in shown if line.startswith(name))
        asked = [str(number) for number in run["requestsByModel"].values() if number]
        assert figures[: len(asked)] == asked
        assert figures[-1] == str(run["wastedAttempts"]) == str(marks.count("▲"))
        assert marks.count("✗") == run["kills"]
        assert len(marks) == TURNS + KILLS
        assert f"  {run['wastedAttempts']} wasted attempts in {KILLS} restarts" in piped
    without = told["runs"][0]["wastedAttempts"]
    assert f"\n0 wasted attempts with switchlog, {without} without: one or more after each restart\n" in piped
    assert shown[0].endswith(f"{len(told['incident']['putBack'])} fallbacks in 81 ms, 0 requests sent")


def test_a_terminal_shows_each_mark_at_once_and_the_same_text_as_a_pipe(piped: str, tmp_path: Path) -> None:
    screen, partial = on_a_terminal([*SWITCHLOG, "demo", *QUICK], tmp_path)
    clean_up(screen)
    assert same(screen) == same(piped)
    row = next(line for line in piped.splitlines() if line.startswith("state in RAM only"))
    assert sum(row.startswith(text) and text != row for text in partial) >= TURNS


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_broken_off_it_leaves_no_process(sent: signal.Signals, tmp_path: Path) -> None:
    folder = unique("off")
    with subprocess.Popen(
        [*SWITCHLOG, "demo", "--into", folder],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a shell's `&` ignores it
    ) as started:
        try:
            wait_until(lambda: (tmp_path / folder / "ram.1.jsonl").exists())
            assert len(children(folder, started.pid)) == 2
            started.send_signal(sent)
            _, errors = started.communicate(timeout=10)
        finally:
            started.kill()
    assert started.returncode == (130 if sent is signal.SIGINT else -signal.SIGKILL)
    assert errors == b""
    wait_until(lambda: not children(folder))


def test_a_folder_called_like_our_packages_is_not_taken_for_them(tmp_path: Path) -> None:
    for name in ("cli", "eventlog", "replay"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('taken')")
    command = [sys.executable, "-P", *SWITCHLOG[1:], "demo", "--turns", "1", "--kills", "0", "--speed", "20"]
    command += ["--into", "new"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", cwd=tmp_path, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--turns", "4"], "2 kills need 5 turns"),
        (["--turns", "0"], "--turns"),
        (["--kills", "-1"], "--kills"),
        (["--into", "full"], "full is not empty"),
        (["--into", "full/file"], "full/file"),
    ],
)
def test_a_bad_option_is_a_usage_error(arguments: list[str], why: str, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    done = demo(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert why in done.stderr


def test_a_terminal_without_these_characters_gets_others(tmp_path: Path) -> None:
    done = subprocess.run(
        [*SWITCHLOG, "demo", "--turns", "3", "--kills", "1", "--speed", "20"],
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        timeout=60,
        check=False,
    )
    shown = done.stdout.decode("ascii")
    clean_up(shown)
    assert done.returncode == 0
    assert "state in RAM only  + x ! o\n" in shown
    assert "with switchlog     + x o o\n" in shown


def children(folder: str, parent: int | None = None) -> list[str]:
    """The demo's processes that work in this folder."""
    table = subprocess.run(["ps", "-A", "-ww", "-o", "ppid=,args="], capture_output=True, check=True).stdout.decode()
    found = [line.strip() for line in table.splitlines() if "cli.demo_" in line and folder in line]
    return [line for line in found if parent is None or line.startswith(f"{parent} ")]


def unique(name: str) -> str:
    """A folder's name by which its processes are told from those of tests that run beside this one."""
    return f"{name}-{secrets.token_hex(4)}"


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def on_a_terminal(command: list[str], cwd: Path) -> tuple[str, list[str]]:
    """All that the command writes to a terminal, without colours, and its last line after each piece that came."""
    master, slave = pty.openpty()
    environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"} | {"TERM": "xterm"}
    with subprocess.Popen(command, cwd=cwd, stdin=slave, stdout=slave, stderr=slave, env=environment) as started:
        os.close(slave)
        text, partial = b"", []
        while piece := read(master):
            text += piece
            partial.append(plain(text).splitlines()[-1])
    os.close(master)
    assert started.returncode == 0
    assert b"\x1b[" in text
    return plain(text), partial


def read(master: int) -> bytes:
    try:
        return os.read(master, 65536)
    except OSError:  # Linux says so when the other side is closed
        return b""


def plain(text: bytes) -> str:
    """Without colours; anything else that moves or draws over would still be seen."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text.decode("utf-8", "ignore")).replace("\r\n", "\n")


def same(text: str) -> str:
    """What two runs with the same seed have in common: not the times, and not the folder."""
    return re.sub(r"\d+\.\d\d s", "N s", text.replace(folder_of(text), "FOLDER"))


def folder_of(text: str) -> str:
    found = re.search(r"^counted  from (\S+)/\*\.provider\.ndjson$", text, re.MULTILINE)
    assert found is not None
    return found[1]


def clean_up(text: str) -> None:
    assert "switchlog-demo-" in folder_of(text)
    shutil.rmtree(folder_of(text))
