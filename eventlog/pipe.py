"""Standard input as it comes, in the terms of :mod:`eventlog.tail`.

Law: bytes in the order in which they come, until the pipe ends; nothing is waited for that ``stop`` could not end.
"""

import select
import sys
import threading
from collections.abc import Callable
from typing import Self

from eventlog import file
from eventlog.tail import POLL, Chunk


class Pipe:
    """Standard input, in the same terms."""

    trouble: None = None

    def __init__(self, stop: threading.Event | None = None) -> None:
        self.stop = threading.Event() if stop is None else stop
        self.ended = False
        """Whether all has been read."""
        self._begun = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing to give back: standard input is the process's own."""

    def read(self) -> Chunk | None:
        """The next bytes; None if there are none now, or no more."""
        if self.ended or not self._ready(0):
            return None
        read: Callable[[int], bytes] = getattr(sys.stdin.buffer, "read1", sys.stdin.buffer.read)
        data = read(file.BLOCK)
        self.ended = not data
        begins, self._begun = not self._begun, True
        return Chunk(data, begins) if data else None

    def wait(self, seconds: float | None = None) -> None:
        """Return as soon as there may be something to read, or after a moment: a signal that only sets ``stop``
        interrupts no ``select``."""
        longest = POLL if seconds is None else min(POLL, seconds)
        if self.ended:
            self.stop.wait(longest)
        else:
            self._ready(longest)

    def _ready(self, seconds: float) -> bool:
        try:
            return bool(select.select([sys.stdin.buffer], [], [], seconds)[0])
        except (OSError, ValueError):  # none of the system's: it is never waited for
            return True
