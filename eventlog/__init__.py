"""eventlog: the log itself. Bytes to events and back, append, lock, read, and the gateway's handle.

Law: the only room that touches the world. It imports ``replay``, never ``cli``. A failure in here never fails a user's
request, unless the caller asked for that. A name is imported when it is first asked for: who only reads a log pays for
no session.

    from eventlog import Chain, Session

    session = Session.open("sessions/17a309d8.jsonl", chain=Chain("kimi/kimi2.5", "zhipu/glm-5.1"))
    reply = session.call(lambda model: client.chat(model, messages), turn="t-42")
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eventlog.attempts import Attempt, Attempts
    from eventlog.config import Config, ConfigError
    from eventlog.errors import MisuseError, SwitchlogError, UnreadableError
    from eventlog.keys import Keys
    from eventlog.lines import Kind
    from eventlog.observe import Observation
    from eventlog.outcomes import Outcome, ResponseRefused
    from eventlog.protection import Protection
    from eventlog.reading import Events, read_events
    from eventlog.report import Finding, Report
    from eventlog.session import Session
    from eventlog.sessions import Sessions
    from replay import AllModelsFailed, Chain, Cooldown, Policy

__all__ = [
    "AllModelsFailed",
    "Attempt",
    "Attempts",
    "Chain",
    "Config",
    "ConfigError",
    "Cooldown",
    "Events",
    "Finding",
    "Keys",
    "Kind",
    "MisuseError",
    "Observation",
    "Outcome",
    "Policy",
    "Protection",
    "Report",
    "ResponseRefused",
    "Session",
    "Sessions",
    "SwitchlogError",
    "UnreadableError",
    "read_events",
]

if not TYPE_CHECKING:  # a checker that saw this would take any name for one of ours
    _HOMES = {
        "eventlog.attempts": ("Attempt", "Attempts"),
        "eventlog.config": ("Config", "ConfigError"),
        "eventlog.errors": ("MisuseError", "SwitchlogError", "UnreadableError"),
        "eventlog.keys": ("Keys",),
        "eventlog.lines": ("Kind",),
        "eventlog.observe": ("Observation",),
        "eventlog.outcomes": ("Outcome", "ResponseRefused"),
        "eventlog.protection": ("Protection",),
        "eventlog.reading": ("Events", "read_events"),
        "eventlog.report": ("Finding", "Report"),
        "eventlog.session": ("Session",),
        "eventlog.sessions": ("Sessions",),
        "replay": ("AllModelsFailed", "Chain", "Cooldown", "Policy"),
    }

    def __getattr__(name):
        from importlib import import_module

        home = next((home for home, names in _HOMES.items() if name in names), None)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(home), name)  # from now on it is found without us
        return found

    def __dir__():
        return sorted({*globals(), *__all__})
