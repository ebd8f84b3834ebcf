"""`switchlog pin`, `unpin` and `clear`: a person's decision, recorded.

Law: appends one event to one transcript, durable before it is told; it says who and why, for whoever reads it later.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import AsJson, By, ConfigFile, Log, Note, OneSession, config_for, who

if TYPE_CHECKING:
    from eventlog import Session

Model = Annotated[str, typer.Argument(metavar="MODEL", help="As provider/model-id.")]


def pin(
    log: Log,
    model: Model,
    session: OneSession = None,
    by: By = None,
    note: Note = None,
    config: ConfigFile = None,
    json: AsJson = False,
) -> int:
    """Use this model from now on, whatever the chain says, until it is unpinned; what cools it is lifted.

    \b
    Example:
      switchlog pin sessions/17a309d8.jsonl zhipu/glm-5.1 --note "customer asked for it"
    """
    from cli.output import tell, written

    chain = config_for(log, config).chain
    if chain is not None and model not in chain.models:
        tell(f"{model} is not in the configured chain; it is pinned all the same")
    with written(log, session) as opened:
        opened.switch(model, by=who(by), note=note)
        say_where(opened)
        return _told(opened, f"pinned {model}", json=json)


def unpin(log: Log, session: OneSession = None, by: By = None, note: Note = None, json: AsJson = False) -> int:
    """Take the pin away: the chain decides again.

    \b
    Example:
      switchlog unpin sessions/17a309d8.jsonl
    """
    from cli.output import written

    with written(log, session) as opened:
        pinned = opened.state.pinned
        opened.unpin(by=who(by), note=note)
        if pinned:
            say_where(opened)
        return _told(opened, f"unpinned {pinned}" if pinned else "no model was pinned; nothing was written", json=json)


def clear(
    log: Log,
    model: Annotated[str | None, typer.Argument(metavar="MODEL", help="The model that is mended.")] = None,
    provider: Annotated[str | None, typer.Option("--provider", help="All models of this provider instead.")] = None,
    session: OneSession = None,
    by: By = None,
    note: Note = None,
    json: AsJson = False,
) -> int:
    """Say that a model, or a whole provider, is mended: its failures are forgotten and it is used again.

    \b
    Example:
      switchlog clear sessions/17a309d8.jsonl --provider kimi --note "topped up"
    """
    from cli.output import written

    if (model is None) == (provider is None):
        raise typer.BadParameter("name a MODEL or a --provider, one of the two")
    with written(log, session) as opened:
        opened.clear(model, provider=provider, by=who(by), note=note)
        say_where(opened)
        return _told(opened, f"cleared {model or f'all of {provider}'}", json=json)


def say_where(session: "Session") -> None:
    """Say on stderr that what was written stands beside the transcript, if it does: nobody would look for it there."""
    from cli.output import tell
    from eventlog.sources import COMPANION

    if session.path.name.endswith(COMPANION) and session.degraded is None:
        tell(f"written beside the transcript, into {session.path}")


def _told(session: "Session", told: str, *, json: bool) -> int:
    from cli.output import write_json
    from cli.render import line, printer
    from cli.safe_text import visible

    state = session.state
    if json:
        told_fields = {"currentModel": state.current, "pinnedModel": state.pinned, "position": state.position}
        write_json({"sessionId": session.id, **told_fields, "attemptedModels": list(state.attempted)})
    else:
        printer()(line(f"{visible(session.id)}: {visible(told)}"))
    return 0
