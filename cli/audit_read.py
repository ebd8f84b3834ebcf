"""One log, audited: what `switchlog audit` does with each, here or in another process.

Law: reads a log whole, in bounded memory, and returns plain values that can be sent between processes. A log that can't
be read is an answer too, never an exception.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import chain as joined

from eventlog import Events, UnreadableError, logs
from eventlog.protection import Protection
from eventlog.raw import LogForm, log_form
from eventlog.sources import Source
from replay import Chain, Policy, Recorded
from replay.audit import Audit
from replay.filters import Filter
from replay.findings import Finding
from replay.outlook import Accounts

__all__ = ["Audited", "Task", "audited", "of_log"]


@dataclass(frozen=True, slots=True)
class Task:
    """A log to audit, and how."""

    source: Source
    session: str | None
    chain: Chain | None
    policy: Policy
    protection: Protection
    wanted: Filter


@dataclass(slots=True)
class Audited:
    """A session, audited; or, with ``unreadable``, why not."""

    log: str
    session: str | None = None
    form: str = "transcript"
    inferred: bool = False
    damaged: bool = False
    restarts: int = 0
    findings: list[Finding] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    severities: Counter[str] = field(default_factory=Counter)
    worst: str | None = None
    accounts: Accounts = field(default_factory=Accounts)
    bytes: int = 0
    unassigned: int = 0
    """Events of a gateway's log that name no session."""
    unreadable: str | None = None


@dataclass(frozen=True)
class _Begun(Source):
    """Standard input, of which the first block was looked at."""

    held: Iterator[bytes] = field(default_factory=lambda: iter(()), compare=False)

    def blocks(self) -> Iterator[bytes]:
        return self.held


def of_log(tasks: Collection[Task]) -> list[Audited]:
    """All sessions of these logs: what a process of its own does at once."""
    return [one for task in tasks for one in audited(task)]


def audited(task: Task) -> Iterator[Audited]:
    """All sessions of a log, audited: one, unless it is a gateway's."""
    try:
        source = task.source
        if source.stored is None:
            blocks = source.blocks()
            first = next(blocks, b"")
            form = log_form(first)
            if form is not None:
                yield from _gateways(task, form, joined([first], blocks))
                return
            if source.path is None:
                source = _Begun(None, held=joined([first], blocks))
            else:
                del blocks
        yield _transcript(task, source)
    except UnreadableError as error:
        yield Audited(str(task.source), task.source.name, unreadable=str(error))
    except OSError as error:  # between two looks the world may change
        yield Audited(str(task.source), task.source.name, unreadable=(error.strerror or str(error)).lower())


def _transcript(task: Task, source: Source) -> Audited:
    events = Events(source, protection=task.protection)
    audit = Audit(task.chain, task.policy, wanted=task.wanted)
    for recorded in events:
        audit.feed(recorded)
    report = events.report
    news = {kind: count for kind, count in report.damage.items() if count != report.known[kind]}
    audit.finish(news)
    found = _result(task, audit)
    found.session, found.form, found.inferred = report.session, events.form, events.inferred
    found.damaged, found.bytes = report.damaged, report.size
    return found


def _gateways(task: Task, form: LogForm, blocks: Iterator[bytes]) -> Iterator[Audited]:
    """Every session of a gateway's log, or the one that is asked for, with the restarts between its events."""
    log, reader, starts = logs.GatewayLog(form), logs.LogReader(form), list[int]()

    def take(told: Iterator[logs.Told]) -> None:
        for one in told:
            if one.number == len(log.told):  # else told before, and now its session is known
                log.told.append(one)
                starts.append(reader.kinds["restart"])

    for block in blocks:
        log.size += len(block)
        take(reader.feed(block))
    take(reader.finish())
    log.kinds, log.pieces = reader.kinds, reader.pieces
    several = log.sessions if task.session is None and len(log.sessions) > 1 else [task.session]
    left = sum(one.session is None for one in log.told) if len(several) > 1 else 0
    for session in several:
        try:
            name, own = log.of(session)
        except logs.SessionError as error:
            raise UnreadableError(str(task.source), str(error), f"it tells of {', '.join(error.sessions)}") from None
        restarts = [
            place
            for place, (one, other) in enumerate(zip([None, *own], own, strict=False))
            if starts[other.number] > (0 if one is None else starts[one.number])
        ]
        audit = Audit(task.chain, task.policy, restarts=restarts, wanted=task.wanted)
        for position, one in enumerate(own, 1):
            audit.feed(Recorded(one.event, position, one.offset))
        audit.finish()
        found = _result(task, audit)
        found.session, found.form, found.restarts, found.bytes = name, form, log.kinds["restart"], log.size
        found.unassigned, left = left, 0
        yield found


def _result(task: Task, audit: Audit) -> Audited:
    return Audited(
        str(task.source),
        findings=audit.findings,
        kinds=audit.kinds,
        severities=audit.severities,
        worst=audit.worst,
        accounts=audit.accounts,
    )
