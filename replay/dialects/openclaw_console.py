"""The console log of OpenClaw's gateway, line by line, as events: time, ``[subsystem]``, words.

Law: pure. Text lines in, one :class:`LogLine` for each out; the same lines give the same answer, no text raises, and
neither a long line nor a long log costs more than its length. What the words mean: :mod:`.openclaw_lines`.
"""

from replay.dialects.openclaw_forms import CONSOLE_LINE
from replay.dialects.openclaw_lines import Lines, LogLine
from replay.events import parse_time

__all__ = ["ConsoleLog", "LogLine"]


class ConsoleLog(Lines):
    """Translates a log fed line by line."""

    def feed(self, text: str) -> LogLine:
        """What this line tells (its newline doesn't matter). Lines are numbered from 1."""
        self._number += 1
        text = text.strip()
        if not text:
            return self._told("blank")
        match = CONSOLE_LINE.match(text)
        if match is None:
            return self._told("other")
        return self._message(match["subsystem"], text[match.end() :], parse_time(match["time"]))
