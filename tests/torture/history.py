"""What happens before the power goes: some gateways and a host at work on one simulated folder, faults included.

Law: one seed, one history. The gateways are real ``Session`` objects; what they were asked to keep, what they said
was kept, and every byte that they wrote is noted here, so that nothing has to be believed afterwards.
"""

import copy
import json
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Final, NamedTuple

from disk import ROOT, Disk, Inode

from eventlog import Chain, MisuseError, Policy, Session, codec
from replay import Event, event_from_fields
from torture.machine import Machine

CHAIN: Final = Chain("kimi/kimi2.5", "zhipu/glm-5.1", "local/qwen2.5:14b")
POLICY: Final = Policy()
REASONS: Final = ("rate_limit", "server_error", "timeout", "network", "auth", "billing", "overloaded", "unknown")
TEXTS: Final = (
    None,
    "Rate limit reached",
    'quota {"used":{"n":1}} } "type":"attempt_failed" ,"seal":"0123" }',
    "höhe · 模型 · \u2028 \u202e }}",
    "no answer " * 12,
    '{"type":"model_switch","from":"a/b","to":"c/d"}\n\x00\r',
)


class Broken(Exception):
    """A law that does not hold. ``column`` says where the row counts it."""

    def __init__(self, column: str, told: str, count: int = 1) -> None:
        super().__init__(f"{column}: {told}")
        self.column, self.count = column, count


class Promise(NamedTuple):
    """What must be found in a file after a crash, and all that was written to it, in order (ids)."""

    must: frozenset[str] = frozenset()
    order: tuple[str, ...] = ()


class Told(NamedTuple):
    """A record as a session wrote it."""

    id: str
    event: Event | None


Asked = dict[str, object]
"""The fields that a record must have, from what the session was asked to keep."""


class History:
    """A folder, who works in it, and what they were told."""

    def __init__(self, machine: Machine, disk: Disk, name: str, *, companion: bool = False) -> None:
        self.machine, self.disk = machine, disk
        self.host_name = name
        self.log_name = name + ".switchlog" if companion else name
        self.companion = companion
        self.lying = False  # the disk has begun to say "synced" of what is not: no promise stands from here on
        self.loose = False
        """A record that nobody promised may be missing before a later one: it was kept by a session of durability
        "process", its sync failed, or the host wrote the file anew and did not sync it."""
        self.damaged = False  # and told so, by a crash that this one comes after
        self.truth: dict[bytes, Told] = {}
        self.host_lines: set[bytes] = set()
        self._labels: dict[str, str] = {}  # label → id, of all records that were written
        self._asked: dict[str, Asked] = {}
        self._labelled, self._wrote = 0, False
        self.take(disk, Promise())

    def take(self, disk: Disk, promise: Promise) -> None:
        """Go on with a disk on which ``promise`` stands."""
        self.disk = self.machine.disk = disk
        disk.on_write = self._written
        inode = self._inode()
        self.promises: dict[Inode | None, Promise] = {None: Promise(), inode: promise}
        if inode is not None:
            self.promises[None] = Promise(promise.must)
        self._everything = set(promise.must)  # what was ever acknowledged
        self._sessions: dict[int, set[str]] = {}
        self._weak: set[int] = set()
        disk.points.clear()
        self.mark()

    def mark(self) -> None:
        """The power may go now, and this is what stands."""
        self.disk.promised = dict(self.promises)
        self.disk.note()

    def open(self, durability: str = "disk") -> Session:
        path = ROOT / self.host_name
        session = Session.open(path, CHAIN, POLICY, durability=durability, companion=self.companion)  # type: ignore[arg-type]
        self._sessions[id(session)] = set()
        if durability == "process":
            self._weak.add(id(session))
            self.loose = True
        return session

    def label(self) -> str:
        self._labelled += 1
        return f"t-{self._labelled}"

    def fork(self) -> "History":
        """The same history, to go on with in one of several ways."""
        fork = copy.copy(self)
        fork.truth, fork.host_lines = dict(self.truth), set(self.host_lines)
        fork._labels, fork._asked = dict(self._labels), dict(self._asked)
        return fork

    def ask(self, session: Session, chance: Random, *, kinds: float = 1) -> bool:
        """Let the session record something; note what it promises. True if it says that it is kept."""
        label, model = self.label(), chance.choice(CHAIN.models)
        kind, call, asked = _action(chance, label, model, kinds)
        self._asked[label] = asked
        self._wrote = False
        kept = call(session)
        mine = self._sessions[id(session)]
        if kind in ("attempt_failed", "failure_cleared") or asked.get("cause") == "user" or label in self._labels:
            mine.add(label)
        if kept:
            self._promise(session, mine)
        elif session.degraded is None:
            raise Broken("wrong", f"{label} was refused and the session does not say degraded")
        return kept

    def _promise(self, session: Session, mine: set[str]) -> None:
        unwritten = sorted(label for label in mine if label not in self._labels)
        if unwritten:
            raise Broken("lost", f"{unwritten} said to be kept and never written", len(unwritten))
        if session.degraded is not None:
            raise Broken("wrong", f"kept, and still degraded: {session.degraded}")
        if self.lying or id(session) in self._weak or not self._wrote:
            return  # a call that had nothing to write promises nothing anew, not even of a file that a host wrote anew
        ids = frozenset(self._labels[label] for label in mine)
        self._everything |= ids
        now = self.promises.get(self._inode(), Promise())
        ids |= self._everything.intersection(now.order)
        self.promises = {inode: one._replace(must=one.must | ids) for inode, one in self.promises.items()}
        self.promises.setdefault(self._inode(), now._replace(must=now.must | ids))
        self.mark()

    def host(self, line: bytes) -> None:
        """The host appends a line of its own, without our lock and without a sync."""
        before = self.disk.image().get(self.host_name, b"")
        if not before or before.endswith(b"\n"):
            self.host_lines.add(line)
        self.disk.add(self.host_name, line)

    def replace(self, chance: Random) -> None:
        """The host writes its file anew: all of it, or as it was some lines ago."""
        if self.host_name != self.log_name or self.log_name not in self.disk.image():
            return
        lines = self.disk.read(self.log_name).splitlines(keepends=True)
        lines = lines[: chance.randint(min(1, len(lines)), len(lines))]
        synced = chance.random() < 0.7
        self.loose = self.loose or not synced
        ids = [self.truth[line[:-1]].id for line in lines if line[:-1] in self.truth]
        new = Promise(frozenset(self._everything.intersection(ids)) if synced else frozenset(), tuple(ids))
        data = b"".join(lines)
        self.disk.replace(self.log_name, data, synced=synced)
        self.promises = {**self.promises, self._inode(): new}
        self.disk.points.pop()  # the moment of the renaming, now with its promise
        self.mark()

    def remove(self) -> None:
        """The host takes the file away, and with it what was promised of it."""
        if self.log_name in self.disk.image():
            self.promises = {**self.promises, None: Promise()}
            self.disk.promised = dict(self.promises)
            self.disk.remove(self.log_name)

    def _inode(self) -> Inode | None:
        return self.disk.points[-1].names[-1].get(self.log_name) if self.disk.points else None

    def _written(self, data: bytes) -> None:
        """One of ours is about to write: note its lines, whether or not they will all arrive."""
        self._wrote = True
        for line in data.split(b"\n"):
            if b',"seal":"' not in line:
                if line and not line.startswith(b'{"type":"session"'):
                    self.host_lines.add(line + b"\n")
                continue
            fields = json.loads(line)
            label = fields.get("turn") or fields.get("note")
            asked = self._asked.get(label, {"type": None})
            if any(fields.get(key) != value for key, value in asked.items()):
                raise Broken("accepted", f"asked for {asked}, wrote {line!r}")
            self._labels[label] = fields["id"]
            self.truth[line] = Told(fields["id"], event_from_fields(codec.flat(fields), codec.FRAME))
            inode = self._inode()
            now = self.promises.get(inode, Promise(self.promises[None].must))
            if fields["id"] not in now.order:
                now = now._replace(order=(*now.order, fields["id"]))
            self.promises = {**self.promises, inode: now}
        self.disk.promised = dict(self.promises)


