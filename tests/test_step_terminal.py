"""Walking a history in a real terminal, tmux's: what is typed, what is seen, and that the terminal is given back.

No waiting for luck: each step waits until its screen is there.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from commands import INCIDENT, ROOT, switchlog
from logs import Draft

MODELS = ("kimi/kimi2.5", "zhipu/glm-5.1", "local/qwen2.5:14b")


def test_without_a_terminal_it_says_so() -> None:
    done = switchlog("replay", INCIDENT, "--step")
    assert (done.returncode, done.stdout) == (2, "")
    assert "at a terminal" in done.stderr
    assert "--json" in switchlog("replay", INCIDENT, "--step", "--json").stderr


class Screen:
    """A terminal of tmux's own server, with a shell in it."""

    def __init__(self, folder: Path, width: int, height: int) -> None:
        self._tmux = ["tmux", "-S", str(folder / "tmux"), "-f", "/dev/null"]
        env = {"PATH": os.environ["PATH"], "HOME": str(folder), "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        size = ("-x", str(width), "-y", str(height))
        subprocess.run([*self._tmux, "-u", "new-session", "-d", *size, "env PS1='$ ' sh"], env=env, check=True)

    def tmux(self, *words: str) -> str:
        return subprocess.run([*self._tmux, *words], capture_output=True, text=True, check=True).stdout

    def type(self, *keys: str) -> None:
        self.tmux("send-keys", *keys)

    def shown(self, *options: str) -> str:
        return self.tmux("capture-pane", "-p", *options)

    def until(self, condition: "str | Callable[[str], object]") -> str:
        deadline = time.monotonic() + 15
        while True:
            told = self.shown()
            if condition in told if isinstance(condition, str) else condition(told):
                return told
            assert time.monotonic() < deadline, f"still no {condition!r}:\n{told}"
            time.sleep(0.02)

    def close(self) -> None:
        subprocess.run([*self._tmux, "kill-server"], capture_output=True, check=False)


@pytest.fixture
def terminal() -> Iterator[Screen]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # a socket's path must be short
        opened = Screen(Path(folder), 100, 24)
        yield opened
        opened.close()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    draft = Draft("s-1")
    draft.switch(MODELS[0], "initial", **{"from": None}, timestamp="2026-04-02T04:00:00.000Z")
    for number in range(1, 40):
        why = "billing" if number == 20 else "rate_limit"
        draft.failed(MODELS[number % 3], why, timestamp=f"2026-04-02T04:{number:02}:00.000Z")
    path = tmp_path / "s-1.jsonl"
    path.write_bytes(draft.data)
    return path


def command(log: Path | str) -> str:
    run = f"PYTHONPATH={shlex.quote(str(ROOT))} {shlex.quote(sys.executable)} -m cli.app"
    after = "echo ended $?; stty -a | grep -o -e '-*icanon' -e '-*echo '"
    return f"{run} replay {shlex.quote(str(log))} --step --utc; {after}"


def given_back(told: str) -> bool:
    """The shell's own screen is back: no strip, and the terminal reads lines and echoes."""
    return bool(re.search(r"ended \d+\nicanon\necho", told)) and "event 1 of" not in told


def test_a_walk_in_a_real_terminal(terminal: Screen, log: Path) -> None:
    terminal.type(command(log), "Enter")
    terminal.until("event 1 of 40")
    terminal.type("j", "Down", "Right")
    terminal.until("event 4 of 40")
    terminal.type("Up")
    terminal.until("event 3 of 40")
    terminal.type("/", "billing", "Enter")
    assert ">   21 04:20:00.000 failed" in terminal.until("event 21 of 40")
    terminal.type("t", "04:31", "Enter")
    terminal.until("event 32 of 40")
    terminal.type("e")
    assert "│" in terminal.until("event 33 of 40")
    terminal.tmux("resize-window", "-x", "60", "-y", "24")
    stacked = terminal.until(lambda told: "event 33 of 40" in told and "│" not in told and "state after" in told)
    assert all(len(line) <= 60 for line in stacked.splitlines())
    terminal.type("?")
    terminal.until("12G")
    terminal.type("Escape")
    terminal.until("state after")
    terminal.type("q")
    assert "ended 0" in terminal.until(given_back)


def test_ctrl_c_and_ctrl_z_give_the_terminal_back(terminal: Screen, log: Path) -> None:
    terminal.type("set -m", "Enter")
    terminal.type(command(log), "Enter")
    terminal.until("event 1 of 40")
    terminal.type("C-z")
    terminal.until(lambda told: "event 1 of" not in told and "Stopped" in told)
    terminal.type("fg", "Enter")
    terminal.until("event 1 of 40")
    terminal.type("C-c")
    terminal.until(lambda told: told.split()[-1] == "$")
    terminal.type("stty -a | grep -o -e '-*icanon' -e '-*echo '", "Enter")
    terminal.until(lambda told: re.search(r"^icanon\necho", told, re.MULTILINE))


def test_ctrl_c_says_so_in_the_exit_code(terminal: Screen, log: Path) -> None:
    terminal.type(command(log), "Enter")
    terminal.until("event 1 of 40")
    terminal.type("C-c")
    assert "ended 130" in terminal.until(given_back)


def test_colour_where_it_is_wanted_and_only_there(terminal: Screen, log: Path) -> None:
    terminal.type(command(log), "Enter")
    terminal.until("event 1 of 40")
    coloured = re.compile(r"\x1b\[[0-9;]*3[0-7]")
    assert coloured.search(terminal.shown("-e"))
    terminal.type("q")
    terminal.until(given_back)
    terminal.type("clear; NO_COLOR=1 " + command(log), "Enter")
    terminal.until("event 1 of 40")
    assert not coloured.search(terminal.shown("-e"))


def test_being_ended_gives_the_terminal_back(terminal: Screen, log: Path) -> None:
    ending = "import os, sys, cli.app; print(os.getpid(), flush=True, file=open(sys.argv.pop(), 'w')); cli.app.main()"
    told = log.with_name("pid")
    typed = command(log).replace("-m cli.app", f"-c {shlex.quote(ending)}").replace("--utc;", f"--utc {told};")
    terminal.type(typed, "Enter")
    terminal.until("event 1 of 40")
    os.kill(int(told.read_text()), signal.SIGTERM)
    assert "ended 143" in terminal.until(given_back)


def test_an_error_gives_the_terminal_back(terminal: Screen, log: Path) -> None:
    broken = "import cli.step_view, cli.app; cli.step_view._head = None; cli.app.main()"
    terminal.type(command(log).replace("-m cli.app", f"-c {shlex.quote(broken)}"), "Enter")
    assert "ended 70" in terminal.until(given_back)


def test_a_log_from_a_pipe_is_walked_with_the_terminals_keys(terminal: Screen, log: Path) -> None:
    terminal.type(f"cat {shlex.quote(str(log))} | " + command("-"), "Enter")
    terminal.until("event 1 of 40")
    terminal.type("G")
    terminal.until("event 40 of 40")
    terminal.type("q")
    assert "ended 0" in terminal.until(given_back)
