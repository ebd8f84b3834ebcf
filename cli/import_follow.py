"""`switchlog import --follow`: what a gateway's log tells, into transcripts, for as long as it goes on.

Law: a line for each event, when it is on the disk. Ctrl-C and SIGTERM end it between two events, never within one.
"""

import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cli.render import Line
    from eventlog.live_import import Gained, LiveImport


def follow_log(
    log: str, folder: Path, session: str | None, aliases: Mapping[str, str], *, force: bool, json: bool
) -> int:
    """Import until the pipe ends, or somebody ends it; the exit code."""
    from cli.output import FINE, INTERRUPTED, tell, write_json
    from cli.render import printer
    from cli.safe_text import visible
    from cli.signals import ended_by_signals
    from eventlog.live_import import LiveImport

    stop = threading.Event()
    live = LiveImport(log, folder, session, aliases, force=force, stop=stop, warn=tell)
    if log != "-" and not Path(log).exists():
        tell(f"{log} is not there yet: waiting for it")
    elif sys.stderr.isatty():
        tell(f"following {visible(log)} into {visible(str(folder))}; Ctrl-C ends it")
    out = printer()
    with ended_by_signals(stop):
        for gained in live.run():
            for one in gained:
                if json:
                    write_json(fields(one))
                else:
                    out(line(one))
            sys.stdout.flush()
    for told in summary(live):
        tell(told)
    return INTERRUPTED if stop.is_set() else FINE


def fields(one: "Gained") -> dict[str, object]:
    """One line of `--json`."""
    from cli.states import stamp
    from replay import fields_from_event

    return {
        "sessionId": one.session,
        "path": str(one.path),
        "timestamp": stamp(one.event.timestamp),
        "event": fields_from_event(one.event),
    }


def line(one: "Gained") -> "Line":
    """What people see of an event."""
    from datetime import UTC, datetime

    from cli.render import clock, line, told
    from cli.safe_text import visible

    what, colour, models = told(one.event)
    stamp = clock(one.event.timestamp, datetime.now(UTC), utc=False, precise=True)
    return line((f"{stamp}  ", "dim"), (visible(one.session), "bold"), "  ", (f"{what:<11}", colour), models)


def summary(live: "LiveImport") -> Iterator[str]:
    """What became of it all."""
    from cli.render import many

    counts = [(live.kinds.get("restart", 0), "restart"), (live.kinds.get("skip", 0), "skipped candidate")]
    counts += [(live.kinds.get("unreadable", 0), "unreadable line"), (live.unknown_session, "event of unknown session")]
    yield "; ".join([f"{many(live.imported, 'event')} imported", *(many(*one) for one in counts if one[0])])
    if live.behind:
        yield f"{many(live.behind, 'event')} left out, for the transcript holds newer ones"
    if live.waiting:
        yield f"{many(live.waiting, 'event')} could not be written; they are in the log, follow it again"
    if live.held_back:
        yield f"{many(live.held_back, 'last line')} without a newline left out, for it may be half a line"
