"""What audited sessions come to, and what `audit --json` says of them.

Law: audited values in, plain dicts out. Of many sessions only sums and the worst are kept.
"""

import heapq
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cli.audit_read import Audited
from cli.states import stamp
from replay.findings import KINDS, SEVERITIES, Finding
from replay.outlook import Account, Accounts

_WORST: Final = 10


@dataclass(slots=True, order=True)
class _Ranked:
    """A session among the worst: the gravest findings first, then those that wasted most."""

    rank: tuple[int, ...]
    found: Audited = field(compare=False)


@dataclass(slots=True)
class Summary:
    """What many sessions come to."""

    sessions: int = 0
    unreadable: int = 0
    first_unreadable: str = ""
    damaged: int = 0
    inferred: int = 0
    affected: int = 0
    """Sessions with a finding."""
    bytes: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    sessions_by_kind: Counter[str] = field(default_factory=Counter)
    severities: Counter[str] = field(default_factory=Counter)
    accounts: Accounts = field(default_factory=Accounts)
    worst: list[_Ranked] = field(default_factory=list)
    _log: str = ""

    def add(self, found: Audited) -> None:
        self.sessions += 1
        if found.unreadable is not None:
            self.unreadable += 1
            self.first_unreadable = self.first_unreadable or found.unreadable
            return
        if found.form == "transcript" or found.log != self._log:  # a gateway's log is read once for all its sessions
            self.bytes += found.bytes
        self._log = found.log
        self.damaged += found.damaged
        self.inferred += found.inferred
        self.affected += bool(found.kinds)
        self.kinds.update(found.kinds)
        self.sessions_by_kind.update(found.kinds.keys())
        self.severities.update(found.severities)
        self.accounts.add(found.accounts)
        if found.kinds:
            grave = [found.severities[one] for one in reversed(SEVERITIES)]
            ranked = _Ranked((*grave, found.accounts.total.wasted, -self.sessions), found)
            keep = heapq.heappush if len(self.worst) < _WORST else heapq.heappushpop
            keep(self.worst, ranked)

    @property
    def ranked(self) -> list[Audited]:
        """The worst sessions, the worst first."""
        return [one.found for one in sorted(self.worst, reverse=True)]


def fields(found: Audited) -> dict[str, object]:
    """A session's line of `--json`."""
    head: dict[str, object] = {"log": found.log, "sessionId": found.session}
    if found.unreadable is not None:
        return {**head, "unreadable": found.unreadable}
    return {
        **head,
        "form": found.form,
        "inferred": found.inferred,
        "damaged": found.damaged,
        "restarts": found.restarts if found.form != "transcript" else None,
        "eventsWithoutSession": found.unassigned,
        "worst": found.worst,
        "findings": [_finding(one) for one in ordered(found.findings)],
        "findingsLeftOut": found.kinds.total() - len(found.findings),
        "kinds": by_kind(found.kinds),
        **_figures(found.accounts),
        "from": stamp(found.accounts.first),
        "to": stamp(found.accounts.last),
    }


def summary_fields(total: Summary) -> dict[str, object]:
    """What `--json` says of all of them."""
    return {
        "sessions": total.sessions,
        "affected": total.affected,
        "damaged": total.damaged,
        "unreadable": total.unreadable,
        "inferred": total.inferred,
        "bytes": total.bytes,
        "severities": {one: total.severities[one] for one in reversed(SEVERITIES)},
        "kinds": by_kind(total.kinds),
        "sessionsByKind": by_kind(total.sessions_by_kind),
        **_figures(total.accounts),
        "worst": [
            {"log": one.log, "sessionId": one.session, "severities": dict(one.severities)} for one in total.ranked
        ],
    }


def ordered(findings: list[Finding]) -> list[Finding]:
    """Worst first; of one severity, by kind and then in the order of the log."""
    return sorted(findings, key=lambda one: (-SEVERITIES.index(one.severity), KINDS.index(one.kind), one.positions[:1]))


def _finding(one: Finding) -> dict[str, object]:
    return {
        "kind": one.kind,
        "severity": one.severity,
        "count": one.count,
        "models": list(one.models),
        "positions": list(one.positions),
        "from": stamp(one.first),
        "to": stamp(one.last),
        "told": one.told,
        "remedy": one.remedy,
    }


def _figures(accounts: Accounts) -> dict[str, object]:
    return {
        "events": accounts.events,
        "switches": accounts.switches,
        "fallbacks": accounts.fallbacks,
        "reverted": accounts.reverted,
        "switchesPerDay": round(accounts.switches_a_day, 3),
        "total": _account(accounts.total, None),
        "models": {model: _account(one, accounts.share(one)) for model, one in accounts.models.items()},
        "providers": {name: _account(one, accounts.share(one)) for name, one in accounts.providers.items()},
    }


def _account(one: Account, share: float | None) -> dict[str, object]:
    return {
        "attempts": one.attempts,
        "failures": one.failed,
        "failuresByReason": dict(one.failures),
        "redirected": one.redirected,
        "aborted": one.aborted,
        "wastedAttempts": one.wasted,
        "forcedAttempts": one.forced,
        "withMemory": {"savedFailures": one.saved, "missedAnswers": one.missed},
        "medianRecoverySeconds": one.recovery,
        "shareOfTime": None if share is None else round(share, 4),
    }


def by_kind(kinds: Mapping[str, int]) -> dict[str, int]:
    return {kind: kinds[kind] for kind in KINDS if kinds.get(kind)}
