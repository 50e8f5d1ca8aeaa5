"""Asking for a track: what comes of it, what it costs, and every way in which it is refused."""

import asyncio
from typing import Any

import pytest

from server.resources import Resources
from storage import database
from tests.studio import CREATE_TRACK, WATCH, Person, Studio

TRACK = """query ($id: ID!) { track(id: $id) {
  id title prompt durationSeconds status seed visualVersion visibility version
  audio { url mimeType durationSeconds sizeBytes } master { mimeType } midi { mimeType } peaks { url }
  stems { name url } cover { svgUrl square: pngUrl(crop: SQUARE) portrait: pngUrl(crop: PORTRAIT) }
  music { tempoBpm key mode lufs truePeakDbtp sections { name startSeconds endSeconds } beatsSeconds }
  job { state kind } series { title isDefault } style { slug } } }"""
LEDGER = "{ creditEntries(first: 100) { nodes { kind availableDelta heldDelta jobId } } }"
STYLES = "{ styles { id slug name } }"


async def finish(person: Person, created: dict[str, Any]) -> Any:
    await person.wait_until(created["job"]["id"], "COMPLETE")
    return (await person.get(TRACK, id=created["track"]["id"]))["track"]


async def test_prompt_becomes_a_track_that_plays_watched_live(studio: Studio, person: Person) -> None:
    created = await person.create_track(prompt="a calm lofi evening, 80 bpm", durationSeconds=8)
    async with person.socket() as socket:
        operation = await socket.subscribe(WATCH, id=created["job"]["id"])
        states = [state async for state in operation]
    assert states[-1]["state"] == "COMPLETE"
    versions = [state["version"] for state in states]
    assert versions == sorted(set(versions))
    track = await finish(person, created)
    assert (track["status"], track["durationSeconds"]) == ("COMPLETE", 8)
    assert track["audio"]["mimeType"] == "audio/mp4"
    assert {stem["name"] for stem in track["stems"]} == {"drums", "bass", "chords", "lead"}
    audio = await studio.client.get(track["audio"]["url"])
    assert (audio.status_code, len(audio.content)) == (200, track["audio"]["sizeBytes"])
    assert audio.content[4:8] == b"ftyp"
    part = await studio.client.get(track["audio"]["url"], headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")
    assert (await studio.client.get(track["cover"]["svgUrl"])).text.startswith("<svg")
    assert (await studio.client.get(track["cover"]["square"])).content.startswith(b"\x89PNG")
    assert -14.5 <= track["music"]["lufs"] <= -13.5
    assert track["series"] == {"title": "My tracks", "isDefault": True}


async def test_same_seed_makes_the_same_bytes(studio: Studio, person: Person) -> None:
    first, second = await asyncio.gather(person.create_track(seed=42), person.create_track(seed=42))
    tracks = [await finish(person, created) for created in (first, second)]
    one, two = [(await studio.client.get(track["audio"]["url"])).content for track in tracks]
    assert one == two


async def test_credits_are_reserved_at_once_and_captured_at_the_end(person: Person) -> None:
    created = await person.create_track(durationSeconds=60)
    assert created["creditsRequired"] == 10
    assert await person.credits() == 990
    await person.wait_until(created["job"]["id"], "COMPLETE")
    nodes = (await person.get(LEDGER))["creditEntries"]["nodes"]
    assert [node["kind"] for node in nodes] == ["CAPTURE", "RESERVE", "GRANT"]
    assert sum(node["availableDelta"] for node in nodes) == await person.credits() == 990
    assert sum(node["heldDelta"] for node in nodes) == 0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"durationSeconds": 0}, "durationSeconds"),
        ({"durationSeconds": -5}, "durationSeconds"),
        ({"durationSeconds": 1_000_000}, "durationSeconds"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": "   \n"}, "prompt"),
        ({"prompt": "x" * 100_000}, "prompt"),
        ({"prompt": "nul \x00"}, "prompt"),
        ({"lyrics": "x" * 100_000}, "lyrics"),
        ({"lyrics": "nul \x00"}, "lyrics"),
        ({"seed": -1}, "seed"),
        ({"styleId": "style_00000000000000000000000000000000"}, "styleId"),
        ({"styleId": "nonsense"}, "styleId"),
        ({"styleId": ""}, "styleId"),
        ({"seriesId": "series_00000000000000000000000000000000"}, "seriesId"),
        ({"idempotencyKey": ""}, "idempotencyKey"),
        ({"idempotencyKey": "k" * 256}, "idempotencyKey"),
        ({"idempotencyKey": "nul \x00"}, "idempotencyKey"),
    ],
)
async def test_bad_input_names_its_field_and_nothing_is_written(
    person: Person, change: dict[str, Any], field: str
) -> None:
    refused = await person.create_track(**change)
    assert (refused["__typename"], refused["code"]) == ("ValidationFailed", "VALIDATION_FAILED")
    assert [problem["field"] for problem in refused["fields"]] == [field]
    assert await person.credits() == 1000
    assert (await person.get("{ tracks(first: 1) { nodes { id } } }"))["tracks"]["nodes"] == []


