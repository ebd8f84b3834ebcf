"""Logs as bytes: what the tests of the reader and of the append protocol are made of.

Records are written here by the words of the design, with ``json`` and ``hashlib`` and nothing of ``eventlog``: where
the two disagree, one of them is wrong.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from hypothesis import strategies as st

from eventlog.reader import Reader
from eventlog.report import Report
from replay import Recorded

SESSION: Final = "17a309d8"
OTHER: Final = "99ffee00"
STAMP: Final = "2026-04-02T04:55:40.889Z"
CRASH_STATES: Final = {"event", "foreign", "torn", "unterminated"}
"""What a log of ours and a host's may consist of after any crash of a process."""

SEAL_BYTES: Final = len(',"seal":"') + 32 + len('"}')


def compact(fields: object) -> bytes:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


def sealed(fields: dict[str, object]) -> bytes:
    """The fields as one record, its seal computed by hand; without a newline."""
    body = compact(fields)[:-1]
    return body + b',"seal":"' + hashlib.sha256(body).hexdigest()[:32].encode() + b'"}'


def seal_of(record: bytes) -> str:
    return record[-34:-2].decode()


def header(session: str = SESSION, **more: object) -> bytes:
    return (
        compact({"type": "session", "version": 3, "id": session, "timestamp": STAMP, "cwd": "/home/op", **more}) + b"\n"
    )


def message(entry: str | None = "c0ffee01", parent: str | None = None, text: str = "hello") -> bytes:
    """A line of the host's."""
    fields: dict[str, object] = {"type": "message", "parentId": parent, "message": {"role": "user", "content": text}}
    return compact(fields if entry is None else fields | {"id": entry}) + b"\n"


class Draft:
    """A log in the making: each method adds one line, whole and in the chain, and gives it back."""

    def __init__(self, session: str = SESSION, *, headed: bool = True) -> None:
        self.session = session
        self.lines: list[bytes] = [header(session)] if headed else []
        self.prev: str | None = None
        self.parent: str | None = None
        self._next_id = 1

    @property
    def data(self) -> bytes:
        return b"".join(self.lines)

    def add(self, line: bytes) -> bytes:
        self.lines.append(line)
        return line

    def record(self, kind: str = "attempt_failed", **fields: object) -> bytes:
        """A sealed record. Fields may replace those of the frame too."""
        event_id = f"{self._next_id:016x}"
        self._next_id += 1
        frame: dict[str, object] = {"type": kind, "id": event_id, "parentId": self.parent, "timestamp": STAMP}
        whole = frame | {"session": self.session} | fields
        whole |= {"v": fields.get("v", 1), "prev": fields.get("prev", self.prev)}
        record = sealed(whole)
        self.prev, self.parent = seal_of(record), str(whole["id"])
        return self.add(record + b"\n")

    def failed(self, model: str = "kimi/kimi2.5", reason: str = "rate_limit", **more: object) -> bytes:
        return self.record("attempt_failed", model=model, reason=reason, **more)

    def switch(self, to: str = "zhipu/glm-5.1", cause: str = "fallback", **more: object) -> bytes:
        return self.record("model_switch", **{"from": "kimi/kimi2.5", "to": to, "cause": cause} | more)

    def message(self, text: str = "hello") -> bytes:
        entry = f"c0ffee{self._next_id:02x}"
        self._next_id += 1
        line = message(entry, self.parent, text)
        self.parent = entry
        return self.add(line)


def ten_events() -> Draft:
    """A sealed log of ten events, with texts in which a flipped bit can make a newline, a NUL or a brace."""
    draft = Draft()
    draft.switch("kimi/kimi2.5", "initial", **{"from": None})
    draft.failed(error="Rate limit reached * JJJ { } \u028a \u0100 … 模", status=429, retryAfterMs=7000, turn="t-1")
    draft.switch()
    draft.failed("zhipu/glm-5.1", "server_error", error='{"error":{"type":"server"}}', status=500, seen=3)
    draft.switch("local/qwen2.5:14b", **{"from": "zhipu/glm-5.1"})
    draft.record("attempt_succeeded", model="local/qwen2.5:14b", durationMs=81, seen=5)
    draft.record("failure_cleared", model="kimi/kimi2.5", by="operator", note="topped up")
    draft.switch("kimi/kimi2.5", "probe", **{"from": "local/qwen2.5:14b"})
    draft.record("attempt_succeeded", model="kimi/kimi2.5", seen=8)
    draft.failed(reason="timeout", error="JJ * no answer", phase="first_byte", seen=9)
    return draft


