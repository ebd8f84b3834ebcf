"""What a reader makes of a log's lines, whatever they are.

Law: the pieces of a file tile it and each has one class; nothing raises, nothing stops the reading, nothing is dropped
without being counted; and what is read does not depend on how the bytes arrive.
"""

import hashlib
import json
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from logs import (
    OTHER,
    SESSION,
    STAMP,
    Draft,
    any_bytes,
    compact,
    header,
    hosted,
    kinds,
    message,
    read,
    read_kinds,
    seal_of,
    sealed,
    ten_events,
)

from eventlog import Kind, Report, read_events
from eventlog.lines import DAMAGE, Piece
from eventlog.reader import Reader
from eventlog.report import MOST_FINDINGS
from eventlog.scan import pieces
from eventlog.split import LONGEST, Splitter
from replay import AttemptFailed, Event, ModelSwitch, Recorded

FOREIGN = Path(__file__).parent.parent / "fixtures" / "openclaw-2026.3.28" / "foreign"

BARE: dict[str, object] = {"type": "model_switch", "from": "kimi/kimi2.5", "to": "zhipu/glm-5.1", "timestamp": STAMP}


def events(data: bytes, name: str | None = SESSION) -> list[Event]:
    return [one.event for one in read(data, name)[0]]


def models(data: bytes, name: str | None = SESSION) -> list[str]:
    """The models that the accepted failures name."""
    return [event.model for event in events(data, name) if isinstance(event, AttemptFailed)]


def told(report: Report) -> list[str]:
    return [finding.what for finding in report.findings]


def three() -> Draft:
    draft = Draft()
    for model in ("a/1", "a/2", "a/3"):
        draft.failed(model)
    return draft


# event


def test_a_sealed_record_is_an_event() -> None:
    found, report = read(three().data)
    assert [one.position for one in found] == [1, 2, 3]
    assert [three().data.index(line) for line in three().lines[1:]] == [one.offset for one in found]
    assert kinds(report) == {"event": 3, "foreign": 1}
    assert (report.damaged, report.gaps, report.unsealed, report.findings) == (False, 0, 0, [])
    assert report.last_seal == seal_of(three().lines[-1].rstrip())
    assert report.size == len(three().data)


def test_every_event_of_ours_is_read_back_with_all_its_fields() -> None:
    first = events(ten_events().data)[1]
    assert isinstance(first, AttemptFailed)
    assert (first.model, first.reason, first.status, first.retry_after_ms) == ("kimi/kimi2.5", "rate_limit", 429, 7000)
    assert (first.session, first.turn, first.id) == (SESSION, "t-1", "0000000000000002")
    assert first.error == "Rate limit reached * JJJ { } \u028a \u0100 … 模"
    assert not first.extra


@pytest.mark.parametrize(
    "line",
    [
        compact(BARE),
        compact({key: BARE[key] for key in reversed(BARE)}),
        json.dumps(BARE).encode(),
        json.dumps(BARE, separators=(" ,  ", "\t: ")).encode(),
        compact(BARE).replace(b"{", b" \t{ ").replace(b"}", b" } \r"),
        compact(BARE).replace(b"model_switch", rb"\u006dodel_switch"),
        compact(BARE).replace(b"model_switch", rb"model\u005Fswitch"),
        compact({"id": "x", "to": "zhipu/glm-5.1"})[:-1] + rb',"\u0074ype":"model_switch","from":"kimi/kimi2.5"}',
    ],
)
def test_a_bare_event_counts_in_any_key_order_spacing_and_spelling(line: bytes) -> None:
    found, report = read(header() + line + b"\n")
    assert [(one.event.from_, one.event.to) for one in found if isinstance(one.event, ModelSwitch)] == [
        ("kimi/kimi2.5", "zhipu/glm-5.1")
    ]
    assert kinds(report) == {"event": 1, "foreign": 1}
    assert report.unsealed == 1
    assert not report.damaged


def test_unknown_fields_are_kept_and_nested_ones_are_left_alone() -> None:
    (event,) = events(compact(BARE | {"mood": "calm", "run": 7, "nested": {"a": [1]}}) + b"\n")
    assert dict(event.extra) == {"mood": "calm", "run": 7}


def test_bare_events_without_an_id_are_never_copies_of_each_other() -> None:
    assert read_kinds(compact(BARE) + b"\n" + compact(BARE) + b"\n") == {"event": 2}


# foreign


