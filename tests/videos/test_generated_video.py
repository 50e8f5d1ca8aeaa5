"""A generated film as a client meets it: clips of our own, one for each section, made side by side and put together."""

from typing import Any

import pytest_asyncio

from jobs.engines.cuts import Part
from jobs.videos.generating import MOST_CLIPS, SHORTEST_SECONDS, merge_parts
from server.resources import Resources
from storage import clips, database
from storage.rows import new_id, read_id
from tests.studio import Person, Studio
from tests.videos.filming import CANCEL, DELETE, RETRY, create, digest, fetch, film, make_song, probe
from tests.videos.generating import REGENERATE, SECTIONS, finish, generate, regenerate, see, tell_sections

WATCH = "subscription ($id: ID!) { jobProgress(jobId: $id) { state stage progress message version } }"
ALL = """query ($id: ID!) { node(id: $id) { ... on VideoSection { number name } } }"""


@pytest_asyncio.fixture(scope="module")
async def owner(studio: Studio) -> Person:
    return await studio.make_user()


@pytest_asyncio.fixture(scope="module")
async def song(owner: Person, resources: Resources) -> str:
    """A song of two sections."""
    track_id = await make_song(owner, 12)
    await tell_sections(track_id, "verse", "chorus")
    return track_id


@pytest_asyncio.fixture(scope="module")
async def made(owner: Person, song: str) -> Any:
    """A film of it."""
    return (await film(owner, song, lyric=None, generated={"framesPerSecond": 24, "seed": 3, "prompt": "paper boats"}))[
        "id"
    ]


async def count_rows(table: str) -> int:
    rows = await database.fetch(f"SELECT count(*) AS n FROM {table}")  # noqa: S608 - our own names
    count: int = rows[0]["n"]
    return count


async def test_film_has_a_clip_for_each_section_and_the_song(studio: Studio, owner: Person, made: str) -> None:
    shown = await see(owner, made)
    assert shown["status"] == "COMPLETE", shown
    assert [one["name"] for one in shown["sections"]] == ["verse", "chorus"]
    assert [one["number"] for one in shown["sections"]] == [1, 2]
    assert all((one["provider"], one["status"]) == ("local", "COMPLETE") for one in shown["sections"])
    assert all((one["job"]["kind"], one["job"]["queue"]) == ("clips.make", "clips") for one in shown["sections"])
    assert all(one["prompt"].startswith("paper boats. ") for one in shown["sections"])
    assert (shown["sections"][0]["startSeconds"], shown["sections"][1]["endSeconds"]) == (0, 12)
    told = probe(await fetch(studio, shown["film"]["url"]))
    assert (told["size"], told["frames"], told["codecs"]) == ((1080, 1080), 288, ("h264", "aac"))
    for one in shown["sections"]:
        assert (await fetch(studio, one["clip"]["url"]))[4:8] == b"ftyp"
        assert (await owner.get(ALL, id=one["id"]))["node"] == {"number": one["number"], "name": one["name"]}


async def test_parent_shows_the_mean_of_its_children_and_then_itself(owner: Person, song: str) -> None:
    created = await generate(owner, song, seed=3)
    async with owner.socket() as socket:
        states = [state async for state in await socket.subscribe(WATCH, id=created["job"]["id"])]
    messages = [state["message"] for state in states if state["stage"] == "clips"]
    assert set(messages) <= {"0 of 2 clips", "1 of 2 clips", "2 of 2 clips"}
    assert "1 of 2 clips" in messages
    waiting = [state["progress"] for state in states if state["stage"] == "clips"]
    assert waiting == sorted(waiting)
    assert any(0 < progress < 1 for progress in waiting)
    assert [state["version"] for state in states] == sorted({state["version"] for state in states})
    assert {state["state"] for state in states if state["stage"] == "clips"} == {"QUEUED"}
    assert "RENDERING" in {state["state"] for state in states}
    assert states[-1]["state"] == "COMPLETE"