def hosted() -> Draft:
    """A host's transcript with events of ours in between, sealed and bare."""
    draft = Draft()
    draft.message('say "attempt_failed" {"type":"model_switch"}')
    draft.failed(error="a } b")
    draft.message("höhe \u2028 模")
    draft.add(
        compact({"type": "model_switch", "from": "kimi/kimi2.5", "to": "zhipu/glm-5.1", "timestamp": STAMP}) + b"\n"
    )
    draft.switch()
    draft.add(b"not JSON at all\n")
    draft.failed("zhipu/glm-5.1", "timeout")
    return draft


def read(data: bytes, name: str | None = SESSION, sizes: Iterable[int] = ()) -> tuple[list[Recorded], Report]:
    """The events and the report of ``data``, fed in blocks of ``sizes`` (then the rest at once)."""
    reader = Reader(name)
    found: list[Recorded] = []
    at = 0
    for size in sizes:
        found += reader.feed(data[at : at + size])
        at += size
    found += reader.feed(data[at:])
    found += reader.finish()
    return found, reader.report


def kinds(report: Report) -> dict[str, int]:
    """The classes that occur, with their counts."""
    return {kind: count for kind, count in report.counts.items() if count}


def read_kinds(data: bytes, name: str | None = SESSION) -> dict[str, int]:
    return kinds(read(data, name)[1])


def put(path: Path, data: bytes) -> None:
    """A file that holds ``data`` and that nobody has touched for a while.

    A new one each time: to cut a file to nothing and fill it again makes ext4 flush it.
    """
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    os.utime(path, (1_700_000_000, 1_700_000_000))


_PALETTE: Final = (
    b"\n",
    b"\r",
    b"\0",
    b"\0" * 9,
    b"\n\n",
    b"{",
    b"}",
    b'"',
    b'{"type":"',
    b'{"type":"attempt_failed",',
    b'{"type":"session","version":3,"id":"99ffee00"}\n',
    b',"seal":"0123456789abcdef0123456789abcdef"}',
    b',"seal":"',
    b"\\u00",
    b"\xff\xfe",
    b"J",
)
_BASES: Final = (ten_events().data, hosted().data, Draft(headed=False).failed(), Draft(OTHER).failed(), b"")


@st.composite
def mutated_logs(draw: st.DrawFn) -> bytes:
    """A real log to which a few bad things have happened: flips, cuts, holes, copies, lines moved, bytes put in."""
    data = draw(st.sampled_from(_BASES))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 40) | st.integers(0, 900))
        match draw(st.sampled_from(("flip", "cut", "remove", "zero", "copy", "insert", "lines"))):
            case "flip":
                data = (
                    data[:at]
                    + bytes(byte ^ 1 << draw(st.integers(0, 7)) for byte in data[at : at + 1])
                    + data[at + 1 :]
                )
            case "cut":
                data = data[:at]
            case "remove":
                data = data[:at] + data[at + length :]
            case "zero":
                data = data[:at] + b"\0" * len(data[at : at + length]) + data[at + length :]
            case "copy":
                to = draw(st.integers(0, len(data)))
                data = data[:to] + data[at : at + length] + data[to:]
            case "insert":
                data = data[:at] + draw(st.sampled_from(_PALETTE) | st.binary(max_size=6)) + data[at:]
            case "lines":
                data = b"".join(draw(st.permutations(data.splitlines(keepends=True)[:12])))
    return data


any_bytes: Final = st.one_of(
    mutated_logs(),
    mutated_logs(),
    st.binary(max_size=200),
    st.lists(st.sampled_from(_PALETTE) | st.binary(max_size=3), max_size=20).map(b"".join),
)
"""Bytes that a reader may meet: damaged logs mostly, noise, and noise made of the format's own marks."""