@pytest.mark.parametrize(
    "line",
    [
        message(),
        b"not JSON at all\n",
        b'"attempt_failed"\n',
        b'["model_switch"]\n',
        b"\xff\xfe\x80\n",
        b'{"type":"custom","customType":"model_switch","data":{"to":"b"}}\n',
        b'{"data":{"type":"attempt_failed","model":"m"},"type":"custom"}\n',
        b'{"type":7,"note":"model_switch"}\n',
        b'{"type":["model_switch"],"to":"b"}\n',
        b'{"type":"model_switch_done","to":"b"}\n',
        b'{"type":"attempt_started","model":"m"}\n',
        b'{"type":"attempt_failed","reason":"unknown"}\n',
        b'{"type":"model_switch","to":7}\n',
        b'{"Type":"model_switch","to":"b"}\n',
        b"{}\n",
        b"[" * 3000 + b'"model_switch"\n',
    ],
)
def test_a_line_that_is_none_of_ours_is_foreign(line: bytes) -> None:
    found, report = read(header() + line)
    assert found == []
    assert kinds(report) == {"foreign": 2}
    assert not report.findings


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"model_switch","to":"b","type":"model_switch"}',
        b'{"type":"custom","to":"b","type":"model_switch"}',
        rb'{"type":"model_switch","to":"b","\u0074ype":"custom"}',
        b'{"to":"b","type":"custom","type":"model_switch"}',
    ],
)
def test_a_line_with_two_types_is_not_ours(line: bytes) -> None:
    assert read_kinds(header() + line + b"\n") == {"foreign": 2}


def test_a_type_that_stands_in_a_nested_object_too_is_one_type() -> None:
    line = compact(BARE)[:-1] + b',"data":{"type":"custom"}}\n'
    assert read_kinds(header() + line) == {"event": 1, "foreign": 1}


def test_an_object_too_deep_to_look_into_twice_is_not_ours() -> None:
    deep = b'{"type":"model_switch","to":"b","x":' + b"[" * 1020 + b'"type"' + b"]" * 1020 + b"}\n"
    assert json.loads(b"[1]") == [1]
    assert read_kinds(header() + deep)["foreign"] >= 1


def test_foreign_lines_are_never_judged_and_never_in_the_chain() -> None:
    draft = hosted()
    found, report = read(draft.data)
    assert kinds(report) == {"event": 4, "foreign": 4}
    assert (len(found), report.gaps, report.findings) == (4, 0, [])


# newer


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "attempt_failed", "v": 2, "model": "a/1", "reason": "timeout"},
        {"kind": "attempt_failed", "v": 2, "surprise": "no model"},
        {"kind": "attempt_started", "model": "a/1"},
        {"kind": "budget_spent", "cents": 7},
    ],
)
def test_a_sealed_record_of_an_unknown_kind_is_newer_and_in_the_chain(fields: dict[str, object]) -> None:
    draft = Draft()
    draft.failed("a/1")
    draft.record(**fields)
    draft.failed("a/2")
    found, report = read(draft.data)
    assert kinds(report) == {"event": 2, "foreign": 1, "newer": 1}
    assert [one.position for one in found] == [1, 3]
    assert (report.gaps, report.damaged, told(report)) == (0, False, ["newer"])


def test_the_chain_shows_a_newer_record_that_was_removed() -> None:
    draft = Draft()
    draft.failed("a/1")
    draft.record("budget_spent")
    draft.failed("a/2")
    assert read(b"".join(draft.lines[:2] + draft.lines[3:]))[1].gaps == 1


# blank


@pytest.mark.parametrize("line", [b"\n", b"   \n", b"\t\r\n", b"\r\n"])
def test_an_empty_line_is_blank(line: bytes) -> None:
    data = three().lines[0] + line + b"".join(three().lines[1:])
    found, report = read(data)
    assert len(found) == 3
    assert kinds(report) == {"event": 3, "foreign": 1, "blank": 1}
    assert not report.findings


# torn


@pytest.mark.parametrize("cut", [1, 5, 20, 60, 150, -60, -35, -3, -2])
def test_a_record_cut_at_the_end_is_torn(cut: int) -> None:
    draft = three()
    found, report = read(b"".join(draft.lines[:-1]) + draft.lines[-1][:cut])
    assert len(found) == 2
    assert kinds(report) == {"event": 2, "foreign": 1, "torn": 1}
    assert not report.damaged
    assert told(report) == ["torn"]


@pytest.mark.parametrize("cut", [2, 5, 20, 60, 150, -60, -35, -3, -2])
def test_a_torn_record_that_the_next_append_healed_is_no_damage(cut: int) -> None:
    draft = three()
    prev, parent = draft.prev, draft.parent
    lost = draft.failed("a/lost")
    draft.prev, draft.parent = prev, parent
    draft.lines[-1] = lost[:cut] + b"\n"
    draft.failed("a/4")
    found, report = read(draft.data)
    assert [one.position for one in found] == [1, 2, 3, 4]
    assert kinds(report) == {"event": 4, "foreign": 1, "torn": 1}
    assert not report.damaged
    assert [(one.what, one.line) for one in report.findings] == [("torn", 5)]


def test_a_brace_alone_on_its_line_is_foreign() -> None:
    """Nobody can say that it is ours, and the first line of an indented object looks just so."""
    assert read_kinds(three().data + b"{\n") == {"event": 3, "foreign": 2}


def test_a_beginning_of_ours_over_which_the_chain_breaks_is_corrupt() -> None:
    draft = three()
    draft.lines[2] = draft.lines[2][:100] + b"\n"
    found, report = read(draft.data)
    assert [one.event.id for one in found] == ["0000000000000001", "0000000000000003"]
    assert kinds(report) == {"event": 2, "foreign": 1, "corrupt": 1}
    assert report.gaps == 1
    assert [(one.what, one.line) for one in report.findings] == [("corrupt", 3), ("gap", 4)]