@pytest.mark.parametrize("change", [{"durationSeconds": "long"}, {"seed": 2**40}, {"prompt": None}, {"unknown": 1}])
async def test_input_of_the_wrong_type_is_a_request_error(person: Person, change: dict[str, Any]) -> None:
    given = {"prompt": "p", "durationSeconds": 5} | change
    answer = await person.ask(CREATE_TRACK, input=given)
    assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert answer.get("data") is None


async def test_anothers_series_cannot_be_used(studio: Studio, person: Person) -> None:
    other = await studio.make_user()
    series = (await other.get("{ series(first: 1) { nodes { id } } }"))["series"]["nodes"][0]["id"]
    assert (await person.create_track(seriesId=series))["fields"][0]["field"] == "seriesId"


async def test_nobody_cannot_create_and_nothing_is_written(studio: Studio) -> None:
    answer = await studio.ask(CREATE_TRACK, input={"prompt": "p", "durationSeconds": 5})
    assert answer["data"] == {"createTrack": None}
    assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_style_of_the_catalogue_is_kept(person: Person) -> None:
    styles = (await person.get(STYLES))["styles"]
    assert len(styles) >= 6
    track = await finish(person, await person.create_track(styleId=styles[0]["id"]))
    assert track["style"]["slug"] == styles[0]["slug"]


async def test_same_key_and_input_give_the_first_answer(person: Person) -> None:
    answers = await asyncio.gather(*(person.create_track(idempotencyKey="once") for _ in range(5)))
    assert len({answer["track"]["id"] for answer in answers}) == 1
    assert len({answer["job"]["id"] for answer in answers}) == 1
    assert await person.credits() == 999


async def test_same_key_with_other_input_is_a_conflict(person: Person) -> None:
    await person.create_track(idempotencyKey="k", prompt="one")
    refused = await person.create_track(idempotencyKey="k", prompt="two")
    assert refused["code"] == "CONFLICT"
    assert await person.credits() == 999


async def test_two_people_may_use_one_key(studio: Studio, person: Person) -> None:
    other = await studio.make_user()
    first, second = await person.create_track(idempotencyKey="k"), await other.create_track(idempotencyKey="k")
    assert first["track"]["id"] != second["track"]["id"]


async def test_hundred_requests_with_credits_for_one_make_exactly_one(resources: Resources, person: Person) -> None:
    await database.fetch("UPDATE users SET credits = 1 WHERE email = $1", person.email)
    answers = await asyncio.gather(*(person.create_track() for _ in range(100)))
    assert [answer["__typename"] for answer in answers].count("TrackCreated") == 1
    assert {answer["code"] for answer in answers if "code" in answer} == {"INSUFFICIENT_CREDITS"}
    assert await person.credits() == 0
    assert len((await person.get("{ tracks(first: 10) { nodes { id } } }"))["tracks"]["nodes"]) == 1


async def test_refusal_for_credits_says_how_many(resources: Resources, person: Person) -> None:
    await database.fetch("UPDATE users SET credits = 3 WHERE email = $1", person.email)
    query = CREATE_TRACK.replace("... on Failure", "... on InsufficientCredits { required available } ... on Failure")
    answer = await person.get(query, input={"prompt": "p", "durationSeconds": 60})
    assert answer["createTrack"]["required"] == 10
    assert answer["createTrack"]["available"] == 3
