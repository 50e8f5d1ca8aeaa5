"""Series: how far they are, changing them, and tracks that go from one to another; as owner, as others, at once."""

import asyncio
from typing import Any

import pytest
import pytest_asyncio

from jobs.tracks import TrackWish, request_track
from server.errors import NotFound, ValidationFailed
from server.resources import Resources
from storage import database, series, tracks
from storage.access import Viewer
from storage.rows import read_id
from tests.studio import Person, Studio

CREATE = """mutation ($title: String!) { createSeries(input: {title: $title}) {
  ... on SeriesCreated { series { id title isDefault trackCount completedCount lastTrackAt } }
  ... on Failure { code message } } }"""
UPDATE = """mutation ($input: UpdateSeriesInput!) { updateSeries(input: $input) { __typename
  ... on SeriesUpdated { series { id title trackCount } } ... on Failure { code message } } }"""
DELETE = """mutation ($id: ID!) { deleteSeries(seriesId: $id) { __typename
  ... on SeriesDeleted { id movedTrackCount } ... on Failure { code message } } }"""
LIST = "{ series(first: 100) { nodes { id title isDefault trackCount completedCount lastTrackAt } } }"
MOVE = """mutation ($input: UpdateTrackInput!) { updateTrack(input: $input) { __typename
  ... on TrackUpdated { track { title version series { id trackCount } } } ... on Failure { code message } } }"""
CANCEL = "mutation ($id: ID!) { cancelJob(id: $id) { __typename } }"
DELETE_TRACK = "mutation ($id: ID!) { deleteTrack(trackId: $id) { __typename } }"
TRACKS = """{ tracks(first: 100) { nodes { id createdAt series { id trackCount completedCount lastTrackAt } } } }"""


async def begin(person: Person, title: str = "Winter") -> str:
    series_id: str = (await person.get(CREATE, title=title))["createSeries"]["series"]["id"]
    return series_id


async def make_ended_track(person: Person, **given: Any) -> str:
    """A track that nobody works on; whether it was made or cancelled does not matter."""
    created = await person.create_track(**given)
    await person.get(CANCEL, id=created["job"]["id"])
    await person.wait_until(created["job"]["id"], "CANCELLED", "COMPLETE")
    track_id: str = created["track"]["id"]
    return track_id


async def find(person: Person, series_id: str) -> Any:
    listed = (await person.get(LIST))["series"]["nodes"]
    return next((one for one in listed if one["id"] == series_id), None)


async def default_id(person: Person) -> str:
    listed = (await person.get(LIST))["series"]["nodes"]
    found: str = next(one["id"] for one in listed if one["isDefault"])
    return found


@pytest_asyncio.fixture
async def series_id(person: Person) -> str:
    return await begin(person)


async def test_series_tells_how_far_it_is(person: Person, series_id: str) -> None:
    before = await find(person, series_id)
    assert (before["trackCount"], before["completedCount"], before["lastTrackAt"]) == (0, 0, None)
    made = await person.create_track(seriesId=series_id)
    await make_ended_track(person, seriesId=series_id, durationSeconds=300)
    await person.wait_until(made["job"]["id"], "COMPLETE")
    told = await find(person, series_id)
    assert (told["trackCount"], told["completedCount"]) == (2, 1)
    newest = (await person.get(TRACKS))["tracks"]["nodes"][0]
    assert told["lastTrackAt"] == newest["createdAt"]
    assert newest["series"] == {name: told[name] for name in ("id", "trackCount", "completedCount", "lastTrackAt")}


async def test_figures_of_a_page_are_of_each_its_own(person: Person, series_id: str) -> None:
    other = await begin(person, "Summer")
    for target in (series_id, series_id, None, other):
        await person.create_track(seriesId=target)
    counts = {one["id"]: one["trackCount"] for one in (await person.get(LIST))["series"]["nodes"]}
    assert (counts[series_id], counts[other], counts[await default_id(person)]) == (2, 1, 1)
    nodes = (await person.get(TRACKS))["tracks"]["nodes"]
    assert [node["series"]["trackCount"] for node in nodes] == [1, 1, 2, 2]


async def test_title_changes(person: Person, series_id: str) -> None:
    changed = (await person.get(UPDATE, input={"seriesId": series_id, "title": "  \u202eSpring "}))["updateSeries"]
    assert changed["series"] == {"id": series_id, "title": "Spring", "trackCount": 0}
    for title in ("", " ", "x" * 121, "a\x00", "\u200b\u2800"):
        refused = (await person.get(UPDATE, input={"seriesId": series_id, "title": title}))["updateSeries"]
        assert refused["code"] == "VALIDATION_FAILED"
    assert (await find(person, series_id))["title"] == "Spring"


