"""What this process knows of a log file: what its lines say so far, and what the next append needs of them.

Law: no file; it is told what stands there, in the file's order and once. What changes it is called under the log's
mutex.

A line of our own is folded when the state is next asked for: until then it waits as what it is, whole, sealed and
behind whole lines, and all that the next append needs of it is its id, its seal and its last bytes.
"""

from collections.abc import Callable
from typing import Final

from eventlog.codec import Record
from eventlog.protection import OPEN, Protection
from eventlog.reader import Reader
from eventlog.usual import LONGEST_ID
from replay import INITIAL, Event, ModelState, fold

_EDGE: Final = 64
"""So many of the last bytes are looked at again, to see that the file was not cut and written anew. Each record has
more, and no two have the same: they hold its seal."""

_BEHIND: Final = 256
"""So many of our own records may wait to be folded; to keep more would only cost memory."""


class Known:
    """One file from its first byte on. Where it was cut or replaced, this is of no use any more: begin another one.

    ``name`` is the session's id as the file's name has it, ``base`` the state that another file tells, which comes
    before this one.
    """

    def __init__(self, name: str, base: ModelState = INITIAL, protection: Protection = OPEN) -> None:
        self.reader = Reader(name, base.position, protection)
        """Has read all lines that have their newline, but for our own that wait."""
        self.now = self.reader
        """The reader as if the file ended here."""
        self.state = base
        """The state then, without what waits to be folded."""
        self.position = base.position
        """The position of the last event, folded or not."""
        self.size = 0
        """Bytes that were read."""
        self.told = 0
        """Bytes of which state and position tell. Who looks without the mutex goes by this: it is set last of all."""
        self.edge = b""
        """The last bytes."""
        self.behind: dict[str, Record] = {}
        """Own records that are not folded yet, by id."""
        self.last: tuple[str | None, str | None] | None = None
        """Id and seal of the last line, if that is a record of ours which we have just written."""
        self._folded = base  # the state after the last line that has its newline

    def take(self, block: bytes) -> None:
        """Read and fold what the file goes on with; :meth:`look_ahead` when that is all."""
        self.fold_own()
        self.last = None
        self.size += len(block)
        self.edge = (self.edge + block)[-_EDGE:]
        found = self.reader.feed(block)
        self._folded = fold(found, self._folded)

    def look_ahead(self) -> None:
        """The state with the unterminated last line, which may still turn out to be something else."""
        self.now, found = self.reader.ahead() if self.reader.open_end else (self.reader, [])
        self.state = fold(found, self._folded)
        self.position = self.state.position
        self.told = self.size

    def take_own(self, data: bytes, record: Record) -> None:
        """:meth:`take` of a line that we have just written behind whole lines: nobody needs to read it to know it."""
        event_id = record.id
        if (
            not isinstance(event_id, str)
            or len(event_id) > LONGEST_ID
            or event_id in self.behind
            or self.reader.knows(event_id)
        ):
            self.take(data)  # what an id that is none, too long or taken already means, the reader says
            self.look_ahead()
            return
        if len(self.behind) >= _BEHIND:
            self.fold_own()
        self.behind[event_id] = record
        self.last = (event_id, record.seal)
        self.position += 1
        self.edge = data[-_EDGE:]
        self.size += len(data)
        self.told = self.size

    def fold_own(self) -> None:
        """Read and fold what we have written ourselves."""
        if self.behind:
            self._folded = fold(self.reader.own(list(self.behind.values())), self._folded)
            self.now, self.state = self.reader, self._folded
            self.behind = {}  # last of all: without it, the state is the one to tell

    def holds(self, event: Event) -> bool:
        """Whether the event's line stands in the file, an unterminated one included."""
        return event.id is not None and (event.id in self.behind or self.now.knows(event.id))

    def before(self, read: Callable[[int, int], bytes]) -> tuple[str | None, str | None]:
        """What the next record names: the last entry, whoever wrote it, and the seal of the last record.

        ``read`` gives the bytes at an offset, so many.
        """
        if self.last is not None:
            return self.last
        return self.now.last_entry(read), self.now.report.last_seal
