"""What a command or a gateway starts with is what it uses: shown by what a new process has imported when it ends.

No clock is asked: a module that is not imported costs nothing on any machine.
"""

import ast
import inspect
import os
import subprocess
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Final

import pytest
import typer
from openclaw_homes import old_home
from rich.console import Console

import eventlog
from cli import app as switchlog
from cli import render
from cli.as_typed import take_as_typed
from eventlog import Chain, Session
from eventlog.clients import by_class

ROOT: Final = Path(__file__).resolve().parent.parent

TOLD: Final = "\nimport sys\nprint('imported', *sys.modules, file=sys.stderr)"
COMMAND: Final = f"from cli.app import main\ntry:\n    main()\nfinally:{TOLD.replace(chr(10), chr(10) + '    ')}"

NEVER: Final = {"asyncio", "concurrent.futures", "email", "multiprocessing", "pydantic", "sqlite3", "ssl", "watchfiles"}
"""What no command that reads one small log has a use for."""
TABLES: Final = {"replay.classify", "replay.dialects.openclaw_attempts", "replay.dialects.openclaw_transcript"}
WRITING: Final = {"eventlog.append", "eventlog.attempts", "eventlog.session"}
OURS: Final = {"eventlog", "replay", "orjson", "msgspec"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of one session, with a failure and a switch in it."""
    made = tmp_path_factory.mktemp("sessions")
    with Session.open(made / "17a309d8.jsonl", Chain("a/1", "b/2")) as session:
        session.failed("a/1", reason="rate_limit", turn="t-1")
        session.switch("b/2", cause="fallback", turn="t-1")
    return made


def imported(source: str, *arguments: str | Path, **environment: str) -> set[str]:
    """All modules of a new process that runs this."""
    done = subprocess.run(
        [sys.executable, "-c", source, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={name: text for name, text in os.environ.items() if name != "FORCE_COLOR"} | environment,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    (told,) = (line for line in done.stderr.splitlines() if line.startswith("imported "))
    return set(told.split())


def commands(modules: set[str]) -> set[str]:
    return {one.partition(":")[0] for one in switchlog.COMMANDS.values()} & modules


@pytest.mark.parametrize(
    ("words", "unused"),
    [
        (("show", "{log}"), {"rich", "cli.home", *TABLES, *WRITING}),
        (("show", "{log}", "--json"), {"rich", "cli.home", *TABLES, *WRITING}),
        (("show", "{folder}"), {"rich", *TABLES, *WRITING}),
        (("next", "{log}", "--chain", "a/1,b/2"), {"rich", "eventlog.attempts", "eventlog.session", *TABLES}),
        (("replay", "{log}"), {"rich", *TABLES, *WRITING}),
        (("replay", "{log}", "--json", "--model", "a/1"), {"rich", "cli.render", *TABLES, *WRITING}),
        (("verify", "{log}"), {"rich", *TABLES, *WRITING}),
        (("pin", "{log}", "b/2"), {"rich"}),
        (("sessions", "{folder}"), {"sqlite3", "pydantic", "watchfiles", *TABLES, *WRITING}),
        (("--help",), {"rich", *OURS}),
        (("show", "--help"), {"rich", *OURS}),
        (("--version",), {"rich", *OURS}),
        (("shwo",), {"rich", *OURS}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_command_imports_what_it_uses(words: tuple[str, ...], unused: set[str], folder: Path) -> None:
    log = folder / "17a309d8.jsonl"
    found = imported(COMMAND, *(word.format(log=log, folder=folder) for word in words))
    heavy = {"sessions": unused, "pin": unused, "--version": unused}.get(words[0], unused | NEVER)
    assert found & heavy == set()
    own = {switchlog.COMMANDS.get(words[0], "").partition(":")[0]} - {""}
    assert commands(found) == (
        {one.partition(":")[0] for one in switchlog.COMMANDS.values()} if words[0] == "shwo" else own
    )


def test_what_is_used_is_imported(folder: Path, tmp_path: Path) -> None:
    """The check above can fail: each of these does have a use for it."""
    assert "rich.console" in imported(COMMAND, "show", folder, FORCE_COLOR="1")
    assert "replay.dialects.openclaw_lines" in imported(COMMAND, "show", ROOT / "cli" / "incident.log")
    assert {"cli.home", "replay.dialects.openclaw_transcript"} <= imported(COMMAND, "show", old_home(tmp_path))


@pytest.mark.parametrize(
    ("source", "unused"),
    [
        ("import eventlog", {"replay", "logging", "orjson", "msgspec", "eventlog.errors", *NEVER}),
        ("from eventlog import SwitchlogError", {"replay", "orjson", "msgspec", *NEVER}),
        ("from eventlog import read_events", NEVER | TABLES | WRITING),
        ("from eventlog import Config", {"tomllib", "eventlog.relaxed", *NEVER}),
        ("from eventlog import Session", {"asyncio", "tomllib", "email", "pydantic", "rich", "sqlite3", "watchfiles"}),
        ("from eventlog.shielded import off_loop", {"asyncio"}),
        ("from eventlog.clients import by_class", {"socket", "ssl"}),
        ("from eventlog.openclaw.home import find_home", {"sqlite3"}),
        ("import replay.dialects", TABLES),
    ],
)
def test_a_gateway_imports_what_it_uses(source: str, unused: set[str]) -> None:
    assert imported(source + TOLD) & unused == set()


def test_every_name_is_where_its_type_comes_from() -> None:
    """What a type checker sees and what is given are the same objects, under all the names, and under no other."""
    tree = ast.parse(Path(eventlog.__file__).read_text(encoding="utf-8"))
    (typed,) = (node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    homes = {
        one.name: str(node.module) for node in typed.body if isinstance(node, ast.ImportFrom) for one in node.names
    }
    assert sorted(homes) == sorted(eventlog.__all__)
    for name, home in homes.items():
        __import__(home)
        assert getattr(eventlog, name) is getattr(sys.modules[home], name)
    assert set(eventlog.__all__) <= set(dir(eventlog))
    with pytest.raises(AttributeError, match="has no attribute 'Sesion'"):
        eventlog.Sesion  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(ImportError):
        from eventlog import Sesion  # type: ignore[attr-defined]  # noqa: F401


# What is done instead gives the same.


def test_an_error_of_the_network_is_known_by_its_name() -> None:
    import socket
    import ssl

    class Own(ssl.SSLCertVerificationError):
        pass

    for error in (socket.gaierror(-2, "unknown"), ssl.SSLError("bad"), Own("expired"), ConnectionResetError()):
        assert by_class(error) == (None, "network")
    assert by_class(type("SSLError", (Exception,), {"__module__": "mine"})()) == (None, None)


class Order(Enum):
    LAST = "last"
    NAME = "name"


def taken(
    log: Annotated[str, typer.Argument()] = ".",
    more: Annotated[list[str] | None, typer.Argument()] = None,
    model: Annotated[list[str] | None, typer.Option("--model")] = None,
    order: Annotated[Order, typer.Option("--order")] = Order.LAST,
    near: Annotated[Path | None, typer.Option("--near")] = None,
    count: Annotated[int | None, typer.Option("-n", min=1)] = None,
    speed: Annotated[float, typer.Option("--speed")] = 1.5,
    live: Annotated[bool, typer.Option("--live")] = False,
    some: Annotated[bool | None, typer.Option("--some/--none")] = None,
) -> None:
    """Every kind of parameter that the commands have."""


LINES: Final = (
    "",
    "a.jsonl",
    "a b c",
    "-",
    "a --model x --model y",
    "--order name",
    "--order NAME",
    "--order bogus",
    "--near . -n 3 --speed 2",
    "-n 0",
    "-n x",
    "--live --none",
    "--model",
    "--what",
    "\udcff.jsonl \udcfe",
)


@pytest.mark.parametrize("line", LINES)
def test_words_are_taken_as_typer_takes_them(line: str) -> None:
    assert told(line.split(), quick=True) == told(line.split(), quick=False)


def told(words: list[str], *, quick: bool) -> object:
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    alone.command("taken")(taken)
    made: Any = typer.main.get_command(alone)
    if quick:
        take_as_typed(made.params)
        take_as_typed(made.params)  # once more changes nothing
    got: dict[str, object] = {}
    made.callback = lambda **values: got.update(values)
    try:
        with made.make_context("taken", list(words)) as context:
            return {name: list(value) if isinstance(value, tuple) else value for name, value in context.params.items()}
    except typer.BadParameter.__base__ as error:  # type: ignore[misc]
        return type(error), str(error), error.exit_code


def test_a_typer_that_has_no_such_way_is_left_alone() -> None:
    class Older:
        name = "log"

    one = Older()
    take_as_typed([one])
    assert vars(one) == {}


def test_the_commands_are_those_of_the_help_in_its_order() -> None:
    group: Any = typer.main.get_command(switchlog.app)
    with group.make_context("switchlog", ["--version"], resilient_parsing=True) as context:
        assert group.list_commands(context) == list(switchlog.COMMANDS)
        made = {name: group.get_command(context, name) for name in switchlog.COMMANDS}
        assert group.get_command(context, "shwo") is None
    assert [one.name for one in made.values()] == list(switchlog.COMMANDS)
    assert all(inspect.unwrap(one.callback).__doc__ for one in made.values())
    assert {name: one.get_short_help_str(500) for name, one in made.items()} == switchlog.SUMMARIES


def pieces() -> Iterator[render.Line]:
    yield render.line()
    yield render.line("")
    yield render.labelled("model", ("kimi/kimi2.5", "bold green"), " [bold]no markup[/bold] :smile:")
    yield render.line("x" * 200, ("  ", "dim"), " longer than a terminal")  # of blanks at the end, versions differ
    yield render.line("one\ntwo\n") + render.line(("三 Modelle → é", "red"), "")


@pytest.mark.parametrize("one", list(pieces()), ids=lambda one: repr(one.plain[:12]))
def test_a_line_in_a_pipe_is_what_rich_would_print(one: render.Line, capsys: pytest.CaptureFixture[str]) -> None:
    render.printer()(one)
    quick = capsys.readouterr().out
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True, force_terminal=False)
    console.print(one.styled())
    assert quick == capsys.readouterr().out == f"{one.plain}\n"
    assert one.cell_len == one.styled().cell_len


@pytest.mark.parametrize("name", ["FORCE_COLOR", "TTY_COMPATIBLE"])
def test_who_asks_for_colour_gets_it_in_a_pipe_too(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv(name, "1")
    told = render.line(("red", "red"))
    render.printer()(told)
    ours = capsys.readouterr().out
    Console(highlight=False, markup=False, emoji=False).print(told.styled())
    assert ours == capsys.readouterr().out  # an old rich knows FORCE_COLOR alone
    assert name != "FORCE_COLOR" or ours == "\x1b[31mred\x1b[0m\n"