async def test_tracks_of_a_deleted_series_go_on_in_the_default_one(person: Person, series_id: str) -> None:
    track_id, default = await make_ended_track(person, seriesId=series_id), await default_id(person)
    deleted = (await person.get(DELETE, id=series_id))["deleteSeries"]
    assert deleted == {"__typename": "SeriesDeleted", "id": series_id, "movedTrackCount": 1}
    assert await find(person, series_id) is None
    (node,) = (await person.get(TRACKS))["tracks"]["nodes"]
    assert (node["id"], node["series"]["id"], node["series"]["trackCount"]) == (track_id, default, 1)
    assert (await person.get(DELETE, id=series_id))["deleteSeries"]["code"] == "NOT_FOUND"


async def test_default_series_stays(person: Person) -> None:
    default = await default_id(person)
    refused = (await person.get(DELETE, id=default))["deleteSeries"]
    assert (refused["code"], "default" in refused["message"]) == ("CONFLICT", True)
    assert await default_id(person) == default


async def test_track_moves_to_another_series_and_back(person: Person, series_id: str) -> None:
    track_id, default = await make_ended_track(person), await default_id(person)
    for target in (series_id, default):
        wish = {"trackId": track_id, "seriesId": target}
        moved = (await person.get(MOVE, input=wish))["updateTrack"]["track"]
        assert moved["series"] == {"id": target, "trackCount": 1}
    titled = (await person.get(MOVE, input={"trackId": track_id, "title": "Still here"}))["updateTrack"]["track"]
    assert (titled["title"], titled["series"]["id"]) == ("Still here", default)
    await person.get(DELETE_TRACK, id=track_id)
    assert (await find(person, default))["trackCount"] == 0


async def test_others_change_nothing(studio: Studio, person: Person, admin: Person, series_id: str) -> None:
    track_id = await make_ended_track(person, seriesId=series_id)
    before = await find(person, series_id)
    for other in (await studio.make_user(), admin):
        wish = {"seriesId": series_id, "title": "mine"}
        assert (await other.get(UPDATE, input=wish))["updateSeries"]["code"] == "NOT_FOUND"
        assert (await other.get(DELETE, id=series_id))["deleteSeries"]["code"] == "NOT_FOUND"
        own = await begin(other)
        taken = (await other.get(MOVE, input={"trackId": track_id, "seriesId": own}))["updateTrack"]
        assert taken["code"] == "NOT_FOUND"
        theirs = await make_ended_track(other)
        pushed = (await other.get(MOVE, input={"trackId": theirs, "seriesId": series_id}))["updateTrack"]
        assert pushed["code"] == "NOT_FOUND"
    for query, given in ((DELETE, {"id": series_id}), (UPDATE, {"input": {"seriesId": series_id, "title": "mine"}})):
        answer = await studio.ask(query, **given)
        assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert await find(person, series_id) == before


@pytest.mark.parametrize("target", ["series_" + 32 * "0", "nonsense", ""])
async def test_series_that_is_none_is_refused_and_the_track_stays(person: Person, target: str) -> None:
    track_id = await make_ended_track(person)
    wish = {"trackId": track_id, "seriesId": target, "title": "moved"}
    assert (await person.get(MOVE, input=wish))["updateTrack"]["code"] == "NOT_FOUND"
    (node,) = (await person.get(TRACKS))["tracks"]["nodes"]
    assert node["series"]["id"] == await default_id(person)


async def test_no_track_is_left_out_when_its_series_is_deleted_meanwhile(resources: Resources, person: Person) -> None:
    viewer = Viewer(read_id("user", person.id))
    for _ in range(6):
        series_id = read_id("series", await begin(person))
        stray = await tracks.get_own_track(viewer, read_id("track", await make_ended_track(person)))
        wish = TrackWish("a calm lofi evening", 5, series_id=series_id)
        results = await asyncio.gather(
            *(request_track(viewer, wish) for _ in range(3)),
            tracks.update_track(stray, series_id=series_id),
            series.delete_series(viewer, series_id),
            return_exceptions=True,
        )
        failures = [result for result in results if isinstance(result, BaseException)]
        assert {type(failure) for failure in failures} <= {ValidationFailed, NotFound}
        assert await database.fetch("SELECT id FROM tracks WHERE series_id = $1", series_id) == []
