"""Work for the disk, out of a task.

Law: what has begun is finished. No cancellation cuts a record in half, and none is lost.
"""

import contextlib
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def off_loop(body: Callable[[], T]) -> T:
    """What ``body`` returns, run in a thread: a sync to disk must not hold up the other tasks.

    A cancellation waits until it is done, for half a record helps nobody, and is raised then.
    """
    import asyncio  # whoever calls this has it already; a gateway without asyncio need not wait for it
    from contextvars import copy_context

    # No task (as asyncio.to_thread would need one): the end of asyncio.run cancels every task, also this one, and with
    # it a record that still waits for a thread.
    done = asyncio.get_running_loop().run_in_executor(None, copy_context().run, body)
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        while not done.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({done})
        raise