@pytest.mark.parametrize("cut", [1, 9, 12, 100, -40, -1])
def test_a_record_glued_behind_a_fragment_is_found(cut: int) -> None:
    draft = three()
    prev = draft.prev
    fragment = draft.failed("a/lost")[:-1][:cut]
    draft.lines.pop()
    draft.prev = prev
    record = draft.failed("a/4")
    found, report = read(b"".join(draft.lines[:-1]) + fragment + record)
    assert [one.event.id for one in found][:3] == [f"{number:016x}" for number in (1, 2, 3)]
    assert models(b"".join(draft.lines[:-1]) + fragment + record)[-1] == "a/4"
    assert not report.damaged
    assert kinds(report)["event"] == 4
    assert kinds(report).keys() <= {"event", "foreign", "torn"}


def test_records_glued_to_each_other_are_all_found() -> None:
    draft = three()
    found, report = read(draft.lines[0] + b"".join(line.rstrip(b"\n") for line in draft.lines[1:]) + b"\n")
    assert [one.position for one in found] == [1, 2, 3]
    assert kinds(report) == {"event": 3, "foreign": 1}
    assert (report.gaps, report.findings) == (0, [])


@pytest.mark.parametrize("front", [b'{"type":"attempt_failed","id":"x', b"garbage", b'{"type":"mess'])
def test_a_changed_record_glued_behind_a_fragment_is_corrupt_with_it(front: bytes) -> None:
    draft = three()
    draft.lines[2] = front + draft.lines[2].replace(b"a/2", b"a/9")
    found, report = read(draft.data)
    assert [one.event.id for one in found] == ["0000000000000001", "0000000000000003"]
    assert kinds(report) == {"event": 2, "foreign": 1, "corrupt": 1}
    assert report.gaps == 1


def test_of_glued_records_without_a_newline_only_the_last_is_unterminated() -> None:
    draft = three()
    assert read_kinds(draft.lines[0] + draft.lines[1][:-1] + draft.lines[2][:-1]) == {
        "event": 1,
        "foreign": 1,
        "unterminated": 1,
    }


def test_a_bare_event_glued_before_a_record_counts_too() -> None:
    draft = Draft()
    record = draft.failed("a/1")
    found, report = read(header() + compact(BARE) + record)
    assert [type(one.event) for one in found] == [ModelSwitch, AttemptFailed]
    assert (report.unsealed, report.damaged) == (1, False)


def test_a_hosts_line_glued_before_a_record_is_foreign() -> None:
    record = Draft().failed("a/1")
    for line in (message().rstrip(b"\n"), b'{"role":"user","type":"message"}', b'{"type":"mess'):
        assert read_kinds(header() + line + record) == {"event": 1, "foreign": 2}


def test_bytes_behind_a_seal_at_the_end_of_a_line_are_torn() -> None:
    draft = three()
    for extra in (b"\r", b" ", b" \t\r", b"x", b"xyz"):
        line = draft.lines[2].rstrip(b"\n") + extra + b"\n"
        found, report = read(b"".join([*draft.lines[:2], line, draft.lines[3]]))
        assert len(found) == 3
        assert kinds(report) == {"event": 3, "foreign": 1, "torn": 1}
        assert not report.damaged
        assert [finding.length for finding in report.findings] == [len(extra) + 1]


def test_an_editor_that_adds_carriage_returns_breaks_nothing() -> None:
    found, report = read(ten_events().data.replace(b"\n", b"\r\n"))
    assert len(found) == 10
    assert kinds(report) == {"event": 10, "foreign": 1, "torn": 10}
    assert not report.damaged


def test_a_hosts_torn_line_is_torn_at_the_end_and_foreign_once_it_is_ended() -> None:
    half = message()[:40]
    assert read_kinds(three().data + half) == {"event": 3, "foreign": 1, "torn": 1}
    draft = three()
    draft.add(half + b"\n")
    draft.failed("a/4")
    assert read_kinds(draft.data) == {"event": 4, "foreign": 2}


# unterminated


def test_a_whole_record_without_its_newline_is_applied() -> None:
    found, report = read(three().data[:-1])
    assert len(found) == 3
    assert kinds(report) == {"event": 2, "foreign": 1, "unterminated": 1}
    assert told(report) == ["unterminated"]
    assert not report.damaged


def test_a_bare_event_and_a_hosts_line_without_newline_are_unterminated() -> None:
    assert read_kinds(header() + compact(BARE)) == {"foreign": 1, "unterminated": 1}
    assert len(events(header() + compact(BARE))) == 1
    assert read_kinds(header() + message()[:-1]) == {"foreign": 1, "unterminated": 1}
    assert events(header() + message()[:-1]) == []
    assert read_kinds(header()[:-1]) == {"unterminated": 1}


# zeros


