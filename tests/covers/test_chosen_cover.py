"""Saved covers have bounds, can be deleted, and can stand for a track: for its owner, and nobody else decides it."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest_asyncio

from jobs.schedule import sweep
from server.resources import Resources
from storage import database
from storage.covers import MOST_SAVED, MOST_SAVED_BYTES
from storage.rows import read_id
from tests.covers.drawings import PICTURE, make_resting_track, rows_of, save, save_until
from tests.studio import Person, Studio

DELETE = """mutation ($id: ID!) { deleteSavedCover(input: { savedCoverId: $id }) { __typename
  ... on SavedCoverDeleted { id } ... on Failure { code } } }"""
CHOOSE = """mutation ($track: ID!, $saved: ID) { chooseCover(input: { trackId: $track, savedCoverId: $saved }) {
  __typename ... on TrackUpdated { track { version chosenCover { id status } } } ... on Failure { code } } }"""
FILL = """INSERT INTO saved_covers (id, user_id, track_id, mode, visual_version, svg_key, size_bytes, created_at)
  SELECT gen_random_uuid(), user_id, id, 'DARK', 1, 'covers/a.svg', $3, now() FROM tracks, generate_series(1, $2)
  WHERE id = $1"""


@pytest_asyncio.fixture
async def track_id(resources: Resources, person: Person) -> str:
    return await make_resting_track(person)


async def fill(track_id: str, count: int, size_bytes: int) -> None:
    await database.fetch(FILL, read_id("track", track_id), count, size_bytes)


async def choose(person: Person, track_id: str, saved_id: str | None) -> object:
    return (await person.get(CHOOSE, track=track_id, saved=saved_id))["chooseCover"]


async def chosen_of(track_id: str) -> object:
    rows = await database.fetch("SELECT saved_cover_id FROM tracks WHERE id = $1", read_id("track", track_id))
    return rows[0]["saved_cover_id"]


async def test_last_place_is_given_to_one_of_those_who_want_it(person: Person, track_id: str) -> None:
    await fill(track_id, MOST_SAVED - 1, 1)
    answers = await asyncio.gather(*(save(person, track_id) for _ in range(5)))
    assert Counter(answer["__typename"] for answer in answers) == {"CoverSaved": 1, "TooManyCovers": 4}
    (refused, *_) = [answer for answer in answers if answer["__typename"] == "TooManyCovers"]
    assert (refused["code"], refused["most"], refused["mostBytes"]) == ("TOO_MANY_COVERS", 500, 200 << 20)
    assert len(await rows_of(track_id)) == MOST_SAVED
    (saved,) = [answer["savedCover"]["id"] for answer in answers if answer["__typename"] == "CoverSaved"]
    await person.get(DELETE, id=saved)
    assert (await save(person, track_id))["__typename"] == "CoverSaved"


async def test_bytes_of_drawings_and_pictures_are_bounded(person: Person, track_id: str) -> None:
    other_track = await make_resting_track(person)
    await fill(other_track, 2, MOST_SAVED_BYTES // 2 - 50)
    assert (await save(person, track_id))["__typename"] == "TooManyCovers"
    await database.fetch(
        "UPDATE saved_covers SET size_bytes = 9, pictures_bytes = $2 WHERE track_id = $1",
        read_id("track", other_track),
        MOST_SAVED_BYTES // 2 - 20,
    )
    assert (await save(person, track_id))["__typename"] == "TooManyCovers"
    assert await rows_of(track_id) == []
    await database.fetch(
        "UPDATE saved_covers SET pictures_bytes = 9 WHERE track_id = $1", read_id("track", other_track)
    )
    assert (await save(person, track_id))["__typename"] == "CoverSaved"


async def test_somebody_elses_covers_take_no_room(studio: Studio, person: Person, track_id: str) -> None:
    await fill(track_id, MOST_SAVED, MOST_SAVED_BYTES // MOST_SAVED)
    somebody = await studio.make_user()
    assert (await save(somebody, await make_resting_track(somebody)))["__typename"] == "CoverSaved"


async def test_only_its_owner_deletes_a_saved_cover(
    studio: Studio, resources: Resources, person: Person, admin: Person, track_id: str
) -> None:
    saved = await save_until(person, track_id, "READY")
    for somebody in (await studio.make_user(), admin):
        assert (await somebody.get(DELETE, id=saved["id"]))["deleteSavedCover"]["code"] == "NOT_FOUND"
    nobody = await studio.ask(DELETE, id=saved["id"])
    assert nobody["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    for unknown in ("", "nonsense", track_id, "savedCover_" + "0" * 32):
        assert (await person.get(DELETE, id=unknown))["deleteSavedCover"]["code"] == "NOT_FOUND"
    assert len(await rows_of(track_id)) == 1
    prefix = f"covers/{read_id('track', track_id).hex}/saved/"
    await sweep(resources.blobs, age=timedelta(0))
    assert len([key async for key, _ in resources.blobs.list_keys(prefix)]) == 4
    gone = (await person.get(DELETE, id=saved["id"]))["deleteSavedCover"]
    assert gone == {"__typename": "SavedCoverDeleted", "id": saved["id"]}
    assert await rows_of(track_id) == []
    assert (await person.get(DELETE, id=saved["id"]))["deleteSavedCover"]["code"] == "NOT_FOUND"
    await sweep(resources.blobs, age=timedelta(0))
    assert [key async for key, _ in resources.blobs.list_keys(prefix)] == []


async def test_only_its_owner_chooses_what_a_track_shows(
    studio: Studio, person: Person, admin: Person, track_id: str
) -> None:
    saved_id = (await save(person, track_id))["savedCover"]["id"]
    somebody = await studio.make_user()
    foreign = (await save(somebody, await make_resting_track(somebody)))["savedCover"]["id"]
    of_another_track = (await save(person, await make_resting_track(person)))["savedCover"]["id"]
    for other in (somebody, admin):
        for wanted in (saved_id, foreign, None):
            assert await choose(other, track_id, wanted) == {"__typename": "NotFound", "code": "NOT_FOUND"}
    for wanted in (foreign, of_another_track, "nonsense", "savedCover_" + "0" * 32):
        assert await choose(person, track_id, wanted) == {"__typename": "NotFound", "code": "NOT_FOUND"}
    nobody = await studio.ask(CHOOSE, track=track_id, saved=saved_id)
    assert nobody["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert await chosen_of(track_id) is None


async def test_chosen_cover_is_shown_until_it_is_deleted_or_unchosen(person: Person, track_id: str) -> None:
    saved = await save_until(person, track_id, "READY")
    for forget in (lambda: choose(person, track_id, None), lambda: person.get(DELETE, id=saved["id"])):
        shown = await choose(person, track_id, saved["id"])
        assert isinstance(shown, dict)
        assert shown["track"]["chosenCover"] == {"id": saved["id"], "status": "READY"}
        await forget()
        assert await chosen_of(track_id) is None


async def test_strangers_see_the_pictures_of_a_chosen_cover_and_never_a_drawing(
    studio: Studio, person: Person, track_id: str
) -> None:
    created = await person.create_track()
    await person.wait_until(created["job"]["id"], "COMPLETE")
    shared_id = created["track"]["id"]
    share = await person.get(
        """mutation ($id: ID!) { updateTrack(input: { trackId: $id, visibility: PUBLIC }) {
        ... on TrackUpdated { track { shareUrl } } } }""",
        id=shared_id,
    )
    page = "/share/" + share["updateTrack"]["track"]["shareUrl"].rpartition("/")[2]
    assert "cover-square.png" in (await studio.client.get(page)).text
    saved = await save_until(person, shared_id, "READY", PICTURE)
    await choose(person, shared_id, saved["id"])
    text = (await studio.client.get(page)).text
    assert f"/saved/{saved['id'].rpartition('_')[2]}-square.png" in text
    picture = await studio.client.get(f"{page}/cover.png")
    assert f"/saved/{saved['id'].rpartition('_')[2]}-landscape.png" in picture.headers["location"]
    await database.fetch("UPDATE saved_covers SET status = 'QUEUED' WHERE track_id = $1", read_id("track", shared_id))
    assert "cover-square.png" in (await studio.client.get(page)).text
    assert ".svg" not in text
