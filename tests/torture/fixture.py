"""A real host's transcript with events of ours in it: OpenClaw's lines, as it wrote them.

Law: bytes from ``fixtures/``, and records that are made here by the words of the design.
"""

import json
from functools import cache
from pathlib import Path
from typing import Final

from logs import Draft

_TRANSCRIPT: Final = Path(__file__).parents[2] / "fixtures" / "openclaw-2026.3.28" / "foreign" / "fb-before.jsonl"


@cache
def host_log() -> tuple[str, bytes]:
    """The session's id, and the host's lines with an event of ours behind each of the last ones."""
    lines = _TRANSCRIPT.read_bytes().splitlines(keepends=True)
    session = str(json.loads(lines[0])["id"])
    draft = Draft(session, headed=False)
    for number, line in enumerate(lines):
        draft.add(line)
        draft.parent = json.loads(line).get("id") if number else None
        if number >= len(lines) - 3:
            draft.failed(error="Rate limit reached", seen=number)
    return session, draft.data
