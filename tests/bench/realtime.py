"""Live screens: how fast, how late and how dearly events reach those who watch, beside Node's graphql-ws."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from uuid import UUID

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
SKIPPING = "slow screens skip steps, never the end"
SLICES = 10  # a steady round goes out in so many parts
STEADY_P99_MS = 173  # Node with 2,000 jobs and a watcher each
LEASE_SECONDS = 3_600  # no worker runs here, and none shall take these jobs
NODE_PER_SECOND, NODE_CPU_SECONDS, NODE_KIB = 23_500, 20.0, 78  # graphql-ws + ws, 2 cores, November 2026

SELECTION = "{ id state stage progress message version }"
ONE_JOB = f"subscription ($id: ID!) {{ jobProgress(jobId: $id) {SELECTION} }}"
MY_JOBS = f"subscription {{ viewerJobs {SELECTION} }}"

RENDERING = """UPDATE jobs SET state = 'RENDERING', stage = 'rendering', version = 2, attempt = 1, lease_token = 1,
    started_at = now(), lease_until = now() + make_interval(secs => $2) WHERE id = $1 RETURNING *"""


@dataclass
class Topic:
    """A job that is watched, and how many events it has had."""

    state: JobState
    count: int = 0

    def step(self) -> bytes:
        """Its next event, which says when it was sent."""
        self.count += 1
        stamp = f"T{time.monotonic_ns() // 1000}N{self.count}"
        progress = self.count % 100 / 100
        return replace(self.state, version=self.state.version + self.count, progress=progress, message=stamp).encode()


@dataclass(frozen=True)
class Shape:
    """How many watch how many jobs."""

    sockets: int
    jobs: int
    is_crowd: bool = False  # each watches all of the jobs, else each watches one


@dataclass(frozen=True)
class Seen:
    """What came of some events."""

    per_second: float
    delivered: float  # share of the events that were sent; a slow screen skips steps, never the last
    p50_ms: float
    p99_ms: float
    cpu_seconds_per_million: float
    last_ms: float  # from the first event sent to the last one seen


@dataclass
class Scene:
    """A web process, who watches it, and the events' way in."""

    studio: Studio
    resources: Resources
    watchers: Helper
    pid: int
    topics: Sequence[Topic]
    shape: Shape

    @property
    def watchers_of_each(self) -> int:
        return self.shape.sockets if self.shape.is_crowd else self.shape.sockets // self.shape.jobs

    async def steady(self, seconds: float) -> Seen:
        """So many events each second for each job, spread evenly."""
        return await self._observe(self._send_steadily(seconds), self._all_seen)

    async def burst(self) -> Seen:
        """All events at once: of one job many, so that a screen may skip all but the last."""
        return await self._observe(self._send([*self.topics] * BURST_EVENTS), self._all_seen)

    async def wave(self) -> Seen:
        """An event of each job at once, for screens that show all of them: nothing may be skipped."""
        return await self._observe(self._send(self.topics), self._all_counted)

    async def _observe(self, sending: Coroutine[None, None, None], is_over: Callable[[], Awaitable[bool]]) -> Seen:
        before, began = sum(topic.count for topic in self.topics), time.monotonic_ns() // 1000
        cpu = cpu_seconds(self.pid)
        await sending
        await until(is_over, "every socket has seen the last event", 60)
        cpu = cpu_seconds(self.pid) - cpu
        report = await self.watchers.ask({"report": True})
        sent = (sum(topic.count for topic in self.topics) - before) * self.watchers_of_each
        count = max(1, report["count"])
        seconds = max(1e-6, (report["last_at"] - began) / 1e6)
        return Seen(
            count / seconds, count / sent, report["p50_ms"], report["p99_ms"], cpu / count * 1e6, seconds * 1000
        )

    async def _send_steadily(self, seconds: float) -> None:
        began, rounds = time.monotonic(), round(seconds * STEADY_PER_SECOND)
        slices = [self.topics[start::SLICES] for start in range(min(SLICES, len(self.topics)))]
        for number in range(rounds * len(slices)):
            due = began + number / len(slices) / STEADY_PER_SECOND
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await self._send(slices[number % len(slices)])

    async def _send(self, topics: Sequence[Topic]) -> None:
        pipe = self.resources.publisher.client.pipeline(transaction=False)
        for topic in topics:
            payload = topic.step()
            for name in job_topics(topic.state.id, topic.state.user_id):
                pipe.publish(name, payload)
        await pipe.execute()

    async def _all_seen(self) -> bool:
        return bool(await self.watchers.ask({"seen": self.topics[0].count}) == self.shape.sockets)

    async def _all_counted(self) -> bool:
        return bool(await self.watchers.ask({"count": True}) == self.shape.sockets * self.shape.jobs)


