"""Saving covers as a client does, for the tests of what becomes of them."""

from typing import Any

from storage import database
from storage.rows import read_id
from tests.covers.hostile import RECT, drawing
from tests.studio import Person, until

SAVE = """mutation ($input: SaveCoverInput!) { saveCover(input: $input) { __typename
  ... on CoverSaved { savedCover { id status svgUrl job { id state } } }
  ... on TooManyCovers { most mostBytes } ... on Failure { code message } } }"""
SAVED_COVER = """query ($id: ID!) { node(id: $id) { ... on SavedCover { status job { state error { code } }
  square: pngUrl portrait: pngUrl(crop: PORTRAIT) landscape: pngUrl(crop: LANDSCAPE) } } }"""
PICTURE = drawing(RECT).decode()


async def make_resting_track(person: Person) -> str:
    """A track that is not being made any more, without the wait for its music."""
    created = await person.create_track()
    await person.get("mutation ($id: ID!) { cancelJob(id: $id) { __typename } }", id=created["job"]["id"])
    await person.wait_until(created["job"]["id"], "CANCELLED", "COMPLETE")
    made: str = created["track"]["id"]
    return made


async def save(person: Person, track_id: str, svg: str = PICTURE, **given: Any) -> Any:
    return (await person.get(SAVE, input={"trackId": track_id, "svg": svg} | given))["saveCover"]


async def save_until(person: Person, track_id: str, status: str, svg: str = PICTURE, **given: Any) -> Any:
    """A cover that was saved, once its pictures stand so, and its id."""
    saved_id = (await save(person, track_id, svg, **given))["savedCover"]["id"]
    return await wait_for_pictures(person, saved_id, status) | {"id": saved_id}


async def wait_for_pictures(person: Person, saved_id: str, status: str) -> Any:
    """The saved cover, once its pictures and their job stand so."""
    ends = {"READY": "COMPLETE", "REFUSED": "FAILED"}

    async def stands() -> Any:
        node = (await person.get(SAVED_COVER, id=saved_id))["node"]
        return node if (node["status"], node["job"]["state"]) == (status, ends[status]) else None

    return await until(stands, f"{saved_id} is {status}", 100)


async def rows_of(track_id: str) -> list[database.Record]:
    return await database.fetch("SELECT * FROM saved_covers WHERE track_id = $1", read_id("track", track_id))
