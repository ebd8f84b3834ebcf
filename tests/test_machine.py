"""One real file, two sessions, a host, crashes and people: against a list of what stands in the log.

Law: whatever happens in between, the log holds every acknowledged event in the order of its writing, and each session
knows what the log says. What a replaced or shortened file lacks comes back with the next append of a session that
remembers it. Lines of the host's stay, no event counts twice, and nothing of all this is damage.
"""

import os
import tempfile
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from gateway import CHAIN
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from logs import SESSION, message
from msgspec.structs import replace as changed

from eventlog import AllModelsFailed, Session, file, read_events
from eventlog.append import REMEMBERED
from replay import AttemptSucceeded, Event, ModelState, ModelSwitch, evolve, fold

MODELS: Final = tuple(CHAIN)
BEGAN: Final = datetime(2026, 4, 2, 5, 0, tzinfo=UTC)
JUMPS: Final = (1, 59, 61, 300, 3600, 86_400, -1, -90, -86_400, 365 * 86_400)
"""Seconds by which the clock goes on, or is set back."""

slots: Final = st.sampled_from((0, 1))
models: Final = st.sampled_from(MODELS)
reasons: Final = st.sampled_from(("rate_limit", "auth", "invalid_request", "cosmic_rays"))


class Crash(BaseException):
    """The process dies in the middle of a write. Nothing in the library may catch it."""


def label(event: Event) -> str:
    """What the machine called the event when it had it written."""
    return str(getattr(event, "note", None) or event.turn)


@dataclass(frozen=True)
class Contents:
    """The trivial model of a file: the events that stand in it, in order, and the host's lines."""

    events: tuple[str, ...] = ()
    lines: tuple[bytes, ...] = ()

    def with_events(self, names: list[str]) -> "Contents":
        return replace(self, events=(*self.events, *(name for name in names if name not in self.events)))


@dataclass
class Slot:
    """A session, and what was acknowledged to it since it was opened."""

    session: Session
    acknowledged: list[str] = field(default_factory=list)


