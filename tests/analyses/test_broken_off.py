"""Listening that is broken off: by a cancel, a dead worker or a deleted track; what was heard before is not lost."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from server.resources import Resources, open_resources
from storage import database
from storage.rows import read_id
from tests.analyses.test_analyze_track import CANCEL, PARTS, RETRY, WATCH, analyze, make_track, read
from tests.studio import Person, Process, Studio, running_studio, until

DELETE = "mutation ($id: ID!) { deleteTrack(trackId: $id) { ... on TrackDeleted { id } } }"
SECONDS = 30  # of music: enough that its pitch takes a while


@pytest_asyncio.fixture(scope="module")
async def fragile() -> AsyncIterator[Studio]:
    """A studio of its own, whose worker these tests kill."""
    async with running_studio({"CREDITS_AT_SIGN_UP": "1000"}) as running:
        running.processes.pop().kill()
        yield running


@pytest_asyncio.fixture(scope="module")
async def rows(fragile: Studio) -> AsyncIterator[Resources]:
    async with open_resources(fragile.settings) as opened:
        yield opened


@pytest_asyncio.fixture
async def worker(fragile: Studio) -> AsyncIterator[Process]:
    started = await fragile.start_worker()
    yield started
    if started.child.poll() is None:
        started.kill()


@pytest_asyncio.fixture
async def owner(fragile: Studio) -> Person:
    return await fragile.make_user()


@pytest_asyncio.fixture
async def track_id(owner: Person, worker: Process) -> str:
    return await make_track(owner, SECONDS)


async def listen_until(owner: Person, track_id: str, part: str) -> str:
    """The job, once this part is there and the next is being worked on."""
    job_id: str = (await analyze(owner, track_id))["job"]["id"]

    async def is_ready() -> bool:
        return part in (await read(owner, track_id))["partsReady"]

    await until(is_ready, f"{part} is there", seconds=60)
    return job_id


async def files_of(rows: Resources, track_id: str) -> dict[str, Any]:
    prefix = f"analyses/{read_id('track', track_id).hex}/"
    return {key.rpartition("/")[2]: changed async for key, changed in rows.blobs.list_keys(prefix)}


async def test_killed_worker_leaves_what_was_heard_and_the_next_does_only_the_rest(
    fragile: Studio, rows: Resources, owner: Person, worker: Process, track_id: str
) -> None:
    job_id = await listen_until(owner, track_id, "SONG")
    worker.kill()
    before, files = await read(owner, track_id), await files_of(rows, track_id)
    assert before["partsReady"] == PARTS[:2]
    async with owner.socket() as socket:
        operation = await socket.subscribe(WATCH, id=job_id)
        other = await fragile.start_worker()
        states = [state async for state in operation]
    other.kill()
    assert {"retrying", "pitch", "pitch ready"} <= {state["stage"] for state in states}
    assert not {"drawing", "beats", "sections", "waveforms ready"} & {state["stage"] for state in states}
    assert all(len(state["track"]["analysis"]["partsReady"]) >= 2 for state in states)
    after = await read(owner, track_id)
    assert (after["status"], after["partsReady"]) == ("COMPLETE", PARTS)
    assert after["sections"] == before["sections"]
    assert files.items() <= (await files_of(rows, track_id)).items()


async def test_cancelled_listening_keeps_what_was_heard_and_can_go_on(
    owner: Person, worker: Process, track_id: str
) -> None:
    job_id = await listen_until(owner, track_id, "WAVEFORMS")
    assert (await analyze(owner, track_id, pitch="NONE"))["job"]["id"] == job_id
    assert (await analyze(owner, track_id, pitch="FULL"))["code"] == "CONFLICT"
    await owner.get(CANCEL, id=job_id)
    heard = await read(owner, track_id)
    assert heard["status"] == "CANCELLED"
    assert "WAVEFORMS" in heard["partsReady"]
    again = await analyze(owner, track_id, pitch="NONE")
    assert again["job"]["id"] != job_id
    assert again["analysis"]["partsReady"][0] == "WAVEFORMS"
    await owner.wait_until(again["job"]["id"], "COMPLETE")
    done = await read(owner, track_id)
    assert done["status"] == "COMPLETE"
    refused = await owner.get(RETRY, id=job_id)  # of the job that nobody waits for any more
    assert refused["retryJob"]["__typename"] == "Conflict"
    assert (await owner.job(job_id))["state"] == "CANCELLED"
    assert await read(owner, track_id) == done


async def test_track_that_is_deleted_meanwhile_ends_the_job_in_words(
    rows: Resources, owner: Person, worker: Process, track_id: str
) -> None:
    job_id = await listen_until(owner, track_id, "WAVEFORMS")
    assert "id" in (await owner.get(DELETE, id=track_id))["deleteTrack"]
    failed = await owner.wait_until(job_id, "FAILED")
    assert failed["error"]["code"] == "SUBJECT_GONE"
    assert await database.fetch("SELECT 1 FROM analyses WHERE track_id = $1", read_id("track", track_id)) == []
