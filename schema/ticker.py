"""Ticks: something read again and again, and told only when it has changed."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from schema.live import Leave, Sink
from server.logs import get_logger
from storage.database import LOST

log = get_logger(__name__)


def begin_ticking(read: Callable[[], Awaitable[Any]], every_seconds: float, sink: Sink) -> Leave:
    """Tell what `read` gives, now and whenever it gives something else, until whoever watches leaves."""
    ticking = asyncio.create_task(_tick(read, every_seconds, sink))
    return ticking.cancel


async def _tick(read: Callable[[], Awaitable[Any]], every_seconds: float, sink: Sink) -> None:
    last = None
    while True:
        try:
            now = await read()
        except LOST as error:
            log.warning("tick.unread", error=str(error))
        except Exception as fault:  # noqa: BLE001 - whatever it is, who watches is told
            sink.end(fault)
            return
        else:
            if now != last:
                sink.offer("", now)
                last = now
        await asyncio.sleep(every_seconds)
