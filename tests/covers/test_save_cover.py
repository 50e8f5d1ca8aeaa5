"""Saving a cover that somebody drew: only what we rebuilt is stored, for its owner, as often as is allowed."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from jobs.formats.svg import MAX_SVG_BYTES, sanitise
from jobs.schedule import sweep
from schema.context import Context
from schema.documents import Documents
from server.operations import execute_fully, phrase_error
from server.resources import Resources
from storage import allowances, database
from storage.access import Viewer
from storage.rows import read_id
from tests.covers.hostile import HARMFUL, HEAVY, RECT, drawing
from tests.studio import Person, Studio, free_port

SAVE = """mutation ($input: SaveCoverInput!) { saveCover(input: $input) { __typename
  ... on CoverSaved { savedCover { id svgUrl mode visualVersion sizeBytes createdAt } }
  ... on ValidationFailed { fields { field message } } ... on RateLimited { retryAfterSeconds }
  ... on Failure { code message } } }"""
SAVED = """query ($first: Int!, $after: String, $track: ID) {
  savedCovers(first: $first, after: $after, trackId: $track) { nodes { id svgUrl } pageInfo { endCursor } } }"""
NODE = "query ($id: ID!) { node(id: $id) { __typename id ... on SavedCover { mode } } }"
DELETE = "mutation ($id: ID!) { deleteTrack(trackId: $id) { __typename } }"
PICTURE = drawing(RECT).decode()


@pytest_asyncio.fixture
async def track_id(person: Person) -> str:
    """A track that is not being made any more, without the wait for its music."""
    created = await person.create_track()
    await person.get("mutation ($id: ID!) { cancelJob(id: $id) { __typename } }", id=created["job"]["id"])
    await person.wait_until(created["job"]["id"], "CANCELLED", "COMPLETE")
    made: str = created["track"]["id"]
    return made


@pytest_asyncio.fixture(scope="module")
async def limited(studio: Studio) -> AsyncIterator[str]:
    """A web process that counts."""
    port = free_port()
    web = await studio.start_web(port, RATE_LIMIT_SCALE="1")
    yield f"http://127.0.0.1:{port}"
    web.kill()


@pytest_asyncio.fixture
async def without_saving(studio: Studio) -> AsyncIterator[str]:
    """A web process where covers cannot be saved."""
    port = free_port()
    web = await studio.start_web(port, FEATURE_COVER_SAVE="false")
    yield f"http://127.0.0.1:{port}"
    web.kill()


async def ask_at(url: str, person: Person, query: str, **variables: Any) -> Any:
    answer = await person.studio.client.post(
        f"{url}/graphql",
        json={"query": query, "variables": variables},
        headers={"Authorization": f"Bearer {person.token}"},
    )
    return answer.json()


async def save(person: Person, track_id: str, svg: str = PICTURE, **given: Any) -> Any:
    return (await person.get(SAVE, input={"trackId": track_id, "svg": svg} | given))["saveCover"]


async def rows_of(track_id: str) -> list[database.Record]:
    return await database.fetch("SELECT * FROM saved_covers WHERE track_id = $1", read_id("track", track_id))


async def files_of(resources: Resources, track_id: str) -> list[str]:
    prefix = f"covers/{read_id('track', track_id).hex}/saved/"
    return [key async for key, _ in resources.blobs.list_keys(prefix) if key.endswith(".svg")]


async def test_saved_cover_is_rebuilt_and_served_sandboxed(studio: Studio, person: Person, track_id: str) -> None:
    evil = drawing(f'<script>alert(1)</script><a href="http://evil.test">{RECT}</a>', ' onload="alert(1)"')
    saved = (await save(person, track_id, evil.decode(), mode="DARK"))["savedCover"]
    assert (saved["mode"], saved["visualVersion"]) == ("DARK", 1)
    file = await studio.client.get(saved["svgUrl"])
    assert file.content == sanitise(evil)
    assert len(file.content) == saved["sizeBytes"]
    assert b"evil" not in file.content
    assert b"alert" not in file.content
    assert file.headers["content-type"] == "image/svg+xml"
    assert file.headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    assert file.headers["x-content-type-options"] == "nosniff"


async def test_of_every_hostile_drawing_only_the_rebuilt_one_is_kept(
    studio: Studio, person: Person, track_id: str
) -> None:
    for name, svg in HARMFUL.items():
        saved = (await save(person, track_id, svg.decode()))["savedCover"]
        assert (await studio.client.get(saved["svgUrl"])).content == sanitise(svg), name


@pytest.mark.parametrize(
    ("reason", "svg"),
    [
        ("NOT_WELL_FORMED", ""),
        ("NOT_UTF8", PICTURE + "\x00"),
        ("NOT_UTF8", PICTURE.replace("<rect", "<re\x00ct")),
        ("NOT_SVG", "<html/>"),
        ("TOO_LARGE", drawing(" " * MAX_SVG_BYTES).decode()),
        ("TOO_LARGE", drawing("é" * (MAX_SVG_BYTES * 3 // 5)).decode()),
        (HEAVY["laughs by use"][0], HEAVY["laughs by use"][1].decode()),
        (HEAVY["deep"][0], HEAVY["deep"][1].decode()),
    ],
)
async def test_refused_drawing_says_why_and_leaves_nothing(
    resources: Resources, person: Person, track_id: str, reason: str, svg: str
) -> None:
    refused = await save(person, track_id, svg)
    assert (refused["__typename"], refused["code"]) == ("ValidationFailed", "VALIDATION_FAILED")
    (problem,) = refused["fields"]
    assert problem["field"] == "svg"
    assert problem["message"].startswith(f"{reason}: ")
    assert await rows_of(track_id) == []
    assert await files_of(resources, track_id) == []


async def test_two_megabytes_are_refused_before_they_are_read(studio: Studio, person: Person, track_id: str) -> None:
    body = {"query": SAVE, "variables": {"input": {"trackId": track_id, "svg": " " * (2 << 20)}}}
    answer = await studio.client.post("/graphql", json=body, headers={"Authorization": f"Bearer {person.token}"})
    assert answer.status_code == 413
    assert await rows_of(track_id) == []


@pytest.mark.parametrize("change", [{"svg": None}, {"svg": 7}, {"mode": "BLUE"}, {"dark": "yes"}, {"trackId": None}])
async def test_input_of_the_wrong_type_is_a_request_error(
    person: Person, track_id: str, change: dict[str, Any]
) -> None:
    answer = await person.ask(SAVE, input={"trackId": track_id, "svg": PICTURE} | change)
    assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert await rows_of(track_id) == []


@pytest.mark.parametrize(
    ("given", "mode"),
    [({}, "LIGHT"), ({"dark": True}, "DARK"), ({"dark": False}, "LIGHT"), ({"mode": "DARK"}, "DARK")],
)
async def test_mode_is_light_unless_it_is_said_to_be_dark(
    person: Person, track_id: str, given: dict[str, Any], mode: str
) -> None:
    assert (await save(person, track_id, **given))["savedCover"]["mode"] == mode


@pytest.mark.parametrize("key", ["", "k" * 256, "nul \x00"])
async def test_key_that_is_none_is_refused(person: Person, track_id: str, key: str) -> None:
    assert (await save(person, track_id, idempotencyKey=key))["fields"][0]["field"] == "idempotencyKey"
    assert await rows_of(track_id) == []


@pytest.mark.parametrize("unknown", ["", "nonsense", "track_" + "0" * 32, "savedCover_" + "0" * 32, "\x00"])
async def test_track_that_is_none_is_not_found(person: Person, unknown: str) -> None:
    assert (await save(person, unknown))["code"] == "NOT_FOUND"


async def test_only_its_owner_saves_and_sees(studio: Studio, person: Person, admin: Person, track_id: str) -> None:
    saved = (await save(person, track_id))["savedCover"]
    assert (await person.get(NODE, id=saved["id"]))["node"] == {
        "__typename": "SavedCover",
        "id": saved["id"],
        "mode": "LIGHT",
    }
    for somebody in (await studio.make_user(), admin):
        assert (await save(somebody, track_id))["code"] == "NOT_FOUND"
        assert (await somebody.ask(NODE, id=saved["id"]))["errors"][0]["extensions"]["code"] == "NOT_FOUND"
        assert (await somebody.get(SAVED, first=5, track=track_id))["savedCovers"]["nodes"] == []
    for query, variables in (
        (SAVE, {"input": {"trackId": track_id, "svg": PICTURE}}),
        (NODE, {"id": saved["id"]}),
        (SAVED, {"first": 5}),
    ):
        nobody = await studio.ask(query, **variables)
        assert nobody["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert len(await rows_of(track_id)) == 1


async def test_covers_of_one_track_are_paged_newest_first(person: Person, track_id: str) -> None:
    other_track = (await person.create_track())["track"]["id"]
    ids = [(await save(person, track_id))["savedCover"]["id"] for _ in range(3)]
    foreign = (await save(person, other_track))["savedCover"]["id"]
    page = (await person.get(SAVED, first=2, track=track_id))["savedCovers"]
    assert [node["id"] for node in page["nodes"]] == [ids[2], ids[1]]
    rest = (await person.get(SAVED, first=2, track=track_id, after=page["pageInfo"]["endCursor"]))["savedCovers"]
    assert [node["id"] for node in rest["nodes"]] == [ids[0]]
    everything = (await person.get(SAVED, first=5))["savedCovers"]["nodes"]
    assert [node["id"] for node in everything] == [foreign, *reversed(ids)]


async def test_same_key_and_input_save_once(person: Person, track_id: str) -> None:
    answers = await asyncio.gather(*(save(person, track_id, idempotencyKey="once") for _ in range(5)))
    assert len({answer["savedCover"]["id"] for answer in answers}) == 1
    assert len({answer["savedCover"]["createdAt"] for answer in answers}) == 1
    assert len(await rows_of(track_id)) == 1
    other = await save(person, track_id, idempotencyKey="once", mode="DARK")
    assert (other["__typename"], other["code"]) == ("Conflict", "CONFLICT")
    assert len(await rows_of(track_id)) == 1


async def test_first_answer_is_given_again_though_no_more_is_allowed(
    resources: Resources, person: Person, limited: str, track_id: str
) -> None:
    given = {"trackId": track_id, "svg": PICTURE}
    first = await ask_at(limited, person, SAVE, input=given | {"idempotencyKey": "once"})
    await asyncio.gather(*(ask_at(limited, person, SAVE, input=given) for _ in range(30)))
    for _ in range(3):
        again = await ask_at(limited, person, SAVE, input=given | {"idempotencyKey": "once"})
        assert again["data"]["saveCover"]["savedCover"]["id"] == first["data"]["saveCover"]["savedCover"]["id"]
    assert len(await files_of(resources, track_id)) == 30


async def test_covers_go_with_their_track_and_files_with_the_sweep(
    studio: Studio, resources: Resources, person: Person, track_id: str
) -> None:
    kept_track = (await person.create_track())["track"]["id"]
    kept = (await save(person, kept_track))["savedCover"]
    await save(person, track_id)
    failed = (await files_of(resources, track_id))[0].replace(".svg", "0.svg")
    await resources.blobs.put(failed, b"<svg/>", "image/svg+xml")  # as of a save whose row was not written
    assert await sweep(resources.blobs, age=timedelta(0)) >= 1
    assert len(await files_of(resources, track_id)) == 1
    assert (await person.get(DELETE, id=track_id))["deleteTrack"]["__typename"] == "TrackDeleted"
    assert await rows_of(track_id) == []
    await sweep(resources.blobs, age=timedelta(0))
    assert await files_of(resources, track_id) == []
    assert (await studio.client.get(kept["svgUrl"])).status_code == 200


async def test_track_that_is_deleted_meanwhile_keeps_no_cover(person: Person, track_id: str) -> None:
    saves = [save(person, track_id) for _ in range(6)]
    answers = await asyncio.gather(*saves[:3], person.get(DELETE, id=track_id), *saves[3:])
    assert {answer["__typename"] for answer in answers if "__typename" in answer} <= {"CoverSaved", "NotFound"}
    assert await rows_of(track_id) == []


async def test_of_35_saves_at_once_30_succeed_and_none_is_lost(
    studio: Studio, resources: Resources, person: Person, limited: str, track_id: str
) -> None:
    given = {"trackId": track_id, "svg": PICTURE}
    answers = await asyncio.gather(*(ask_at(limited, person, SAVE, input=given) for _ in range(35)))
    results = [answer["data"]["saveCover"] for answer in answers]
    assert Counter(result["__typename"] for result in results) == {"CoverSaved": 30, "RateLimited": 5}
    refused = [result for result in results if result["__typename"] == "RateLimited"]
    assert {result["code"] for result in refused} == {"RATE_LIMITED"}
    assert all(0 < result["retryAfterSeconds"] <= 60 for result in refused)
    saved = {result["savedCover"]["svgUrl"] for result in results if "savedCover" in result}
    for url in saved:
        assert (await studio.client.get(url)).content == sanitise(PICTURE.encode())
    assert (len(saved), len(await rows_of(track_id)), len(await files_of(resources, track_id))) == (30, 30, 30)


async def test_without_redis_nothing_is_saved(resources: Resources, person: Person, track_id: str) -> None:
    given = {"input": {"trackId": track_id, "svg": PICTURE}}
    viewer = Viewer(read_id("user", person.id))
    context = Context(resources.settings, resources.blobs, resources.hub, "test", viewer)
    await allowances.close_allowances()
    allowances.open_allowances(f"redis://127.0.0.1:{free_port()}/0", 1)
    try:
        answer = await execute_fully(Documents().find_operation(SAVE, None, given), given, context)
    finally:
        await allowances.close_allowances()
        allowances.open_allowances(resources.settings.redis_url, 0)
    assert answer.data == {"saveCover": None}
    assert [phrase_error(error, "test")["extensions"]["code"] for error in answer.errors or []] == ["UNAVAILABLE"]
    assert (await rows_of(track_id), await files_of(resources, track_id)) == ([], [])


async def test_where_saving_is_off_the_rest_goes_on(person: Person, without_saving: str, track_id: str) -> None:
    await save(person, track_id)
    refused = await ask_at(without_saving, person, SAVE, input={"trackId": track_id, "svg": PICTURE})
    assert refused["data"]["saveCover"]["__typename"] == "NotAllowed"
    assert refused["data"]["saveCover"]["code"] == "FEATURE_OFF"
    assert len(await rows_of(track_id)) == 1
    listed = await ask_at(without_saving, person, SAVED, first=5, track=track_id)
    assert len(listed["data"]["savedCovers"]["nodes"]) == 1