async def measure(quick: bool) -> list[Table]:  # noqa: FBT001 - every benchmark is called so
    """A crowd before one job, a crowd before many, and a job for each of a smaller crowd."""
    crowd, wide, seconds = (100, 100, 1.0) if quick else (1_000, 500, 5.0)
    async with open_stage() as (studio, resources):
        web = await studio.start_web()
        theatre = Theatre(studio, resources, web.child.pid)
        async with theatre.watch(Shape(20, 1)) as (scene, _):
            await scene.burst()  # warms up
        async with theatre.watch(Shape(crowd, 1)) as (scene, kib):
            hot = await scene.steady(seconds), await scene.burst()
        async with theatre.watch(Shape(crowd, BURST_EVENTS, is_crowd=True)) as (scene, _):
            wave = await scene.wave()
        async with theatre.watch(Shape(wide, wide)) as (scene, _):
            many = await scene.steady(seconds), await scene.burst()
    return [_show_hot(crowd, *hot, wave, kib), _show_wide(wide, *many)]


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
            "query": MY_JOBS if shape.is_crowd else ONE_JOB,
            "variables": [{}] * shape.sockets if shape.is_crowd else ids,
            "snapshots": shape.jobs if shape.is_crowd else 1,
        }
        async with start_aside("tests.bench.watchers") as watchers:
            before = resident_kib(self.pid)
            assert await watchers.ask(wish) == shape.sockets
            kib = (resident_kib(self.pid) - before) / shape.sockets
            yield Scene(self.studio, self.resources, watchers, self.pid, topics, shape), kib


async def _make_job(user_id: UUID) -> JobState:
    job_id = new_id()
    await jobs.insert_job(job_id=job_id, user_id=user_id, kind="jobs.probe", queue="default")
    row = await database.fetch_one(RENDERING, job_id, float(LEASE_SECONDS))
    assert row is not None
    return JobState.of(row | {"state": State.RENDERING})


def _show_hot(sockets: int, steady: Seen, burst: Seen, wave: Seen, kib: float) -> Table:
    cpu = wave.cpu_seconds_per_million
    return Table(
        f"Realtime: {sockets:,} sockets watch the same",
        [
            at_least(f"{BURST_EVENTS} jobs change at once: deliveries", wave.per_second, "/s", 3 * NODE_PER_SECOND),
            Figure("  CPU for 1M deliveries", cpu, "s", f"< {NODE_CPU_SECONDS:g} Node", cpu < NODE_CPU_SECONDS),
            Figure(f"one job changes {BURST_EVENTS} times at once: all have the last", burst.last_ms, "ms"),
            Figure("  delivered of what was sent", 100 * burst.delivered, "%", SKIPPING),
            *_show_steady(steady),
            Figure("memory for each socket", kib, "KiB", f"< {NODE_KIB} Node", kib < NODE_KIB),
        ],
        f"Node: graphql-ws and ws with one Redis connection, {NODE_PER_SECOND:,} deliveries/s, measured on 2 cores",
    )


def _show_wide(sockets: int, steady: Seen, burst: Seen) -> Table:
    return Table(
        f"Realtime: {sockets:,} jobs with one watcher each",
        [
            *_show_steady(steady),
            Figure(f"each job changes {BURST_EVENTS} times at once: all have the last", burst.last_ms, "ms"),
            Figure("  delivered of what was sent", 100 * burst.delivered, "%", SKIPPING),
        ],
    )


def _show_steady(seen: Seen) -> list[Figure]:
    return [
        Figure(f"{STEADY_PER_SECOND} events/s for each job: deliveries", seen.per_second, "/s"),
        at_least("  delivered of what was sent", 100 * seen.delivered, "%", 99),
        Figure("  p50 from event to screen", seen.p50_ms, "ms"),
        at_most("  p99 from event to screen", seen.p99_ms, "ms", STEADY_P99_MS),
        Figure("  CPU for 1M deliveries", seen.cpu_seconds_per_million, "s"),
    ]
