"""One session as it goes on: lines for a person, objects for a program.

Law: each event is on its way when ``step`` returns. On a terminal the last line tells where the session stands now, and
counts down what cools; it is gone when the following ends.
"""

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live

    from cli.render import Line
    from eventlog import Config
    from eventlog.follow import Step
    from replay import ModelState

_ECHO: Final = 4
"""Columns left free behind the line at the bottom: a terminal writes ``^C`` there, and must not begin another line."""


class Objects:
    """NDJSON: the objects of `replay --json`."""

    def __init__(self, used: "Config") -> None:
        self._policy = used.policy
        self._trouble: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def step(self, one: "Step") -> None:
        """An event, flushed."""
        from cli.output import write_json
        from cli.replay import fields

        write_json(fields(one.recorded, one.after, self._policy))
        sys.stdout.flush()

    def restart(self, why: str) -> None:
        """From here on positions and states begin anew."""
        from cli.output import write_json

        write_json({"restarted": True, "why": why})
        sys.stdout.flush()

    def idle(self, _: "ModelState", trouble: str | None) -> None:
        """Trouble is told once, and its end."""
        from cli.output import tell

        if trouble != self._trouble:
            self._trouble = trouble
            tell(f"{trouble}; trying again" if trouble else "it can be read again")


class Lines:
    """The lines of `replay`, and on a terminal one more that stays at the bottom."""

    def __init__(self, used: "Config", *, utc: bool, live: bool) -> None:
        from cli.render import console

        self._policy = used.policy
        self._utc = utc
        self._out = console()
        self._day = ""
        self._trouble: str | None = None
        self._live = _status_line(self._out) if live else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def step(self, one: "Step") -> None:
        """An event, and what it changed."""
        from cli.render import line
        from cli.replay import event_line, stamped, what_changed

        _, date = stamped(one.recorded.event.timestamp, utc=self._utc)
        if date and date != self._day:
            self._day = date
            self._print(line((f"      {date}{' UTC' if self._utc else ''}", "dim")))
        self._print(event_line(one.recorded, utc=self._utc))
        for told in what_changed(one.before, one.after):
            self._print(line((f"{'':>6}{'':<13}{told}", "dim")))
        sys.stdout.flush()

    def restart(self, why: str) -> None:
        """From here on positions and states begin anew."""
        from cli.render import line

        self._print(line((f"      {why}", "yellow")))

    def idle(self, state: "ModelState", trouble: str | None) -> None:
        """The line at the bottom."""
        from cli.render import line
        from cli.safe_text import visible

        if trouble != self._trouble:
            self._trouble = trouble
            told = f"{visible(trouble)}; trying again" if trouble else "it can be read again"
            self._print(line((f"      {told}", "bold red" if trouble else "")))
        if self._live is not None:
            self._live.update(self._status(state, datetime.now(UTC)), refresh=True)

    def _status(self, state: "ModelState", now: datetime) -> "Line":
        """The model in use, and the waits of those that cool, on one line."""
        from cli.render import line
        from cli.safe_text import visible
        from cli.sessions_table import countdown, fitted
        from eventlog.standing import tried_models

        cooling = [one for one in tried_models(state, now, self._policy) if one.until is not None]
        told = [f"{visible(one.model, 60)} {countdown(one.until, now)}" for one in cooling if one.until is not None]
        model = visible(state.current, 60) if state.current is not None else "no model yet"
        text = f"now {model}" + (f" · cooling {', '.join(told)}" if told else "")
        return line((fitted(text, self._out.width - _ECHO), "reverse"))

    def _print(self, text: "Line") -> None:
        self._out.print(text)


def _status_line(out: "Console") -> "Live | None":
    if not out.is_terminal or out.is_dumb_terminal:
        return None
    from rich.live import Live

    return Live(console=out, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False)
