"""eventlog: the log itself. Bytes to events and back, append, lock, read, and the gateway's handle.

Law: the only room that touches the world. It imports ``replay``, never ``cli``. A failure in here never fails a user's
request, unless the caller asked for that.

    from eventlog import Chain, Session

    session = Session.open("sessions/17a309d8.jsonl", chain=Chain("kimi/kimi2.5", "zhipu/glm-5.1"))
    reply = session.call(lambda model: client.chat(model, messages), turn="t-42")
"""

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
