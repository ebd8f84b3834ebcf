"""The console log of OpenClaw's gateway, line by line, as events: time, ``[subsystem]``, words.

Law: pure. Text lines in, one :class:`LogLine` for each out; the same lines give the same answer, no text raises, and
neither a long line nor a long log costs more than its length. What the words mean: :mod:`.openclaw_lines`.
"""

import re
from typing import Final

from replay.dialects.openclaw_lines import Lines, LogLine
from replay.events import parse_time

__all__ = ["ConsoleLog", "LogLine", "is_console_line"]

# A journal puts its own date, host and process in front. Everything is bounded: no text makes this search for long.
_LINE: Final = re.compile(
    r"(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S{1,80} \S{1,80}: )?"
    r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)) \[(?P<subsystem>[^\[\]\s]{1,80})\] ",
    re.ASCII,
)


def is_console_line(text: str) -> bool:
    """Whether the text looks like a line of this log: an ISO time with its offset, then ``[subsystem]``."""
    return _LINE.match(text) is not None


class ConsoleLog(Lines):
    """Translates a log fed line by line."""

    def feed(self, text: str) -> LogLine:
        """What this line tells (its newline doesn't matter). Lines are numbered from 1."""
        self._number += 1
        text = text.strip()
        if not text:
            return self._told("blank")
        match = _LINE.match(text)
        if match is None:
            return self._told("other")
        return self._message(match["subsystem"], text[match.end() :], parse_time(match["time"]))
