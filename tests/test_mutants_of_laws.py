"""Each law of the fold and of the decision catches a deliberate break of the code, and passes where there is none."""

from pathlib import Path

import pytest
from mutants import Mutant, StaleMutantError, plant, try_laws

pytestmark = pytest.mark.slow  # each mutant runs its law in a process of its own

FOLD = "test_fold_laws.py::test_"
DECIDE = "test_decision_laws.py::test_"
POLICY = "test_policy.py::test_"

# (what is broken, module, the code, the broken code, the law that catches it, what else than an assertion it raises)
BREAKS: list[tuple[str, ...]] = [
    # folding
    (
        "scan tells the state before",
        "state",
        "        state = evolve(state, event)\n        yield state\n",
        "        yield state\n        state = evolve(state, event)\n",
        FOLD + "fold_is_the_last_state_of_scan",
    ),
    (
        "a fold that goes on forgets what failed last",
        "state",
        "self.failing = state.failing",
        "self.failing = None",
        FOLD + "a_prefix_continued_with_the_rest_folds_like_the_whole",
    ),
    (
        "a fold that goes on forgets whose provider failed",
        "state",
        "            self._index(model, failures)\n\n    def state",
        "            pass\n\n    def state",
        FOLD + "fold_is_the_last_state_of_scan",
    ),
    (
        "bare events count on from nothing",
        "state",
        "event, position = item, self.position + 1",
        "event, position = item, self.position + 2",
        FOLD + "bare_events_count_on_from_the_position",
    ),
    (
        "the event at the position counts twice",
        "state",
        "if position <= self.position:",
        "if position < self.position:",
        FOLD + "an_event_at_or_before_the_position_changes_nothing",
    ),
    (
        "forgiving a model that has not failed raises",
        "state",
        "failures = self.tried.get(model)\n        if failures is None:",
        "failures = self.tried[model]\n        if failures is None:",
        FOLD + "the_fold_is_total",
        "KeyError",
    ),
    (
        "an absurd wish overflows",
        "state",
        "min(max(retry_after_ms, 0), REST // timedelta(milliseconds=1))",
        "max(retry_after_ms, 0)",
        FOLD + "the_fold_is_total_at_the_edges_of_the_calendar",
        "OverflowError",
    ),
    (
        "a wish below nothing overflows",
        "state",
        "max(retry_after_ms, 0)",
        "retry_after_ms",
        FOLD + "the_fold_is_total_at_the_edges_of_the_calendar",
        "OverflowError",
    ),
    (
        "a wish from the end of time overflows",
        "state",
        "wish - (now - since)",
        "(since + wish) - now",
        FOLD + "the_fold_is_total_at_the_edges_of_the_calendar",
        "OverflowError",
    ),
    (
        "an older switch is ignored by its timestamp",
        "state",
        "if event.to != self.current:",
        "if None in (self.switched_at, event.timestamp) or event.timestamp >= self.switched_at:",
        FOLD + "order_is_the_position_never_the_timestamp",
    ),
    (
        "an older failure is ignored by its timestamp",
        "state",
        "_count(earlier, seen), wish, position, earlier.hinted",
        "_count(earlier, seen), wish, position if at == latest else earlier.position, earlier.hinted",
        FOLD + "order_is_the_position_never_the_timestamp",
    ),
    (
        "the end of a probe is no news",
        "state",
        "if healthy and not state.tried and not state.probing:",
        "if healthy and not state.tried:",
        FOLD + "what_changes_nothing_need_not_be_written",
    ),
    (
        "every event is news",
        "state",
        "return replace(after, position=state.position, failing=state.failing) != state",
        "return after != state",
        FOLD + "what_changes_nothing_need_not_be_written",
    ),
    (
        "a re-used turn fails no more",
        "state",
        "if blames(event.reason):",
        "if blames(event.reason) and event.turn != 't-2':",
        FOLD + "the_turn_decides_nothing",
    ),
    # failures
    (
        "unheard-of reasons don't blame",
        "reasons",
        "return reason not in BLAMELESS",
        "return reason in BLAMING",
        FOLD + "a_blaming_failure_joins_the_tried_set",
    ),
    (
        "a failure wipes the other reasons",
        "state",
        "{**failures, reason: joined}",
        "{reason: joined}",
        FOLD + "a_blaming_failure_joins_the_tried_set",
    ),
    (
        "every reason blames",
        "state",
        "if blames(event.reason):",
        "if event.reason:",
        FOLD + "a_blameless_failure_never_enters_the_tried_set",
    ),
    (
        "reasons are tried as they are spelt",
        "state",
        "canonical(event.reason)",
        "event.reason",
        FOLD + "the_tried_set_holds_blaming_reasons_only",
    ),
    (
        "a cleared model stays, empty",
        "state",
        "        if kept:\n",
        "        if kept is not None:\n",
        FOLD + "the_tried_set_holds_blaming_reasons_only",
    ),
    (
        "one more failure starts over",
        "state",
        "_join(failures.get(reason), at,",
        "_join(None, at,",
        FOLD + "one_more_failure_never_shortens_a_wait",
    ),
    (
        "the last wish replaces the longer one",
        "state",
        "if wish is None or (before is not None and before > wish):",
        "if wish is None:",
        FOLD + "a_retry_after_of_one_run_does_not_shorten_anothers_wait",
    ),
    (
        "a failure without time replaces the wish",
        "state",
        "Failure(earlier.at, _count(earlier, seen), earlier.retry_after, position, hinted)",
        "Failure(earlier.at, _count(earlier, seen), retry_after, position, hinted)",
        FOLD + "a_retry_after_of_one_run_does_not_shorten_anothers_wait",
    ),
    (
        "one hint replaces the base that another failure waits for",
        "state",
        "wish, position, earlier.hinted and retry_after is not None)",
        "wish, position, retry_after is not None)",
        FOLD + "a_retry_after_of_one_run_does_not_shorten_anothers_wait",
    ),
    (
        "every failure is an incident",
        "state",
        "return earlier.count + (seen >= earlier.position)",
        "return earlier.count + 1",
        FOLD + "parallel_runs_that_meet_one_incident_are_one_failure",
    ),
    (
        "of parallel waits the shorter stands",
        "state",
        "before is not None and before > wish",
        "before is not None and before < wish",
        FOLD + "parallel_runs_that_meet_one_incident_are_one_failure",
    ),
    (
        "a joint wish of no wait is no wish",
        "state",
        "max(wish - (now - since), _OVER)",
        "max(wish - (now - since), _OVER) or None",
        FOLD + "parallel_wishes_of_no_wait_are_no_wait",
    ),
    (
        "a failure must know of more than the last one",
        "state",
        "return earlier.count + (seen >= earlier.position)",
        "return earlier.count + (seen > earlier.position + 1)",
        FOLD + "a_failure_that_knew_of_the_last_one_raises_the_count",
    ),
    (
        "counts never restart",
        "state",
        "if earlier.at is None or at - earlier.at > REST:",
        "if earlier.at is None:",
        FOLD + "24_hours_without_a_reason_restart_its_count",
    ),
    (
        "counts restart after 48 hours",
        "state",
        "at - earlier.at > REST",
        "at - earlier.at > 2 * REST",
        FOLD + "24_hours_without_a_reason_restart_its_count",
    ),
    (
        "counts restart at 24 hours sharp",
        "state",
        "at - earlier.at > REST",
        "at - earlier.at >= REST",
        FOLD + "24_hours_without_a_reason_restart_its_count",
    ),
    (
        "the last time stands",
        "state",
        "latest = max(at, earlier.at)",
        "latest = at",
        FOLD + "the_time_of_a_failure_never_moves_back",
    ),
    (
        "a failure without time takes the time away",
        "state",
        "Failure(earlier.at, _count(earlier, seen), earlier.retry_after, position, hinted)",
        "Failure(at, _count(earlier, seen), earlier.retry_after, position, hinted)",
        FOLD + "the_time_of_a_failure_never_moves_back",
    ),
    # successes
    (
        "a success leaves the failure that it knew last",
        "state",
        "failure.position > seen)",
        "failure.position >= seen)",
        FOLD + "a_success_clears_the_failures_that_it_knew",
    ),
    (
        "a success leaves the provider cooling",
        "state",
        "for other in self.wide.pop(provider_of(model), set()):",
        "for other in ():",
        FOLD + "a_success_clears_the_failures_that_it_knew",
    ),
    (
        "a success clears its siblings' own failures",
        "state",
        "self._drop(other, seen, PROVIDER_WIDE)",
        "self._drop(other, seen, None)",
        FOLD + "a_success_clears_the_failures_that_it_knew",
    ),
    (
        "the last good model is the first one",
        "state",
        "        self.last_good = event.model\n",
        "        self.last_good = self.last_good or event.model\n",
        FOLD + "a_success_clears_the_failures_that_it_knew",
    ),
    (
        "a late success un-cools everything",
        "state",
        "(seen is not None and failure.position > seen)",
        "False",
        FOLD + "a_late_success_never_uncools_a_newer_failure",
    ),
    (
        "a late success un-cools the provider",
        "state",
        "self._drop(other, seen, PROVIDER_WIDE)",
        "self._drop(other, None, PROVIDER_WIDE)",
        FOLD + "a_late_success_never_uncools_a_newer_failure",
    ),
    (
        "a success switches",
        "state",
        "if self.current is None:",
        "if self.current != event.model:",
        FOLD + "a_success_sets_current_only_where_there_is_none",
    ),
    # switches, pins, probes, people
    (
        "a fallback pins",
        "state",
        'if event.cause == "user":',
        'if event.cause in ("user", "fallback"):',
        FOLD + "no_automatic_event_touches_the_pin",
    ),
    (
        "a reverted switch unpins",
        "state",
        'elif event.cause == "unpin":',
        'elif event.cause in ("unpin", "reverted"):',
        FOLD + "no_automatic_event_touches_the_pin",
    ),
    (
        "a failing pin is dropped",
        "state",
        "        self.failing = event.model\n",
        "        self.failing = event.model\n        self.pinned = None\n",
        FOLD + "no_automatic_event_touches_the_pin",
    ),
    (
        "a switch to the last good model is overlooked",
        "state",
        "if event.to != self.current:",
        "if event.to not in (self.current, self.last_good):",
        FOLD + "a_switch_sets_current",
    ),
    (
        "a user's switch doesn't pin",
        "state",
        "            self.pinned = event.to\n",
        "",
        FOLD + "a_users_switch_pins_and_lifts_what_cools",
    ),
    (
        "a user's switch leaves the provider cooling",
        "state",
        "self._forgive(event.to, position)",
        "self._drop(event.to, position, None)",
        FOLD + "a_users_switch_pins_and_lifts_what_cools",
    ),
    (
        "unpin keeps the pin",
        "state",
        "            self.pinned = None\n",
        "            pass\n",
        FOLD + "unpin_clears_the_pin_and_nothing_else",
    ),
    (
        "unpin forgives",
        "state",
        "            self.pinned = None\n",
        "            self.pinned = None\n            self._forgive(event.to, position)\n",
        FOLD + "unpin_clears_the_pin_and_nothing_else",
    ),
    (
        "a late outcome ends a probe",
        "state",
        "if probe is not None and probe.position <= seen:",
        "if probe is not None:",
        FOLD + "a_probe_lasts_until_an_outcome_that_knew_of_it",
    ),
    (
        "a failure doesn't end a probe",
        "state",
        "        self._settle(event.model, seen)\n        if blames(",
        "        if blames(",
        FOLD + "a_probe_lasts_until_an_outcome_that_knew_of_it",
    ),
    (
        "a success doesn't end a probe",
        "state",
        "        self._settle(event.model, seen)\n        self._forgive(",
        "        self._forgive(",
        FOLD + "a_probe_lasts_until_an_outcome_that_knew_of_it",
    ),
    (
        "every other switch is a probe",
        "state",
        'elif event.cause == "probe":',
        "else:",
        FOLD + "no_other_switch_is_a_probe",
    ),
    (
        "clearing a model leaves its provider cooling",
        "state",
        "self._forgive(event.model, None)",
        "self._drop(event.model, None, None)",
        FOLD + "clearing_a_model_removes_what_cools_it",
    ),
    (
        "clearing a provider clears one model",
        "state",
        "if provider_of(model) == event.provider]:",
        "if provider_of(model) == event.provider][:1]:",
        FOLD + "clearing_a_provider_removes_the_failures_of_its_models",
    ),
    (
        "clearing a provider clears those that begin like it",
        "state",
        "if provider_of(model) == event.provider]:",
        "if event.provider in model]:",
        FOLD + "clearing_a_provider_removes_the_failures_of_its_models",
    ),
    (
        "clearing a model makes it the good one",
        "state",
        "            self._forgive(event.model, None)\n",
        "            self._forgive(event.model, None)\n            self.last_good = event.model\n",
        FOLD + "clearing_failures_changes_nothing_else",
    ),
    (
        "a bare switch tells nothing",
        "state",
        "if event.cause is None and",
        "if event.cause == 'bare' and",
        FOLD + "a_bare_switch_counts_as_an_unknown_failure_of_from",
    ),
    (
        "a bare switch fails its model twice",
        "state",
        "not in (before, event.to):",
        "!= event.to:",
        FOLD + "a_bare_switch_behind_a_failure_of_from_adds_none",
    ),
    (
        "a bare switch remembers a failure of long ago",
        "state",
        "before, self.failing = self.failing, None",
        "before = self.failing",
        FOLD + "a_bare_switch_behind_a_failure_of_from_adds_none",
    ),
    (
        "every switch blames",
        "state",
        "if event.cause is None and event.from_ is not None",
        "if event.from_ is not None",
        FOLD + "a_switch_with_a_cause_leaves_the_tried_set_alone",
    ),
    # which models may be asked
    (
        "exclude is overlooked",
        "decide",
        "if model in exclude:",
        "if model in exclude and cooling:",
        DECIDE + "only_free_models_are_asked_unless_forced",
    ),
    (
        "a single failure cools nothing",
        "decide",
        "    if not cooling:\n",
        "    if len(cooling) < 2:\n",
        DECIDE + "only_free_models_are_asked_unless_forced",
    ),
    (
        "a wait ends a minute early",
        "decide",
        "until if until > now else None",
        "until if until > now + AHEAD else None",
        DECIDE + "a_failure_cools_until_its_time_plus_the_doubled_base",
    ),
    (
        "a probe keeps nobody away",
        "decide",
        "probe is not None and probe.at is not None and",
        "probe is not None and probe.at is not None and not",
        DECIDE + "a_young_probe_keeps_the_others_away",
    ),
    (
        "the forced model is skipped, too",
        "decide",
        "            del skipped[soonest]\n",
        "",
        DECIDE + "order_and_skipped_partition_the_candidates",
    ),
    (
        "skipped models are not told of",
        "decide",
        "rest = tuple(skipped.values())",
        "rest = tuple(one for one in skipped.values() if one.until is not None)",
        DECIDE + "order_and_skipped_partition_the_candidates",
    ),
    (
        "the pin comes last",
        "decide",
        "(*first, *chain) if",
        "(*chain, *first) if",
        DECIDE + "candidates_are_the_pin_then_the_chain",
    ),
    (
        "a sticky session forgets its pin",
        "decide",
        "first.append(state.current)",
        "first.insert(0, state.current)",
        DECIDE + "candidates_are_the_pin_then_the_chain",
    ),
    (
        "a sticky session stays with a model that left the chain",
        "decide",
        "not policy.return_to_primary and state.current in chain.models",
        "not policy.return_to_primary",
        DECIDE + "candidates_are_the_pin_then_the_chain",
    ),
    (
        "every wait is told as an unknown failure's",
        "decide",
        "longest.why, longest.until",
        "'unknown', longest.until",
        DECIDE + "each_skipped_model_tells_why",
    ),
    (
        "the current model outlives an edited chain",
        "decide",
        "if not policy.return_to_primary and state.current in chain.models:",
        "if state.current is not None:",
        DECIDE + "an_edited_chain_counts_at_once",
    ),
    (
        "an edited cooldown is overlooked",
        "policy",
        "self.cooldowns.get(reason) or COOLDOWNS[reason]",
        "COOLDOWNS[reason]",
        DECIDE + "an_edited_policy_counts_at_once",
    ),
    (
        "the last good model is kept instead",
        "decide",
        "if model == state.current:",
        "if model == state.last_good:",
        DECIDE + "a_healthy_session_keeps_its_model",
    ),
    # how long a failure cools
    (
        "the first failure counts double",
        "policy",
        "max(count, 1) - 1",
        "max(count, 1)",
        DECIDE + "a_failure_cools_until_its_time_plus_the_doubled_base",
    ),
    (
        "waits have no cap",
        "policy",
        "return self.cap if factor >= self.cap / self.base else self.base * factor",
        "return self.base * factor",
        DECIDE + "a_failure_cools_until_its_time_plus_the_doubled_base",
    ),
    (
        "a long row of failures overflows",
        "policy",
        "return self.cap if factor >= self.cap / self.base else self.base * factor",
        "return min(self.base * factor, self.cap)",
        DECIDE + "an_outage_may_last",
        "OverflowError",
    ),
    (
        "waits triple",
        "policy",
        "factor = 2 **",
        "factor = 3 **",
        POLICY + "a_wait_doubles_up_to_its_cap",
    ),
    (
        "a wait lasts a moment longer",
        "decide",
        "until if until > now else None",
        "until if until >= now else None",
        DECIDE + "a_failure_cools_until_its_time_plus_the_doubled_base",
    ),
    (
        "a longer retry-after is overlooked",
        "decide",
        "wish > wait or",
        "wish < wait and",
        DECIDE + "a_retry_after_counts_if_it_is_longer",
    ),
    (
        "a shorter retry-after always counts",
        "decide",
        "failure.count == 1 and reason in _HINT_REPLACES",
        "reason in _HINT_REPLACES",
        DECIDE + "a_retry_after_counts_if_it_is_longer",
    ),
    (
        "an overloaded model waits for the base",
        "decide",
        "frozenset({RATE_LIMIT, OVERLOADED})",
        "frozenset({RATE_LIMIT})",
        DECIDE + "a_retry_after_replaces_the_base_of_a_first_failure",
    ),
    (
        "a retry-after replaces every base",
        "decide",
        "failure.count == 1 and reason in _HINT_REPLACES",
        "failure.count == 1",
        DECIDE + "a_retry_after_replaces_the_base_of_a_first_failure",
    ),
    (
        "a retry-after may be a week",
        "state",
        "REST // timedelta(milliseconds=1)",
        "7 * REST // timedelta(milliseconds=1)",
        DECIDE + "a_retry_after_is_capped_at_24_hours",
    ),
    (
        "a model cools until the soonest of its reasons",
        "decide",
        "longest = max(cooling, key=_until)",
        "longest = min(cooling, key=_until)",
        DECIDE + "a_model_cools_until_the_latest_of_its_reasons",
    ),
    (
        "an empty account fails one model",
        "reasons",
        "frozenset({AUTH, BILLING})",
        "frozenset({AUTH})",
        DECIDE + "auth_and_billing_cool_the_provider",
    ),
    (
        "a rate limit fails the provider",
        "reasons",
        "frozenset({AUTH, BILLING})",
        "frozenset({AUTH, BILLING, RATE_LIMIT})",
        DECIDE + "auth_and_billing_cool_the_provider",
    ),
    (
        "a provider is what stands before the last slash",
        "reasons",
        'model.partition("/")[0]',
        'model.rpartition("/")[0]',
        DECIDE + "auth_and_billing_cool_the_provider",
    ),
    (
        "a failure from the future cools",
        "decide",
        "if failure.at is None or failure.at - now > AHEAD:",
        "if failure.at is None:",
        DECIDE + "a_failure_stamped_ahead_or_without_time_does_not_cool",
    ),
    (
        "clocks must agree",
        "decide",
        "failure.at - now > AHEAD",
        "failure.at > now",
        DECIDE + "a_failure_stamped_ahead_or_without_time_does_not_cool",
    ),
    (
        "a failure without time cools for ever",
        "decide",
        "return Skipped(model, reason, None, failure.position)",
        "return Skipped(model, reason, failure.at or _NEVER, failure.position)",
        DECIDE + "a_failure_stamped_ahead_or_without_time_does_not_cool",
    ),
    (
        "a wait begins when its failure's stamp has come",
        "decide",
        "failure.at - now > AHEAD",
        "failure.at > now",
        DECIDE + "a_free_model_stays_free",
    ),
    # probes and causes
    (
        "a probe keeps others away for half its time",
        "decide",
        "<= now - probe.at < policy.probe_timeout:",
        "<= now - probe.at < policy.probe_timeout / 2:",
        DECIDE + "a_young_probe_keeps_the_others_away",
    ),
    (
        "a probe keeps others away for ever",
        "decide",
        "-AHEAD <= now - probe.at < policy.probe_timeout:",
        "-AHEAD <= now - probe.at:",
        DECIDE + "a_young_probe_keeps_the_others_away",
    ),
    (
        "a first choice is a configured one",
        "decide",
        'return "initial"',
        'return "config"',
        DECIDE + "the_cause_follows_the_table",
    ),
    (
        "whoever skips falls back",
        "decide",
        "if any(one.model == state.current for one in skipped):",
        "if skipped:",
        DECIDE + "causes",
    ),
    (
        "any answer is a probe",
        "decide",
        " and all(one.until is None for one in ",
        " or all(one.until is None for one in ",
        DECIDE + "the_cause_follows_the_table",
    ),
    (
        "a pin is a configured one",
        "decide",
        'return "pin" if',
        'return "config" if',
        DECIDE + "causes",
    ),
    (
        "a first switch pins",
        "state",
        'if event.cause == "user":',
        'if event.cause in ("user", "initial"):',
        DECIDE + "writing_the_decided_switch_settles_it",
    ),
    (
        "a fallback keeps its own run away",
        "state",
        'elif event.cause == "probe":',
        'elif event.cause in ("probe", "fallback"):',
        DECIDE + "writing_the_decided_switch_settles_it",
    ),
    # nothing left
    (
        "force goes where it was asked not to",
        "decide",
        "if one.until is not None and not one.insists]",
        "if one.until is not None]",
        DECIDE + "force_waits_out_a_retry_after_to_its_end",
    ),
    (
        "force goes first",
        "decide",
        "if not order and policy.force:",
        "if policy.force:",
        DECIDE + "force_goes_once_to_the_soonest_to_be_free",
    ),
    (
        "force goes to the last to be free",
        "decide",
        "return min(choices, key=_until)",
        "return max(choices, key=_until)",
        DECIDE + "force_goes_to_the_model_that_failed_first",
    ),
    (
        "force goes where its provider insists for a second more",
        "decide",
        "_after(failure.at, wish) > now,\n",
        "_after(failure.at, wish) > now + AHEAD / 60,\n",
        DECIDE + "force_waits_out_a_retry_after_to_its_end",
    ),
    (
        "all reasons must insist",
        "decide",
        "insists = any(",
        "insists = all(",
        DECIDE + "force_waits_out_a_retry_after_to_its_end",
    ),
    (
        "force asks one model again and again",
        "decide",
        "if one.until is not None and not one.insists]",
        "if not one.insists]",
        DECIDE + "a_loop_that_excludes_what_it_tried_ends",
    ),
    (
        "force can't be turned off",
        "decide",
        "if not order and policy.force:",
        "if not order:",
        DECIDE + "a_policy_without_force_never_forces",
    ),
    (
        "the last retry is told",
        "decide",
        "retry_at = min(",
        "retry_at = max(",
        DECIDE + "retry_at_is_the_soonest_end_of_a_wait",
    ),
]


