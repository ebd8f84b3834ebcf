"""The arguments that several commands share, spelled the same everywhere.

Law: types for typer and the parsing of their texts; a text that can't be used is a usage error that says what can.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from eventlog import Config

Log = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="A transcript, a folder (its newest), `-`, the beginning of a session id, a gateway log, or a database or "
        "home of OpenClaw's.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, with stable camelCase keys.")]
Utc = Annotated[bool, typer.Option("--utc", help="Show times in UTC instead of local time.")]
Now = Annotated[
    str | None, typer.Option("--now", metavar="TIME", help="Decide as of this time (RFC 3339) instead of now.")
]
OneSession = Annotated[
    str | None,
    typer.Option("--session", metavar="ID", help="Which one, where there are several: an id, its beginning, or a key."),
]

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="The switchlog.toml (or openclaw.json) to use; else the nearest."),
]
By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who says so; else the user that runs this.")]
Note = Annotated[
    str | None, typer.Option("--note", metavar="TEXT", help='Why, for whoever reads the log: "topped up".')
]

_FORMS: Final = "like 2026-04-02T04:55:40Z (with its offset)"


def present(now: str | None) -> datetime:
    """The moment that ``--now`` names, or the present."""
    return datetime.now(UTC) if now is None else moment(now, "--now")


def moment(text: str, option: str) -> datetime:
    """A time of the command line."""
    from replay.events import parse_time

    time = parse_time(text)
    if time is None:
        raise typer.BadParameter(f"{text!r} is no time; write it {_FORMS}", param_hint=option)
    return time


def config_for(log: str, named: Path | None) -> "Config":
    """The configuration for a log: the one named, or the nearest to the file."""
    from dataclasses import replace

    from eventlog.config import find

    near = None if log == "-" else Path(log).parent if not Path(log).is_dir() else Path(log)
    found = find(near, named)
    if named is None and found.path is None and near is not None:
        return _hosts(near) or found
    if named is None or named.suffix != ".json":
        return found
    return replace(found, protection=find(near).protection)  # a host's own configuration knows nothing of keys


def _hosts(near: Path) -> "Config | None":
    """The configuration of the OpenClaw home that the place lies in, if there is one that can be used."""
    from cli.output import tell
    from eventlog.config import ConfigError, load

    near = near.absolute()
    for place in (near, *near.parents):
        config = place / "openclaw.json"
        if (place / "agents").is_dir() and config.is_file():
            try:
                return load(config)
            except ConfigError as error:
                tell(f"{error}; going on without its chain")
                return None
    return None


def who(by: str | None) -> str:
    """Who says so: the one named, or the user that runs this."""
    from getpass import getuser

    if by is not None:
        return by
    try:
        return getuser()
    except (KeyError, OSError):  # a user id without a name, as in a container
        return "operator"
