"""Ctrl-C and SIGTERM, for what goes on until somebody ends it.

Law: the first one asks for an end, between two events and never within one; the second one insists.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType


@contextmanager
def ended_by_signals(stop: threading.Event) -> Iterator[None]:
    """Sets ``stop`` on a signal, as long as this lasts."""

    def end(_: int, __: "FrameType | None") -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    wanted = [one for one in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(one) is not signal.SIG_IGN]
    before = {one: signal.signal(one, end) for one in wanted}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
