"""What is found in a file that was brought, and what becomes of one that means harm."""

import io
import zlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil  # type: ignore[import-untyped]  # it ships no types
import pytest
from PIL import Image

from jobs.schedule import sweep
from server.resources import Resources
from storage.rows import read_id
from tests.analyses.hostile import tone, write_silence, write_sound, write_video
from tests.studio import Person, Studio, until
from tests.uploads.bringing import DELETE, FRAME, SONG, announce, bring, complete, find, send

FILM = {"filename": "film.mp4", "mimeType": "video/mp4"}


@pytest.fixture
def client(studio: Studio) -> httpx.AsyncClient:
    return studio.client


async def keys_of(resources: Resources, upload: Any) -> list[str]:
    folder = f"/{read_id('upload', upload['id']).hex}/"
    return [key async for key, _ in resources.blobs.list_keys("uploads/") if folder in key]


async def test_sound_is_measured(person: Person, client: httpx.AsyncClient, tmp_path: Path) -> None:
    body = write_sound(tmp_path / "a.flac", "flac", "flac", tone(1.5, channels=2)).read_bytes()
    stored = await bring(person, client, body, filename="a.flac", mimeType="audio/flac")
    found = stored["media"]
    assert (found["kind"], found["audioCodec"], found["sampleRate"], found["channels"]) == ("AUDIO", "flac", 44_100, 2)
    assert found["durationSeconds"] == pytest.approx(1.5, abs=0.05)
    assert [found[name] for name in ("videoCodec", "width", "height", "framesPerSecond")] == [None] * 4
    assert stored["thumbnails"] == []


