"""`switchlog diff`: what differs between two sessions, or between two moments of one.

Law: reads, compares, prints; changes nothing. Signs (`-` the first, `+` the second) tell the sides apart, colour only
underlines them. Exit code 1 says that something differs.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.options import AsJson, ConfigFile, Log, Now, Utc, config_for, present
from cli.pager import NoPager

if TYPE_CHECKING:
    from eventlog import Config, Events
    from replay import Policy, Recorded, Skipped
    from replay.compare import Both, Comparison, History

_LISTED: Final = 1_000
_NAMES: Final = {
    "current": "currentModel",
    "pinned": "pinnedModel",
    "last_good": "lastGoodModel",
    "switched_at": "modelSwitchedAt",
}

Sides = tuple[tuple[str, "Events"], tuple[str, "Events"]]
Cooling = Mapping[str, "Both[Skipped | None]"]


def diff(
    log: Log,
    other: Annotated[
        str | None, typer.Argument(metavar="OTHER", help="What to compare it with, named like FILE.")
    ] = None,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="POSITION|TIME", help="Without OTHER: the first of two moments.")
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="POSITION|TIME", help="The second one; else the log's end.")
    ] = None,
    session: Annotated[
        list[str] | None,
        typer.Option("--session", metavar="ID", help="Which one, where there are several; twice: one for each side."),
    ] = None,
    config: ConfigFile = None,
    now: Now = None,
    json: AsJson = False,
    utc: Utc = False,
    no_pager: NoPager = False,
) -> int:
    """What differs between two sessions, two copies of one, or two moments of one. Exit code 1: something does.

    \b
    Examples:
      switchlog diff backup/17a309d8.jsonl sessions/17a309d8.jsonl
      switchlog diff sessions/17a309d8.jsonl --from 12 --to 40
      switchlog diff sessions/17a309d8.jsonl --from -3h
      switchlog diff ~/.openclaw --session 17a309d8 --session 674cdb94
    """
    from cli.diff_text import told
    from cli.output import DAMAGED, FINDING, FINE, code_for, write_json
    from cli.pager import show
    from replay.compare import compare

    used, ids = config_for(log, config), session or []
    if len(ids) > 2:
        raise typer.BadParameter("there are two sides: name one or two", param_hint="--session")
    if other is None and len(ids) < 2:
        sides, histories, moments = _moments(log, ids[0] if ids else None, used, from_, to, now, utc=utc)
        result = compare(*histories)
    else:
        if from_ is not None or to is not None:
            raise typer.BadParameter("two moments are of one log; leave out OTHER", param_hint="--from")
        sides = _logs(log, other or log, ids, used, config)
        result, at = compare(sides[0][1], sides[1][1]), present(now, utc=utc)
        moments = at, at
    cools = _cooling(result, moments, used.policy)
    if json:
        write_json(fields(result, sides, moments, cools))
    else:
        show(told(result, sides, moments, cools, utc=utc), straight=no_pager)
    codes = {code_for(events.report, name) for name, events in dict(sides).items()}
    differs = not result.same or bool(cools)
    return DAMAGED if DAMAGED in codes else FINDING if differs else FINE


def _logs(log: str, other: str, ids: list[str], used: "Config", named: object) -> Sides:
    from eventlog import read_events

    if log == other == "-":
        raise typer.BadParameter("standard input can be read once only", param_hint="OTHER")
    protection = used.protection if named is not None else config_for(other, None).protection
    first = read_events(log, ids[0] if ids else None, protection=used.protection)
    second = read_events(other, ids[-1] if ids else None, protection=protection)
    return (log, first), (other, second)


def _moments(
    log: str, session: str | None, used: "Config", from_: str | None, to: str | None, now: str | None, *, utc: bool
) -> "tuple[Sides, tuple[list[Recorded], list[Recorded]], tuple[datetime, datetime]]":
    """One log up to each of two moments. All of it is kept: a time may be anywhere, as clocks jump."""
    from cli.replay import place
    from eventlog import read_events

    if from_ is None and to is None:
        raise typer.BadParameter("name what to compare it with, or two moments: --from and --to", param_hint="OTHER")
    wanted = [
        None if text is None else place(text, option, utc=utc) for text, option in ((from_, "--from"), (to, "--to"))
    ]
    end = present(now, utc=utc)
    events = read_events(log, session, protection=used.protection)
    whole = list(events)
    cut = []
    for side, one in enumerate(wanted):
        position, time = one or ((None, end) if side else (0, None))
        part = whole if one is None and side else whole[: _until(whole, position, time)]
        last = part[-1].event.timestamp if part else None
        cut.append((part, time or last or end))
    (first, begins), (second, ends) = cut
    return ((log, events), (log, events)), (first, second), (begins, ends)


def _until(events: "list[Recorded]", position: int | None, time: datetime | None) -> int:
    """How many events, from the first on, end at the last one at or before the place."""
    for index in range(len(events), 0, -1):
        one = events[index - 1]
        stamped = one.event.timestamp
        if one.position <= position if position is not None else stamped is not None and stamped <= (time or stamped):
            return index
    return 0


def _cooling(result: "Comparison", moments: tuple[datetime, datetime], policy: "Policy") -> Cooling:
    from replay.compare import Both, cooling

    histories = result.histories
    one, other = (
        cooling(history.state, now, policy)
        for history, now in zip((histories.one, histories.other), moments, strict=True)
    )
    both = {model: Both(one.get(model), other.get(model)) for model in dict.fromkeys((*one, *other))}
    return {model: pair for model, pair in both.items() if _said(pair.one) != _said(pair.other)}


def _said(one: "Skipped | None") -> object:
    return None if one is None else (one.why, one.until)


def fields(result: "Comparison", sides: Sides, moments: tuple[datetime, datetime], cools: Cooling) -> dict[str, object]:
    """What `--json` prints: of each thing that differs, how it is in `a` and in `b`."""
    from cli.states import stamp

    state, parted, only = result.state, result.parted, result.only
    tried: dict[str, dict[str, object]] = {}
    for (model, reason), both in state.tried.items():
        tried.setdefault(model, {})[reason] = {
            side: one
            and {
                "failures": one.count,
                "failedAt": stamp(one.at),
                "retryAfterMs": None if one.retry_after is None else round(one.retry_after.total_seconds() * 1000),
            }
            for side, one in (("a", both.one), ("b", both.other))
        }
    failures: dict[str, dict[str, object]] = {}
    for (model, reason), numbers in result.failures.items():
        failures.setdefault(model, {})[reason] = {"a": numbers.one, "b": numbers.other}
    return {
        "same": result.same and not cools,
        "a": _side(sides[0], result.histories.one, moments[0]),
        "b": _side(sides[1], result.histories.other, moments[1]),
        "state": {
            **{_NAMES[name]: {"a": _plain(both.one), "b": _plain(both.other)} for name, both in state.plain.items()},
            "triedModels": tried,
            "cooling": {model: {"a": _cools(both.one), "b": _cools(both.other)} for model, both in cools.items()},
            "probing": {
                model: {side: one and {"since": stamp(one.at)} for side, one in (("a", both.one), ("b", both.other))}
                for model, both in state.probing.items()
            },
        },
        "failures": failures,
        "commonEvents": result.common,
        "partedAt": parted and {"a": parted.one and parted.one.position, "b": parted.other and parted.other.position},
        "onlyIn": {
            side: {"count": len(events), "events": [_event(one) for one in events[:_LISTED]]}
            for side, events in (("a", only.one), ("b", only.other))
        },
    }


def _side(side: "tuple[str, Events]", history: "History", at: datetime) -> dict[str, object]:
    from cli.states import stamp

    name, events = side
    position = 0 if history.last is None else history.last.position
    return {
        "log": name,
        "sessionId": events.report.session,
        "events": history.events,
        "position": position,
        "at": stamp(at),
    }


def _plain(value: object) -> object:
    from cli.states import stamp

    return stamp(value) if isinstance(value, datetime) else value


def _cools(one: "Skipped | None") -> object:
    from cli.states import stamp

    return None if one is None else {"reason": one.why, "until": stamp(one.until)}


def _event(recorded: "Recorded") -> dict[str, object]:
    from cli.replay import event_fields
    from cli.states import stamp

    return {
        "position": recorded.position,
        "timestamp": stamp(recorded.event.timestamp),
        "event": event_fields(recorded),
    }
