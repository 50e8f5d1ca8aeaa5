"""Tracks once they are there: reading, paging, changing, sharing, deleting; as owner, as another, as nobody."""

import asyncio
from typing import Any

import pytest

from jobs import queue
from server.resources import Resources
from storage import database
from storage.rows import new_id, read_id, write_id
from tests.studio import Person, Studio

PAGE = """query ($first: Int!, $after: String) { tracks(first: $first, after: $after) {
  edges { cursor node { id } } nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
GET = "query ($id: ID!) { track(id: $id) { id title visibility } }"
NODE = "query ($id: ID!) { node(id: $id) { __typename id } }"
UPDATE = """mutation ($input: UpdateTrackInput!) { updateTrack(input: $input) {
  ... on TrackUpdated { track { title visibility version } } ... on Failure { code } } }"""
DELETE = "mutation ($id: ID!) { deleteTrack(trackId: $id) { ... on TrackDeleted { id } ... on Failure { code } } }"
NEXT_LOOK = """mutation ($id: ID!) { incrementVisualVersion(trackId: $id) {
  ... on VisualVersionIncremented { track { visualVersion cover { svgUrl pngUrl } } job { id } }
  ... on Failure { code } } }"""
SERIES = """mutation ($title: String!) { createSeries(input: { title: $title }) {
  ... on SeriesCreated { series { id title } } ... on Failure { code } } }"""


async def make_complete_track(person: Person, **given: Any) -> str:
    created = await person.create_track(**given)
    await person.wait_until(created["job"]["id"], "COMPLETE")
    track_id: str = created["track"]["id"]
    return track_id


async def test_pages_follow_one_another_while_tracks_are_added(person: Person) -> None:
    made = [(await person.create_track())["track"]["id"] for _ in range(5)]
    first = (await person.get(PAGE, first=2))["tracks"]
    assert [edge["node"]["id"] for edge in first["edges"]] == [made[4], made[3]]
    assert first["pageInfo"]["hasNextPage"]
    await person.create_track()
    second = (await person.get(PAGE, first=2, after=first["pageInfo"]["endCursor"]))["tracks"]
    assert [node["id"] for node in second["nodes"]] == [made[2], made[1]]
    last = (await person.get(PAGE, first=2, after=second["pageInfo"]["endCursor"]))["tracks"]
    assert [node["id"] for node in last["nodes"]] == [made[0]]
    assert (last["pageInfo"]["hasNextPage"], last["pageInfo"]["hasPreviousPage"]) == (False, True)


async def test_no_tracks_are_an_empty_page(person: Person) -> None:
    page = (await person.get(PAGE, first=10))["tracks"]
    assert page["edges"] == []
    assert page["pageInfo"] == {
        "hasNextPage": False,
        "hasPreviousPage": False,
        "startCursor": None,
        "endCursor": None,
    }


@pytest.mark.parametrize(("first", "after"), [(0, None), (-1, None), (101, None), (5, "x"), (5, "track_" + "0" * 32)])
async def test_page_that_makes_no_sense_is_refused(person: Person, first: int, after: str | None) -> None:
    answer = await person.ask(PAGE, first=first, after=after)
    assert answer["errors"][0]["extensions"]["code"] == "VALIDATION_FAILED"


async def test_another_sees_changes_and_deletes_nothing(studio: Studio, person: Person) -> None:
    track_id = await make_complete_track(person)
    other = await studio.make_user()
    for query in (GET, NODE):
        answer = await other.ask(query, id=track_id)
        assert answer["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    assert (await other.get(UPDATE, input={"trackId": track_id, "title": "mine"}))["updateTrack"]["code"] == "NOT_FOUND"
    assert (await other.get(DELETE, id=track_id))["deleteTrack"]["code"] == "NOT_FOUND"
    assert (await other.get(NEXT_LOOK, id=track_id))["incrementVisualVersion"]["code"] == "NOT_FOUND"
    assert (await studio.ask(GET, id=track_id))["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert (await person.get(GET, id=track_id))["track"]["title"] == "A calm lofi evening"


async def test_admin_sees_it_but_does_not_own_it(admin: Person, person: Person) -> None:
    track_id = (await person.create_track())["track"]["id"]
    assert (await admin.get(GET, id=track_id))["track"]["id"] == track_id
    assert (await admin.get(DELETE, id=track_id))["deleteTrack"]["code"] == "NOT_FOUND"


async def test_every_node_is_found_by_its_id(person: Person) -> None:
    track_id = await make_complete_track(person)
    query = """query ($id: ID!) { track(id: $id) { id audio { id } cover { id } job { id } series { id } }
      viewer { id } styles { id } creditEntries(first: 1) { nodes { id } } }"""
    got = await person.get(query, id=track_id)
    track = got["track"]
    expected = {
        "Track": track["id"],
        "Asset": track["audio"]["id"],
        "Cover": track["cover"]["id"],
        "Job": track["job"]["id"],
        "Series": track["series"]["id"],
        "User": got["viewer"]["id"],
        "Style": got["styles"][0]["id"],
        "CreditEntry": got["creditEntries"]["nodes"][0]["id"],
    }
    for typename, node_id in expected.items():
        assert (await person.get(NODE, id=node_id))["node"] == {"__typename": typename, "id": node_id}


@pytest.mark.parametrize(
    "node_id", ["", "track", "track_", "track_" + "z" * 32, "nothing_" + "0" * 32, "_" * 40, "\x00"]
)
async def test_ids_that_are_none_are_not_found(person: Person, node_id: str) -> None:
    answer = await person.ask(NODE, id=node_id)
    assert answer["errors"][0]["extensions"]["code"] == "NOT_FOUND"


async def test_id_of_one_kind_is_none_of_another(person: Person) -> None:
    track_id: str = (await person.create_track())["track"]["id"]
    job_alias = track_id.replace("track_", "job_")
    assert (await person.ask(NODE, id=job_alias))["errors"][0]["extensions"]["code"] == "NOT_FOUND"


async def test_share_page_answers_only_while_it_may(studio: Studio, person: Person) -> None:
    track_id = await make_complete_track(person)
    share_url = (await person.get("query ($id: ID!) { track(id: $id) { shareUrl } }", id=track_id))["track"]["shareUrl"]
    assert (await studio.client.get(share_url)).status_code == 404
    updated = await person.get(UPDATE, input={"trackId": track_id, "visibility": "UNLISTED", "title": "Night <bus>"})
    assert updated["updateTrack"]["track"]["visibility"] == "UNLISTED"
    page = await studio.client.get(share_url)
    assert page.status_code == 200
    assert 'property="og:title" content="Night &lt;bus&gt;"' in page.text
    await person.get(UPDATE, input={"trackId": track_id, "visibility": "PRIVATE"})
    assert (await studio.client.get(share_url)).status_code == 404


@pytest.mark.parametrize("title", ["", "   ", "x" * 121, "a\x00b"])
async def test_title_must_be_one(person: Person, title: str) -> None:
    track_id = (await person.create_track())["track"]["id"]
    answer = await person.get(UPDATE, input={"trackId": track_id, "title": title})
    assert answer["updateTrack"]["code"] == "VALIDATION_FAILED"


async def test_track_that_is_being_made_cannot_be_deleted(person: Person) -> None:
    created = await person.create_track(durationSeconds=300)
    assert (await person.get(DELETE, id=created["track"]["id"]))["deleteTrack"]["code"] == "CONFLICT"
    await person.get("mutation ($id: ID!) { cancelJob(id: $id) { __typename } }", id=created["job"]["id"])
    assert "id" in (await person.get(DELETE, id=created["track"]["id"]))["deleteTrack"]


async def test_deleted_track_leaves_nothing_behind(resources: Resources, person: Person) -> None:
    track_id = await make_complete_track(person)
    await person.get(DELETE, id=track_id)
    for table, column in (
        ("tracks", "id"),
        ("assets", "track_id"),
        ("covers", "track_id"),
        ("saved_covers", "track_id"),
        ("analyses", "track_id"),
    ):
        rows = await database.fetch(f"SELECT 1 FROM {table} WHERE {column} = $1", read_id("track", track_id))  # noqa: S608 - our own names
        assert rows == []


async def test_key_of_a_deleted_track_is_a_conflict(person: Person) -> None:
    track_id = await make_complete_track(person, idempotencyKey="once")
    await person.get(DELETE, id=track_id)
    assert (await person.create_track(idempotencyKey="once"))["code"] == "CONFLICT"


async def test_next_look_is_there_at_once_and_its_pictures_follow(studio: Studio, person: Person) -> None:
    track_id = await make_complete_track(person)
    look = (await person.get(NEXT_LOOK, id=track_id))["incrementVisualVersion"]
    assert look["track"]["visualVersion"] == 2
    assert (await studio.client.get(look["track"]["cover"]["svgUrl"])).status_code == 200
    await person.wait_until(look["job"]["id"], "COMPLETE")
    query = "query ($id: ID!) { track(id: $id) { status cover { visualVersion pngUrl(crop: LANDSCAPE) } } }"
    track = (await person.get(query, id=track_id))["track"]
    assert (track["cover"]["visualVersion"], track["status"]) == (2, "COMPLETE")
    assert (await studio.client.get(track["cover"]["pngUrl"])).content.startswith(b"\x89PNG")


async def test_looks_that_are_asked_for_at_once_are_all_different(person: Person) -> None:
    track_id = await make_complete_track(person)
    looks = await asyncio.gather(*(person.get(NEXT_LOOK, id=track_id) for _ in range(5)))
    versions = [look["incrementVisualVersion"]["track"]["visualVersion"] for look in looks]
    assert sorted(versions) == [2, 3, 4, 5, 6]


async def test_look_of_a_track_that_was_deleted_meanwhile_fails_in_words(resources: Resources, person: Person) -> None:
    track_id = await make_complete_track(person)
    row_id = read_id("track", track_id)
    async with database.transaction():  # holds the worker off until the track is gone
        await database.fetch("SELECT id FROM tracks WHERE id = $1 FOR UPDATE", row_id)
        owner = read_id("user", person.id)
        job = await queue.enqueue(
            "covers.draw", "default", job_id=new_id(), user_id=owner, subject_id=row_id, payload={"visual_version": 2}
        )
        await database.fetch("DELETE FROM tracks WHERE id = $1", row_id)
    failed = await person.wait_until(write_id("job", job.id), "FAILED")
    assert failed["error"]["code"] == "SUBJECT_GONE"
    covers = await database.fetch("SELECT 1 FROM covers WHERE track_id = $1 AND visual_version = 2", row_id)
    assert covers == []


async def test_series_can_be_begun_and_filled(person: Person) -> None:
    series = (await person.get(SERIES, title="  Night drives "))["createSeries"]["series"]
    assert series["title"] == "Night drives"
    created = await person.create_track(seriesId=series["id"])
    listed = await person.get("query ($id: ID!) { tracks(first: 5, seriesId: $id) { nodes { id } } }", id=series["id"])
    assert [node["id"] for node in listed["tracks"]["nodes"]] == [created["track"]["id"]]
