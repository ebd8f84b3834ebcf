"""`switchlog show`: where a session stands now, and why.

Law: reads one log whole, prints one state. The first two lines answer the operator's question.
"""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cli.options import AsJson, ConfigFile, Log, Now, OneSession, Utc, config_for, present

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cli.home import Overview
    from cli.render import Line
    from eventlog import Config, Events
    from replay import ModelState, Policy
    from replay.figures import Figures


def show(
    log: Log = ".",
    session: OneSession = None,
    config: ConfigFile = None,
    now: Now = None,
    json: AsJson = False,
    utc: Utc = False,
) -> int:
    """Where a session stands now: which model answers, since when and why, and which ones cool.

    Without FILE: the newest transcript of this folder. A home of OpenClaw's: its newest session, and what all of them
    come to.

    \b
    Examples:
      switchlog show sessions/17a309d8.jsonl
      switchlog show ~/.openclaw
      switchlog show ~/.openclaw --session agent:main:main
    """
    from cli.output import code_for, write_json
    from cli.progress import reading
    from cli.render import printer
    from eventlog import read_events
    from replay import fold
    from replay.figures import Figures

    moment, used = present(now, utc=utc), config_for(log, config)
    total = Figures()
    with reading() as watch:
        events = read_events(log, session, protection=used.protection, watch=watch)
        state = fold(total.watch(events))
    home = _home_of(log, used) if session is None else None
    if json:
        write_json({**fields(state, total, events, moment, used), **_home_fields(home)})
    else:
        out = printer()
        for line in lines(state, total, events, moment, used, utc=utc):
            out(line)
        for line in _home_lines(home):
            out(line)
    return code_for(events.report, str(log))


def _home_of(log: str, config: "Config") -> "Overview | None":
    if not Path(log).is_dir():
        return None
    from cli.home import home_of

    return home_of(Path(log), config)


def _home_fields(home: "Overview | None") -> dict[str, object]:
    if home is None:
        return {}
    from cli.home import fields as home_fields

    return {"home": home_fields(home)}


def _home_lines(home: "Overview | None") -> "Iterable[Line]":
    if home is None:
        return ()
    from cli.home import lines as home_lines

    return home_lines(home)


def fields(
    state: "ModelState", total: "Figures", events: "Events", now: datetime, config: "Config"
) -> dict[str, object]:
    """What `--json` prints."""
    from cli.states import state_fields

    report = events.report
    return {
        "sessionId": report.session,
        **state_fields(state, now, config.policy),
        "lastSeal": report.last_seal,
        "models": {
            model: {"attempts": one.attempts, "failures": one.failures}
            for model, one in total.models.items()
            if one.attempts
        },
        "events": dict(total.events),
        "inferred": events.inferred,
        "log": report.figures,
        "config": None if config.path is None else str(config.path),
    }


def lines(
    state: "ModelState", total: "Figures", events: "Events", now: datetime, config: "Config", *, utc: bool
) -> "list[Line]":
    """What people see."""
    from cli.render import ago, clock, labelled
    from cli.safe_text import visible

    report = events.report
    shown = [labelled("session", (visible(report.session or "(unnamed)"), "bold"))]
    if not state.position:
        return [*shown, labelled("model", "not known: this log holds no failover event"), *_log_lines(events)]
    if state.current is None:
        shown.append(labelled("model", "not known: no switch is recorded"))
    else:
        shown.append(labelled("model", (visible(state.current), "bold green")))
        shown.append(labelled("since", f"{clock(state.switched_at, now, utc=utc)} ({ago(state.switched_at, now)})"))
        shown.append(labelled("why", _why(total)))
    if state.pinned is not None:
        shown.append(labelled("pinned", visible(state.pinned)))
    shown += tried_lines(state, now, config.policy, utc=utc)
    given_up = [f"{visible(model)} ×{one.aborted:,}" for model, one in total.models.items() if one.aborted]
    if given_up:
        shown.append(labelled("given up", ", ".join(given_up) + ": by a person, or for want of time"))
    if state.last_good is not None and state.last_good != state.current:
        shown.append(labelled("answered", f"{visible(state.last_good)} was the last to answer"))
    if config.path is not None:
        shown.append(labelled("config", visible(str(config.path))))
    return [*shown, *_log_lines(events)]


def _why(total: "Figures") -> str:
    from cli.safe_text import visible
    from replay import ModelSwitch

    last = total.last_switch
    if last is None or not isinstance(last.event, ModelSwitch):
        return "it answered first; no switch is recorded"
    came = visible(last.event.from_ or "nothing")
    told = {
        "initial": "the session began with it",
        "fallback": f"fallback from {came}",
        "probe": f"back from {came}, to see whether it works again",
        "pin": "somebody pinned it",
        "config": f"the chain puts it before {came}",
        "user": "somebody chose it",
        "unpin": "it was in use when the pin was taken away",
        "reverted": f"the host put it back instead of {came}",
    }.get(last.event.cause or "", f"switch from {came}, without a word why")
    return f"{told} (event {last.position})"


def tried_lines(state: "ModelState", now: datetime, policy: "Policy", *, utc: bool) -> "list[Line]":
    """The models that failed, and until when each one cools."""
    from cli.render import ago, clock, labelled
    from cli.safe_text import visible
    from cli.states import worst

    shown = []
    for index, model in enumerate(state.tried):
        reason, until = worst(state, model, now, policy)
        failure = state.tried[model][reason]
        times = f" ×{failure.count}" if failure.count > 1 else ""
        cools = f"cools until {clock(until, now, utc=utc)} ({ago(until, now)})" if until else "free again"
        shown.append(labelled("" if index else "tried", (visible(model), "red" if until else "yellow")))
        shown.append(labelled("", f"  {reason}{times} at {clock(failure.at, now, utc=utc)}; {cools}"))
    return shown or [labelled("tried", "nothing: no model is known to fail")]


def _log_lines(events: "Events") -> "list[Line]":
    from cli.render import counted, labelled

    report = events.report
    if events.form != "transcript":
        count, total = report.counts["event"], sum(report.pieces.values())
        told = f"a gateway's {events.form} log: {count} of {total} lines tell of this"
        restarts = f"; {report.restarts} restart{'s' * (report.restarts != 1)}" * bool(report.restarts)
        return [labelled("log", told + restarts)]
    pieces = counted(report.counts) or "empty"
    if report.damaged:
        seals = ("; DAMAGED", "bold red")
    elif any(report.known.values()):
        seals = ("; damage that a repair recorded", "yellow")
    elif report.unsealed:
        seals = (f"; {report.unsealed} without a seal", "yellow")
    elif events.inferred and report.counts["foreign"]:
        seals = ("; none of ours: so say the host's own", "")
    else:
        seals = ("; seals and chain intact" if report.last_seal is not None else "", "")
    return [labelled("log", f"{pieces} ({report.size:,} bytes)", seals)]
