"""A history cut at every byte, and healed by the next append.

Law: whatever byte a write stopped at, what was whole stays, what was not is a normal state and no damage, and the log
goes on. Nothing that stood in the file is changed.
"""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from logs import CRASH_STATES, SEAL_BYTES, SESSION, compact, header, kinds, message, put, read

from eventlog import Session, read_events
from replay import Event, fold

pytestmark = pytest.mark.once

Step = Callable[[Session], object] | bytes
"""Something that the gateway records, or a line that its host writes."""

HOSTILE = 'quota {"used":{"n":1}} } "type":"attempt_failed" {"type":"model_switch","to":"x/y"} ,"seal":"0123" }'
"""An error text that looks like the format itself."""

HISTORIES: dict[str, tuple[Step, ...]] = {
    "a gateway of its own": (
        lambda session: session.switch("kimi/kimi2.5", cause="initial"),
        lambda session: session.failed(
            "kimi/kimi2.5", reason="rate_limit", status=429, retry_after_ms=7000, turn="t-1"
        ),
        lambda session: session.switch("zhipu/glm-5.1", cause="fallback"),
        lambda session: session.failed("zhipu/glm-5.1", reason="server_error", error=HOSTILE),
        lambda session: session.clear("kimi/kimi2.5", by="operator", note="höhe · 模型 · 👍"),
        lambda session: session.succeeded("kimi/kimi2.5"),
    ),
    "beside a host": (
        header(),
        message("c0ffee01", None, 'it said "attempt_failed" }'),
        lambda session: session.failed("kimi/kimi2.5", reason="timeout", error="} }}"),
        message("c0ffee02", None, "höhe 模 {}"),
        compact({"type": "model_change", "id": "c0ffee03", "parentId": "c0ffee02", "provider": "kimi"}) + b"\n",
        lambda session: session.switch("openrouter/kimi/k2:free", cause="user", turn="模 }"),
        b"no JSON, and never was any\n",
        lambda session: session.failed("openrouter/kimi/k2:free", reason="auth", error="\u202e\x1b[31m\u0000 }"),
        message(None, None, "the last word"),
    ),
    "with another tool's bare events": (
        compact({"type": "model_switch", "from": None, "to": "kimi/kimi2.5", "timestamp": "2026-04-02T04:55:40Z"})
        + b"\n",
        lambda session: session.failed("kimi/kimi2.5", reason="billing", error="}"),
        b'{ "to": "zhipu/glm-5.1", "from": "kimi/kimi2.5", "type": "model_switch" }\n',
        lambda session: session.succeeded("zhipu/glm-5.1"),
        lambda session: session.unpin(),
        lambda session: session.failed("zhipu/glm-5.1", reason="network", error='"}'),
    ),
}


def write_history(path: Path, steps: tuple[Step, ...]) -> bytes:
    """The history as the real code and the host wrote it."""
    path.parent.mkdir(exist_ok=True)
    with Session.open(path, durability="process") as session:
        for step in steps:
            if isinstance(step, bytes):
                with path.open("ab") as host:
                    host.write(step)
            else:
                assert step(session) is True
    return path.read_bytes()


class Expected:
    """What a cut at each byte must leave, from the whole history alone."""

    def __init__(self, whole: bytes) -> None:
        recorded, report = read(whole)
        assert not report.damaged
        self.events: list[Event] = [one.event for one in recorded]
        self.ends = [whole.index(b"\n", one.offset) for one in recorded]
        self.lines = list(itertools.accumulate(map(len, whole.splitlines(keepends=True))))

    def events_at(self, cut: int) -> list[Event]:
        return self.events[: sum(end <= cut for end in self.ends)]

    def foreign_at(self, cut: int) -> int:
        """How many whole lines there are that are no events."""
        return sum(end <= cut for end in self.lines) - sum(end + 1 <= cut for end in self.ends)


def check_cut(cut: bytes, before: list[Event], foreign: int, note: str) -> None:
    """The law for a log that was cut and that nobody has written to since."""
    found, report = read(cut)
    assert [one.event for one in found] == before, note
    assert not report.damaged, f"{note}: {report.findings}"
    assert kinds(report).keys() <= CRASH_STATES, f"{note}: {kinds(report)}"
    assert report.pieces["foreign"] == foreign, note
    assert report.pieces["torn"] + report.pieces["unterminated"] == bool(cut and not cut.endswith(b"\n")), note


