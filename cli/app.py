"""The `switchlog` command.

Law: registers the commands and nothing else. Each is a module of its own, imported when it is the one that is asked
for, which imports what it needs when it runs. What starts slowly is not asked at three in the morning.
"""

from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from cli.as_typed import take_as_typed
from cli.output import command, run

COMMANDS: Final = {
    "demo": "cli.demo:demo",
    "show": "cli.show:show",
    "next": "cli.next:next_model",
    "replay": "cli.replay:replay",
    "diff": "cli.diff:diff",
    "pin": "cli.pin:pin",
    "unpin": "cli.pin:unpin",
    "clear": "cli.pin:clear",
    "append": "cli.append:append",
    "import": "cli.import_:import_log",
    "verify": "cli.verify:verify",
    "follow": "cli.follow:follow",
    "sessions": "cli.sessions:sessions",
    "audit": "cli.audit:audit",
    "repair": "cli.repair:repair",
}
"""Where each command is, in the order of the help."""

SUMMARIES: Final = {
    "demo": "See it work: a gateway is killed in mid-attempt, twice, without switchlog and with it.",
    "show": "Where a session stands now: which model answers, since when and why, and which ones cool.",
    "next": "Which model would be asked now, and why not the others.",
    "replay": "The history of a session, event by event, with the state after each"
    " (--json: NDJSON, one line an event).",
    "diff": "What differs between two sessions, two copies of one, or two moments of one.",
    "pin": "Use this model from now on, whatever the chain says, until it is unpinned; what cools it is lifted.",
    "unpin": "Take the pin away: the chain decides again.",
    "clear": "Say that a model, or a whole provider, is mended: its failures are forgotten and it is used again.",
    "append": "Append events to a transcript: sealed, chained, on the disk when its position is printed.",
    "import": "Bring the failovers of a gateway's log into the sessions' transcripts; twice is once.",
    "verify": "Check logs: every line's class, every seal, the chain, the session, proofs and anchors.",
    "follow": "A session's events as they come; of a folder or a home, a live table of its sessions.",
    "sessions": "All sessions: the model of each, what cools, the latest event, and its health"
    " (--json: NDJSON, one a line).",
    "audit": "Findings, worst first, with the events that show them and what to do; then figures by model.",
    "repair": "Mend a log: take out NULs, give glued lines a line each, record the damage that stays as known.",
}
"""What the help says of each: its first line, so that the help need not import them all."""


class _Command(TyperCommand):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        take_as_typed(self.get_params(ctx))
        return super().parse_args(ctx, args)


class _Commands(TyperGroup):
    """The commands, each made when it is asked for: to make all of them takes longer than most of them run."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        take_as_typed(self.get_params(ctx))
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        listed: dict[str, Any] = {name: TyperCommand(name, help=summary) for name, summary in SUMMARIES.items()}
        TyperGroup(commands=listed).format_commands(ctx, formatter)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        # Who mistypes one gets all of them, to be told which one is meant.
        for name in (cmd_name,) if cmd_name in COMMANDS else COMMANDS:
            if name not in self.commands:
                self.add_command(built(name), name)
        return super().get_command(ctx, cmd_name)


def built(name: str) -> Any:
    """The command of that name, as typer makes it."""
    module, _, function = COMMANDS[name].partition(":")
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    alone.command(name, cls=_Command)(command(getattr(import_module(module), function)))
    return typer.main.get_command(alone)


app = typer.Typer(
    name="switchlog",
    cls=_Commands,
    help="The failover memory that survives: which model a session uses, why, and since when.",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help: it starts twice as fast and reads the same everywhere
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version and leave.")) -> None:
    if version:
        from importlib.metadata import version as installed

        print(f"switchlog {installed('switchlog')}")
        raise typer.Exit


def main() -> None:
    """The entry point."""
    run(app)


if __name__ == "__main__":
    main()
