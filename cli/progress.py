"""How far long work has come.

Law: on stderr, only where a person watches and stdout does not scroll under it, and gone when the work is done.
"""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar

EVERY: Final = 0.2
"""Seconds between two looks."""

T = TypeVar("T")


def progress(items: Sequence[T], what: str) -> Iterator[T]:
    """The items, with a line that counts them: ``switchlog: 1,200 of 100,000 logs …``."""
    with _line() as show:
        for number, item in enumerate(items, 1):
            if show is not None:
                show(f"{number:,} of {len(items):,} {what} …")
            yield item


@contextmanager
def reading() -> Iterator[Callable[[int], None] | None]:
    """To be told the bytes that were read so far: ``switchlog: 128 MiB read …``; None where nobody watches."""
    with _line() as show:
        yield None if show is None else lambda size: show(f"{size >> 20:,} MiB read …")


@contextmanager
def _line() -> Iterator[Callable[[str], None] | None]:
    """A line that is written over again and again, and gone in the end; the first one after a moment."""
    if not sys.stderr.isatty():
        yield None
        return
    shown, width = time.monotonic(), 0

    def show(text: str) -> None:
        nonlocal shown, width
        if (now := time.monotonic()) >= shown + EVERY:
            shown, text = now, f"switchlog: {text}"
            width = max(width, len(text))
            print(f"\r{text:<{width}}", end="", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        if width:
            print("\r" + " " * width, end="\r", file=sys.stderr, flush=True)
