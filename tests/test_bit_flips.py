"""Every bit of a sealed log, flipped one at a time.

Law: one flipped bit costs at most the record that it is in; what is left is exactly what was written; and the report
says that something is wrong. The header alone is no record of ours and carries no seal: a flip in its time or folder
stays unseen, and changes nothing.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from logs import SEAL_BYTES, SESSION, kinds, put, read, ten_events

from eventlog import Report, Session, read_events
from replay import Event

pytestmark = pytest.mark.once

WHOLE = ten_events().data
LINES = WHOLE.splitlines(keepends=True)
EVENTS: list[Event] = [one.event for one in read(WHOLE)[0]]
PRISTINE = read(WHOLE)[1]


def flipped(data: bytes, at: int, bit: int) -> bytes:
    return data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :]


def flips() -> Iterator[tuple[int, int, int]]:
    """Every bit as (line, offset, bit); line 0 is the header."""
    offset = 0
    for number, line in enumerate(LINES):
        for at in range(offset, offset + len(line)):
            for bit in range(8):
                yield number, at, bit
        offset += len(line)


def without(number: int) -> list[Event]:
    """The events without that of the line."""
    return [event for position, event in enumerate(EVENTS, 1) if position != number]


def is_silent(report: Report) -> bool:
    """Whether the report has nothing to tell: a header, events, and no more."""
    return (
        not report.findings and not report.damaged and kinds(report) == {"event": report.pieces["event"], "foreign": 1}
    )


def check(number: int, at: int, found: list[Event], report: Report, note: str) -> None:
    """The law for one flip."""
    assert found in (EVENTS, without(number)), note
    assert report.size == len(WHOLE), note
    if number == 0:
        assert found == EVENTS, note
    elif WHOLE[at : at + 1] != b"\n":
        assert found == without(number), f"{note}: an altered record was accepted"
        assert report.damaged, f"{note}: {kinds(report)}"
    else:
        assert found == EVENTS, f"{note}: only a newline was hit, the record is whole"
        assert not is_silent(report), f"{note}: silent"


def same_header(line: bytes) -> bool:
    """Whether a first line still says whose session this is."""
    try:
        fields = json.loads(line)
    except ValueError:
        return False
    return isinstance(fields, dict) and (fields.get("type"), fields.get("id")) == ("session", SESSION)


def test_a_log_of_ten_events_is_what_the_bits_are_flipped_in() -> None:
    assert len(EVENTS) == 10
    assert kinds(PRISTINE) == {"event": 10, "foreign": 1}
    assert is_silent(PRISTINE)


@pytest.mark.parametrize("line", range(len(LINES)))
def test_any_flipped_bit_costs_at_most_its_record_and_is_told(line: int) -> None:
    tried, silent = 0, 0
    for number, at, bit in [flip for flip in flips() if flip[0] == line]:
        data = flipped(WHOLE, at, bit)
        found, report = read(data)
        check(number, at, [one.event for one in found], report, f"line {number}, byte {at}, bit {bit}")
        if is_silent(report):
            assert number == 0
            assert same_header(data[: len(LINES[0])]), f"byte {at}, bit {bit}: {data[:120]!r}"
            silent += 1
        tried += 1
    assert tried == len(LINES[line]) * 8
    assert silent < tried, "also most of a header is syntax, and told"


def test_flips_make_newlines_nuls_and_braces_out_of_an_error_text() -> None:
    """Else the test above would not try what it is for."""
    made = {flipped(WHOLE, at, bit)[at] for number, at, bit in flips() if WHOLE[at] != 0x0A and number > 0}
    assert {0x00, 0x0A, 0x0D, *b'{}",\\'} <= made


def test_a_flip_in_a_file_is_told_by_read_events(tmp_path: Path) -> None:
    path = tmp_path / f"{SESSION}.jsonl"
    for number, at, bit in random.Random(60466).sample(list(flips()), 400):
        put(path, flipped(WHOLE, at, bit))
        events = read_events(path)
        check(number, at, [one.event for one in events], events.report, f"line {number}, byte {at}, bit {bit}")


def test_a_damaged_log_goes_on_and_the_damage_stays_told(tmp_path: Path) -> None:
    """The last record's seal and newline, which no later record vouches for, and a sample of everything else."""
    path = tmp_path / f"{SESSION}.jsonl"
    end = [flip for flip in flips() if flip[1] >= len(WHOLE) - SEAL_BYTES - 1]
    last = [flip for flip in flips() if flip[0] == len(EVENTS) and flip not in end]
    others = [flip for flip in flips() if flip[0] < len(EVENTS)]
    chance = random.Random(60466)
    for number, at, bit in [*end, *chance.sample(last, 400), *chance.sample(others, 400)]:
        note = f"line {number}, byte {at}, bit {bit}"
        data = flipped(WHOLE, at, bit)
        before, cut = read(data)
        put(path, data)
        with Session.open(path, durability="process") as session:
            assert session.failed("local/new", reason="network") is True, note
        after = path.read_bytes()
        found, report = read(after)
        assert after.startswith(data), note
        assert found[:-1] == before, note
        assert found[-1].event.model == "local/new", note
        assert kinds(report)["event"] == len(before) + 1, note
        assert report.damaged == cut.damaged, note
        assert is_silent(report) == is_silent(cut), note
