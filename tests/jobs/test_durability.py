"""Nothing is ever lost: workers die, freeze and drain, Redis and PostgreSQL go away, and each job is done once."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator

import psutil  # type: ignore[import-untyped]
import pytest_asyncio
import redis.asyncio as redis
from dramatiq import Message

from jobs.broker import Doorbell
from tests.studio import JOB, ROOT, WATCH, Person, Process, Studio, running_studio, until

CAPTURES = "{ creditEntries(first: 100) { nodes { kind availableDelta heldDelta jobId } } }"


@pytest_asyncio.fixture(scope="module")
async def fragile() -> AsyncIterator[Studio]:
    """A studio of its own, whose parts these tests break; each starts the workers that it needs."""
    async with running_studio({"CREDITS_AT_SIGN_UP": "1000", "DRAIN_SECONDS": "1"}) as running:
        running.processes.pop().kill()
        yield running


@pytest_asyncio.fixture
async def owner(fragile: Studio) -> Person:
    return await fragile.make_user()


@pytest_asyncio.fixture
async def worker(fragile: Studio) -> AsyncIterator[Process]:
    started = await fragile.start_worker()
    yield started
    if started.child.poll() is None:
        started.kill()


async def count_entries(owner: Person, job_id: str) -> dict[str, int]:
    nodes = (await owner.get(CAPTURES))["creditEntries"]["nodes"]
    kinds = [node["kind"] for node in nodes if node["jobId"] == job_id]
    return {kind: kinds.count(kind) for kind in set(kinds)}


async def start_long_render(owner: Person) -> str:
    """A render that is at work and will be for a while."""
    created = await owner.create_track(durationSeconds=120)
    job_id: str = created["job"]["id"]

    async def is_at_work() -> bool:
        job = await owner.job(job_id)
        return bool(job["state"] == "RENDERING" and job["stage"] not in ("starting", "queued"))

    await until(is_at_work, "the render is at work")
    return job_id


async def test_killed_workers_job_runs_again_within_thirty_seconds_and_is_done_once(
    fragile: Studio, owner: Person, worker: Process
) -> None:
    job_id = await start_long_render(owner)
    worker.kill()
    other = await fragile.start_worker()

    async def runs_again() -> bool:
        job = await owner.job(job_id)
        return bool(job["attempt"] == 2 and job["state"] in ("RENDERING", "COMPLETE"))

    await until(runs_again, "the job runs again", seconds=30)
    await owner.wait_until(job_id, "COMPLETE", seconds=60)
    assert await count_entries(owner, job_id) == {"RESERVE": 1, "CAPTURE": 1}
    other.kill()


async def test_frozen_worker_writes_nothing_after_its_lease(fragile: Studio, owner: Person, worker: Process) -> None:
    job_id = await start_long_render(owner)
    worker.send(signal.SIGSTOP)
    other = await fragile.start_worker()
    done = await owner.wait_until(job_id, "COMPLETE", seconds=90)
    worker.send(signal.SIGCONT)
    await worker.wait_for("outcome=lease_lost")
    after = await owner.job(job_id)
    assert (after["version"], after["attempt"]) == (done["version"], done["attempt"])
    assert await count_entries(owner, job_id) == {"RESERVE": 1, "CAPTURE": 1}
    other.kill()


async def test_cancelled_render_frees_its_slot_and_refunds_within_three_seconds(owner: Person, worker: Process) -> None:
    before = await owner.credits()
    job_id = await start_long_render(owner)
    await owner.get("mutation ($id: ID!) { cancelJob(id: $id) { __typename } }", id=job_id)
    assert await owner.credits() == before
    await worker.wait_for("outcome=job_cancelled", seconds=3)
    assert (await owner.job(job_id))["state"] == "CANCELLED"
    assert await count_entries(owner, job_id) == {"RESERVE": 1, "REFUND": 1}


async def test_sigterm_gives_the_work_back_without_spending_the_attempt(
    fragile: Studio, owner: Person, worker: Process
) -> None:
    job_id = await start_long_render(owner)
    assert await asyncio.to_thread(worker.stop) == 0
    job = await owner.job(job_id)
    assert (job["state"], job["attempt"]) == ("QUEUED", 0)
    other = await fragile.start_worker()
    assert (await owner.wait_until(job_id, "COMPLETE", seconds=90))["attempt"] == 1
    other.kill()


async def test_sigterm_lets_short_work_end(fragile: Studio, owner: Person) -> None:
    worker = await fragile.start_worker(DRAIN_SECONDS="60")
    job_id = await start_long_render(owner)
    assert await asyncio.to_thread(worker.stop, 90) == 0
    assert (await owner.job(job_id))["state"] == "COMPLETE"


ASK_FOR_PROBES = """
import asyncio, sys
from jobs.probes import request_probe
from server.resources import open_resources
from server.settings import get_settings
from storage.rows import read_id

async def main():
    async with open_resources(get_settings()):
        for _ in range(100):
            await request_probe(read_id("user", sys.argv[1]))

