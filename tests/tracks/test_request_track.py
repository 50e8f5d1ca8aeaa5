"""Asking for tracks at once: the last credits, one idempotency key, the turns of one person's jobs."""

import asyncio
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from jobs.tracks import MAX_TITLE, RequestedTrack, TrackWish, request_track, title_of
from server.errors import Conflict, InsufficientCredits, ValidationFailed
from server.resources import Resources
from storage import database, jobs, wishes
from storage.access import Viewer
from storage.jobs import JobState
from storage.rows import new_id, read_id
from storage.series import Series
from storage.tracks import Track, new_slug
from tests.studio import Person, Studio, until

WISH = TrackWish("a calm lofi evening", 5)
CROWD = 6
COUNTS = """SELECT (SELECT count(*) FROM tracks WHERE user_id = $1) AS tracks,
    (SELECT count(*) FROM jobs WHERE user_id = $1) AS jobs,
    (SELECT count(*) FROM credit_entries WHERE user_id = $1 AND kind = 'RESERVE') AS entries,
    (SELECT count(*) FROM idempotency_keys WHERE user_id = $1) AS keys"""


@pytest.fixture
def viewer(resources: Resources, person: Person) -> Viewer:
    return Viewer(read_id("user", person.id))


async def set_credits(viewer: Viewer, amount: int) -> None:
    await database.fetch("UPDATE users SET credits = $2 WHERE id = $1", viewer.user_id, amount)


async def count(viewer: Viewer) -> tuple[int, ...]:
    (row,) = await database.fetch(COUNTS, viewer.user_id)
    return tuple(row.values())


async def request_together(viewer: Viewer, times: int, **given: Any) -> list[RequestedTrack | BaseException]:
    return await asyncio.gather(*(request_track(viewer, WISH, **given) for _ in range(times)), return_exceptions=True)


async def test_answer_is_what_was_written(viewer: Viewer) -> None:
    track = make_track(viewer)
    job = await write_aside(track)
    written = await Track.get(id=track.id)
    assert job is not None
    assert await jobs.read_states([job.id]) == [job]
    assert columns_of(track) == columns_of(written)
    series = await Series.get(id=written.series_id)
    assert (series.user_id, series.is_default) == (viewer.user_id, True)


async def test_one_of_two_spends_the_last_credit(viewer: Viewer) -> None:
    await set_credits(viewer, 1)
    answers = await request_together(viewer, 2)
    assert {type(answer) for answer in answers} == {RequestedTrack, InsufficientCredits}
    assert await count(viewer) == (1, 1, 1, 0)


async def test_key_that_twenty_use_at_once_makes_one_track(viewer: Viewer) -> None:
    answers = await request_together(viewer, 20, idempotency_key="k")
    assert len({answer.track.id for answer in answers if isinstance(answer, RequestedTrack)}) == 1
    assert not [answer for answer in answers if not isinstance(answer, RequestedTrack)]
    assert await count(viewer) == (1, 1, 1, 1)


async def test_key_of_what_was_refused_can_be_used_again(viewer: Viewer) -> None:
    await set_credits(viewer, 0)
    with pytest.raises(InsufficientCredits):
        await request_track(viewer, WISH, idempotency_key="k")
    assert await count(viewer) == (0, 0, 0, 0)
    await set_credits(viewer, 1)
    made = await request_track(viewer, WISH, idempotency_key="k")
    assert (await request_track(viewer, WISH, idempotency_key="k")).track.id == made.track.id
    with pytest.raises(Conflict):
        await request_track(viewer, TrackWish("another", 5), idempotency_key="k")
    assert await count(viewer) == (1, 1, 1, 1)


async def test_what_is_not_there_is_named_before_the_credits(viewer: Viewer) -> None:
    await set_credits(viewer, 0)
    with pytest.raises(ValidationFailed) as refused:
        await request_track(viewer, replace(WISH, style_id=new_id(), series_id=new_id()))
    assert [*refused.value.fields] == ["styleId", "seriesId"]
    with pytest.raises(ValidationFailed) as refused:
        await request_track(viewer, replace(WISH, prompt="", style_id=new_id()))
    assert [*refused.value.fields] == ["prompt", "styleId"]
    assert await count(viewer) == (0, 0, 0, 0)


async def test_jobs_that_one_person_asks_for_at_once_have_turns_of_their_own(studio: Studio, viewer: Viewer) -> None:
    connection = await asyncpg.connect(studio.services.database_url)
    async with connection.transaction():
        await connection.execute("UPDATE users SET credits = 100 WHERE id = $1", viewer.user_id)
        asked = [asyncio.create_task(write_aside(make_track(viewer))) for _ in range(CROWD)]

        async def all_wait() -> bool:
            rows = await connection.fetch("SELECT pid FROM pg_locks WHERE NOT granted")
            return len(rows) >= CROWD

        await until(all_wait, "they wait for the account's row")
    assert None not in await asyncio.gather(*asked)
    rows = await database.fetch("DELETE FROM jobs WHERE user_id = $1 RETURNING turn", viewer.user_id)
    assert len({row["turn"] for row in rows}) == CROWD
    await connection.close()


def columns_of(track: Track) -> dict[str, Any]:
    return {name: value for name, value in vars(track).items() if not name.startswith("_")}


def make_track(viewer: Viewer) -> Track:
    return Track(
        user_id=viewer.user_id, job_id=new_id(), title="t", prompt="p", duration_seconds=5, seed=1, slug=new_slug()
    )


async def write_aside(track: Track) -> JobState | None:
    """Write a track with a job that no worker takes."""
    return await wishes.write_track(track, price=1, kind="jobs.probe", queue="nobody")


@pytest.mark.parametrize(
    ("prompt", "title"),
    [
        ("a bright synthwave song about the sea", "A bright synthwave song"),
        ("a waltz with a harp and", "A waltz with a harp and"),  # all that was said
        ("the the the the the the end", "The"),
        ("rain, on tin; roofs at night, slowly", "Rain, on tin; roofs at night"),
        ("\u202ea quiet sea\nat night", "A quiet sea at night"),
        ("?\u200b", "Untitled"),
    ],
)
def test_title_ends_where_a_thought_may(prompt: str, title: str) -> None:
    assert title_of(prompt) == title


@pytest.mark.parametrize("prompt", ["ŉ" * 200, "ﬃ" * 130, "ß" * 121, "ǰ" + "x" * 119, "😀" * 500])
async def test_title_of_any_prompt_can_be_kept(resources: Resources, viewer: Viewer, prompt: str) -> None:
    requested = await request_track(viewer, replace(WISH, prompt=prompt))
    assert 1 <= len(requested.track.title) <= MAX_TITLE
