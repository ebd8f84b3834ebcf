"""The rows of a torture run as a table of at most 100 columns, and as figures.

Law: shows what was counted, and adds nothing. A row that was skipped says so; what faults there are come with how to
see them again.
"""

import re
from collections.abc import Iterable, Mapping
from itertools import islice, zip_longest
from typing import Final

from torture.rows import MOST_NOTES, Row

_COUNTS: Final = ("lost", "accepted", "silent", "raised", "foreign", "wrong")
_HEADS: Final = ("tried", "distinct", "lost", "alt", "silent", "exc", "foreign", "other", "MB", "s")
_WIDTHS: Final = (13, 10, 6, 6, 7, 5, 8, 7, 5, 7)
_NAMES: Final = 26
LEGEND: Final = (
    "lost: acknowledged events not found. alt: altered or strange records applied. silent: wrong, and\n"
    "not told. exc: exceptions. foreign: lines of the host's lost. other: any other broken law (a false\n"
    "alarm, a wrong state). s: seconds of work; what runs on several cores counts each."
)
SKIPPED: Final = "A skipped row shows nothing: what it would try was not tried on this machine."


def merged(rows: Iterable[Row]) -> list[Row]:
    """Rows of one section and name added up, in the order of their first coming."""
    found: dict[tuple[str, str], Row] = {}
    notes: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        key = (row.section, row.name)
        into = found.setdefault(key, Row(*key))
        notes[key] = [*notes.get(key, []), *row.notes]
        into.add(row)
    for key, row in found.items():
        row.notes[:] = _varied(notes[key])
    return list(found.values())


def _varied(notes: list[str]) -> list[str]:
    """A few of the notes, of as many sorts as there are: a rare fault must not hide behind a common one."""
    sorts: dict[str, list[str]] = {}
    for note in notes:
        told = re.sub(r"[\d'\[].*", "", note.rpartition("# ")[2])
        sorts.setdefault(told, []).append(note)
    rounds = (one for several in zip_longest(*sorts.values()) for one in several if one is not None)
    return list(islice(rounds, MOST_NOTES))


def table(rows: list[Row]) -> str:
    """The table, its total, what was skipped, and each fault with how to see it again."""
    lines = [_line("", _HEADS)]
    section = ""
    for row in rows:
        if row.section != section:
            section = row.section
            lines += ["", section]
        if row.skipped:
            lines.append(f"  {row.name:<{_NAMES - 2}.{_NAMES - 2}}  SKIPPED: {row.skipped}"[:100])
        else:
            name = f"  {row.name}"
            if len(name) > _NAMES:
                lines.append(name[:100])
            lines.append(_line("" if len(name) > _NAMES else name, _cells(row)))
    total = Row("", "total")
    for row in rows:
        total.add(row)
    total.skipped = ""
    tried = f"{total.tried:,}" if len({row.section for row in rows}) == 1 else "–"  # else states, bytes and kills mixed
    lines += ["", _line("total", (tried, *_cells(total)[1:])), "", LEGEND]
    if any(row.skipped for row in rows):
        lines += ["", SKIPPED]
    lines += ["", *(f"{row.section}, {row.name}: {note}" for row in rows if row.faults for note in row.notes)]
    return "\n".join(lines)


def figures(rows: list[Row], seed: int, scale: float, seconds: float) -> Mapping[str, object]:
    """What the documents quote."""
    return {
        "seed": seed,
        "scale": scale,
        "seconds": round(seconds, 1),
        "distinct": sum(len(row.images) for row in rows),
        "faults": sum(row.faults for row in rows),
        "rows": [
            {
                "section": row.section,
                "name": row.name,
                "tried": row.tried,
                "distinct": len(row.images),
                **{count: getattr(row, count) for count in _COUNTS},
                "peakMb": round(row.peak_mb, 1),
                "seconds": round(row.seconds, 1),
                "skipped": row.skipped or None,
                "notes": row.notes,
            }
            for row in rows
        ],
    }


def _cells(row: Row) -> tuple[str, ...]:
    counts = (f"{getattr(row, count):,}" for count in _COUNTS)
    distinct = f"{len(row.images):,}" if row.images else "–"
    peak = f"{row.peak_mb:.0f}" if row.peak_mb else "–"
    return (
        f"{row.tried:,}",
        distinct,
        *counts,
        peak,
        f"{row.seconds:,.0f}" if row.seconds >= 100 else f"{row.seconds:.1f}",
    )


def _line(name: str, cells: Iterable[str]) -> str:
    right = "".join(f" {cell:>{width - 1}}" for cell, width in zip(cells, _WIDTHS, strict=True))
    return f"{name:<{_NAMES}.{_NAMES}}{right}"
