"""`replay`: what its options choose and what they leave alone, and the pager that a long history goes through."""

import fcntl
import json
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from commands import INCIDENT, ROOT, switchlog, within
from logs import Draft

STAMPS = [f"2026-04-02T04:{minute:02}:00.000Z" for minute in range(60)]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Six events, a minute apart."""
    draft = Draft("s-1")
    draft.switch("kimi/kimi2.5", "initial", **{"from": None}, timestamp=STAMPS[0])
    draft.failed(turn="t-1", timestamp=STAMPS[1])
    draft.switch(timestamp=STAMPS[2], turn="t-1")
    draft.failed("zhipu/glm-5.1", "server_error", turn="t-2", timestamp=STAMPS[3])
    draft.failed("zhipu/glm-5.1", "timeout", turn="t-2", timestamp=STAMPS[4])
    draft.record("attempt_succeeded", model="zhipu/glm-5.1", timestamp=STAMPS[5])
    path = tmp_path / "s-1.jsonl"
    path.write_bytes(draft.data)
    return path


def positions(*arguments: str | Path) -> list[int]:
    done = within("replay", *arguments, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line)["position"] for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", [1, 2, 3, 4, 5, 6]),
        ("-n 2", [5, 6]),
        ("-n 99999999999999999999", [1, 2, 3, 4, 5, 6]),
        ("--model kimi/kimi2.5", [1, 2, 3]),
        ("--provider zhipu", [3, 4, 5, 6]),
        ("--provider zhipu -n 2", [5, 6]),
        ("--reason timeout --reason rate_limit", [2, 5]),
        ("--reason timeout --model kimi/kimi2.5", []),
        ("--turn t-1", [2, 3]),
        ("--since 2026-04-02T04:02:00Z --until 2026-04-02T04:04:00Z", [3, 4]),
        ("--since '2026-04-02 04:03' --utc", [4, 5, 6]),
        ("--since -1min", []),
        ("--until now --reason server_error", [4]),
        ("--at '2026-04-02 04:03' --utc", [4]),
        ("--at 2026-04-02T06:03:30+02:00", [4]),
        ("--at today", [6]),
    ],
)
def test_options_choose_what_is_shown(log: Path, options: str, expected: list[int]) -> None:
    assert positions(log, *shlex.split(options)) == expected


def test_a_filter_leaves_the_states_those_of_the_whole_log(log: Path) -> None:
    every = within("replay", log, "--json").stdout.splitlines()
    assert within("replay", log, "--json", "--reason", "timeout").stdout.splitlines() == [every[4]]
    told = within("replay", log, "--reason", "timeout").stdout
    assert "kimi/kimi2.5 (rate_limit ×1), zhipu/glm-5.1 (server_error ×1, timeout ×1)" in told


def test_what_was_changed_is_told_against_the_event_before_and_not_the_one_shown_before(log: Path) -> None:
    told = within("replay", log, "--model", "kimi/kimi2.5").stdout.splitlines()
    assert [line for line in told if "tried" in line] == [f"{'':19}tried kimi/kimi2.5 (rate_limit ×1)"]


def test_nothing_chosen_is_said(log: Path) -> None:
    done = within("replay", log, "--model", "nobody")
    assert (done.returncode, done.stdout) == (0, "s-1: none of its events is asked for\n")


@pytest.mark.parametrize("options", ["-n 2", "--since today", "--model x", "--turn t"])
@pytest.mark.parametrize("alone", ["--at 2", "--step"])
def test_one_state_and_a_choice_of_events_exclude_each_other(log: Path, alone: str, options: str) -> None:
    done = within("replay", log, *alone.split(), *options.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert "leave out what chooses" in done.stderr


@pytest.mark.parametrize("option", ["--since", "--until", "--at"])
def test_no_time_is_misuse(log: Path, option: str) -> None:
    done = within("replay", log, option, "soon")
    assert (done.returncode, done.stdout) == (2, "")
    assert "is no time" in done.stderr


def test_now_is_any_time_that_people_type(log: Path) -> None:
    for command in (("show",), ("next", "--chain", "kimi/kimi2.5,zhipu/glm-5.1")):
        asked = (command[0], log, *command[1:], "--json", "--now")
        exact = within(*asked, "2026-04-02T04:03:30Z")
        assert exact.returncode == 0
        assert within(*asked, "2026-04-02 04:03:30", "--utc").stdout == exact.stdout
        assert within(*asked, "-2h").returncode == 0


# The pager


@pytest.fixture
def long(tmp_path: Path) -> Path:
    draft = Draft("long")
    for number in range(200):
        draft.failed(error=f"number {number}")
    path = tmp_path / "long.jsonl"
    path.write_bytes(draft.data)
    return path


def on_a_screen(*arguments: str | Path, pager: str | None, interrupt: Path | None = None) -> tuple[int, str]:
    """The exit code and what came out on a terminal of 24 lines; once ``interrupt`` is there, Ctrl-C is typed."""
    env = {**os.environ, "TERM": "xterm", "NO_COLOR": "1", "PYTHONPATH": str(ROOT)}
    env.pop("PAGER", None)
    if pager is not None:
        env["PAGER"] = pager
    command = [sys.executable, "-m", "cli.app", *map(str, arguments)]
    child, terminal = pty.fork()
    if child == 0:
        os.execve(sys.executable, command, env)  # noqa: S606
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, b"\x18\0\x50\0\0\0\0\0")
    output = bytearray()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if interrupt is not None and interrupt.exists():
            os.write(terminal, b"\x03")
            interrupt = None
        if not select.select([terminal], [], [], 0.05)[0]:
            continue
        try:
            output += os.read(terminal, 1 << 16)
        except OSError:  # Linux says EIO when the last one has let go of the terminal
            break
    else:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), output.decode()


def test_what_fits_the_screen_goes_straight_out(log: Path, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    code, told = on_a_screen("replay", log, pager=f"sh -c 'cat > {seen}'")
    assert code == 0
    assert "kimi/kimi2.5 → zhipu/glm-5.1" in told
    assert not seen.exists()


def test_what_does_not_fit_goes_through_the_pager(long: Path, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    code, told = on_a_screen("replay", long, "--utc", pager=f"sh -c 'cat > {seen}'")
    assert (code, told) == (0, "")
    straight = subprocess.run(
        [sys.executable, "-m", "cli.app", "replay", long, "--utc"], cwd=ROOT, capture_output=True, check=True
    )
    assert re.sub(rb"\x1b\[[0-9;]*m", b"", seen.read_bytes()) == straight.stdout


@pytest.mark.parametrize("pager", ["", "no-such-pager -x", "'"])
def test_without_a_pager_it_goes_straight_out(long: Path, pager: str) -> None:
    code, told = on_a_screen("replay", long, pager=pager)
    assert code == 0
    assert told.count("failed     kimi/kimi2.5: rate_limit") == 200


def test_the_pager_is_left_out_on_request_and_for_json(long: Path, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    for option in ("--no-pager", "--json"):
        code, told = on_a_screen("replay", long, option, pager=f"sh -c 'cat > {seen}'")
        assert (code, seen.exists()) == (0, False)
        assert len(told.splitlines()) >= 200


def test_leaving_the_pager_early_is_no_error(long: Path) -> None:
    code, told = on_a_screen("replay", long, pager="head -n 3")
    assert code == 0
    assert len(told.splitlines()) == 3


def test_ctrl_c_in_the_pager_waits_for_it_and_ends_quietly(long: Path, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    pager = tmp_path / "pager"  # as less does: it goes on after Ctrl-C
    pager.write_text(
        f"#!/bin/sh\ntrap 'echo again; exit 0' INT\ncat > /dev/null\ntouch {ready}\nwhile :; do read x; done\n"
    )
    pager.chmod(0o755)
    code, told = on_a_screen("replay", long, pager=str(pager), interrupt=ready)
    assert code in (0, 130)
    assert "Traceback" not in told


def test_an_incident_through_the_real_less(long: Path) -> None:
    code, told = on_a_screen("replay", INCIDENT, pager=None)
    assert code == 0
    assert "reverted" in told


def test_with_follow_it_goes_on_as_follow_does() -> None:
    data = (ROOT / "docs" / "vector.jsonl").read_bytes()
    done = switchlog("replay", "-", "-f", "--json", stdin=data)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["position"] for line in done.stdout.splitlines()] == [1, 2]
    assert switchlog("replay", "-", "-f", "--at", "1").returncode == 2
