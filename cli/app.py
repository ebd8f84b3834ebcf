"""The `switchlog` command.

Law: registers the commands and nothing else. Each is a module of its own, which imports what it needs when it runs.
"""

import typer

from cli.append import append
from cli.audit import audit
from cli.demo import demo
from cli.diff import diff
from cli.follow import follow
from cli.import_ import import_log
from cli.next import next_model
from cli.output import command, run
from cli.pin import clear, pin, unpin
from cli.repair import repair
from cli.replay import replay
from cli.sessions import sessions
from cli.show import show
from cli.verify import verify

app = typer.Typer(
    name="switchlog",
    help="The failover memory that survives: which model a session uses, why, and since when.",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help: it starts twice as fast and reads the same everywhere
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("demo")(command(demo))
app.command("show")(command(show))
app.command("next")(command(next_model))
app.command("replay")(command(replay))
app.command("diff")(command(diff))
app.command("pin")(command(pin))
app.command("unpin")(command(unpin))
app.command("clear")(command(clear))
app.command("append")(command(append))
app.command("import")(command(import_log))
app.command("verify")(command(verify))
app.command("follow")(command(follow))
app.command("sessions")(command(sessions))
app.command("audit")(command(audit))
app.command("repair")(command(repair))


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
