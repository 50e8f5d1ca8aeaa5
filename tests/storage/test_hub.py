"""The hub survives what comes over the wire, and whoever watches is never told of the past."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import redis.asyncio as redis

from server.resources import Resources
from storage.events import job_topic
from storage.hub import Feed, Hub
from storage.jobs import JobState
from storage.lifecycle import State
from storage.rows import new_id
from tests.studio import until


def state_at(version: int, job_id: UUID, state: State = State.RENDERING) -> JobState:
    moment = datetime.now(UTC)
    who = new_id()
    return JobState(
        job_id,
        who,
        "jobs.probe",
        "default",
        state,
        "x",
        0.5,
        "",
        1,
        None,
        None,
        None,
        None,
        moment,
        None,
        None,
        version,
    )


async def test_feed_gives_the_newest_of_each_job_and_nothing_older() -> None:
    feed, one, two = Feed(), new_id(), new_id()
    for version in (1, 3, 2, 3):
        feed.offer(state_at(version, one))
    feed.offer(state_at(1, two))
    feed.close()
    assert [(state.id, state.version) async for state in feed] == [(one, 3), (two, 1)]


async def test_hub_outlives_messages_that_it_cannot_read(resources: Resources) -> None:
    hub = Hub(resources.settings.redis_url)
    client = redis.Redis.from_url(resources.settings.redis_url)
    await hub.start()
    try:
        job_id = new_id()
        async with hub.watch_job(job_id) as feed:

            async def is_connected() -> bool:
                return hub.is_connected and await client.publish(job_topic(job_id), b"nonsense") == 1

            await until(is_connected, "the hub listens")
            await client.publish(job_topic(job_id), b'{"of": "another version"}')
            await client.publish(job_topic(job_id), state_at(4, job_id, State.COMPLETE).encode())
            async with asyncio.timeout(3):
                state = await anext(aiter(feed))
            assert (state.version, state.state) == (4, State.COMPLETE)
        assert (hub.topic_count, hub.watcher_count) == (0, 0)
    finally:
        await hub.stop()
        await client.aclose()


async def test_hub_comes_back_after_its_connection_is_cut(resources: Resources) -> None:
    hub = Hub(resources.settings.redis_url)
    client = redis.Redis.from_url(resources.settings.redis_url)
    await hub.start()
    try:
        job_id = new_id()
        async with hub.watch_job(job_id) as feed:
            for version in range(1, 4):

                async def is_heard(version: int = version) -> bool:
                    return await client.publish(job_topic(job_id), state_at(version, job_id).encode()) == 1

                await until(is_heard, "the hub listens again")
                async with asyncio.timeout(3):
                    assert (await anext(aiter(feed))).version == version
                for connection in await client.client_list(_type="pubsub"):
                    if job_topic(job_id) and connection["sub"] == "2":
                        await client.client_kill_filter(_id=connection["id"])
    finally:
        await hub.stop()
        await client.aclose()
