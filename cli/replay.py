"""`switchlog replay`: the history of a session, event by event, with the state after each.

Law: reads one log front to back and prints as it goes, in bounded memory.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import AsJson, ConfigFile, Log, OneSession, Utc, config_for, moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.text import Text

    from eventlog import Events
    from replay import ModelState, Policy, Recorded

_LONGEST_POSITION = 18  # digits; a longer number is no position, and Python refuses to read some
_FRAME = frozenset({"parentId", "v", "prev", "mac", "seal"})


def replay(
    log: Log,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="POSITION|TIME", help="Only the state after this event, or at this time."),
    ] = None,
    session: OneSession = None,
    config: ConfigFile = None,
    json: AsJson = False,
    utc: Utc = False,
) -> int:
    """The history of a session, event by event, with the state after each (--json: NDJSON, one line an event).

    \b
    Examples:
      switchlog replay sessions/17a309d8.jsonl
      switchlog replay sessions/17a309d8.jsonl --at 2026-04-02T04:55:41Z
    """
    from cli.output import code_for, write_json
    from cli.render import console
    from eventlog import read_events

    used = config_for(log, config)
    policy, events = used.policy, read_events(log, session, protection=used.protection)
    steps = _steps(events) if at is None else _stop(_steps(events), at)
    if json:
        for recorded, state in steps:
            write_json(fields(recorded, state, policy))
    else:
        out = console()
        for line in lines(steps, events, utc=utc):
            out.print(line)
    return code_for(events.report, str(log))


def _steps(events: "Events") -> "Iterator[tuple[Recorded, ModelState]]":
    from replay import INITIAL, evolve

    state = INITIAL
    for recorded in events:
        state = evolve(state, recorded)
        yield recorded, state


def _stop(steps: "Iterator[tuple[Recorded, ModelState]]", at: str) -> "Iterator[tuple[Recorded, ModelState]]":
    """The last step at or before ``at``: a position, or a time."""
    position = int(at) if at.isdecimal() and len(at) < _LONGEST_POSITION else None
    time = None if position is not None else moment(at, "--at")
    found = None
    for recorded, state in steps:
        stamped = recorded.event.timestamp
        before = (
            recorded.position <= position if position is not None else stamped is None or stamped <= (time or stamped)
        )
        if not before:
            continue  # not a break: the report is about the whole log, and clocks jump
        found = recorded, state
    if found is None:
        raise typer.BadParameter(f"the log holds no event at or before {at}", param_hint="--at")
    yield found


def fields(recorded: "Recorded", state: "ModelState", policy: "Policy") -> dict[str, object]:
    """One line of `--json`."""
    from cli.states import stamp, state_fields
    from replay import fields_from_event

    event = recorded.event
    return {
        "position": recorded.position,
        "timestamp": stamp(event.timestamp),
        "event": {key: value for key, value in fields_from_event(event).items() if key not in _FRAME},
        "state": state_fields(state, event.timestamp, policy),
    }


def lines(steps: "Iterator[tuple[Recorded, ModelState]]", events: "Events", *, utc: bool) -> "Iterator[Text]":
    """What people see: a line for each event (a switch names the model after it), and what it changed beneath."""
    from cli.render import line, told
    from cli.safe_text import visible
    from replay import INITIAL

    before, day = INITIAL, ""
    for recorded, state in steps:
        event = recorded.event
        stamp, date = _stamp(event.timestamp, utc=utc)
        if date and date != day:
            day = date
            yield line((f"      {date}{' UTC' if utc else ''}", "dim"))
        what, colour, models = told(event)
        yield line(f"{recorded.position:>5} ", (f"{stamp:<13}", "dim"), (f"{what:<11}", colour), models)
        for told_of in _changed(before, state):
            yield line((f"{'':>6}{'':<13}{told_of}", "dim"))
        before = state
    if not before.position:
        yield line(f"{visible(events.report.session or 'this log')}: no failover event")


def _stamp(time: datetime | None, *, utc: bool) -> tuple[str, str]:
    from datetime import UTC

    from cli.render import local_time

    if time is None:
        return "no time", ""
    local = local_time(time, UTC if utc else None)
    return f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}", f"{local:%Y-%m-%d}"


def _changed(before: "ModelState", state: "ModelState") -> "Iterator[str]":
    from cli.safe_text import visible

    if state.tried != before.tried:
        yield "tried " + (", ".join(_tried(state, model) for model in state.tried) or "nothing any more")
    if state.pinned != before.pinned:
        yield f"pinned {visible(state.pinned)}" if state.pinned else "pinned no more"


def _tried(state: "ModelState", model: str) -> str:
    from cli.safe_text import visible

    reasons = ", ".join(f"{reason} ×{one.count}" for reason, one in state.tried[model].items())
    return f"{visible(model)} ({reasons})"
