"""References: what a track takes after is somebody's own, attested, held while it is made, and heard in the song."""

import io
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
from PIL import Image

from jobs.engines.music import SongPlan, render_song
from jobs.engines.music.prompts import read_plan
from jobs.engines.music.score import Reference
from jobs.references import RIGHTS_WORDING
from server.resources import Resources
from storage import database
from storage.rows import read_id
from tests.studio import Person, Studio
from tests.tracks.outward import Vendors
from tests.uploads.bringing import DELETE, announce, bring

CREATE = """mutation ($input: CreateTrackInput!) { createTrack(input: $input) { __typename
  ... on TrackCreated { track { id references { id filename durationSeconds uploadId } } job { id } }
  ... on ValidationFailed { fields { field message } } ... on Failure { code message } } }"""
TRACK = """query ($id: ID!) { track(id: $id) { status provider references { uploadId filename durationSeconds }
  music { tempoBpm key mode understood } } }"""
NODE = "query ($id: ID!) { node(id: $id) { ... on TrackReference { filename } } }"
WRITTEN = """SELECT (SELECT count(*) FROM tracks WHERE user_id = $1) AS tracks,
    (SELECT count(*) FROM track_references WHERE user_id = $1) AS kept,
    (SELECT count(*) FROM attestations WHERE user_id = $1) AS attested,
    (SELECT count(*) FROM jobs WHERE user_id = $1 AND kind = 'tracks.render') AS jobs"""
HEARD = Reference(tempo_bpm=92.0, key="A", mode="minor")
M4A = {"filename": "mine.m4a", "mimeType": "audio/mp4"}


@cache
def play_song() -> bytes:
    """A song of 92 beats a minute in A minor."""
    with TemporaryDirectory() as folder:
        plan = SongPlan("a song at 92 bpm in A minor", 20, 5, "pop")
        return render_song(plan, Path(folder), lambda _fraction, _stage: None).mix.read_bytes()


def refer(*uploads: Any, rights_attested: bool = True) -> list[dict[str, Any]]:
    return [{"uploadId": upload["id"], "rightsAttested": rights_attested} for upload in uploads]


async def create(person: Person, **given: Any) -> Any:
    wish = {"prompt": "a quiet town", "durationSeconds": 8, "seed": 7} | given
    return (await person.get(CREATE, input=wish))["createTrack"]


async def count_written(person: Person) -> tuple[int, ...]:
    (row,) = await database.fetch(WRITTEN, read_id("user", person.id))
    return tuple(row.values())


async def test_song_takes_tempo_and_key_of_its_reference_and_says_so(
    studio: Studio, resources: Resources, person: Person
) -> None:
    upload = await bring(person, studio.client, play_song(), **M4A)
    created = await create(person, references=refer(upload))
    assert created["__typename"] == "TrackCreated", created
    await person.wait_until(created["job"]["id"], "COMPLETE")
    track_id = created["track"]["id"]
    track = (await person.get(TRACK, id=track_id))["track"]
    assert track["music"]["tempoBpm"] == pytest.approx(92, rel=0.01)
    assert (track["music"]["key"], track["music"]["mode"]) == ("A", "minor")
    tempo, key = track["music"]["understood"][-2:]
    assert (tempo, key) == ("tempo 92 bpm, of your reference", "key A minor, of your reference")
    (told,) = track["references"]
    assert (told["uploadId"], told["filename"]) == (upload["id"], "mine.m4a")
    assert told["durationSeconds"] == pytest.approx(20, abs=0.2)
    attested = await database.fetch(
        "SELECT wording FROM attestations WHERE subject_id = $1", read_id("track", track_id)
    )
    assert [row["wording"] for row in attested] == [RIGHTS_WORDING]


async def test_words_of_the_prompt_come_before_the_reference() -> None:
    brief = read_plan(SongPlan("a song at 120 bpm in C major", 20, 5, "pop", reference=HEARD))
    assert (brief.tempo_bpm, brief.key, brief.mode) == (120, "C", "major")
    assert not any("reference" in told for told in brief.understood)
    brief = read_plan(SongPlan("a song in dorian mode", 20, 5, "pop", tempo_bpm=120, key="F", reference=HEARD))
    assert (brief.tempo_bpm, brief.mode, brief.understood[-1]) == (92, "dorian", "tempo 92 bpm, of your reference")
    brief = read_plan(SongPlan("a song", 20, 5, "house", tempo_bpm=120, key="F", reference=HEARD))
    assert (brief.tempo_bpm, brief.key, brief.mode) == (92, "A", "minor")


async def test_what_cannot_be_heard_in_a_reference_is_left_to_the_song() -> None:
    plan = SongPlan("a song", 20, 5, "pop", tempo_bpm=105, key="F")
    assert read_plan(SongPlan("a song", 20, 5, "pop", tempo_bpm=105, key="F", reference=Reference())) == read_plan(plan)
    brief = read_plan(SongPlan("a song", 20, 5, "pop", reference=Reference(tempo_bpm=220.0)))
    assert (brief.tempo_bpm, brief.understood[-1]) == (110, "tempo 110 bpm, of your reference")


