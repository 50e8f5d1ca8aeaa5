"""The hub: one Redis connection for each web process, shared by all who watch, which never misses the end of a job.

Whoever watches registers first, then reads the row, then is told of newer versions: nothing falls in between.
Redis forgets what it published while we were away, so all that is watched is read again after every connect,
and every few seconds besides: with Redis dead, a screen is late by that much and no more.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.exceptions import RedisError

from server.logs import get_logger
from storage import jobs
from storage.database import LOST
from storage.events import SESSIONS_TOPIC, job_topic, jobs_topic
from storage.jobs import JobState

REREAD_SECONDS = 2.0
PING_SECONDS = 5.0
SILENCE_SECONDS = 12.0  # two pings unanswered: the other end is gone, whatever TCP thinks
SUBSCRIBE_SECONDS = 1.0
REMEMBERED_ENDS = 4096

log = get_logger(__name__)


class Feed:
    """What one watcher has yet to see: the newest state of each job, so that a slow one skips steps, never the end."""

    def __init__(self) -> None:
        self.seen: dict[UUID, int] = {}
        self._waiting: dict[UUID, JobState] = {}
        self._ready = asyncio.Event()
        self._closed = False

    def offer(self, state: JobState) -> None:
        """Take a state, unless it is no newer than what was taken before."""
        if state.version <= self.seen.get(state.id, 0):
            return
        self.seen[state.id] = state.version
        self._waiting[state.id] = state
        self._ready.set()
        if len(self.seen) > REMEMBERED_ENDS:
            self.seen.pop(next(iter(self.seen)))

    def close(self) -> None:
        """Let the watcher go on its way."""
        self._closed = True
        self._ready.set()

    async def __aiter__(self) -> AsyncIterator[JobState]:
        while True:
            await self._ready.wait()
            self._ready.clear()
            while self._waiting:
                yield self._waiting.pop(next(iter(self._waiting)))
            if self._closed:
                return


class Hub:
    """Reference-counted topics over one connection."""

    def __init__(self, redis_url: str) -> None:
        self._pool = ConnectionPool.from_url(redis_url, protocol=2, socket_timeout=None, socket_connect_timeout=2.0)
        self._feeds: dict[str, set[Feed]] = {}
        self._watched: dict[str, UUID] = {}  # topic → the job or the person that it is about
        self._acknowledged: dict[str, asyncio.Event] = {}
        self._changed = asyncio.Event()
        self._connected = False
        self._is_stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self._last_reread = datetime.now(UTC)
        self.on_session_ended: list[Callable[[UUID], None]] = []

    async def start(self) -> None:
        """Connect, and keep connected."""
        self._tasks = [asyncio.create_task(self._stay_connected()), asyncio.create_task(self._keep_rereading())]

    async def stop(self) -> None:
        """Let every watcher and the connection go."""
        self._is_stopping = True
        for feeds in self._feeds.values():
            for feed in feeds:
                feed.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._pool.disconnect()

    @property
    def watcher_count(self) -> int:
        return sum(map(len, self._feeds.values()))

    @property
    def topic_count(self) -> int:
        return len(self._feeds)

    @property
    def is_connected(self) -> bool:
        return self._connected

    @asynccontextmanager
    async def watch_job(self, job_id: UUID) -> AsyncIterator[Feed]:
        """The states of one job, from when this is entered."""
        async with self._watch(job_topic(job_id), job_id) as feed:
            yield feed

    @asynccontextmanager
    async def watch_jobs_of(self, user_id: UUID) -> AsyncIterator[Feed]:
        """The states of all of a person's jobs, from when this is entered."""
        async with self._watch(jobs_topic(user_id), user_id) as feed:
            yield feed

    @asynccontextmanager
    async def _watch(self, topic: str, subject: UUID) -> AsyncIterator[Feed]:
        feed = Feed()
        if topic not in self._feeds:
            self._feeds[topic] = set()
            self._watched[topic] = subject
            self._acknowledged[topic] = asyncio.Event()
            self._changed.set()
        self._feeds[topic].add(feed)
        try:
            if self._connected:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._acknowledged[topic].wait(), SUBSCRIBE_SECONDS)
            yield feed
        finally:
            self._feeds[topic].discard(feed)
            if not self._feeds[topic]:
                del self._feeds[topic], self._watched[topic], self._acknowledged[topic]
                self._changed.set()

    async def _stay_connected(self) -> None:
        while not self._is_stopping:  # a cancel that meets a lost connection is swallowed with it
            connection = self._pool.make_connection()  # type: ignore[no-untyped-call] # redis-py left it so
            try:
                await connection.connect()
                self._connected = True
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._send_wishes(connection))
                    group.create_task(self._ping(connection))
                    group.create_task(self._receive(connection))
            except* (RedisError, TimeoutError, *LOST) as errors:
                log.warning("hub.disconnected", error=str(errors.exceptions[0]))
            except* Exception:  # without the hub, screens would be late for good
                log.exception("hub.fault")
            finally:
                self._connected = False
                for acknowledged in self._acknowledged.values():
                    acknowledged.clear()
                with suppress(RedisError, OSError):
                    await connection.disconnect(nowait=True)
            await asyncio.sleep(random.uniform(0.1, 0.5))  # noqa: S311 - jitter

    async def _send_wishes(self, connection: AbstractConnection) -> None:
        """Tell Redis which topics are watched, as that changes; after a connect, all of them."""
        subscribed: set[str] = set()
        while True:
            self._changed.clear()
            wanted = {SESSIONS_TOPIC, *self._feeds}
            for command, topics in (("SUBSCRIBE", wanted - subscribed), ("UNSUBSCRIBE", subscribed - wanted)):
                if topics:
                    await connection.send_command(command, *topics)
            subscribed = wanted
            await self._changed.wait()

    async def _ping(self, connection: AbstractConnection) -> None:
        while True:
            await asyncio.sleep(PING_SECONDS)
            await connection.send_command("PING")

    async def _receive(self, connection: AbstractConnection) -> None:
        await self._reread()
        while True:
            async with asyncio.timeout(SILENCE_SECONDS):
                message = await connection.read_response()
            match message:
                case [b"message", bytes(topic), bytes(payload)]:
                    self._deliver(topic.decode(), payload)
                case [b"subscribe", bytes(topic), _]:
                    if acknowledged := self._acknowledged.get(topic.decode()):
                        acknowledged.set()

    def _deliver(self, topic: str, payload: bytes) -> None:
        try:
            if topic == SESSIONS_TOPIC:
                self._end_session(UUID(hex=payload.decode()))
            elif feeds := self._feeds.get(topic):
                state = JobState.decode(payload)
                for feed in feeds:
                    feed.offer(state)
        except (ValueError, TypeError, KeyError):
            log.warning("event.unreadable", topic=topic)  # of another version of Libretto; the next reading brings it

    def _end_session(self, session_id: UUID) -> None:
        for tell in self.on_session_ended:
            tell(session_id)

    async def _keep_rereading(self) -> None:
        while True:
            await asyncio.sleep(REREAD_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
            try:
                await self._reread()
            except LOST as error:
                log.warning("hub.unread", error=str(error))

    async def _reread(self) -> None:
        """Read all that is watched, in two statements however many watch, and tell who has not heard."""
        began = datetime.now(UTC)
        by_job = {subject: topic for topic, subject in self._watched.items() if topic.startswith("job:")}
        by_user = {subject: topic for topic, subject in self._watched.items() if topic.startswith("jobs:")}
        if by_job:
            self._tell(await jobs.read_states(by_job), by_job, lambda state: state.id)
        if by_user:
            changed = await jobs.read_changes(by_user, self._last_reread - timedelta(seconds=10 * REREAD_SECONDS))
            self._tell(changed, by_user, lambda state: state.user_id)
        self._last_reread = began

    def _tell(
        self, states: Iterable[JobState], topics: Mapping[UUID, str], subject: Callable[[JobState], UUID]
    ) -> None:
        for state in states:
            for feed in self._feeds.get(topics[subject(state)], ()):
                feed.offer(state)
