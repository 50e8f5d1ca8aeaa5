"""Deadlines that hold: what takes too long is told to stop, and nobody waits for it to have stopped."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """What `work` answers, or TimeoutError.

    `asyncio.timeout` waits until the work has ended, which a driver that waits for a frozen database puts off for ever.
    """
    loop = asyncio.get_running_loop()
    task, ended = loop.create_task(work), loop.create_future()

    def end(_task: "asyncio.Task[T] | None" = None) -> None:
        if not ended.done():
            ended.set_result(None)

    task.add_done_callback(end)
    alarm = loop.call_later(seconds, end)
    try:
        await ended  # two callbacks: what `asyncio.wait` does besides takes as long again
    finally:
        alarm.cancel()
        if not task.done():
            task.add_done_callback(_forget)
            task.cancel()
    if not task.done():
        raise TimeoutError
    return task.result()


def _forget(task: "asyncio.Task[Any]") -> None:
    if not task.cancelled():
        task.exception()
