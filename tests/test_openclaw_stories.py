"""The two stories of a session, its transcript's and its gateway's log's, are one story: every difference has a rule.

What a transcript lets infer is checked here against what the gateway said at the time, for each session of each
recorded log. A rule turns what one side tells into what the other can know; with all of them the two are equal, token
by token, and without any single one some recording is not.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise, zip_longest
from pathlib import Path

import pytest

from eventlog import logs
from eventlog.raw import LogForm
from replay import AttemptFailed, AttemptSucceeded, Event, ModelSwitch
from replay.dialects.openclaw_transcript import Transcript
from replay.events import parse_time
from replay.reasons import RATE_LIMIT, REDIRECTED, SERVER_ERROR, TIMEOUT, UNKNOWN

FIXTURES = Path(__file__).parent.parent / "fixtures"
OLD, NEW = "openclaw-2026.3.28", "openclaw-2026.9.6"
LOGS = sorted(f"{path.parent.name}/{path.name}" for path in FIXTURES.glob("openclaw-*/gateway-*"))


@dataclass(frozen=True)
class Told:
    """One thing that was told: a model ``failed``, ``answered``, or the host ``turned`` to it."""

    what: str
    model: str
    time: datetime
    reason: str = ""
    status: int | None = None
    cause: str = ""
    again: bool = False
    """The entry follows directly on one of the same kind: no prompt stands between the two."""
    began: datetime | None = None
    """When the prompt was written that the turn is about (2026.9 refuses candidates before it writes it)."""

    @property
    def token(self) -> tuple[str, str, str]:
        return self.what, self.model, self.reason


@dataclass(frozen=True)
class Stories:
    """What each side tells of a session within the log's time, and where the session stood when that began."""

    log: tuple[Told, ...]
    transcript: tuple[Told, ...]
    before: str | None
    new: bool

    @property
    def agree(self) -> bool:
        """Both tell the same, one by one, and of an attempt's end at about the same time."""
        return len(self.log) == len(self.transcript) and all(
            line.token == entry.token and (line.what == "turned" or abs(line.time - entry.time) <= SETTLED)
            for line, entry in zip(self.log, self.transcript, strict=True)
        )


SETTLED = timedelta(seconds=0.5)
"""A decision follows the entry of its attempt within this time."""

# The rules, in the order in which they are applied


def put_back_or_refused(stories: Stories) -> Stories:
    """A candidate that was put back, or refused by the gateway itself, was asked nothing and leaves no entry."""
    return replace(
        stories, log=tuple(one for one in stories.log if one.cause != "reverted" and one.reason != REDIRECTED)
    )


def never_asked(stories: Stories) -> Stories:
    """A fallback whose target is not asked next leaves no snapshot."""
    kept = (
        one
        for one, after in zip_longest(stories.log, stories.log[1:])
        if one.what != "turned" or (after is not None and after.what != "turned" and after.model == one.model)
    )
    return replace(stories, log=tuple(kept))


def first_candidate_answers(stories: Stories) -> Stories:
    """A turn whose first candidate answers has no line of decision: where the log is silent, the entry stands."""
    answers, previous = [], datetime.min.replace(tzinfo=UTC)
    for one in stories.transcript:
        began = previous + SETTLED if one.began is None else min(one.began, previous + SETTLED)
        silent = not any(began < line.time <= one.time + SETTLED for line in stories.log)
        if one.what == "answered" and silent:
            answers.append(one)
        if one.what != "turned":
            previous = one.time
    return replace(stories, log=tuple(sorted((*stories.log, *answers), key=lambda one: one.time)))


def turn_begins_unsaid(stories: Stories) -> Stories:
    """No line says that a turn begins with its own model again; the snapshot does."""
    at, told = stories.before, list[Told]()
    for one in stories.log:
        if one.what != "turned" and one.model != at:
            told.append(Told("turned", one.model, one.time))
        at = one.model
        told.append(one)
    return replace(stories, log=tuple(told))


def already_there(stories: Stories) -> Stories:
    """Turning to the model that was attempted last leaves no snapshot."""
    at, told = stories.before, list[Told]()
    for one in stories.log:
        if one.what != "turned" or one.model != at:
            told.append(one)
        at = one.model
    return replace(stories, log=tuple(told))


def only_the_last_failure(stories: Stories) -> Stories:
    """2026.9 writes an entry for the failure of the last candidate only."""
    if not stories.new:
        return stories
    kept = (
        one
        for one, after in zip_longest(stories.log, stories.log[1:])
        if one.what != "failed" or after is None or after.what != "turned"
    )
    return replace(stories, log=tuple(kept))


def own_retries(stories: Stories) -> Stories:
    """The host's own retries on one model are an entry each, and one decision behind the last."""
    pairs = zip_longest(stories.transcript, stories.transcript[1:])
    return replace(stories, transcript=tuple(one for one, after in pairs if after is None or not after.again))


def a_500_is_called_timeout(stories: Stories) -> Stories:
    """OpenClaw files an answer of status 500 under ``timeout``."""
    return _reason(stories, 500, TIMEOUT, SERVER_ERROR)


def a_switch_hides_the_reason(stories: Stories) -> Stories:
    """Where a person changed the model meanwhile, the decision says ``unknown``; the entry keeps the status."""
    return _reason(stories, 429, UNKNOWN, RATE_LIMIT)


def _reason(stories: Stories, status: int, told: str, meant: str) -> Stories:
    wrong = (status, told)
    log = (replace(one, reason=meant) if (one.status, one.reason) == wrong else one for one in stories.log)
    return replace(stories, log=tuple(log))


