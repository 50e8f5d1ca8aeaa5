"""Allowances: how often a person may do what costs money or room; counted in Redis, and nothing goes while it is away.

The times of what was done are kept, so that no stretch of time, wherever it begins, holds more than is allowed. A
bucket that fills up again would take less room, and let the 31st of thirty a minute through after two seconds.
"""

import asyncio
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import Context, ContextVar
from dataclasses import dataclass, field, replace
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


ANALYSES = Allowance("analyses.request", 20, 60)
CLIPS = Allowance("videos.regenerate", 30, 3600)  # these two may cost the operator money
COVER_SAVES = Allowance("covers.save", 30, 60)
GENERATED_VIDEOS = Allowance("videos.generate", 5, 3600)
LYRICS = Allowance("lyrics.align", 20, 3600)
SERIES = Allowance("series.create", 10, 3600)
SONGS = Allowance("songs.look_up", 30, 60)
UPLOADS = Allowance("uploads.create", 60, 3600)
VIDEOS = Allowance("videos.create", 10, 60)
TRACKS = Allowance("tracks.create", 5, 60)
WEBHOOK_SENDS = Allowance("webhooks.send", 10, 60)  # tests and replays, which anybody may have sent anywhere
TRACKS_OF_PRO = Allowance("tracks.create.pro", 15, 60)  # besides those of everybody: 20 in all

OF_EVERYBODY = (
    ANALYSES,
    COVER_SAVES,
    LYRICS,
    SERIES,
    SONGS,
    UPLOADS,
    VIDEOS,
    GENERATED_VIDEOS,
    CLIPS,
    WEBHOOK_SENDS,
    TRACKS,
)  # the last is added to by plans

# KEYS[1]: the times in µs by Redis' clock, which all processes share, the newest first; ARGV: count, stretch in µs,
# 1 to count one more. Answers with how long to wait, how many are left, and when the next one comes back; what is
# refused is not counted, so asking early costs nothing.
ASK = """
local clock = redis.call('TIME')
local now, count, stretch = clock[1] * 1000000 + clock[2], tonumber(ARGV[1]), tonumber(ARGV[2])
local function find_wait(place)
    local time = redis.call('LINDEX', KEYS[1], place)
    return time and time + stretch - now or nil
end
while (find_wait(-1) or 1) <= 0 do redis.call('RPOP', KEYS[1]) end
local wait = find_wait(count - 1) or 0
if wait <= 0 and ARGV[3] == '1' then
    redis.call('LPUSH', KEYS[1], string.format('%.0f', now))
    redis.call('LTRIM', KEYS[1], 0, count - 1)
    redis.call('PEXPIRE', KEYS[1], stretch / 1000)
end
return {wait, math.max(0, count - redis.call('LLEN', KEYS[1])), find_wait(-1) or 0}
"""

log = get_logger(__name__)


@dataclass(frozen=True)
class Standing:
    """How somebody stands with an allowance."""

    name: str
    limit: int
    seconds: int
    remaining: int
    wait_seconds: float  # until one more may; 0: now
    restored_seconds: float  # until the next of what was spent comes back; 0: all are there


@dataclass
class Spending:
    """What one request has spent, for whoever tells its client."""

    standings: list[Standing] = field(default_factory=list)
    retry_after_seconds: float | None = None  # it was refused


class Wish(NamedTuple):
    """Somebody who waits to hear how they stand."""

    allowance: Allowance
    user_id: UUID
    is_spent: bool
    standing: asyncio.Future[Standing]


