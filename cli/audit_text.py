"""What `audit` says of sessions, in words.

Law: audited values in, lines out; every text of a log is made visible, nothing is wider than 80 columns but a name that
is.
"""

import textwrap
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from cli.audit_fields import Summary, by_kind, ordered
from cli.audit_read import Audited
from cli.render import LABEL, clock, labelled, line, span
from cli.safe_text import visible
from replay.findings import SEVERITIES, Finding
from replay.outlook import OTHERS, Account, Accounts

if TYPE_CHECKING:
    from cli.render import Line

_WIDTH: Final = 80
_SHOWN: Final = 20
"""Findings of one session that are shown; --json has a thousand."""
_MODELS: Final = 12
_COLOURS: Final = {"critical": "bold red", "warning": "yellow", "info": "cyan"}


def lines(found: Audited, now: datetime, *, utc: bool) -> "Iterator[Line]":
    """What people see of one session."""
    yield labelled("session", (visible(found.session or "(unnamed)"), "bold"))
    yield labelled("log", visible(found.log, 70))
    if found.unreadable is not None:
        yield labelled("unread", (visible(found.unreadable, 1000), "bold red"))
        return
    accounts = found.accounts
    began, ended = clock(accounts.first, now, utc=utc), clock(accounts.last, now, utc=utc)
    between = f", {began} to {ended}" if accounts.first is not None else ""
    yield labelled("events", f"{accounts.events:,}{between}")
    if found.form != "transcript":
        left = f"; {found.unassigned:,} events name no session" if found.unassigned else ""
        yield labelled("", f"a gateway's {found.form} log that tells of {_many(found.restarts, 'restart')}{left}")
    if found.inferred and accounts.events:
        yield labelled("", "told by the host's own lines: failures that left no line are not here")
    yield labelled("found", *_severities(found.severities))
    findings = ordered(found.findings)
    said: set[str] = set()
    for one in findings[:_SHOWN]:
        yield from _told(one, now, utc=utc, remedy=one.remedy not in said)
        said.add(one.remedy)
    more = found.kinds.total() - min(len(findings), _SHOWN)
    if more > 0:
        yield labelled("", f"and {_many(more, 'finding')} more (--json names a thousand)")
    yield from _table(accounts)


def summary_lines(total: Summary) -> "Iterator[Line]":
    """What people see of many sessions."""
    size = f"{total.bytes / 2**20:,.1f} MiB"
    damaged = (f", {total.damaged:,} damaged", "bold red" if total.damaged else "")
    yield labelled("audited", f"{_many(total.sessions, 'session')}, {size}", damaged)
    if total.unreadable:
        told = f"{_many(total.unreadable, 'session')}: {visible(total.first_unreadable)}"
        yield labelled("unread", (told, "bold red"))
    yield labelled("found", *_severities(total.severities), f" in {_many(total.affected, 'session')}")
    for kind, count in by_kind(total.kinds).items():
        yield labelled("", f"  {kind:<26}{count:>9,} in {_many(total.sessions_by_kind[kind], 'session')}")
    yield from _table(total.accounts)
    for number, one in enumerate(total.ranked):
        yield labelled("" if number else "worst", (visible(_name(one)), "bold"))
        yield labelled("", "  ", *_severities(one.severities))
        gravest = ordered(one.findings)[:1]
        for part in (part for found in gravest for part in _wrapped(found.told, 4)):
            yield line(part)
    if total.ranked:
        yield labelled("", "to see all of one: switchlog audit, and its name")


def _told(one: Finding, now: datetime, *, utc: bool, remedy: bool) -> "Iterator[Line]":
    """A finding; ``remedy``: with what to do, which is not said again for the next one of its kind."""
    named = ", ".join(map(str, one.positions[:8])) + (", …" if len(one.positions) > 8 else "")
    when = "" if one.first is None else f"  {clock(one.first, now, utc=utc)}"
    yield labelled(one.severity, (f"{one.kind} ×{one.count:,}", _COLOURS[one.severity]), when)
    where = f" (event{'s' * (len(one.positions) > 1)} {named})" if named else ""
    for part in _wrapped(one.told + where, 2):
        yield line(part)
    for number, part in enumerate(_wrapped(one.remedy, 4) if remedy else []):
        margin = " " * LABEL + ("    " if number else "  → ")
        yield line((margin + part.strip(), "dim"))


def _name(found: Audited) -> str:
    """What to ask for, to see it alone."""
    alone = found.form == "transcript" or found.session is None
    return found.log if alone else f"{found.log} --session {found.session}"


def _severities(severities: Mapping[str, int]) -> "list[tuple[str, str] | str]":
    present = [one for one in reversed(SEVERITIES) if severities.get(one)]
    if not present:
        return [("nothing", "green")]
    parts: list[tuple[str, str] | str] = []
    for one in present:
        parts += [", "] * bool(parts) + [(f"{severities[one]:,} {one}", _COLOURS[one])]
    return parts


def _table(accounts: Accounts) -> "Iterator[Line]":
    """The figures by model, most attempts first."""
    if not accounts.models:
        return
    yield line("")
    yield line((f"{'model':<34}{'asked':>7}{'failed':>8}{'wasted':>8}{'saved':>7}{'recovers':>9}{'in use':>7}", "dim"))
    rows = sorted(accounts.models.items(), key=lambda row: (row[0] == OTHERS, -row[1].attempts, row[0]))
    for model, one in rows[:_MODELS]:
        name = visible(model)
        if len(name) > 33:
            yield line(name)
            name = ""
        yield line(f"{name:<34}{_numbers(one)}{_share(accounts.share(one)):>7}")
        reasons = [f"{visible(reason, 30)} {count:,}" for reason, count in one.failures.most_common(4)]
        reasons += [f"put back unasked {one.redirected:,}"] if one.redirected else []
        reasons += [f"forced {one.forced:,}"] if one.forced else []
        for part in textwrap.wrap(", ".join(reasons), _WIDTH - 4) if reasons else []:
            yield line((f"    {part}", "dim"))
    if len(rows) > _MODELS:
        yield line(f"and {_many(len(rows) - _MODELS, 'other model')}")
    if len(accounts.models) > 1:
        yield line(f"{'all':<34}{_numbers(accounts.total)}")
    undone = f", {accounts.reverted:,} put back" if accounts.reverted else ""
    told = f"{_many(accounts.switches, 'switch')} ({_many(accounts.fallbacks, 'fallback')}{undone})"
    yield line(f"{told}, {accounts.switches_a_day:,.1f} a day")
    if missed := accounts.total.missed:
        yield line(f"with the memory {_many(missed, 'answer')} would not have been asked for")


def _numbers(one: Account) -> str:
    recovery = "-" if one.recovery is None else span(timedelta(seconds=one.recovery)).replace(" ", "")[:8]
    return f"{one.attempts:>7,}{one.failed:>8,}{one.wasted:>8,}{one.saved:>7,}{recovery:>9}"


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _wrapped(text: str, indent: int) -> list[str]:
    """Text from a log in lines that fit."""
    margin = " " * (LABEL + indent)
    safe = visible(text, 1000)
    return textwrap.wrap(safe, _WIDTH, initial_indent=margin, subsequent_indent=margin, break_on_hyphens=False) or [""]


def _many(count: int, what: str) -> str:
    plural = {"switch": "switches"}.get(what, f"{what}s")
    return f"{count:,} {what if count == 1 else plural}"
