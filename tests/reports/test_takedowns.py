"""Takedowns: the world sees a track no longer, its owner keeps it, and it is written down who did it."""

from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from server.resources import Resources
from storage.rows import read_id, write_id
from storage.tracks import Track
from tests.reports.test_reports import AUDIT, REPORT
from tests.server.test_pages import Reader, key_of, make_shared_track
from tests.studio import Person, Studio

TRACK = """query ($id: ID!) { track(id: $id) {
  id title visibility takedown { reason at } audio { url } cover { svgUrl pngUrl } } }"""
TAKE_DOWN = """mutation ($input: TakeDownTrackInput!) { takeDownTrack(input: $input) { __typename
  ... on TrackTakenDown { track { takedown { reason at } visibility } } ... on Failure { code } } }"""
RESTORE = """mutation ($input: RestoreTrackInput!) { restoreTrack(input: $input) { __typename
  ... on TrackRestored { track { takedown { reason } visibility } } ... on Failure { code } } }"""
UPDATE = """mutation ($input: UpdateTrackInput!) { updateTrack(input: $input) { __typename
  ... on TrackUpdated { track { title visibility } } ... on Failure { code message } } }"""
DELETE = "mutation ($id: ID!) { deleteTrack(trackId: $id) { ... on TrackDeleted { id } ... on Failure { code } } }"
PATHS = ("/share/{}", "/embed/{}", "/share/{}/audio", "/share/{}/cover.png", "/share/{}/report")


@pytest_asyncio.fixture
async def track(resources: Resources, tmp_path: Path, person: Person) -> Track:
    """A shared track of the person's."""
    return await make_shared_track(resources, tmp_path, user_id=read_id("user", person.id))


def name(track: Track) -> str:
    return write_id("track", track.id)


async def take_down(admin: Person, track: Track, **given: Any) -> Any:
    wish = {"trackId": name(track), "reason": "RIGHTS", "note": "Letter of 3 May"} | given
    return (await admin.get(TAKE_DOWN, input=wish))["takeDownTrack"]


async def test_world_is_told_and_gets_nothing(studio: Studio, admin: Person, track: Track) -> None:
    page = Reader((await studio.client.get(f"/share/{track.slug}")).text)
    links = [
        page.all("img")[0]["src"],
        next(attrs["href"] for attrs in page.all("a") if "download" in attrs),
        (await studio.client.get(f"/share/{track.slug}/audio")).headers["location"],
        (await studio.client.get(f"/share/{track.slug}/cover.png")).headers["location"],
    ]
    assert [(await studio.client.get(link)).status_code for link in links] == [200] * 4
    taken = (await take_down(admin, track))["track"]
    assert (taken["takedown"]["reason"], taken["visibility"]) == ("RIGHTS", "PUBLIC")
    for path in PATHS:
        answer = await studio.client.get(path.format(track.slug))
        assert answer.status_code == 451, path
        assert Reader(answer.text).texts["h1"] == ["This track was taken down"]
        assert answer.headers["link"] == f'<{studio.url}/policy>; rel="blocked-by"'
        assert answer.headers["cache-control"] == "no-store"
        assert track.title not in answer.text
    embedded = await studio.client.get("/oembed", params={"url": f"{studio.url}/share/{track.slug}"})
    assert embedded.status_code == 404
    answers = [await studio.client.get(link) for link in links]
    assert [(answer.status_code, answer.json()["error"]["code"]) for answer in answers] == [(451, "TAKEN_DOWN")] * 4
    stripped = [link.replace("&shared=1", "") for link in links]
    assert [(await studio.client.get(link)).status_code for link in stripped] == [403] * 4
    reported = await studio.ask(REPORT, input={"slug": track.slug, "reason": "RIGHTS", "details": "mine"})
    assert reported["data"]["reportTrack"]["code"] == "NOT_FOUND"


async def test_links_of_the_page_end_when_a_track_is_made_private(studio: Studio, person: Person, track: Track) -> None:
    link = (await studio.client.get(f"/share/{track.slug}/audio")).headers["location"]
    await person.get(UPDATE, input={"trackId": name(track), "visibility": "PRIVATE"})
    assert (await studio.client.get(link)).status_code == 404


async def test_owner_keeps_it_and_sees_why(studio: Studio, person: Person, admin: Person, track: Track) -> None:
    assert (await person.get(TRACK, id=name(track)))["track"]["takedown"] is None
    await take_down(admin, track, reason="IMPERSONATION")
    mine = (await person.get(TRACK, id=name(track)))["track"]
    assert mine["takedown"]["reason"] == "IMPERSONATION"
    assert mine["takedown"]["at"]
    for link in (mine["audio"]["url"], mine["cover"]["svgUrl"], mine["cover"]["pngUrl"]):
        assert (await studio.client.get(link)).status_code == 200


