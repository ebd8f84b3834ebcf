"""The deep look: every line parsed, where reading only looks at a line's two ends.

Law: reads, changes nothing; bounded memory. Finds what the fast scan can't by its design (a sealed record of ours in
the middle of a line whose both ends are somebody else's) and what it need not care about: lines of the host that are no
JSON, and records whose ``parentId`` names no entry before them, where the host's conversation tree is cut.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Final

from eventlog import codec, seal
from eventlog.lines import Kind, Piece
from eventlog.report import Finding
from eventlog.scan import pieces
from eventlog.split import Splitter, Stretch, Text

ENTRIES: Final = 100_000
"""So many of the latest entries' ids are kept to look a parent up in. Where one was let go, or stood in a line that is
too long to be kept, no parent is judged any more."""

_HEAD: Final = b'{"type":"'


def deep(blocks: Iterable[bytes]) -> Iterator[Finding]:
    """What a slow look at each line of a transcript finds."""
    look = _Look()
    splitter = Splitter()
    for block in blocks:
        for found in splitter.feed(block):
            for text in found.texts() if isinstance(found, Stretch) else (found,):
                yield from look.at(text)
    rest = splitter.rest()
    if rest is not None:
        yield from look.at(rest)


class _Look:
    def __init__(self) -> None:
        self._line = 1
        self._entries: OrderedDict[str, None] = OrderedDict()
        self._dropped = False

    def at(self, text: Text) -> Iterator[Finding]:
        if text.zeros or text.length > len(text.data):  # nothing to parse, or longer than any line that is kept
            self._dropped = self._dropped or not text.zeros
            self._line += text.ended
            return
        for piece in pieces(text):
            start = piece.offset - text.offset
            yield from self._piece(piece, text.data[start : start + piece.length].rstrip(b"\n"))
        self._line += text.ended

    def _piece(self, piece: Piece, line: bytes) -> Iterator[Finding]:
        fields = piece.fields
        if piece.kind is Kind.FOREIGN:
            fields = codec.decode(line)
            yield from self._hidden(piece.offset, line)
            if fields is None:
                yield self._find(
                    "host line", piece.offset, piece.length, "no JSON object: its host can't read it either"
                )
        if fields is None:
            return
        parent, entry = fields.get("parentId"), fields.get("id")
        if piece.seal is not None and isinstance(parent, str) and not self._dropped and parent not in self._entries:
            told = "its parentId names no entry before it: the host's conversation tree is cut here"
            yield self._find("parent", piece.offset, piece.length, told)
        if isinstance(entry, str) and fields.get("type") != "session":
            self._entries[entry] = None
            if len(self._entries) > ENTRIES:
                self._entries.popitem(last=False)
                self._dropped = True

    def _hidden(self, offset: int, line: bytes) -> Iterator[Finding]:
        """Whole records of ours within somebody else's line."""
        for ending in seal.ENDINGS.finditer(line):
            end = ending.end()
            start = line.rfind(_HEAD, max(0, end - codec.LONGEST), ending.start())
            if start >= 0 and seal.seal_of(line[start:end]) is not None:
                told = "a sealed record stands in the middle of another line; it does not count"
                yield self._find("hidden", offset + start, end - start, told)

    def _find(self, what: str, offset: int, length: int, told: str) -> Finding:
        return Finding(what, self._line, offset, length, told)
