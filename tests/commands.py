"""Running the real command as a person or a script would: a process of its own, its output as bytes."""

import os
import subprocess
import sys
from pathlib import Path

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
