"""A song that somebody brings as a track: what it sounds like, who may, what is no song, and what is written down."""

import asyncio
import io
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
from PIL import Image

from jobs.engines.music.loudness import integrated_lufs, segment_energies
from jobs.engines.recordings import decode_stereo
from jobs.imports import RIGHTS, RIGHTS_WORDING
from server.resources import Resources
from storage import database
from storage.rows import read_id
from tests.analyses.hostile import tone, write_silence, write_sound, write_video
from tests.studio import Person, Studio
from tests.uploads.bringing import DELETE, SONG, announce, bring

IMPORT = """mutation ($input: ImportTrackInput!) { importTrack(input: $input) { __typename
  ... on TrackImported { track { id title status prompt } job { id kind queue state } }
  ... on ValidationFailed { fields { field message } } ... on PolicyRejected { reason }
  ... on Failure { code message } } }"""
TRACK = """query ($id: ID!) { track(id: $id) { title status durationSeconds provider music { key } vocals { kind }
  unlocked stems { id } midi { id } master { id } audio { url mimeType durationSeconds } peaks { url }
  cover { svgUrl pngUrl } shareUrl analysis { status tempo { bpm } } } }"""
SHARE = """mutation ($id: ID!) { updateTrack(input: {trackId: $id, visibility: UNLISTED}) { __typename } }"""
ANALYZE = """mutation ($id: ID!) { analyzeTrack(input: {trackId: $id, pitch: NONE}) {
  ... on AnalysisRequested { job { id } } ... on Failure { code message } } }"""
RETRY = "mutation ($id: ID!) { retryJob(id: $id) { __typename } }"
FLAC = {"filename": "song.flac", "mimeType": "audio/flac"}
FILM = {"filename": "film.mp4", "mimeType": "video/mp4"}
SECONDS, RATE = 8, 44_100


@pytest.fixture
def client(studio: Studio) -> httpx.AsyncClient:
    return studio.client


def play_beats() -> np.ndarray:
    """A quiet song of 120 beats a minute."""
    at = np.arange(SECONDS * RATE) / RATE
    return np.asarray([0.05 * np.sin(2 * np.pi * 220 * at) * np.exp(-8 * (at % 0.5))] * 2, np.float32)


def write_film(path: Path, sound: np.ndarray) -> Path:
    """A film with this sound."""
    with av.open(str(path), "w", format="mp4") as out:
        pictures, sounds = out.add_stream("mpeg4", rate=25), out.add_stream("aac", rate=RATE, layout="mono")
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        resampler = av.AudioResampler("fltp", "mono", RATE, frame_size=1024)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound, np.float32), "fltp", "mono")
        frame.sample_rate = RATE
        for picture in [av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), "rgb24")] * 75:
            picture.pts = None
            out.mux(pictures.encode(picture))
        for block in (*resampler.resample(frame), *resampler.resample(None)):
            out.mux(sounds.encode(block))
        for stream in (pictures, sounds):
            out.mux(stream.encode(None))
    return path


def write_song(folder: Path) -> bytes:
    return write_sound(folder / "song.flac", "flac", "flac", play_beats()).read_bytes()


async def import_track(person: Person, upload: Any, **given: Any) -> Any:
    wish = {"uploadId": upload["id"], "title": "Mine", "rightsAttested": True} | given
    return (await person.get(IMPORT, input=wish))["importTrack"]


async def see_through(person: Person, upload: Any) -> tuple[str, Any]:
    imported = await import_track(person, upload)
    assert imported["__typename"] == "TrackImported", imported
    await person.wait_until(imported["job"]["id"], "COMPLETE")
    track_id: str = imported["track"]["id"]
    return track_id, (await person.get(TRACK, id=track_id))["track"]


async def count_tracks(person: Person) -> int:
    return len(await database.fetch("SELECT 1 FROM tracks WHERE user_id = $1", read_id("user", person.id)))


async def list_attested(person: Person) -> list[tuple[Any, str]]:
    rows = await database.fetch("SELECT * FROM attestations WHERE user_id = $1", read_id("user", person.id))
    return [(row["subject_id"], row["wording"]) for row in rows]


