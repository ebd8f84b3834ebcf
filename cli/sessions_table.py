"""Sessions in rows: what fits the screen, the most telling columns first.

Law: rows in, lines out, none wider than it may be; a narrow screen loses columns and the ends of names, a wide one
gains what JSON tells anyway. All text of a log goes through ``visible``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cli.render import Line
    from eventlog.row import Standing

_GAP: Final = 2
_HOUR: Final = 3_600
_LONGEST_NAME: Final = 200
_COLOURS: Final = {
    "ok": "green",
    "cooling": "yellow",
    "stuck": "magenta",
    "damaged": "bold red",
    "unreadable": "bold red",
}

Cell = Callable[["Standing", datetime], str]


@dataclass(frozen=True, slots=True)
class Column:
    """``from_``: the width of a screen that has room for it. ``most``: it grows so far, if there is room left."""

    title: str
    width: int
    cell: Cell
    from_: int = 0
    most: int = 0


def header(columns: Sequence[tuple[Column, int]]) -> "Line":
    """The titles."""
    from cli.render import line

    titles = (fitted(column.title, width) for column, width in columns)
    return line(((" " * _GAP).join(titles).rstrip(), "dim"))


def row(one: "Standing", columns: Sequence[tuple[Column, int]], now: datetime) -> "Line":
    """A session's line."""
    from cli.render import line

    parts: list[tuple[str, str] | str] = []
    for number, (column, width) in enumerate(columns):
        text = fitted(column.cell(one, now), width)
        style = _COLOURS[one.health(now)] if column.title == "HEALTH" else "bold" if column.title == "SESSION" else ""
        last = number == len(columns) - 1
        parts.append((text.rstrip() if last else text + " " * _GAP, style))
    return line(*parts)


def fitting(rows: Sequence["Standing"], now: datetime, width: int) -> list[tuple[Column, int]]:
    """The columns that a screen of this width has room for, and how wide each is. ``rows``: those that are shown."""
    chosen = [column for column in COLUMNS if column.from_ <= width]
    if not any(one.listed.agent for one in rows):
        chosen = [column for column in chosen if column.title != "AGENT"]
    if not any(one.pinned for one in rows):
        chosen = [column for column in chosen if column.title != "PINNED"]
    widths = [column.width for column in chosen]
    left = width - sum(widths) - _GAP * (len(widths) - 1)
    wished = [max([_long(column.cell(one, now)) for one in rows] or [0]) if column.most else 0 for column in chosen]
    growing = True
    while left > 0 and growing:
        growing = False
        for place, column in enumerate(chosen):
            if left > 0 and widths[place] < min(column.most, wished[place]):
                widths[place] += 1
                left -= 1
                growing = True
    return list(zip(chosen, widths, strict=True))


def short(length: timedelta) -> str:
    """A span of time in its largest unit; what is still to come is now."""
    seconds = max(0, round(length.total_seconds()))
    for unit, size in (("d", 24 * _HOUR), ("h", _HOUR), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def countdown(until: datetime, now: datetime) -> str:
    """What is left of a wait: minutes and seconds, or hours."""
    seconds = max(0, round((until - now).total_seconds()))
    return f"{seconds // 60}:{seconds % 60:02d}" if seconds < _HOUR else short(until - now)


def name_of(one: "Standing") -> str:
    """What a person calls it: the host's key, else its id."""
    return one.listed.key or one.session or "(unnamed)"


def _session(one: "Standing", _: datetime) -> str:
    return _shown(name_of(one))


def _model(one: "Standing", _: datetime) -> str:
    return _shown(one.current or "-")


def _since(one: "Standing", now: datetime) -> str:
    return "-" if one.since is None or one.current is None else short(now - one.since)


def _cooling(one: "Standing", now: datetime) -> str:
    """How many of the tried ones cool, and the time until the first of them is free."""
    cooling = one.cooling(now)
    if not cooling or cooling[0].until is None:
        return "-" if not one.tried_count else f"0 of {one.tried_count}"
    return f"{len(cooling)} · {countdown(cooling[0].until, now)}"


def _last(one: "Standing", now: datetime) -> str:
    return short(now - one.moved) if one.error is None else "-"


def _health(one: "Standing", now: datetime) -> str:
    return one.health(now)


def _failed(one: "Standing", _: datetime) -> str:
    return f"{one.failures:,}"


def _agent(one: "Standing", _: datetime) -> str:
    return _shown(one.listed.agent or "-")


def _pinned(one: "Standing", _: datetime) -> str:
    return _shown(one.pinned or "-")


def _tried(one: "Standing", now: datetime) -> str:
    """The tried models, with what is known of each."""
    if one.error is not None:
        return _shown(one.error)
    cooling = {tried.model for tried in one.cooling(now)}
    told = [
        f"{_shown(tried.model)} {_shown(tried.reason)} ×{tried.failures}{'' if tried.model in cooling else ' (free)'}"
        for tried in one.tried[:3]
    ]
    more = one.tried_count - len(told)
    return ", ".join(told) + (f", {more} more" if more > 0 else "") or "-"


COLUMNS: Final = (
    Column("SESSION", 12, _session, most=44),
    Column("MODEL", 14, _model, most=40),
    Column("SINCE", 6, _since, from_=70),
    Column("COOLING", 10, _cooling),
    Column("LAST", 6, _last),
    Column("HEALTH", 10, _health),
    Column("FAILED", 6, _failed, from_=96),
    Column("AGENT", 6, _agent, from_=108, most=16),
    Column("PINNED", 14, _pinned, from_=130, most=40),
    Column("TRIED", 20, _tried, from_=150, most=200),
)


def _shown(text: str) -> str:
    from cli.safe_text import visible

    return visible(text, _LONGEST_NAME)


def _long(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)


def fitted(text: str, width: int) -> str:
    """Exactly so wide, whatever script it is in."""
    from rich.cells import set_cell_size

    return set_cell_size(text, width) if _long(text) <= width else set_cell_size(text, width - 1) + "…"
