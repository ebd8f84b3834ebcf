"""Running the real command as a person or a script would: a process of its own, its output as bytes."""

import os
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from cli.app import app

ROOT = Path(__file__).parent.parent
INCIDENT = ROOT / "cli" / "incident.log"


def switchlog(*arguments: str | Path, stdin: bytes = b"", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The finished process; its time zone is not UTC, so that local times can't be mistaken for it."""
    done = subprocess.run(
        [sys.executable, "-m", "cli.app", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        env={**os.environ, "TZ": "Asia/Shanghai", "COLUMNS": "80"},
        timeout=60,
        check=False,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def within(*arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    """The same within this process, where hundreds of runs are compared: no start-up, and local time is the tests'."""
    done = CliRunner().invoke(app, list(map(str, arguments)), input=stdin, catch_exceptions=False)
    return subprocess.CompletedProcess(list(arguments), done.exit_code, done.stdout, done.stderr)
