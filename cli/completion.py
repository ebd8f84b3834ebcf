"""What the shell offers when somebody presses Tab: files, session ids, keys, models.

Law: looks at names only, opens no transcript, is quick and bounded, and never raises: a shell that waits or prints an
error while one types is worse than one that offers nothing.
"""

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import typer

MOST: Final = 200
_WHERE: Final = ("log", "logs", "where", "folder", "a")
"""What the commands call the argument that names a log."""


def logs(incomplete: str) -> list[str]:
    """Files and folders that begin so, and the ids of sessions in the folder one stands in."""
    try:
        found = [*_files(incomplete), *_ids(Path(), incomplete)]
    except (OSError, ValueError):
        return []
    return _offered(found)


def sessions(context: typer.Context, incomplete: str) -> list[str]:
    """Keys and ids of the sessions of the folder, home or database that the command line names."""
    from eventlog import SwitchlogError

    # A line that ends within an option is parsed in part: its arguments are then left over.
    named = next(iter(context.args), None) or next(
        (context.params[one] for one in _WHERE if context.params.get(one)), "."
    )
    where = Path(str(named[0] if isinstance(named, list | tuple) else named)).expanduser()
    try:
        return _offered(_sessions(where, incomplete))
    except (OSError, ValueError, SwitchlogError):
        return []


def _offered(found: Iterable[str]) -> list[str]:
    """Each once, and only names that a shell can show and a line can hold."""
    return list(dict.fromkeys(islice((name for name in found if name.isprintable()), MOST)))


def _sessions(where: Path, incomplete: str) -> Iterator[str]:
    if where.is_dir():
        from eventlog.openclaw.home import find_home

        home = find_home(where)
        if home is None:
            yield from _ids(where, incomplete)
            return
        for one in home.sessions():
            yield from (name for name in (one.key, one.id) if name and name.startswith(incomplete))
    elif where.suffix not in (".jsonl", ".log"):
        from eventlog.openclaw import database

        if database.is_database(where):
            for stored in database.sessions(where):
                yield from (name for name in (stored.key, stored.id) if name and name.startswith(incomplete))


def _ids(folder: Path, incomplete: str) -> Iterable[str]:
    if os.sep in incomplete:
        return []
    from eventlog import sources

    found = (sources.session_name(path) for path in islice(sources.transcripts(folder), 100_000))
    return sorted(islice((name for name in found if name.startswith(incomplete)), MOST))


def _files(incomplete: str) -> Iterable[str]:
    """As the shell itself would offer them, which it doesn't where a command has offers of its own."""
    folder, _, beginning = incomplete.rpartition(os.sep)
    root = Path(folder or (os.sep if incomplete.startswith(os.sep) else ".")).expanduser()
    before = incomplete[: len(incomplete) - len(beginning)]
    with os.scandir(root) as entries:
        names = (entry.name + (os.sep if entry.is_dir() else "") for entry in entries)
        hidden = beginning.startswith(".")
        fitting = (name for name in names if name.startswith(beginning) and (hidden or not name.startswith(".")))
        return [before + name for name in sorted(islice(fitting, MOST))]
