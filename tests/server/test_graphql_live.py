"""Subscriptions tell the truth: the state now, never an older one, always the last; and leave nothing behind."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import redis.asyncio as redis
import websockets

from schema.jobs import snapshot_of
from server.resources import Resources
from storage import events, jobs
from storage.rows import read_id, write_id
from tests.studio import WATCH, Person, Socket, Studio, free_port, until

OWN_JOBS = "subscription { viewerJobs { id state version } }"
QUEUES = "subscription { queues { name depth running finishedPerMinute } }"
CANCEL = "mutation ($id: ID!) { cancelJob(id: $id) { ... on JobCancelled { job { state } } } }"
SOCKETS = 200
CUTS = 300


async def make_waiting_job(person: Person) -> jobs.Job:
    """A job that nobody takes up before tomorrow."""
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    return await jobs.Job.create(
        user_id=read_id("user", person.id), kind="tracks.render", queue="media", available_at=tomorrow
    )


async def cancel(person: Person, job: jobs.Job) -> None:
    answer = await person.get(CANCEL, id=write_id("job", job.id))
    assert answer["cancelJob"]["job"]["state"] == "CANCELLED"


async def read_gauges(studio: Studio) -> dict[str, float]:
    """What the web process counts of its sockets."""
    text = (await studio.client.get("/metrics")).text
    return {
        name: sum(float(value) for value in re.findall(rf"^libretto_{name} (\S+)$", text, re.MULTILINE))
        for name in ("websockets_open", "subscriptions_open")
    }


async def test_job_is_shown_as_it_stands_then_as_it_changes_until_its_end(person: Person) -> None:
    job_id = (await person.create_track())["job"]["id"]
    async with person.socket() as connected:
        seen = [state async for state in await connected.subscribe(WATCH, id=job_id)]

    versions = [state["version"] for state in seen]
    assert versions == sorted(set(versions))
    assert [state["state"] for state in seen].count("COMPLETE") == 1
    assert seen[-1]["state"] == "COMPLETE"
    assert seen[-1]["version"] == (await person.job(job_id))["version"]


async def test_job_that_has_ended_is_shown_once(resources: Resources, person: Person) -> None:
    job = await make_waiting_job(person)
    await cancel(person, job)
    async with person.socket() as connected:
        seen = [state async for state in await connected.subscribe(WATCH, id=write_id("job", job.id))]

    assert [state["state"] for state in seen] == ["CANCELLED"]


async def test_older_and_repeated_states_are_not_sent(resources: Resources, person: Person) -> None:
    job = await make_waiting_job(person)
    state, topics = snapshot_of(job), events.job_topics(job.id, job.user_id)
    async with person.socket() as connected:
        watch = aiter(await connected.subscribe(WATCH, id=write_id("job", job.id)))
        assert (await anext(watch))["version"] == job.version

        for version, stage in ((job.version - 1, "older"), (job.version, "the same"), (job.version + 5, "newer")):
            await resources.publisher.publish(topics, replace(state, version=version, stage=stage).encode())
        await resources.publisher.publish(topics, replace(state, version=job.version + 4, stage="late").encode())
        await resources.publisher.publish(topics, replace(state, version=job.version + 6, stage="newest").encode())
        told = [(await anext(watch))["stage"] for _ in range(2)]

    assert told == ["newer", "newest"]


async def test_viewer_hears_of_own_jobs_only(resources: Resources, studio: Studio, person: Person) -> None:
    other = await studio.make_user()
    mine, theirs = await make_waiting_job(person), await make_waiting_job(other)
    async with person.socket() as connected:
        watch = aiter(await connected.subscribe(OWN_JOBS))
        first = await anext(watch)
        await cancel(other, theirs)
        await cancel(person, mine)
        second = await anext(watch)

    assert {first["id"], second["id"]} == {write_id("job", mine.id)}
    assert (first["state"], second["state"]) == ("QUEUED", "CANCELLED")


async def test_one_who_comes_back_hears_what_has_ended_meanwhile(person: Person) -> None:
    job = await make_waiting_job(person)
    async with person.socket() as other_tab:
        watch = aiter(await other_tab.subscribe(OWN_JOBS))
        await anext(watch)
        await cancel(person, job)
        assert (await anext(watch))["state"] == "CANCELLED"
        async with person.socket() as back:  # among others who are there
            assert (await anext(aiter(await back.subscribe(OWN_JOBS))))["state"] == "CANCELLED"
    async with person.socket() as back:  # and alone
        assert (await anext(aiter(await back.subscribe(OWN_JOBS))))["state"] == "CANCELLED"


async def test_queues_change_as_jobs_run(admin: Person, person: Person) -> None:
    async with admin.socket() as connected:
        watch = aiter(await connected.subscribe(QUEUES))
        assert {queue["name"] for queue in await anext(watch)} >= {"media", "default"}
        await person.create_track()

        async def is_seen() -> bool:
            return any(queue["depth"] + queue["running"] + queue["finishedPerMinute"] for queue in await anext(watch))

        await until(is_seen, "the queues show the job")


async def test_everybody_who_watches_is_told_the_end(resources: Resources, studio: Studio, person: Person) -> None:
    job = await make_waiting_job(person)
    async with AsyncExitStack() as stack:
        sockets = await asyncio.gather(*[stack.enter_async_context(person.socket()) for _ in range(SOCKETS)])
        watches = [await each.subscribe(WATCH, id=write_id("job", job.id)) for each in sockets]
        firsts = [(await watch.next())["payload"]["data"]["jobProgress"]["state"] for watch in watches]
        await cancel(person, job)
        ends = [[state["state"] async for state in watch] for watch in watches]

    assert set(firsts) == {"QUEUED"}
    assert ends == [["CANCELLED"]] * SOCKETS


async def test_sockets_that_are_cut_leave_nothing_behind(resources: Resources, studio: Studio, person: Person) -> None:
    job, before = await make_waiting_job(person), await read_gauges(studio)
    async with redis.Redis.from_url(studio.settings.redis_url) as valkey:
        for _ in range(CUTS // 50):
            await asyncio.gather(*[watch_and_cut(studio, person, job) for _ in range(50)])

        async def is_clean() -> bool:
            topics = events.job_topics(job.id, job.user_id)
            listeners = [count for _, count in await valkey.pubsub_numsub(*topics)]
            return listeners == [0, 0] and await read_gauges(studio) == before

        await until(is_clean, "nobody watches the job and no socket is counted", 10)
        assert await valkey.pubsub_numpat() == 0


async def watch_and_cut(studio: Studio, person: Person, job: jobs.Job) -> None:
    """Watch a job, then go away without a word."""
    async with open_socket(studio.port, person) as connected:
        first = await connected.subscribe(WATCH, id=write_id("job", job.id))
        await connected.subscribe(OWN_JOBS)
        await first.next()
        connected.connection.transport.abort()


@asynccontextmanager
async def open_socket(port: int, person: Person) -> AsyncIterator[Socket]:
    async with person.studio.socket(person.token, port) as connected:
        yield connected


async def test_web_process_that_stops_sends_its_sockets_elsewhere(studio: Studio, person: Person) -> None:
    port = free_port()
    web = await studio.start_web(port)
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(open_socket(port, person)) for _ in range(20)]
        for each in sockets:
            await each.subscribe(OWN_JOBS)
        web.send(signal.SIGTERM)

        async def is_draining() -> bool:
            answer = await studio.client.get(f"http://127.0.0.1:{port}/readyz")
            return answer.status_code == 503 and "draining" in answer.json()["problems"]

        await until(is_draining, "the process says that it drains", 3)
        await asyncio.wait_for(asyncio.gather(*[each.connection.wait_closed() for each in sockets]), 6)
        assert {each.connection.close_code for each in sockets} == {1012}
    assert await asyncio.to_thread(web.child.wait, 10) == 0
    with pytest.raises((httpx.TransportError, OSError, websockets.WebSocketException)):
        await studio.client.get(f"http://127.0.0.1:{port}/healthz")
