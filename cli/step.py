"""`switchlog replay --step`: a history, walked in the terminal.

Law: the terminal is the person's. However this ends (a key, Ctrl-C, a signal, an error), it is left as it was found.
What is shown is :mod:`cli.step_view`'s affair, what a key does :mod:`cli.step_walk`'s.
"""

import contextlib
import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from datetime import UTC, datetime
from types import FrameType
from typing import TYPE_CHECKING, Final

import typer

from cli.step_keys import Keys

if TYPE_CHECKING:
    from cli.step_walk import Walk
    from eventlog import Config
    from replay import Policy

_ENTER: Final = b"\x1b[?1049h\x1b[?25l"
_LEAVE: Final = b"\x1b[?25h\x1b[?1049l"
_PATIENCE: Final = 0.05
"""Seconds after which an ESC is a key of its own and not the beginning of an arrow."""


def walk(log: str, at: str | None, session: str | None, config: "Config", *, utc: bool) -> int:
    """Read the log, then walk it until somebody leaves."""
    from cli.output import code_for
    from cli.progress import reading
    from cli.replay import place
    from cli.step_history import History
    from cli.step_walk import Walk
    from eventlog import read_events

    with _keyboard(log) as keyboard:
        position, time = (1, None) if at is None else place(at, utc=utc)
        with reading() as watch:
            events = read_events(log, session, protection=config.protection, watch=watch)
            history = History(events)
        start = history.at(time) if time is not None else history.of_position(position or 0)
        if at is not None and start is None:
            raise typer.BadParameter(f"the log holds no event at or before {at}", param_hint="--at")
        person = Walk(history, start or 0, UTC if utc else None)
        name = events.report.session or log
        Terminal(keyboard, sys.stdout.fileno()).show(person, config.policy, utc=utc, name=name)
    return code_for(events.report, log)


@contextlib.contextmanager
def _keyboard(log: str) -> Iterator[int]:
    """Where keys come from: standard input, or the terminal itself where the log comes through that."""
    refused = "it walks a history at a terminal, and this is none; leave it out, or use --at"
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        raise typer.BadParameter(refused, param_hint="--step")
    if sys.stdin.isatty():
        yield sys.stdin.fileno()
        return
    if log != "-":
        raise typer.BadParameter(refused, param_hint="--step")
    try:
        opened = os.open("/dev/tty", os.O_RDWR)
    except OSError:
        raise typer.BadParameter(refused, param_hint="--step") from None
    try:
        yield opened
    finally:
        os.close(opened)


class Terminal:
    """A terminal in our hands: single keys, its second screen, no cursor."""

    def __init__(self, keyboard: int, display: int) -> None:
        self._keyboard = keyboard
        self._display = display
        self._before = termios.tcgetattr(keyboard)

    def show(self, walk: "Walk", policy: "Policy", *, utc: bool, name: str) -> None:
        """Until the person leaves."""
        from cli.render import console
        from cli.step_view import screen

        out, keys = console(), Keys()
        with self._taken() as wakened:
            while True:
                width, height = self.size()
                with out.capture() as captured:
                    for text in screen(walk, width, height, policy, utc=utc, name=name):
                        out.print(text)
                self._draw(captured.get().removesuffix("\n").split("\n"))
                for key in self._pressed(keys, wakened):
                    walk.press(key, datetime.now(UTC))
                    if walk.done:
                        return

    def size(self) -> tuple[int, int]:
        """Columns and lines; what a terminal that doesn't know says is taken for the usual."""
        size = os.get_terminal_size(self._display)
        return size.columns or 80, size.lines or 24

    def _draw(self, lines: list[str]) -> None:
        """Over the last one, line by line: nothing flickers. No newline at the end, or the screen would scroll."""
        self._write(b"\x1b[H" + b"\r\n".join(f"{line}\x1b[K".encode("utf-8", "replace") for line in lines) + b"\x1b[J")

    def _pressed(self, keys: Keys, wakened: int) -> list[str]:
        """Wait for keys, or for a reason to draw anew."""
        ready, _, _ = select.select([self._keyboard, wakened], [], [], _PATIENCE if keys.waiting else None)
        if not ready:
            return keys.rest()
        if wakened in ready:
            os.read(wakened, 4096)
        if self._keyboard not in ready:
            return []
        data = os.read(self._keyboard, 4096)
        return keys.feed(data) if data else ["quit"]

    @contextlib.contextmanager
    def _taken(self) -> Iterator[int]:
        """Take the terminal, and give it back whatever happens. Yields what can be read when its size has changed."""
        told, tell = os.pipe()
        os.set_blocking(tell, False)

        def resized(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
            with contextlib.suppress(BlockingIOError):
                os.write(tell, b"x")

        def ended(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
            sys.exit(128 + number)

        def stopped(number: int, frame: FrameType | None) -> None:
            self._leave()
            os.kill(os.getpid(), signal.SIGSTOP)
            self._enter()
            resized(number, frame)

        handlers = {
            signal.SIGWINCH: resized,
            signal.SIGTERM: ended,
            signal.SIGHUP: ended,
            signal.SIGTSTP: stopped,
        }
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            self._enter()
            yield told
        finally:
            before[signal.SIGINT] = signal.getsignal(signal.SIGINT)
            for number in before:  # a second Ctrl-C must not come between the terminal and its owner
                signal.signal(number, signal.SIG_IGN)
            self._leave()
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(told)
            os.close(tell)

    def _enter(self) -> None:
        tty.setcbreak(self._keyboard, termios.TCSADRAIN)  # Ctrl-C and Ctrl-Z stay signals
        self._write(_ENTER)

    def _leave(self) -> None:
        with contextlib.suppress(OSError):  # a terminal that was closed needs no care
            self._write(_LEAVE)
        with contextlib.suppress(termios.error):
            termios.tcsetattr(self._keyboard, termios.TCSADRAIN, self._before)

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._display, data) :]