def heal(path: Path, cut: bytes, before: list[Event], note: str) -> bytes:
    """The law for a log that was cut and then appended to; gives the healed log."""
    put(path, cut)
    with Session.open(path, durability="process") as session:
        assert session.state == fold(before), note
        assert session.failed("local/new", reason="overloaded", turn="heal") is True, note
        state = session.state
    after = path.read_bytes()
    events = read_events(path)
    found = [one.event for one in events]
    assert after.startswith(cut), note
    assert found[:-1] == before, note
    assert found[-1].turn == "heal", note
    assert state == fold(found), note
    assert not events.report.damaged, f"{note}: {events.report.findings}"
    assert kinds(events.report).keys() <= CRASH_STATES - {"unterminated"}, f"{note}: {kinds(events.report)}"
    assert events.report.pieces["torn"] <= note.count("cut"), note
    assert after.count(b"\n") == cut.count(b"\n") + (2 if not cut or not cut.endswith(b"\n") else 1), note
    return after


CUTS = {"a gateway of its own": 1_600, "beside a host": 1_350, "with another tool's bare events": 950}
"""How many cuts each history must at least be tried at."""


@pytest.mark.parametrize("name", HISTORIES)
def test_a_history_cut_at_any_byte_goes_on_from_what_was_whole(tmp_path: Path, name: str) -> None:
    whole = write_history(tmp_path / "whole" / f"{SESSION}.jsonl", HISTORIES[name])
    expected = Expected(whole)
    path = tmp_path / f"{SESSION}.jsonl"
    cuts = 0
    for at in range(len(whole) + 1):
        cut, before, note = whole[:at], expected.events_at(at), f"cut at {at}: …{whole[max(0, at - 40) : at]!r}"
        check_cut(cut, before, expected.foreign_at(at), note)
        heal(path, cut, before, note)
        cuts += 1
    assert cuts >= CUTS[name]


def test_at_least_three_thousand_cuts_are_tried() -> None:
    assert CUTS.keys() == HISTORIES.keys()
    assert sum(CUTS.values()) >= 3_000


def crash_points(line: bytes) -> list[int]:
    """Where in a record a first crash is tried: its head, its end, behind every brace and quote of its error text."""
    awkward = [at + 1 for at, byte in enumerate(line) if byte in b"}\\"]
    return sorted({*range(0, 40, 9), *awkward[::2], *range(len(line) - SEAL_BYTES - 3, len(line), 7), len(line) - 1})


@pytest.mark.parametrize("name", ["a gateway of its own", "beside a host"])
def test_a_heal_that_is_cut_short_itself_is_healed_by_the_next_one(tmp_path: Path, name: str) -> None:
    """Two crashes, one after the other: the second in the very write that was to mend the first."""
    steps = HISTORIES[name][:4]
    whole = write_history(tmp_path / "whole" / f"{SESSION}.jsonl", steps)
    expected = Expected(whole)
    start = whole.rindex(b"\n", 0, -1) + 1
    path = tmp_path / f"{SESSION}.jsonl"
    cuts = 0
    for number, first in enumerate(crash_points(whole[start:])):
        once = whole[: start + first]
        before = expected.events_at(start + first)
        healed = heal(path, once, before, f"cut at {first} of the last line")
        mended = read(healed)[0][-1]
        for second in range(len(once), len(healed)):
            twice = healed[:second]
            whole_again = second >= len(healed) - 1
            note = f"cut at {first}, the heal cut at {second - len(once)}: …{twice[-60:]!r}"
            events = [*before, mended.event] if whole_again else before
            found, report = read(twice)
            assert [one.event for one in found] == events, note
            assert not report.damaged, f"{note}: {report.findings}"
            assert kinds(report).keys() <= CRASH_STATES, note
            if number % 8 == 0 or second % 16 == 0 or whole_again:  # on a real file it takes a while
                heal(path, twice, events, note)
            cuts += 1
    assert cuts >= 3_000


def test_a_new_log_cut_within_its_header_is_never_given_a_second_one(tmp_path: Path) -> None:
    path = tmp_path / f"{SESSION}.jsonl"
    whole = write_history(path, HISTORIES["a gateway of its own"][:1])
    end = whole.index(b"\n") + 1
    for at in range(1, end):
        after = heal(path, whole[:at], [], f"cut at {at}")
        assert after.count(b'{"type":"session"') == (at >= len(b'{"type":"session"'))
    assert heal(path, b"", [], "cut to nothing").startswith(b'{"type":"session","version":3,"id":"17a309d8",')


def test_only_the_newline_was_cut_off_and_the_event_counts(tmp_path: Path) -> None:
    path = tmp_path / f"{SESSION}.jsonl"
    whole = write_history(path, HISTORIES["a gateway of its own"][:2])
    path.write_bytes(whole[:-1])
    events = read_events(path)
    assert len(list(events)) == 2
    assert kinds(events.report) == {"event": 1, "foreign": 1, "unterminated": 1}
