"""`switchlog audit`: what went wrong in these sessions, what it cost, and what to do.

Law: reads every log once and changes none; a session that can't be read is counted and ends nothing. Memory does not
grow with the number of sessions.
"""

import os
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.options import (
    AsJson,
    ConfigFile,
    Models,
    Now,
    OneSession,
    Providers,
    Reasons,
    Since,
    Until,
    Utc,
    chosen,
    config_for,
    moment,
    offer_logs,
    present,
)
from cli.pager import NoPager

if TYPE_CHECKING:
    from cli.audit_fields import Summary
    from cli.audit_read import Audited, Task
    from cli.render import Line
    from eventlog import Config
    from eventlog.sources import Source
    from replay.filters import Filter

ALONE: Final = 200
"""So many logs are read by this process: to start others would take longer."""
TOGETHER: Final = 16
"""Logs that another process is given at once."""
WHOLE: Final = 3
"""So many sessions are shown with all their findings; of more only the worst, in a line each."""


def audit(
    where: Annotated[
        list[str] | None,
        typer.Argument(
            autocompletion=offer_logs,
            metavar="WHERE",
            help="Transcripts, gateway logs, all of a folder, or of a database or home of OpenClaw's; `-`. "
            "Without it: this folder.",
        ),
    ] = None,
    since: Since = None,
    until: Until = None,
    model: Models = None,
    provider: Providers = None,
    reason: Reasons = None,
    session: OneSession = None,
    fail_on: Annotated[
        str, typer.Option("--fail-on", metavar="SEVERITY", help="Exit with 1 from this on: info, warning or critical.")
    ] = "warning",
    config: ConfigFile = None,
    now: Now = None,
    json: AsJson = False,
    utc: Utc = False,
    no_pager: NoPager = False,
) -> int:
    """Findings, worst first, with the events that show them and what to do; then figures by model.

    wasted: attempts made while the model's own failures still cooled it. saved: failures that a gateway which asks the
    log would not have met. Name the chain with --config: without it, it is the models that the log names, and less is
    claimed. --since and the other filters choose what is told; judged is always by the whole log.

    --json prints an object a session, then one that holds the "summary". Exit code 1 if a finding is a warning or worse
    (see --fail-on), 3 if a log could not be read.

    \b
    Examples:
      switchlog audit sessions/17a309d8.jsonl
      switchlog audit ~/.openclaw --since -24h --fail-on critical
      switchlog audit gateway.log --session 17a309d8 --config openclaw.json
      switchlog audit sessions/ --json | jq 'select(.worst=="critical").sessionId'
    """
    from cli.audit_fields import Summary, fields, summary_fields
    from cli.output import FINDING, FINE, UNREADABLE, write_json
    from cli.pager import show
    from cli.progress import progress
    from replay.findings import SEVERITIES

    if fail_on not in SEVERITIES:
        raise typer.BadParameter(f"{fail_on!r} is none of {', '.join(SEVERITIES)}", param_hint="--fail-on")
    at = present(now) if now is None else moment(now, "--now", utc=utc)
    wanted = chosen(since, until, model, provider, reason, utc=utc, now=at)
    tasks = list(_tasks(where or ["."], session, config, wanted))
    total = Summary()
    whole: list[Audited] = []
    for found in _all(tasks, lambda: progress(range(len(tasks)), "logs")):
        total.add(found)
        if json:
            write_json(fields(found))
        elif total.sessions <= WHOLE:
            whole.append(found)
        else:
            whole.clear()
    if json:
        write_json({"summary": summary_fields(total)})
    else:
        show(_lines(whole, total, at, utc=utc), straight=no_pager)
    if any(total.severities[one] for one in SEVERITIES[SEVERITIES.index(fail_on) :]):
        return FINDING
    return UNREADABLE if total.unreadable else FINE


def _lines(whole: "list[Audited]", total: "Summary", now: datetime, *, utc: bool) -> "Iterator[Line]":
    """What people see: a few sessions whole, and what many come to."""
    from cli.audit_text import lines, summary_lines
    from cli.render import line

    for number, one in enumerate(whole):
        if number:
            yield line("")
        yield from lines(one, now, utc=utc)
    if total.sessions != 1:
        if whole:
            yield line("")
        yield from summary_lines(total)


def _tasks(where: list[str], session: str | None, config: Path | None, wanted: "Filter") -> "Iterator[Task]":
    """Each log once, with the rules of its folder: they are looked up once a folder."""
    from cli.audit_read import Task

    rules: dict[Path | None, Config] = {}
    seen: set[Source] = set()
    for source in (found for one in where for found in _sources(one, session)):
        if source in seen:
            continue
        seen.add(source)
        folder = None if source.path is None else source.path.parent
        if folder not in rules:
            rules[folder] = config_for("-" if source.path is None else str(source.path), config)
        used = rules[folder]
        yield Task(source, session, used.chain, used.policy, used.protection, wanted)


def _sources(where: str, session: str | None) -> "Iterator[Source]":
    """All logs that the name stands for, or the one session of it."""
    from eventlog.sources import STDIN, Source, locate, several

    found = None if session is not None or where == STDIN else several(Path(where))
    if found is None:
        yield locate(where, session)
    else:
        yield from (one if isinstance(one, Source) else Source(one) for one in found)


def _all(tasks: "list[Task]", watch: Callable[[], Iterator[int]]) -> "Iterator[Audited]":
    """Every session, audited, in the order of the logs; by as many processes as there are cores if that is quicker."""
    from cli.audit_read import audited, of_log

    cores = os.cpu_count() or 1
    if len(tasks) < ALONE or cores < 2:
        for task, _ in zip(tasks, watch(), strict=True):
            yield from audited(task)
        return
    from concurrent.futures import ProcessPoolExecutor

    parts = [tasks[start : start + TOGETHER] for start in range(0, len(tasks), TOGETHER)]
    pool = ProcessPoolExecutor(cores, initializer=_quietly)
    try:
        ticks = watch()
        for part, found in zip(parts, pool.map(of_log, parts), strict=True):
            for _ in part:
                next(ticks, None)
            yield from found
        next(ticks, None)  # takes the line away
    finally:  # also on Ctrl-C, and where nobody reads on: what was not begun never is
        pool.shutdown(wait=True, cancel_futures=True)


def _quietly() -> None:
    """Ctrl-C is the first process's to answer: the others are told by it."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
