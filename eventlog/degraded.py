"""A log that goes on in memory while the disk refuses.

Law: what a session knows is its log and, behind it, what waits to be written. The waiting events are bounded, keep the
id and time of when they happened, and are written in order as soon as the disk lets us; until then nothing of them is
called acknowledged. Errors of the system end here; only a caller's own mistake passes through.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from eventlog import codec, observe
from eventlog.append import Log
from eventlog.errors import MisuseError, SwitchlogError
from eventlog.neighbours import Neighbours
from replay import NOWHERE, AttemptFailed, Chain, Decision, Elsewhere, Event, ModelState, Policy, fold
from replay.reasons import blames

_logger: Final = logging.getLogger("switchlog")

MOST: Final = 1_000
"""Events that may wait; of more the oldest are dropped, and counted."""

_PLACE: Final = "0" * 64
"""Stands for a parent and a predecessor where a record's length is tried; a host's ids are seldom longer."""


class Backlog:
    """The waiting events, and why they wait."""

    def __init__(self) -> None:
        self.events: deque[Event] = deque(maxlen=MOST)
        self.dropped = 0
        self._why: str | None = None

    def hold(self, events: Iterable[Event], why: str) -> None:
        """Keep the events for later."""
        for event in events:
            self.dropped += len(self.events) == MOST
            self.events.append(event)
        self._why = why

    def settle(self) -> None:
        """The disk works: if nothing waits any more, all is well again."""
        if not self.events:
            self._why, self.dropped = None, 0

    @property
    def told(self) -> str | None:
        """What a person should know, or None if nothing waits."""
        if self._why is None:
            return None
        lost = f", {self.dropped} older ones were dropped" if self.dropped else ""
        return f"{self._why} ({len(self.events)} events wait in memory{lost})"


class Memory:
    """A log and what waits for it. Safe to use from several threads."""

    def __init__(
        self, log: Log, neighbours: Neighbours | None = None, observer: observe.Observer | None = None
    ) -> None:
        self.log = log
        self.neighbours = neighbours
        self.observer = observer
        self._backlog = Backlog()
        self._failure = -1  # the position of the last event, if that is a failure of ours which blames its model

    @property
    def degraded(self) -> str | None:
        """Why events wait instead of being on the disk; None if all is well."""
        return self._backlog.told

    @property
    def state(self) -> ModelState:
        """What is known, as of the last look at the file."""
        with self.log.mutex():
            return self._state(self.log.state)

    def refresh(self) -> None:
        """Look at what others have written."""
        with self.log.mutex():
            try:
                self.log.refresh()
            except (OSError, SwitchlogError) as error:
                self._degrade([], error)
            else:
                self._backlog.settle()

    @property
    def position(self) -> int:
        """The position of the last event that is known; costs less than the state."""
        return self.state.position if self._backlog.events else self.log.position

    def glance(self) -> ModelState | None:
        """The state, if it can be told without a lock or the disk: nobody has written and nothing waits."""
        try:
            return self.known() if self.log.current() else None
        except OSError:
            return None

    def known(self) -> ModelState | None:
        """The state as of the last look at the file, if it can be told without waiting for a lock."""
        return None if self._backlog.events else self.log.known()

    def add(self, event: Event) -> bool:
        """:meth:`record` for one event that is the same whatever the state, which then need not be folded."""
        with self.log.mutex():
            # Neighbours ask if it is the first failure that the log holds. Right behind another one it is not.
            at_once = not self._backlog.events and (self.neighbours is None or self._failure == self.log.position)
            first, kept = False, True
            if at_once:
                try:
                    position = self.log.add(event).position
                except MisuseError:
                    raise
                except (OSError, SwitchlogError) as error:
                    self._hold([event], error)
                    kept = False
                else:
                    first = position != self._failure + 1  # who has written in between may have cleared the others
                    self._failure = position if _blames(event) else -1
                    self._backlog.settle()
        if not at_once:
            return self.record(lambda _: [event])
        self._tell([event], first=first)
        return kept

    def record(self, make: Callable[[ModelState], list[Event]]) -> bool:
        """Append what ``make`` makes of the state, behind what still waits; True once it is acknowledged."""
        made: list[Event] | None = None
        first = True
        waiting = self._backlog.events

        def events(state: ModelState) -> Iterable[Event]:
            nonlocal made
            nonlocal first
            known = self._state(state)
            first = not known.tried
            while waiting:
                yield waiting[0]
                waiting.popleft()  # the log asks for more: that one is acknowledged
            made = make(known)
            yield from made

        with self.log.mutex():
            try:
                self.log.append(events)
            except MisuseError:
                raise
            except (OSError, SwitchlogError) as error:
                made = make(self.state) if made is None else made
                self._hold(made, error)
                self._tell(made, first=first)
                return False
            self._failure = self.log.position if made and _blames(made[-1]) else -1
            self._backlog.settle()
        self._tell(made or [], first=first)
        return True

    def begins(self, decision: Decision) -> None:
        """An attempt begins by this decision: tell whoever counts them."""
        if self.observer is not None:
            observe.tell(self.observer, observe.of_decision(decision, self.log.session))

    def elsewhere(self, state: ModelState, chain: Chain, now: datetime, policy: Policy) -> Elsewhere:
        """What other sessions' logs say of the models that this one knows nothing of."""
        if self.neighbours is None or state.last_good == state.current == chain.models[0]:
            return NOWHERE  # on its primary, by its own experience: nothing could change that
        own, patient = self.log.path.name, state.current is not None
        return self.neighbours.elsewhere(own, chain.models, now, policy, patient=patient)

    def flush(self) -> None:
        """Try once more to write what waits."""
        if self._backlog.events:
            self.record(lambda _: [])

    def _state(self, state: ModelState) -> ModelState:
        # After a failed sync the line can be in the file although it is not acknowledged: it is folded once.
        waiting = [event for event in self._backlog.events if not self.log.holds(event)]
        return fold(waiting, state) if waiting else state

    def _tell(self, made: list[Event], *, first: bool) -> None:
        if self.neighbours is not None and any(_blames(event) for event in made):
            self.neighbours.failed(self.log.path, first=first)
        if self.observer is not None:
            observe.tell(self.observer, observe.of_events(made, self.log.session))

    def _try(self, event: Event) -> None:
        rules = self.log.protection
        codec.encode(event, session=self.log.session, parent_id=_PLACE, prev=_PLACE, protection=rules)

    def _hold(self, made: list[Event], error: Exception) -> None:
        for event in made:  # a mistake of the caller's must not wait here and fail somebody else's call
            self._try(event)
        self._degrade([event for event in made if not self.log.acknowledged(event)], error)

    def _degrade(self, events: list[Event], error: Exception) -> None:
        if self.degraded is None:
            _logger.warning("%s can't be kept on disk, going on in memory: %s", self.log.path, error)
        self._backlog.hold(events, str(error))


def _blames(event: Event) -> bool:
    return isinstance(event, AttemptFailed) and blames(event.reason)
