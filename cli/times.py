"""Times as people type them.

Law: a text, a present and a zone in, a moment out; None for what is no time. Nothing else knows how a time is typed.

    2026-04-02T04:55:40Z   RFC 3339, with its offset
    2026-04-02 04:55       the same without an offset: local time, or UTC with --utc; a date alone is its midnight
    03:12                  the last time that it was 03:12
    -3h  -90min  -1d12h    so long before now
    now  today  yesterday
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from replay.events import parse_time

FORMS: Final = "like -3h, today, 03:12, 2026-04-02 or 2026-04-02T04:55:40Z"

_UNITS: Final = {
    **dict.fromkeys(("s", "sec"), 1),
    **dict.fromkeys(("m", "min"), 60),
    **dict.fromkeys(("h", "hour", "hours"), 3_600),
    **dict.fromkeys(("d", "day", "days"), 86_400),
    **dict.fromkeys(("w", "week", "weeks"), 604_800),
}
_SPAN: Final = re.compile(r"-(?:\d{1,6} ?[a-z]{1,5} ?){1,5}", re.ASCII)
_PART: Final = re.compile(r"(\d{1,6}) ?([a-z]{1,5})", re.ASCII)
_CLOCK: Final = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d))?", re.ASCII)
_DATE: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d))?)?", re.ASCII)


def time_of(text: str, now: datetime, zone: tzinfo | None) -> datetime | None:
    """The moment that ``text`` names at ``now``. ``zone``: whose clock it is told by; None is this computer's."""
    text = text.strip()
    try:
        return parse_time(text) or _relative(text.lower(), now) or _local(text, now.astimezone(zone), zone)
    except (ValueError, OverflowError):  # 25:00, a 31st of February, thousands of years ago
        return None


def _relative(text: str, now: datetime) -> datetime | None:
    if text == "now":
        return now
    if not _SPAN.fullmatch(text):
        return None
    parts = _PART.findall(text)
    if any(unit not in _UNITS for _, unit in parts):
        return None
    return now - timedelta(seconds=sum(int(count) * _UNITS[unit] for count, unit in parts))


def _local(text: str, now: datetime, zone: tzinfo | None) -> datetime | None:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    if text.lower() in ("today", "yesterday"):
        return _aware(midnight - timedelta(days=text.lower() == "yesterday"), zone)
    if clock := _CLOCK.fullmatch(text):
        hour, minute, second = (int(part or 0) for part in clock.groups())
        wall = midnight.replace(hour=hour, minute=minute, second=second)
        found = _aware(wall, zone)
        return found if found <= now else _aware(wall - timedelta(days=1), zone)
    if date := _DATE.fullmatch(text):
        return _aware(datetime(*(int(part or 0) for part in date.groups())), zone)  # type: ignore[arg-type]  # noqa: DTZ001
    return None


def _aware(local: datetime, zone: tzinfo | None) -> datetime:
    """A time on the wall, as a moment."""
    return (local.astimezone() if zone is None else local.replace(tzinfo=zone)).astimezone(UTC)
