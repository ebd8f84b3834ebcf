"""A home as large as they get: seconds, bounded memory, and a word on how far it has come.

Law: memory is asserted, time only bounded by the process's limit; what is told of 300 MB is what was put there.
"""

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from openclaw_homes import OLD, old_home

pytestmark = pytest.mark.slow

LARGEST = 100 << 20
SIZE = 300 << 20
SESSIONS = 5_000


AND_TELL: Final = """
import os, resource, sys
code = os.spawnv(os.P_WAIT, sys.argv[2], sys.argv[2:])
with open(sys.argv[1], "w") as told:
    told.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
"""
"""Starts a command and writes down its peak. (As its parent, pytest would be counted in: a fork inherits a peak.)"""


def watched(folder: Path, *arguments: str | Path) -> tuple[dict[str, object], str, int]:
    """A command whose stderr is a terminal: its JSON, what the terminal saw, its peak memory in bytes."""
    ours, theirs = pty.openpty()
    peak = folder / "peak"
    command = [sys.executable, "-m", "cli.app", *map(str, arguments), "--json"]
    counted = [sys.executable, "-S", "-c", AND_TELL, str(peak), *command]
    with subprocess.Popen(counted, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        seen = b""
        while part := _part(ours):
            seen += part
        out, _ = process.communicate()
    os.close(ours)
    assert process.returncode == 0, seen
    return json.loads(out), seen.decode(), int(peak.read_text()) * (1 if sys.platform == "darwin" else 1024)


def _part(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # nobody is at the other end any more
        return b""


def test_a_transcript_of_300_mb_is_read_in_bounded_memory_and_says_how_far_it_is(tmp_path: Path) -> None:
    (recorded,) = (OLD / "transcripts").glob("33333333*")
    first, *lines = recorded.read_bytes().splitlines()
    entries = [json.loads(line) for line in lines]
    failed = sum(one.get("message", {}).get("stopReason") == "error" for one in entries)
    filling = [{"type": "text", "text": 'words "and" more\n' * 700}]
    path, rounds = tmp_path / recorded.name, 0
    with path.open("wb") as file:
        file.write(first + b"\n")
        while file.tell() < SIZE:
            for number, one in enumerate(entries):
                one["id"] = f"{rounds:06x}{number:02x}"
                if one.get("message", {}).get("role") == "assistant":
                    one["message"]["content"] = filling
                file.write(json.dumps(one, separators=(",", ":")).encode() + b"\n")
            rounds += 1
    shown, seen, peak = watched(tmp_path, "show", path)
    failures = sum(one["failures"] for one in shown["models"].values())  # type: ignore[attr-defined]
    assert failures == failed * rounds
    assert peak < LARGEST
    assert "MiB read" in seen
    assert seen.endswith("\r")


def test_a_home_of_5_000_sessions_is_read_in_bounded_memory_and_says_how_far_it_is(tmp_path: Path) -> None:
    home = old_home(tmp_path / "home")
    sessions = home / "agents" / "main" / "sessions"
    recorded = sorted(path for path in sessions.glob("*.jsonl"))
    alone, _, _ = watched(tmp_path, "show", home)
    for number in range(len(recorded), SESSIONS):
        shutil.copy(recorded[number % len(recorded)], sessions / f"{number:08d}.jsonl")
    shown, seen, peak = watched(tmp_path, "show", home)
    told, before = shown["home"], alone["home"]
    assert isinstance(told, dict)
    assert isinstance(before, dict)
    assert told["sessions"] == SESSIONS
    rounds, rest = divmod(SESSIONS, len(recorded))
    assert rounds * before["failing"] <= told["failing"] <= (rounds + bool(rest)) * before["failing"]
    assert peak < LARGEST
    assert "of 5,000 sessions" in seen
    assert seen.endswith("\r")
