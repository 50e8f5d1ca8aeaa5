"""The hub survives what comes over the wire, and whoever watches is never told of the past."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import redis.asyncio as redis
from structlog.testing import capture_logs

from server.resources import Resources
from storage import database, jobs
from storage.events import job_topic, jobs_topic
from storage.hub import REMEMBERED_ENDS, Feed, Hub
from storage.jobs import JobState
from storage.jobs.finders import MAX_LIVE
from storage.lifecycle import State
from storage.rows import new_id, read_id
from tests.studio import Person, until


def state_at(version: int, job_id: UUID, state: State = State.RENDERING) -> JobState:
    return JobState(
        id=job_id,
        user_id=new_id(),
        kind="jobs.probe",
        queue="default",
        state=state,
        stage="x",
        progress=0.5,
        message="",
        attempt=1,
        error_code=None,
        error_message=None,
        error_retryable=None,
        subject_id=None,
        created_at=datetime.now(UTC),
        started_at=None,
        finished_at=None,
        version=version,
    )


async def nothing() -> Iterable[JobState]:
    return ()


def given(*states: JobState) -> Callable[[], Awaitable[Iterable[JobState]]]:
    async def read() -> Iterable[JobState]:
        return states

    return read


@asynccontextmanager
async def open_hub(resources: Resources) -> AsyncIterator[tuple[Hub, "redis.Redis"]]:
    """A hub that is connected, and a client of its Redis."""
    hub = Hub(resources.settings.redis_url)
    await hub.start()
    try:
        async with redis.Redis.from_url(resources.settings.redis_url) as client:

            async def is_connected() -> bool:
                return hub.is_connected

            await until(is_connected, "the hub is connected")
            yield hub, client
    finally:
        await hub.stop()


def test_state_reads_as_it_was_written() -> None:
    state = replace(state_at(3, new_id()), subject_id=new_id(), finished_at=datetime.now(UTC))
    read = JobState.decode(state.encode())
    assert read == state
    assert isinstance(read.id, UUID)
    assert type(read.state) is State


def test_feed_tells_what_was_read_first_and_never_goes_back() -> None:
    told: list[JobState] = []
    feed, one, two = Feed(told.append), new_id(), new_id()
    for version in (1, 4, 3):
        feed.offer(state_at(version, one))
    assert told == []

    feed.begin([state_at(2, one), state_at(1, two)])
    for version in (4, 3, 5, 5):
        feed.offer(state_at(version, one))

    assert [(state.id, state.version) for state in told] == [(one, 2), (two, 1), (one, 4), (one, 5)]


def test_feed_passes_over_what_the_reading_already_held() -> None:
    told: list[JobState] = []
    feed, job_id = Feed(told.append), new_id()
    feed.offer(state_at(2, job_id))
    feed.begin([state_at(3, job_id)])

    assert [state.version for state in told] == [3]


def test_feed_of_many_jobs_remembers_only_the_latest() -> None:
    feed = Feed(lambda _: None)
    feed.begin(state_at(1, new_id()) for _ in range(REMEMBERED_ENDS + 100))

    assert len(feed.seen) == REMEMBERED_ENDS


async def test_hub_outlives_messages_that_it_cannot_read(resources: Resources) -> None:
    async with open_hub(resources) as (hub, client):
        job_id, told = new_id(), list[JobState]()
        leave = await hub.watch_job(job_id, told.append, nothing)
        assert await client.publish(job_topic(job_id), b"nonsense") == 1
        await client.publish(job_topic(job_id), b'{"of": "another version"}')
        await client.publish(job_topic(job_id), b"[]")
        await client.publish(job_topic(job_id), state_at(4, job_id, State.COMPLETE).encode())

        async def is_told() -> bool:
            return bool(told)

        await until(is_told, "the last of the messages is told", 3)
        assert [(state.version, state.state) for state in told] == [(4, State.COMPLETE)]
        leave()
        assert (hub.topic_count, hub.watcher_count) == (0, 0)


async def test_hub_comes_back_after_its_connection_is_cut(resources: Resources) -> None:
    async with open_hub(resources) as (hub, client):
        job_id, told = new_id(), list[JobState]()
        leave = await hub.watch_job(job_id, told.append, nothing)
        for version in range(1, 4):

            async def is_heard(version: int = version) -> bool:
                return await client.publish(job_topic(job_id), state_at(version, job_id).encode()) == 1

            async def is_told(version: int = version) -> bool:
                return bool(told) and told[-1].version == version

            await until(is_heard, "the hub listens again")
            await until(is_told, "and tells", 3)
            for connection in await client.client_list(_type="pubsub"):
                if connection["sub"] == "2":
                    await client.client_kill_filter(_id=connection["id"])
        leave()


async def test_one_who_leaves_while_being_told_keeps_nobody_from_hearing(resources: Resources) -> None:
    async with open_hub(resources) as (hub, client):
        job_id, told = new_id(), list[int]()
        leaves = [await hub.watch_job(job_id, lambda state: hear(state, 0), nothing)]
        leaves.append(await hub.watch_job(job_id, lambda state: hear(state, 1), nothing))

        def hear(_state: JobState, who: int) -> None:
            told.append(who)
            leaves[who]()

        await client.publish(job_topic(job_id), state_at(1, job_id).encode())

        async def have_heard() -> bool:
            return sorted(told) == [0, 1]

        await until(have_heard, "both have heard", 3)
        assert hub.topic_count == 0


async def test_reading_that_fails_leaves_no_watcher(resources: Resources) -> None:
    async def fail() -> Iterable[JobState]:
        raise LookupError

    async with open_hub(resources) as (hub, _):
        for watch in (hub.watch_job, hub.watch_jobs_of):
            with pytest.raises(LookupError):
                await watch(new_id(), lambda _: None, fail)

            assert hub.topic_count == 0


async def test_one_who_gives_up_before_the_reading_leaves_no_watcher(resources: Resources) -> None:
    reads = asyncio.Event()

    async def take_for_ever() -> Iterable[JobState]:
        reads.set()
        return await asyncio.Future[list[JobState]]()

    async with open_hub(resources) as (hub, _):
        watching = asyncio.create_task(hub.watch_job(new_id(), lambda _: None, take_for_ever))
        await reads.wait()
        assert hub.topic_count == 1
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

        assert hub.topic_count == 0


async def test_what_nobody_published_is_read(resources: Resources, person: Person) -> None:
    user_id, tomorrow = read_id("user", person.id), datetime.now(UTC) + timedelta(days=1)
    job = await jobs.Job.create(user_id=user_id, kind="jobs.probe", queue="default", available_at=tomorrow)
    async with open_hub(resources) as (hub, client):
        told, told_of_all = list[JobState](), list[JobState]()
        leaves = [
            await hub.watch_job(job.id, told.append, given(state_at(job.version, job.id))),
            await hub.watch_jobs_of(user_id, told_of_all.append, nothing),
        ]
        await jobs.Job.filter(id=job.id).update(version=7, stage="unheard of")

        async def are_told() -> bool:
            return all(states and states[-1].version == 7 for states in (told, told_of_all))

        await until(are_told, "both are told what was only written", 5)
        assert [state.version for state in told] == [job.version, 7]
        assert await client.pubsub_numsub(job_topic(job.id), jobs_topic(user_id))
        for leave in leaves:
            leave()


MANY = """INSERT INTO jobs (id, user_id, kind, queue, state, stage, progress, message, version, attempt, max_attempts,
    crash_count, round, priority, turn, available_at, lease_token, payload, created_at)
