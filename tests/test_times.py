"""Times as people type them: every form, the days on which a clock jumps, and no text that breaks it."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.times import time_of

NOW = datetime(2026, 4, 2, 5, 0, 30, 250_000, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-04-02T04:55:40Z", "2026-04-02T04:55:40+00:00"),
        ("2026-04-02T04:55:40.889Z", "2026-04-02T04:55:40.889+00:00"),
        ("2026-04-02T06:55:40+02:00", "2026-04-02T04:55:40+00:00"),
        ("2026-04-02 04:55:40", "2026-04-02T04:55:40+00:00"),
        ("2026-04-02 04:55", "2026-04-02T04:55:00+00:00"),
        ("2026-04-02T04:55", "2026-04-02T04:55:00+00:00"),
        ("2026-04-02", "2026-04-02T00:00:00+00:00"),
        ("03:12", "2026-04-02T03:12:00+00:00"),
        ("3:12", "2026-04-02T03:12:00+00:00"),
        ("03:12:07", "2026-04-02T03:12:07+00:00"),
        ("05:01", "2026-04-01T05:01:00+00:00"),
        ("now", "2026-04-02T05:00:30.250+00:00"),
        ("today", "2026-04-02T00:00:00+00:00"),
        ("Yesterday", "2026-04-01T00:00:00+00:00"),
        ("-3h", "2026-04-02T02:00:30.250+00:00"),
        ("-90min", "2026-04-02T03:30:30.250+00:00"),
        ("-1d12h", "2026-03-31T17:00:30.250+00:00"),
        ("-2w", "2026-03-19T05:00:30.250+00:00"),
        ("-1 day 2 hours", "2026-04-01T03:00:30.250+00:00"),
        ("  -30s  ", "2026-04-02T05:00:00.250+00:00"),
    ],
)
def test_every_form_in_utc(text: str, expected: str) -> None:
    found = time_of(text, NOW, UTC)
    assert found == at(expected)
    assert found is not None
    assert found.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "soon", "3h", "+3h", "-3", "-h", "-3x", "--3h", "-3h-2m", "-1d2h3min4s5w6h", "-1234567h"),
        *("25:00", "12:60", "12:00:60", "12", "1:2", "2026-02-30", "2026-13-01", "0000-01-01", "2026-4-2"),
        *("2026-04-02T25:00:00Z", "2026-04-02T04:55:40+99:00", "-99999w99999w", "٠٣:١٢", "-٣h"),
    ],
)
def test_what_is_no_time(text: str) -> None:
    assert time_of(text, NOW, UTC) is None


# Whose clock it is told by


def test_the_same_text_is_another_moment_in_another_zone() -> None:
    assert time_of("03:12", NOW, BERLIN) == at("2026-04-02T01:12:00+00:00")
    assert time_of("2026-04-02", NOW, BERLIN) == at("2026-04-01T22:00:00+00:00")
    late = at("2026-04-02T23:00:00+00:00")  # there it is tomorrow already
    assert time_of("today", late, BERLIN) == at("2026-04-02T22:00:00+00:00")
    assert time_of("-3h", NOW, BERLIN) == time_of("-3h", NOW, UTC)


@pytest.fixture
def berlin() -> Iterator[None]:
    """This computer's clock is Berlin's."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Europe/Berlin"
    time.tzset()
    yield
    os.environ.pop("TZ")
    if before is not None:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("text", "now", "expected"),
    [
        ("03:12", "2026-04-02T05:00:00+00:00", "2026-04-02T01:12:00+00:00"),
        ("2026-04-02 04:55", "2026-04-02T05:00:00+00:00", "2026-04-02T02:55:00+00:00"),
        # 29 March 2026: at 02:00 the clock goes to 03:00, and the day has 23 hours
        ("today", "2026-03-29T12:00:00+00:00", "2026-03-28T23:00:00+00:00"),
        ("2026-03-29 01:30", "2026-04-02T05:00:00+00:00", "2026-03-29T00:30:00+00:00"),
        ("2026-03-29 03:30", "2026-04-02T05:00:00+00:00", "2026-03-29T01:30:00+00:00"),
        ("yesterday", "2026-03-30T12:00:00+00:00", "2026-03-28T23:00:00+00:00"),
        ("12:00", "2026-03-29T08:00:00+00:00", "2026-03-28T11:00:00+00:00"),
        # 25 October 2026: at 03:00 it goes back to 02:00
        ("today", "2026-10-25T12:00:00+00:00", "2026-10-24T22:00:00+00:00"),
        ("01:30", "2026-10-25T12:00:00+00:00", "2026-10-24T23:30:00+00:00"),
        ("03:30", "2026-10-25T12:00:00+00:00", "2026-10-25T02:30:00+00:00"),
        ("2026-10-26", "2026-11-02T12:00:00+00:00", "2026-10-25T23:00:00+00:00"),
        # a span is one of time that went by, whatever the clock on the wall did
        ("-1d", "2026-03-29T12:00:00+00:00", "2026-03-28T12:00:00+00:00"),
    ],
)
def test_the_clock_on_the_wall_also_on_the_day_it_jumps(text: str, now: str, expected: str) -> None:
    assert time_of(text, at(now), None) == at(expected)
    zoned = time_of(text, at(now), BERLIN)
    assert zoned == at(expected)


@pytest.mark.usefixtures("berlin")
def test_an_hour_that_was_not_or_was_twice_is_some_moment_of_that_day() -> None:
    for text in ("2026-03-29 02:30", "2026-10-25 02:30"):
        found = time_of(text, NOW, None)
        assert found is not None
        assert abs(found - at(text.replace(" ", "T") + "+01:00")) <= timedelta(hours=1)


# Laws


moments = st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(st.integers(0, 9_999), st.integers(0, 99_999), moments)
def test_a_span_is_exactly_that_before_now(hours: int, minutes: int, now: datetime) -> None:
    expected = now - timedelta(hours=hours, minutes=minutes)
    for text in (f"-{hours}h{minutes}m", f"-{hours} h {minutes} min", f"-{minutes}min{hours}hours"):
        assert time_of(text, now, UTC) == expected


@given(st.integers(0, 23), st.integers(0, 59), moments, st.sampled_from((UTC, BERLIN)))
def test_a_time_of_day_is_the_last_one(hour: int, minute: int, now: datetime, zone: ZoneInfo) -> None:
    found = time_of(f"{hour:02}:{minute:02}", now, zone)
    assert found is not None
    assert timedelta(0) <= now - found < timedelta(hours=25)


@given(moments)
def test_what_the_log_says_is_understood(now: datetime) -> None:
    stamp = now.replace(microsecond=now.microsecond // 1000 * 1000)
    assert time_of(stamp.isoformat(timespec="milliseconds").replace("+00:00", "Z"), NOW, UTC) == stamp


pieces = st.sampled_from([*"0123456789-:TZ+. ", "now", "today", "h", "min", "2026", "04", "99", "9999", "\0", "é"])


@given(st.text(max_size=20) | st.lists(pieces, max_size=8).map("".join), st.sampled_from((UTC, BERLIN, None)))
def test_no_text_breaks_it(text: str, zone: ZoneInfo | None) -> None:
    for now in (NOW, datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        found = time_of(text, now, zone)
        assert found is None or found.tzinfo is not None
