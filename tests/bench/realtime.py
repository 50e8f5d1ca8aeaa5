"""Live screens: how fast, how late and how dearly events reach those who watch, beside Node's graphql-ws."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from uuid import UUID

from redis.asyncio.connection import AbstractConnection

from server.resources import Resources
from storage import database, jobs
from storage.events import job_topics
from storage.jobs import JobState
from storage.lifecycle import State
from storage.rows import new_id, read_id, write_id
from tests.bench.meters import cpu_seconds, resident_kib
from tests.bench.report import Figure, Table, at_least, at_most
from tests.bench.stage import Helper, open_stage, start_aside
from tests.studio import Studio, until

BURST_EVENTS = 40
STEADY_PER_SECOND = 10
PACE_SECONDS = 0.002  # a steady round sends what is due so often
LEASE_SECONDS = 3_600  # no worker runs here, and none shall take these jobs

# graphql-ws + ws with one Redis connection, on 2 cores, November 2026: 1,000 watch one job, and 2,000 a job each
NODE_PER_SECOND, NODE_CPU_SECONDS, NODE_KIB, NODE_P99_MS = 23_500, 20.0, 78, 269
NODE_WIDE_SOCKETS, NODE_WIDE_P99_MS, NODE_WIDE_CPU_SECONDS = 2_000, 173, 28.0
GOAL_PER_SECOND, GOAL_CPU_SECONDS, GOAL_KIB = 3 * NODE_PER_SECOND, 7.0, 40

ONE_JOB = "subscription ($id: ID!) { jobProgress(jobId: $id) { id state stage progress message version } }"

RENDERING = """UPDATE jobs SET state = 'RENDERING', stage = 'rendering', version = 2, attempt = 1, lease_token = 1,
    started_at = now(), lease_until = now() + make_interval(secs => $2) WHERE id = $1 RETURNING *"""


@dataclass
class Topic:
    """A job that is watched, and how many events it has had."""

    state: JobState
    count: int = 0
    _parts: tuple[bytes, bytes] = field(init=False)

    def __post_init__(self) -> None:
        encoded = replace(self.state, message="@", version=0).encode()
        before, _, after = encoded.partition(b"@")
        assert after.endswith(b'"version":0}'), after
        self._parts = before, after.removesuffix(b"0}")

    def step(self) -> bytes:
        """Its next event, which says when it was sent, as two messages to Redis: it is published under two topics."""
        self.count += 1
        stamp = b"T%dN%d" % (time.monotonic_ns() // 1000, self.count)
        payload = stamp.join(self._parts) + b"%d}" % (self.state.version + self.count)
        names = job_topics(self.state.id, self.state.user_id)
        return b"".join(_pack(name.encode(), payload) for name in names)


@dataclass(frozen=True)
class Shape:
    """How many watch how many jobs, one each."""

    sockets: int
    jobs: int

    @property
    def watchers_of_each(self) -> int:
        return self.sockets // self.jobs


@dataclass(frozen=True)
class Seen:
    """What came of some events."""

    per_second: float
    delivered: float  # share of the events that were sent; a slow screen skips steps, never the last
    p50_ms: float
    p99_ms: float
    cpu_seconds_per_million: float


@dataclass
class Scene:
    """A web process, who watches it, and the events' way in."""

    watchers: Helper
    pid: int
    topics: Sequence[Topic]
    shape: Shape
    redis: AbstractConnection

    async def steady(self, seconds: float) -> Seen:
        """So many events each second for each job, spread evenly."""
        return await self._observe(self._send_steadily(seconds))

    async def burst(self) -> Seen:
        """Many events of each job, all at once."""
        return await self._observe(self._send([*self.topics] * BURST_EVENTS))

    async def _observe(self, sending: Coroutine[None, None, None]) -> Seen:
        before, began = sum(topic.count for topic in self.topics), time.monotonic_ns() // 1000
        cpu = cpu_seconds(self.pid)
        await sending
        await until(self._all_seen, "every socket has seen the last event", 60)
        cpu = cpu_seconds(self.pid) - cpu
        report = await self.watchers.ask({"report": True})
        sent = (sum(topic.count for topic in self.topics) - before) * self.shape.watchers_of_each
        count = max(1, report["count"])
        seconds = max(1e-6, (report["last_at"] - began) / 1e6)
        return Seen(count / seconds, count / sent, report["p50_ms"], report["p99_ms"], cpu / count * 1e6)

    async def _send_steadily(self, seconds: float) -> None:
        began, sent = time.monotonic(), 0
        per_second, count = STEADY_PER_SECOND * len(self.topics), len(self.topics)
        total = round(per_second * seconds / count) * count  # all jobs have had as many, so that all end alike
        while sent < total:
            due = min(total, int((time.monotonic() - began) * per_second) + 1)
            await self._send([self.topics[number % count] for number in range(sent, due)])
            sent = due
            await asyncio.sleep(PACE_SECONDS)

    async def _send(self, topics: Sequence[Topic]) -> None:
        await self.redis.send_packed_command([topic.step() for topic in topics])
        for _ in range(2 * len(topics)):
            await self.redis.read_response()

    async def _all_seen(self) -> bool:
        return bool(await self.watchers.ask({"seen": self.topics[0].count}) == self.shape.sockets)


