"""Allowances: how often a person may do what costs money or room; counted in Redis, and nothing goes while it is away.

The times of what was done are kept, so that no stretch of time, wherever it begins, holds more than is allowed. A
bucket that fills up again would take less room, and let the 31st of thirty a minute through after two seconds.
"""

import asyncio
import math
from collections.abc import Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from redis.exceptions import RedisError

from server.errors import RateLimited, Unavailable
from server.logs import get_logger
from storage import users
from storage.events import connect


@dataclass(frozen=True)
class Allowance:
    """So many times in any stretch of so many seconds, all at once if need be."""

    name: str
    count: int
    seconds: int


COVER_SAVES = Allowance("covers.save", 30, 60)
SERIES = Allowance("series.create", 10, 3600)
TRACKS = Allowance("tracks.create", 5, 60)
WEBHOOK_SENDS = Allowance("webhooks.send", 10, 60)  # tests and replays, which anybody may have sent anywhere
TRACKS_OF_PRO = Allowance("tracks.create.pro", 15, 60)  # besides those of everybody: 20 in all

# KEYS[1]: the times in µs by Redis' clock, which all processes share, the newest first; ARGV: count, stretch in µs.
# Answers with how long to wait, 0 if it was counted; what is refused is not counted, so asking early costs nothing.
SPEND = """
local clock = redis.call('TIME')
local now, count, stretch = clock[1] * 1000000 + clock[2], tonumber(ARGV[1]), tonumber(ARGV[2])
local oldest = redis.call('LINDEX', KEYS[1], count - 1)
local wait = oldest and oldest + stretch - now or 0
if wait > 0 then return wait end
redis.call('LPUSH', KEYS[1], string.format('%.0f', now))
redis.call('LTRIM', KEYS[1], 0, count - 1)
redis.call('PEXPIRE', KEYS[1], stretch / 1000)
return 0
"""

log = get_logger(__name__)


class Wish(NamedTuple):
    """Somebody who waits to hear for how long they must wait."""

    allowance: Allowance
    user_id: UUID
    wait_seconds: asyncio.Future[float]


class Purse:
    """Spends allowances a batch at a time: while one is on its way to Redis, the next gathers."""

    def __init__(self, url: str, scale: float) -> None:
        self._client = connect(url)
        self._scale = scale
        self._gathered: list[Wish] = []
        self._sender: asyncio.Task[None] | None = None

    async def spend(self, allowance: Allowance, user_id: UUID) -> float:
        """Count one more, unless it is too many: then for how many seconds it will be."""
        if self._scale == 0:
            return 0.0
        wish = Wish(allowance, user_id, asyncio.get_running_loop().create_future())
        self._gathered.append(wish)
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_all(), context=Context())  # it is nobody's request
        return await wish.wait_seconds

    async def _send_all(self) -> None:
        try:
            while self._gathered:
                batch, self._gathered = self._gathered, []
                await self._send(batch)
        finally:
            self._sender = None

    async def _send(self, batch: Sequence[Wish]) -> None:
        pipe = self._client.pipeline(transaction=False)
        for allowance, user_id, _ in batch:
            count = max(1, round(allowance.count * self._scale))
            pipe.eval(SPEND, 1, f"allowance:{allowance.name}:{user_id.hex}", count, allowance.seconds * 1_000_000)
        waits: list[int | None]
        try:
            waits = await pipe.execute()
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("allowances.unknown", count=len(batch), error=str(error))
            waits = [None] * len(batch)
        for wish, wait in zip(batch, waits, strict=True):
            _answer(wish, wait)

    async def close(self) -> None:
        """Let the connections go."""
        await self._client.aclose()


def _answer(wish: Wish, wait_microseconds: int | None) -> None:
    if wish.wait_seconds.done():  # whoever asked has gone
        return
    if wait_microseconds is None:
        wish.wait_seconds.set_exception(
            Unavailable("What you may do cannot be counted right now; try again in a moment")
        )
    else:
        wish.wait_seconds.set_result(math.ceil(wait_microseconds / 1000) / 1000)


_purse: Purse | None = None


def open_allowances(url: str, scale: float) -> Purse:
    """Make this process able to count; with a scale of 0 everything is allowed."""
    global _purse  # noqa: PLW0603 - like the database, one for each process
    _purse = Purse(url, scale)
    return _purse


async def close_allowances() -> None:
    """Let the connections go."""
    global _purse  # noqa: PLW0603 - see open_allowances
    if _purse is not None:
        await _purse.close()
        _purse = None


async def spend(allowance: Allowance, user_id: UUID) -> None:
    """Count one more; raises RateLimited when it is too many, and Unavailable when nobody can tell."""
    if wait := await _spend(allowance, user_id):
        raise RateLimited(wait)


async def spend_track(user_id: UUID) -> None:
    """Count one more track, as `spend` does; the plan is only looked at once what everybody may do is spent."""
    wait = await _spend(TRACKS, user_id)
    if wait and await users.is_pro(user_id):
        wait = min(wait, await _spend(TRACKS_OF_PRO, user_id))
    if wait:
        raise RateLimited(wait)


async def _spend(allowance: Allowance, user_id: UUID) -> float:
    if _purse is None:
        raise Unavailable("Nobody counts what may be done")
    return await _purse.spend(allowance, user_id)
