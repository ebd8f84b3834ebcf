"""A transcript of OpenClaw's own (versions 3 and 4, 2026.3 to 2026.9): what its entries tell of models, as events.

Law: pure and total. Decoded entries in, in the order of the file, events out; no entry raises, none changes what was
told before, and what is kept is bounded.

The host writes no word on failover, but leaves traces of it::

    model_change {provider, modelId}                         the session's model: at the start, or a person's choice
    custom model-snapshot {data: {provider, modelId}}        the attempted model, whenever it is another than before
    message {role: assistant, provider, model, stopReason}   an attempt's end: stop toolUse length | error | aborted
    custom openclaw:prompt-error {data: {provider, model, error}}   an end without an answer; "aborted": given up
    message {role: assistant, provider: openclaw}            the host's own words; "Model set to …": a person's choice

What is inferred from them says so in ``extra["source"]``, and its id is the entry's. What left no trace is not told:
2026.9 writes no entry for a candidate that fails while others are left, so there the failures are too few and only the
switches are whole. A run that the host gives up for its time limit leaves the same lines as one that a person stops
(both tried with 2026.3.28): ``aborted``, which blames nobody. One failed entry can stand for several requests.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from replay.dialects.openclaw_attempts import VALUE_LENGTH, shortened
from replay.dialects.openclaw_errors import verdict_on
from replay.events import MAX_INTEGER, AttemptFailed, AttemptSucceeded, Event, ModelSwitch, parse_time
from replay.reasons import ABORTED, UNKNOWN

__all__ = ["SOURCE", "Transcript"]

SOURCE: Final = "openclaw-transcript"
"""Where an inferred event says it comes from."""

_HOST: Final = "openclaw"
"""The provider of what the host says itself (a command's answer, a mirrored delivery): no model was asked."""
_CHOICE_LENGTH: Final = 600
_CHOICES: Final = tuple(
    (re.compile(rf"{words} (?:[^()]{{1,120}} )?\(?(?P<model>[^\s()/]+/[^\s()]+?)\)?\.", re.ASCII), cause)
    for words, cause in (("Model set to", "user"), ("Model reset to default", "unpin"))
)
"""What the host answers to ``/model zhipu/glm-5.1`` and ``/model default`` (2026.3.28; it leaves no other line)."""
_SECOND: Final = ".switch"
"""Behind the id of an entry that tells two things: first the switch, then the outcome."""
_KEPT: Final = 1024
"""Ids that are remembered: an entry written twice follows close, and a branch without a model is short."""
_EXTRA: Final[Mapping[str, object]] = MappingProxyType({"source": SOURCE})
_NOTHING: Final[Mapping[str, object]] = MappingProxyType({})
_NAMING: Final = frozenset({"model_change", "model-snapshot", "assistant"})
"""Entries that name a model: behind them a branch has one."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Transcript:
    """Translates a transcript fed entry by entry."""

    def __init__(self) -> None:
        self._number = 0
        self._current: str | None = None
        self._own: str | None = None  # the session's model, to which the host returns after a fallback
        self._ended: str | None = None  # the model of the last outcome, if that was no answer
        self._given_up: str | None = None  # the same, if a prompt-error told it: the assistant's entry comes behind
        self._chosen: tuple[str, str] | None = None  # the model that a person asked for, and the cause that it is
        self._position = 0  # of the last event that was told
        self._incident = 0  # of the last one before the host's first try of those that are under way
        self._silent: dict[str, None] = {}  # entries of branches on which no model was named yet
        self._told: dict[str, None] = {}

    def feed(self, fields: Mapping[str, object]) -> tuple[Event, ...]:
        """What this entry of the host's tells. Total: whatever dict, it answers and never raises."""
        self._number += 1
        identity, parent = _name(fields.get("id")), fields.get("parentId")
        if identity is None or identity.endswith(_SECOND):
            identity = self._numbered()
        if identity in self._told or fields.get("type") == "session":
            return ()
        entry = _Entry(fields, identity)
        opening = parent is None or (isinstance(parent, str) and parent in self._silent)
        events = self._entry(entry, opening)
        if opening and not events and entry.kind not in _NAMING:
            _keep(self._silent, identity)
        for event in events:
            self._position += 1
            _keep(self._told, event.id or "")
        return events

    def _entry(self, entry: "_Entry", opening: bool) -> tuple[Event, ...]:
        match entry.kind:
            case "model_change":
                return self._change(entry, opening)
            case "model-snapshot":
                return self._turn_to(entry, _model(entry.body, "modelId"))
            case "assistant":
                self._hear(entry)
                return self._answer(entry)
            case "openclaw:prompt-error":
                return self._prompt_error(entry)
            case "user":  # what follows is another attempt
                self._ended = self._given_up = None
        return ()

    def _change(self, entry: "_Entry", opening: bool) -> tuple[Event, ...]:
        """The session's model. The host names it once a branch, before anything else; behind that a person does.

        A branch can begin anew behind lines of another program, or of a damaged file: that is nobody's choice.
        """
        model = _model(entry.fields, "modelId")
        if model is None:
            return ()
        self._own = model
        if self._current is None:
            return self._switch(entry, model, "initial")
        if opening:
            return self._switch(entry, model, "config") if model != self._current else ()
        return self._switch(entry, model, "user")

    def _turn_to(self, entry: "_Entry", model: str | None, suffix: str = "") -> tuple[Event, ...]:
        """The host attempts ``model``: on from one that failed, or back, for every turn begins with its own model."""
        if model is None or model == self._current:
            return ()
        if self._current is None:
            self._own = model
            return self._switch(entry, model, "initial", suffix)
        chosen, self._chosen = self._chosen, None
        if chosen is not None and chosen[0] == model:
            self._own = model
            return self._switch(entry, model, chosen[1], suffix)
        return self._switch(entry, model, "reverted" if model == self._own else "fallback", suffix)

    def _hear(self, entry: "_Entry") -> None:
        """A person's ``/model`` shows in the host's answer; the attempted model changes with the next turn only."""
        if entry.body.get("provider") != _HOST:
            return
        parts = entry.body.get("content")
        first = parts[0] if isinstance(parts, list) and parts else None
        text = _text(first.get("text")) if isinstance(first, dict) else ""
        for words, cause in _CHOICES:
            found = words.fullmatch(text[:_CHOICE_LENGTH])
            model = None if found is None else _name(found["model"])
            if model is not None:
                self._chosen = model, cause

    def _switch(self, entry: "_Entry", model: str, cause: str, suffix: str = "") -> tuple[Event, ...]:
        left, self._current = self._current, model
        self._ended = self._given_up = None
        identity = entry.identity + suffix
        return (ModelSwitch(from_=left, to=model, cause=cause, id=identity, timestamp=entry.time, extra=_EXTRA),)

    def _answer(self, entry: "_Entry") -> tuple[Event, ...]:
        model, stopped = _model(entry.body, "model"), entry.body.get("stopReason")
        if model is None or not isinstance(stopped, str) or not stopped:
            return ()
        switch = self._turn_to(entry, model, _SECOND)
        text = _text(entry.body.get("errorMessage"))
        if stopped == "aborted":
            given_up, self._given_up = self._given_up, None
            return () if given_up == model else (*switch, self._failed(entry, model, text, ABORTED))
        if stopped == "error":
            failed = self._failed(entry, model, text)  # a person's stop would be told as such, whatever the text says
            return (*switch, replace(failed, reason=UNKNOWN) if failed.reason == ABORTED else failed)
        self._ended = None
        success = AttemptSucceeded(model=model, id=entry.identity, timestamp=entry.time, extra=_EXTRA)
        return (*switch, success)

    def _prompt_error(self, entry: "_Entry") -> tuple[Event, ...]:
        model = _model(entry.body, "model")
        if model is None or model == self._ended:  # an attempt whose end the entry before has told
            return ()
        switch = self._turn_to(entry, model, _SECOND)
        self._given_up = model
        return (*switch, self._failed(entry, model, _text(entry.body.get("error"))))

    def _failed(self, entry: "_Entry", model: str, text: str, reason: str | None = None) -> AttemptFailed:
        """``seen`` is what was told before the first of the host's own tries in a row: they are one incident."""
        if self._ended != model:
            self._incident = self._position
        self._ended = model
        found = verdict_on(text, entry.time or _EPOCH)
        blamed = reason is None
        return AttemptFailed(
            model=model,
            reason=reason or found.reason,
            status=found.status if blamed else None,
            retry_after_ms=found.retry_after_ms if blamed and entry.time is not None else None,
            error=shortened(text),
            seen=self._incident,
            id=entry.identity,
            timestamp=entry.time,
            extra=_EXTRA,
        )

    def _numbered(self) -> str:
        """An id for an entry that has none, or none that can be used: the same whenever the file is read."""
        return sha256(f"{SOURCE} {self._number}".encode()).hexdigest()[:16]


class _Entry:
    """An entry with what is the same for every kind: what it is, its inner part, its time."""

    __slots__ = ("body", "fields", "identity", "kind")

    def __init__(self, fields: Mapping[str, object], identity: str) -> None:
        self.fields, self.identity = fields, identity
        outer = fields.get("type")
        body = fields.get({"message": "message", "custom": "data"}.get(_text(outer), ""))
        self.body: Mapping[str, object] = body if isinstance(body, dict) else _NOTHING
        inner = {"message": self.body.get("role"), "custom": fields.get("customType")}.get(_text(outer))
        self.kind = _text(inner) if outer in ("message", "custom") else _text(outer)

    @property
    def time(self) -> datetime | None:
        return _stamp(self.fields.get("timestamp")) or _stamp(self.body.get("timestamp"))


def _model(fields: Mapping[str, object], key: str) -> str | None:
    """``provider/model-id``; None where either can't be used, and for the host's own words."""
    provider, model = _name(fields.get("provider")), _name(fields.get(key))
    if provider is None or model is None or provider == _HOST:
        return None
    return _name(f"{provider}/{model}")


def _name(value: object) -> str | None:
    """A text of bearable length that is shown as it is: no control characters, no half of a surrogate pair."""
    usable = isinstance(value, str) and 0 < len(value) <= VALUE_LENGTH and value.isprintable()
    return value if usable and isinstance(value, str) else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _stamp(value: object) -> datetime | None:
    """A time: as text, or in milliseconds since 1970."""
    if isinstance(value, str):
        return parse_time(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_INTEGER:
        return None
    try:
        return _EPOCH + timedelta(milliseconds=value)
    except OverflowError:
        return None


def _keep(table: dict[str, None], key: str) -> None:
    """Remember, and forget the oldest beyond the bound."""
    table[key] = None
    if len(table) > _KEPT:
        del table[next(iter(table))]