@pytest.mark.parametrize(
    ("mutant", "law", "error"),
    [pytest.param(Mutant(*one[:4]), one[4], one[5] if len(one) > 5 else "AssertionError", id=one[0]) for one in BREAKS],
)
def test_a_law_catches_its_mutant(mutant: Mutant, law: str, error: str, tmp_path: Path) -> None:
    """The law fails on the broken code, by what it asserts (or by the error that the break must raise)."""
    verdict = try_laws(mutant, tmp_path, law)
    assert verdict.exit_code == pytest.ExitCode.TESTS_FAILED, verdict.output
    assert verdict.raised == {error}, verdict.output


CONTROL = Mutant("a comment", "state", "# No readable time:", "# No time that could be read:")


@pytest.mark.parametrize("file", sorted({one[4].partition("::")[0] for one in BREAKS}))
def test_the_laws_pass_where_nothing_is_broken(file: str, tmp_path: Path) -> None:
    """The same laws in the same harness: it is the break that they fail on, not the harness."""
    laws = sorted({one[4] for one in BREAKS if one[4].startswith(file)})
    verdict = try_laws(CONTROL, tmp_path, *laws, profile="control")
    assert verdict.exit_code == pytest.ExitCode.OK, verdict.output
    assert verdict.raised == frozenset(), verdict.output


@pytest.mark.parametrize("old", ["no such text", "self"])
def test_a_stale_mutant_says_so(old: str, tmp_path: Path) -> None:
    """Text that is gone, or there more than once, is no mutant."""
    with pytest.raises(StaleMutantError, match=f"not once: '{old}'"):
        plant(Mutant("stale", "state", old, "new"), tmp_path)


@pytest.mark.parametrize("file", ["test_fold_laws.py", "test_decision_laws.py"])
def test_every_law_has_a_mutant(file: str) -> None:
    """A law without one may be one that nothing can fail."""
    source = (Path(__file__).parent / file).read_text(encoding="utf-8")
    laws = {line.split("(")[0].removeprefix("def ") for line in source.splitlines() if line.startswith("def test_")}
    caught = {one[4].partition("::")[2] for one in BREAKS if one[4].startswith(file)}
    assert laws == caught
