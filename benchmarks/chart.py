"""The figures as a picture: how long each peer takes, where ours is one.

Law: drawn from the rows of one run and from nothing else; each work has its own scale, from zero.
"""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from benchmarks.harness import Row, number

WORKS: Final = ("fold out of 1 GB, host lines of 10", "fold out of 100 MB", "durable append through")
"""The works that are drawn, by how they begin."""

_WIDTH: Final = 820
_LEFT: Final = 300
"""Where the bars begin."""
_LINE: Final = 26
_ROOM: Final = 40
_OURS: Final = "#2563eb"
_PEER: Final = "#94a3b8"


def chart(rows: Sequence[Row]) -> str:
    """An SVG with a group of bars for each of the :data:`WORKS`."""
    drawn, y = list[str](), 30
    for begin in WORKS:
        peers = {row.against: row.peer for row in rows if row.work.startswith(begin) and row.peer is not None}
        if peers:
            work = next(row.work for row in rows if row.work.startswith(begin))
            drawn += _group(work, peers, y)
            y += _ROOM + _LINE * (len(peers) + 1)
    return "\n".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{y}" viewBox="0 0 {_WIDTH} {y}" '
                'font-family="ui-sans-serif, system-ui, sans-serif" font-size="14">'
            ),
            "<title>How long the peers take, where switchlog takes one</title>",
            f'<rect width="{_WIDTH}" height="{y}" rx="8" fill="#ffffff" stroke="#e2e8f0"/>',
            *drawn,
            "</svg>\n",
        ]
    )


def _group(work: str, peers: dict[str, float], y: int) -> Iterator[str]:
    """The bars of one work, the quickest first."""
    yield _text(20, y, f"{work.replace('`', '')}: time, switchlog = 1", weight="600")
    bars = sorted([("switchlog", 1.0), *peers.items()], key=lambda bar: bar[1])
    longest = bars[-1][1]
    for place, (name, length) in enumerate(bars):
        at = y + 10 + place * _LINE
        wide = max(2, round((_WIDTH - _LEFT - 80) * length / longest))
        ours = name == "switchlog"
        yield _text(_LEFT - 10, at + 15, name.replace("`", "")[:38], anchor="end", weight="600" if ours else "400")
        yield f'<rect x="{_LEFT}" y="{at}" width="{wide}" height="18" rx="3" fill="{_OURS if ours else _PEER}"/>'
        yield _text(_LEFT + wide + 8, at + 15, "1" if ours else f"{number(length)} ×")


def _text(x: int, y: int, text: str, *, anchor: str = "start", weight: str = "400") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-weight="{weight}" fill="#0f172a">{escape(text)}</text>'
