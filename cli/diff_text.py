"""What people see of a difference: `-` lines as it is in the first, `+` lines as it is in the second.

Law: a comparison in, lines out; no sign is one of colour alone, and text of a log is made visible.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from cli.render import clock, counted, line
from cli.replay import event_line, stamped
from cli.safe_text import visible

if TYPE_CHECKING:
    from cli.render import Line
    from eventlog import Events
    from replay import Failure, Recorded, Skipped
    from replay.compare import Both, Comparison, History

SHOWN: Final = 20
"""Events of each side; more of them help nobody who reads, and `--json` has them."""
_LABEL: Final = 10
_WORDS: Final = {"current": "model", "pinned": "pinned", "last_good": "answered", "switched_at": "since"}
_SIGNS: Final = (("-", "red"), ("+", "green"))


def told(
    result: "Comparison",
    sides: "Sequence[tuple[str, Events]]",
    moments: tuple[datetime, datetime],
    cools: "Mapping[str, Both[Skipped | None]]",
    *,
    utc: bool,
) -> "Iterator[Line]":
    """All of it, from the two sides to the events that only one of them has."""
    histories, now = result.histories, max(moments)
    for sign, side, history in zip(_SIGNS, sides, (histories.one, histories.other), strict=True):
        yield _signed(sign, _side(*side, history, utc=utc))
    if result.same and not cools:
        yield line("  no difference")
        return
    for name, both in result.state.plain.items():
        yield from _pair(_WORDS[name], _value(both.one, now, utc=utc), _value(both.other, now, utc=utc))
    for (model, reason), failed in result.state.tried.items():
        what = f"{visible(model)} ({visible(reason, 40)}"
        yield from _pair("tried", *(_tried(what, one, now, utc=utc) for one in (failed.one, failed.other)))
    for model, cooled in cools.items():
        yield from _pair("cools", *(_cools(model, one, now, utc=utc) for one in (cooled.one, cooled.other)))
    for model, probe in result.state.probing.items():
        asked = f"{visible(model)}: a run is trying it"
        yield from _pair("asked", asked if probe.one else None, asked if probe.other else None)
    for (model, reason), number in result.failures.items():
        what = f"{visible(model)}: {visible(reason, 40)}"
        yield from _pair("failed", *(f"{what} ×{one}" if one else None for one in (number.one, number.other)))
    yield from _histories(result, utc=utc)


def _side(name: str, events: "Events", history: "History", *, utc: bool) -> str:
    last = history.last
    session = events.report.session
    which = "" if session is None or session in name else f", session {visible(session, 40)}"
    told = f"{visible(name, 60)}{which}: {counted({'event': history.events}) or 'no event'}"
    if last is None:
        return told
    stamp, date = stamped(last.event.timestamp, utc=utc)
    return f"{told}, the last at {date} {stamp}" if date else told


def _histories(result: "Comparison", *, utc: bool) -> "Iterator[Line]":
    parted, only = result.parted, result.only
    if parted is None:
        return
    common = counted({"event": result.common})
    if not only.one and not only.other:
        yield line(f"  {common or 'no event'} in common; then the same ones in another order")
    elif result.common:
        yield line(f"  {common} in common; they part after that")
    else:
        yield line("  they have no event in common at the beginning")
    for sign, events in zip(_SIGNS, (only.one, only.other), strict=True):
        yield from _events(sign, events, utc=utc)


def _events(sign: tuple[str, str], events: "Sequence[Recorded]", *, utc: bool) -> "Iterator[Line]":
    day = ""
    for recorded in events[:SHOWN]:
        _, date = stamped(recorded.event.timestamp, utc=utc)
        if date and date != day:
            day = date
            yield line(sign, (f"       {date}{' UTC' if utc else ''}", "dim"))
        yield line(sign, " ") + event_line(recorded, utc=utc)
    if len(events) > SHOWN:
        yield _signed(sign, f"and {len(events) - SHOWN:,} more")


def _pair(label: str, one: str | None, other: str | None) -> "Iterator[Line]":
    for sign, text in zip(_SIGNS, (one, other), strict=True):
        if text is not None:
            yield _signed(sign, f"{label:<{_LABEL}}{text}")


def _signed(sign: tuple[str, str], text: str) -> "Line":
    return line((f"{sign[0]} {text}", sign[1]))


def _value(value: object, now: datetime, *, utc: bool) -> str:
    if isinstance(value, datetime):
        return clock(value, now, utc=utc, precise=True)
    return "none" if value is None else visible(str(value))


def _tried(what: str, one: "Failure | None", now: datetime, *, utc: bool) -> str | None:
    if one is None:
        return None
    wish = "" if one.retry_after is None else f", asked for {one.retry_after.total_seconds():g} s"
    return f"{what} ×{one.count}) at {clock(one.at, now, utc=utc, precise=True)}{wish}"


def _cools(model: str, one: "Skipped | None", now: datetime, *, utc: bool) -> str | None:
    return None if one is None else f"{visible(model)} until {clock(one.until, now, utc=utc)} ({visible(one.why, 40)})"