async def test_it_cannot_be_shown_to_more_people_until_it_is_restored(
    studio: Studio, person: Person, admin: Person, track: Track
) -> None:
    await person.get(UPDATE, input={"trackId": name(track), "visibility": "UNLISTED"})
    await take_down(admin, track)
    raised = await person.get(UPDATE, input={"trackId": name(track), "visibility": "PUBLIC", "title": "New"})
    assert raised["updateTrack"]["code"] == "CONFLICT"
    assert "taken down" in raised["updateTrack"]["message"]
    kept = (await person.get(TRACK, id=name(track)))["track"]
    assert (kept["visibility"], kept["title"]) == ("UNLISTED", track.title)
    renamed = await person.get(UPDATE, input={"trackId": name(track), "title": "Day train", "visibility": "UNLISTED"})
    assert renamed["updateTrack"]["track"] == {"title": "Day train", "visibility": "UNLISTED"}
    hidden = await person.get(UPDATE, input={"trackId": name(track), "visibility": "PRIVATE"})
    assert hidden["updateTrack"]["track"]["visibility"] == "PRIVATE"
    assert (await studio.client.get(f"/share/{track.slug}")).status_code == 404
    given = {"trackId": name(track), "visibility": "UNLISTED"}
    assert (await person.get(UPDATE, input=given))["updateTrack"]["code"] == "CONFLICT"
    await admin.get(RESTORE, input={"trackId": name(track)})
    assert (await person.get(UPDATE, input=given))["updateTrack"]["track"]["visibility"] == "UNLISTED"


async def test_takedown_is_undone_and_both_are_written_down(
    studio: Studio, admin: Person, resources: Resources, track: Track
) -> None:
    await take_down(admin, track)
    assert (await take_down(admin, track))["code"] == "CONFLICT"
    restored = (await admin.get(RESTORE, input={"trackId": name(track), "note": "A mistake"}))["restoreTrack"]["track"]
    assert restored == {"takedown": None, "visibility": "PUBLIC"}
    again = await admin.get(RESTORE, input={"trackId": name(track)})
    assert again["restoreTrack"]["code"] == "CONFLICT"
    assert (await studio.client.get(f"/share/{track.slug}")).status_code == 200
    link = resources.blobs.link(key_of(track, "mix.wav"), expires_in_seconds=60, is_shared=True)
    assert (await studio.client.get(link)).status_code == 200
    entries = (await admin.get(AUDIT, subject=name(track)))["auditEntries"]["nodes"]
    assert [(entry["action"], entry["note"], entry["actor"]["email"]) for entry in entries] == [
        ("track.restored", "A mistake", admin.email),
        ("track.taken_down", "RIGHTS: Letter of 3 May", admin.email),
    ]


async def test_only_admins_take_down_and_restore(studio: Studio, person: Person, admin: Person, track: Track) -> None:
    other, given = await studio.make_user(), {"trackId": name(track), "reason": "RIGHTS"}
    assert (await studio.ask(TAKE_DOWN, input=given))["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    for somebody in (other, person):
        assert (await somebody.get(TAKE_DOWN, input=given))["takeDownTrack"]["code"] == "NOT_ALLOWED"
    assert (await studio.client.get(f"/share/{track.slug}")).status_code == 200
    await take_down(admin, track)
    back = {"trackId": name(track)}
    assert (await studio.ask(RESTORE, input=back))["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    for somebody in (other, person):
        assert (await somebody.get(RESTORE, input=back))["restoreTrack"]["code"] == "NOT_ALLOWED"
    assert (await studio.client.get(f"/share/{track.slug}")).status_code == 451
    entries = (await admin.get(AUDIT, subject=name(track)))["auditEntries"]["nodes"]
    assert [entry["action"] for entry in entries] == ["track.taken_down"]


@pytest.mark.parametrize("track_id", ["nonsense", "track_" + "0" * 32])
async def test_track_that_is_none_is_not_found(admin: Person, track_id: str) -> None:
    given = {"trackId": track_id, "reason": "OTHER"}
    assert (await admin.get(TAKE_DOWN, input=given))["takeDownTrack"]["code"] == "NOT_FOUND"
    assert (await admin.get(RESTORE, input={"trackId": track_id}))["restoreTrack"]["code"] == "NOT_FOUND"


async def test_note_that_is_too_long_changes_nothing(studio: Studio, admin: Person, track: Track) -> None:
    assert (await take_down(admin, track, note="x" * 2001))["code"] == "VALIDATION_FAILED"
    assert (await studio.client.get(f"/share/{track.slug}")).status_code == 200


async def test_owner_may_delete_what_was_taken_down(person: Person, admin: Person, track: Track) -> None:
    await take_down(admin, track)
    assert "id" in (await person.get(DELETE, id=name(track)))["deleteTrack"]
    assert len((await admin.get(AUDIT, subject=name(track)))["auditEntries"]["nodes"]) == 1
