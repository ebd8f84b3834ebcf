"""Events that could not be written yet.

Law: memory only, bounded. While the disk refuses, a session goes on with what it knows; these events are written, in
order and with the id and time of when they happened, as soon as it lets us.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

from replay import Event

MOST: Final = 1_000


class Backlog:
    """The waiting events, and why they wait."""

    def __init__(self) -> None:
        self.events: deque[Event] = deque(maxlen=MOST)
        self.dropped = 0
        self._why: str | None = None

    def hold(self, events: Iterable[Event], why: str) -> None:
        """Keep the events for later; of more than a thousand the oldest are dropped, and counted."""
        for event in events:
            self.dropped += len(self.events) == MOST
            self.events.append(event)
        self._why = why

    def settle(self) -> None:
        """The disk works: if nothing waits any more, all is well again."""
        if not self.events:
            self._why, self.dropped = None, 0

    @property
    def told(self) -> str | None:
        """What a person should know, or None if nothing waits."""
        if self._why is None:
            return None
        lost = f", {self.dropped} older ones were dropped" if self.dropped else ""
        return f"{self._why} ({len(self.events)} events wait in memory{lost})"
