"""Walking a history: the keys, the history, the walk and the screen, without a terminal."""

from datetime import UTC, datetime

import pytest
from hostile import HOSTILE
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import NOW, histories, odd_events
from test_hostile_text import acting

from cli import step_history
from cli.step_history import History, mentions
from cli.step_keys import Keys
from cli.step_view import screen
from cli.step_walk import HELP, Walk
from replay import AttemptFailed, AttemptSucceeded, Event, ModelSwitch, Policy, Recorded, fold

MODELS = ("kimi/kimi2.5", "zhipu/glm-5.1", "local/qwen2.5:14b")
quick = settings(max_examples=50)


def recorded(events: list[Event]) -> list[Recorded]:
    return [Recorded(event, position, 100 * position) for position, event in enumerate(events, 1)]


def minute(number: int) -> datetime:
    return datetime(2026, 4, 2, number // 60, number % 60, tzinfo=UTC)


def story(count: int) -> History:
    """Each model answers, fails and is left, again and again; a minute an event."""
    events: list[Event] = [ModelSwitch(to=MODELS[0], cause="initial", timestamp=minute(0))]
    for number in range(1, count):
        now, next_ = MODELS[number // 3 % 3], MODELS[(number // 3 + 1) % 3]
        stamp = minute(number)
        match number % 3:
            case 0:
                events.append(AttemptSucceeded(model=now, timestamp=stamp))
            case 1:
                error = "Rate limit reached" if number != 13 else "the account is empty"
                why = "rate_limit" if number != 13 else "billing"
                events.append(AttemptFailed(model=now, reason=why, error=error, timestamp=stamp))
            case 2:
                events.append(ModelSwitch(to=next_, from_=now, cause="fallback", timestamp=stamp))
    return History(recorded(events))


# Keys


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        (b"jk/", ["j", "k", "/"]),
        (b"\x1b[A\x1b[B\x1bOA\x1bOB", ["up", "down", "up", "down"]),
        (b"\x1b[5~\x1b[6~\x1b[H\x1b[4~", ["pgup", "pgdn", "home", "end"]),
        (b"\r\n\x7f\x08", ["enter", "enter", "backspace", "backspace"]),
        ("é模".encode(), ["é", "模"]),
        (b"\x1b[1;5C\x1b[200~j", ["j"]),
        (b"\x00\x01\xffj", ["�", "j"]),
        (b"\x1bj", ["esc", "j"]),
    ],
)
def test_keys(typed: bytes, keys: list[str]) -> None:
    assert Keys().feed(typed) == keys
    one_by_one = Keys()
    assert [key for byte in typed for key in one_by_one.feed(bytes([byte]))] == keys


def test_a_lone_escape_is_a_key_once_nothing_follows() -> None:
    keys = Keys()
    assert keys.feed(b"\x1b") == []
    assert keys.waiting
    assert keys.rest() == ["esc"]
    assert not keys.waiting


@quick
@given(st.binary(max_size=30), st.integers(0, 30))
def test_however_the_bytes_are_cut_the_keys_are_the_same(typed: bytes, cut: int) -> None:
    whole, parts = Keys(), Keys()
    assert whole.feed(typed) + whole.rest() == parts.feed(typed[:cut]) + parts.feed(typed[cut:]) + parts.rest()


# The history


