"""`switchlog sessions`: every session of a folder or a home, with where it stands and how it is.

Law: reads each session once, whatever is in it; a damaged one is counted and told, and ends nothing. Memory holds a row
a session.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import (
    AsJson,
    ConfigFile,
    Models,
    Now,
    Providers,
    Reasons,
    Since,
    Until,
    Utc,
    chosen,
    config_for,
    offer_logs,
    present,
)
from cli.pager import NoPager

if TYPE_CHECKING:
    from pathlib import Path

    from cli.render import Line
    from eventlog.row import Question, Standing
    from replay.filters import Filter


class Order(StrEnum):
    """What comes first."""

    LAST = "last"
    FAILURES = "failures"
    MODEL = "model"
    NAME = "name"
    SINCE = "since"


Place = Annotated[
    str,
    typer.Argument(
        autocompletion=offer_logs,
        metavar="FOLDER",
        help="A folder of transcripts, or a home or database of OpenClaw's.",
    ),
]


def sessions(
    folder: Place = ".",
    sort: Annotated[
        Order, typer.Option("--sort", help="The latest event, most failures, model, name, or latest switch first.")
    ] = Order.LAST,
    limit: Annotated[int | None, typer.Option("-n", "--limit", min=0, metavar="N", help="Only the first N.")] = None,
    stuck: Annotated[
        bool,
        typer.Option("--stuck", help="Only those that are used away from their first model, free for 10 minutes."),
    ] = False,
    since: Since = None,
    until: Until = None,
    model: Models = None,
    provider: Providers = None,
    reason: Reasons = None,
    config: ConfigFile = None,
    now: Now = None,
    json: AsJson = False,
    utc: Utc = False,
    no_pager: NoPager = False,
) -> int:
    """All sessions: the model of each, what cools, the latest event, and its health (--json: NDJSON, one a line).

    HEALTH is ok, cooling (a model that failed is left alone), stuck (used away from its first model, though that one
    has been free for 10 minutes), damaged (see verify) or unreadable. COOLING counts those that cool, with the time
    until the first is free. A model, provider or reason is looked for in what a session uses, has pinned or has tried;
    --since and --until ask for the latest event.

    \b
    Examples:
      switchlog sessions ~/.openclaw
      switchlog sessions sessions/ --stuck
      switchlog sessions sessions/ --sort failures -n 20
      switchlog sessions sessions/ --reason billing --json
    """
    from cli.output import tell, write_json
    from cli.pager import show
    from cli.progress import progress
    from eventlog.standings import listed, standings

    moment = present(now, utc=utc)
    question = question_for(folder, config, chosen(since, until, model, provider, reason, utc=utc, now=moment), moment)
    held, trouble = listed(folder)
    health: Counter[str] = Counter()
    rows: list[Standing] = []
    for _, row in zip(progress(held, "sessions"), standings(held, question), strict=False):
        health[row.health(moment)] += 1
        if row.wanted and (row.stuck or not stuck):
            rows.append(row)
    rows = ordered(rows, sort)[:limit]
    if json:
        for row in rows:
            write_json(fields(row, moment))
    else:
        show(_lines(rows, moment), straight=no_pager)
    if trouble is not None:
        tell(f"{trouble}; what could be listed is")
    tell(summary(health))
    return _code(health, incomplete=trouble is not None)


def question_for(where: str, config: "Path | None", wanted: "Filter", now: datetime) -> "Question":
    """What is asked of each session of a place, by its configuration."""
    from eventlog.row import Question

    used = config_for(where, config)
    return Question(now, used.policy, used.chain, used.protection, wanted)


def ordered(rows: "Sequence[Standing]", sort: Order = Order.LAST) -> "list[Standing]":
    """In the order that was asked for; what that leaves open, by the latest event and the name."""
    from cli.sessions_table import name_of

    def key(row: "Standing") -> tuple[object, ...]:
        latest = -row.moved.timestamp(), name_of(row)
        match sort:
            case Order.FAILURES:
                return (-row.failures, *latest)
            case Order.MODEL:
                return (row.current is None, row.current or "", *latest)
            case Order.NAME:
                return (name_of(row), str(row.listed.source))
            case Order.SINCE:
                return (row.since is None, 0.0 if row.since is None else -row.since.timestamp(), *latest)
        return latest

    return sorted(rows, key=key)


def fields(row: "Standing", now: datetime) -> dict[str, object]:
    """One line of `--json`."""
    from cli.states import stamp

    cooling = row.cooling(now)
    return {
        "sessionId": row.session,
        "key": row.listed.key,
        "agent": row.listed.agent,
        "path": None if row.listed.source.path is None else str(row.listed.source.path),
        "health": row.health(now),
        "currentModel": row.current,
        "modelSwitchedAt": stamp(row.since),
        "pinnedModel": row.pinned,
        "lastGoodModel": row.last_good,
        "firstModel": row.first,
        "stuck": row.stuck,
        "triedModels": {
            one.model: {
                "reason": one.reason,
                "failures": one.failures,
                "failedAt": stamp(one.at),
                "coolingUntil": stamp(one.until),
            }
            for one in row.tried
        },
        "tried": row.tried_count,
        "cooling": len(cooling),
        "coolingUntil": stamp(cooling[0].until) if cooling else None,
        "failures": row.failures,
        "events": row.events,
        "lastEventAt": stamp(row.last),
        "updatedAt": stamp(row.written),
        "inferred": row.inferred,
        "bytes": row.size,
        "damage": row.damage,
        "error": row.error,
    }


def summary(health: Counter[str]) -> str:
    """All of them in a line: ``10,000 sessions: 9,000 ok, 1,000 damaged``."""
    told = [f"{health[word]:,} {word}" for word in ("ok", "cooling", "stuck", "damaged", "unreadable") if health[word]]
    count = health.total()
    return f"{count:,} session{'s' * (count != 1)}: {', '.join(told) or 'none'}"


def _lines(rows: "Sequence[Standing]", now: datetime) -> "Iterator[Line]":
    from cli.render import console
    from cli.sessions_table import fitting, header, row

    columns = fitting(rows, now, console().width)
    if rows:
        yield header(columns)
    for one in rows:
        yield row(one, columns, now)


def _code(health: Counter[str], *, incomplete: bool) -> int:
    from cli.output import DAMAGED, FINE, UNREADABLE

    if health["damaged"]:
        return DAMAGED
    return UNREADABLE if incomplete or health["unreadable"] else FINE
