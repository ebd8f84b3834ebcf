"""The present.

Law: the only clock that stamps events and weighs them. Cut to milliseconds, as a file can hold it: what is folded from
memory must equal what is read back.
"""

from datetime import UTC, datetime


def now() -> datetime:
    """The time in UTC."""
    time = datetime.now(UTC)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)
