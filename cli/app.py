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
