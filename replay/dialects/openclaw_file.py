"""The file log of OpenClaw's gateway (2026.3.28 to 2026.9.6): one JSON object a line, as events.

Law: pure. Decoded objects in, one :class:`LogLine` for each out; no object raises. What the lines mean:
:mod:`.openclaw_lines`.

``"0"`` names the subsystem (``{"subsystem":"diagnostic"}``, JSON within JSON), ``"1"`` holds words or fields, ``"2"``
the words that go with fields, ``time`` an ISO time. What the console puts into words stands here in fields, with the
run's id and, from 2026.9 on, the session's::

    {"event":"model_fallback_decision","runId":R,"decision":"candidate_failed","candidateProvider":P,"candidateModel":M,
     "reason":…,"status":…,"errorPreview":…,"nextCandidateProvider":P,"nextCandidateModel":M}
    {"event":"embedded_run_agent_end","runId":R,"isError":true,"provider":P,"model":M,"error":…,"rawErrorPreview":…}
    {"event":"embedded_run_failover_decision","runId":R,"decision":"fallback_model","provider":P,"model":M}

Both forms of one log give the same events, but each stamps its lines by itself, up to a millisecond apart: their ids
differ, so import one of the two.
"""

import re
from collections.abc import Mapping
from typing import Final

from replay.dialects.openclaw_attempts import VALUE_LENGTH
from replay.dialects.openclaw_lines import Lines, LogLine
from replay.events import parse_time

_SUBSYSTEM: Final = re.compile(r'\{"subsystem":"([^"\\]{1,80})"\}')
_REDIRECT: Final = "Live session model switch requested"
"""What stands for an error where a candidate was put back: no words of an upstream."""

_PARTS: Final = ("provider", "model", "sourceProvider", "sourceModel", "candidateProvider", "candidateModel")
_RUN: Final = frozenset({"embedded_run_agent_end", "embedded_run_failover_decision"})


class FileLog(Lines):
    """Translates a log fed line by line."""

    def feed(self, fields: Mapping[str, object] | None) -> LogLine:
        """What this line tells; None stands for one that is no JSON object. Lines are numbered from 1."""
        self._number += 1
        if fields is None:
            return self._told("unreadable")
        match = _SUBSYSTEM.fullmatch(_text(fields.get("0")))
        stamp = fields.get("time")
        time = parse_time(stamp) if isinstance(stamp, str) else None
        first, second = fields.get("1"), fields.get("2")
        if match is None:
            return self._told("other")
        event = first.get("event") if isinstance(first, dict) else None
        if not isinstance(first, dict) or not isinstance(event, str):
            return self._message(match[1], _text(first) or _text(second), time)
        if event == "model_fallback_decision" and time is not None:
            detail = _text(first.get("errorPreview"))
            status = first.get("status")
            usable = isinstance(status, int) and not isinstance(status, bool) and 400 <= status <= 599
            detail = "" if detail.startswith(_REDIRECT) else detail
            return self._decision(_named(first), detail, time, status if usable else None)
        if event == "model_fallback_decision":
            return self._told("unreadable")
        if event in _RUN and time is not None:
            what = event.replace("_", " ")
            self._attempts.run_told(
                what, _named(first), time, _text(first.get("error")), _text(first.get("rawErrorPreview"))
            )
        return self._told("other")


def _named(fields: Mapping[object, object]) -> dict[str, str]:
    """The fields under the names that the console has for them, as far as they can be used."""
    named = {key: _word(fields.get(key)) for key in ("runId", "sessionId", "decision", "reason", *_PARTS)}
    named["isError"] = "true" if fields.get("isError") is True else ""
    named["candidate"] = _model(fields, "candidateProvider", "candidateModel")
    named["next"] = _model(fields, "nextCandidateProvider", "nextCandidateModel")
    named["from"] = _model(fields, "sourceProvider", "sourceModel") or _model(fields, "provider", "model")
    return {key: value for key, value in named.items() if value}


def _model(fields: Mapping[object, object], provider: str, model: str) -> str:
    parts = _word(fields.get(provider)), _word(fields.get(model))
    return _word("/".join(parts)) if all(parts) else ""


def _word(value: object) -> str:
    """A value as the console could show it in one word of bearable length; empty for any other."""
    usable = isinstance(value, str) and 0 < len(value) <= VALUE_LENGTH and value.split() == [value]
    return value if usable and isinstance(value, str) else ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
