"""The arguments that several commands share, spelled the same everywhere.

Law: types for typer and the parsing of their texts; a text that can't be used is a usage error that says what can.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from eventlog import Config
    from replay.filters import Filter


def offer_logs(incomplete: str) -> list[str]:
    """What Tab offers for the name of a log."""
    from cli.completion import logs

    return logs(incomplete)


def _offer_sessions(ctx: typer.Context, incomplete: str) -> list[str]:
    from cli.completion import sessions

    return sessions(ctx, incomplete)


Log = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        autocompletion=offer_logs,
        help="A transcript, a folder (its newest), `-`, the beginning of a session id, a gateway log, or a database or "
        "home of OpenClaw's.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, with stable camelCase keys.")]
Utc = Annotated[bool, typer.Option("--utc", help="Show times in UTC instead of local time.")]
Now = Annotated[str | None, typer.Option("--now", metavar="TIME", help="Decide as of this time instead of now.")]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="Only from then on: -3h, today, 03:12, 2026-04-02, or RFC 3339."),
]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Only before then.")]
Models = Annotated[list[str] | None, typer.Option("--model", metavar="MODEL", help="Only this model (repeatable).")]
Providers = Annotated[
    list[str] | None, typer.Option("--provider", metavar="NAME", help="Only this provider (repeatable).")
]
Reasons = Annotated[
    list[str] | None, typer.Option("--reason", metavar="REASON", help="Only failures of this reason (repeatable).")
]
Turns = Annotated[list[str] | None, typer.Option("--turn", metavar="TURN", help="Only this turn (repeatable).")]
OneSession = Annotated[
    str | None,
    typer.Option(
        "--session",
        metavar="ID",
        autocompletion=_offer_sessions,
        help="Which one, where there are several: an id, its beginning, or a key.",
    ),
]

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="The switchlog.toml (or openclaw.json) to use; else the nearest."),
]
By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who says so; else the user that runs this.")]
Note = Annotated[
    str | None, typer.Option("--note", metavar="TEXT", help='Why, for whoever reads the log: "topped up".')
]


def present(now: str | None, *, utc: bool = False) -> datetime:
    """The moment that ``--now`` names, or the present."""
    return datetime.now(UTC) if now is None else moment(now, "--now", utc=utc)


def moment(text: str, option: str, *, utc: bool = False, now: datetime | None = None) -> datetime:
    """A time of the command line, as :mod:`cli.times` reads it; what is no time is a usage error."""
    from cli.times import FORMS, time_of

    time = time_of(text, now or datetime.now(UTC), UTC if utc else None)
    if time is None:
        raise typer.BadParameter(f"{text!r} is no time; write it {FORMS}", param_hint=option)
    return time


def chosen(
    since: str | None = None,
    until: str | None = None,
    models: list[str] | None = None,
    providers: list[str] | None = None,
    reasons: list[str] | None = None,
    turns: list[str] | None = None,
    *,
    utc: bool = False,
    now: datetime | None = None,
) -> "Filter":
    """The filter that these options make. ``now`` is what relative times count from."""
    from replay.filters import Filter

    return Filter(
        since=None if since is None else moment(since, "--since", utc=utc, now=now),
        until=None if until is None else moment(until, "--until", utc=utc, now=now),
        models=frozenset(models or ()),
        providers=frozenset(providers or ()),
        reasons=frozenset(reasons or ()),
        turns=frozenset(turns or ()),
    )


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
