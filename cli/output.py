"""How a command ends: exit codes, JSON, errors, broken pipes.

Law: data goes to stdout, everything else to stderr, and a command ends in exactly one of the codes below, never in a
traceback.
"""

import functools
import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn, ParamSpec, cast

import typer

from cli.safe_text import for_json, visible

if TYPE_CHECKING:
    from pathlib import Path

    from eventlog import Report, Session
    from eventlog.neighbours import Neighbours
    from replay import Chain, Policy

FINE: Final = 0
FINDING: Final = 1
USAGE: Final = 2
UNREADABLE: Final = 3
DAMAGED: Final = 4
OUR_BUG: Final = 70
INTERRUPTED: Final = 130

SCHEMA_VERSION: Final = 1
ISSUES: Final = "https://github.com/switchlog/switchlog/issues"
_TOLD_AT_MOST: Final = 3

_MISUSE: Final = cast("type[typer.BadParameter]", typer.BadParameter.__base__)
"""All that typer raises where the arguments are wrong; it offers no name for it."""

P = ParamSpec("P")


def run(app: typer.Typer) -> NoReturn:
    """Run the app. What typer says of a misuse repeats what was typed, so it is made visible like a log's text."""
    try:
        sys.exit(app(prog_name="switchlog", standalone_mode=False))
    except _MISUSE as error:
        if len(sys.argv) > 1:  # without any argument it is the help, in lines of its own
            error.message = visible(error.message, 1000)
        error.show()
        sys.exit(USAGE)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def command(body: Callable[P, int | None]) -> Callable[P, None]:
    """Run a command's body; what it returns is the exit code, what it raises becomes one."""

    @functools.wraps(body)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        raise typer.Exit(_ending(functools.partial(body, *args, **kwargs)))

    return run


def _ending(body: Callable[[], int | None]) -> int:
    from eventlog import SwitchlogError, UnreadableError

    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal that can't write a model's name still gets the answer
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = body() or FINE
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINE
    except UnreadableError as error:
        tell(str(error))
        return UNREADABLE
    except SwitchlogError as error:
        tell(str(error))
        return USAGE
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:  # a name that is too long, a folder that may not be entered: the world's doing, not ours
        tell(
            ": ".join(
                str(part) for part in (error.filename, (error.strerror or str(error)).lower()) if part is not None
            )
        )
        return UNREADABLE
    except (typer.Exit, typer.BadParameter):
        raise
    except Exception as error:  # noqa: BLE001  (the last line of defence: a traceback helps nobody on call)
        return _our_bug(error)
    return code


def _our_bug(error: Exception) -> int:
    if os.environ.get("SWITCHLOG_DEBUG"):
        raise error
    tell(f"our own bug: {type(error).__name__}: {error}; run it again with SWITCHLOG_DEBUG=1 and report it at {ISSUES}")
    return OUR_BUG


def tell(text: str) -> None:
    """Say something on stderr that is no data."""
    print(f"switchlog: {visible(text, 1000)}", file=sys.stderr)


def write_json(fields: Mapping[str, object]) -> None:
    """One JSON object on a line of its own, with ``schemaVersion`` first; nothing in it acts on a terminal."""
    sys.stdout.buffer.write(_serialised({"schemaVersion": SCHEMA_VERSION, **fields}) + b"\n")


def _serialised(fields: Mapping[str, object]) -> bytes:
    import orjson

    try:
        data = orjson.dumps(fields, default=str)
    except orjson.JSONEncodeError:  # a lone surrogate: half a character, or the bytes of a file name that is no UTF-8
        import json

        return json.dumps(fields, default=str, separators=(",", ":")).encode("ascii")
    if data.isascii() and b"\x7f" not in data:
        return data
    return for_json(data.decode("utf-8")).encode("utf-8")


@contextmanager
def written(
    log: str,
    session: str | None = None,
    chain: "Chain | None" = None,
    policy: "Policy | None" = None,
    *,
    create: bool = False,
) -> "Iterator[Session]":
    """A session to record in, for a command: what the disk refuses is an error here, nothing waits in memory."""
    from eventlog import Session, UnreadableError, sources

    path = sources.transcript(log, session, create=create)
    with Session.open(path, chain, policy, neighbours=neighbours_of(path)) as opened:
        yield opened
        if opened.degraded is not None:
            raise UnreadableError(path, f"can't be written: {opened.degraded}", "nothing was recorded")


def neighbours_of(path: "Path | None") -> "Neighbours | None":
    """The folder's view, where a gateway keeps one (see :mod:`eventlog.neighbours`) and the configuration allows it."""
    from eventlog.config import find
    from eventlog.neighbours import HINTS, Neighbours

    if path is None or not path.with_name(HINTS).exists():
        return None
    config = find(path.parent)
    return Neighbours(path.parent, config.protection) if config.share_failures else None


def code_for(report: "Report", name: str) -> int:
    """The exit code that a log's condition asks for; damage is told on stderr, with where it is."""
    if not report.damaged:
        return FINE
    harmless = {"torn", "unterminated", "zeros", "newer", "duplicate", "header", "session", "unproven"}
    worst = [one for one in report.findings if one.what not in harmless]
    for one in worst[:_TOLD_AT_MOST]:
        tell(f"{name}: line {one.line}, byte {one.offset}: {one.what}: {one.told}")
    more = len(worst) - _TOLD_AT_MOST
    if more > 0:
        tell(f"{name}: and {more} more; what stands above leaves them out")
    return DAMAGED
