"""`switchlog verify`: is this log intact?

Law: reads whole logs, changes nothing; says what it found, where, and in words what it can and can't prove. Exit code 1
if a log is damaged.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import AsJson

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.text import Text

    from eventlog import Events, Report

_NAMED = 20


def verify(
    logs: Annotated[list[str], typer.Argument(metavar="FILE…", help="Transcripts, or folders: all of theirs.")],
    json: AsJson = False,
) -> int:
    """Check logs: every line's class, every seal, the chain, the session, the order of times.

    \b
    Examples:
      switchlog verify sessions/17a309d8.jsonl
      switchlog verify sessions/ --json
    """
    from cli.output import FINDING, FINE, write_json
    from cli.render import console
    from eventlog import read_events

    damaged = False
    for log in _files(logs):
        events = read_events(log)
        backwards = _backwards(events)
        damaged = damaged or events.report.damaged
        if json:
            write_json(fields(str(log), events, backwards))
            continue
        out = console()
        for line in lines(str(log), events, backwards):
            out.print(line)
    return FINDING if damaged else FINE


def _files(logs: list[str]) -> "Iterator[str | Path]":
    from pathlib import Path

    from eventlog import UnreadableError, sources

    for log in logs:
        if log != "-" and Path(log).is_dir():
            found = sorted(sources.transcripts(Path(log)))
            if not found:
                raise UnreadableError(log, "no transcript (*.jsonl) in this folder")
            yield from found
        else:
            yield log


def _backwards(events: "Events") -> int:
    """How often an event is stamped earlier than the one before it: a clock was set back. No damage."""
    count, last = 0, None
    for recorded in events:
        time = recorded.event.timestamp
        count += _earlier(time, last)
        last = time or last
    return count


def _earlier(time: datetime | None, last: datetime | None) -> bool:
    return time is not None and last is not None and time < last


def fields(name: str, events: "Events", backwards: int) -> dict[str, object]:
    """One line of `--json`."""
    report = events.report
    return {
        "file": name,
        "sessionId": report.session,
        "intact": not report.damaged,
        "log": {**report.counts, "unsealed": report.unsealed, "gaps": report.gaps, "bytes": report.size},
        "lastSeal": report.last_seal,
        "clockBackwards": backwards,
        "findings": [
            {"what": one.what, "line": one.line, "offset": one.offset, "length": one.length, "told": one.told}
            for one in report.findings
        ],
        "findingsLeftOut": report.unnamed,
    }


def lines(name: str, events: "Events", backwards: int) -> "Iterator[Text]":
    """What people see."""
    from cli.render import counted, labelled, line
    from cli.safe_text import visible

    report = events.report
    yield line(f"{visible(name)}: ", _verdict(report))
    yield labelled("pieces", f"{counted(report.counts) or 'none'} ({report.size:,} bytes)")
    for one in report.findings[:_NAMED]:
        yield labelled("finding", f"line {one.line}, byte {one.offset}: {one.what}: {one.told}")
    more = len(report.findings) + report.unnamed - _NAMED
    if more > 0:
        yield labelled("", f"and {more:,} more (--json names a thousand)")
    if backwards:
        yield labelled("clock", f"went backwards {backwards} times; the order is that of the file")
    yield labelled("proves", _proves(report))
    if report.last_seal is not None:
        yield labelled("last", report.last_seal)


def _verdict(report: "Report") -> tuple[str, str]:
    if report.damaged:
        return "DAMAGED", "bold red"
    if report.last_seal is None:
        return "nothing to verify: no line here is sealed", "yellow"
    return "intact", "bold green"


def _proves(report: "Report") -> str:
    if report.last_seal is None:
        return "nothing; an event without a seal could say anything"
    rest = "the rest: " if report.damaged else ""
    bare = f", nor what {report.unsealed} events without a seal say" if report.unsealed else ""
    return f"{rest}no accident changed a sealed line; not who wrote it, nor that the end is here{bare}"