async def test_every_reference_that_will_not_do_is_named_and_nothing_is_written(
    studio: Studio, resources: Resources, person: Person
) -> None:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(out, "PNG")
    song = await bring(person, studio.client, play_song(), **M4A)
    picture = await bring(person, studio.client, out.getvalue(), filename="a.png", mimeType="image/png")
    pending = await announce(person)
    foreign = await bring(await studio.make_user(), studio.client)
    had = await person.credits()
    refused = await create(person, references=refer(song, picture, pending))
    assert [problem["field"] for problem in refused["fields"]] == ["references.1.uploadId", "references.2.uploadId"]
    assert "no sound" in refused["fields"][0]["message"]
    assert "pending" in refused["fields"][1]["message"]
    for references, field, words in (
        (refer(foreign), "references.0.uploadId", "no such upload"),
        ([*refer(song), {"uploadId": "upload_nothing", "rightsAttested": True}], "references.1.uploadId", "no such"),
        (refer(song, rights_attested=False), "references.0.rightsAttested", "Only true"),
        (refer(song, song), "references.1.uploadId", "already"),
        (refer(song, picture, pending, foreign), "references", "At most 3"),
    ):
        refused = await create(person, references=references)
        problems = {problem["field"]: problem["message"] for problem in refused["fields"]}
        assert words in problems[field]
    assert await count_written(person) == (0, 0, 0, 0)
    assert await person.credits() == had


async def test_reference_stays_until_the_track_is_made_and_is_missed_by_a_retry(
    studio: Studio, resources: Resources, person: Person
) -> None:
    upload = await bring(person, studio.client, play_song(), **M4A)
    created = await create(person, references=refer(upload))
    track_id = read_id("track", created["track"]["id"])
    await person.wait_until(created["job"]["id"], "COMPLETE")
    await database.fetch("UPDATE tracks SET status = 'RENDERING' WHERE id = $1", track_id)
    refused = (await person.get(DELETE, id=upload["id"]))["deleteUpload"]
    assert refused["code"] == "CONFLICT"
    await database.fetch("UPDATE tracks SET status = 'FAILED' WHERE id = $1", track_id)
    await database.fetch("UPDATE jobs SET state = 'FAILED' WHERE id = $1", read_id("job", created["job"]["id"]))
    assert (await person.get(DELETE, id=upload["id"]))["deleteUpload"]["__typename"] == "UploadDeleted"
    await person.get("mutation ($id: ID!) { retryJob(id: $id) { __typename } }", id=created["job"]["id"])
    job = await person.wait_until(created["job"]["id"], "FAILED")
    assert job["error"]["code"] == "UPLOAD_GONE"


async def test_same_key_asks_once_and_other_references_are_another_wish(
    studio: Studio, resources: Resources, person: Person
) -> None:
    one, other = [await bring(person, studio.client, play_song(), **M4A) for _ in range(2)]
    first = await create(person, references=refer(one), idempotencyKey="once")
    assert (await create(person, references=refer(one), idempotencyKey="once"))["track"] == first["track"]
    assert (await create(person, references=refer(other), idempotencyKey="once"))["code"] == "CONFLICT"
    assert (await create(person, idempotencyKey="once"))["code"] == "CONFLICT"
    await person.wait_until(first["job"]["id"], "COMPLETE")
    await person.get(DELETE, id=one["id"])
    assert (await create(person, references=refer(one), idempotencyKey="once"))["track"] == first["track"]
    assert (await count_written(person))[:3] == (1, 1, 1)


async def test_nobody_else_reads_a_reference(
    studio: Studio, resources: Resources, person: Person, admin: Person
) -> None:
    upload = await bring(person, studio.client, play_song(), **M4A)
    (kept,) = (await create(person, references=refer(upload)))["track"]["references"]
    assert (await person.get(NODE, id=kept["id"]))["node"]["filename"] == "mine.m4a"
    for somebody in (await studio.make_user(), admin):
        assert (await somebody.ask(NODE, id=kept["id"]))["errors"][0]["extensions"]["code"] == "NOT_FOUND"


@pytest.mark.parametrize("reach", ["on", "off"])
async def test_provider_gets_a_link_to_the_reference_where_it_can_reach_it(
    vendors: Vendors, owner: Person, reach: str
) -> None:
    await vendors.start(PROVIDER_WEBHOOKS=reach)
    upload = await bring(owner, vendors.studio.client, play_song(), **M4A)
    created = await create(owner, references=refer(upload), prompt="a letter home")
    await owner.wait_until(created["job"]["id"], "COMPLETE")
    (submit,) = vendors.fal.submits
    given = submit.read_json()
    assert given["prompt"].startswith("a letter home")
    assert given["prompt"].endswith("92 bpm, in A minor")
    if reach == "off":
        assert (submit.path, "audio_url" in given) == ("/fal-ai/stable-audio-25/text-to-audio", False)
        return
    assert submit.path == "/fal-ai/stable-audio-25/audio-to-audio"
    async with httpx.AsyncClient() as client:
        fetched = await client.get(given["audio_url"])
    assert (fetched.status_code, fetched.content) == (200, play_song())
