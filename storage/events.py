"""Events: after a commit, the state that it made is published under its topics, for whoever watches.

An event is a hint that may be lost; the row is the truth, and whoever watches reads it again (`storage.hub`).
"""

import asyncio
import time
from collections.abc import Sequence
from contextvars import Context
from uuid import UUID

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from server.errors import Unavailable
from server.logs import get_logger
from storage import database

REST_SECONDS = 1.0  # after a failure nothing is published for so long, lest every write wait for a dead Redis
TIMEOUT_SECONDS = 2.0
PAUSE_SECONDS = 0.005  # after a batch, so that under load more than one event shares the price of the next
MAX_GATHERED = 10_000  # while Redis is slow; what comes then is dropped, as by a dead one

log = get_logger(__name__)


def connect(url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> "redis.Redis":
    """A client that says at once when Redis is away, instead of trying on in silence."""
    return redis.Redis.from_url(
        url,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=15,
    )


class Publisher:
    """Sends events out, a batch at a time and in order; one for each process.

    Whoever publishes does not wait for Redis: while one batch is on its way, the next gathers.
    """

    def __init__(self, url: str) -> None:
        self.client = connect(url)
        self._gathered: list[tuple[str, bytes]] = []
        self._sender: asyncio.Task[None] | None = None
        self._is_closing = False
        self._resting_until = 0.0

    async def publish(self, topics: Sequence[str], payload: bytes) -> None:
        """Send one payload under several topics, soon; a dead Redis costs a log line, not the work."""
        if time.monotonic() < self._resting_until:
            return
        if len(self._gathered) >= MAX_GATHERED:
            self._rest(topics, "Redis does not keep up")
            return
        self._gathered += [(topic, payload) for topic in topics]
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_all(), context=Context())  # it is nobody's request

    async def _send_all(self) -> None:
        try:
            while self._gathered:
                batch, self._gathered = self._gathered, []
                await self._send(batch)
                if not self._is_closing:
                    await asyncio.sleep(PAUSE_SECONDS)
        finally:
            self._sender = None

    async def _send(self, batch: Sequence[tuple[str, bytes]]) -> None:
        try:
            pipe = self.client.pipeline(transaction=False)
            for topic, payload in batch:
                pipe.publish(topic, payload)
            await pipe.execute()
        except (RedisError, OSError, TimeoutError) as error:
            lost, self._gathered = [*batch, *self._gathered], []
            self._rest([topic for topic, _ in lost], str(error))

    def _rest(self, topics: Sequence[str], reason: str) -> None:
        self._resting_until = time.monotonic() + REST_SECONDS
        log.warning("event.unpublished", count=len(topics), topics=topics[:4], error=reason)

    async def ping(self) -> None:
        """Raise Unavailable unless Redis answers."""
        try:
            await self.client.ping()
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable(f"Redis does not answer: {error}") from error

    async def close(self) -> None:
        """Send what is gathered and let the connections go."""
        self._is_closing = True
        if self._sender is not None:
            await self._sender
        await self.client.aclose()


_publisher: Publisher | None = None


def open_events(url: str) -> Publisher:
    """Make this process able to publish."""
    global _publisher  # noqa: PLW0603 - like the database, one for each process
    _publisher = Publisher(url)
    return _publisher


def get_client() -> "redis.Redis":
    """The publisher's connections, for what needs an answer of Redis."""
    if _publisher is None:
        raise Unavailable("Nobody has connected to Redis")
    return _publisher.client


async def close_events() -> None:
    """Let the connections go."""
    global _publisher  # noqa: PLW0603 - see open_events
    if _publisher is not None:
        await _publisher.close()
        _publisher = None


def job_topics(job_id: UUID, user_id: UUID) -> tuple[str, str]:
    """Where a job's states are published: for who watches the job, and for who watches all of a person's jobs."""
    return job_topic(job_id), jobs_topic(user_id)


def job_topic(job_id: UUID) -> str:
    """The topic of one job."""
    return f"job:{job_id.hex}"


def jobs_topic(user_id: UUID) -> str:
    """The topic of all jobs of one person."""
    return f"jobs:{user_id.hex}"


SESSIONS_TOPIC = "sessions"  # the ids of sessions that have ended before their tokens


async def publish_after_commit(topics: Sequence[str], payload: bytes) -> None:
    """Publish once the transaction at hand is durable; at once outside of one."""
    publisher = _publisher
    if publisher is not None:
        await database.after_commit(lambda: publisher.publish(topics, payload))