async def test_video_is_measured_and_shown_and_its_pictures_go_with_it(
    resources: Resources, person: Person, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    body = write_video(tmp_path / "film.mp4", 800, 600).read_bytes()
    stored = await bring(person, client, body, **FILM)
    found = stored["media"]
    assert (found["kind"], found["videoCodec"], found["width"], found["height"]) == ("VIDEO", "mpeg4", 800, 600)
    assert (found["durationSeconds"], found["framesPerSecond"], found["audioCodec"]) == (1.0, 25.0, None)
    assert [(one["width"], one["height"]) for one in stored["thumbnails"]] == [(320, 240), (640, 480), (800, 600)]
    for one in stored["thumbnails"]:
        picture = Image.open(io.BytesIO((await client.get(one["url"])).content))
        assert (picture.format, picture.size) == ("JPEG", (one["width"], one["height"]))
    await sweep(resources.blobs, age=timedelta())
    assert len(await keys_of(resources, stored)) == 4
    await person.get(DELETE, id=stored["id"])
    assert await keys_of(resources, stored) == []


async def test_picture_is_measured_as_it_is_looked_at(person: Person, client: httpx.AsyncClient) -> None:
    out, turned = io.BytesIO(), Image.Exif()
    turned[0x0112] = 6  # the camera was held upright
    Image.new("RGB", (900, 600), "teal").save(out, "JPEG", exif=turned)
    stored = await bring(person, client, out.getvalue(), filename="a.jpg", mimeType="image/jpeg")
    found = stored["media"]
    assert (found["kind"], found["videoCodec"], found["width"], found["height"]) == ("PICTURE", "jpeg", 600, 900)
    assert (found["durationSeconds"], found["framesPerSecond"], found["audioCodec"]) == (0, None, None)
    assert [(one["width"], one["height"]) for one in stored["thumbnails"]] == [(213, 320), (427, 640), (600, 900)]


async def test_picture_that_is_seen_through_lies_on_white(person: Person, client: httpx.AsyncClient) -> None:
    out = io.BytesIO()
    Image.new("RGBA", (64, 64), (0, 0, 0, 0)).save(out, "PNG")
    stored = await bring(person, client, out.getvalue(), filename="a.png", mimeType="image/png")
    shown = Image.open(io.BytesIO((await client.get(stored["thumbnails"][0]["url"])).content))
    assert shown.getpixel((32, 32)) == (255, 255, 255)


def picture_of(form: str) -> bytes:
    out = io.BytesIO()
    Image.effect_noise((400, 300), 90).save(out, form)
    return out.getvalue()


def grow_sides(png: bytes) -> bytes:
    """The same file, which now says that it is as wide and high as can be."""
    head = png[12:16] + (65_000).to_bytes(4) * 2 + png[24:29]
    return png[:12] + head + zlib.crc32(head).to_bytes(4) + png[33:]


@pytest.mark.parametrize(
    ("code", "body", "form"),
    [
        ("UNREADABLE", picture_of("PNG")[:-4000], "png"),
        ("UNREADABLE", picture_of("JPEG")[:-4000], "jpeg"),
        ("UNREADABLE", picture_of("WEBP")[:-4000], "webp"),
        ("TOO_LARGE", grow_sides(picture_of("PNG")), "png"),
    ],
)
async def test_picture_that_cannot_be_looked_at_is_rejected(
    person: Person, client: httpx.AsyncClient, code: str, body: bytes, form: str
) -> None:
    rejected = await bring(person, client, body, filename=f"a.{form}", mimeType=f"image/{form}")
    assert (rejected["status"], rejected["rejection"]["code"]) == ("REJECTED", code)


def write_large(path: Path) -> Path:
    return write_video(path, 4200, 2400, frames=1)


def write_long(path: Path) -> Path:
    return write_silence(path, hours=4.01)


def write_odd(path: Path) -> Path:
    return write_sound(path, "wav", "adpcm_ms", tone(0.5))


def write_many(path: Path) -> Path:
    return write_sound(path, "mp4", "aac", tone(0.1), streams=9)


def write_nothing(path: Path) -> Path:
    path.write_bytes(FRAME + b"#EXTM3U\nfile:///etc/passwd\n")
    return path


@pytest.mark.parametrize(
    ("code", "write", "name", "mime_type"),
    [
        ("TOO_LARGE", write_large, "film.mp4", "video/mp4"),
        ("TOO_LONG", write_long, "a.flac", "audio/flac"),
        ("CODEC_NOT_TAKEN", write_odd, "a.wav", "audio/wav"),
        ("TOO_MANY_STREAMS", write_many, "a.m4a", "audio/mp4"),
        ("UNKNOWN_TYPE", write_nothing, "a.mp3", "audio/mpeg"),
    ],
)
async def test_file_that_nobody_could_play_is_rejected_by_what_is_in_it(
    resources: Resources, person: Person, client: httpx.AsyncClient, tmp_path: Path, code: str, write: Any,
    name: str, mime_type: str,
) -> None:  # fmt: skip
    rejected = await bring(person, client, write(tmp_path / name).read_bytes(), filename=name, mimeType=mime_type)
    assert (rejected["status"], rejected["rejection"]["code"]) == ("REJECTED", code)
    assert (rejected["media"], rejected["thumbnails"], rejected["fileUrl"]) == (None, [], None)
    assert rejected["job"]["state"] == "COMPLETE"

    async def is_gone() -> bool:
        return await keys_of(resources, rejected) == []

    await until(is_gone, "nothing is left")


async def test_truncated_container_is_unreadable_and_says_so(
    person: Person, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    whole = write_sound(tmp_path / "a.m4a", "mp4", "aac", tone(2)).read_bytes()
    rejected = await bring(person, client, whole[: len(whole) // 2], filename="a.m4a", mimeType="audio/mp4")
    assert (rejected["status"], rejected["rejection"]["code"]) == ("REJECTED", "UNREADABLE")
    assert (await bring(person, client, SONG))["status"] == "STORED"
    assert (await find(person, rejected))["status"] == "REJECTED"


async def test_file_that_kills_every_reader_is_rejected_in_the_end(
    resources: Resources, studio: Studio, person: Person, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    body = write_silence(tmp_path / "a.flac", hours=3.9).read_bytes()
    upload = await announce(person, body, filename="a.flac", mimeType="audio/flac")
    await send(client, upload, body)
    await complete(person, upload)
    worker = psutil.Process(next(each for each in studio.processes if each.name == "worker").child.pid)

    async def is_rejected() -> bool:
        for engine in [engine for server in worker.children() for engine in server.children()]:
            engine.kill()
        return bool((await find(person, upload))["status"] == "REJECTED")

    await until(is_rejected, "the file is given up", 60)
    found = await find(person, upload)
    assert (found["rejection"]["code"], found["job"]["state"]) == ("UNREADABLE", "COMPLETE")
    assert "3 times" in found["rejection"]["message"]
    assert await keys_of(resources, upload) == []