def test_a_run_of_nuls_costs_nothing_but_itself() -> None:
    lines = three().lines
    hole = b"\0" * 300
    for data, more in (
        (hole + three().data, {"foreign": 1}),
        (hole + b"\n" + three().data, {"foreign": 1}),
        (b"".join(lines[:2]) + hole + b"".join(lines[2:]), {"foreign": 1}),
        (b"".join(lines[:2]) + hole + b"\n" + b"".join(lines[2:]), {"foreign": 1}),
        (three().data + hole, {"foreign": 1}),
        (three().data + hole + b"\n", {"foreign": 1}),
        (three().data.rstrip(b"\n") + hole + b"\n", {"foreign": 1}),
    ):
        found, report = read(data)
        assert len(found) == 3, data
        assert kinds(report) == {"event": 3, "zeros": 1} | more, data
        assert not report.damaged, data
        assert "zeros" in told(report), data


def test_nuls_in_the_place_of_records_leave_the_good_lines_behind_them_and_a_gap() -> None:
    lines = three().lines
    found, report = read(lines[0] + lines[1] + b"\0" * len(lines[2]) + lines[3])
    assert [one.event.id for one in found] == ["0000000000000001", "0000000000000003"]
    assert kinds(report) == {"event": 2, "foreign": 1, "zeros": 1}
    assert (report.gaps, report.damaged) == (1, True)


def test_nuls_behind_a_fragment_end_its_line() -> None:
    draft = three()
    fragment = Draft().failed("a/lost")[:80]
    found, report = read(draft.data + fragment + b"\0" * 99)
    assert len(found) == 3
    assert kinds(report) == {"event": 3, "foreign": 1, "torn": 1, "zeros": 1}
    assert not report.damaged


def test_an_unterminated_record_with_nuls_behind_it_is_an_event() -> None:
    assert read_kinds(three().data[:-1] + b"\0") == {"event": 3, "foreign": 1, "zeros": 1}


# corrupt and altered


def test_a_record_that_is_no_json_any_more_is_corrupt() -> None:
    draft = three()
    draft.lines[2] = draft.lines[2].replace(b'"model":', b'"model";')
    found, report = read(draft.data)
    assert len(found) == 2
    assert kinds(report) == {"event": 2, "foreign": 1, "corrupt": 1}
    assert (report.gaps, report.damaged) == (1, True)


def test_the_last_record_is_corrupt_too_if_its_end_is_there() -> None:
    for old, new in ((b'"model":', b'"model";'), (b',"seal":', b',"se l";'), (b'"}\n', b'"{\n'), (b'"}\n', b" }\n")):
        line = three().lines[-1].replace(old, new)
        assert line != three().lines[-1]
        report = read(b"".join(three().lines[:-1]) + line)[1]
        assert report.pieces["corrupt"] + report.pieces["altered"] == 1, (old, new, kinds(report))
        assert report.damaged


def test_a_sealed_record_without_what_its_type_needs_is_corrupt() -> None:
    draft = three()
    draft.record("attempt_failed", reason="timeout")
    draft.failed("a/5")
    found, report = read(draft.data)
    assert kinds(report) == {"event": 4, "foreign": 1, "corrupt": 1}
    assert (len(found), report.gaps, report.damaged) == (4, 0, True)


def stripped(line: bytes, *names: str) -> bytes:
    return compact({key: value for key, value in json.loads(line).items() if key not in names}) + b"\n"


@pytest.mark.parametrize(
    "change",
    [
        lambda line: line.replace(b'"a/2"', b'"a/9"'),
        lambda line: line.replace(b'"rate_limit"', b'"timeout"'),
        lambda line: line.replace(b'"prev":"', b'"prev":"0'),
        lambda line: line.replace(b'","', b'", "', 1),
        lambda line: line.replace(b"a/2", rb"\u0061/2"),
        lambda line: stripped(line, "seal"),
        lambda line: stripped(line, "seal", "prev"),
        lambda line: stripped(line, "seal", "prev", "v"),
        lambda line: stripped(line, "seal", "session", "prev"),
        lambda line: line.replace(b"attempt_failed", b"attempt_fined"),
        lambda line: line.replace(b"attempt_failed", b"message"),
        lambda line: line.replace(seal_of(line.rstrip()).encode(), b"0" * 32),
        lambda line: line.replace(b'"a/2"', b'"a/9"').replace(b"\n", b"\r\n"),
    ],
)
def test_a_record_that_was_changed_is_altered_and_not_applied(change: object) -> None:
    assert callable(change)
    draft = three()
    line = change(draft.lines[2])
    assert line != draft.lines[2]
    draft.lines[2] = line
    found, report = read(draft.data)
    assert [one.event.id for one in found] == ["0000000000000001", "0000000000000003"]
    assert report.pieces["altered"] == 1
    assert (report.gaps, report.damaged) == (1, True)
    assert told(report)[0] == "altered"


def test_a_record_stripped_of_all_that_seals_it_is_a_bare_event_and_a_gap() -> None:
    draft = three()
    draft.lines[2] = stripped(draft.lines[2], "seal", "prev", "v", "session")
    found, report = read(draft.data)
    assert len(found) == 3
    assert (report.unsealed, report.gaps, report.damaged) == (1, 1, True)


def test_a_hosts_line_that_ends_as_a_sealed_one_is_altered() -> None:
    line = message()[:-2] + b',"seal":"' + b"0" * 32 + b'"}\n'
    assert read_kinds(header() + line) == {"foreign": 1, "altered": 1}


# misplaced


