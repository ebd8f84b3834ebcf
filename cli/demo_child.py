"""A child process of the demo that speaks in lines.

Law: nobody is left behind. Leaving the ``with`` block ends the child at once; should this process be killed, the
child's stdin ends, and with it the child.
"""

import contextlib
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from types import TracebackType
from typing import Final, Self

PATIENCE: Final = 30.0
"""Seconds to wait for a line of a child; far more than any delay of the demo."""


class DemoError(Exception):
    """A child of the demo did not do what it is there for."""


class Child:
    """A Python module, run as a process of its own."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._name = module
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed in __exit__)
        # -P: a folder called `cli` where the user happens to stand is not ours. A session of its own: Ctrl-C is for
        # us alone, so that the children are ended in order and print no tracebacks of their own.
        self._process = subprocess.Popen(  # noqa: S603  (our own modules)
            [sys.executable, "-P", "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            encoding="utf-8",
            start_new_session=True,
        )
        self.pid = self._process.pid
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        with contextlib.suppress(OSError):  # what was never sent can't be sent any more
            self._process.communicate()
        self._errors.close()

    def kill(self) -> None:
        """End it as a power cut would: SIGKILL, and wait until it is gone."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def say(self, line: str) -> None:
        """Give it a line."""
        pipe = self._process.stdin
        try:
            if pipe is not None:
                pipe.write(line + "\n")
                pipe.flush()
        except OSError:
            raise DemoError(self._ended()) from None

    def line(self) -> str:
        """Its next line; raises DemoError if there is none."""
        try:
            line = self._lines.get(timeout=PATIENCE)
        except queue.Empty:
            raise DemoError(f"{self._name} said nothing for {PATIENCE:.0f} seconds") from None
        if line is None:
            raise DemoError(self._ended())
        return line

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # ValueError: closed while we read
            for line in self._process.stdout or ():
                self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def _ended(self) -> str:
        """Why it is gone, in its own last words."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        self._errors.seek(0)
        words = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return f"{self._name} ended ({self._process.returncode})" + (f": {words[-1]}" if words else "")
