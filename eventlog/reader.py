"""The exact reader: a log's bytes to its events, and a report on everything else.

Law: no file; it is fed bytes. It never stops at a bad line, never drops one silently and never raises, whatever the
bytes. The gateway's handle and every command read through this one class.

It walks through the lines and knows where each one stands. What a record is worth is the judge's business, what the
report says of a piece the tally's. Whole lines of every day go many at once; the answer is the same.
"""

import copy
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import accumulate, count, islice
from typing import Final

from eventlog import codec
from eventlog.judge import Judge
from eventlog.lines import Kind, Piece
from eventlog.look import Look
from eventlog.protection import OPEN, Protection
from eventlog.report import Report
from eventlog.scan import pieces
from eventlog.split import Splitter, Stretch, Text
from eventlog.tally import Tally
from eventlog.usual import LONGEST_ID, Usual
from replay import Recorded

_PARENTS: Final = 16
"""So many of the latest foreign lines are looked through for the last one that has an id."""

_LONGEST_PARENT: Final = 64 << 20
"""Bytes; a longer foreign line is not read for its id. Messages with pictures have megabytes."""

_ENTRIES: Final = frozenset({Kind.FOREIGN, Kind.UNTERMINATED, Kind.CORRUPT, Kind.ALTERED, Kind.MISPLACED})
"""Classes whose lines a host may take for entries of its conversation."""

_OURS: Final = frozenset({Kind.EVENT, Kind.NEWER, Kind.DUPLICATE, Kind.CONFLICT})
"""Classes whose lines are entries by themselves, where they have an id."""


