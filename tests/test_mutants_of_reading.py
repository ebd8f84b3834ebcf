"""The mutation gate of the quick way of reading: each fault put into it is caught by a law that the two ways agree.

Law: what the quick way may leave out is what the exact one does anyway; of what it does itself nothing can be left
out. The control, a copy in which only a comment differs, is caught by none of these laws.
"""

from pathlib import Path

import pytest
from mutants import Mutant, try_laws

pytestmark = pytest.mark.slow  # each mutant runs its law in a process of its own

LAW = "test_usual.py::test_"
ODD = LAW + "one_odd_record_among_usual_ones_reads_the_same"
HOST = LAW + "one_line_of_a_host_among_usual_ones_reads_the_same"
SPAN = LAW + "a_line_that_spans_two_blocks_reads_the_same_wherever_they_part"
ANY = LAW + "a_log_reads_the_same_as_line_by_line"

# (the fault, module, the code, the broken code, the law that catches it)
FAULTS: list[tuple[str, str, str, str, str]] = [
    # what makes a line a record
    (
        "the seals are not compared",
        "usual",
        'if b"".join([line[-TAIL:] for line in lines]) != tails.encode():',
        "if not tails:",
        LAW + "a_flipped_bit_reads_the_same",
    ),
    (
        "the seals are compared wherever they stand",
        "usual",
        'if b"".join([line[-TAIL:] for line in lines]) != tails.encode():',
        "if [frame.seal for frame in _FRAMES.decode_lines(text)] != seals:",
        LAW + "objects_that_reach_over_the_ends_of_lines_are_no_records",
    ),
    (
        "only the digits of the seals are compared",
        "usual",
        'if b"".join([line[-TAIL:] for line in lines]) != tails.encode():',
        "if [line[-34:-2].decode('latin-1') for line in lines] != seals:",
        ODD,
    ),
    (
        "the chain is not compared",
        "usual",
        "if [frame.prev for frame in frames] != [prev, *seals[:-1]]:",
        "if not frames:",
        LAW + "a_lost_or_moved_record_reads_the_same",
    ),
    (
        "the chain is not compared with what stood before",
        "usual",
        "!= [prev, *seals[:-1]]:",
        "!= [frames[0].prev, *seals[:-1]]:",
        LAW + "a_lost_or_moved_record_reads_the_same",
    ),
    (
        "the session is not compared",
        "usual",
        "if not {frame.session for frame in frames}.issubset(sessions):",
        "if not frames:",
        LAW + "a_record_of_another_session_reads_the_same",
    ),
    (
        "the types are not counted",
        "usual",
        "if text.count(b'\"type\"') != len(lines) or (",
        "if (",
        ODD,
    ),
    (
        "an escape may hide a type",
        "usual",
        ' or (b"\\\\" in text and rb"\\u00" in text):',
        ":",
        ODD,
    ),
    (
        "unknown fields are passed over",
        "usual",
        "forbid_unknown_fields=True",
        "forbid_unknown_fields=False",
        ODD,
    ),
    (
        "a longer version is no matter",
        "usual",
        "v: Literal[1]",
        "v: int",
        ODD,
    ),
    (
        "an id may be as long as it likes",
        "usual",
        "Meta(min_length=1, max_length=LONGEST_ID)",
        "Meta(min_length=1)",
        ODD,
    ),
    (
        "an id may be left out",
        "usual",
        "Meta(min_length=1, max_length=LONGEST_ID)]",
        "Meta(min_length=1, max_length=LONGEST_ID)] | None = None",
        ODD,
    ),
    (
        "a time may be finer",
        "usual",
        'Meta(max_length=len("2026-04-02T04:55:40.889Z"))',
        "Meta(max_length=99)",
        ODD,
    ),
    (
        "a time may be of anywhere",
        "usual",
        "if (time := event.timestamp) is not None and time.tzinfo is not UTC]",
        "if (time := event.timestamp) is not None and time.tzinfo is None]",
        ODD,
    ),
    (
        "nothing may be cleared",
        "usual",
        "if frame.model is None and frame.provider is None:",
        "if frame is None:",
        ODD,
    ),
    (
        "a record may be longer than a line",
        "usual",
        "if len(text) >= LONGEST and max(map(len, lines)) >= LONGEST:",
        "if not lines:",
        LAW + "a_record_as_long_as_a_line_may_be_reads_the_same",
    ),
    (
        "what nests deep raises",
        "usual",
        "except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):",
        "except (msgspec.DecodeError, UnicodeDecodeError):",
        ODD,
    ),
    (
        "bytes that are no text raise",
        "usual",
        "except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):",
        "except (msgspec.DecodeError, RecursionError):",
        ODD,
    ),
    # which lines are looked at
    (
        "the tail of a host's line is not looked at",
        "look",
        "if starts(most, at) and block[behind - 3] != _QUOTE:",
        "if starts(most, at):",
        HOST,
    ),
    (
        "the tail of a host's second kind of line is not looked at",
        "look",
        "elif not starts(self._foreign, at) or seal.may_end(block, behind):",
        "elif not starts(self._foreign, at):",
        HOST,
    ),
    (
        "the tail of a host's short line is not looked at",
        "look",
        "if line.startswith(most) and line[-3] != _QUOTE:",
        "if line.startswith(most):",
        HOST,
    ),
    (
        "the tail of a host's second kind of short line is not looked at",
        "look",
        "elif not line.startswith(self._foreign) or seal.may_end(line, len(line)):",
        "elif not line.startswith(self._foreign):",
        HOST,
    ),
    (
        "our own short heads are passed over",
        "look",
        "            if line.startswith(_OURS):\n                found.append(",
        "            if line.startswith(_OURS):\n                str(",
        ODD,
    ),
    (
        "a short line without a newline is a line",
        "look",
        "        if end == len(block):\n            return lines, found\n",
        "        if end:\n            return lines, found\n",
        LAW + "a_log_reads_the_same_however_it_is_divided",
    ),
    (
        "a record without a newline is a record",
        "look",
        "[one for one in found if one[1] <= end]",
        "found",
        LAW + "a_log_reads_the_same_however_it_is_divided",
    ),
    (
        "the block's first line is read again",
        "look",
        "        stream.seek(begin)\n",
        "",
        LAW + "a_log_reads_the_same_however_it_is_divided",
    ),
    (
        "the byte before a line is looked at",
        "look",
        "if starts(most, at) and block[behind - 3] != _QUOTE:",
        "if block[behind - 3] != _QUOTE and starts(most, at):",
        LAW + "a_newline_that_comes_alone_reads_the_same",
    ),
    (
        "our own heads are passed over",
        "look",
        "            elif starts(_OURS, at):\n                found.append((at, behind))\n",
        "            elif starts(_OURS, at):\n                pass\n",
        ODD,
    ),
    (
        "a blank line is the host's",
        "look",
        "if is_candidate(line) or not line.strip():",
        "if is_candidate(line):",
        HOST,
    ),
    (
        "every head is the host's after its first line",
        "look",
        "if _is_decided(line) and len(self._foreign) < _KNOWN:",
        "if len(self._foreign) < _KNOWN:",
        HOST,
    ),
    (
        "the first line is like any other",
        "split",
        '        begin = block.find(b"\\n") + 1 if begun else 0\n',
        '        begin = block.find(b"\\n") + 1 if begun and self.offset else 0\n',
        ANY,
    ),
    (
        "the rest of a line is a line",
        "split",
        "begun = self._length > 0 or self._behind is not None or not self.offset\n        begin",
        "begun = not self.offset\n        begin",
        LAW + "a_log_reads_the_same_however_it_is_divided",
    ),
    (
        "the tail of a line that spans two blocks is not looked at",
        "look",
        "return not sealed and head.startswith(self._foreign)",
        "return head.startswith(self._foreign)",
        SPAN,
    ),
    (
        "a tail that spans two blocks is no tail",
        "look",
        "sealed = behind <= seal.TAIL or (",
        "sealed = (",
        SPAN,
    ),
    (
        "the head of a NUL run's line is a head",
        "split",
        "not self._zeros and self._behind is None and self._length",
        "not self._zeros and self._length",
        LAW + "what_stands_behind_a_run_of_zeros_reads_the_same",
    ),
    # what is told of them
    (
        "a line that spans two blocks is not counted",
        "reader",
        "        self.report.pieces[Kind.FOREIGN.value] += 1\n",
        "",
        SPAN,
    ),
    (
        "a line that spans two blocks is nobody's parent",
        "reader",
        "self.foreign.append(self._splitter.pass_over(begin))",
        "self._splitter.pass_over(begin)",
        SPAN,
    ),
    (
        "a line that spans two blocks has no number",
        "reader",
        "        self.report.size += begin\n        self._tally.line += 1\n",
        "        self.report.size += begin\n",
        SPAN,
    ),
    (
        "the rest of a block is not counted",
        "reader",
        "        self.report.size += len(block) - end\n",
        "",
        LAW + "a_log_reads_the_same_however_it_is_divided",
    ),
    (
        "an event may be there before",
        "judge",
        "if len(fresh) < len(records.ids) or not self.ids.keys().isdisjoint(fresh):",
        "if len(fresh) < len(records.ids):",
        LAW + "a_second_copy_and_another_event_of_the_same_id_read_the_same",
    ),
    (
        "an event may be there twice",
        "judge",
        "if len(fresh) < len(records.ids) or not",
        "if not",
        LAW + "a_second_copy_and_another_event_of_the_same_id_read_the_same",
    ),
    (
        "the ids are not remembered",
        "judge",
        "        self.ids.update(fresh)\n",
        "",
        LAW + "a_second_copy_and_another_event_of_the_same_id_read_the_same",
    ),
    (
        "what waited is not judged",
        "judge",
        "        self._tally.settle(goes_on=True)\n        self.position += len(records.ids)\n",
        "        self.position += len(records.ids)\n",
        LAW + "a_torn_line_before_a_block_is_judged_when_the_block_goes_on",
    ),
    (
        "a wanted seal is passed by",
        "judge",
        "if not self._wanted.isdisjoint(records.seals) or not",
        "if not",
        LAW + "the_quick_way_does_not_pass_by_a_wanted_seal",
    ),
    (
        "one foreign line too many",
        "reader",
        "self.report.pieces[Kind.FOREIGN.value] += lines - len(own)",
        "self.report.pieces[Kind.FOREIGN.value] += lines - len(own) + 1",
        HOST,
    ),
    (
        "offsets within the lines, not within the file",
        "reader",
        "size, found = self.report.size - begin, list[Recorded]()",
        "size, found = self.report.size, list[Recorded]()",
        ODD,
    ),
    (
        "positions from the last block's",
        "judge",
        "        self.position += len(records.ids)\n",
        "",
        ODD,
    ),
    (
        "lines are not counted",
        "reader",
        "        self._tally.line += lines\n        self.report.size += end - begin\n",
        "        self.report.size += end - begin\n",
        ODD,
    ),
    (
        "the host's lines before our last one may be the last entry",
        "reader",
        "        self.foreign.clear()\n        return list(map(",
        "        return list(map(",
        LAW + "a_foreign_line_in_one_block_and_ours_in_the_next_read_the_same",
    ),
    (
        "the last lines of the block, ours among them, may be the last entry",
        "reader",
        "start = own[-1][1] if own else begin",
        "start = begin",
        ANY,
    ),
    (
        "the host's lines come backwards",
        "reader",
        "yield from reversed(data.removesuffix",
        "yield from (data.removesuffix",
        LAW + "the_last_entry_is_looked_for_in_sixteen_lines_however_they_came",
    ),
    (
        "the last entry is looked for in all lines",
        "reader",
        "islice(self._backwards(read), _PARENTS)",
        "self._backwards(read)",
        LAW + "the_last_entry_is_looked_for_in_sixteen_lines_however_they_came",
    ),
    (
        "the last entry is looked for in sixteen lines and what stands before them",
        "reader",
        'rsplit(b"\\n", _PARENTS))',
        'rsplit(b"\\n", 3))',
        LAW + "the_last_entry_is_looked_for_in_sixteen_lines_however_they_came",
    ),
    (
        "no host writes here",
        "reader",
        "        if lines > len(own):\n            self.hosted = True\n",
        "        if lines > len(own):\n",
        LAW + "a_host_s_transcript_goes_the_quick_way",
    ),
    (
        "the seal before the last is the last",
        "judge",
        "= records.seals[-1], self.position - 1",
        "= records.seals[0], self.position - 1",
        ODD,
    ),
    (
        "the last record stands before itself",
        "judge",
        "= records.seals[-1], self.position - 1",
        "= records.seals[-1], self.position",
        ODD,
    ),
    (
        "the header's word may still be taken from a later record",
        "judge",
        "        self._sealed_before = True\n        self.report.last_seal",
        "        self.report.last_seal",
        LAW + "a_record_of_another_session_reads_the_same",
    ),
    (
        "the splitter stays where it was",
        "reader",
        "        self._splitter.skip(end - begin)\n        return found\n",
        "        return found\n",
        ANY,
    ),
    (
        "the quick way is never taken",
        "reader",
        "if begin == end or self._judge.keyed:",
        "if True:",
        ANY,
    ),
]


@pytest.mark.parametrize(
    ("mutant", "law"), [pytest.param(Mutant(*one[:4], "eventlog"), one[4], id=one[0]) for one in FAULTS]
)
def test_a_law_catches_its_fault(mutant: Mutant, law: str, tmp_path: Path) -> None:
    verdict = try_laws(mutant, tmp_path, law)
    assert verdict.exit_code == pytest.ExitCode.TESTS_FAILED, verdict.output
    assert verdict.raised, verdict.output


CONTROL = Mutant("a comment", "usual", "# a second type, or", "# another type, or", "eventlog")


def test_the_control_is_caught_by_none(tmp_path: Path) -> None:
    """The same laws in the same harness: it is the fault that they fail on, not the harness."""
    verdict = try_laws(CONTROL, tmp_path, *sorted({one[4] for one in FAULTS}), profile="control")
    assert verdict.exit_code == pytest.ExitCode.OK, verdict.output
