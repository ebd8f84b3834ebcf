"""Tab: commands, files, session ids and keys, in each shell's own protocol, and never an error."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import switchlog
from openclaw_homes import new_home, old_home

from cli.completion import MOST, logs

SESSION = "17a309d8-bee5-4752-8775-5791d41df367"


def offered(shell: str, folder: Path, *words: str) -> list[str]:
    """What the command itself answers to the shell, for the last of the words."""
    typed = " ".join(["switchlog", *words])
    env = {"_SWITCHLOG_COMPLETE": f"complete_{shell}"}
    if shell == "bash":
        env |= {"COMP_WORDS": typed, "COMP_CWORD": str(len(words))}
    elif shell == "zsh":
        env |= {"_TYPER_COMPLETE_ARGS": typed}
    else:
        env |= {"_TYPER_COMPLETE_ARGS": typed, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    done = subprocess.run(
        [sys.executable, "-c", "from cli.app import main; main()"],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, **env},
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (f"{SESSION}.jsonl", "674cdb94.jsonl", "notes.txt", ".hidden"):
        (tmp_path / name).write_text("")
    (tmp_path / "17 sessions").mkdir()
    (tmp_path / "17\x1b[31m.jsonl").write_text("")
    return tmp_path


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_is_offered_commands_and_session_ids(shell: str, folder: Path) -> None:
    assert any("show" in line for line in offered(shell, folder, "sh"))
    found = "\n".join(offered(shell, folder, "show", "17a3"))
    assert SESSION in found
    assert "\x1b" not in found


def test_files_folders_and_ids_are_offered_for_a_log(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert logs("17") == [f"17 sessions{os.sep}", f"{SESSION}.jsonl", SESSION]
    assert logs("no") == ["notes.txt"]
    assert logs(".h") == [".hidden"]
    assert logs(f"{folder}{os.sep}67") == [f"{folder}{os.sep}674cdb94.jsonl"]
    assert logs("nowhere/x") == logs("a\0b") == []
    assert len(logs("")) <= MOST


@pytest.mark.parametrize("build", [old_home, new_home])
def test_keys_and_ids_of_a_home_are_offered_for_its_sessions(build: Callable[[Path], Path], tmp_path: Path) -> None:
    home = build(tmp_path / "home")
    assert any(line.startswith("agent") for line in offered("bash", tmp_path, "show", "home", "--session", "agent"))
    assert not any(offered("bash", tmp_path, "show", str(home / "nothing"), "--session", "a"))


def test_the_help_says_how_to_get_it() -> None:
    assert "--install-completion" in switchlog("--help").stdout
