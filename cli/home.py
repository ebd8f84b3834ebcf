"""A whole OpenClaw home: what its sessions come to, which of them fail most, and where its parts lie.

Law: reads every session once, in bounded memory, with progress. A session that can't be read is counted and named, and
ends nothing.
"""

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cli.render import Line
    from eventlog import Config, Events
    from eventlog.openclaw.home import Home, HostSession

_NAMED: Final = 5
_WIDTH: Final = 70
_MODELS: Final = 1000
"""Names that are told apart; whatever a hostile transcript calls its models, memory is bounded."""
_OTHERS: Final = "(other models)"


@dataclass(frozen=True, slots=True, order=True)
class Row:
    """A session in a line: the more failures, the worse."""

    failures: int
    updated: float
    name: str = field(compare=False)
    session: str = field(compare=False)
    current: str | None = field(compare=False)


@dataclass(slots=True)
class Overview:
    """What the sessions of a home come to."""

    home: "Home"
    config: "Config"
    sessions: int = 0
    failing: int = 0
    damaged: int = 0
    unreadable: int = 0
    first_unreadable: str = ""
    fallbacks: int = 0
    reverted: int = 0
    failures: dict[str, Counter[str]] = field(default_factory=dict)
    """Model to reason to count; what blames nobody is left out."""
    worst: list[Row] = field(default_factory=list)
    """Those with most failures, the worst first."""

    def failed(self, model: str, reason: str) -> None:
        known = model if model in self.failures or len(self.failures) < _MODELS else _OTHERS
        self.failures.setdefault(known, Counter())[reason] += 1

    @property
    def version(self) -> str | None:
        """The host's, if it says so."""
        return None if self.home.version is None else ".".join(map(str, self.home.version))

    @property
    def ranked(self) -> list[tuple[str, Counter[str]]]:
        """The models that failed, most failures first."""
        return sorted(self.failures.items(), key=lambda one: (-one[1].total(), one[0]))


def home_of(folder: Path, config: "Config") -> Overview | None:
    """Read every session of the home that the folder is; None if it is none."""
    from cli.progress import progress
    from eventlog import UnreadableError
    from eventlog.openclaw.home import HostSession, find_home
    from eventlog.reading import Events
    from eventlog.sources import Source

    home = find_home(folder)
    if home is None:
        return None
    total, sessions = Overview(home, config), list[HostSession]()
    try:
        sessions.extend(home.sessions())
    except UnreadableError as error:  # a whole agent's
        total.unreadable, total.first_unreadable = 1, str(error)
    for one in progress(sessions, "sessions"):
        total.sessions += 1
        events = Events(Source(one.path, one.id if one.stored else None), protection=config.protection)
        try:
            row = _read(total, one, events)
        except UnreadableError as error:
            total.unreadable += 1
            total.first_unreadable = total.first_unreadable or str(error)
            continue
        total.damaged += events.report.damaged
        if row.failures:
            total.failing += 1
            keep = heapq.heappush if len(total.worst) < _NAMED else heapq.heappushpop
            keep(total.worst, row)
    total.worst.sort(reverse=True)
    return total


def _read(total: Overview, one: "HostSession", events: "Events") -> Row:
    from replay import AttemptFailed, AttemptSucceeded, ModelSwitch
    from replay.reasons import ABORTED, REDIRECTED

    current, failures = None, 0
    for recorded in events:
        event = recorded.event
        if isinstance(event, ModelSwitch):
            current = event.to
            total.fallbacks += event.cause == "fallback"
            total.reverted += event.cause == "reverted"
        elif isinstance(event, AttemptSucceeded):
            current = current or event.model
        elif isinstance(event, AttemptFailed) and event.reason not in (ABORTED, REDIRECTED):
            failures += 1
            total.failed(event.model, event.reason)
    return Row(failures, one.updated, one.key or one.id, one.id, current)


def fields(total: Overview) -> dict[str, object]:
    """What `--json` says of the home."""
    home, config = total.home, total.config
    return {
        "folder": str(home.folder),
        "version": total.version,
        "config": None if config.path is None else str(config.path),
        "chain": None if config.chain is None else list(config.chain.models),
        "agents": list(home.agents),
        "logs": [str(log) for log in home.logs()],
        "sessions": total.sessions,
        "failing": total.failing,
        "damaged": total.damaged,
        "unreadable": total.unreadable,
        "fallbacks": total.fallbacks,
        "reverted": total.reverted,
        "failures": {model: dict(reasons) for model, reasons in total.ranked},
        "worst": [
            {"sessionId": row.session, "key": row.name, "currentModel": row.current, "failures": row.failures}
            for row in total.worst
        ],
    }


def lines(total: Overview) -> "Iterator[Line]":
    """What people see, below the state of the newest session."""
    from cli.render import labelled, line, many
    from cli.safe_text import visible

    home, config = total.home, total.config
    version = f"OpenClaw {total.version}, " if total.version else ""
    size = f"{many(total.sessions, 'session')} of {many(len(home.agents), 'agent')}"
    yield line("")
    yield labelled("home", f"{visible(str(home.folder))}: {version}{size}")
    for number, part in enumerate([] if config.chain is None else _wrapped(config.chain.models)):
        yield labelled("" if number else "chain", part)
    for log in home.logs()[-2:]:
        yield labelled("log", visible(str(log)))
    yield from _failures(total)
    if total.worst:
        yield labelled("worst", f"switchlog show {visible(str(home.folder))} --session …")
    for row in total.worst:
        yield labelled("", f"  {visible(row.name)}: {row.failures:,} failed; now {visible(row.current or 'not known')}")
    if total.damaged:
        yield labelled("damaged", (many(total.damaged, "session"), "bold red"), "; see switchlog verify")
    if total.unreadable:
        yield labelled(
            "unread", (many(total.unreadable, "session"), "bold red"), f": {visible(total.first_unreadable)}"
        )


def _failures(total: Overview) -> "Iterator[Line]":
    from cli.render import labelled, many
    from cli.safe_text import visible

    count = sum(reasons.total() for reasons in total.failures.values())
    if not count:
        yield labelled("failed", "nothing: no transcript tells of a failed attempt")
        return
    where = f"in {total.failing:,} of {many(total.sessions, 'session')}"
    undone = f", {total.reverted:,} undone" if total.reverted else ""
    yield labelled("failed", f"{many(count, 'attempt')} {where}; {many(total.fallbacks, 'fallback')}{undone}")
    ranked = total.ranked
    for model, reasons in ranked[:_NAMED]:
        told = ", ".join(f"{visible(reason, 40)} {times:,}" for reason, times in reasons.most_common())
        yield labelled("", (f"  {visible(model)}", "red"), f" {reasons.total():,}: {told}")
    if len(ranked) > _NAMED:
        yield labelled("", f"  and {many(len(ranked) - _NAMED, 'other model')}")


def _wrapped(models: Sequence[str]) -> Iterator[str]:
    """The chain in lines that fit the screen."""
    from cli.safe_text import visible

    row = ""
    for number, model in enumerate(models):
        part = ("→ " if number else "") + visible(model, 100)
        if row and len(row) + len(part) > _WIDTH:
            yield row
            row = "  " + part
        else:
            row += f" {part}" if row else part
    yield row