def _pack(name: bytes, payload: bytes) -> bytes:
    """PUBLISH, as it travels."""
    return b"*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(name), name, len(payload), payload)


async def measure(quick: bool) -> list[Table]:  # noqa: FBT001 - every benchmark is called so
    """A crowd before one job, then a job for each."""
    crowd, wide, seconds = (1_000, 200, 1.0) if quick else (1_000, NODE_WIDE_SOCKETS, 5.0)
    async with open_stage() as (studio, resources):
        web = await studio.start_web()
        theatre = Theatre(studio, resources, web.child.pid)
        async with theatre.watch(Shape(50, 1)) as (scene, _):
            await scene.burst()  # warms up
        async with theatre.watch(Shape(crowd, 1)) as (scene, kib):
            hot = await scene.steady(seconds), await scene.burst()
        async with theatre.watch(Shape(wide, wide)) as (scene, _):
            await scene.steady(0.5)  # warms up: 2,000 topics are new to Redis and to us
            many = await scene.steady(seconds)
    return [_show_hot(crowd, *hot, kib), _show_wide(wide, many)]


@dataclass(frozen=True)
class Theatre:
    """Where scenes are set: a studio with one web process."""

    studio: Studio
    resources: Resources
    pid: int

    @asynccontextmanager
    async def watch(self, shape: Shape) -> AsyncIterator[tuple[Scene, float]]:
        """Fresh jobs of a new person, sockets that watch them, and how many KiB each socket takes."""
        person = await self.studio.make_user()
        user_id = read_id("user", person.id)
        topics = [Topic(await _make_job(user_id)) for _ in range(shape.jobs)]
        ids = [{"id": write_id("job", topics[number % shape.jobs].state.id)} for number in range(shape.sockets)]
        wish = {
            "port": self.studio.port,
            "token": person.token,
            "query": ONE_JOB,
            "variables": ids,
        }
        redis = self.resources.publisher.client.connection_pool.make_connection()  # type: ignore[no-untyped-call] # redis-py left it so
        await redis.connect()
        async with start_aside("tests.bench.watchers") as watchers:
            before = resident_kib(self.pid)
            assert await watchers.ask(wish) == shape.sockets
            kib = (resident_kib(self.pid) - before) / shape.sockets
            yield Scene(watchers, self.pid, topics, shape, redis), kib
        await redis.disconnect()


async def _make_job(user_id: UUID) -> JobState:
    job_id = new_id()
    await jobs.insert_job(job_id=job_id, user_id=user_id, kind="jobs.probe", queue="default")
    row = await database.fetch_one(RENDERING, job_id, float(LEASE_SECONDS))
    assert row is not None
    return JobState.of(row | {"state": State.RENDERING})


def _show_hot(sockets: int, steady: Seen, burst: Seen, kib: float) -> Table:
    return Table(
        f"Realtime: {sockets:,} sockets watch one job",
        [
            at_least(f"it changes {BURST_EVENTS} times at once: deliveries", burst.per_second, "/s", GOAL_PER_SECOND),
            at_least("  delivered of what was sent", 100 * burst.delivered, "%", 100),
            at_most("  CPU for 1M deliveries", burst.cpu_seconds_per_million, "s", GOAL_CPU_SECONDS),
            *_show_steady(steady, NODE_P99_MS),
            Figure("  CPU for 1M deliveries", steady.cpu_seconds_per_million, "s"),
            at_most("memory for each socket", kib, "KiB", GOAL_KIB),
        ],
        f"Node's graphql-ws: {NODE_PER_SECOND:,} deliveries/s, {NODE_CPU_SECONDS:g} CPU s, {NODE_KIB} KiB, on 2 cores",
    )


def _show_wide(sockets: int, steady: Seen) -> Table:
    cpu = at_most("  CPU for 1M deliveries", steady.cpu_seconds_per_million, "s", NODE_WIDE_CPU_SECONDS)
    if sockets < NODE_WIDE_SOCKETS:  # to be woken costs the same for fewer events
        cpu = Figure(cpu.what, cpu.value, cpu.unit)
    return Table(
        f"Realtime: {sockets:,} jobs with one watcher each",
        [*_show_steady(steady, NODE_WIDE_P99_MS), cpu],
        f"Node's graphql-ws with 2,000: p99 {NODE_WIDE_P99_MS} ms, {NODE_WIDE_CPU_SECONDS:g} CPU s, on 2 cores",
    )


def _show_steady(seen: Seen, limit_ms: float) -> list[Figure]:
    return [
        Figure(f"{STEADY_PER_SECOND} events/s for each job: deliveries", seen.per_second, "/s"),
        at_least("  delivered of what was sent", 100 * seen.delivered, "%", 99),
        Figure("  p50 from event to screen", seen.p50_ms, "ms"),
        at_most("  p99 from event to screen", seen.p99_ms, "ms", limit_ms),
    ]
