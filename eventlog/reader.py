"""The exact reader: a log's bytes to its events, and a report on everything else.

Law: no file; it is fed bytes and remembers what the chain needs. It never stops at a bad line, never drops one
silently and never raises, whatever the bytes. The gateway's handle and every command read through this one class.

A record counts if its seal is right and it belongs to this session. Where a record's ``prev`` is not the seal before
it, something is missing: a gap. A line that begins like ours and can't be read is *torn* if it looks cut off and the
chain goes on over it (a crash, healed by the next append), else *corrupt*: so its judgement waits for the next record.
"""

import copy
from collections import ChainMap, Counter, deque
from collections.abc import Callable, Collection, Iterator, MutableMapping
from itertools import count
from typing import Final

from msgspec.structs import replace

from eventlog import codec
from eventlog.keys import Proof
from eventlog.lines import Kind, Piece
from eventlog.look import Look
from eventlog.protection import OPEN, Protection
from eventlog.report import MOST_FINDINGS, Report
from eventlog.scan import pieces
from eventlog.split import Splitter, Stretch, Text
from eventlog.usual import LONGEST_ID, Usual, usual
from replay import Event, LogRepaired, Recorded, event_from_fields
from replay.events import EVENT_TYPES, NOTHING

_PARENTS: Final = 16
"""So many of the latest foreign lines are remembered, to find the last one that has an id."""

_LONGEST_PARENT: Final = 64 << 20
"""Bytes; a longer foreign line is not read for its id. Messages with pictures have megabytes."""

_ENTRIES: Final = frozenset({Kind.FOREIGN, Kind.UNTERMINATED, Kind.CORRUPT, Kind.ALTERED, Kind.MISPLACED})
"""Classes whose lines a host may take for entries of its conversation."""

_TOLD: Final = {
    Kind.CORRUPT: "should be a record of ours and can't be read",
    Kind.ALTERED: "its seal is wrong or missing: it was changed after it was written; not applied",
    Kind.MISPLACED: "a record of another session; not applied",
    Kind.CONFLICT: "another event under an id that is taken; the first one stands",
    Kind.DUPLICATE: "a second copy of an event; applied once",
    Kind.NEWER: "written by a newer switchlog; not applied",
    Kind.TORN: "the rest of a write that a crash cut short",
    Kind.UNTERMINATED: "the last line has no newline yet",
    Kind.ZEROS: "a run of NUL bytes, as a power cut leaves them",
}

