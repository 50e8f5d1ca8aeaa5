"""Jobs whose subject has gone: nobody is told that they run again, and nothing of theirs moves."""

import asyncio
from typing import Any

from jobs.kinds import KINDS
from server.resources import Resources
from storage import database
from storage.jobs.subjects import MAKERS, OTHERS
from storage.rows import read_id
from tests.studio import Person
from tests.videos.filming import CANCEL, DELETE, create, make_song

RETRY = "mutation ($id: ID!) { retryJob(id: $id) { __typename ... on Failure { code message } } }"
DELETE_TRACK = "mutation ($id: ID!) { deleteTrack(trackId: $id) { __typename } }"


def test_every_kind_says_what_it_works_on() -> None:
    assert not set(MAKERS) & set(OTHERS)
    assert set(MAKERS) | set(OTHERS) == set(KINDS) - {"jobs.probe"}


async def retry(person: Person, job_id: str) -> Any:
    return (await person.get(RETRY, id=job_id))["retryJob"]


async def test_job_of_a_video_that_was_deleted_is_not_run_again(resources: Resources, person: Person) -> None:
    track_id = await make_song(person)
    created = await create(person, track_id, aspect="LANDSCAPE", lyric={"framesPerSecond": 60})
    await person.get(CANCEL, id=created["job"]["id"])
    assert (await person.get(DELETE, id=created["video"]["id"]))["deleteVideo"]["__typename"] == "VideoDeleted"
    before = await person.job(created["job"]["id"])
    refused = await retry(person, created["job"]["id"])
    assert (refused["code"], "deleted" in refused["message"]) == ("CONFLICT", True)
    assert await person.job(created["job"]["id"]) == before


async def test_video_is_either_run_again_or_deleted_and_never_both(resources: Resources, person: Person) -> None:
    track_id = await make_song(person)
    for _ in range(8):
        created = await create(person, track_id, aspect="LANDSCAPE", lyric={"framesPerSecond": 60})
        job_id, video_id = created["job"]["id"], created["video"]["id"]
        await person.get(CANCEL, id=job_id)
        retried, deleted = await asyncio.gather(retry(person, job_id), person.get(DELETE, id=video_id))
        told = retried["__typename"], deleted["deleteVideo"]["__typename"]
        assert told in {("JobRetried", "Conflict"), ("Conflict", "VideoDeleted")}
        await person.get(CANCEL, id=job_id)


async def test_job_of_a_track_that_was_deleted_is_not_run_again_and_costs_nothing(
    resources: Resources, person: Person
) -> None:
    created = await person.create_track(durationSeconds=300)
    await person.get(CANCEL, id=created["job"]["id"])
    await person.get(DELETE_TRACK, id=created["track"]["id"])
    credits_before = await person.credits()
    assert (await retry(person, created["job"]["id"]))["code"] == "CONFLICT"
    assert await person.credits() == credits_before
    rows = await database.fetch("SELECT state FROM jobs WHERE id = $1", read_id("job", created["job"]["id"]))
    assert [row["state"] for row in rows] == ["CANCELLED"]