async def test_section_is_made_anew_alone_and_the_film_composed_again(
    studio: Studio, owner: Person, song: str, resources: Resources
) -> None:
    created = await generate(owner, song, seed=3)
    before = await finish(owner, created)
    film_before = digest(await fetch(studio, before["film"]["url"]))
    wish = {"prompt": "a red kite", "seed": 9, "idempotencyKey": str(new_id())}
    again = await regenerate(owner, created["video"]["id"], 2, **wish)
    assert again["__typename"] == "SectionRegenerated", again
    assert again["job"]["id"] != created["job"]["id"]
    assert again["video"]["version"] > before["version"]
    meanwhile = await see(owner, created["video"]["id"])
    assert digest(await fetch(studio, meanwhile["film"]["url"])) == film_before
    assert meanwhile["sections"][1]["clip"] is not None
    repeated = await regenerate(owner, created["video"]["id"], 2, **wish)
    assert repeated["job"]["id"] == again["job"]["id"]
    refused = await regenerate(owner, created["video"]["id"], 1)
    assert (refused["code"], refused["message"][:22]) == ("CONFLICT", "The film is being made")
    other = await regenerate(owner, created["video"]["id"], 1, **wish)
    assert other["code"] == "CONFLICT"
    assert (await owner.get(DELETE, id=created["video"]["id"]))["deleteVideo"]["code"] == "CONFLICT"
    after = await finish(owner, again)
    assert digest(await fetch(studio, after["film"]["url"])) != film_before
    assert after["sections"][0] == before["sections"][0]
    assert after["sections"][1]["prompt"].startswith("a red kite. ")
    assert (after["sections"][1]["seed"], after["sections"][1]["status"]) == (9, "COMPLETE")
    assert after["sections"][1]["job"]["id"] != before["sections"][1]["job"]["id"]


async def test_cancelled_film_cancels_its_clips_and_runs_again_as_a_whole(owner: Person, song: str) -> None:
    created = await generate(owner, song)
    await owner.get(CANCEL, id=created["job"]["id"])
    shown = await see(owner, created["video"]["id"])
    assert shown["status"] == "CANCELLED"
    assert all(one["status"] in ("CANCELLED", "COMPLETE") for one in shown["sections"])
    assert (await owner.get(RETRY, id=created["job"]["id"]))["retryJob"]["__typename"] == "JobRetried"
    after = await finish(owner, created)
    assert all(one["status"] == "COMPLETE" for one in after["sections"])


async def test_cancelled_clip_fails_its_film_clearly_and_can_be_retried_alone(owner: Person, song: str) -> None:
    created = await generate(owner, song)
    clip = (await see(owner, created["video"]["id"]))["sections"][1]
    await owner.get(CANCEL, id=clip["job"]["id"])
    shown = await finish(owner, created, "FAILED")
    assert shown["job"]["error"]["code"] == "PART_CANCELLED"
    assert [one["status"] for one in shown["sections"]] == ["COMPLETE", "CANCELLED"]
    await owner.get(RETRY, id=clip["job"]["id"])
    assert (await owner.job(created["job"]["id"]))["state"] in ("QUEUED", "RENDERING")
    after = await finish(owner, created)
    assert after["sections"][0]["version"] == shown["sections"][0]["version"]


async def test_others_neither_see_nor_change_sections(
    studio: Studio, resources: Resources, admin: Person, owner: Person, made: str
) -> None:
    before, jobs_before = await see(owner, made), await count_rows("jobs")
    section = before["sections"][0]["id"]
    stranger = await studio.make_user()
    for person in (stranger, admin):
        assert (await regenerate(person, made, 1))["code"] == "NOT_FOUND"
    for query, their_id in ((SECTIONS, made), (ALL, section)):
        (error,) = (await stranger.ask(query, id=their_id))["errors"]
        assert error["extensions"]["code"] == "NOT_FOUND"
    assert (await see(admin, made))["sections"][0]["number"] == 1
    answer = await studio.ask(REGENERATE, input={"videoId": made, "number": 1})
    assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert await see(owner, made) == before
    assert await count_rows("jobs") == jobs_before


