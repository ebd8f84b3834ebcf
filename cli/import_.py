"""`switchlog import`: a gateway's log into transcripts.

Law: reads one log whole, then says what became of it; nothing is called imported before it is on the disk. With
--follow it goes on (:mod:`cli.import_follow`).
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import AsJson, ConfigFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.render import Line
    from eventlog import Config
    from eventlog.importer import Imported, Importer

GatewayLog = Annotated[
    str,
    typer.Argument(
        metavar="LOG",
        help="OpenClaw's console log or JSON file log; `-` for a pipe; with --follow also a folder of daily ones.",
    ),
]


def import_log(
    log: GatewayLog,
    into: Annotated[
        Path | None,
        typer.Option("--into", metavar="DIR", help="Where the transcripts are; else as switchlog.toml says, or here."),
    ] = None,
    session: Annotated[
        str | None,
        typer.Option(
            "--session", metavar="ID", help="Only this session; or whose log it is, where its lines name none."
        ),
    ] = None,
    alias: Annotated[
        list[str] | None,
        typer.Option("--alias", metavar="A=B", help="The log's model A is the chain's B (repeatable)."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write behind newer events, as if the log's came last.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be imported.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on as the log grows, until Ctrl-C (--json: NDJSON, one line an event).")
    ] = False,
    config: ConfigFile = None,
    json: AsJson = False,
) -> int:
    """Bring the failovers of a gateway's log into the sessions' transcripts; twice is once.

    Each session of the log becomes, or is added to, DIR/<session>.jsonl. Both forms of one log would count its
    failovers twice: import the console's or the JSON one, not both.

    --follow survives rotation, truncation and restarts, and may be stopped and started at any time: it reads LOG.1 and
    LOG again and goes on where the transcripts end. What is older or compressed by then needs an import of its own
    first. Lines that were cut off (copytruncate) before they could be read are lost.

    \b
    Examples:
      switchlog import gateway.log --into sessions
      switchlog import short-form.log --session 17a309d8 --alias kimi-coding/kimi2.5=kimi/kimi2.5
      switchlog import /tmp/openclaw --into sessions --follow
    """
    from cli.output import tell, write_json
    from cli.progress import reading
    from cli.render import printer
    from eventlog.config import find
    from eventlog.importer import Importer

    used = find(into, config)
    folder = into or used.sessions or Path()
    aliases = {**used.aliases, **_aliases(alias or [])}
    if follow:
        from cli.import_follow import follow_log

        if dry_run:
            raise typer.BadParameter("is no part of --follow", param_hint="--dry-run")
        return follow_log(log, folder, session, aliases, force=force, json=json)
    with reading() as watch:
        importer = Importer(log, session, aliases, watch)
    done = importer.run(folder, force=force, dry_run=dry_run)
    if json:
        write_json(fields(importer, done))
    else:
        out = printer()
        for line in lines(importer, done, folder, dry_run=dry_run):
            out(line)
    for warning in warnings(importer, done, used):
        tell(warning)
    return 0


def fields(importer: "Importer", done: "list[Imported]") -> dict[str, object]:
    """What `--json` prints."""
    kinds = importer.log.kinds
    return {
        "sessions": [
            {
                "sessionId": one.session,
                "path": str(one.path),
                "imported": one.imported,
                "alreadyThere": one.already_there,
                "reverted": one.reverted,
                "redirected": one.redirected,
                "failures": one.failures,
                "successes": one.successes,
                "currentModel": one.state.current,
            }
            for one in done
        ],
        "restarts": kinds["restart"],
        "skipped": kinds["skip"],
        "unreadable": kinds["unreadable"],
        "unknownSession": importer.unknown_session,
        "heldBack": importer.held_back,
    }


def lines(importer: "Importer", done: "list[Imported]", folder: Path, *, dry_run: bool) -> "Iterator[Line]":
    """What people see: a line for each session, the sum, and how to go on."""
    from cli.render import labelled, line, many
    from cli.safe_text import visible

    for one in done:
        counts = [(one.reverted, "reverted"), (one.redirected, "redirected"), (one.failures, "failed")]
        counts.append((one.successes, "answered"))
        told = ", ".join(f"{count} {what}" for count, what in counts if count)
        there = f", {one.already_there} already there" if one.already_there else ""
        yield line((visible(one.session), "bold"), f": {many(one.imported, 'event')}{there}", (f" ({told})", "dim"))
        yield labelled("", "now ", (visible(one.state.current or "not known"), "green"))
    kinds = importer.log.kinds
    others = [(kinds["restart"], "restart"), (kinds["skip"], "skipped candidate")]
    others += [(kinds["unreadable"], "unreadable line"), (importer.unknown_session, "event of unknown session")]
    rest = "".join(f"; {many(count, what)}" for count, what in others if count)
    verb = "would be imported" if dry_run else "imported"
    total = sum(one.imported for one in done)
    yield line(f"{many(total, 'event')} {verb} into {many(len(done), 'transcript')}{rest}")
    if done and not dry_run:
        name = done[0].path if len(done) == 1 else f"{folder}/<session>.jsonl"
        yield line((f"next: switchlog show {visible(str(name))}", "dim"))


def warnings(importer: "Importer", done: "list[Imported]", config: "Config") -> "Iterator[str]":
    """What a person should look at."""
    from cli.render import many

    for one in done:
        current = one.state.current
        if config.chain is not None and current is not None and current not in config.chain.models:
            remedy = f"if it is one of them, say so: --alias {current}=MODEL"
            yield f"{one.session}: its current model {current} is not in the chain of {config.path}; {remedy}"
    if importer.unknown_session:
        yield f"{many(importer.unknown_session, 'event')} left out: the log does not say of which session"
    if importer.held_back:
        yield "the last line has no newline yet and was left out, for it may be half a line; import again later"


def _aliases(pairs: list[str]) -> dict[str, str]:
    aliases = {}
    for pair in pairs:
        name, equals, model = pair.partition("=")
        if not (name and equals and model):
            raise typer.BadParameter(f"{pair!r}: write it A=B, the log's name and yours", param_hint="--alias")
        aliases[name] = model
    return aliases
