"""An OpenClaw home: its agents, their sessions by key or by id, its configuration and its logs, whatever the version.

Law: finds and names, opens no transcript and changes nothing. Up to 2026.6 a session is a JSONL file, since 2026.7.2
rows of the agent's database; one that is both is told once, from the database, whose archive the file then is. What
can't be used of ``sessions.json`` or ``openclaw.json`` is passed over: a home is read whatever is in them.

    ~/.openclaw/openclaw.json
    ~/.openclaw/agents/main/sessions/<session id>.jsonl       and sessions.json: session key -> session id
    ~/.openclaw/agents/main/agent/openclaw-agent.sqlite
"""

import heapq
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from eventlog import file, relaxed
from eventlog.errors import UnreadableError
from eventlog.names import SUFFIX
from eventlog.openclaw.placement import DATABASE

CONFIG: Final = "openclaw.json"
LOGS: Final = Path("/tmp/openclaw")  # noqa: S108  (the host's own choice)
"""Where the gateway logs to, unless its configuration says otherwise."""
_AGENTS: Final = "agents"
_SESSIONS: Final = "sessions"
_STORE: Final = "sessions.json"
_LARGEST: Final = 256 << 20
"""Bytes; a configuration or a list of keys beyond that is not looked into."""
_NO_TRANSCRIPT: Final = re.compile(r"\.trajectory\.jsonl$|\.checkpoint\.[^.]*\.jsonl$")
"""What the host keeps beside transcripts under names that look like theirs."""
_UNUSABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_VERSION: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9}){1,7}")
_NAMED: Final = 5
"""So many candidates are named, where several or none fit."""


@dataclass(frozen=True, slots=True)
class HostSession:
    """A session of the host: where its transcript is, and what it is called."""

    agent: str
    id: str
    key: str | None
    path: Path
    """The transcript, or the database."""
    stored: bool
    """In the database."""
    updated: float
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Home:
    """An OpenClaw home, or the part of it that was named."""

    folder: Path
    config: Path | None
    agents: tuple[str, ...]

    @property
    def version(self) -> tuple[int, ...] | None:
        """The version of the host that last wrote its configuration, if it says so."""
        return None if self.config is None else host_version(self.config)

    def logs(self, default: Path = LOGS) -> tuple[Path, ...]:
        """The gateway's logs that are there. ``default`` counts where the configuration names no log."""
        logging = _at(_loaded(self.config), "logging", "file")
        named = Path(os.path.expanduser(logging)) if isinstance(logging, str) and logging else None  # noqa: PTH111
        found = [named] if named is not None else sorted(_files(default, "openclaw-", ".log"))
        return tuple(path for path in (*found, *sorted(_files(self.folder / "logs", "", ".log"))) if _is_file(path))

    def sessions(self) -> Iterator[HostSession]:
        """All sessions, in no order. What can't be read raises its UnreadableError behind the last one."""
        failed: UnreadableError | None = None
        for agent in self.agents:
            folder = self.folder / _AGENTS / agent
            stored: set[str] = set()  # filled before the files are looked at
            for found in (_stored(agent, folder / DATABASE, stored), _filed(agent, folder, stored)):
                try:
                    yield from found
                except UnreadableError as error:
                    failed = failed or error
                except OSError as error:
                    failed = failed or UnreadableError(folder, (error.strerror or str(error)).lower())
        if failed is not None:
            raise failed

    def find(self, name: str) -> HostSession:
        """The session that ``name`` means: a key (its latest session), an id, or the beginning of one id.

        Raises UnreadableError where none or several fit, with some that might be meant.
        """
        return _find(self.folder, self.sessions, name)

    def newest(self) -> HostSession:
        """The session that was last written to."""
        newest = max(self.sessions(), key=_age, default=None)
        if newest is None:
            raise UnreadableError(self.folder, "no session in this OpenClaw home")
        return newest


def find_stored(path: Path, name: str | None) -> HostSession:
    """The session of one database that ``name`` means, as :meth:`Home.find`; the newest if it is None."""

    def sessions() -> Iterator[HostSession]:
        return _in_database("", path)

    if name is not None:
        return _find(path, sessions, name)
    newest = max(sessions(), key=_age, default=None)
    if newest is None:
        raise UnreadableError(path, "no session in this database")
    return newest


def find_home(folder: Path) -> Home | None:
    """The home that ``folder`` is, or is part of: the home itself, its ``agents``, or one agent's folder.

    None for any other folder. Its configuration need not be there, nor be readable.
    """
    with suppress(OSError, ValueError):
        if (folder / _AGENTS).is_dir():
            home, agents = folder, _agents(folder / _AGENTS)
            return _home(home, agents) if agents or (home / CONFIG).is_file() else None
        real = folder if folder.name not in {"", ".."} else folder.resolve()  # `.` has no name of its own
        if real.name == _AGENTS and (agents := _agents(real)):
            return _home(real.parent, agents)
        if real.parent.name == _AGENTS and _is_agent(real):
            return _home(real.parent.parent, (real.name,))
    return None