asyncio.run(main())
"""
ENDED = "{ jobs(first: 100, state: COMPLETE) { nodes { id kind attempt } } }"


async def test_flushed_valkey_loses_no_queued_job(fragile: Studio, owner: Person) -> None:
    settings = fragile.settings
    given = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url, "LIBRETTO_HOME": str(fragile.home)}
    asked = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ASK_FOR_PROBES, owner.id, cwd=ROOT, env=os.environ | given
    )
    assert await asked.wait() == 0
    client = redis.Redis.from_url(settings.redis_url)
    assert await client.dbsize() > 0
    await client.flushall()
    await client.aclose()
    worker = await fragile.start_worker()

    async def are_all_complete() -> bool:
        return len((await owner.get(ENDED))["jobs"]["nodes"]) == 100

    await until(are_all_complete, "all hundred are complete", seconds=60)
    assert {node["attempt"] for node in (await owner.get(ENDED))["jobs"]["nodes"]} == {1}
    worker.kill()


async def test_restarted_valkey_keeps_no_client_from_the_end(fragile: Studio, owner: Person, worker: Process) -> None:
    created = [await owner.create_track(durationSeconds=20) for _ in range(3)]
    async with owner.socket() as socket:
        watched = [await socket.subscribe(WATCH, id=one["job"]["id"]) for one in created]
        for operation in watched:
            await operation.next()
        await asyncio.to_thread(fragile.services.restart_valkey)
        for one, operation in zip(created, watched, strict=True):
            await owner.wait_until(one["job"]["id"], "COMPLETE", seconds=90)
            async with asyncio.timeout(5):
                last = [state async for state in operation][-1]
            assert last["state"] == "COMPLETE"


async def test_restarted_postgres_costs_no_job(fragile: Studio, owner: Person, worker: Process) -> None:
    job_id = await start_long_render(owner)
    await asyncio.to_thread(fragile.services.restart_postgres)

    async def is_complete() -> bool:
        answer = await owner.ask(JOB, id=job_id)
        return bool("errors" not in answer and answer["data"]["job"]["state"] == "COMPLETE")

    await until(is_complete, "the job is complete", seconds=90)
    assert await count_entries(owner, job_id) == {"RESERVE": 1, "CAPTURE": 1}


async def test_job_without_redis_is_done_once_redis_is_back(fragile: Studio, owner: Person, worker: Process) -> None:
    valkey = psutil.Process(fragile.services.valkey_pid)
    valkey.kill()
    valkey.wait(10)
    created = await owner.create_track()
    assert created["__typename"] == "TrackCreated"
    await asyncio.to_thread(fragile.services.revive)
    await owner.wait_until(created["job"]["id"], "COMPLETE")


async def test_message_delivered_twice_does_the_work_once(fragile: Studio, owner: Person, worker: Process) -> None:
    created = await owner.create_track()
    bell = Doorbell(fragile.settings.redis_url)
    for _ in range(5):
        bell.enqueue(Message("media", "tracks.render", (created["job"]["id"], "media"), {}, {}))
    job = await owner.wait_until(created["job"]["id"], "COMPLETE")
    assert job["attempt"] == 1
    assert await count_entries(owner, created["job"]["id"]) == {"RESERVE": 1, "CAPTURE": 1}
    bell.client.close()


async def test_frozen_postgres_is_named_in_time_and_costs_nothing(fragile: Studio, owner: Person) -> None:
    postmaster = psutil.Process(fragile.services.postgres_pid)
    frozen = [*postmaster.children(recursive=True), postmaster]
    for process in frozen:
        process.suspend()
    try:
        async with asyncio.timeout(5):
            ready = await fragile.client.get("/readyz")
        assert (ready.status_code, set(ready.json()["problems"])) == (503, {"checks"})
        async with asyncio.timeout(15):
            answer = await owner.ask("{ viewer { id } }")
        assert answer["errors"][0]["extensions"]["code"] in ("TIMED_OUT", "UNAVAILABLE")
    finally:
        for process in reversed(frozen):
            process.resume()

    async def is_well() -> bool:
        return "errors" not in await owner.ask("{ viewer { id } }")

    await until(is_well, "the API answers again", seconds=30)


async def test_lost_postgres_is_unavailable_and_no_fault_of_ours(fragile: Studio, owner: Person) -> None:
    postmaster = psutil.Process(fragile.services.postgres_pid)
    postmaster.kill()
    postmaster.wait(10)
    query = {"query": "{ viewer { id } }"}
    answer = await fragile.client.post("/graphql", json=query, headers={"Authorization": f"Bearer {owner.token}"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert answer.json()["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
    ready = await fragile.client.get("/readyz")
    assert (ready.status_code, set(ready.json()["problems"])) == (503, {"database"})
    await asyncio.to_thread(fragile.services.revive)

    async def is_well() -> bool:
        return "errors" not in await owner.ask("{ viewer { id } }")

    await until(is_well, "the API answers again", seconds=30)