class LogMachine(RuleBasedStateMachine):
    """Two sessions write to one file, each through its own descriptor, as two processes would."""

    copies = Bundle("copies")

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / f"{SESSION}.jsonl"
        self.now = BEGAN
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr("eventlog.clock.now", lambda: self.now)
        self.patch.setattr("eventlog.append.STILL", 0)  # this host never writes while we do
        self.contents = Contents()
        self.count = 0
        self.slots = [Slot(self.opened()), Slot(self.opened())]

    def teardown(self) -> None:
        if hasattr(self, "slots"):
            for slot in self.slots:
                slot.session.close()
            self.patch.undo()
            self.folder.cleanup()

    def opened(self) -> Session:
        return Session.open(self.path, chain=CHAIN, durability="process")

    def name(self) -> str:
        self.count += 1
        return f"event-{self.count}"

    def acknowledge(self, slot: Slot, *names: str) -> None:
        """An append of the slot's session: what the file lacked of its own came first."""
        self.contents = self.contents.with_events([*slot.acknowledged, *names])
        slot.acknowledged += names
        assert len(slot.acknowledged) <= REMEMBERED

    def data(self) -> bytes:
        return self.path.read_bytes() if self.path.exists() else b""

    def state(self) -> ModelState:
        return fold(read_events(self.path)) if self.path.exists() else ModelState()

    # What a session does.

    @rule(number=slots, model=models, reason=reasons, wait=st.sampled_from((None, 7000)))
    def fail(self, number: int, model: str, reason: str, wait: int | None) -> None:
        slot, name = self.slots[number], self.name()
        assert slot.session.failed(model, reason=reason, retry_after_ms=wait, turn=name)
        self.acknowledge(slot, name)

    @rule(number=slots, model=models)
    def succeed(self, number: int, model: str) -> None:
        """Written where it changes something, and only there."""
        slot, name, before, state = self.slots[number], self.name(), self.data(), self.state()
        success = AttemptSucceeded(model=model, seen=slot.session.state.position)
        lacking = not set(slot.acknowledged) <= set(self.contents.events)
        assert slot.session.succeeded(model, turn=name)
        written = f'"{name}"'.encode() in self.data()
        if not lacking:
            after = evolve(state, success)
            assert written == (changed(after, position=state.position, failing=state.failing) != state)
        if self.data() != before:
            self.acknowledge(slot, *([name] if written else []))

    @rule(number=slots, model=models, cause=st.sampled_from(("fallback", "config", "probe", "initial")))
    def switch(self, number: int, model: str, cause: str) -> None:
        slot, name = self.slots[number], self.name()
        assert slot.session.switch(model, cause=cause, turn=name)
        self.acknowledge(slot, name)

    @rule(number=slots, model=models)
    def pin(self, number: int, model: str) -> None:
        slot, name = self.slots[number], self.name()
        assert slot.session.switch(model, turn=name)
        self.acknowledge(slot, name)
        assert slot.session.state.pinned == model
        assert slot.session.decide(self.now).model == model or model in slot.session.state.probing

    @rule(number=slots)
    def unpin(self, number: int) -> None:
        """Without a pin nothing is written; but what a replaced file lacked may hold one."""
        slot, name = self.slots[number], self.name()
        assert slot.session.unpin(turn=name)
        self.acknowledge(slot)
        if self.pinned(before=name) is not None:
            self.acknowledge(slot, name)
        assert slot.session.state.pinned is None

    @rule(number=slots, model=models)
    def clear(self, number: int, model: str) -> None:
        slot, name = self.slots[number], self.name()
        assert slot.session.clear(model, note=name)
        self.acknowledge(slot, name)
        assert model not in slot.session.state.tried

    @rule(number=slots, model=models)
    def request(self, number: int, model: str) -> None:
        """A whole one: what it writes is taken from the file, for it decides by itself; but all of it must last."""
        slot, name = self.slots[number], self.name()
        asked: list[str] = []

        def ask(asking: str) -> str:
            asked.append(asking)
            if asking == model:
                raise TimeoutError
            return asking

        before = self.data()
        try:
            assert slot.session.call(ask, turn=name) == asked[-1] != model
        except AllModelsFailed:
            assert set(asked) <= {model}
        assert len(set(asked)) == len(asked)
        if self.data() != before:
            self.acknowledge(slot, *(str(event.id) for event in self.told() if event.turn == name))

    # What befalls it.

    @rule(number=slots)
    def reopen(self, number: int) -> None:
        self.slots[number].session.close()
        self.slots[number] = Slot(self.opened())

    @rule(number=slots, model=models, most=st.integers(0, 420) | st.integers(-3, -1))
    def crash(self, number: int, model: str, most: int) -> None:
        """The process dies when so many bytes of a record have been written (negative: but so many of them)."""
        slot, name, stands = self.slots[number], self.name(), False
        real = file.write

        def write(fd: int, data: bytes) -> int:
            nonlocal stands
            if name.encode() not in data:
                return real(fd, data)
            size = min(most, len(data)) if most >= 0 else len(data) + 1 + most
            stands = size >= len(data) - 1
            assert real(fd, data[:size]) == size
            raise Crash

        with self.patch.context() as patch:
            patch.setattr(file, "write", write)
            with pytest.raises(Crash):
                slot.session.failed(model, reason="timeout", turn=name)
        self.acknowledge(slot)
        if stands:  # it was never acknowledged, but is whole
            self.contents = self.contents.with_events([name])
        slot.session._memory.log.close()  # as the system does with a dead process's files
        self.slots[number] = Slot(self.opened())

    @rule(seconds=st.sampled_from(JUMPS))
    def jump(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    # What others do to the file.

    @rule(entry=st.booleans(), ends=st.booleans())
    def host(self, entry: bool, ends: bool) -> None:
        """A line of the host's, with or without an id; its newline may come with the next one's."""
        self.count += 1
        line = message(f"c0ffee{self.count}" if entry else None, text=f"line-{self.count}")
        data = self.data()
        lead = b"\n" if data and not data.endswith(b"\n") else b""
        with self.path.open("ab") as file:
            file.write(lead + (line if ends else line[:-1]))
        self.contents = replace(self.contents, lines=(*self.contents.lines, line[:-1]))

    @rule(target=copies)
    def copy(self) -> tuple[bytes, Contents]:
        return self.data(), self.contents

    @rule(copied=copies)
    def put_back(self, copied: tuple[bytes, Contents]) -> None:
        """A backup is restored: another file under the name."""
        data, self.contents = copied
        other = self.path.with_name("restored")
        other.write_bytes(data)
        other.replace(self.path)

    @precondition(lambda self: self.path.exists())
    @rule(part=st.floats(0, 1))
    def cut(self, part: float) -> None:
        """Somebody shortens the file, anywhere."""
        data = self.data()
        size = int(part * len(data))
        ends = [data.find(b"\n", one.offset) % (len(data) + 1) for one in read_events(self.path)]
        os.truncate(self.path, size)
        self.contents = Contents(
            tuple(name for name, end in zip(self.contents.events, ends, strict=True) if end <= size),
            tuple(line for line in self.contents.lines if data.index(line) + len(line) <= size),
        )

    @precondition(lambda self: self.path.exists())
    @rule()
    def delete(self) -> None:
        self.path.unlink()
        self.contents = Contents()

    # What holds at all times.

    def pinned(self, before: str | None = None) -> str | None:
        """What the last person said, by the order of the file."""
        switches = [event for event in self.told() if isinstance(event, ModelSwitch) and event.turn != before]
        pins = [switch for switch in switches if switch.cause in ("user", "unpin")]
        return pins[-1].to if pins and pins[-1].cause == "user" else None

    def told(self) -> list[Event]:
        return [one.event for one in read_events(self.path)] if self.path.exists() else []

    def names(self) -> list[str]:
        return [name if (name := label(event)) in self.contents.events else str(event.id) for event in self.told()]

    @invariant()
    def every_acknowledged_event_is_in_the_log_in_order_and_once(self) -> None:
        assert self.names() == list(self.contents.events)

    @invariant()
    def the_hosts_lines_are_all_there(self) -> None:
        data, place = self.data(), 0
        for line in self.contents.lines:
            place = data.index(line, place) + len(line)
            assert data[place : place + 1] in (b"\n", b"")

    @invariant()
    def nothing_of_this_is_damage(self) -> None:
        if self.path.exists():
            log = read_events(self.path)
            list(log)
            assert not log.report.damaged, log.report.findings

    @invariant()
    def each_session_knows_what_the_log_says_and_waits_for_nothing(self) -> None:
        """One whose file is gone keeps what it knew until it writes again."""
        state = self.state()
        for slot in self.slots:
            assert slot.session.state == state or not self.path.exists()
            assert slot.session.degraded is None

    @invariant()
    def the_pin_is_the_last_persons(self) -> None:
        assert self.state().pinned == self.pinned()


def test_a_log_and_its_sessions_agree_with_a_list_of_events() -> None:
    run_state_machine_as_test(LogMachine, settings=settings(max_examples=100, stateful_step_count=30))


@pytest.mark.slow
def test_a_log_and_its_sessions_agree_with_a_list_of_events_for_long() -> None:
    long = settings(settings.get_profile("long"), max_examples=150, stateful_step_count=50)
    run_state_machine_as_test(LogMachine, settings=long)