Rule = Callable[[Stories], Stories]
RULES: tuple[Rule, ...] = (
    first_candidate_answers,
    put_back_or_refused,
    never_asked,
    turn_begins_unsaid,
    already_there,
    only_the_last_failure,
    own_retries,
    a_500_is_called_timeout,
    a_switch_hides_the_reason,
)


def explained(stories: Stories, rules: Iterable[Rule] = RULES) -> Stories:
    for rule in rules:
        stories = rule(stories)
    return stories


# The recordings


def told(event: Event, again: bool = False, began: datetime | None = None) -> Told:
    assert event.timestamp is not None
    match event:
        case AttemptFailed():
            return Told("failed", event.model, event.timestamp, event.reason, event.status, "", again, began)
        case AttemptSucceeded():
            return Told("answered", event.model, event.timestamp, began=began)
        case ModelSwitch():
            return Told("turned", event.to, event.timestamp, cause=event.cause or "")
    raise AssertionError(event)


@cache
def transcripts(version: str) -> dict[str, tuple[Told, ...]]:
    """What each session's transcript tells, of several copies the longest."""
    found: dict[str, tuple[int, tuple[Told, ...]]] = {}
    release = FIXTURES / version
    for path in (*(release / "transcripts").iterdir(), *(release / "foreign").glob("*")):
        entries = entries_of(path)
        session = next((str(entry["id"]) for entry in entries if entry.get("type") == "session"), "")
        if len(entries) > found.get(session, (0,))[0]:
            found[session] = len(entries), tuple(infer(entries))
    return {session: story for session, (_, story) in found.items()}


def entries_of(path: Path) -> list[dict[str, object]]:
    entries = []
    for line in path.read_text("utf-8").split("\n"):
        try:
            entries.append(json.loads(line))
        except ValueError:
            continue
    return entries


def infer(entries: list[dict[str, object]]) -> Iterable[Told]:
    transcript, failed, began = Transcript(), None, None
    for entry in entries:
        if '"role": "user"' in (text := json.dumps(entry)) and "Continue where you left off." not in text:
            began = parse_time(str(entry["timestamp"]))
        for event in transcript.feed(entry):
            again = isinstance(event, AttemptFailed) and entry.get("parentId") == failed
            yield told(event, again, began)
            failed = event.id if isinstance(event, AttemptFailed) else None


@cache
def gateway(name: str) -> tuple[dict[str, tuple[Told, ...]], datetime, datetime]:
    """What each session's lines in the log tell, and the times of its first and last line."""
    data = (FIXTURES / name).read_bytes()
    form: LogForm = "console" if name.endswith(".log") else "file"
    log = logs.read(form, iter([data]))
    assert all(one.session is not None for one in log.told)
    lines = data.decode().splitlines()
    stamps = [json.loads(line)["time"] for line in lines] if form == "file" else [line[:29] for line in lines]
    times = [time for stamp in stamps if (time := parse_time(stamp)) is not None]
    story = {session: tuple(told(one.event) for one in log.told if one.session == session) for session in log.sessions}
    return story, min(times), max(times)


def stories_of(name: str) -> dict[str, Stories]:
    """Both stories of each session that the log or, within the log's time, its transcript tells of."""
    by_session, first, last = gateway(name)
    version = name.partition("/")[0]
    found = {}
    for session in sorted({*by_session, *transcripts(version)}):
        whole = transcripts(version).get(session, ())
        within = tuple(one for one in whole if first <= one.time <= last)
        before = next((one.model for one in reversed(whole) if one.time < first), None)
        if within or session in by_session:
            found[session] = Stories(by_session.get(session, ()), within, before, version == NEW)
    return found


ALL = [(name, session) for name in LOGS for session in stories_of(name)]


def test_every_log_and_every_transcript_is_in_it() -> None:
    assert len(LOGS) == 23
    assert {name for name, _ in ALL} == set(LOGS)
    assert {session for _, session in ALL} >= {*transcripts(OLD), *transcripts(NEW)}
    assert not any(later < earlier for name, _ in ALL for earlier, later in pairwise(gateway(name)[1:]))


@pytest.mark.parametrize(("name", "session"), ALL)
def test_the_log_and_the_transcript_tell_one_story(name: str, session: str) -> None:
    stories = explained(stories_of(name)[session])
    assert [one.token for one in stories.log] == [one.token for one in stories.transcript]
    assert stories.agree


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_no_rule_can_be_left_out(rule: Rule) -> None:
    others = [one for one in RULES if one is not rule]
    assert not all(explained(stories, others).agree for name in LOGS for stories in stories_of(name).values())


@pytest.mark.parametrize(("name", "session"), [(name, session) for name, session in ALL if gateway(name)[0]])
def test_the_rules_explain_what_was_recorded_and_not_whatever_comes(name: str, session: str) -> None:
    """A story of which one thing is cut out is another one, wherever the other side tells of it too."""
    stories = own_retries(stories_of(name)[session])
    for place, one in enumerate(stories.transcript):
        decided = any(one.time <= line.time <= one.time + SETTLED for line in stories.log if line.what == "answered")
        if one.what != "answered" or decided:
            cut = (*stories.transcript[:place], *stories.transcript[place + 1 :])
            assert not explained(replace(stories, transcript=cut)).agree, one
    for place, one in enumerate(() if stories.new else stories.log):  # 2026.9 tells a refusal once in 30 s
        if one.what != "turned" and one.reason != REDIRECTED:
            cut = (*stories.log[:place], *stories.log[place + 1 :])
            assert not explained(replace(stories, log=cut)).agree, one
