"""Who writes into the transcript of a live OpenClaw: nobody, a gateway with our log, one without ids.

Law: ours is what a gateway's author writes, and nothing besides; it knows nothing of the host.
"""

import json
from pathlib import Path

from benchmarks.openclaw_host import CHAIN
from eventlog import Chain, Session


class Nobody:
    """The control: nothing is written."""

    def __init__(self) -> None:
        self.attempted: list[str] = []
        self.acknowledged: list[str] = []

    def begin(self, transcript: Path) -> None:
        """The session's first turn is over."""

    def write(self, transcript: Path, turn: int) -> None:
        """Write what there is to write."""

    def close(self) -> None:
        """The writer's process ends."""


class Ours(Nobody):
    """What a gateway with a :class:`eventlog.Session` writes: one to three events."""

    def __init__(self) -> None:
        super().__init__()
        self._session: Session | None = None

    def begin(self, transcript: Path) -> None:
        self._session = Session.open(transcript, chain=Chain(*CHAIN))

    def write(self, transcript: Path, turn: int) -> None:
        if self._session is None:
            self.begin(transcript)
        assert self._session is not None
        for number in range(turn % 3 + 1):
            label = f"{turn}.{len(self.attempted)}"
            self.attempted.append(label)
            if number == 1:
                written = self._session.switch(CHAIN[turn % len(CHAIN)], cause="fallback", turn=label)
            else:
                model = CHAIN[(turn + number) % len(CHAIN)]
                written = self._session.failed(model, reason="rate_limit", status=429, turn=label)
            if written:
                self.acknowledged.append(label)

    def close(self) -> None:
        if self._session is not None:
            self._session.close()
        self._session = None

    def cut(self) -> None:
        """Its process ended in the middle of its last write: that event was never acknowledged."""
        assert self._session is not None
        path = self._session.path
        self.close()
        cut_last_line(path)
        self.attempted.remove(self.acknowledged.pop())


class Unchained(Nobody):
    """The issue's Option 3 to the letter: a switch without ``id`` and ``parentId``."""

    def write(self, transcript: Path, turn: int) -> None:
        line = {"type": "model_switch", "from": CHAIN[0], "to": CHAIN[1], "timestamp": f"2026-04-02T04:55:{turn:02d}Z"}
        with transcript.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, separators=(",", ":")) + "\n")


def cut_last_line(path: Path) -> bytes:
    """A crash in the middle of writing the last line; the line that it was to be."""
    data = path.read_bytes()
    start = data.rindex(b"\n", 0, -1) + 1
    with path.open("r+b") as file:
        file.truncate((start + len(data)) // 2)
    return data[start:-1]
