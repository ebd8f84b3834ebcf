"""What a host's transcript tells of its failovers, where it holds no event of ours.

Law: bytes in, events out, in bounded memory. Nothing is written, and nothing of this is kept: with the first event of
ours the inference is over, and what the host's own lines mean is the host's business again.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from eventlog import codec
from replay import Recorded

LONGEST: Final = 16 << 20
"""Bytes; a longer line (pictures, a whole book) is passed over. An answer of a model is far shorter."""


def inferred(blocks: Iterable[bytes], size: int) -> Iterator[Recorded]:
    """The events that the first ``size`` bytes of a host's transcript tell of, where their lines stand."""
    from replay.dialects.openclaw_transcript import Transcript  # whose tables a log of ours has no need of

    dialect, position = Transcript(), 0
    for offset, line in _lines(blocks, size):
        fields = codec.decode(line)
        for event in dialect.feed(fields) if fields is not None else ():
            position += 1
            yield Recorded(event, position, offset)


def _lines(blocks: Iterable[bytes], size: int) -> Iterator[tuple[int, bytes]]:
    """The lines with their offsets, the unfinished last one too; none that is too long."""
    offset, parts, length, left = 0, list[bytes](), 0, size
    for block in blocks:
        known = block[:left]  # the file may have grown since it was read for events of ours
        left -= len(known)
        *lines, rest = known.split(b"\n")
        for line in lines:
            length += len(line)
            if length <= LONGEST:
                yield offset, b"".join((*parts, line)) if parts else line
            offset += length + 1
            parts, length = [], 0
        length += len(rest)
        parts = [*parts, rest] if 0 < length <= LONGEST else []
        if not left:
            break
    if 0 < length <= LONGEST:
        yield offset, b"".join(parts)
