"""Events: after a commit, the state that it made is published under its topics, for whoever watches.

An event is a hint that may be lost; the row is the truth, and whoever watches reads it again (`storage.hub`).
"""

import time
from collections.abc import Sequence
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
    """Sends events out; one for each process."""

    def __init__(self, url: str) -> None:
        self.client = connect(url)
        self._resting_until = 0.0

    async def publish(self, topics: Sequence[str], payload: bytes) -> None:
        """Send one payload under several topics; a dead Redis costs a log line, not the work."""
        if time.monotonic() < self._resting_until:
            return
        try:
            pipe = self.client.pipeline(transaction=False)
            for topic in topics:
                pipe.publish(topic, payload)
            await pipe.execute()
        except (RedisError, OSError, TimeoutError) as error:
            self._resting_until = time.monotonic() + REST_SECONDS
            log.warning("event.unpublished", topics=topics, error=str(error))

    async def ping(self) -> None:
        """Raise Unavailable unless Redis answers."""
        try:
            await self.client.ping()
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable(f"Redis does not answer: {error}") from error

    async def close(self) -> None:
        """Let the connections go."""
        await self.client.aclose()


_publisher: Publisher | None = None


def open_events(url: str) -> Publisher:
    """Make this process able to publish."""
    global _publisher  # noqa: PLW0603 - like the database, one for each process
    _publisher = Publisher(url)
    return _publisher


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
