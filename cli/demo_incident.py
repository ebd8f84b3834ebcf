"""What the log of openclaw/openclaw#60466 tells: the incident that this project began with.

Law: nothing canned. The figures are read from the gateway's own log (package data, as posted in the issue) through
the dialect that reads any such log.
"""

from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files

from replay import AttemptFailed, AttemptSucceeded, ModelSwitch
from replay.dialects.openclaw_console import ConsoleLog
from replay.reasons import REDIRECTED

ISSUE = "openclaw/openclaw#60466"


@dataclass(frozen=True, slots=True)
class PutBack:
    """A fallback that the gateway undid: it turned to ``model``, found ``to`` persisted, and put it back."""

    at: datetime
    model: str
    to: str


@dataclass(frozen=True, slots=True)
class Incident:
    """One session's story, in figures."""

    session: str
    restarts: int
    put_back: list[PutBack]
    requests: int
    """Requests that any model was sent: outcomes that are more than the gateway's own redirect."""

    @property
    def span_ms(self) -> int:
        """From the first fallback that was put back to the last one."""
        return round((self.put_back[-1].at - self.put_back[0].at).total_seconds() * 1000)


def incident() -> Incident:
    """The incident of the issue."""
    log, session, restarts, requests = ConsoleLog(), "", 0, 0
    put_back: list[PutBack] = []
    for text in files("cli").joinpath("incident.log").read_text(encoding="utf-8").splitlines():
        line = log.feed(text)
        restarts += line.kind == "restart"
        for event in line.events:
            match event:
                case ModelSwitch(cause="reverted", from_=str(model), timestamp=datetime() as at):
                    session = line.session or session
                    put_back.append(PutBack(at, model, event.to))
                case AttemptFailed(reason=reason):
                    requests += reason != REDIRECTED
                case AttemptSucceeded():
                    requests += 1
                case _:  # the switches that the gateway announces, whether it made them or not
                    pass
    return Incident(session, restarts, put_back, requests)
