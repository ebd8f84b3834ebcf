"""`switchlog follow FOLDER`: all sessions of a place, as a live table or as their events.

Law: every session's events reach stdout once and in order; of several sessions, in the order in which they are found.
The table shows those with the latest events, as many as the screen has room for.
"""

import heapq
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eventlog import Config
    from eventlog.follow import Step
    from eventlog.follow_many import Change, FollowingMany
    from eventlog.row import Listed, Question, Standing
    from eventlog.sources import Source
    from replay.filters import Filter

_EVERY = 1_000_000


@dataclass(frozen=True, slots=True)
class Many:
    """What was asked for. ``source``: one stored session of the place, or None for all."""

    log: str
    source: "Source | None"
    used: "Config"
    wanted: "Filter"
    last: int | None
    once: bool
    for_people: bool
    utc: bool

    def listing(self) -> "list[Listed]":
        """The sessions that are there now."""
        from eventlog.standings import listed

        held, _ = listed(self.log)
        return held if self.source is None else [one for one in held if one.source == self.source]

    def question(self) -> "Question":
        """As of now. In a table the filter chooses sessions, in a stream of events it chooses events."""
        from eventlog.row import Question
        from replay.filters import EVERYTHING

        wanted = self.wanted if self.table else EVERYTHING
        return Question(datetime.now(UTC), self.used.policy, self.used.chain, self.used.protection, wanted)

    @property
    def table(self) -> bool:
        """Whether a table is asked for: by a person, of several sessions."""
        return self.for_people and self.source is None and (self.once or sys.stdout.isatty())


def follow_all(many: Many) -> int:
    """Tell of them until somebody ends it; the exit code."""
    from cli.output import FINE, INTERRUPTED
    from cli.signals import ended_by_signals
    from eventlog.follow_many import FollowingMany

    stop = threading.Event()
    following = FollowingMany(many.listing, many.question, stop)
    try:
        with ended_by_signals(stop):
            following.begin(lambda held: _standings(held, many.question()))
            if many.table:
                from cli.follow_table import show

                show(following, many)
            else:
                _stream(following, many)
    finally:
        following.close()
    return INTERRUPTED if stop.is_set() else FINE


def _standings(held: "list[Listed]", question: "Question") -> "Iterator[Standing]":
    from cli.progress import progress
    from eventlog.standings import standings

    for _, row in zip(progress(held, "sessions"), standings(held, question), strict=False):
        yield row


def _stream(following: "FollowingMany", many: Many) -> None:
    for row, step in _latest(following, many):
        _event(row, step, many)
    while not (many.once or following.stop.is_set()):
        for change in following.look():
            _changed(change, many)
        following.wait(1.0)


def _latest(following: "FollowingMany", many: Many) -> "list[tuple[Standing, Step]]":
    """The last events of all: those of the sessions with the latest ones, in the order of their times."""
    from itertools import islice

    from eventlog.follow_many import Change, new_steps

    limit = _EVERY if many.last is None else many.last
    rows = heapq.nlargest(limit, following.rows.values(), key=lambda row: row.moved) if limit else []
    found: list[tuple[float, int, Standing, Step]] = []
    for number, row in enumerate(rows):
        told = (
            step for step in new_steps(Change(None, row), many.question()) if many.wanted.takes(step.recorded.event)
        )
        for place, step in enumerate(islice(told, _EVERY)):
            stamp = step.recorded.event.timestamp
            one = (0.0 if stamp is None else stamp.timestamp(), -number * _EVERY + place, row, step)
            if len(found) < limit:
                heapq.heappush(found, one)
            else:
                heapq.heappushpop(found, one)
    return [(row, step) for _, _, row, step in sorted(found, key=lambda one: one[:2])]


def _changed(change: "Change", many: Many) -> None:
    from cli.output import tell, write_json
    from eventlog.follow import OURS
    from eventlog.follow_many import new_steps, restarted

    row = change.after
    if row is None:
        return
    if row.error is not None and (change.before is None or change.before.error is None):
        tell(row.error)
    if restarted(change):
        if many.for_people:
            tell(f"{row.session}: {OURS}")
        else:
            write_json({"sessionId": row.session, "restarted": True, "why": OURS})
    for step in new_steps(change, many.question()):
        if many.wanted.takes(step.recorded.event):
            _event(row, step, many)


def _event(row: "Standing", step: "Step", many: Many) -> None:
    """One event of one session, flushed."""
    from cli.output import write_json
    from cli.replay import fields

    if many.for_people:
        _line(row, step, many)
    else:
        write_json({"sessionId": row.session, **fields(step.recorded, step.after, many.used.policy)})
    sys.stdout.flush()


def _line(row: "Standing", step: "Step", many: Many) -> None:
    from cli.render import clock, console, line, told
    from cli.safe_text import visible
    from cli.sessions_table import name_of

    what, colour, models = told(step.recorded.event)
    stamp = clock(step.recorded.event.timestamp, datetime.now(UTC), utc=many.utc, precise=True)
    name = (visible(name_of(row)), "bold")
    console().print(line((f"{stamp}  ", "dim"), name, "  ", (f"{what:<11}", colour), models))
