"""Covers of a track: drawn from its song, redrawn the same, and stepped on to the next look."""

import orjson
import pytest_asyncio

from jobs.engines.covers import ALGORITHM, CoverPlan, draw_cover, read_contour
from server.resources import Resources
from storage import database
from storage.rows import read_id
from tests.studio import Person, Studio

INCREMENT = """mutation ($id: ID!) { incrementVisualVersion(trackId: $id) { __typename
  ... on VisualVersionIncremented { job { id } track { visualVersion cover { svgUrl } } } ... on Failure { code } } }"""
RENAME = """mutation ($id: ID!, $title: String) { updateTrack(input: { trackId: $id, title: $title }) {
  __typename } }"""


@pytest_asyncio.fixture
async def finished_id(resources: Resources, person: Person) -> str:
    created = await person.create_track()
    await person.wait_until(created["job"]["id"], "COMPLETE")
    made: str = created["track"]["id"]
    return made


async def read_cover(track_id: str, visual_version: int) -> database.Record:
    (row,) = await database.fetch(
        "SELECT covers.*, tracks.seed, tracks.title, users.style_seed FROM covers JOIN tracks ON tracks.id = track_id"
        " JOIN users ON users.id = tracks.user_id WHERE track_id = $1 AND covers.visual_version = $2",
        read_id("track", track_id),
        visual_version,
    )
    return row | {"subject": row["subject"] and orjson.loads(row["subject"])}


async def read_drawing(resources: Resources, row: database.Record) -> str:
    return b"".join([part async for part in resources.blobs.read(row["svg_key"])]).decode()


def redraw(row: database.Record) -> str:
    subject = row["subject"]
    contour = None if subject["contour"] is None else read_contour(subject["contour"])
    return draw_cover(CoverPlan(row["style_seed"], row["seed"], row["visual_version"], contour, subject["title"]))


async def test_cover_of_a_finished_track_is_drawn_from_its_song(resources: Resources, finished_id: str) -> None:
    row = await read_cover(finished_id, 1)
    assert row["algorithm"] == ALGORITHM
    assert row["subject"]["title"] == row["title"]
    assert read_contour(row["subject"]["contour"]).has_score
    assert await read_drawing(resources, row) == redraw(row)


async def test_next_look_is_drawn_from_the_same_song_and_its_new_title(
    resources: Resources, person: Person, finished_id: str
) -> None:
    await person.get(RENAME, id=finished_id, title="Renamed")
    stepped = (await person.get(INCREMENT, id=finished_id))["incrementVisualVersion"]
    at_once = await read_cover(finished_id, 2)
    first_drawing = await read_drawing(resources, at_once)
    await person.get(RENAME, id=finished_id, title="Renamed again")
    await person.wait_until(stepped["job"]["id"], "COMPLETE")
    row = await read_cover(finished_id, 2)
    assert row["square_key"] is not None
    assert row["subject"] == (await read_cover(finished_id, 1))["subject"] | {"title": "Renamed"}
    assert await read_drawing(resources, row) == first_drawing == redraw(row)


async def test_track_of_the_first_algorithm_steps_on_to_a_look_drawn_from_what_is_kept_of_it(
    studio: Studio, resources: Resources, person: Person, finished_id: str
) -> None:
    known = read_contour((await read_cover(finished_id, 1))["subject"]["contour"])
    await database.fetch(
        "UPDATE covers SET algorithm = NULL, subject = NULL WHERE track_id = $1", read_id("track", finished_id)
    )
    stepped = (await person.get(INCREMENT, id=finished_id))["incrementVisualVersion"]
    assert (await studio.client.get(stepped["track"]["cover"]["svgUrl"])).status_code == 200
    await person.wait_until(stepped["job"]["id"], "COMPLETE")
    row = await read_cover(finished_id, 2)
    contour = read_contour(row["subject"]["contour"])
    assert (contour.sections, contour.chords, contour.beats) == (known.sections, known.chords, known.beats)
    assert max(abs(one - other) for one, other in zip(contour.levels, known.levels, strict=True)) < 40
    assert await read_drawing(resources, row) == redraw(row)
    assert (await read_cover(finished_id, 1))["algorithm"] is None


async def test_track_without_a_song_steps_on_too(resources: Resources, person: Person) -> None:
    created = await person.create_track()
    track_id = created["track"]["id"]
    await person.get("mutation ($id: ID!) { cancelJob(id: $id) { __typename } }", id=created["job"]["id"])
    ended = await person.wait_until(created["job"]["id"], "CANCELLED", "COMPLETE")
    stepped = (await person.get(INCREMENT, id=track_id))["incrementVisualVersion"]
    await person.wait_until(stepped["job"]["id"], "COMPLETE")
    contour = (await read_cover(track_id, 2))["subject"]["contour"]
    assert (contour is None) is (ended["state"] == "CANCELLED")