class Reader:
    """Reads one session's log, block after block, from its first byte.

    ``name`` is the session's id as the file's name has it (None: there is no name, as with a pipe), ``position`` that
    of the last event of a file that comes before this one, ``protection`` the rules of the log, ``wanted`` seals whose
    places the report is to tell.
    """

    def __init__(
        self, name: str | None = None, position: int = 0, protection: Protection = OPEN, wanted: Collection[str] = ()
    ) -> None:
        self.report = Report(session=name)
        self.last_id: str | None = None
        """The ``id`` of the last own event; a foreign line behind it may be the last entry (see :attr:`foreign`)."""
        self.foreign: deque[tuple[int, int]] = deque(maxlen=_PARENTS)
        """Offset and length of the foreign lines behind the last own event, the latest ones; several in a row may be
        one."""
        self.hosted = False
        """Whether a host writes here too: it holds a foreign line other than its first."""
        self._tally = Tally(self.report)
        self._judge = Judge(self._tally, name, position, protection, wanted)
        self._splitter = Splitter()
        self._look = Look()

    @property
    def position(self) -> int:
        """That of the last event."""
        return self._judge.position

    def feed(self, block: bytes) -> list[Recorded]:
        """The events of the lines that end within ``block``."""
        begin, end = self._splitter.whole(block)
        if begin == end or self._judge.keyed:
            return self._exactly(block)
        found = list[Recorded]() if self._passes(block, begin) else self._exactly(block[:begin])
        quick = self._quickly(block, begin, end)
        found += self._exactly(block[begin:end]) if quick is None else quick
        self.report.size += len(block) - end
        self._splitter.gather(block[end:])
        return found

    def _passes(self, block: bytes, begin: int) -> bool:
        """Take in the line that began in an earlier block, if its two ends say that it is the host's."""
        if not self._look.is_over(self._splitter.head, block, begin):
            return False
        self.hosted = True
        self.foreign.append(self._splitter.pass_over(begin))
        self.report.pieces[Kind.FOREIGN.value] += 1
        self.report.size += begin
        self._tally.line += 1
        return True

    def _exactly(self, block: bytes) -> list[Recorded]:
        """Line by line: right for any bytes."""
        found: list[Recorded] = []
        self.report.size += len(block)
        for text in self._splitter.feed(block):
            if isinstance(text, Stretch):
                self._stretch(text)
            else:
                self._text(text, found)
        return found

    def _quickly(self, block: bytes, begin: int, end: int) -> list[Recorded] | None:
        """What :meth:`_exactly` would say of these whole lines, if all that can be ours is usual; else None, and
        nothing has happened."""
        lines, own = self._look.over(block, begin, end)
        size, found = self.report.size - begin, list[Recorded]()
        if own:
            records = self._judge.usual([block[at : behind - 1] for at, behind in own])
            if records is None:
                return None
            found = self._usual(records, [size + at for at, _ in own])
        if lines > len(own):
            self.hosted = True
            self.report.pieces[Kind.FOREIGN.value] += lines - len(own)
            start = own[-1][1] if own else begin
            if start < end:
                self.foreign.append((size + start, end - start))
        self._tally.line += lines
        self.report.size += end - begin
        self._splitter.skip(end - begin)
        return found

    def own(self, written: Sequence[codec.Record]) -> list[Recorded]:
        """What :meth:`feed` would give for records that were just written behind whole lines, each with its newline.

        Of the usual ones what they say is known, and nothing is decoded.
        """
        records = self._judge.written(written)
        if records is None:
            return self.feed(b"".join([one.data + b"\n" for one in written]))
        *places, end = accumulate([len(one.data) + 1 for one in written], initial=self.report.size)
        found = self._usual(records, places)
        self._tally.line += len(written)
        self._splitter.skip(end - self.report.size)
        self.report.size = end
        return found

    def _usual(self, records: Usual, places: Sequence[int]) -> list[Recorded]:
        """Records that count, by the judge: each an event, and where it stands."""
        first = self.position - len(places) + 1
        self.report.pieces[Kind.EVENT.value] += len(places)
        self.last_id = records.ids[-1]
        self.foreign.clear()
        return list(map(Recorded, records.events, count(first), places))

    def finish(self) -> list[Recorded]:
        """The events of an unterminated last line; judges what waited for a next record. Call it once, at the end."""
        found: list[Recorded] = []
        rest = self._splitter.rest()
        if rest is not None:
            self._text(rest, found, last=True)
        self._tally.settle(goes_on=True)
        return found

    def ahead(self) -> tuple["Reader", list[Recorded]]:
        """This reader as if the log ended here, and the events that this adds. The reader itself can go on."""
        clone = copy.copy(self)
        clone._tally = self._tally.ahead()
        clone._judge = self._judge.ahead(clone._tally)
        clone.report = clone._tally.report
        clone.foreign = deque(self.foreign, _PARENTS)
        clone._splitter = copy.copy(self._splitter)
        return clone, clone.finish()

    def knows(self, event_id: str | None) -> bool:
        """Whether an event of this id stands in what was read, its newline included."""
        return event_id in self._judge.ids

    def last_entry(self, read: Callable[[int, int], bytes]) -> str | None:
        """The id of the file's last entry, whoever wrote it: a host's tree breaks without it.

        ``read`` gives the bytes at an offset, so many.
        """
        for line in islice(self._backwards(read), _PARENTS):
            fields = codec.decode(line)
            entry = fields.get("id") if fields is not None and fields.get("type") != "session" else None
            if isinstance(entry, str) and len(entry) <= LONGEST_ID:
                return entry
        return self.last_id

    def _backwards(self, read: Callable[[int, int], bytes]) -> Iterator[bytes]:
        """The foreign lines behind the last own event, the last one first; of one that is too long, nothing."""
        for offset, length in reversed(self.foreign):
            data = read(offset, length) if length <= _LONGEST_PARENT else b""
            yield from reversed(data.removesuffix(b"\n").rsplit(b"\n", _PARENTS))

    @property
    def open_end(self) -> bool:
        """Whether the last byte is no newline: the next append has to begin with one."""
        return self._splitter.rest() is not None

    def _text(self, text: Text, found: list[Recorded], *, last: bool = False) -> None:
        if text.offset == 0:
            self._judge.header(text)
        for piece in pieces(text):
            ending = last and piece.offset + piece.length == text.offset + text.length
            self._piece(piece, found, text if ending else None)
        self._tally.line += text.ended

    def _stretch(self, stretch: Stretch) -> None:
        """What ``_text`` would do with each of its lines, at once."""
        self.hosted = True
        self.foreign.append((stretch.offset, stretch.length))
        self.report.pieces[Kind.FOREIGN.value] += len(stretch.lines)
        self._tally.line += len(stretch.lines)

    def _piece(self, piece: Piece, found: list[Recorded], ending: Text | None) -> None:
        kind = piece.kind
        if kind is None and piece.fields is None:
            if ending is None:
                self._tally.wait(piece)
                return
            kind = Kind.TORN
        elif kind is None:
            kind = self._judge.record(piece, found)
            if kind in _OURS:
                self._entry(piece)
            if ending is not None and kind is Kind.EVENT:
                kind = Kind.UNTERMINATED
        elif kind is Kind.FOREIGN:
            self.hosted = self.hosted or piece.offset > 0
            if ending is not None and piece.length == len(ending.data):
                kind = Kind.TORN if codec.decode(ending.data) is None else Kind.UNTERMINATED
        if kind in _ENTRIES:
            self.foreign.append((piece.offset, piece.length))
        self._tally.count(kind, piece)

    def _entry(self, piece: Piece) -> None:
        """A record of ours stands here, whether it counts or not: with an id, it is the last entry."""
        event_id = (piece.fields or {}).get("id")
        if isinstance(event_id, str):
            self.last_id = event_id if len(event_id) <= LONGEST_ID else self.last_id
            self.foreign.clear()
