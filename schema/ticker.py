"""Ticks: something read again and again, and sent on only when it has changed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from server.logs import get_logger
from storage.database import LOST

T = TypeVar("T")

log = get_logger(__name__)


async def tick(read: Callable[[], Awaitable[T]], every_seconds: float) -> AsyncIterator[T]:
    """What `read` gives, now and whenever it gives something else."""
    last: T | None = None
    while True:
        try:
            now = await read()
        except LOST as error:
            log.warning("tick.unread", error=str(error))
        else:
            if now != last:
                yield now
                last = now
        await asyncio.sleep(every_seconds)
