"""`switchlog next`: which model would be used now, and why not the others.

Law: reads one log and decides, as the gateway does. Changes nothing, unless asked to record the switch.
"""

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import AsJson, ConfigFile, Log, Now, OneSession, Utc, config_for, present

if TYPE_CHECKING:
    from cli.render import Line
    from eventlog import Config
    from replay import Chain, Decision, Elsewhere

_CAUSES = {
    "initial": "nothing has been asked yet",
    "keep": "it is the current model",
    "fallback": "the current model can't be asked",
    "probe": "its cooldown is over: one request will show",
    "pin": "somebody pinned it",
    "config": "the chain puts it first",
}


def next_model(
    log: Log,
    chain: Annotated[
        str | None, typer.Option("--chain", metavar="A,B,C", help="The models to use, best first; else the config's.")
    ] = None,
    session: OneSession = None,
    config: ConfigFile = None,
    now: Now = None,
    record: Annotated[
        bool, typer.Option("--record", help="Also record the switch, as a gateway does before it asks.")
    ] = False,
    json: AsJson = False,
    utc: Utc = False,
) -> int:
    """Which model would be asked now, and why not the others. A transcript that is not there yet is a new session.

    \b
    Examples:
      switchlog next sessions/17a309d8.jsonl --chain kimi/kimi2.5,zhipu/glm-5.1
      switchlog next sessions/17a309d8.jsonl --config openclaw.json --json
    """
    from cli.output import code_for, write_json
    from cli.progress import reading
    from cli.render import printer
    from eventlog import Report, read_events, sources
    from replay import INITIAL, decide, fold

    moment, used = present(now, utc=utc), config_for(log, config)
    models = _chain(chain, used)
    report = Report()
    if record:
        decision = _recorded(log, session, models, used, as_of=now)
    elif log.endswith(sources.SUFFIX) and not os.path.lexists(log) and not sources.companion(Path(log)).exists():
        decision = decide(INITIAL, models, moment, used.policy, elsewhere=_elsewhere(Path(log), models, moment, used))
    else:
        with reading() as watch:
            events = read_events(log, session, protection=used.protection, watch=watch)
            state = fold(events)
        elsewhere = _elsewhere(events.path, models, moment, used)
        decision = decide(state, models, moment, used.policy, elsewhere=elsewhere)
        report = events.report
    if json:
        write_json(fields(decision))
    else:
        out = printer()
        for line in lines(decision, moment, utc=utc):
            out(line)
    return code_for(report, log)


def fields(decision: "Decision") -> dict[str, object]:
    """What `--json` prints."""
    from cli.states import skipped_fields, stamp

    return {
        "model": decision.model,
        "cause": decision.cause,
        "order": list(decision.order),
        "skipped": [skipped_fields(one) for one in decision.skipped],
        "retryAt": stamp(decision.retry_at),
        "forced": decision.forced,
    }


def _elsewhere(path: Path | None, chain: "Chain", now: datetime, config: "Config") -> "Elsewhere":
    """What the other sessions of the folder say, as a gateway of this configuration would hear it."""
    from cli.output import neighbours_of
    from replay import NOWHERE

    neighbours = neighbours_of(path)
    if path is None or neighbours is None:
        return NOWHERE
    return neighbours.elsewhere(path.name, chain.models, now, config.policy)


def _recorded(log: str, session: str | None, chain: "Chain", config: "Config", *, as_of: str | None) -> "Decision":
    """The decision of a gateway that is about to ask, its switch on the disk."""
    from cli.output import written
    from eventlog import AllModelsFailed

    if as_of is not None:
        raise typer.BadParameter("a switch is recorded as of the present; leave out --now", param_hint="--record")
    with written(log, session, chain, config.policy, create=True) as opened:
        try:
            return next(opened.attempts()).decision  # what a gateway does first; the attempt is the caller's
        except AllModelsFailed:
            return opened.decide()


def _chain(text: str | None, config: "Config") -> "Chain":
    from replay import Chain

    if text is None and config.chain is not None:
        return config.chain
    if text is None:
        raise typer.BadParameter("name the models: --chain a,b,c, or a config with a chain", param_hint="--chain")
    try:
        return Chain.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--chain") from None


def lines(decision: "Decision", now: datetime, *, utc: bool) -> "list[Line]":
    """What people see."""
    from cli.render import ago, clock, labelled
    from cli.safe_text import visible

    if decision.model is None:
        soonest = "" if decision.retry_at is None else f"; soonest retry {clock(decision.retry_at, now, utc=utc)}"
        shown = [labelled("use", ("no model is left", "bold red"), soonest)]
    else:
        why = "forced: all of them cool, this one is free first" if decision.forced else _CAUSES[decision.cause or ""]
        shown = [labelled("use", (visible(decision.model), "bold green"))]
        shown.append(labelled("why", f"{decision.cause}: {why}"))
    shown += [labelled("then", visible(model)) for model in decision.order[1:]]
    for one in decision.skipped:
        until = "" if one.until is None else f" until {clock(one.until, now, utc=utc)} ({ago(one.until, now)})"
        event = "" if one.position is None else f", says event {one.position}"
        event += "" if one.session is None else f" of session {visible(one.session)}"
        shown.append(labelled("not", (visible(one.model), "red")))
        shown.append(labelled("", f"  {one.why}{until}{event}"))
    return shown
