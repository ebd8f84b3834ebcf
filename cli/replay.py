"""`switchlog replay`: the history of a session, event by event, with the state after each.

Law: reads one log front to back and prints as it goes, in bounded memory. A filter chooses what is shown, never what is
folded: every state is that of the whole log up to there.
"""

from collections import deque
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from cli.options import (
    AsJson,
    ConfigFile,
    Log,
    Models,
    OneSession,
    Providers,
    Reasons,
    Since,
    Turns,
    Until,
    Utc,
    chosen,
    config_for,
    moment,
)
from cli.pager import NoPager

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cli.render import Line
    from eventlog import Events
    from replay import ModelState, Policy, Recorded
    from replay.filters import Filter

LONGEST_POSITION = 18  # digits; a longer number is no position, and Python refuses to read some
_FRAME = frozenset({"parentId", "v", "prev", "mac", "seal"})


class Step(NamedTuple):
    """An event, and the states before and after it."""

    recorded: "Recorded"
    before: "ModelState"
    after: "ModelState"


def replay(
    log: Log,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="POSITION|TIME", help="Only the state after this event, or at this time."),
    ] = None,
    since: Since = None,
    until: Until = None,
    model: Models = None,
    provider: Providers = None,
    reason: Reasons = None,
    turn: Turns = None,
    last: Annotated[int | None, typer.Option("-n", metavar="N", min=1, help="Only the last N of them.")] = None,
    live: Annotated[bool, typer.Option("-f", "--follow", help="Then go on as events come, as `follow` does.")] = False,
    step: Annotated[
        bool, typer.Option("--step", help="Walk through it in the terminal, from --at or the first event on; ? helps.")
    ] = False,
    session: OneSession = None,
    config: ConfigFile = None,
    json: AsJson = False,
    utc: Utc = False,
    no_pager: NoPager = False,
) -> int:
    """The history of a session, event by event, with the state after each (--json: NDJSON, one line an event).

    Options of one kind may be repeated: any of them; options of several kinds: all of them. What they leave out is
    folded all the same, so that each state is that of the whole log.

    \b
    Examples:
      switchlog replay sessions/17a309d8.jsonl
      switchlog replay sessions/17a309d8.jsonl --at 2026-04-02T04:55:41Z
      switchlog replay sessions/17a309d8.jsonl --since -3h --provider kimi --reason rate_limit -n 5
      switchlog replay sessions/17a309d8.jsonl --step
    """
    from cli.output import code_for, write_json
    from cli.pager import show
    from eventlog import read_events
    from replay.filters import EVERYTHING

    wanted = chosen(since, until, model, provider, reason, turn, utc=utc)
    narrowed = wanted != EVERYTHING or last is not None
    if narrowed and (step or at is not None):
        one = "--step" if step else "--at"
        raise typer.BadParameter("leave out what chooses among events: it shows the state after any", param_hint=one)
    if live:
        from cli.follow import follow

        if at is not None or step or until is not None:
            raise typer.BadParameter("has no end: leave out --at, --until and --step", param_hint="--follow")
        return follow(log, session, last, since, model, provider, reason, turn, config=config, json=json, utc=utc)
    used = config_for(log, config)
    if step:
        from cli.step import walk

        if json:
            raise typer.BadParameter("it is for a person at a terminal; leave out --json", param_hint="--step")
        return walk(log, at, session, used, utc=utc)
    policy, events = used.policy, read_events(log, session, protection=used.protection)
    steps = _chosen(_steps(events), wanted, last) if at is None else _stop(_steps(events), at, utc=utc)
    if json:
        for one_step in steps:
            write_json(fields(one_step.recorded, one_step.after, policy))
    elif at is not None:
        show(stood(steps, events, at, policy, utc=utc), straight=no_pager)
    else:
        show(lines(steps, events, utc=utc, narrowed=narrowed), straight=no_pager)
    return code_for(events.report, str(log))


def _steps(events: "Events") -> "Iterator[Step]":
    from replay import INITIAL, evolve

    state = INITIAL
    for recorded in events:
        before, state = state, evolve(state, recorded)
        yield Step(recorded, before, state)


def _chosen(steps: "Iterator[Step]", wanted: "Filter", last: int | None) -> "Iterable[Step]":
    taken = (step for step in steps if wanted.takes(step.recorded.event))
    return taken if last is None else _last(taken, last)


def _last(steps: "Iterator[Step]", count: int) -> "Iterator[Step]":
    yield from deque(steps, maxlen=min(count, 10**LONGEST_POSITION))  # a deque takes no number beyond the machine's


