"""Unlocks: counted once in the transaction that completes a track, and chosen by whoever has earned them."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from jobs.engines.covers import CoverPlan, draw_cover, read_contour
from jobs.foundry import open_foundry
from server.errors import LeaseLost
from server.resources import Resources
from storage import covers, database, unlocks
from storage.lifecycle import State
from storage.rows import new_id, read_id
from storage.series import Series
from storage.styles import find_own_style, style_id
from storage.tracks import Track, new_slug
from tests.studio import Person, Studio

VIEWER = """{ viewer { flourish styleSeed
  unlocks { slug name description flourish progress unlockedAt } } }"""
TRACK = "query ($id: ID!) { track(id: $id) { unlocked seed cover { svgUrl } } }"
CHOOSE = """mutation ($flourish: Flourish) { chooseFlourish(input: {flourish: $flourish}) { __typename
  ... on FlourishChosen { viewer { flourish unlocks { slug } } } ... on Failure { code message } } }"""
NEXT_LOOK = """mutation ($id: ID!) { incrementVisualVersion(trackId: $id) {
  ... on VisualVersionIncremented { track { cover { svgUrl } } } } }"""
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def write_tracks(user_id: UUID, count: int, **given: Any) -> list[Track]:
    """Tracks that were finished, without the wait for their music."""
    columns = {"status": State.COMPLETE, "completed_at": NOON, "duration_seconds": 5.0} | given
    rows = [
        Track(id=new_id(), user_id=user_id, title="T", prompt="p", seed=1, slug=new_slug(), **columns)
        for _ in range(count)
    ]
    await Track.bulk_create(rows)
    return rows


async def note(user_id: UUID) -> set[str]:
    async with database.transaction():
        return set(await unlocks.note_completion(user_id))


async def progress_of(person: Person) -> dict[str, tuple[float, bool]]:
    listed = (await person.get(VIEWER))["viewer"]["unlocks"]
    return {one["slug"]: (one["progress"], one["unlockedAt"] is not None) for one in listed}


@pytest.fixture
def user_id(resources: Resources, person: Person) -> UUID:
    return read_id("user", person.id)


async def test_everything_is_listed_before_anything_is_earned(person: Person) -> None:
    listed = (await person.get(VIEWER))["viewer"]["unlocks"]
    assert [one["slug"] for one in listed] == [one.slug for one in unlocks.CATALOGUE]
    assert all(one["progress"] == 0 and one["unlockedAt"] is None for one in listed)
    assert all(one["name"] and one["description"] and one["flourish"] for one in listed)


async def test_first_track_unlocks_and_tells_so(person: Person) -> None:
    first, second = [await person.create_track() for _ in range(2)]
    for created in (first, second):
        await person.wait_until(created["job"]["id"], "COMPLETE")
    told = [(await person.get(TRACK, id=one["track"]["id"]))["track"]["unlocked"] for one in (first, second)]
    assert sorted(slug for slugs in told for slug in slugs if slug != "night-owl") == ["first-track"]
    progress = await progress_of(person)
    counted = [progress[slug] for slug in ("first-track", "ten-tracks", "fifty-tracks")]
    assert counted == [(1, True), (0.2, False), (0.04, False)]


@pytest.mark.parametrize(
    ("given", "count", "slug"),
    [
        ({}, 10, "ten-tracks"),
        ({}, 50, "fifty-tracks"),
        ({"has_vocals": True}, 1, "first-song"),
        ({"duration_seconds": 300.0}, 1, "long-form"),
        ({"completed_at": NOON.replace(hour=4, minute=59)}, 1, "night-owl"),
    ],
)
async def test_goal_is_reached_with_the_last_and_not_before(
    user_id: UUID, given: dict[str, Any], count: int, slug: str
) -> None:
    usual = await write_tracks(user_id, 1)
    await write_tracks(user_id, count - 1 - (slug.endswith("-tracks")), **given)
    assert slug not in await note(user_id)
    await write_tracks(user_id, 1, **given)
    assert slug in await note(user_id)
    assert slug not in await note(user_id)
    assert usual


@pytest.mark.parametrize(("slugs", "unlocked"), [(("lofi", "pop"), False), (("lofi", "pop", "jazz"), True)])
async def test_styles_are_counted_once_each(user_id: UUID, slugs: Sequence[str], *, unlocked: bool) -> None:
    for slug in slugs:
        await write_tracks(user_id, 2, style_id=style_id(slug))
    assert ("three-styles" in await note(user_id)) is unlocked


async def test_tracks_of_ones_own_style_and_series_count(user_id: UUID) -> None:
    own, begun = await find_own_style(user_id), await Series.create(user_id=user_id, title="S")
    other, default = await Series.create(user_id=user_id, title="O"), await Series.get(user_id=user_id, is_default=True)
    assert own is not None
    await write_tracks(user_id, 2, style_id=own.id, series_id=begun.id)
    await write_tracks(user_id, 2, series_id=begun.id)
    await write_tracks(user_id, 3, series_id=other.id)
    await write_tracks(user_id, 3, series_id=default.id)
    assert await note(user_id) == {"first-track", "ten-tracks"}
    await write_tracks(user_id, 1, style_id=own.id, series_id=begun.id)
    assert await note(user_id) == {"own-style", "whole-series"}


async def test_unfinished_tracks_and_those_of_others_count_for_nothing(studio: Studio, user_id: UUID) -> None:
    other = await studio.make_user()
    await write_tracks(read_id("user", other.id), 3)
    for status in State:
        if status is not State.COMPLETE:
            await write_tracks(user_id, 3, status=status, completed_at=None)
    assert await note(user_id) == set()


async def test_two_that_complete_at_once_unlock_once(user_id: UUID) -> None:
    await write_tracks(user_id, 8)
    await note(user_id)
    waiting = await write_tracks(user_id, 6, status=State.RENDERING)

    async def complete(track: Track) -> list[str]:
        async with database.transaction():
            await database.fetch("UPDATE tracks SET status = 'COMPLETE' WHERE id = $1", track.id)
            return await unlocks.note_completion(user_id)

    told = await asyncio.gather(*(complete(track) for track in waiting))
    assert sorted(slug for slugs in told for slug in slugs) == ["ten-tracks"]


async def test_what_is_rolled_back_unlocked_nothing(person: Person, user_id: UUID) -> None:
    await write_tracks(user_id, 1)

    async def note_in_vain() -> None:
        async with database.transaction():
            assert await unlocks.note_completion(user_id) == ["first-track"]
            raise LeaseLost

    with pytest.raises(LeaseLost):
        await note_in_vain()
    assert (await progress_of(person))["first-track"] == (0, False)
    assert await note(user_id) == {"first-track"}


async def test_what_is_unlocked_stays_when_tracks_go(person: Person, user_id: UUID) -> None:
    await write_tracks(user_id, 10)
    await note(user_id)
    await Track.filter(user_id=user_id).delete()
    await write_tracks(user_id, 1)
    assert await note(user_id) == set()
    progress = await progress_of(person)
    assert [progress[slug] for slug in ("ten-tracks", "fifty-tracks")] == [(1, True), (0.02, False)]


async def test_replayed_job_counts_once(person: Person, user_id: UUID) -> None:
    created = await person.create_track(durationSeconds=120)
    await person.get("mutation ($id: ID!) { cancelJob(id: $id) { __typename } }", id=created["job"]["id"])
    await person.wait_until(created["job"]["id"], "CANCELLED")
    assert (await progress_of(person))["first-track"] == (0, False)
    await person.get("mutation ($id: ID!) { retryJob(id: $id) { __typename } }", id=created["job"]["id"])
    await person.wait_until(created["job"]["id"], "COMPLETE")
    progress = await progress_of(person)
    assert (progress["first-track"], progress["ten-tracks"]) == ((1, True), (0.1, False))


async def test_flourish_is_chosen_once_it_is_unlocked_and_is_drawn(
    studio: Studio, person: Person, user_id: UUID
) -> None:
    locked = (await person.get(CHOOSE, flourish="FRAME"))["chooseFlourish"]
    assert locked == {
        "__typename": "NotAllowed",
        "code": "LOCKED",
        "message": "Finish your first track to unlock this",
    }
    assert (await person.get(VIEWER))["viewer"]["flourish"] is None
    created = await person.create_track()
    await person.wait_until(created["job"]["id"], "COMPLETE")
    assert (await person.get(CHOOSE, flourish="FRAME"))["chooseFlourish"]["viewer"]["flourish"] == "FRAME"
    viewer = (await person.get(VIEWER))["viewer"]
    assert viewer["flourish"] == "FRAME"
    stepped = await person.get(NEXT_LOOK, id=created["track"]["id"])
    url = stepped["incrementVisualVersion"]["track"]["cover"]["svgUrl"]
    kept = await covers.find_cover(read_id("track", created["track"]["id"]), 2)
    assert kept is not None
    assert kept.subject is not None
    contour = read_contour(kept.subject["contour"])
    plan = CoverPlan(viewer["styleSeed"], 7, 2, contour, kept.subject["title"], flourish="frame")
    assert (await studio.client.get(url)).text == draw_cover(plan) != draw_cover(replace(plan, flourish=None))
    assert (await person.get(CHOOSE, flourish=None))["chooseFlourish"]["viewer"]["flourish"] is None


async def test_stranger_chooses_nothing(studio: Studio) -> None:
    answer = await studio.ask(CHOOSE, flourish=None)
    assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


def test_worker_obeys_the_setting(studio: Studio) -> None:
    assert open_foundry(studio.settings).has_unlocks
    assert not open_foundry(studio.settings.model_copy(update={"style_unlocks_enabled": False})).has_unlocks
