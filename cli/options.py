"""The arguments that several commands share, spelled the same everywhere.

Law: types for typer and the parsing of their texts; a text that can't be used is a usage error that says what can.
"""

from datetime import UTC, datetime
from typing import Annotated, Final

import typer

Log = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="A transcript, a folder (its newest), `-`, the beginning of a session id, or a gateway log.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, with stable camelCase keys.")]
Utc = Annotated[bool, typer.Option("--utc", help="Show times in UTC instead of local time.")]
Now = Annotated[
    str | None, typer.Option("--now", metavar="TIME", help="Decide as of this time (RFC 3339) instead of now.")
]
OneSession = Annotated[
    str | None, typer.Option("--session", metavar="ID", help="Which session of a gateway log of several.")
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