async def test_wish_that_cannot_be_met_is_refused_and_nothing_written(
    resources: Resources, owner: Person, song: str, made: str
) -> None:
    before = await count_rows("video_clips"), await count_rows("jobs"), await count_rows("videos")
    for given, field in (
        ({"prompt": "x" * 501}, "generated.prompt"),
        ({"seed": -1}, "generated.seed"),
        ({"framesPerSecond": 7}, "generated.framesPerSecond"),
    ):
        refused = await generate(owner, song, **given)
        assert [one["field"] for one in refused["fields"]] == [field]
    assert (await regenerate(owner, made, 3))["code"] == "NOT_FOUND"
    assert [one["field"] for one in (await regenerate(owner, made, 1, seed=-1))["fields"]] == ["seed"]
    after = await count_rows("video_clips"), await count_rows("jobs"), await count_rows("videos")
    assert after == before


async def test_song_whose_sections_nobody_knows_is_to_be_analyzed_first(resources: Resources, owner: Person) -> None:
    track_id = await make_song(owner, 5)
    await database.fetch("UPDATE tracks SET music = NULL WHERE id = $1", read_id("track", track_id))
    refused = await generate(owner, track_id)
    assert (refused["code"], "`analyzeTrack`" in refused["message"]) == ("CONFLICT", True)


async def test_films_of_other_kinds_have_no_sections(owner: Person, song: str) -> None:
    created = await create(owner, song, lyric={"theme": "WAVEFORM", "framesPerSecond": 24})
    assert (await see(owner, created["video"]["id"]))["sections"] == []
    assert (await regenerate(owner, created["video"]["id"], 1))["code"] == "NOT_FOUND"
    await owner.get(CANCEL, id=created["job"]["id"])


async def test_clips_go_with_their_film(resources: Resources, owner: Person, song: str) -> None:
    created = await generate(owner, song)
    shown = await finish(owner, created)
    row_id = read_id("video", created["video"]["id"])
    keys = [
        row["blob_key"] for row in await database.fetch("SELECT blob_key FROM video_clips WHERE video_id = $1", row_id)
    ]
    assert await clips.find_owned_keys(keys) == set(keys)
    await database.fetch("UPDATE videos SET film = film - 'files' WHERE id = $1", row_id)
    assert await clips.expire_clips(14) == len(shown["sections"])
    assert await clips.find_owned_keys(keys) == set()
    refused = await regenerate(owner, created["video"]["id"], 1)
    assert (refused["code"], "ask for a new film" in refused["message"]) == ("CONFLICT", True)
    assert (await owner.get(DELETE, id=created["video"]["id"]))["deleteVideo"]["__typename"] == "VideoDeleted"
    assert not await database.fetch("SELECT id FROM video_clips WHERE video_id = $1", row_id)


def test_short_sections_are_joined_and_never_too_many() -> None:
    many = [Part(at / 2, at / 2 + 0.5, f"part {at}", 0.5) for at in range(400)]
    merged = merge_parts(many)
    assert len(merged) <= MOST_CLIPS
    assert all(part.end_seconds - part.start_seconds >= SHORTEST_SECONDS for part in merged)
    assert [part.start_seconds for part in merged] == [0.0, *(part.end_seconds for part in merged[:-1])]
    assert merged[-1].end_seconds == 200
    lone = [Part(0, 2, "song", 0.5)]
    assert merge_parts(lone) == lone
    named = merge_parts([Part(0, 1, "intro", 0.3), Part(1, 9, "verse", 0.5)])
    assert [(part.name, part.start_seconds) for part in named] == [("verse", 0)]