SELECT gen_random_uuid(), $1, 'jobs.probe', 'default', 'QUEUED', 'queued', 0, '', 1, 0, 3, 0, 0, 0, 0,
    now() + interval '1 day', 0, '{}', now() FROM generate_series(1, $2) RETURNING id"""


async def test_one_of_very_many_jobs_is_read_again(resources: Resources) -> None:
    owner = new_id()
    ids = [row["id"] for row in await database.fetch(MANY, owner, 2 * MAX_LIVE + 500)]
    oldest = min(ids)
    async with open_hub(resources) as (hub, _):
        told = list[JobState]()
        leave = await hub.watch_jobs_of(owner, told.append, lambda: jobs.read_recent(owner, 0))
        assert len(told) == MAX_LIVE
        await jobs.Job.filter(id=oldest).update(
            version=2, state=State.CANCELLED, finished_at=datetime.now(UTC), stage="unheard of"
        )

        async def is_told() -> bool:
            return any(state.id == oldest and state.version == 2 for state in told)

        await until(is_told, "the oldest is read again", 5)
        leave()
    await database.fetch("DELETE FROM jobs WHERE user_id = $1", owner)


async def test_reading_that_fails_for_no_known_reason_is_tried_again(resources: Resources, person: Person) -> None:
    user_id, tomorrow = read_id("user", person.id), datetime.now(UTC) + timedelta(days=1)
    job = await jobs.Job.create(user_id=user_id, kind="jobs.probe", queue="default", available_at=tomorrow)
    async with open_hub(resources) as (hub, _):
        told = list[JobState]()
        leave = await hub.watch_job(job.id, told.append, nothing)
        with capture_logs() as logs:
            await database.fetch("UPDATE jobs SET state = 'PAUSED', version = 8 WHERE id = $1", job.id)

            async def has_failed() -> bool:
                return any(line["event"] == "hub.fault" for line in logs)

            await until(has_failed, "the state of a later version is not understood", 5)
        await database.fetch("UPDATE jobs SET state = 'QUEUED', version = 9 WHERE id = $1", job.id)

        async def is_told() -> bool:
            return bool(told) and told[-1].version == 9

        await until(is_told, "and the next one is told", 5)
        leave()
