"""Jobs: how soon they start, how many fit in a second, who waits for whom, and what it takes to lose one."""

import asyncio
import random
import signal
import time
from uuid import UUID

import redis.asyncio as redis

from jobs import probes
from jobs.queue import QUEUES
from storage import database
from tests.bench.people import enqueue_all, make_users
from tests.bench.report import Figure, Table, at_most, percentile
from tests.bench.soak import soak
from tests.bench.stage import open_stage
from tests.studio import Person, Process, Studio, until

FIRST_JOBS = 5  # of other people, in the middle of a flood
RENDER_SECONDS = 300  # long enough to be at work still when it is cancelled
CANCEL = "mutation ($id: ID!) { cancelJob(id: $id) { __typename } }"
WAITS = """SELECT extract(epoch FROM started_at - created_at)::float8 * 1000 AS milliseconds
    FROM jobs WHERE id = ANY($1)"""
OVERTAKERS = """SELECT count(*) FROM jobs flood, jobs first WHERE first.id = $1 AND flood.user_id = $2
    AND flood.started_at > to_timestamp($3) AND flood.started_at < first.started_at"""
PROGRESS = """SELECT count(*) FILTER (WHERE finished_at IS NOT NULL) AS done, count(started_at) AS started
    FROM jobs WHERE user_id = $1"""


async def measure(quick: bool) -> list[Table]:  # noqa: FBT001 - every benchmark is called so
    """On an idle worker, in a flood, after a lost Redis, with cancels, and with workers that die."""
    async with open_stage(WORKER_SLOTS="2") as (studio, _):
        worker = await studio.start_worker()
        figures = await _time_starts(15 if quick else 100)
        figures += await _time_flood(worker, 200 if quick else 2_000)
        figures += await _time_lost_redis(studio, worker, 100 if quick else 500)
        await studio.start_web()
        figures += await _time_cancels(studio, worker, 2 if quick else 20)
        worker.kill()
        soaked = await soak(studio, 200 if quick else 2_000)
    return [Table("Jobs: one worker", figures), soaked]


async def _time_starts(count: int) -> list[Figure]:
    (user_id,) = await make_users(1)
    ids = []
    for number in range(count):
        ids.append((await probes.request_probe(user_id)).id)
        await until(lambda: _is_done(user_id, number + 1), "the probe is complete")  # noqa: B023 - awaited here
        await asyncio.sleep(random.uniform(0, 0.15))  # so that no start falls in step with the worker's poll
    waits = [row["milliseconds"] for row in await database.read(WAITS, ids)]
    return [
        at_most("idle enqueue → start, p50", percentile(waits, 0.5), "ms", 50),
        Figure("idle enqueue → start, p99", percentile(waits, 0.99), "ms"),
    ]


async def _time_flood(worker: Process, count: int) -> list[Figure]:
    flooder, *others = await make_users(1 + FIRST_JOBS)
    worker.send(signal.SIGSTOP)
    enqueued_seconds = await enqueue_all(probes.request_probe, [flooder] * count)
    worker.send(signal.SIGCONT)
    began, firsts = time.monotonic(), []
    for number, other in enumerate(others):
        due = count * (number + 1) // (FIRST_JOBS + 3)
        await until(lambda: _has_started(flooder, due), "the flood is under way", 120)  # noqa: B023 - awaited here
        firsts.append(await _enqueue_and_note(other))
    await until(lambda: _is_done(flooder, count), "the flood is over", 300)
    seconds = time.monotonic() - began
    overtakers = [(await database.read(OVERTAKERS, job_id, flooder, at))[0]["count"] for job_id, at in firsts]
    waits = [row["milliseconds"] for row in await database.read(WAITS, [job_id for job_id, _ in firsts])]
    slots = QUEUES["default"].slots or 1
    return [
        Figure(f"enqueued, {count:,} by one person", count / enqueued_seconds, "/s"),
        Figure("done", count / seconds, "/s"),
        at_most("of the flood, started before another's first", max(overtakers), "jobs", slots),
        Figure("another's first job waited", max(waits), "ms"),
    ]


async def _enqueue_and_note(user_id: UUID) -> tuple[UUID, float]:
    """A probe, and when it was committed: whoever claimed before could not see it."""
    committed: list[float] = []

    async def note() -> None:
        committed.append(time.time())

    async with database.transaction():
        await database.after_commit(note)
        job = await probes.request_probe(user_id)
    return job.id, committed[0]


async def _time_lost_redis(studio: Studio, worker: Process, count: int) -> list[Figure]:
    (user_id,) = await make_users(1)
    worker.send(signal.SIGSTOP)
    await enqueue_all(probes.request_probe, [user_id] * count)
    client = redis.Redis.from_url(studio.settings.redis_url)
    await client.flushall()
    await client.aclose()
    worker.send(signal.SIGCONT)
    began = time.monotonic()
    await until(lambda: _has_started(user_id, 1), "the backlog moves", 60)
    moved = time.monotonic() - began
    await until(lambda: _is_done(user_id, count), "the backlog is done", 120)
    return [
        at_most(f"FLUSHALL with {count} waiting: running again", moved, "s", 15),
        Figure("  all done", time.monotonic() - began, "s"),
    ]


async def _time_cancels(studio: Studio, worker: Process, count: int) -> list[Figure]:
    person = await studio.make_user()
    waits = [await _time_cancel(person, worker) for _ in range(count)]
    return [
        Figure("cancel of a running render → its slot is free, p50", percentile(waits, 0.5), "s"),
        at_most("cancel of a running render → its slot is free, p99", percentile(waits, 0.99), "s", 3),
    ]


async def _time_cancel(person: Person, worker: Process) -> float:
    created = await person.create_track(durationSeconds=RENDER_SECONDS)
    job_id = created["job"]["id"]
    ended = f'"job_id":"{job_id}"'

    async def is_at_work() -> bool:
        job = await person.job(job_id)
        assert job["state"] in ("QUEUED", "RENDERING"), job
        return job["stage"] not in ("queued", "starting")

    async def has_ended() -> bool:
        lines = worker.log.read_text().splitlines()
        return any(ended in line and '"outcome":"job_cancelled"' in line for line in lines)

    await until(is_at_work, "the render is at work")
    began = time.monotonic()
    await person.get(CANCEL, id=job_id)
    await until(has_ended, "the worker has let go", 30)
    return time.monotonic() - began


async def _has_started(user_id: UUID, count: int) -> bool:
    (row,) = await database.read(PROGRESS, user_id)
    return bool(row["started"] >= count)


async def _is_done(user_id: UUID, count: int) -> bool:
    (row,) = await database.read(PROGRESS, user_id)
    return bool(row["done"] >= count)
