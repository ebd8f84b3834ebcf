"""Long output, a screen at a time.

Law: only where stdout is a terminal and the output is longer than it; else, and where no pager can be started, the
lines go straight out. Whoever leaves the pager early has seen enough: that is no error. Never for JSON.
"""

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from cli.render import Line

DEFAULT: Final = ("less", "-FRX")

NoPager = Annotated[
    bool, typer.Option("--no-pager", help="Never through a pager ($PAGER, else less), however long it is.")
]


def show(lines: "Iterable[Line]", *, straight: bool = False) -> None:
    """Print the lines, as they come, through a pager where that helps."""
    from cli.render import console, printer

    rest = iter(lines)
    pager = None if straight or not sys.stdout.isatty() else command()
    if pager is None:
        straight_out = printer()
        for line in rest:
            straight_out(line)
        return
    out = console()
    first, more = _screenful(out, rest)
    if not more:
        for line in first:
            out.print(line)
        return
    sys.stdout.flush()
    try:
        process = subprocess.Popen(pager, stdin=subprocess.PIPE, env={"LESS": "FRX", "LV": "-c", **os.environ})  # noqa: S603
    except OSError:  # there a moment ago, or no program after all
        for line in chain(first, rest):
            out.print(line)
        return
    _feed(process, out, chain(first, rest))


def command() -> list[str] | None:
    """The pager to use: ``$PAGER``, else less; None where it is not installed, or ``cat``, or empty."""
    named = os.environ.get("PAGER")
    try:
        words = list(DEFAULT) if named is None else shlex.split(named)
    except ValueError:  # a quotation that never ends
        return None
    usable = words and words != ["cat"] and os.environ.get("TERM") != "dumb" and shutil.which(words[0])
    return words if usable else None


def _screenful(out: "Console", lines: "Iterator[Line]") -> "tuple[list[Line], bool]":
    """What fits on the screen with a line left for the prompt, and whether there is more."""
    width, height = out.size
    first: list[Line] = []
    rows = 0
    for line in lines:
        first.append(line)
        rows += max(1, -(-line.cell_len // max(width, 1)))
        if rows >= height:
            return first, True
    return first, False


def _feed(process: "subprocess.Popen[bytes]", out: "Console", lines: "Iterable[Line]") -> None:
    pipe = process.stdin
    assert pipe is not None  # noqa: S101  (asked for)
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        with contextlib.suppress(BrokenPipeError):
            for line in lines:
                with out.capture() as captured:
                    out.print(line)
                pipe.write(captured.get().encode(encoding, "backslashreplace"))
    finally:  # also after Ctrl-C: the terminal is the pager's until it ends
        with contextlib.suppress(BrokenPipeError):
            pipe.close()
        while process.poll() is None:
            with contextlib.suppress(KeyboardInterrupt):  # the pager's own affair: less goes back to its prompt
                process.wait()