def _action(chance: Random, label: str, model: str, most: float) -> tuple[str, Callable[[Session], bool], Asked]:
    error, reason = chance.choice(TEXTS), chance.choice(REASONS)
    status = chance.choice((None, 429, 500))
    at = chance.random() * most
    if at < 0.55:
        asked: Asked = {"type": "attempt_failed", "model": model, "reason": reason, "status": status, "turn": label}
        return (
            "attempt_failed",
            lambda session: session.failed(model, reason=reason, status=status, error=error, turn=label),
            asked,
        )
    if at < 0.7:
        asked = {"type": "attempt_succeeded", "model": model, "turn": label}
        return "attempt_succeeded", lambda session: session.succeeded(model, turn=label), asked
    if at < 0.85:
        asked = {"type": "model_switch", "to": model, "cause": "user", "turn": label}
        return "model_switch", lambda session: session.switch(model, turn=label), asked
    if at < 0.92:
        asked = {"type": "model_switch", "cause": "unpin", "turn": label}
        return "model_switch", lambda session: session.unpin(turn=label), asked
    asked = {"type": "failure_cleared", "model": model, "by": "operator", "note": label}
    return "failure_cleared", lambda session: session.clear(model, by="operator", note=label), asked


def host_line(chance: Random) -> bytes:
    """A line as a host writes it: some with our words in them, some no JSON at all."""
    entry = f"{chance.getrandbits(32):08x}"
    text = chance.choice(
        ('say "attempt_failed"', "höhe 模 {}", "hello " * chance.randint(1, 40), '{"type":"model_switch"}')
    )
    if chance.random() < 0.05:
        return b"no JSON, and never was any\n"
    fields = {"type": "message", "id": entry, "parentId": None, "message": {"role": "user", "content": text}}
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


@cache
def other_sessions_log() -> bytes:
    """What the blocks of the disk may have belonged to before: another session's sealed log, but for its beginning.

    A block with a whole first record of a stranger, where our own header is lost, makes the file the stranger's:
    without a header the first record that begins a chain names the session, for a renamed file must stay readable.
    docs/guarantees.md has it among the limits.
    """
    from logs import OTHER, Draft  # here, so that a process without pytest's path fails at its first use

    draft = Draft(OTHER)
    for number in range(12):
        draft.failed(f"stale/model-{number}", turn=f"stale-{number}", error="x" * (number * 7))
        draft.switch(f"stale/model-{number}")
    return b"".join(draft.lines[2:])


__all__ = ["CHAIN", "Broken", "History", "MisuseError", "Promise", "host_line", "other_sessions_log"]
