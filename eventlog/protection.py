"""What guards a log beyond its seals: keys, and what must never be written.

Law: values only. One object goes from the configuration to whoever writes or reads, so that a log is written and read
under the same rules everywhere.
"""

import re
from dataclasses import dataclass
from typing import Final

from eventlog.keys import Keys, Proof, prove


@dataclass(frozen=True, slots=True)
class Protection:
    """The rules of a log. Without keys a log shows accidents; with them it shows tampering too."""

    keys: Keys | None = None
    """What is written is signed with the first of them. A record that proves to be none of theirs does not count."""
    accept_unsealed: bool = False
    """With keys: let events count that carry no proof. For a log that others write to who have no key."""
    secrets: tuple[re.Pattern[str], ...] = ()
    """What error texts lose besides :data:`eventlog.redact.PATTERNS`."""

    def prove(self, record: bytes) -> Proof:
        """What a record with a right seal proves of its writer."""
        return prove(record, {}) if self.keys is None else self.keys.prove(record)


OPEN: Final = Protection()
"""No keys, and the usual secrets."""