def test_a_record_of_another_session_is_misplaced_and_not_in_the_chain() -> None:
    draft = three()
    draft.lines.insert(3, Draft(OTHER).failed("a/other"))
    found, report = read(draft.data)
    assert len(found) == 3
    assert kinds(report) == {"event": 3, "foreign": 1, "misplaced": 1}
    assert (report.gaps, report.damaged) == (0, True)


def test_a_sealed_record_without_a_session_is_misplaced() -> None:
    for session in (None, 7, ""):
        assert read_kinds(header() + Draft(headed=False).failed("a/1", session=session)) == {
            "foreign": 1,
            "misplaced": 1,
        }


# duplicate and conflict


def test_a_second_copy_of_an_event_is_applied_once() -> None:
    draft = three()
    draft.failed("a/2", id="0000000000000002", parentId="elsewhere")
    draft.failed("a/5")
    found, report = read(draft.data)
    assert [one.position for one in found] == [1, 2, 3, 4]
    assert kinds(report) == {"event": 4, "foreign": 1, "duplicate": 1}
    assert (report.gaps, report.damaged, told(report)) == (0, False, ["duplicate"])


def test_a_copied_line_is_a_duplicate_out_of_its_place_in_the_chain() -> None:
    draft = three()
    draft.lines.append(draft.lines[2])
    found, report = read(draft.data)
    assert len(found) == 3
    assert kinds(report) == {"event": 3, "foreign": 1, "duplicate": 1}
    assert report.gaps == 1


def test_another_event_under_a_taken_id_is_a_conflict_and_the_first_stands() -> None:
    draft = three()
    draft.failed("a/other", id="0000000000000002")
    data = draft.data
    assert models(data) == ["a/1", "a/2", "a/3"]
    assert kinds(read(data)[1]) == {"event": 3, "foreign": 1, "conflict": 1}
    assert read(data)[1].damaged


def test_a_copy_differs_by_its_mac_alone_and_stays_a_copy() -> None:
    draft = Draft()
    draft.failed("a/1", mac="k1.00")
    draft.failed("a/1", id="0000000000000001", mac="k2.11")
    assert read_kinds(draft.data) == {"event": 1, "foreign": 1, "duplicate": 1}


# the chain


@pytest.mark.parametrize("gone", [1, 2])
def test_a_removed_record_leaves_a_gap(gone: int) -> None:
    lines = three().lines
    found, report = read(b"".join(lines[:gone] + lines[gone + 1 :]))
    assert (len(found), report.gaps, report.damaged) == (2, 1, True)
    assert [(one.what, one.line) for one in report.findings] == [("gap", gone + 1)]


def test_swapped_records_leave_gaps_and_are_applied_where_they_stand() -> None:
    lines = three().lines
    found, report = read(lines[0] + lines[2] + lines[1] + lines[3])
    assert [one.event.id for one in found] == [f"{number:016x}" for number in (2, 1, 3)]
    assert report.gaps == 3


def test_a_cut_off_end_only_the_last_seal_can_show() -> None:
    lines = three().lines
    whole, cut = read(three().data)[1], read(b"".join(lines[:-1]))[1]
    assert not cut.damaged
    assert cut.last_seal != whole.last_seal


# whose session it is


def test_header_and_name_may_disagree_and_both_count() -> None:
    draft = three()
    draft.session = "the-name"
    draft.failed("a/4")
    found, report = read(draft.data, "the-name")
    assert len(found) == 4
    assert report.session == SESSION
    assert told(report) == ["session"]
    assert not report.damaged


def test_without_a_readable_header_the_first_sealed_record_names_the_session_too() -> None:
    for first in (b"", b"\n", b"garbage\n", b'{"type":"session","vers\n', b"\0" * 50 + b"\n", b'{"type":"session"}\n'):
        draft = three()
        data = first + b"".join(draft.lines[1:])
        found, report = read(data, "a-backup")
        assert len(found) == 3, first
        assert told(report).count("header") == 1, first
        assert not report.damaged, first
        assert report.session == "a-backup", first


def test_a_pipe_has_no_name_and_takes_the_headers_or_the_first_records_session() -> None:
    assert read(three().data, None)[1].session == SESSION
    found, report = read(b"".join(three().lines[1:]), None)
    assert (len(found), report.session) == (3, SESSION)


def test_only_the_first_sealed_record_can_name_the_session() -> None:
    """A record copied in from elsewhere stays misplaced, also where the header is lost."""
    other = Draft(OTHER, headed=False).failed("a/other")
    own = b"".join(three().lines[1:])
    assert models(own + other) == ["a/1", "a/2", "a/3"]
    assert read_kinds(own + other) == {"event": 3, "misplaced": 1}
    assert read_kinds(own + other, "a-backup") == {"event": 3, "misplaced": 1}


def test_a_readable_header_lets_no_record_name_another_session() -> None:
    assert read_kinds(header() + Draft(OTHER, headed=False).failed("a/other")) == {"foreign": 1, "misplaced": 1}


def test_a_header_is_read_on_the_first_line_only() -> None:
    data = message() + header(OTHER) + Draft(OTHER, headed=False).failed() + three().lines[1]
    assert read(data)[1].session == SESSION


# long lines


