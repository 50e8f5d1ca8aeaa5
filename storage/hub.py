"""The hub: one Redis connection for each web process, shared by all who watch, which never misses the end of a job.

Whoever watches registers first, then reads the row, then is told of newer versions: nothing falls in between.
Redis forgets what it published while we were away, so all that is watched is read again after every connect,
and every few seconds besides: with Redis dead, a screen is late by that much and no more.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.exceptions import RedisError

from server.logs import get_logger
from storage import jobs, users
from storage.database import LOST
from storage.events import SESSIONS_TOPIC, job_topic, jobs_topic
from storage.jobs import JobState

REREAD_SECONDS = 2.0
OVERLAP_SECONDS = 20.0  # a job's end is dated when its transaction begins
PING_SECONDS = 5.0
MAX_UNANSWERED = 2  # pings; then the other end is gone, whatever TCP thinks
SUBSCRIBE_SECONDS = 1.0
REMEMBERED_ENDS = 20_000

log = get_logger(__name__)

Tell = Callable[[JobState], None]
Read = Callable[[], Awaitable[Iterable[JobState]]]
Leave = Callable[[], object]


class Feed:
    """One watcher's way in: first what was read, then what is newer; what comes before the reading is over waits."""

    def __init__(self, tell: Tell) -> None:
        self.seen: dict[UUID, int] = {}
        self._tell = tell
        self._waiting: dict[UUID, JobState] | None = {}  # None: nothing waits any more

    def begin(self, states: Iterable[JobState]) -> None:
        """Tell what was read, then what came meanwhile."""
        meanwhile, self._waiting = self._waiting or {}, None
        for state in (*states, *meanwhile.values()):
            self.offer(state)

    def offer(self, state: JobState) -> None:
        """Tell of a state at once, unless it is no newer than what was told before."""
        if self._waiting is not None:
            known = self._waiting.get(state.id)
            if known is None or known.version < state.version:
                self._waiting[state.id] = state
        elif state.version > self.seen.get(state.id, 0):
            self.seen[state.id] = state.version
            if len(self.seen) > REMEMBERED_ENDS:
                self.seen.pop(next(iter(self.seen)))
            self._tell(state)


@dataclass(eq=False)
class Topic:
    """The job or the person that it is about, and who watches; a tuple, for who is told may leave at once."""

    subject: UUID
    feeds: tuple[Feed, ...] = ()
    is_heard: asyncio.Event = field(default_factory=asyncio.Event)  # Redis sends us what is published under it

    def find_known(self, job_id: UUID) -> int:
        """Up to which version everybody knows a job."""
        return min((feed.seen.get(job_id, 0) for feed in self.feeds), default=0)