@quick
@given(histories(max_size=8) | st.lists(odd_events(), max_size=8), st.integers(1, 4))
def test_every_state_is_the_fold_up_to_there(events: list[Event], apart: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(step_history, "APART", apart)
        history = History(recorded(events))
        for index in range(-1, len(events)):
            assert history.state(index) == fold(recorded(events)[: index + 1])


@quick
@given(st.integers(0, 60), st.integers(1, 30))
def test_the_strip_covers_every_event_once(count: int, width: int) -> None:
    history = story(count) if count else History([])
    parts = history.buckets(width)
    assert [index for start, end in parts for index in range(start, end)] == list(range(len(history)))
    models, failures = history.strip(width)
    assert len(models) == len(failures) == min(width, len(history))
    for (start, end), mark in zip(parts, failures, strict=True):
        failed = any(isinstance(one.event, AttemptFailed) for one in history.events[start:end])
        assert (mark == "!") is failed


def test_many_events_need_few_states() -> None:
    history = History(recorded([AttemptSucceeded(model="a")] * 20_000))
    assert len(history._kept) < 100


def test_search_finds_models_reasons_and_texts_in_both_directions() -> None:
    history = story(30)
    (empty,) = [index for index, one in enumerate(history.events) if getattr(one.event, "reason", "") == "billing"]
    for text in ("billing", "ACCOUNT is empty"):
        assert history.search(mentions(text), 0, 1) == empty
        assert history.search(mentions(text), 29, -1) == empty
        assert history.search(mentions(text), empty, 1) == empty
    assert history.search(mentions("glm-5.1"), 0, 1) == 2
    assert history.search(mentions("no such thing"), 0, 1) is None


# The walk


def pressed(walk: Walk, keys: str) -> Walk:
    for key in keys.split(" "):
        walk.press(key, NOW)
    return walk


@pytest.mark.parametrize(
    ("keys", "cursor"),
    [
        ("j", 1),
        ("down right l k", 2),
        ("k", 0),
        ("pgdn", 10),
        ("pgdn pgdn pgup", 10),
        ("G", 29),
        ("G j", 29),
        ("G g", 0),
        ("1 2 G", 11),
        ("9 9 9 G", 29),
        ("5 j", 5),
        ("e", 1),
        ("e e E", 1),
        ("G E", 28),
        ("/ b i l l i n g enter", 13),
        ("/ g l m enter n N", 2),
        ("/ g l m backspace backspace backspace backspace j", 1),
        ("/ x esc j", 1),
        ("/ q u i t z enter", 0),
        ("t 0 0 : 0 7 enter", 7),
        ("t 2 0 2 6 - 0 4 - 0 2 T 0 0 : 0 9 : 3 0 Z enter", 9),
        ("t - 1 0 0 0 w enter", 0),
        ("t n o w enter", 29),
        ("j t x enter", 1),
        ("t enter", 0),
        ("? j", 1),
        ("? q j", 1),
    ],
)
def test_keys_move(keys: str, cursor: int) -> None:
    walk = pressed(Walk(story(30), zone=UTC), keys)
    assert (walk.cursor, walk.done) == (cursor, False)


@pytest.mark.parametrize("keys", ["q", "j j q", "quit", "/ quit q"])
def test_keys_leave(keys: str) -> None:
    assert pressed(Walk(story(30)), keys).done


def test_what_could_not_be_done_is_said() -> None:
    walk = Walk(story(30), zone=UTC)
    for keys, word in (
        ("k", "first event"),
        ("G j", "last event"),
        ("/ z z enter", "no event says zz"),
        ("t z enter", "is no time"),
        ("x", "? shows"),
        ("G e", "no failure after"),
    ):
        assert word in pressed(walk, keys).message


KEYS = st.sampled_from(
    [*"jkhlgGnNeEtbz/?0159: -", "up", "pgup", "pgdn", "home", "end", "enter", "esc", "backspace", "clear", "redraw"]
)


@quick
@given(st.integers(0, 12), st.lists(KEYS, max_size=20), st.integers(-1, 100), st.integers(0, 40), st.booleans())
def test_any_keys_and_any_size_give_a_screen_of_that_size(
    count: int, keys: list[str], width: int, height: int, utc: bool
) -> None:
    walk = Walk(story(count) if count else History([]))
    for key in keys:
        walk.press(key, NOW)
        lines = screen(walk, width, height, Policy(), utc=utc)
        assert len(lines) == height
        assert all(line.cell_len <= max(width, 0) for line in lines)
    assert 0 <= walk.cursor < max(count, 1)


# The screen


def seen(walk: Walk, width: int = 100, height: int = 24) -> list[str]:
    return [line.plain for line in screen(walk, width, height, Policy(), utc=True, name="s-1")]


def test_the_event_on_one_side_and_the_state_on_the_other() -> None:
    lines = seen(Walk(story(30), cursor=1))
    assert lines[0].startswith(" event 2 of 30  2026-04-02 00:01:00.000 UTC")
    (here,) = [line for line in lines if line.startswith(">")]
    assert "2 00:01:00.000 failed     kimi/kimi2.5: rate_limit" in here
    assert any("│   model    kimi/kimi2.5" in line for line in lines)
    assert any("│ + tried    kimi/kimi2.5" in line for line in lines)
    assert any("│     rate_limit ×1 until 00:06:00 UTC" in line for line in lines)
    assert any("error: Rate limit reached" in line for line in lines)


def test_sixty_columns_stack_them() -> None:
    lines = seen(Walk(story(30), cursor=2), 60)
    assert not any("│" in line for line in lines)
    event = next(index for index, line in enumerate(lines) if line.startswith(">"))
    state = next(index for index, line in enumerate(lines) if line.startswith("~ model    zhipu/glm-5.1"))
    assert event < state


def test_the_strip_shows_models_failures_and_the_cursor() -> None:
    lines = seen(Walk(story(9), cursor=4))
    models, failures, cursor, legend = lines[-5:-1]
    assert models.strip() == "AABBBCCCA"
    assert failures == "  !  !  ! "[: len(failures)]
    assert cursor.index("^") == 5
    for told in ("A kimi/kimi2.5", "B zhipu/glm-5.1", "C local/qwen2.5:14b"):
        assert told in legend


def test_help_and_prompts_are_shown() -> None:
    walk = Walk(story(9))
    assert " search: xy_" in seen(pressed(walk, "/ x y"))[-1]
    lines = seen(pressed(walk, "esc ?"), 60)
    for told in HELP:
        assert f" {told}".rstrip() in [line.rstrip() for line in lines]


def test_hostile_text_is_made_visible() -> None:
    events: list[Event] = []
    for text in HOSTILE.values():
        events.append(AttemptFailed(model=f"p/{text}", reason=text or "x", error=text, turn=text, extra={text: text}))
        events.append(ModelSwitch(to=f"p/{text}", cause=text))
    history = History(recorded(events))
    for index in range(0, len(events), 3):
        walk = pressed(Walk(history, index), "/")
        walk.typed = list(HOSTILE.values())[index // 2]
        for width in (100, 50):
            assert [acting(line) for line in seen(walk, width) if acting(line)] == []
