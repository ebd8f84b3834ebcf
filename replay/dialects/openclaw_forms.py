"""Which log this is: the looks of a line of OpenClaw's, in either form.

Law: pure. A line in, yes or no out; imports none of the dialects, so that whoever reads another log pays for none.
"""

import re
from collections.abc import Mapping
from typing import Final

# A journal puts its own date, host and process in front. Everything is bounded: no text makes this search for long.
CONSOLE_LINE: Final = re.compile(
    r"(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S{1,80} \S{1,80}: )?"
    r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)) \[(?P<subsystem>[^\[\]\s]{1,80})\] ",
    re.ASCII,
)


def is_console_line(text: str) -> bool:
    """Whether the text looks like a line of the console log: an ISO time with its offset, then ``[subsystem]``."""
    return CONSOLE_LINE.match(text) is not None


def is_file_line(fields: Mapping[str, object]) -> bool:
    """Whether the object looks like a line of the file log."""
    return isinstance(fields.get("0"), str) and isinstance(fields.get("time"), str) and "_meta" in fields
