"""Dialects: what other programs' logs and transcripts say, told as our events.

Law: pure, like the room. A dialect is given text or dicts that somebody else has read and decoded. Whatever it is
given, it answers: a line that it can't use is counted by what it is, never raised.
"""

from replay.dialects.openclaw_console import ConsoleLog, is_console_line
from replay.dialects.openclaw_file import FileLog, is_file_line
from replay.dialects.openclaw_lines import LogLine
from replay.dialects.openclaw_transcript import Transcript

__all__ = ["ConsoleLog", "FileLog", "LogLine", "Transcript", "is_console_line", "is_file_line"]
