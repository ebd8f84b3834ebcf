"""The mutation gate of the log: each fault put into a copy of ``eventlog`` is caught by the test that is named for it.

Law: a promise of docs/guarantees.md that no broken code can fail would promise nothing. The control, a copy in which
only a comment differs, is caught by none of these tests.
"""

from pathlib import Path

import pytest
from mutants import Mutant, try_laws

pytestmark = pytest.mark.slow  # each mutant runs its test in a process of its own

APPEND = "test_append.py::test_"
READER = "test_reader_classes.py::test_"
SESSION = "test_session.py::test_"
REPAIR = "test_repair.py::test_"
KEYS = "test_keys.py::test_"
LOCK = "test_openclaw_lock.py::test_"
HOST = "test_openclaw_placement.py::test_"

# (the fault, module, the code, the broken code, the test that catches it)
FAULTS: list[tuple[str, str, str, str, str]] = [
    # what a crash or the disk does
    (
        "a torn line is not ended",
        "append",
        'return b"\\n" if self._known.reader.open_end else b""',
        'return b""',
        "test_cuts.py::test_a_history_cut_at_any_byte_goes_on_from_what_was_whole",
    ),
    (
        "nothing is synced",
        "append",
        'if self.durability == "disk":\n            self._descriptor.sync()',
        'if self.durability == "never":\n            self._descriptor.sync()',
        APPEND + "an_event_is_synced_under_the_lock_before_it_is_acknowledged",
    ),
    (
        "an event is acknowledged before its sync",
        "append",
        "        offset = self._put(lead, record.data, record)\n        self._acknowledged[event.id] = event\n",
        "        self._acknowledged[event.id] = event\n        offset = self._put(lead, record.data, record)\n",
        APPEND + "an_event_is_not_acknowledged_while_the_sync_runs",
    ),
    (
        "a new file's name is not synced",
        "descriptor",
        "            file.sync_folder(self.path.parent)\n",
        "            pass\n",
        APPEND + "a_name_is_made_durable_by_whoever_finds_the_file",
    ),
    (
        "only the rest is written after a short write",
        "append",
        'again = b"\\n" + line + b"\\n" if written < len(data) - 1 else b"\\n"',
        "again = data[written:]",
        APPEND + "what_a_host_writes_behind_a_short_write_costs_us_nothing",
    ),
    (
        "a short write is taken for a whole one",
        "append",
        "        if written < len(data):\n",
        "        if written < 0:\n",
        APPEND + "after_a_short_write_the_whole_line_is_written_again",
    ),
    (
        "a descriptor is trusted after a failed sync",
        "descriptor",
        "            self.forget()  # after a failed sync",
        "            pass  # after a failed sync",
        APPEND + "after_a_failed_sync_the_descriptor_is_never_used_again",
    ),
    (
        "what the disk refuses is called acknowledged",
        "degraded",
        "                kept = False\n",
        "                kept = True\n",
        SESSION + "a_failed_sync_is_not_acknowledged",
    ),
    (
        "what the disk refuses is called acknowledged, where it depends on the state",
        "degraded",
        "                return False\n",
        "                return True\n",
        "test_append_shortcuts.py::test_what_the_disk_refuses_is_not_acknowledged_on_any_way",
    ),
    (
        "what the disk refuses is forgotten",
        "degraded",
        "self._backlog.hold(events, str(error))",
        "self._backlog.hold([], str(error))",
        SESSION + "a_full_disk_is_told_and_the_failure_remembered",
    ),
    (
        "what waits is written in another order",
        "degraded",
        "yield waiting[0]\n                waiting.popleft()",
        "yield waiting[-1]\n                waiting.pop()",
        SESSION + "events_wait_in_order_behind_those_already_waiting",
    ),
    (
        "a waiting event that reached the file counts twice",
        "degraded",
        "if not self.log.holds(event)]",
        "]",
        SESSION + "what_reached_the_file_in_spite_of_a_failed_sync_counts_once",
    ),
    # what others do to the file
    (
        "no lock is taken",
        "descriptor",
        "            file.lock(fd)\n            named",
        "            named",
        APPEND + "an_event_is_synced_under_the_lock_before_it_is_acknowledged",
    ),
    (
        "a file that was replaced while we waited is not noticed",
        "descriptor",
        "            if named is not None and named.same_file(self.identity):\n                return named\n",
        "            if named is not None:\n                return named\n",
        APPEND + "a_file_replaced_while_we_wait_for_its_lock_is_left_alone",
    ),
    (
        "what a replaced file lacks is not written again",
        "append",
        "            for event in self._missing():\n                self._write(event)\n",
        "",
        APPEND + "what_a_replaced_file_lacks_is_appended_again",
    ),
    (
        "a file that was cut or written anew is not noticed",
        "view",
        "if identity.size < size or file.read_at(",
        "if identity.size < 0 and file.read_at(",
        APPEND + "refresh_sees_what_others_wrote_cut_and_replaced",
    ),
    (
        "what others wrote is not folded before the decision",
        "append",
        "        self._catch_up(self._lock())\n        if self._answered != self._doubts:",
        "        self._lock()\n        if self._answered != self._doubts:",
        APPEND + "the_decision_is_made_of_what_others_wrote",
    ),
    (
        "nobody looks where a line of ours has landed",
        "append",
        "        if end != before + written:",
        "        if end < 0:",
        APPEND + "what_a_host_writes_between_our_look_and_our_write_is_read_too",
    ),
    (
        "a file of the same size is taken for the same",
        "view",
        "len(edge)) != edge:",
        "0):",
        "test_append_shortcuts.py::test_a_file_that_only_looks_the_same_is_read_anew",
    ),
    (
        "the parent is our own last line, whoever has written since",
        "known",
        "        self.last = None\n        self.size += len(block)\n",
        "        self.size += len(block)\n",
        "test_append_shortcuts.py::test_what_a_host_writes_behind_what_is_not_folded_yet_keeps_its_place",
    ),
    (
        "what we wrote ourselves names no session",
        "judge",
        "replace(one.event, session=one.session)",
        "one.event",
        "test_append_shortcuts.py::test_what_we_wrote_is_known_as_it_is_read",
    ),
    (
        "what we wrote ourselves stands a byte before its place",
        "reader",
        "len(one.data) + 1 for one in written]",
        "len(one.data) for one in written]",
        "test_append_shortcuts.py::test_what_we_wrote_is_known_as_it_is_read",
    ),
    (
        "a repair that we wrote ourselves is an event like any other",
        "judge",
        "if one.event is None or isinstance(one.event, LogRepaired) or",
        "if one.event is None or",
        "test_append_shortcuts.py::test_a_repair_is_known_whoever_recorded_it",
    ),
    (
        "what we wrote ourselves has no lines",
        "reader",
        "        self._tally.line += len(written)\n",
        "",
        "test_append_shortcuts.py::test_what_we_wrote_is_known_as_it_is_read",
    ),
    (
        "what we wrote ourselves is known finer than the file has it",
        "codec",
        "event if _is_exact(event.timestamp) else None",
        "event",
        "test_append_shortcuts.py::test_a_record_made_at_once_is_the_one_made_with_care",
    ),
    (
        "what we wrote ourselves holds a text where the file has a number",
        "codec",
        "elif type(value) is wanted and (",
        "elif type(value) in (int, str) and (",
        "test_append_shortcuts.py::test_a_record_made_at_once_is_the_one_made_with_care",
    ),
    (
        "what we wrote ourselves holds a text that is none",
        "codec",
        "if isinstance(value, int) else value)",
        "if isinstance(value, int) else True)",
        "test_append_shortcuts.py::test_a_record_made_at_once_is_the_one_made_with_care",
    ),
    (
        "what we wrote ourselves is not folded before the decision",
        "append",
        "decide(self.state)]",
        "decide(self._known.state)]",
        "test_append_shortcuts.py::test_a_decision_is_made_of_what_we_wrote_ourselves",
    ),
    (
        "a look takes what is not folded yet for nothing",
        "view",
        "held for ever\n                return None\n",
        "held for ever\n                return self._known.state\n",
        "test_append_shortcuts.py::test_a_look_waits_for_no_lock",
    ),
    (
        "a forked child makes its parent's ids",
        "choosing",
        "os.register_at_fork(after_in_child=_random.seed)\n",
        "",
        "test_append_shortcuts.py::test_ids_are_new_whatever_a_program_seeds_and_in_each_child",
    ),
    (
        "a fork is ignored",
        "descriptor",
        "if self._pid != os.getpid():",
        "if self._pid < 0:",
        APPEND + "a_child_forked_within_an_append_does_not_share_its_lock",
    ),
    (
        "a host in the middle of its line is not waited for",
        "append",
        "if self._known.reader.open_end and self._known.reader.hosted:",
        "if self._known.reader.open_end and self._known.size < 0:",
        APPEND + "a_hosts_torn_line_is_ended_only_after_it_stood_still",
    ),
    (
        "writes go where the file ended once",
        "file",
        "flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW",
        "flags = os.O_RDWR | os.O_NOFOLLOW",
        "test_file.py::test_a_descriptor_appends_wherever_others_have_written",
    ),
    (
        "a planted link is followed",
        "file",
        "flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW",
        "flags = os.O_RDWR | os.O_APPEND",
        "test_file.py::test_a_new_file_is_never_made_through_a_link",
    ),
    (
        "no parent is named",
        "append",
        "parent, prev = self._known.before(self._read)\n",
        "parent, prev = None, self._known.before(self._read)[1]\n",
        APPEND + "the_parent_is_the_last_entry_whoever_wrote_it",
    ),
    (
        "the seal before is not named",
        "append",
        "parent, prev = self._known.before(self._read)\n",
        "parent, prev = self._known.before(self._read)[0], None\n",
        APPEND + "each_record_names_the_seal_and_the_entry_before_it",
    ),
    # a host's own file
    (
        "no host's lock is held",
        "openclaw/hosted",
        "hold.enter_context(lock.held(self._transcript, self.patience))",
        "lock.path_of(self._transcript)",
        HOST + "our_lines_are_chained_and_written_under_the_hosts_lock",
    ),
    (
        "another process of a host's number passes for the holder",
        "openclaw/lock",
        "started(pid) not in (None, ticks)",
        "started(pid) is None",
        LOCK + "another_process_of_the_same_number_is_not_the_holder",
    ),
    (
        "a host's lock that it is just making is taken away",
        "openclaw/lock",
        "return not told and now.timestamp()",
        "return not told or now.timestamp()",
        LOCK + "what_tells_no_holder_is_held_while_it_is_young",
    ),
    (
        "another's lock is given back",
        "openclaw/lock",
        "if named is not None and named.same_file(file.identify(fd)):",
        "if named is not None:",
        LOCK + "only_ones_own_lock_is_given_back",
    ),
    (
        "a lock made meanwhile is taken for the dead holder's",
        "openclaw/lock",
        "        if not right:\n",
        "        if right is None:\n",
        LOCK + "a_lock_that_another_has_just_made_is_not_taken_for_the_dead_ones",
    ),
    (
        "a host that checks its file gets our lines",
        "openclaw/placement",
        "int(found[2])) < FIRST_THAT_CHECKS",
        "int(found[2])) < (9999, 1)",
        HOST + "only_a_version_that_does_not_check_gets_our_lines",
    ),
    (
        "a host that has not answered yet gets our lines",
        "openclaw/placement",
        "and _has_answer(path)",
        "",
        HOST + "nothing_is_written_before_the_first_answer",
    ),
    (
        "a transcript is made in its host's place",
        "openclaw/hosted",
        "self._descriptor.creates = beside",
        "self._descriptor.creates = True",
        HOST + "a_transcript_that_goes_while_we_append_is_not_made_anew",
    ),
    (
        "one writes into the transcript though there is a companion now",
        "openclaw/hosted",
        "        named = super()._lock()\n        if not self._settled and",
        "        named = super()._lock()\n        if self._settled and",
        HOST + "one_that_goes_beside_while_another_is_about_to_write_takes_it_along",
    ),
    (
        "a companion is begun while others may write into the transcript",
        "openclaw/hosted",
        "            file.lock(fd)\n        yield",
        "        yield",
        HOST + "one_that_writes_while_another_goes_beside_is_known_there",
    ),
    (
        "a session that is open does not see the companion",
        "openclaw/hosted",
        "return super().current() and not (self._inside and file.exists(self._companion))",
        "return super().current()",
        HOST + "while_a_turn_runs_events_go_beside_and_nothing_is_lost",
    ),
    (
        "what stands in the transcript is written beside it again",
        "openclaw/hosted",
        " for key, event in known if key not in earlier)",
        " for key, event in known)",
        HOST + "while_a_turn_runs_events_go_beside_and_nothing_is_lost",
    ),
    # reading
    (
        "reading stops at the first bad line",
        "reader",
        "                self._text(text, found)\n        return found",
        "                _ = self.report.damaged or self._text(text, found)\n        return found",
        READER + "a_record_that_was_changed_is_altered_and_not_applied",
    ),
    (
        "no seal is checked",
        "seal",
        'return written.decode("ascii") if _digest(body) == written else None',
        'return written.decode("ascii")',
        READER + "a_record_that_was_changed_is_altered_and_not_applied",
    ),
    (
        "a record whose seal was stripped is a bare event",
        "scan",
        "if (ours and not _FRAME.isdisjoint(fields)) or seal.is_sealed(line):",
        "if seal.is_sealed(line):",
        READER + "a_record_that_was_changed_is_altered_and_not_applied",
    ),
    (
        "no session is checked",
        "judge",
        'if not self._belongs(session if isinstance(session, str) else "", begins=fields.get("prev") is None):',
        "if not session:",
        READER + "a_record_of_another_session_is_misplaced_and_not_in_the_chain",
    ),
    (
        "a gap is not told",
        "judge",
        "            self.report.gaps += 1\n",
        "",
        READER + "a_removed_record_leaves_a_gap",
    ),
    (
        "runs of NULs end no line",
        "split",
        'elif (end := block.find(b"\\0", at)) >= 0:',
        "elif (end := -1) >= 0:",
        READER + "a_run_of_nuls_costs_nothing_but_itself",
    ),
    (
        "a record glued behind a fragment is not looked for",
        "scan",
        "    for ending in seal.ENDINGS.finditer(line):\n        # No",
        "    for ending in seal.ENDINGS.finditer(b''):\n        # No",
        READER + "a_record_glued_behind_a_fragment_is_found",
    ),
    (
        "a copy of an event is a new event",
        "judge",
        "            earlier = self.ids.get(event_id)\n",
        "            earlier = None\n",
        READER + "a_second_copy_of_an_event_is_applied_once",
    ),
    (
        "a second event under a taken id is a copy",
        "judge",
        "return Kind.DUPLICATE if earlier == digest else Kind.CONFLICT",
        "return Kind.DUPLICATE",
        READER + "another_event_under_a_taken_id_is_a_conflict_and_the_first_stands",
    ),
    (
        "an unterminated last line is not read",
        "reader",
        "        if rest is not None:\n            self._text(rest, found, last=True)",
        "        if rest is None:\n            self._text(rest, found, last=True)",
        READER + "a_whole_record_without_its_newline_is_applied",
    ),
    # tampering
    (
        "a wrong proof counts",
        "judge",
        "return proof is not Proof.WRONG",
        "return True",
        KEYS + "a_proof_of_another_key_under_this_ones_name_is_altered",
    ),
    (
        "an unsigned record behind signed ones counts",
        "judge",
        "return sealed and not self.report.proven",
        "return sealed",
        KEYS + "what_is_older_than_the_keys_counts_and_what_comes_unsigned_behind_them_does_not",
    ),
    (
        "a bare event counts where a key is set",
        "judge",
        "return sealed and not self.report.proven",
        "return not self.report.proven",
        KEYS + "a_bare_event_counts_only_where_that_is_accepted",
    ),
    (
        "a repair makes known what it did not find",
        "report",
        "if counted == self.damage:",
        "if counted:",
        REPAIR + "a_repair_that_somebody_else_wrote_makes_nothing_known",
    ),
    (
        "an unsigned repair is believed where a key is set",
        "judge",
        "and (not self.keyed or proof is Proof.RIGHT):",
        "and (not self.keyed or proof is not Proof.WRONG):",
        "test_tampering.py::test_an_unsigned_repair_makes_nothing_known_where_a_key_is_set",
    ),
    (
        "an anchor that is gone is not missed",
        "verify",
        "        if self.anchored is None:\n            return f",
        "        if self.anchored is None:\n            return None and f",
        "test_verify.py::test_the_last_seal_is_an_anchor_for_all_that_comes",
    ),
    # repair
    (
        "a repair takes fragments out too",
        "mending",
        "if piece.kind is Kind.ZEROS:",
        "if piece.kind is Kind.ZEROS or piece.kind is piece.fields:",
        REPAIR + "only_nuls_go_and_the_same_events_are_told",
    ),
    (
        "a repair is not read before it takes its place",
        "repair",
        "if told.digest != self._told.digest:",
        "if told.digest == b'':",
        REPAIR + "a_record_within_anothers_line_that_would_begin_to_count_is_not_let_out",
    ),
    (
        "a repair does not look who wrote meanwhile",
        "repair",
        "        if file.identify(fd) != before:\n            return None\n",
        "",
        REPAIR + "a_host_that_writes_meanwhile_loses_nothing",
    ),
    (
        "a repair is not synced before it takes its place",
        "repair",
        '            _write(fd, record.data + b"\\n")\n            file.sync(fd)\n',
        '            _write(fd, record.data + b"\\n")\n',
        REPAIR + "a_disk_that_refuses_leaves_the_old_file",
    ),
    (
        "secrets are written",
        "codec",
        "redact.clean(event.error, event.model, protection.secrets)",
        "event.error",
        "test_redact.py::test_a_pattern_of_ones_own_takes_its_whole_match_but_never_a_models_id",
    ),
]

CONTROL = Mutant(
    "a comment",
    "descriptor",
    "# after a failed sync the system may",
    "# the system, after a failed sync, may",
    "eventlog",
)


@pytest.mark.parametrize(
    ("mutant", "test"), [pytest.param(Mutant(*one[:4], "eventlog"), one[4], id=one[0]) for one in FAULTS]
)
def test_a_fault_is_caught(mutant: Mutant, test: str, tmp_path: Path) -> None:
    verdict = try_laws(mutant, tmp_path, test)
    assert verdict.exit_code == pytest.ExitCode.TESTS_FAILED, verdict.output
    assert verdict.raised, verdict.output


@pytest.mark.parametrize("file", sorted({one[4].partition("::")[0] for one in FAULTS}))
def test_the_control_is_caught_by_none(file: str, tmp_path: Path) -> None:
    """The same tests in the same harness: it is the fault that they fail on, not the harness."""
    tests = sorted({one[4] for one in FAULTS if one[4].startswith(file)})
    verdict = try_laws(CONTROL, tmp_path, *tests, profile="control")
    assert verdict.exit_code == pytest.ExitCode.OK, verdict.output


def test_there_are_enough() -> None:
    assert len({one[0] for one in FAULTS}) == len(FAULTS) >= 40