class Purse:
    """Spends allowances a batch at a time: while one is on its way to Redis, the next gathers."""

    def __init__(self, url: str, scale: float) -> None:
        self._client = connect(url)
        self._scale = scale
        self._gathered: list[Wish] = []
        self._sender: asyncio.Task[None] | None = None

    def find_limit(self, allowance: Allowance) -> int | None:
        """How many times are allowed; None: no matter how many."""
        return max(1, round(allowance.count * self._scale)) if self._scale else None

    async def spend(self, allowance: Allowance, user_id: UUID) -> float:
        """Count one more, unless it is too many: then for how many seconds it will be."""
        if self._scale == 0:
            return 0.0
        standing = await self.ask(allowance, user_id, is_spent=True)
        if spending := _spending.get():
            spending.standings.append(standing)
        return standing.wait_seconds

    async def ask(self, allowance: Allowance, user_id: UUID, *, is_spent: bool = False) -> Standing:
        """How somebody stands, after one more was counted if there was one left."""
        wish = Wish(allowance, user_id, is_spent, asyncio.get_running_loop().create_future())
        self._gathered.append(wish)
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_all(), context=Context())  # it is nobody's request
        return await wish.standing

    async def _send_all(self) -> None:
        try:
            while self._gathered:
                batch, self._gathered = self._gathered, []
                await self._send(batch)
        finally:
            self._sender = None

    async def _send(self, batch: Sequence[Wish]) -> None:
        pipe = self._client.pipeline(transaction=False)
        for allowance, user_id, is_spent, _ in batch:
            key, stretch = f"allowance:{allowance.name}:{user_id.hex}", allowance.seconds * 1_000_000
            pipe.eval(ASK, 1, key, self.find_limit(allowance) or allowance.count, stretch, int(is_spent))
        answers: list[tuple[int, int, int] | None]
        try:
            answers = await pipe.execute()
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("allowances.unknown", count=len(batch), error=str(error))
            answers = [None] * len(batch)
        for wish, told in zip(batch, answers, strict=True):
            self._answer(wish, told)

    def _answer(self, wish: Wish, told: tuple[int, int, int] | None) -> None:
        if wish.standing.done():  # whoever asked has gone
            return
        if told is None:
            wish.standing.set_exception(
                Unavailable("What you may do cannot be counted right now; try again in a moment")
            )
            return
        wait, remaining, restored = told
        allowance = wish.allowance
        limit = self.find_limit(allowance) or allowance.count
        standing = Standing(
            allowance.name, limit, allowance.seconds, remaining, _as_seconds(wait), _as_seconds(restored)
        )
        wish.standing.set_result(standing)

    async def close(self) -> None:
        """Let the connections go."""
        await self._client.aclose()


def _as_seconds(microseconds: int) -> float:
    return math.ceil(microseconds / 1000) / 1000


_spending: ContextVar[Spending | None] = ContextVar("spending", default=None)


@contextmanager
def noting() -> Iterator[Spending]:
    """Note what is spent inside."""
    spending = Spending()
    token = _spending.set(spending)
    try:
        yield spending
    finally:
        _spending.reset(token)


def note_refusal(refusal: RateLimited) -> None:
    """Note that a request is answered with this."""
    if spending := _spending.get():
        spending.retry_after_seconds = max(spending.retry_after_seconds or 0, refusal.retry_after_seconds)


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


async def list_standings(user_id: UUID) -> list[Standing]:
    """How somebody stands with all that is counted for them; nothing when nothing is limited."""
    purse = _get_purse()
    if purse.find_limit(TRACKS) is None:
        return []
    extra = (TRACKS_OF_PRO,) if await users.is_pro(user_id) else ()
    standings = await asyncio.gather(*(purse.ask(one, user_id) for one in (*OF_EVERYBODY, *extra)))
    last = len(OF_EVERYBODY) - 1
    return [*standings[:last], _add_up(standings[last:])]


def list_limits(*, is_pro: bool) -> list[tuple[Allowance, int]]:
    """What a plan allows, and how many times; nothing when nothing is limited."""
    purse = _get_purse()
    limits = [(allowance, limit) for allowance in OF_EVERYBODY if (limit := purse.find_limit(allowance))]
    if is_pro and limits:
        allowance, limit = limits.pop()
        limits.append((allowance, limit + (purse.find_limit(TRACKS_OF_PRO) or 0)))
    return limits


def _add_up(standings: Sequence[Standing]) -> Standing:
    """What somebody has of one thing in two allowances: the first one of them that comes back is the next."""
    first = standings[0]
    return replace(
        first,
        limit=sum(one.limit for one in standings),
        remaining=sum(one.remaining for one in standings),
        wait_seconds=min(one.wait_seconds for one in standings),
        restored_seconds=min((one.restored_seconds for one in standings if one.restored_seconds), default=0.0),
    )


async def _spend(allowance: Allowance, user_id: UUID) -> float:
    return await _get_purse().spend(allowance, user_id)


def _get_purse() -> Purse:
    if _purse is None:
        raise Unavailable("Nobody counts what may be done")
    return _purse
