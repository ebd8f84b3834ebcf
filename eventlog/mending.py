"""What a repair does to the bytes of a log, and what the log tells, before and after.

Law: blocks of bytes in, edits out, the same for any division into blocks; no file and no clock. An edit leaves NULs out
or ends a line, so all other bytes stay, in their order. What a file tells is boiled down to a digest of its events and
their positions: two files that have the same one tell the same, and neither had to be held in memory to see it.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from eventlog.lines import Kind
from eventlog.protection import Protection
from eventlog.reader import Reader
from eventlog.scan import pieces
from eventlog.split import Splitter, Text
from replay import Recorded


@dataclass(frozen=True, slots=True)
class Edit:
    """At ``offset`` so many NULs go, or a newline comes."""

    offset: int
    zeros: int = 0
    newline: bool = False


def edits(blocks: Iterable[bytes]) -> Iterator[Edit]:
    """What is to be done to a log that is read in these blocks, in the order of its bytes."""
    splitter = Splitter()
    for block in blocks:
        for text in splitter.feed(block):
            if isinstance(text, Text):  # a stretch is whole lines of the host's
                yield from _of_text(text)
    rest = splitter.rest()
    if rest is not None:
        yield from _of_text(rest)


def _of_text(text: Text) -> Iterator[Edit]:
    for piece in pieces(text):
        end = piece.offset + piece.length
        if piece.kind is Kind.ZEROS:
            yield Edit(piece.offset, zeros=piece.length)  # the newline behind a run of NULs is the run's
        elif end < text.offset + text.length or not text.ended:
            yield Edit(end, newline=True)


class Tale:
    """What a session's log tells that is read in these blocks. ``reader`` has read it to its end."""

    def __init__(self, blocks: Iterable[bytes], session: str | None, protection: Protection) -> None:
        self.reader = Reader(session, protection=protection)
        self._sum = hashlib.sha256()
        for block in blocks:
            self._add(self.reader.feed(block))
        self._add(self.reader.finish())
        self.digest = self._sum.digest()
        """The same for two logs that tell the same events in the same order."""

    def _add(self, found: Iterable[Recorded]) -> None:
        for one in found:
            self._sum.update(repr((one.event, one.position)).encode("utf-8", "surrogatepass"))
