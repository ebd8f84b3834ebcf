"""The configuration: which models, in which order, and how long a failure cools.

Law: reads one file into checked values; an unknown key or a wrong value is an error that names the file and the key,
for a misspelled chain must not be found out in an outage. The file is named (``--config``, ``SWITCHLOG_CONFIG``), or is
the nearest ``switchlog.toml`` beside or above the sessions. A JSON file is taken for OpenClaw's own ``openclaw.json``.

    chain = ["kimi/kimi2.5", "zhipu/glm-5.1", "local/qwen2.5:14b"]
    sessions = "sessions"            # relative to this file
    return_to_primary = true
    force = true
    probe_timeout = 60               # seconds
    share_failures = true            # what fails now in one session is not tried first by a new one
    redact = ["corp-[0-9a-f]{16}"]   # what error texts lose besides the usual secrets
    # key_file = "switchlog.keys"    # what is written is signed (see eventlog.keys)
    # accept_unsealed = true         # with keys: let events count that carry no proof
    [cooldown.rate_limit]
    base = 300                       # seconds
    cap = 3600
    [aliases]                        # other names for a model, as a gateway's log may spell it
    "kimi-coding/kimi2.5" = "kimi/kimi2.5"
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final, TypeVar

from eventlog.errors import SwitchlogError
from eventlog.keys import Keys
from eventlog.protection import OPEN, Protection
from replay import Chain, Cooldown, Policy

NAME: Final = "switchlog.toml"
VARIABLE: Final = "SWITCHLOG_CONFIG"
_KEYS: Final = frozenset(
    {
        "accept_unsealed",
        "aliases",
        "chain",
        "cooldown",
        "force",
        "key_file",
        "probe_timeout",
        "redact",
        "return_to_primary",
        "sessions",
        "share_failures",
    }
)

T = TypeVar("T")


class ConfigError(SwitchlogError):
    """A configuration that can't be used: which file, which key, why."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path


@dataclass(frozen=True, slots=True)
class Config:
    """What a configuration says. Without a file: no chain, the default policy."""

    path: Path | None = None
    chain: Chain | None = None
    policy: Policy = field(default_factory=Policy)
    aliases: Mapping[str, str] = field(default_factory=dict)
    sessions: Path | None = None
    protection: Protection = OPEN
    share_failures: bool = True


def find(near: Path | None = None, named: Path | None = None) -> Config:
    """The configuration that counts: the one named, the environment's, or the nearest beside or above ``near``.

    Raises ConfigError for a file that can't be read or used; finding none is no error.
    """
    chosen = named or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if chosen is not None:
        return load(chosen)
    folder = (near or Path()).absolute()
    for place in (folder, *folder.parents):
        if _is_file(place / NAME):
            return load(place / NAME)
    return Config()


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder that may not be looked into has no configuration for us
        return False


def load(path: Path) -> Config:
    """The configuration in ``path``: TOML, or OpenClaw's JSON."""
    try:
        data = path.read_bytes()
        if path.suffix == ".json":
            from eventlog import relaxed

            return _openclaw(path, relaxed.loads(data))
        import tomllib  # who has no such file needs no parser

        return _switchlog(path, tomllib.loads(data.decode("utf-8")))
    except OSError as error:
        raise ConfigError(path, (error.strerror or str(error)).lower()) from None
    except (ValueError, RecursionError) as error:  # not TOML, not JSON, not UTF-8, or a value that is refused
        raise ConfigError(path, str(error)) from None


def _switchlog(path: Path, fields: Mapping[str, object]) -> Config:
    unknown = fields.keys() - _KEYS
    if unknown:
        raise ValueError(f"no such key: {', '.join(sorted(unknown))} (of {', '.join(sorted(_KEYS))})")
    policy = Policy(
        cooldowns=_cooldowns(_take(fields, "cooldown", dict, {})),
        return_to_primary=_take(fields, "return_to_primary", bool, True),
        force=_take(fields, "force", bool, True),
        probe_timeout=timedelta(seconds=_seconds(fields.get("probe_timeout", 60), "probe_timeout")),
    )
    sessions = _take(fields, "sessions", str, "")
    return Config(
        path=path,
        chain=_chain(fields["chain"]) if "chain" in fields else None,
        policy=policy,
        aliases=_aliases(_take(fields, "aliases", dict, {})),
        sessions=path.parent / sessions if sessions else None,
        protection=_protection(path.parent, fields),
        share_failures=_take(fields, "share_failures", bool, True),
    )