def host_version(config: Path) -> tuple[int, ...] | None:
    """``meta.lastTouchedVersion`` of an ``openclaw.json``; None for whatever stands in the way of that."""
    version = _at(_loaded(config), "meta", "lastTouchedVersion")
    found = _VERSION.match(version) if isinstance(version, str) else None
    return None if found is None else tuple(map(int, found[0].split(".")))


def _home(folder: Path, agents: tuple[str, ...]) -> Home:
    config = folder / CONFIG
    return Home(folder, config if _is_file(config) else None, agents)


def _agents(folder: Path) -> tuple[str, ...]:
    with os.scandir(folder) as entries:
        return tuple(sorted(entry.name for entry in entries if entry.is_dir() and _is_agent(folder / entry.name)))


def _is_agent(folder: Path) -> bool:
    try:
        return (folder / _SESSIONS).is_dir() or (folder / DATABASE).is_file()
    except OSError:  # another user's
        return False


def _find(where: Path, sessions: Callable[[], Iterator[HostSession]], name: str) -> HostSession:
    keyed: HostSession | None = None
    same, begun = [], []
    try:
        for one in sessions():
            if one.key == name and (keyed is None or keyed.updated < one.updated):
                keyed = one
            if one.id == name:
                same.append(one)
            elif one.id.startswith(name):
                begun.append(one)
    except UnreadableError:
        if keyed is None and not same:
            raise
    found = [keyed] if keyed is not None else same or begun
    if len(found) == 1:
        return found[0]
    some = heapq.nlargest(_NAMED, found or sessions(), key=_age)
    if found:
        names = ", ".join(map(_full_name, some))
        raise UnreadableError(name, f"{len(found)} sessions are called so: {names}", "name more of the id, or a key")
    names = ", ".join(one.key or one.id for one in some)
    remedy = f"the latest are {names}" if names else "it has none"
    raise UnreadableError(name, f"no session of {where} has this key or id", remedy)


def _stored(agent: str, path: Path, stored: set[str]) -> Iterator[HostSession]:
    if not _is_file(path):
        return
    for one in _in_database(agent, path):
        stored.add(one.id)
        yield one


def _in_database(agent: str, path: Path) -> Iterator[HostSession]:
    from eventlog.openclaw import database  # who has an older home needs no SQLite

    for one in database.sessions(path):
        updated = 0.0 if one.updated is None else one.updated.timestamp()
        yield HostSession(agent, one.id, one.key, path, stored=True, updated=updated)


def _filed(agent: str, folder: Path, stored: set[str]) -> Iterator[HostSession]:
    """An agent's live transcripts. Of a hundred thousand, each one is looked at once."""
    folder /= _SESSIONS
    keys: dict[str, str] | None = None
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if not name.endswith(SUFFIX) or _NO_TRANSCRIPT.search(name) or not entry.is_file(follow_symlinks=False):
                continue
            session = name.removesuffix(SUFFIX)
            if not session or session in stored:
                continue
            keys = _keys(folder / _STORE) if keys is None else keys
            with suppress(FileNotFoundError):  # removed since the folder was read
                updated = entry.stat(follow_symlinks=False).st_mtime
                yield HostSession(agent, session, keys.get(name), Path(entry.path), stored=False, updated=updated)


def _keys(path: Path) -> dict[str, str]:
    """Session keys by the name of the transcript. Only a name is taken from there, never a place."""
    found: dict[str, str] = {}
    entries = _loaded(path)
    for key, entry in entries.items() if isinstance(entries, dict) else ():
        if not isinstance(entry, dict) or not key or _UNUSABLE.search(key):
            continue
        session, place = entry.get("sessionId"), entry.get("sessionFile")
        if isinstance(session, str):
            found.setdefault(session + SUFFIX, key)
        if isinstance(place, str):  # a thread's transcript has more in its name than the id
            found[place.replace("\\", "/").rpartition("/")[2]] = key
    return found


def _loaded(path: Path | None) -> object:
    """A JSON file's value; None for what can't be had."""
    if path is None:
        return None
    with suppress(OSError, ValueError, RecursionError, UnreadableError):
        fd = file.open_read(path)
        try:
            if file.identify(fd).size <= _LARGEST:
                return relaxed.loads(file.read_at(fd, 0, _LARGEST))
        finally:
            file.close(fd)
    return None


def _at(value: object, *keys: str) -> object:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _files(folder: Path, beginning: str, ending: str) -> list[Path]:
    with suppress(OSError), os.scandir(folder) as entries:
        return [Path(one.path) for one in entries if one.name.startswith(beginning) and one.name.endswith(ending)]
    return []


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _age(session: HostSession) -> tuple[float, str]:
    return session.updated, session.id


def _full_name(session: HostSession) -> str:
    return f"{session.id} ({session.key})" if session.key else f"{session.agent}/{session.id}"
