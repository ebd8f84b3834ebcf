"""docs/openclaw.md shows what happens: its commands print what stands beneath them, in a home made of recordings."""

import re
import shlex
from pathlib import Path

import pytest
from commands import ROOT, switchlog
from openclaw_homes import old_home
from test_openclaw_shown import WITHOUT_TRACE

PAGE = (ROOT / "docs" / "openclaw.md").read_text(encoding="utf-8")


def blocks() -> list[str]:
    return re.findall(r"^```console\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_its_commands_print_what_stands_beneath_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old_home(tmp_path / ".openclaw")
    monkeypatch.setenv("HOME", str(tmp_path))
    shown = [block for block in blocks() if any(not line.startswith("$") for line in block.splitlines())]
    assert len(shown) >= 2
    for block in shown:
        command, _, expected = block.partition("\n")
        _, name, *arguments = (part.replace("~", str(tmp_path), 1) for part in shlex.split(command.removeprefix("$ ")))
        done = switchlog(name, *arguments)
        assert (done.returncode, done.stdout.replace(str(tmp_path), "~")) == (0, expected)


def test_every_command_it_names_is_there() -> None:
    for line in (line for block in blocks() for line in block.splitlines() if line.startswith("$ switchlog ")):
        _, name, *options = shlex.split(line.removeprefix("$ ").partition(" #")[0])
        usage = switchlog(name, "--help").stdout
        assert all(re.search(rf"^  {option}\b", usage, re.MULTILINE) for option in options if option.startswith("--"))


def test_it_counts_the_failures_without_a_trace_as_the_tests_do() -> None:
    new = sum(not session.startswith("64ce51d2") for session, _ in WITHOUT_TRACE)
    assert re.search(r"(\w+) pairs of session and model\s+failed without a trace", PAGE)[1] == {6: "six"}[new]  # type: ignore[index]


def test_every_file_it_names_is_there() -> None:
    named = re.findall(r"`((?:tests|replay|fixtures|docs|benchmarks)/[\w./-]+)`", PAGE)
    assert named
    assert all((ROOT / name).exists() for name in named)
