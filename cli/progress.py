"""How far long work has come.

Law: on stderr, only where a person watches and stdout does not scroll under it, and gone when the work is done.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

EVERY: Final = 0.2
"""Seconds between two looks."""

T = TypeVar("T")


def progress(items: Sequence[T], what: str) -> Iterator[T]:
    """The items, with a line that counts them: ``switchlog: 1,200 of 100,000 logs …``."""
    if not sys.stderr.isatty():
        yield from items
        return
    shown, width = time.monotonic(), 0
    try:
        for number, item in enumerate(items, 1):
            if (now := time.monotonic()) >= shown + EVERY:
                shown = now
                text = f"switchlog: {number:,} of {len(items):,} {what} …"
                width = max(width, len(text))
                print(f"\r{text:<{width}}", end="", file=sys.stderr, flush=True)
            yield item
    finally:
        if width:
            print("\r" + " " * width, end="\r", file=sys.stderr, flush=True)