class Hub:
    """Reference-counted topics over one connection."""

    def __init__(self, redis_url: str, *, token_seconds: float = 0) -> None:
        self._pool = ConnectionPool.from_url(redis_url, protocol=2, socket_timeout=None, socket_connect_timeout=2.0)
        self._topics: dict[str, Topic] = {}
        self._changed = asyncio.Event()
        self._has_heard = False
        self._connected = False
        self._is_stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self._reread_at = time.monotonic()
        self._sessions_read_at = self._reread_at - token_seconds  # tokens live for so long, whoever has ended since
        self.on_session_ended: list[Callable[[UUID], None]] = []

    async def start(self) -> None:
        """Connect, and keep connected; who has logged out before is known from the first request on."""
        with suppress(*LOST):  # then the loop does it
            await self._read_sessions()
        self._tasks = [asyncio.create_task(self._stay_connected()), asyncio.create_task(self._keep_rereading())]

    async def stop(self) -> None:
        """Let the connection go."""
        self._is_stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._pool.disconnect()

    @property
    def watcher_count(self) -> int:
        return sum(len(topic.feeds) for topic in self._topics.values())

    @property
    def topic_count(self) -> int:
        return len(self._topics)

    @property
    def is_connected(self) -> bool:
        return self._connected

    async def watch_job(self, job_id: UUID, tell: Tell, read: Read) -> Leave:
        """Tell of one job, from what `read` gives on, until whoever watches leaves."""
        return await self._watch(job_topic(job_id), job_id, tell, read)

    async def watch_jobs_of(self, user_id: UUID, tell: Tell, read: Read) -> Leave:
        """Tell of all of a person's jobs, from what `read` gives on, until whoever watches leaves."""
        return await self._watch(jobs_topic(user_id), user_id, tell, read)

    async def _watch(self, name: str, subject: UUID, tell: Tell, read: Read) -> Leave:
        feed = Feed(tell)
        topic = self._join(name, subject, feed)
        try:
            if self._connected:
                with suppress(TimeoutError):
                    await asyncio.wait_for(topic.is_heard.wait(), SUBSCRIBE_SECONDS)
            feed.begin(await read())
        except BaseException:
            self._leave(name, feed)
            raise
        return lambda: self._leave(name, feed)

    def _join(self, name: str, subject: UUID, feed: Feed) -> Topic:
        topic = self._topics.get(name)
        if topic is None:
            topic = self._topics[name] = Topic(subject)
            self._changed.set()
        topic.feeds = (*topic.feeds, feed)
        return topic

    def _leave(self, name: str, feed: Feed) -> None:
        if topic := self._topics.get(name):
            topic.feeds = tuple(one for one in topic.feeds if one is not feed)
            if not topic.feeds:
                del self._topics[name]
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
                for topic in self._topics.values():
                    topic.is_heard.clear()
                with suppress(RedisError, OSError):
                    await connection.disconnect(nowait=True)
            await asyncio.sleep(random.uniform(0.1, 0.5))  # noqa: S311 - jitter

    async def _send_wishes(self, connection: AbstractConnection) -> None:
        """Tell Redis which topics are watched, as that changes; after a connect, all of them."""
        subscribed: set[str] = set()
        while True:
            self._changed.clear()
            wanted = {SESSIONS_TOPIC, *self._topics}
            for command, topics in (("SUBSCRIBE", wanted - subscribed), ("UNSUBSCRIBE", subscribed - wanted)):
                if topics:
                    await connection.send_command(command, *topics)
            subscribed = wanted
            await self._changed.wait()

    async def _ping(self, connection: AbstractConnection) -> None:
        unanswered = 0
        while unanswered < MAX_UNANSWERED:
            self._has_heard = False
            await connection.send_command("PING")
            await asyncio.sleep(PING_SECONDS)
            unanswered = 0 if self._has_heard else unanswered + 1
        raise TimeoutError("Redis is silent")

    async def _receive(self, connection: AbstractConnection) -> None:
        await self._reread()
        while True:
            message = await connection.read_response()  # a timeout for each would cost more than all that it brings
            self._has_heard = True
            match message:
                case [b"message", bytes(name), bytes(payload)]:
                    self._deliver(name.decode(), payload)
                case [b"subscribe", bytes(name), _]:
                    if topic := self._topics.get(name.decode()):
                        topic.is_heard.set()

    def _deliver(self, name: str, payload: bytes) -> None:
        try:
            if name == SESSIONS_TOPIC:
                self.end_session(UUID(hex=payload.decode()))
                return
            topic = self._topics.get(name)
            state = JobState.decode(payload) if topic is not None else None
        except (ValueError, TypeError, KeyError):
            log.warning("event.unreadable", topic=name)  # of another version of Libretto; the next reading brings it
            return
        if topic is not None and state is not None:
            for feed in topic.feeds:
                feed.offer(state)

    def end_session(self, session_id: UUID) -> None:
        """Tell this process that a session has ended; the others hear of it through Redis, or read it."""
        for tell in self.on_session_ended:
            tell(session_id)

    async def _keep_rereading(self) -> None:
        while True:
            await asyncio.sleep(REREAD_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
            try:
                await self._reread()
            except LOST as error:
                log.warning("hub.unread", error=str(error))
            except Exception:  # whatever it is, it may pass; and without this loop, screens could be late for good
                log.exception("hub.fault")

    async def _reread(self) -> None:
        """Read what is watched and has changed, in a few statements however many watch, and tell who has not heard."""
        began = time.monotonic()
        await self._read_sessions()
        by_job = {topic.subject: topic for name, topic in self._topics.items() if name.startswith("job:")}
        by_user = {topic.subject: topic for name, topic in self._topics.items() if name.startswith("jobs:")}
        if by_job:
            newer = await jobs.read_newer({job_id: topic.find_known(job_id) for job_id, topic in by_job.items()})
            _tell(newer, by_job, lambda state: state.id)
        if by_user:
            versions = await jobs.read_versions(by_user, began - self._reread_at + OVERLAP_SECONDS)
            known = {job_id: by_user[user_id].find_known(job_id) for job_id, user_id, _ in versions}
            outdated = {job_id: known[job_id] for job_id, _, version in versions if version > known[job_id]}
            if outdated:
                _tell(await jobs.read_newer(outdated), by_user, lambda state: state.user_id)
        self._reread_at = began

    async def _read_sessions(self) -> None:
        began = time.monotonic()
        for session_id in await users.list_revoked_sessions(began - self._sessions_read_at + OVERLAP_SECONDS):
            self.end_session(session_id)
        self._sessions_read_at = began


def _tell(states: Iterable[JobState], topics: Mapping[UUID, Topic], subject: Callable[[JobState], UUID]) -> None:
    for state in states:
        for feed in topics[subject(state)].feeds:
            feed.offer(state)