_NO_PROOF: Final = "does not prove that it was written with one of the keys; not applied"


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
        self.position = position
        self.last_id: str | None = None
        """The ``id`` of the last own event; a foreign line behind it may be the last entry (see :attr:`foreign`)."""
        self.foreign: deque[tuple[int, int]] = deque(maxlen=_PARENTS)
        """Offset and length of the foreign lines behind the last own event, the latest ones."""
        self.hosted = False
        """Whether a host writes here too: it holds a foreign line other than its first."""
        self._names = {name} if name is not None else set()
        self._nameless = name is None
        self._header_read = False
        self._sealed_before = False
        self._protection = protection
        self._wanted = frozenset(wanted)
        self._ids: MutableMapping[str | None, int] = {}
        self._splitter = Splitter()
        self._look = Look()
        self._line = 1
        self._line_open = False
        self._waiting: list[tuple[Piece, int]] = []

    def feed(self, block: bytes) -> list[Recorded]:
        """The events of the lines that end within ``block``."""
        begin, end = self._splitter.whole(block)
        if begin == end or self._protection.keys is not None:
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
        self._line += 1
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
        lines, own = self._look.over(block, begin)
        size, found = self.report.size - begin, list[Recorded]()
        if own:
            records = usual([block[at : behind - 1] for at, behind in own], self.report.last_seal, self._names)
            if records is None or not self._wanted.isdisjoint(records.seals) or not self._are_new(records):
                return None
            self._settle(goes_on=True)
            found = list(map(Recorded, records.events, count(self.position + 1), [size + at for at, _ in own]))
            self.position += len(own)
            self._sealed_before = True
            self.report.last_seal, self.report.before_last = records.seals[-1], self.position - 1
            self.report.pieces[Kind.EVENT.value] += len(own)
            self.last_id = records.ids[-1]
            self.foreign.clear()
        if lines > len(own):
            self.hosted = True
            self.report.pieces[Kind.FOREIGN.value] += lines - len(own)
            self.foreign.extend(reversed([*_last_lines(block, own[-1][1] if own else begin, end, size)]))
        self._line += lines
        self.report.size += end - begin
        self._splitter.skip(end - begin)
        return found

    def _are_new(self, records: Usual) -> bool:
        """Whether no event of theirs was there before; then they are known from now on."""
        fresh = dict(zip(records.ids, map(hash, records.events), strict=True))
        if len(fresh) < len(records.ids) or not self._ids.keys().isdisjoint(fresh):
            return False
        self._ids.update(fresh)
        return True

    def own(self, record: codec.Record) -> list[Recorded]:
        """What :meth:`feed` would give for a record that was just written behind whole lines, and its newline."""
        found: list[Recorded] = []
        piece = Piece(self.report.size, len(record.data) + 1, None, record.fields, record.seal, record.data)
        self.report.size += piece.length
        self._splitter.skip(piece.length)
        self._piece(piece, found, None)
        self._line += 1
        return found

    def finish(self) -> list[Recorded]:
        """The events of an unterminated last line; judges what waited for a next record. Call it once, at the end."""
        found: list[Recorded] = []
        rest = self._splitter.rest()
        if rest is not None:
            self._text(rest, found, last=True)
        self._settle(goes_on=True)
        return found

    def ahead(self) -> tuple["Reader", list[Recorded]]:
        """This reader as if the log ended here, and the events that this adds. The reader itself can go on."""
        clone = copy.copy(self)
        clone.report = copy.copy(self.report)
        clone.report.pieces = Counter(self.report.pieces)
        clone.report.findings = list(self.report.findings)
        clone.foreign = deque(self.foreign, _PARENTS)
        clone._names = set(self._names)
        clone._ids = ChainMap({}, self._ids)
        clone._splitter = copy.copy(self._splitter)
        clone._waiting = list(self._waiting)
        return clone, clone.finish()

    def knows(self, event_id: str | None) -> bool:
        """Whether an event of this id stands in what was read, its newline included."""
        return event_id in self._ids

    def last_entry(self, read: Callable[[int, int], bytes]) -> str | None:
        """The id of the file's last entry, whoever wrote it: a host's tree breaks without it.

        ``read`` gives the bytes at an offset, so many.
        """
        for offset, length in reversed(self.foreign):
            if length > _LONGEST_PARENT:
                continue
            fields = codec.decode(read(offset, length))
            entry = fields.get("id") if fields is not None and fields.get("type") != "session" else None
            if isinstance(entry, str) and len(entry) <= LONGEST_ID:
                return entry
        return self.last_id

    @property
    def open_end(self) -> bool:
        """Whether the last byte is no newline: the next append has to begin with one."""
        return self._splitter.rest() is not None

    def _text(self, text: Text, found: list[Recorded], *, last: bool = False) -> None:
        if text.offset == 0:
            self._first(text)
        for piece in pieces(text):
            ending = last and piece.offset + piece.length == text.offset + text.length
            self._piece(piece, found, text if ending else None)
        self._line += text.ended

    def _stretch(self, stretch: Stretch) -> None:
        """What ``_text`` would do with each of its lines, at once."""
        self.hosted = True
        self.foreign.extend(stretch.last(_PARENTS))
        self.report.pieces[Kind.FOREIGN.value] += len(stretch.lines)
        self._line += len(stretch.lines)

    def _first(self, text: Text) -> None:
        fields = codec.decode(text.data) if text.length == len(text.data) else None
        session = fields.get("id") if fields is not None and fields.get("type") == "session" else None
        if isinstance(session, str) and 0 < len(session) <= LONGEST_ID:
            self._header_read = True
            self._names.add(session)
            named = self.report.session
            self.report.session = session
            if named is not None and named != session:
                self._find("session", text.offset, text.length, f"the header says {session}, the file's name {named}")
        elif fields is None or fields.get("type") != "session":
            self._find("header", text.offset, text.length, "the first line is no session header")
        else:
            told = "no id" if not session else f"an id of more than {LONGEST_ID} characters"
            self._find("header", text.offset, text.length, f"the session header has {told}")

    def _piece(self, piece: Piece, found: list[Recorded], ending: Text | None) -> None:
        kind = piece.kind
        if kind is None and piece.fields is None:
            if ending is None:
                self._wait(piece)
                return
            kind = Kind.TORN
        elif kind is None:
            kind = self._record(piece, found)
            if ending is not None and kind is Kind.EVENT:
                kind = Kind.UNTERMINATED
        elif kind is Kind.FOREIGN:
            self.hosted = self.hosted or piece.offset > 0
            if ending is not None and piece.length == len(ending.data):
                kind = Kind.TORN if codec.decode(ending.data) is None else Kind.UNTERMINATED
        if kind in _ENTRIES:
            self.foreign.append((piece.offset, piece.length))
        self._count(kind, piece)

    def _record(self, piece: Piece, found: list[Recorded]) -> Kind:
        """A whole record or bare event, where it stands."""
        fields = piece.fields or {}
        version = fields.get("v", codec.VERSION)
        newer = fields.get("type") not in EVENT_TYPES or (isinstance(version, int) and version > codec.VERSION)
        event = None if newer else event_from_fields(fields, codec.FRAME)
        if event is None and piece.seal is None:
            return Kind.FOREIGN  # somebody else's line that shares a name with one of our types
        proof = self._protection.prove(piece.record) if piece.seal is not None else Proof.NONE
        if not self._trusts(proof, sealed=piece.seal is not None):
            return Kind.ALTERED
        if piece.seal is not None:
            session = fields.get("session")
            if not self._belongs(session if isinstance(session, str) else "", begins=fields.get("prev") is None):
                return Kind.MISPLACED
            self._chain(piece, fields.get("prev"))
            self.report.last_seal, self.report.before_last = piece.seal, self.position
            if piece.seal in self._wanted:
                self.report.seals[piece.seal] = self.position
            self.report.proven += proof is Proof.RIGHT
        if event is None and not newer:
            return Kind.CORRUPT  # sealed and of our type, without what the type needs
        event_id = fields.get("id")
        if isinstance(event_id, str):
            self.last_id = event_id if len(event_id) <= LONGEST_ID else self.last_id
            self.foreign.clear()
            digest = _digest(event, fields)
            earlier = self._ids.get(event_id)
            if earlier is not None:
                return Kind.DUPLICATE if earlier == digest else Kind.CONFLICT
            self._ids[event_id] = digest
        self.position += 1
        if event is None:
            return Kind.NEWER
        self._weigh(event, piece, proof)
        found.append(Recorded(event, self.position, piece.offset))
        return Kind.EVENT

    def _trusts(self, proof: Proof, *, sealed: bool) -> bool:
        """Whether a record counts, in a log with keys. A key that isn't here may be a new one: it counts, and is told.

        Records without proof are older than the keys, if they stand before the first one that has a proof.
        """
        if self._protection.keys is None:
            return True
        if proof is Proof.NONE and not self._protection.accept_unsealed:
            return sealed and not self.report.proven
        return proof is not Proof.WRONG

    def _weigh(self, event: Event, piece: Piece, proof: Proof) -> None:
        """What the log's report says of an event that counts."""
        keyed = self._protection.keys is not None
        if piece.seal is None:
            self.report.unsealed += 1
        elif proof is Proof.UNKNOWN or (keyed and proof is Proof.NONE):
            self.report.unproven += 1
            if keyed:
                self._find("unproven", piece.offset, piece.length, "carries no proof of a key that is here; applied")
        if isinstance(event, LogRepaired) and piece.seal is not None and (not keyed or proof is Proof.RIGHT):
            self.report.repaired(event)

    def _belongs(self, session: str, *, begins: bool) -> bool:
        """Whether the session is this file's. Where no header can be read, the first sealed record names it too.

        Of a file that has a name, only one that begins a chain: a block that a power cut filled with what another
        session wrote there before is no witness.
        """
        first, self._sealed_before = not self._sealed_before, True
        usable = 0 < len(session) <= LONGEST_ID
        if first and usable and not self._header_read and (begins or self._nameless):
            self._names.add(session)
            self.report.session = self.report.session or session
        return session in self._names

    def _chain(self, piece: Piece, prev: object) -> None:
        whole = prev == self.report.last_seal
        self._settle(goes_on=whole)
        if not whole:
            self.report.gaps += 1
            self._find("gap", piece.offset, piece.length, "records are missing before this one, or were moved")

    def _wait(self, piece: Piece) -> None:
        if len(self._waiting) >= MOST_FINDINGS:  # nobody crashed that often: bounded memory comes first
            self._settle(goes_on=True)
        self._waiting.append((piece, self._line))

    def _settle(self, *, goes_on: bool) -> None:
        waiting, self._waiting = self._waiting, []
        for piece, line in waiting:
            self._count(Kind.TORN if goes_on else Kind.CORRUPT, piece, line)

    def _count(self, kind: Kind, piece: Piece, line: int | None = None) -> None:
        self.report.count(kind)
        if kind in _TOLD:
            told = _NO_PROOF if kind is Kind.ALTERED and piece.fields is not None else _TOLD[kind]
            self._find(kind.value, piece.offset, piece.length, told, line)

    def _find(self, what: str, offset: int, length: int, told: str, line: int | None = None) -> None:
        self.report.find(what, self._line if line is None else line, offset, length, told)


def _digest(event: Event | None, fields: dict[str, object]) -> int:
    """What two copies of one event have in common, wherever they stand."""
    if event is None:
        return hash(codec.content(fields))
    return hash(event) if not event.extra else hash((replace(event, extra=NOTHING), codec.content(event.extra)))


def _last_lines(block: bytes, begin: int, end: int, size: int) -> Iterator[tuple[int, int]]:
    """Offset and length of the last lines before ``end``, backwards; ``size``: the offset of the block."""
    for _ in range(_PARENTS):
        if begin == end:
            return
        start = block.rfind(b"\n", begin, end - 1) + 1 or begin
        yield size + start, end - start
        end = start
