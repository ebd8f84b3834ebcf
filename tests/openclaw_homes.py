"""Homes of OpenClaw, put together from its recordings as they would stand on an operator's machine."""

import json
import os
import shutil
from datetime import datetime
from pathlib import Path
from typing import Final

FIXTURES: Final = Path(__file__).resolve().parent.parent / "fixtures"
OLD: Final = FIXTURES / "openclaw-2026.3.28"
NEW: Final = FIXTURES / "openclaw-2026.9.6"


def old_home(folder: Path) -> Path:
    """2026.3.28: a transcript a session, beside the store of their keys."""
    sessions = folder / "agents" / "main" / "sessions"
    sessions.mkdir(parents=True)
    for transcript in (OLD / "transcripts").iterdir():
        shutil.copy(transcript, sessions)
        last = json.loads(transcript.read_bytes().splitlines()[-1])["timestamp"]
        written = datetime.fromisoformat(last).timestamp()
        os.utime(sessions / transcript.name, (written, written))
    shutil.copy(OLD / "sessions.json", sessions)
    shutil.copy(OLD / "openclaw.json", folder)
    return folder


def new_home(folder: Path) -> Path:
    """2026.9.6: a database an agent."""
    (folder / "agents" / "main" / "sessions").mkdir(parents=True)
    store = folder / "agents" / "main" / "agent"
    store.mkdir()
    shutil.copy(NEW / "openclaw-agent.sqlite", store)
    shutil.copy(NEW / "openclaw.json", folder)
    return folder
