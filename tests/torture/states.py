"""What a power cut may leave of a file, one function for each kind of state.

Law: bytes of a file as memory and platter hold it, and a source of chance; None where this moment can't have such a
state. What was synced is in each of them.
"""

from collections.abc import Callable
from random import Random

from disk import Held

Chooser = Callable[[Random, Held, int, bytes], bytes | None]
"""(chance, the file, the size of a block, what its blocks may have belonged to before) → the bytes after the crash."""


def prefix(chance: Random, held: Held, block: int, stale: bytes) -> bytes | None:
    """The last writes are gone, some or all of those since the last sync, or none."""
    return held.surviving(block, chance.choice((len(held.platter), *held.ends)), {})


def torn(chance: Random, held: Held, block: int, stale: bytes) -> bytes | None:
    """The file ends in the middle of a write."""
    first, last = len(held.platter) + 1, len(held.cache)
    if not held.dirty or first >= last:
        return None
    near = (*held.ends, len(held.platter) + 1)
    size = chance.randrange(first, last) if chance.random() < 0.8 else chance.choice(near) - chance.randrange(1, 46)
    return None if size in held.ends or size < first else held.surviving(block, size, {})


def zero_tail(chance: Random, held: Held, block: int, stale: bytes) -> bytes | None:
    """The size has grown, the data behind some point has not come."""
    start, size = len(held.platter), _size(chance, held, block)
    if not held.dirty or size <= start:
        return None
    at = start if chance.random() < 0.1 else chance.randrange(start, size)
    written = max(start, at // block * block) if chance.random() < 0.5 else at
    return held.surviving(block, size, dict.fromkeys(held.dirty, written))


def zeros_inside(chance: Random, held: Held, block: int, stale: bytes) -> bytes | None:
    """Some blocks never came, and one behind them did."""
    return _holes(chance, held, block, b"")


def hole_then_valid(chance: Random, held: Held, block: int, stale: bytes) -> bytes | None:
    """Blocks of an earlier write never came, and a whole later write stands behind the hole."""
    if len(held.ends) < 2:
        return None
    behind = chance.choice(held.ends[:-1])
    before = [number for number in sorted(held.dirty) if (number + 1) * block <= behind]
    if not before:
        return None
    missing = [number for number in before if chance.random() < 0.5] or [chance.choice(before)]
    return held.surviving(block, len(held.cache), dict.fromkeys(missing, 0))


def stale_records(chance: Random, held: Held, block: int, stale: bytes) -> bytes | None:
    """Blocks that never came still hold what they held before: lines of another session, whole and sealed."""
    fresh = [number for number in sorted(held.dirty) if number * block >= len(held.platter)]
    if not fresh:
        return None
    size = _size(chance, held, block)
    missing = [number for number in fresh if chance.random() < 0.5] or [chance.choice(fresh)]
    if min(missing) * block >= size:
        return None
    starts = [at + 1 for at, byte in enumerate(stale) if byte == 0x0A][:-1] or [0]
    filled = bytearray(len(held.cache) + block)
    for number in missing:
        at = chance.choice(starts) if chance.random() < 0.7 else chance.randrange(len(stale))
        part = stale[at : at + block]
        filled[number * block : number * block + len(part)] = part
    return held.surviving(block, size, dict.fromkeys(missing, 0), bytes(filled))


def anything(chance: Random, held: Held, block: int, stale: bytes) -> bytes | None:
    """Each block in any of its versions, and any length."""
    if not held.dirty:
        return held.surviving(block, chance.choice((len(held.platter), len(held.cache))), {})
    kind = chance.choice((prefix, torn, zero_tail, zeros_inside, hole_then_valid, None))
    if kind is not None:
        return kind(chance, held, block, stale)
    reached = {}
    for number in sorted(held.dirty):
        at = chance.random()
        reached[number] = 0 if at < 0.3 else number * block + chance.randrange(block) if at < 0.5 else len(held.cache)
    return held.surviving(block, _size(chance, held, block), reached)


def _holes(chance: Random, held: Held, block: int, stale: bytes) -> bytes | None:
    dirty = sorted(held.dirty)
    if len(dirty) < 2:
        return None
    last = chance.randrange(1, len(dirty))
    missing = [number for number in dirty[:last] if chance.random() < 0.5] or [chance.choice(dirty[:last])]
    size = max(_size(chance, held, block), min(dirty[last] * block + 1, len(held.cache)))
    return held.surviving(block, size, dict.fromkeys(missing, 0), stale)


def _size(chance: Random, held: Held, block: int) -> int:
    """A length that the file may have: that of some write, of a whole number of blocks, or any other."""
    least, most = len(held.platter), len(held.cache)
    at = chance.random()
    if at < 0.5 and held.ends:
        return max(least, chance.choice(held.ends))
    if at < 0.75:
        return max(least, min(most, chance.randint(least // block, most // block + 1) * block))
    return chance.randint(least, most)
