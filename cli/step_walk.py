"""Where somebody stands in a history, and what each key does.

Law: pure but for the history it walks. A key and the present in; cursor, prompt and message changed. Every key is
harmless: at the ends it stays where it is, and what can't be found or read is said.
"""

import re
from datetime import datetime, time, timedelta, tzinfo
from typing import Final

from cli.safe_text import visible
from cli.step_history import History, mentions
from cli.times import FORMS, time_of

HELP: Final = (
    "j k ↓ ↑    next and previous event    g G  first and last",
    "PgDn PgUp  a page on and back",
    "12G        the event of position 12",
    "e E        next and previous failure",
    "/          search: model, reason, text",
    "n N        next and previous match",
    "t          to a time: 2026-04-02, -3h, RFC 3339;",
    "           03:12 is that of the day shown",
    "q Ctrl-C   leave",
    "",
    "The state: + is new, ~ has changed, - is gone now.",
    "The strip: a letter a model, ! attempts failed,",
    "           ^ where you are.",
)
_PROMPTS: Final = {"/": "search: ", "t": "time: "}
_CLOCK: Final = re.compile(r"\d{1,2}:\d\d(:\d\d)?", re.ASCII)
_LONGEST: Final = 200


class Walk:
    """A person's place in a history. ``page`` is how many events a screen shows."""

    def __init__(self, history: History, cursor: int = 0, zone: tzinfo | None = None) -> None:
        self.history = history
        self.cursor = max(0, min(cursor, len(history) - 1))
        self.zone = zone
        self.page = 10
        self.message = ""
        self.help = False
        self.done = False
        self.typing: str | None = None
        """The prompt that is open: ``/`` or ``t``."""
        self.typed = ""
        self._sought = ""
        self._digits = ""

    @property
    def prompt(self) -> str | None:
        """What stands at the bottom while something is typed."""
        return None if self.typing is None else _PROMPTS[self.typing] + self.typed

    def press(self, key: str, now: datetime) -> None:
        """One key."""
        if self.typing is not None:
            self._type(key, now)
            return
        self.message = ""
        if self.help:
            self.help = False
            if key in ("?", "esc", "q", "enter", " "):
                return
        if key.isascii() and key.isdigit():
            self._digits = (self._digits + key)[:12]
            return
        digits, self._digits = self._digits, ""
        match key:
            case "j" | "down" | "right" | "enter" | "l":
                self._go(self.cursor + int(digits or 1))
            case "k" | "up" | "left" | "h":
                self._go(self.cursor - int(digits or 1))
            case "pgdn" | " ":
                self._go(self.cursor + self.page)
            case "pgup" | "b":
                self._go(self.cursor - self.page)
            case "g" | "home":
                self._go(0)
            case "G" | "end":
                found = self.history.of_position(int(digits)) if digits else len(self.history) - 1
                self._go(found or 0)
            case "e" | "E":
                self._failure(1 if key == "e" else -1)
            case "n" | "N":
                self._search(1 if key == "n" else -1)
            case "/" | "t":
                self.typing, self.typed = key, ""
            case "?":
                self.help = True
            case "q" | "quit":
                self.done = True
            case "esc" | "redraw":
                pass
            case _:
                self.message = "? shows the keys"

    def _type(self, key: str, now: datetime) -> None:
        match key:
            case "enter":
                prompt, self.typing = self.typing, None
                if prompt == "/":
                    self._sought = self.typed or self._sought
                    self._search(1)
                elif self.typed.strip():
                    self._time(self.typed, now)
            case "esc" | "quit":
                self.typing = None
            case "backspace" if not self.typed:
                self.typing = None
            case "backspace":
                self.typed = self.typed[:-1]
            case "clear":
                self.typed = ""
            case _ if len(key) == 1:
                self.typed = (self.typed + key)[:_LONGEST]

    def _go(self, index: int) -> None:
        last = len(self.history) - 1
        if index > last == self.cursor:
            self.message = "this is the last event"
        elif index < 0 == self.cursor:
            self.message = "this is the first event"
        self.cursor = max(0, min(index, last))

    def _failure(self, direction: int) -> None:
        found = self.history.failure(self.cursor, direction)
        if found is None:
            self.message = f"no failure {'after' if direction > 0 else 'before'} this event"
        else:
            self.cursor = found

    def _search(self, direction: int) -> None:
        if not self._sought:
            self.message = "nothing to search for yet: type / and what it says"
            return
        found = self.history.search(mentions(self._sought), self.cursor, direction)
        told = visible(self._sought, 40)
        if found is None:
            self.message = f"no event says {told}"
            return
        self.message = f"/{told}"
        if (found - self.cursor) * direction <= 0:
            self.message += ": the only match" if found == self.cursor else ", round the end"
        self.cursor = found

    def _time(self, text: str, now: datetime) -> None:
        """A time of day alone is that of the day the cursor is on; all else counts from the present."""
        base = self._end_of_day(now) if _CLOCK.fullmatch(text.strip()) else now
        moment = time_of(text, base, self.zone)
        if moment is None:
            self.message = f"{visible(text, 40)} is no time; write it {FORMS}"
            return
        found = self.history.at(moment)
        self.message = "" if found is not None else "nothing happened before that: this is the first event"
        self._go(found or 0)

    def _end_of_day(self, now: datetime) -> datetime:
        stamped = self.history.events[self.cursor].event.timestamp if len(self.history) else None
        try:
            local = (stamped or now).astimezone(self.zone)
            end = datetime.combine(local.date(), time(0)) + timedelta(days=1, microseconds=-1)
            return end.astimezone() if self.zone is None else end.replace(tzinfo=self.zone)
        except (OverflowError, ValueError):  # the last day that a datetime can hold
            return now
