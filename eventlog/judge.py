"""What a whole record of ours is worth: whether it counts, which event it tells, and whether one is missing before it.

Law: no bytes are looked for here; it is shown one record after the other, in the file's order, and remembers what the
chain needs: the names of the session, the ids, the last seal.

A record counts if its seal is right and it belongs to this session. Where a record's ``prev`` is not the seal before
it, something is missing: a gap.
"""

import copy
from collections import ChainMap
from collections.abc import Collection, MutableMapping, Sequence

from msgspec.structs import replace

from eventlog import codec
from eventlog.codec import Record
from eventlog.keys import Proof
from eventlog.lines import Kind, Piece
from eventlog.protection import Protection
from eventlog.split import Text
from eventlog.tally import Tally
from eventlog.usual import LONGEST_ID, Usual, usual
from replay import Event, LogRepaired, Recorded, event_from_fields
from replay.events import EVENT_TYPES, NOTHING


class Judge:
    """Judges the records of one session's log.

    ``name``, ``position``, ``protection`` and ``wanted`` are the reader's; what is odd about a record goes to
    ``tally``.
    """

    def __init__(
        self, tally: Tally, name: str | None, position: int, protection: Protection, wanted: Collection[str]
    ) -> None:
        self.report = tally.report
        self.position = position
        """That of the last event."""
        self.ids: MutableMapping[str | None, int] = {}
        """Of each event, by its id, what two copies of it have in common."""
        self.keyed = protection.keys is not None
        self._tally = tally
        self._names = {name} if name is not None else set()
        self._nameless = name is None
        self._header_read = False
        self._sealed_before = False
        self._protection = protection
        self._wanted = frozenset(wanted)

    def ahead(self, tally: Tally) -> "Judge":
        """This judge to go on with, while it stays as it is."""
        clone = copy.copy(self)
        clone.report, clone._tally = tally.report, tally
        clone.ids = ChainMap({}, self.ids)
        clone._names = set(self._names)
        return clone

    def header(self, text: Text) -> None:
        """The file's first line: it names the session."""
        fields = codec.decode(text.data) if text.length == len(text.data) else None
        session = fields.get("id") if fields is not None and fields.get("type") == "session" else None
        if isinstance(session, str) and 0 < len(session) <= LONGEST_ID:
            self._header_read = True
            self._names.add(session)
            named = self.report.session
            self.report.session = session
            if named is not None and named != session:
                self._tally.find("session", text, f"the header says {session}, the file's name {named}")
        elif fields is None or fields.get("type") != "session":
            self._tally.find("header", text, "the first line is no session header")
        else:
            told = "no id" if not session else f"an id of more than {LONGEST_ID} characters"
            self._tally.find("header", text, f"the session header has {told}")

    def usual(self, lines: Sequence[bytes]) -> Usual | None:
        """The records that these lines are, if :meth:`record` would let each of them count and tell nothing of it;
        else None, and nothing has happened. No keys are asked."""
        found = usual(lines, self.report.last_seal, self._names)
        return found if found is not None and self._take(found) else None

    def written(self, records: Sequence[Record]) -> Usual | None:
        """The same of records that this process has just sealed and chained itself, as this file's session.

        What a repair tells is the log's business: it is no usual one.
        """
        events, ids = list[Event](), list[str]()
        for one in records:
            if one.event is None or isinstance(one.event, LogRepaired) or not isinstance(one.id, str):
                return None
            events.append(replace(one.event, session=one.session))
            ids.append(one.id)
        found = Usual(events, ids, [one.seal for one in records])
        return found if self._take(found) else None

    def _take(self, records: Usual) -> bool:
        """Let them count, if their ids are new and nobody has asked for their places."""
        if not self._wanted.isdisjoint(records.seals) or not self._are_new(records):
            return False
        self._tally.settle(goes_on=True)
        self.position += len(records.ids)
        self._sealed_before = True
        self.report.last_seal, self.report.before_last = records.seals[-1], self.position - 1
        return True

    def _are_new(self, records: Usual) -> bool:
        """Whether no event of theirs was there before; then they are known from now on."""
        fresh = dict(zip(records.ids, map(hash, records.events), strict=True))
        if len(fresh) < len(records.ids) or not self.ids.keys().isdisjoint(fresh):
            return False
        self.ids.update(fresh)
        return True

    def record(self, piece: Piece, found: list[Recorded]) -> Kind:
        """A whole record or bare event, where it stands: what it is. An event that counts is added to ``found``."""
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
            digest = _digest(event, fields)
            earlier = self.ids.get(event_id)
            if earlier is not None:
                return Kind.DUPLICATE if earlier == digest else Kind.CONFLICT
            self.ids[event_id] = digest
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
        if not self.keyed:
            return True
        if proof is Proof.NONE and not self._protection.accept_unsealed:
            return sealed and not self.report.proven
        return proof is not Proof.WRONG

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
        """Where the record follows on the one before it, nothing that stands between them was a record."""
        whole = prev == self.report.last_seal
        self._tally.settle(goes_on=whole)
        if not whole:
            self.report.gaps += 1
            self._tally.find("gap", piece, "records are missing before this one, or were moved")

    def _weigh(self, event: Event, piece: Piece, proof: Proof) -> None:
        """What the log's report says of an event that counts."""
        if piece.seal is None:
            self.report.unsealed += 1
        elif proof is Proof.UNKNOWN or (self.keyed and proof is Proof.NONE):
            self.report.unproven += 1
            if self.keyed:
                self._tally.find("unproven", piece, "carries no proof of a key that is here; applied")
        if isinstance(event, LogRepaired) and piece.seal is not None and (not self.keyed or proof is Proof.RIGHT):
            self.report.repaired(event)


def _digest(event: Event | None, fields: dict[str, object]) -> int:
    """What two copies of one event have in common, wherever they stand."""
    if event is None:
        return hash(codec.content(fields))
    return hash(event) if not event.extra else hash((replace(event, extra=NOTHING), codec.content(event.extra)))
