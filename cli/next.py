"""`switchlog next`: which model would be used now, and why not the others.

Law: reads one log, decides, changes nothing. The same decision as the gateway's.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import AsJson, Log, Now, OneSession, Utc, present

if TYPE_CHECKING:
    from rich.text import Text

    from replay import Chain, Decision

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
    chain: Annotated[str, typer.Option("--chain", metavar="A,B,C", help="The models to use, best first.")],
    session: OneSession = None,
    now: Now = None,
    json: AsJson = False,
    utc: Utc = False,
) -> int:
    """Which model would be asked now, and why not the others.

    \b
    Example:
      switchlog next sessions/17a309d8.jsonl --chain kimi/kimi2.5,zhipu/glm-5.1
    """
    from cli.output import code_for, write_json
    from cli.render import console
    from cli.states import skipped_fields, stamp
    from eventlog import read_events
    from replay import decide, fold

    moment, models = present(now), _chain(chain)
    events = read_events(log, session)
    decision = decide(fold(events), models, moment)
    if json:
        write_json(
            {
                "model": decision.model,
                "cause": decision.cause,
                "order": list(decision.order),
                "skipped": [skipped_fields(one) for one in decision.skipped],
                "retryAt": stamp(decision.retry_at),
                "forced": decision.forced,
            }
        )
    else:
        out = console()
        for line in lines(decision, moment, utc=utc):
            out.print(line)
    return code_for(events.report, str(log))


def _chain(text: str) -> "Chain":
    from replay import Chain

    try:
        return Chain.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--chain") from None


def lines(decision: "Decision", now: datetime, *, utc: bool) -> "list[Text]":
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
        shown.append(labelled("not", (visible(one.model), "red")))
        shown.append(labelled("", f"  {one.why}{until}{event}"))
    return shown
