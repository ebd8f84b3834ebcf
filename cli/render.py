"""What people look at: times, spans, lines of text with a little colour.

Law: all text that comes from a log goes through ``visible``; colour only where a terminal shows it, and never as the
only sign of anything. Fits 80 columns; reads the same when piped.
"""

import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from cli.safe_text import visible
from replay import AttemptFailed, AttemptSucceeded, Event, FailureCleared, LogRepaired, ModelSwitch

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

LABEL: Final = 9
_CAUSES: Final = {
    "initial": "start",
    "keep": "kept",
    "fallback": "fallback",
    "probe": "probe",
    "pin": "to the pin",
    "config": "by config",
    "user": "by a user",
    "unpin": "unpinned",
    "reverted": "reverted",
}


class Line:
    """A line of pieces, each plain or with a style; already safe text.

    rich has to know it only where it is shown in colour: that takes as long to import as all that it is to show.
    """

    __slots__ = ("_parts",)

    def __init__(self, *parts: tuple[str, str] | str) -> None:
        self._parts = parts

    def __add__(self, other: "Line") -> "Line":
        return Line(*self._parts, *other._parts)

    @property
    def plain(self) -> str:
        """The words alone."""
        return "".join(part if isinstance(part, str) else part[0] for part in self._parts)

    @property
    def cell_len(self) -> int:
        """How many columns it takes."""
        from rich.cells import cell_len

        return cell_len(self.plain)

    def styled(self) -> "Text":
        """The line as rich has it."""
        from rich.text import Text

        return Text.assemble(*self._parts)

    __rich__ = styled


def printer() -> Callable[[Line], None]:
    """What prints lines, one at a time: with rich if they may be in colour, as it is on a terminal."""
    asked = os.environ.keys() & {"FORCE_COLOR", "TTY_COMPATIBLE"}  # where rich looks too
    return console().print if asked or sys.stdout.isatty() else _print


def _print(one: Line) -> None:
    """As rich does it in a pipe: nobody waits for a line until there are more."""
    sys.stdout.write(f"{one.plain}\n")
    sys.stdout.flush()


def console() -> "Console":
    """Where more than lines is drawn; plain where no terminal listens."""
    from rich.console import Console

    class Pipe(Console):
        """rich ends a broken pipe with exit code 1; here it is no error (see output)."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    return Pipe(highlight=False, markup=False, emoji=False, soft_wrap=True)


line = Line
"""As it reads where one is made: ``line("in words, ", ("in colour", "green"))``."""


def labelled(label: str, *parts: tuple[str, str] | str) -> Line:
    """A line under its label in the left margin."""
    return Line((f"{label:<{LABEL}}", "dim"), *parts)


def clock(time: datetime | None, now: datetime, *, utc: bool, precise: bool = False) -> str:
    """A time as people read it: the date only where it isn't today's."""
    if time is None:
        return "an unknown time"
    zone = UTC if utc else None
    local, today = local_time(time, zone), local_time(now, zone)
    text = local.strftime("%H:%M:%S") + (f".{local.microsecond // 1000:03d}" if precise else "")
    text = text if local.date() == today.date() else f"{local:%Y-%m-%d} {text}"
    return text + (" UTC" if utc else "")


def local_time(time: datetime, zone: object) -> datetime:
    """The time in UTC if a ``zone`` is given, else where this computer stands."""
    try:
        return time.astimezone(UTC if zone is not None else None)
    except (OverflowError, ValueError):  # the first or last day that a datetime can hold
        return time


def span(length: timedelta) -> str:
    """A span of time in its two largest units."""
    seconds = round(length.total_seconds())
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    parts: list[str] = []
    for unit, size in units:
        if seconds >= size or (unit == "s" and not parts):
            parts.append(f"{seconds // size} {unit}")
            seconds %= size
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts)


def ago(time: datetime | None, now: datetime) -> str:
    """How long ago, or how soon."""
    if time is None:
        return "its stamp can't be read"
    return f"{span(now - time)} ago" if time <= now else f"in {span(time - now)}"


def told(event: Event) -> tuple[str, str, str]:
    """An event in words: what happened, the colour for it, and to which models."""
    match event:
        case AttemptFailed():
            reason = visible(event.reason, 40) + (f" ({event.status})" if event.status is not None else "")
            return "failed", "red" if event.reason != "redirected" else "dim", f"{visible(event.model)}: {reason}"
        case AttemptSucceeded():
            return "answered", "green", visible(event.model)
        case ModelSwitch():
            cause = _CAUSES.get(event.cause or "", visible(event.cause or "switch", 20))
            came = f"{visible(event.from_)} → " if event.from_ is not None and event.from_ != event.to else ""
            return cause, "yellow" if event.cause in ("fallback", "reverted") else "cyan", came + visible(event.to)
        case FailureCleared():
            by = f" by {visible(event.by, 60)}" if event.by else ""
            note = f": {visible(event.note, 120)}" if event.note else ""
            return "cleared", "cyan", visible(event.model or f"all of {event.provider}") + by + note
        case LogRepaired():
            by = f" by {visible(event.by, 60)}" if event.by else ""
            kept = f"; the file before is {visible(event.copy)}" if event.copy else ""
            note = f": {visible(event.note, 120)}" if event.note else ""
            return "repaired", "magenta", f"the log{by}{note}{kept}"


def many(count: int, what: str) -> str:
    """``3 sessions``; of ``event of unknown session`` the first word has the plural."""
    noun, space, rest = what.partition(" of ")
    return f"{count:,} {noun}{'s' * (count != 1)}{space}{rest}"


_PIECES: Final = {
    "event": ("event", "events"),
    "foreign": ("other line", "other lines"),
    "newer": ("newer record", "newer records"),
    "blank": ("blank line", "blank lines"),
    "torn": ("torn line", "torn lines"),
    "unterminated": ("unterminated line", "unterminated lines"),
    "zeros": ("run of NULs", "runs of NULs"),
    "corrupt": ("corrupt line", "corrupt lines"),
    "altered": ("altered line", "altered lines"),
    "misplaced": ("misplaced record", "misplaced records"),
    "duplicate": ("duplicate", "duplicates"),
    "conflict": ("conflict", "conflicts"),
}


def counted(pieces: Mapping[str, int]) -> str:
    """The pieces of a log in words, without the classes that it doesn't have."""
    return ", ".join(f"{count:,} {_PIECES[kind][count != 1]}" for kind, count in pieces.items() if count)
