"""A nursery of gateways to be broken: it forks one after the other, each in a few milliseconds, for a test to drive.

Law: it does what it is told and says what came of it, nothing else. What goes wrong is arranged outside: by strace, by
the shim in front of the C library, by limits of the kernel, by a full disk.

    fault_writer.py SOCKET          (see faults.Nursery, which starts it)

A child reads commands, JSON lists of one line each, and answers each with such a line:

    ["open", PATH]                  a session is opened; the one before is let go without closing it
    ["fail", LABEL]                 a failure is recorded: [LABEL, acknowledged, degraded]
    ["fails", NAME, COUNT]          COUNT of them, NAME.0 and so on, each with its answer
    ["close"]                       the session is closed: ["close", degraded]
    ["fork", NAME, COUNT, NESTED]   it forks with the session open; parent and child (and its child) record COUNT each
    ["process", NAME, COUNT]        the same by multiprocessing
    ["limit", BYTES | null]         no file grows beyond so many bytes, until the limit is lifted
    ["files", NUMBER | null]        no more descriptors than so many
    ["become", UID]                 another user from here on, and no root
    ["replace", NAME]  ["cut", BYTES]  ["delete"]         the host does that to the log
    ["shim", PLAN]                  what the shim is to do from here on (see faults.SHIM)

An exception is told as ["raised", TEXT], and the next command is read.
"""

import ctypes
import json
import multiprocessing
import os
import resource
import signal
import socket
import struct
import sys
import traceback
from pathlib import Path

from eventlog import Chain, Policy, Session

LIBRARY = ctypes.CDLL(None)
LENGTH = struct.Struct("!i")
PATIENCE = 100
"""Seconds after which a gateway dies by itself: one that hangs is a fault, and must not outlive its test."""


class Gateway:
    """The child's work."""

    def __init__(self, told: int) -> None:
        self.told = told
        self.path = Path()
        self.session: Session | None = None

    def tell(self, *words: object) -> None:
        os.write(self.told, json.dumps(words).encode() + b"\n")  # one write a line: a kill leaves no half of one

    def obey(self, what: str, *arguments: object) -> None:
        match what, *arguments:
            case "fail", str(label):
                self.fail(label)
                return
            case "fails", str(name), int(count):
                for number in range(count):
                    self.fail(f"{name}.{number}")
            case "open", str(path):
                self.path = Path(path)
                self.session = Session.open(path, chain=Chain("kimi/kimi2.5", "zhipu/glm-5.1"), policy=Policy())
            case ["close"]:
                if self.session is not None:
                    self.session.close()
                    self.tell("close", self.session.degraded)
                    return
            case "fork", str(name), int(count), bool(nested):
                self.fork(name, count, nested=nested)
            case "process", str(name), int(count):
                process = multiprocessing.get_context("fork").Process(target=self.obey, args=("fails", name, count))
                process.start()
                self.obey("fails", f"{name}-parent", count)
                process.join()
            case "limit", bound:
                soften(resource.RLIMIT_FSIZE, bound)
            case "files", bound:
                soften(resource.RLIMIT_NOFILE, bound)
            case "become", int(uid):
                os.seteuid(uid)
            case "replace", str(source):
                self.path.with_name(source).replace(self.path)
            case "cut", int(size):
                os.truncate(self.path, size)
            case ["delete"]:
                self.path.unlink()
            case "shim", str(plan):
                os.environ["FAULT"] = plan
            case _:
                raise ValueError(what)
        self.tell(what)

    def fail(self, label: str) -> None:
        if self.session is None:
            raise ValueError("no session is open")
        number = int(label.rpartition(".")[2])
        text = "Rate limit reached } " * (number % 5)  # lines of several lengths
        kept = self.session.failed(f"kimi/{number % 7}", reason="rate_limit", error=text, turn=label)
        self.tell(label, kept, self.session.degraded)

    def fork(self, name: str, count: int, *, nested: bool) -> None:
        """Parent and child both record so many, at once; the child's child too, if nested."""
        pid = os.fork()
        if pid == 0:
            signal.alarm(PATIENCE)  # a fork begins without one
            status = 1
            try:
                if nested:
                    self.fork(f"{name}-child", count, nested=False)
                else:
                    self.obey("fails", f"{name}-child", count)
                status = 0
            finally:
                os._exit(status)
        self.obey("fails", f"{name}-parent", count)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if status:
            raise ChildProcessError(status)

    def run(self, gate: int) -> None:
        with os.fdopen(gate, "rb", buffering=0) as commands:
            for line in commands:
                try:
                    self.obey(*json.loads(line))
                except Exception as error:  # noqa: BLE001  (which exceptions come out is what the test asks)
                    place = traceback.extract_tb(error.__traceback__)[-1]
                    self.tell("raised", f"{error!r} in {Path(place.filename).name}:{place.name}")


def soften(kind: int, bound: object) -> None:
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (bound if isinstance(bound, int) else hard, hard))


def let_be_traced() -> None:
    """Where Yama lets only parents trace (Ubuntu's default), strace is none of ours: allow it. Not inherited."""
    if hasattr(LIBRARY, "prctl"):
        LIBRARY.prctl(0x59616D61, ctypes.c_ulong(2**64 - 1), 0, 0, 0)


def serve(control: socket.socket) -> None:
    """For each message with descriptors, a child; for each with a pid, how it ended."""
    while True:
        message, fds, _, _ = socket.recv_fds(control, LENGTH.size, 2)
        if not message:
            return
        if not fds:
            pid = LENGTH.unpack(message)[0]
            control.sendall(LENGTH.pack(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))
            continue
        gate, told = fds
        pid = os.fork()
        if pid == 0:
            control.close()
            let_be_traced()
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the test ends it, by its pid
            signal.alarm(PATIENCE)
            Gateway(told).run(gate)
            os._exit(0)
        os.close(gate)
        os.close(told)
        control.sendall(LENGTH.pack(pid))


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