def _protection(folder: Path, fields: Mapping[str, object]) -> Protection:
    name = _take(fields, "key_file", str, "")
    return Protection(
        keys=_keys(folder / name) if name else None,
        accept_unsealed=_take(fields, "accept_unsealed", bool, False),
        secrets=tuple(_secret(pattern) for pattern in _take(fields, "redact", list, [])),
    )


def _keys(path: Path) -> Keys:
    try:
        return Keys.load(path)
    except OSError as error:
        raise ValueError(f"key_file: {path}: {(error.strerror or str(error)).lower()}") from None
    except ValueError as error:
        raise ValueError(f"key_file: {path}: {error}") from None


def _secret(pattern: object) -> re.Pattern[str]:
    try:
        if not isinstance(pattern, str):
            raise ValueError("it is no text")  # noqa: TRY004, TRY301  (one kind for `load`)
        found = re.compile(pattern)
        if found.search("") is not None:
            raise ValueError("it matches everything")  # noqa: TRY301
    except (ValueError, OverflowError, re.error) as error:
        raise ValueError(f"redact: {pattern!r} is no pattern: {error}") from None
    return found


def _openclaw(path: Path, fields: object) -> Config:
    """OpenClaw's chain, ``agents.defaults.model`` with its primary and fallbacks, and the aliases of its models."""
    for key in ("agents", "defaults"):
        fields = fields.get(key) if isinstance(fields, dict) else None
    defaults = fields if isinstance(fields, dict) else {}
    model = defaults.get("model")
    if isinstance(model, str):
        model = {"primary": model}
    if not isinstance(model, dict) or "primary" not in model:
        raise ValueError("no agents.defaults.model with a primary: is this openclaw.json?")
    fallbacks = model.get("fallbacks", [])
    if not isinstance(fallbacks, list):
        raise ValueError("agents.defaults.model.fallbacks: a list of models")  # noqa: TRY004  (one kind for `load`)
    aliases = _openclaw_aliases(defaults.get("models"))
    meant = {alias.lower(): name for alias, name in aliases.items()}
    chain = [_unaliased(name, meant) for name in (model["primary"], *fallbacks)]
    return Config(path=path, chain=_chain(chain), aliases=aliases)


def _openclaw_aliases(models: object) -> dict[str, str]:
    """The names that people gave to models. What the host itself makes nothing of is passed over."""
    found = {}
    for model, entry in models.items() if isinstance(models, dict) else ():
        alias = entry.get("alias") if isinstance(entry, dict) else None
        if isinstance(alias, str) and alias.strip() and model and alias.strip() != model:
            found[alias.strip()] = model
    return found


def _unaliased(name: object, meant: Mapping[str, str]) -> object:
    """As the host takes it: a name without a provider may be an alias, written small or large."""
    return meant.get(name.strip().lower(), name) if isinstance(name, str) and "/" not in name else name


def _chain(value: object) -> Chain:
    if not isinstance(value, list):
        raise ValueError('chain: a list of models, as chain = ["provider/model", …]')  # noqa: TRY004  (one kind for `load`)
    return Chain(*value)


def _cooldowns(tables: Mapping[str, object]) -> dict[str, Cooldown]:
    cooldowns = {}
    for reason, table in tables.items():
        if not isinstance(table, dict) or table.keys() != {"base", "cap"}:
            raise ValueError(f"cooldown.{reason}: needs base and cap, in seconds, and nothing else")
        base, cap = (timedelta(seconds=_seconds(table[key], f"cooldown.{reason}.{key}")) for key in ("base", "cap"))
        cooldowns[reason] = Cooldown(base, cap)
    return cooldowns


def _aliases(table: Mapping[str, object]) -> dict[str, str]:
    aliases = {name: model for name, model in table.items() if isinstance(model, str) and model}
    if len(aliases) < len(table):
        raise ValueError("aliases: each one names a model, as a string")
    return aliases


def _seconds(value: object, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 86_400:
        raise ValueError(f"{key}: seconds, from 0 to 86400, not {value!r}")
    return value


def _take(fields: Mapping[str, object], key: str, kind: type[T], default: T) -> T:
    value = fields.get(key, default)
    if not isinstance(value, kind):
        raise ValueError(f"{key}: {kind.__name__} expected, not {value!r}")  # noqa: TRY004  (one kind for `load`)
    return value
