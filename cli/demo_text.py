"""What the demo shows: the incident, a mark for each turn as it happens, the figures, and how to go on.

Law: 80 columns, 24 lines, and the same text on a terminal and in a pipe: nothing is ever drawn over. A terminal gets
each mark when it happens, a pipe each line when it is complete.
"""

import os
import shlex
import shutil
import statistics
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cli.demo_count import Count, count
from cli.demo_incident import ISSUE, Incident
from cli.demo_run import Answered, Killed, Progress, Run
from cli.render import console, labelled, line
from cli.safe_text import visible

if TYPE_CHECKING:
    from cli.render import Line

WIDTH: Final = 80
NAMES: Final = {"ram": "state in RAM only", "switchlog": "with switchlog"}
_MARGIN: Final = 19

# what a mark means: (mark, where the terminal's encoding has no such character, colour)
_MARKS: Final = {
    "answered": ("●", "o", "green"),
    "after a new failure": ("◐", "+", "yellow"),
    "after a known failure": ("▲", "!", "bold red"),
    "killed": ("✗", "x", "red"),
}


class Screen:
    """Prints the demo from top to bottom."""

    def __init__(self, turns: int, kills: int) -> None:
        self._out = console()
        self._live = sys.stdout.isatty()
        self._turns, self._kills = turns, kills
        self._gap = " " * (_MARGIN + 2 * (turns + kills) <= WIDTH)
        self._ascii = not _can_print("".join(mark for mark, _, _ in _MARKS.values()))

    def opening(self, story: Incident) -> None:
        """The issue's incident, what is played now, and the legend."""
        told = f"{ISSUE}, after a restart: "
        told += f"{len(story.put_back)} fallbacks in {story.span_ms} ms, {_many(story.requests, 'request')} sent"
        self._out.print(line((told, "bold")))
        width = max(len(one.model) for one in story.put_back)
        for one in story.put_back:
            at = f"{one.at:%H:%M:%S}.{one.at.microsecond // 1000:03d}Z"
            rest = f"{visible(one.model):<{width}}  put back to {visible(one.to)}"
            self._out.print(line((f"  {at}  ", "dim"), rest))
        self._out.print()
        told = f"A real gateway, kimi/kimi2.5 rate limited: {_many(self._turns, 'turn')}"
        self._out.print(line((f"{told}, {_many(self._kills, 'SIGKILL')} in mid-attempt", "bold")))
        self._out.print(line(("  " + "  ".join(f"{self._sign(name)} {name}" for name in _MARKS), "dim")))

    def row(self, run: Run, steps: Iterable[Progress]) -> None:
        """A mark for each step, then what it came to."""
        kept: list[tuple[str, str]] = []

        def add(*parts: tuple[str, str]) -> None:
            kept.extend(parts)
            if self._live:
                self._out.print(line(*parts), end="")

        add((f"{NAMES[run.files.memory]:<{_MARGIN - len(self._gap)}}", ""))
        try:
            for step in steps:
                add(*self._mark(step))
        finally:  # an error must not be told behind the marks
            self._out.print("" if self._live else line(*kept))
        total = count(run.files)
        lost = f"{_many(len(total.wasted), 'wasted attempt')} in {_many(run.restarts, 'restart')}: "
        if total.wasted:
            lost += f"users waited {total.wasted_ms / 1000:.2f} s for known failures"
        else:
            lost += "what one process learned, the next one knew" if run.restarts else "nothing to forget"
        self._out.print(line((f"  {lost}", "red" if total.wasted else "green")))

    def ending(self, runs: list[Run]) -> None:
        """The table, the result, and how to go on."""
        self._out.print()
        totals = [count(run.files) for run in runs]
        for text in _table(runs, totals):
            self._out.print(text)
        self._out.print()
        without, with_log = totals
        told = f"{_many(len(with_log.wasted), 'wasted attempt')} with switchlog, {len(without.wasted)} without"
        self._out.print(line((told + _each(without.after_restart), "bold")))
        transcript = shlex.quote(str(runs[-1].files.transcript))
        self._out.print(labelled("go on", f"{_ourselves()} show {transcript}"))
        self._out.print(labelled("", f"{_ourselves()} replay {transcript}"))
        self._out.print(labelled("counted", f"from {runs[-1].files.folder}/*.provider.ndjson"))

    def _mark(self, step: Progress) -> list[tuple[str, str]]:
        match step:
            case Killed():
                name = "killed"
            case Answered(wasted=wasted) if wasted:
                name = "after a known failure"
            case Answered(requests=requests):
                name = "answered" if requests == 1 else "after a new failure"
            case _:
                return []
        return [(self._gap + self._sign(name), _MARKS[name][2])]

    def _sign(self, name: str) -> str:
        return _MARKS[name][self._ascii]


def _table(runs: list[Run], totals: list[Count]) -> "list[Line]":
    """Requests by model, the time of a turn, wasted attempts."""
    models = [model for model in totals[0].by_model if any(total.by_model[model] for total in totals)]
    columns = [
        ("requests to", visible(model, 20), [str(total.by_model[model]) for total in totals]) for model in models
    ]
    columns.append(("median", "turn", [_seconds(run.turn_ms) for run in runs]))
    if any(run.restart_ms for run in runs):
        columns.append(("after a", "restart", [_seconds(run.restart_ms) for run in runs]))
    columns.append(("wasted", "attempts", [str(len(total.wasted)) for total in totals]))
    margin = ["", "", *(NAMES[run.files.memory] for run in runs)]
    shown = [f"{text:<{_MARGIN - 2}}" for text in margin]
    for upper, lower, cells in columns:
        width = max(map(len, (upper, lower, *cells))) + 2
        shown = [text + f"{cell:>{width}}" for text, cell in zip(shown, (upper, lower, *cells), strict=True)]
    return [line((text, "dim" if index < 2 else "")) for index, text in enumerate(shown)]


def _each(after_restart: list[int]) -> str:
    if after_restart and min(after_restart) > 0:
        return ": one or more after each restart"
    return f", after {_many(len(after_restart), 'restart')}"


def _seconds(times: list[int]) -> str:
    return f"{statistics.median(times) / 1000:.2f} s" if times else "-"


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _ourselves() -> str:
    """What to type for this command: its name, or its path where the shell would not find it (as after `make demo`)."""
    program = Path(sys.argv[0])
    if shutil.which("switchlog") or program.name != "switchlog":
        return "switchlog"
    return shlex.quote(os.path.relpath(program))


def _can_print(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