def long_line(length: int) -> bytes:
    return b'{"type":"message","id":"c0ffee","text":"' + b"x" * (length - 43) + b'"}\n'


def test_a_line_over_a_mebibyte_is_foreign_and_not_kept() -> None:
    draft = three()
    draft.lines.insert(2, long_line(3 * LONGEST))
    for size in (LONGEST, 65_536, 1_000):
        reader = Reader(SESSION)
        found, data = 0, draft.data
        for at in range(0, len(data), size):
            found += len(reader.feed(data[at : at + size]))
            held = reader._splitter.rest()
            assert held is None or len(held.data) <= LONGEST
        found += len(reader.finish())
        assert found == 3
        assert kinds(reader.report) == {"event": 3, "foreign": 2}


def test_an_event_padded_beyond_a_mebibyte_is_foreign() -> None:
    for length, kind in ((LONGEST, "event"), (LONGEST + 1, "foreign")):
        line = compact(BARE)[:-1]
        line += b" " * (length - len(line) - 2) + b"}\n"
        assert len(line) == length
        assert read(line)[1].pieces[kind] == 1


@pytest.mark.parametrize("size", [10**9, LONGEST, 65_536, 4_097])
def test_a_record_glued_to_the_end_of_an_overlong_line_is_found(size: int) -> None:
    draft = Draft()
    data = header() + long_line(2 * LONGEST).rstrip(b"\n") + draft.failed("a/1") + draft.failed("a/2")
    found, report = read(data, sizes=[size] * (len(data) // size))
    assert len(found) == 2
    assert kinds(report) == {"event": 2, "foreign": 2}


@pytest.mark.parametrize("size", [10**9, LONGEST, 65_536])
def test_no_record_is_longer_than_16_kib_however_the_bytes_arrive(size: int) -> None:
    record = sealed({"type": "attempt_failed", "model": "m", "error": "x" * 20_000, "session": SESSION, "v": 1})
    data = header() + long_line(LONGEST + 50).rstrip(b"\n") + record + b"\n"
    assert kinds(read(data, sizes=[size] * (len(data) // size))[1]) == {"foreign": 2}


def test_an_overlong_line_without_an_end_is_foreign() -> None:
    assert read_kinds(header() + long_line(2 * LONGEST)[:-1]) == {"foreign": 2}


def hostile() -> Iterator[tuple[str, bytes]]:
    mark = b',"seal":"' + b"0" * 32 + b'"}'
    near = LONGEST - 100
    yield "heads", (b'{"type":"' * near)[:near]
    yield "seals", (mark * near)[: near // len(mark) * len(mark)]
    yield "heads and seals", (b'{"type":"x"' + mark) * (near // (11 + len(mark)))
    yield "heads and names", (b'{"type":"attempt_failed"' * near)[:near] + mark
    yield "a head, then seals", b'{"type":"attempt_failed","x":"y"' + mark * (near // len(mark))
    yield "a head every 16 KiB", (b'{"type":"attempt_failed"' + mark * 380) * (near // (24 + 380 * len(mark)))
    yield "strings", b'{"type":"' + b"\\u00" * (near // 4)
    yield "names", b"model_switch" * (near // 12)


@pytest.mark.parametrize(("name", "line"), [pytest.param(name, line, id=name) for name, line in hostile()])
def test_a_hostile_line_of_a_mebibyte_is_read_in_time(name: str, line: bytes) -> None:
    assert LONGEST * 0.9 < len(line) < LONGEST
    start = time.process_time()
    found, report = read(header() + line + b"\n" + three().lines[1])
    spent = time.process_time() - start
    assert len(found) == 1, name
    assert report.size == len(header()) + len(line) + 1 + len(three().lines[1])
    assert spent < 2.0, f"{name}: {spent:.2f} s"


def test_a_million_torn_lines_are_counted_and_the_first_thousand_named() -> None:
    draft = Draft()
    draft.failed("a/1")
    torn = b'{"type":"attempt_failed","id\n' * (3 * MOST_FINDINGS)
    draft.lines.append(torn)
    draft.failed("a/2")
    found, report = read(draft.data)
    assert len(found) == 2
    assert report.pieces["torn"] + report.pieces["corrupt"] == 3 * MOST_FINDINGS
    assert len(report.findings) == MOST_FINDINGS
    assert report.unnamed == 2 * MOST_FINDINGS


def test_no_more_than_a_thousand_torn_lines_wait_for_their_judgement() -> None:
    draft = Draft()
    draft.failed("a/1")
    draft.failed("a/lost")
    draft.lines[-1] = b'{"type":"attempt_failed","id\n' * (2 * MOST_FINDINGS + 500)
    draft.failed("a/2")
    report = read(draft.data)[1]
    assert report.gaps == 1
    assert (report.pieces["torn"], report.pieces["corrupt"]) == (2 * MOST_FINDINGS, 500)


# any bytes at all


def chunks(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    at = 0
    for size in sizes:
        yield data[at : at + size]
        at += size
    yield data[at:]


def all_pieces(data: bytes, sizes: list[int]) -> list[Piece]:
    splitter = Splitter()
    texts = [text for block in chunks(data, sizes) for text in splitter.feed(block)]
    rest = splitter.rest()
    return [piece for text in texts + ([rest] if rest else []) for piece in pieces(text)]


block_sizes = st.lists(st.integers(0, 300), max_size=12)


@given(any_bytes, block_sizes)
def test_the_pieces_tile_the_file(data: bytes, sizes: list[int]) -> None:
    at = 0
    for piece in all_pieces(data, sizes):
        assert piece.offset == at
        assert piece.length > 0
        at += piece.length
    assert at == len(data)


@given(any_bytes, block_sizes)
def test_every_piece_is_counted_in_one_class(data: bytes, sizes: list[int]) -> None:
    report = read(data, sizes=sizes)[1]
    assert sum(report.counts.values()) == len(all_pieces(data, sizes))
    assert set(report.counts) == {str(kind) for kind in Kind}
    assert report.damaged == (report.gaps > 0 or any(report.counts[kind] for kind in DAMAGE))


@given(any_bytes)
def test_every_finding_names_its_line(data: bytes) -> None:
    for finding in read(data)[1].findings:
        assert finding.line == data.count(b"\n", 0, finding.offset) + 1
        assert 0 < finding.length <= len(data) - finding.offset


@given(any_bytes, block_sizes)
def test_bytes_read_in_any_blocks_are_the_same_log(data: bytes, sizes: list[int]) -> None:
    assert read(data, sizes=sizes) == read(data)


def memory(reader: Reader, data: bytes) -> tuple[object, ...]:
    """All that the append protocol asks a reader for."""
    entry = reader.last_entry(lambda offset, length: data[offset : offset + length])
    return reader.report, reader.position, reader.last_id, entry, reader.hosted


def check_ahead(blocks: Iterable[bytes]) -> None:
    """The law: to look ahead is to read what there is as if it were all, and leaves nothing behind."""
    reader, seen = Reader(SESSION), b""
    found: list[Recorded] = []
    for block in blocks:
        found += reader.feed(block)
        seen += block
        ahead, more = reader.ahead()
        fresh = Reader(SESSION)
        whole = fresh.feed(seen)
        assert memory(reader, seen) == memory(fresh, seen)
        assert reader.open_end == (seen != b"" and not seen.endswith(b"\n"))
        whole += fresh.finish()
        assert (found + more, memory(ahead, seen)) == (whole, memory(fresh, seen))
    found += reader.finish()
    assert (found, reader.report) == read(seen)


@given(any_bytes, block_sizes)
def test_looking_ahead_is_reading_to_the_end_and_changes_nothing(data: bytes, sizes: list[int]) -> None:
    check_ahead(chunks(data, sizes))


def test_looking_ahead_at_what_turns_out_otherwise_changes_nothing() -> None:
    draft = three()
    prev = draft.prev
    fragment = draft.failed("a/lost")[:60]
    draft.prev = prev
    draft.lines.pop()
    record = draft.failed("a/4")
    three_lines = b"".join(draft.lines[:4])
    check_ahead([three_lines + fragment + record[:-1], b"\n", Draft().failed()])
    check_ahead([three_lines + fragment, b"\n", record])
    check_ahead([header(OTHER)[:-1], b"x\n", Draft(headed=False).failed(), Draft(OTHER).failed()])
    check_ahead([header() + message() + compact(BARE | {"id": "bare"}), b"x\n", message("c0ffee02")[:-1], b"\n"])
    check_ahead([header() + record, record[:-1], b"x\n", record])


@given(any_bytes)
def test_what_is_accepted_is_sealed_rightly_or_bare(data: bytes) -> None:
    """Nothing altered passes: an accepted event's seal can be computed from the file, or it has nothing of a frame."""
    found, report = read(data)
    bare = 0
    for one in found:
        line = data[one.offset :].split(b"\n")[0].split(b"\0")[0]
        fields = json.JSONDecoder().raw_decode(line.decode(errors="replace"))[0]
        if {"v", "prev", "session", "seal"}.isdisjoint(fields):
            bare += 1
            continue
        ending = re.search(rb',"seal":"([0-9a-f]{32})"\}', line)
        assert ending is not None
        assert hashlib.sha256(line[: ending.start()]).hexdigest()[:32].encode() == ending[1]
        assert fields["session"] in (SESSION, OTHER, report.session)
    assert bare == report.unsealed


# what a real host made of such lines


@pytest.mark.parametrize(
    ("name", "expected", "findings"),
    [
        ("fa-before.jsonl", {"event": 1, "foreign": 8}, ["session"]),
        ("fa-after.jsonl", {"event": 1, "foreign": 14}, ["session"]),
        ("fa-compacted.jsonl", {"event": 1, "foreign": 16}, ["session"]),
        ("fa-compacted-after.jsonl", {"event": 1, "foreign": 18}, ["session"]),
        ("fb-before.jsonl", {"event": 1, "foreign": 8}, ["session"]),
        ("fb-after.jsonl", {"event": 1, "foreign": 12}, ["session"]),
        ("fb-compacted.jsonl", {"event": 1, "foreign": 14}, ["session"]),
        ("fb-compacted-after.jsonl", {"event": 1, "foreign": 16}, ["session"]),
        ("fc-before.jsonl", {"foreign": 9}, ["session"]),
        ("fc-after.jsonl", {"foreign": 13}, ["session"]),
        ("fc-compacted.jsonl", {"foreign": 15}, ["session"]),
        ("fd-before.jsonl", {"foreign": 8, "torn": 1}, ["session", "torn"]),
        ("fd-after.jsonl", {"foreign": 12}, ["session"]),
        ("fg-after.jsonl", {"foreign": 11}, ["session"]),
        ("fh-after.jsonl", {"foreign": 10}, ["session"]),
        ("fi-after.jsonl", {"foreign": 6}, ["session"]),
        ("fj-after.jsonl", {"foreign": 6}, ["session"]),
        ("fk-mid.jsonl", {"foreign": 8}, ["session"]),
        ("fk-after.jsonl", {"foreign": 10}, ["session"]),
        ("fm-stale-parent.jsonl", {"foreign": 11}, ["session"]),
        ("fn-noparent.jsonl", {"foreign": 13}, ["session"]),
        ("fo-two-events.jsonl", {"event": 2, "foreign": 12}, ["session"]),
        ("26a984f2-d364-4a6e-9161-fe05e9b64968.jsonl.bak-19411-1795358103984", {"foreign": 8, "torn": 1}, ["torn"]),
    ],
)
def test_a_recorded_transcript_is_read_as_its_host_wrote_it(
    name: str, expected: dict[str, int], findings: list[str]
) -> None:
    log = read_events(FOREIGN / name, infer=False)
    assert len(list(log)) == expected.get("event", 0)
    assert kinds(log.report) == expected
    assert told(log.report) == findings
    assert not log.report.damaged


def test_every_recorded_transcript_is_read_without_damage() -> None:
    paths = sorted(FOREIGN.iterdir())
    assert len(paths) == 23
    for path in paths:
        log = read_events(path, infer=False)
        found = list(log)
        lines = path.read_bytes().split(b"\n")
        own = [line for line in lines if line.startswith((b'{"type":"model_switch"', b'{"type":"attempt_failed"'))]
        assert len(found) == sum(line.endswith(b"}") for line in own), path.name
        assert not log.report.damaged, path.name
        assert sum(log.report.counts.values()) == sum(map(bool, lines)), path.name


def test_the_archived_copy_still_belongs_to_the_session_of_its_name() -> None:
    (path,) = FOREIGN.glob("*.jsonl.bak-*")
    log = read_events(path, infer=False)
    assert list(log) == []
    assert log.report.session == "26a984f2-d364-4a6e-9161-fe05e9b64968"
    assert told(log.report) == ["torn"]


# what a power cut leaves in the middle of a file


@pytest.mark.parametrize("length", [2, 64, 511])
def test_a_record_with_a_hole_in_it_is_torn_where_the_chain_goes_on_over_it(length: int) -> None:
    draft = Draft()
    draft.failed("a/1")
    prev = draft.prev
    lost = draft.failed("a/2", error="x" * 600)
    draft.prev = prev
    draft.failed("a/3")
    holed = lost[:90] + b"\0" * length + lost[90 + length :]
    data = draft.data.replace(lost, holed)
    assert models(data) == ["a/1", "a/3"]
    assert read_kinds(data) == {"event": 2, "foreign": 1, "torn": 2, "zeros": 1}
    assert not read(data)[1].damaged
    assert read_kinds(data.removesuffix(draft.lines[-1])) == {"event": 1, "foreign": 1, "torn": 2, "zeros": 1}


def test_a_record_whose_beginning_is_a_hole_is_torn_too() -> None:
    draft = Draft()
    draft.failed("a/1")
    for length in (1, 2, 100):
        data = draft.data + b"\0" * length + Draft(headed=False).failed("a/2")[length:]
        assert read_kinds(data) == {"event": 1, "foreign": 1, "torn": 1, "zeros": 1}, length


def test_a_hole_over_which_the_chain_breaks_is_damage() -> None:
    draft = Draft()
    draft.failed("a/1")
    lost = draft.failed("a/2")
    draft.failed("a/3")
    report = read(draft.data.replace(lost, lost[:90] + b"\0" * 64 + lost[154:]))[1]
    assert report.damage == {"corrupt": 2, "altered": 0, "misplaced": 0, "conflict": 0, "gaps": 1}


def test_a_single_nul_within_a_record_is_a_flipped_bit() -> None:
    draft = Draft()
    lost = draft.failed("a/2", error="a @ b")
    at = lost.index(b"@")
    assert read(draft.data.replace(lost, lost[:at] + b"\0" + lost[at + 1 :]))[1].damaged


def test_a_stale_record_of_another_session_is_no_witness_of_whose_file_it_is() -> None:
    """A block that was not written yet shows what stood there before: another session's records, whole."""
    stranger = Draft(OTHER, headed=False)
    stranger.failed("b/1")
    middle = stranger.failed("b/2")
    own = three().lines
    for lost in (b"", b"\0" * 95 + b"\n", b"garbage\n"):
        assert models(lost + middle + own[2] + own[3]) == ["a/2", "a/3"]
        assert read_kinds(lost + middle + own[2] + own[3])["misplaced"] == 1
