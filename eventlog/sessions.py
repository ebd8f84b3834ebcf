"""A folder of sessions, one file each.

Law: names are checked here, for a session id often comes from a request: it must not lead out of the folder.
"""

import re
import threading
import weakref
from collections import OrderedDict
from pathlib import Path
from typing import Final

from eventlog.append import Durability
from eventlog.config import find
from eventlog.errors import MisuseError
from eventlog.neighbours import Neighbours
from eventlog.observe import Observer
from eventlog.outcomes import Hook
from eventlog.protection import Protection
from eventlog.session import Session
from eventlog.sources import SUFFIX
from replay import Chain, Policy

SESSION_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")

HELD: Final = 64
"""So many sessions are kept open although nobody holds them: the next request is likely to be one of theirs."""


class Sessions:
    """Opens the sessions of a folder: ``Sessions("sessions", chain=…).open("17a309d8")``.

    Chain, policy and protection that are left out come from the ``switchlog.toml`` in or above the folder.

    ``share_failures`` (on, if the configuration doesn't say otherwise): a model that fails now in one session is left
    alone by those that have no experience with it of their own, also in other processes. ``observe`` is called with
    each attempt, failure, switch and saved attempt (see :mod:`eventlog.observe`).
    """

    def __init__(
        self,
        folder: str | Path,
        chain: Chain | None = None,
        policy: Policy | None = None,
        durability: Durability = "disk",
        classify: Hook | None = None,
        protection: Protection | None = None,
        share_failures: bool | None = None,
        observe: Observer | None = None,
    ) -> None:
        self.folder = Path(folder)
        config = find(self.folder)
        self.chain = chain or config.chain
        self.policy = policy or config.policy
        self.durability: Durability = durability
        self.classify = classify
        self.protection = protection or config.protection
        shared = config.share_failures if share_failures is None else share_failures
        self.neighbours = Neighbours(self.folder, self.protection) if shared else None
        self.observe = observe
        self._open: weakref.WeakValueDictionary[str, Session] = weakref.WeakValueDictionary()
        self._held: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, session_id: str) -> Session:
        """The session of this id: the same object for as long as somebody holds it, or it was used lately.

        Raises MisuseError for an id that is no plain name (letters, digits, ``.``, ``_``, ``-``; at most 128).
        """
        if not SESSION_ID.fullmatch(session_id) or SUFFIX in session_id:
            told = "letters, digits, . _ - only, at most 128, and no .jsonl"
            raise MisuseError(f"no session id: {session_id[:200]!r} ({told})")
        session = self._open.get(session_id)
        if session is None:
            path = self.folder / f"{session_id}{SUFFIX}"
            fresh = Session.open(
                path,
                self.chain,
                self.policy,
                self.durability,
                self.classify,
                protection=self.protection,
                neighbours=self.neighbours,
                observe=self.observe,
            )
            with self._lock:  # another thread may have opened it meanwhile
                session = self._open.setdefault(session_id, fresh)
        self._hold(session_id, session)
        return session

    def _hold(self, session_id: str, session: Session) -> None:
        """Keep the last sessions open, and those whose events wait for the disk: nobody else would remember them."""
        with self._lock:
            self._held[session_id] = session
            self._held.move_to_end(session_id)
            for old in list(self._held)[: max(0, len(self._held) - HELD)]:
                if self._held[old].degraded is None:
                    del self._held[old]