async def test_song_becomes_a_track_that_sounds_as_it_did_and_needs_its_upload_no_more(
    resources: Resources, person: Person, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    had = await person.credits()
    upload = await bring(person, client, write_song(tmp_path), **FLAC)
    track_id, track = await see_through(person, upload)
    assert await person.credits() == had
    assert (track["title"], track["status"], track["provider"]) == ("Mine", "COMPLETE", "upload")
    assert (track["music"], track["vocals"], track["unlocked"]) == (None, None, [])
    assert (track["stems"], track["midi"], track["master"]) == ([], None, None)
    assert track["durationSeconds"] == pytest.approx(SECONDS, abs=0.05)
    assert await list_attested(person) == [(read_id("track", track_id), RIGHTS_WORDING)]

    assert (await person.get(DELETE, id=upload["id"]))["deleteUpload"]["__typename"] == "UploadDeleted"
    heard = tmp_path / "heard.m4a"
    heard.write_bytes((await client.get(track["audio"]["url"])).content)
    mix = decode_stereo(heard, lambda _fraction: None)
    assert loudness(mix) == pytest.approx(loudness(play_beats()), abs=0.3)
    assert b"AI-generated" not in heard.read_bytes()
    for link in (track["peaks"]["url"], track["cover"]["svgUrl"], track["cover"]["pngUrl"]):
        assert (await client.get(link)).status_code == 200

    await person.get(SHARE, id=track_id)
    page = await client.get(track["shareUrl"])
    assert (page.status_code, "Mine by Somebody" in page.text) == (200, True)
    asked = (await person.get(ANALYZE, id=track_id))["analyzeTrack"]
    await person.wait_until(asked["job"]["id"], "COMPLETE")
    analysis = (await person.get(TRACK, id=track_id))["track"]["analysis"]
    assert analysis["tempo"]["bpm"] == pytest.approx(120, rel=0.02)


def loudness(mix: np.ndarray) -> float:
    return float(integrated_lufs(segment_energies(mix, lambda: None)))


async def test_sound_of_a_video_becomes_a_track_and_a_silent_film_does_not(
    resources: Resources, person: Person, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    film = await bring(person, client, write_film(tmp_path / "film.mp4", tone(3)).read_bytes(), **FILM)
    assert (film["media"]["kind"], film["media"]["audioCodec"]) == ("VIDEO", "aac")
    _, track = await see_through(person, film)
    assert track["durationSeconds"] == pytest.approx(3, abs=0.1)
    silent = await bring(person, client, write_video(tmp_path / "silent.mp4", 64, 48, frames=50).read_bytes(), **FILM)
    refused = await import_track(person, silent)
    assert (refused["code"], refused["fields"][0]["field"]) == ("VALIDATION_FAILED", "uploadId")
    assert "no sound" in refused["fields"][0]["message"]
    assert await count_tracks(person) == 1


async def test_nobody_imports_without_saying_that_they_may(
    resources: Resources, person: Person, client: httpx.AsyncClient
) -> None:
    upload = await bring(person, client)
    refused = await import_track(person, upload, rightsAttested=False)
    assert (refused["code"], refused["fields"][0]["field"]) == ("VALIDATION_FAILED", "rightsAttested")
    assert RIGHTS in refused["fields"][0]["message"]
    assert (await count_tracks(person), await list_attested(person)) == (0, [])


async def test_only_its_owner_imports_an_upload(
    studio: Studio, resources: Resources, person: Person, admin: Person, client: httpx.AsyncClient
) -> None:
    upload = await bring(person, client)
    for somebody in (await studio.make_user(), admin):
        before = await count_tracks(somebody)
        assert (await import_track(somebody, upload))["code"] == "NOT_FOUND"
        assert await count_tracks(somebody) == before
    wish = {"uploadId": upload["id"], "title": "Mine", "rightsAttested": True}
    assert (await studio.ask(IMPORT, input=wish))["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert await count_tracks(person) == 0


async def test_what_is_no_song_is_refused_before_anything_is_written(
    resources: Resources, person: Person, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(out, "PNG")
    picture = await bring(person, client, out.getvalue(), filename="a.png", mimeType="image/png")
    long = await bring(person, client, write_silence(tmp_path / "a.flac", hours=601.2 / 3600).read_bytes(), **FLAC)
    for upload, words in ((picture, "no sound"), (long, "from 1 to 600 seconds")):
        refused = await import_track(person, upload)
        assert (refused["code"], refused["fields"][0]["field"]) == ("VALIDATION_FAILED", "uploadId")
        assert words in refused["fields"][0]["message"]
    hostile = await bring(person, client, b"ID3\x04\x00\x00\x00\x00\x00\x00#EXTM3U\nfile:///etc/passwd")
    for upload, status in ((hostile, "rejected"), (await announce(person), "pending")):
        refused = await import_track(person, upload)
        assert (refused["code"], status in refused["message"]) == ("CONFLICT", True)
    for title in ("", " ", "x" * 121):
        assert (await import_track(person, picture, title=title))["fields"][0]["field"] == "title"
    assert (await count_tracks(person), await list_attested(person)) == (0, [])


async def test_title_is_read_as_any_other(resources: Resources, person: Person, client: httpx.AsyncClient) -> None:
    refused = await import_track(person, await bring(person, client), title="A song in the style of Taylor Swift")
    assert (refused["__typename"], refused["code"]) == ("PolicyRejected", "POLICY_REJECTED")
    assert await count_tracks(person) == 0


async def test_silence_fails_with_its_reason_and_may_be_tried_again(
    resources: Resources, person: Person, client: httpx.AsyncClient
) -> None:
    upload = await bring(person, client, SONG)
    imported = await import_track(person, upload)
    job_id, track_id = imported["job"]["id"], imported["track"]["id"]
    job = await person.wait_until(job_id, "FAILED")
    assert "SILENT" in job["error"]["message"]
    assert (await person.get(TRACK, id=track_id))["track"]["status"] == "FAILED"
    await person.get(DELETE, id=upload["id"])
    assert (await person.get(RETRY, id=job_id))["retryJob"]["__typename"] == "JobRetried"
    job = await person.wait_until(job_id, "FAILED")
    assert job["error"]["code"] == "UPLOAD_GONE"


async def test_same_key_imports_once(
    resources: Resources, person: Person, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    upload = await bring(person, client, write_song(tmp_path), **FLAC)
    answers = await asyncio.gather(*(import_track(person, upload, idempotencyKey="once") for _ in range(4)))
    assert len({answer["track"]["id"] for answer in answers}) == 1
    assert (await import_track(person, upload, idempotencyKey="once", title="Other"))["code"] == "CONFLICT"
    assert (await count_tracks(person), len(await list_attested(person))) == (1, 1)
