"""The present.

Law: the only clock that stamps events and weighs them. Cut to milliseconds, as a file can hold it: what is folded from
memory must equal what is read back.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def now() -> datetime:
    """The time in UTC."""
    return _EPOCH + timedelta(microseconds=time.time_ns() // 1_000_000 * 1000)