def _stop(steps: "Iterator[Step]", at: str, *, utc: bool) -> "Iterator[Step]":
    """The last step at or before ``at``: a position, or a time."""
    position, time = place(at, utc=utc)
    found = None
    for step in steps:
        stamped = step.recorded.event.timestamp
        before = (
            step.recorded.position <= position
            if position is not None
            else stamped is None or stamped <= (time or stamped)
        )
        if not before:
            continue  # not a break: the report is about the whole log, and clocks jump
        found = step
    if found is None:
        raise typer.BadParameter(f"the log holds no event at or before {at}", param_hint="--at")
    yield found


def place(at: str, option: str = "--at", *, utc: bool) -> tuple[int | None, datetime | None]:
    """What ``at`` names: a position, or else a time."""
    if at.isdecimal() and len(at) < LONGEST_POSITION:
        return int(at), None
    return None, moment(at, option, utc=utc)


def fields(recorded: "Recorded", state: "ModelState", policy: "Policy") -> dict[str, object]:
    """One line of `--json`."""
    from cli.states import stamp, state_fields

    event = recorded.event
    return {
        "position": recorded.position,
        "timestamp": stamp(event.timestamp),
        "event": event_fields(recorded),
        "state": state_fields(state, event.timestamp, policy),
    }


def event_fields(recorded: "Recorded") -> dict[str, object]:
    """The event under the file's own field names, without what frames a record."""
    from replay import fields_from_event

    return {key: value for key, value in fields_from_event(recorded.event).items() if key not in _FRAME}


def lines(steps: "Iterable[Step]", events: "Events", *, utc: bool, narrowed: bool = False) -> "Iterator[Line]":
    """What people see: a line for each event (a switch names the model after it), and what it changed beneath."""
    from cli.render import line
    from cli.safe_text import visible

    day, shown = "", False
    for recorded, before, state in steps:
        _, date = stamped(recorded.event.timestamp, utc=utc)
        if date and date != day:
            day = date
            yield line((f"      {date}{' UTC' if utc else ''}", "dim"))
        yield event_line(recorded, utc=utc)
        for told_of in what_changed(before, state):
            yield line((f"{'':>6}{'':<13}{told_of}", "dim"))
        shown = True
    if not shown:
        other = narrowed and events.report.counts["event"]
        told = "none of its events is asked for" if other else "no failover event"
        yield line(f"{visible(events.report.session or 'this log')}: {told}")


def stood(steps: "Iterable[Step]", events: "Events", at: str, policy: "Policy", *, utc: bool) -> "Iterator[Line]":
    """Where the session stood: the event, and the whole state after it as it was at that time."""
    from datetime import UTC

    from cli.render import labelled
    from cli.safe_text import visible
    from cli.show import tried_lines

    for step in steps:
        state = step.after
        when = place(at, utc=utc)[1] or step.recorded.event.timestamp or datetime.now(UTC)
        yield from lines([step], events, utc=utc)
        yield labelled("model", (visible(state.current or "not known"), "bold green"))
        if state.pinned is not None:
            yield labelled("pinned", visible(state.pinned))
        yield from tried_lines(state, when, policy, utc=utc)


def event_line(recorded: "Recorded", *, utc: bool) -> "Line":
    """An event: where it stands, when it was, what happened."""
    from cli.render import line, told

    what, colour, models = told(recorded.event)
    stamp, _ = stamped(recorded.event.timestamp, utc=utc)
    return line(f"{recorded.position:>5} ", (f"{stamp:<13}", "dim"), (f"{what:<11}", colour), models)


def stamped(time: datetime | None, *, utc: bool) -> tuple[str, str]:
    """A time of day with milliseconds, and its date; no date where there is no time."""
    from datetime import UTC

    from cli.render import local_time

    if time is None:
        return "no time", ""
    local = local_time(time, UTC if utc else None)
    return f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}", f"{local:%Y-%m-%d}"


def what_changed(before: "ModelState", state: "ModelState") -> "Iterator[str]":
    from cli.safe_text import visible

    if state.tried != before.tried:
        yield "tried " + (", ".join(_tried(state, model) for model in state.tried) or "nothing any more")
    if state.pinned != before.pinned:
        yield f"pinned {visible(state.pinned)}" if state.pinned else "pinned no more"


def _tried(state: "ModelState", model: str) -> str:
    from cli.safe_text import visible

    reasons = ", ".join(f"{reason} ×{one.count}" for reason, one in state.tried[model].items())
    return f"{visible(model)} ({reasons})"
