"""`switchlog follow`: what happens to a session, or to all of them, as it happens.

Law: what `replay` tells of an event, told when the event is appended. To a person in lines or in a table, to a program
as NDJSON, an object an event and each one flushed. Ends between two events, never within one.
"""

import sys
import threading
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol, Self

import typer

from cli.options import (
    AsJson,
    ConfigFile,
    Models,
    OneSession,
    Providers,
    Reasons,
    Since,
    Turns,
    Utc,
    chosen,
    config_for,
    offer_logs,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eventlog import Config
    from eventlog.follow import Following, Restart, Step
    from eventlog.sources import Source
    from replay import ModelState
    from replay.filters import Filter

_LAST = 10


def follow(
    log: Annotated[
        str,
        typer.Argument(
            autocompletion=offer_logs,
            metavar="FILE",
            help="A transcript (also one that will be), a folder, `-`, or a home.",
        ),
    ] = ".",
    session: OneSession = None,
    last: Annotated[
        int | None,
        typer.Option("-n", metavar="N", min=0, max=1_000_000, help="Begin with the last N events (10)."),
    ] = None,
    since: Since = None,
    model: Models = None,
    provider: Providers = None,
    reason: Reasons = None,
    turn: Turns = None,
    once: Annotated[bool, typer.Option("--once", help="Print what is there and leave.")] = False,
    text: Annotated[bool, typer.Option("--text", help="Lines for people also where stdout is no terminal.")] = False,
    config: ConfigFile = None,
    json: AsJson = False,
    utc: Utc = False,
) -> int:
    """A session's events as they come; of a folder or a home, a live table of its sessions.

    Into a pipe, or with --json: NDJSON, the objects of `replay --json`, those of several sessions with sessionId. It
    goes on through rotation, truncation and replacement; no event is told twice, and where the state begins anew an
    object or line says so (restarted). Ctrl-C ends it. A gateway's log is followed by import --follow.

    \b
    Examples:
      switchlog follow sessions/17a309d8.jsonl
      switchlog follow sessions/17a309d8.jsonl -n 0 --reason rate_limit
      switchlog follow ~/.openclaw
      switchlog follow sessions/ | jq -r '.sessionId + " " + .event.type'
    """
    from cli.follow_views import Lines, Objects
    from eventlog import sources
    from eventlog.standings import are_several

    wanted, used = chosen(since, None, model, provider, reason, turn, utc=utc), config_for(log, config)
    last = last if last is not None else _LAST if since is None else None
    for_people = not json and (text or sys.stdout.isatty())
    source = sources.Source(None)
    if log != sources.STDIN:
        if session is None and are_several(log):
            return _all(log, None, used, wanted, last, once=once, for_people=for_people, utc=utc)
        will_be = session is None and not once and log.endswith((sources.SUFFIX, sources.SUFFIX + sources.COMPANION))
        waits = will_be and not Path(log).exists()
        source = sources.Source(Path(log)) if waits else sources.locate(log, session)
        if source.stored is not None:
            return _all(log, source, used, wanted, last, once=once, for_people=for_people, utc=utc)
    view: View = Lines(used, utc=utc, live=not once) if for_people else Objects(used)
    return follow_one(source.path, used, wanted, last, view, once=once)


def _all(
    log: str,
    source: "Source | None",
    used: "Config",
    wanted: "Filter",
    last: int | None,
    *,
    once: bool,
    for_people: bool,
    utc: bool,
) -> int:
    from cli.follow_many import Many, follow_all

    return follow_all(Many(log, source, used, wanted, last, once, for_people, utc))


class View(Protocol):
    """Who is told."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def step(self, one: "Step") -> None:
        """An event."""

    def restart(self, why: str) -> None:
        """The state begins anew."""

    def idle(self, state: "ModelState", trouble: str | None) -> None:
        """An event has come, or a second has passed. ``trouble``: why the file can't be read now."""


def follow_one(path: Path | None, used: "Config", wanted: "Filter", last: int | None, view: View, *, once: bool) -> int:
    """Tell of one session until somebody ends it, or its pipe ends; the exit code."""
    from cli.output import INTERRUPTED, code_for, tell
    from cli.signals import ended_by_signals
    from eventlog.follow import Following

    stop = threading.Event()
    if path is not None and not once and not path.exists():
        tell(f"{path} is not there yet: waiting for it")
    following = Following(path, used.protection, stop)
    try:
        with ended_by_signals(stop), view:
            for step in _there(following, wanted, last, once=once):
                view.step(step)
            while not (stop.is_set() or once or following.ended):
                _tell(following.read(), wanted, view)
                view.idle(following.state, following.trouble)
                following.wait()
            if following.ended and not once:
                _tell(following.finish(), wanted, view)
    finally:
        following.close()
    return INTERRUPTED if stop.is_set() else code_for(following.report, str(path or "-"))


def _there(following: "Following", wanted: "Filter", last: int | None, *, once: bool) -> "Iterable[Step]":
    """The last of the events that are there; with ``once`` also that of a last line without its newline."""
    from eventlog.follow import OURS, Restart

    recent: deque[Step] = deque(maxlen=last)
    while True:
        for one in following.read():
            if isinstance(one, Restart):
                if one.why == OURS:  # nothing of what was inferred has been told yet
                    recent.clear()
            elif wanted.takes(one.recorded.event):
                recent.append(one)
        if not once or following.ended or not following.piped or following.stop.is_set():
            break
        following.wait()
    if once:
        recent.extend(one for one in following.finish() if wanted.takes(one.recorded.event))
    return recent


def _tell(found: "Iterable[Step | Restart]", wanted: "Filter", view: View) -> None:
    from eventlog.follow import Restart

    for one in found:
        if isinstance(one, Restart):
            view.restart(one.why)
        elif wanted.takes(one.recorded.event):
            view.step(one)
