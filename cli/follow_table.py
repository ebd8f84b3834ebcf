"""The live table of `switchlog follow FOLDER`.

Law: drawn again when something has changed and once a second, for what cools counts down; never higher or wider than
the terminal. The latest event is at the top.
"""

import heapq
import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from cli.follow_many import Many
    from eventlog.follow_many import FollowingMany
    from eventlog.row import Standing

_FRAME: Final = 3
"""Lines that are no session: the titles, the sum, and the cursor's."""

_SUMMED: Final = 3.0
"""Seconds for which a sum counts, if nothing changes."""


def show(following: "FollowingMany", many: "Many") -> None:
    """Until ``following.stop`` is set; or once."""
    from rich.live import Live

    from cli.render import console

    out, table = console(), Table(following)
    if many.once or not out.is_terminal or out.is_dumb_terminal:
        out.print(table.drawn(out, rows=len(following.rows)))
        return
    with Live(console=out, auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as live:
        while not following.stop.is_set():
            table.changed = bool(following.look()) or table.changed
            live.update(table.drawn(out, rows=max(1, out.height - _FRAME)), refresh=True)
            following.wait(1.0)


class Table:
    """The rows that are shown, chosen anew only where something has changed."""

    def __init__(self, following: "FollowingMany") -> None:
        self.changed = True
        self._following = following
        self._top: list[Standing] = []
        self._rows = 0
        self._summed = ""
        self._sum_until = 0.0

    def drawn(self, out: "Console", rows: int) -> "RenderableType":
        """The table as it looks now."""
        from rich.console import Group

        from cli.render import line
        from cli.sessions_table import fitting, header, row

        now = datetime.now(UTC)
        summed = self._sum(now)
        if self.changed or rows != self._rows:
            wanted = [one for one in self._following.rows.values() if one.wanted]
            self._top = heapq.nlargest(rows, wanted, key=lambda one: (one.moved, one.session))
            self._rows, self.changed = rows, False
        columns = fitting(self._top, now, out.width)
        lines = [header(columns), *(row(one, columns, now) for one in self._top)]
        return Group(*lines, line((summed[: out.width - 1], "dim")))

    def _sum(self, now: datetime) -> str:
        """How all of them are; of ten thousand not every second, for what has cooled down can wait a moment."""
        from cli.sessions import summary

        if self.changed or time.monotonic() >= self._sum_until:
            self._summed = summary(Counter(one.health(now) for one in self._following.rows.values()))
            self._sum_until = time.monotonic() + _SUMMED
        return self._summed
