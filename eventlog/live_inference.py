"""What a host's transcript tells of its failovers as it grows, line by line.

Law: what :mod:`eventlog.inference` gives of a whole one, in whole lines: a last line without its newline waits for it.
Bounded memory.
"""

from collections.abc import Iterator

from eventlog import codec
from eventlog.inference import LONGEST
from replay import Event


class LiveInference:
    """Feeds a transcript's lines to the dialect as their bytes come."""

    def __init__(self) -> None:
        from replay.dialects.openclaw_transcript import Transcript

        self._dialect = Transcript()
        self._offset = 0
        self._parts: list[bytes] = []
        self._length = 0

    def feed(self, block: bytes) -> Iterator[tuple[int, Event]]:
        """The events of the lines that end in these bytes, each with its line's offset."""
        *lines, rest = block.split(b"\n")
        for line in lines:
            yield from self._line(line)
            self._offset += self._length + len(line) + 1
            self._parts, self._length = [], 0
        self._length += len(rest)
        if self._length <= LONGEST:
            self._parts.append(rest)
        else:
            self._parts = []

    def finish(self) -> Iterator[tuple[int, Event]]:
        """Those of a last line that has no newline."""
        if self._length:
            yield from self._line(b"")

    def _line(self, line: bytes) -> Iterator[tuple[int, Event]]:
        if self._length + len(line) > LONGEST:
            return
        fields = codec.decode(b"".join((*self._parts, line)) if self._parts else line)
        for event in self._dialect.feed(fields) if fields is not None else ():
            yield self._offset, event
