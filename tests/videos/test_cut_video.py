"""A film cut from uploads as a client meets it: the same for the same seed, and honest about what is left out."""

import io
import random
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image

from server.resources import Resources
from storage import database
from storage.rows import new_id, read_id
from tests.analyses.hostile import write_video
from tests.studio import Person, Studio
from tests.uploads.bringing import DELETE as DELETE_UPLOAD
from tests.uploads.bringing import bring
from tests.videos.filming import CANCEL, READ, RETRY, create, digest, fetch, film, make_song, probe, read

RATE = {"framesPerSecond": 24}


@pytest_asyncio.fixture(scope="module")
async def editor(studio: Studio) -> Person:
    """Somebody with a song and clips."""
    return await studio.make_user()


@pytest_asyncio.fixture(scope="module")
async def song(editor: Person) -> str:
    return await make_song(editor, 8)


@pytest_asyncio.fixture(scope="module")
async def clips(studio: Studio, editor: Person, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The uploads of three small videos of four seconds."""
    folder = tmp_path_factory.mktemp("clips")
    sizes = [(320, 240), (240, 320), (480, 270)]
    return [await bring_video(studio, editor, folder / f"{width}.mp4", width, height) for width, height in sizes]


async def bring_video(studio: Studio, person: Person, path: Path, width: int, height: int, frames: int = 100) -> str:
    body = write_video(path, width, height, frames=frames).read_bytes()
    upload_id: str = (await bring(person, studio.client, body, filename="a.mp4", mimeType="video/mp4"))["id"]
    return upload_id


def cut(clips: list[str], **given: Any) -> dict[str, Any]:
    return {"lyric": None, "cut": RATE | {"clips": [{"uploadId": clip} for clip in clips]} | given}


async def count_videos(track_id: str) -> int:
    rows = await database.fetch("SELECT count(*) AS n FROM videos WHERE track_id = $1", read_id("track", track_id))
    count: int = rows[0]["n"]
    return count


async def test_film_is_cut_from_uploads_the_same_for_the_same_seed(
    studio: Studio, editor: Person, song: str, clips: list[str]
) -> None:
    made = await film(editor, song, **cut(clips, seed=5))
    assert (made["kind"], made["status"], made["theme"], made["captions"]) == ("CUT", "COMPLETE", None, [])
    content = await fetch(studio, made["film"]["url"])
    told = probe(content)
    assert (told["size"], told["codecs"]) == ((1080, 1080), ("h264", "aac"))
    assert told["frames"] == round(made["durationSeconds"] * 24)
    assert made["notes"][0].startswith("Shots: ")
    again = await film(editor, song, **cut(clips, seed=5))
    assert digest(await fetch(studio, again["film"]["url"])) == digest(content)


async def test_film_keeps_the_beats_that_it_was_asked_for_with_whatever_is_heard_or_forgotten_since(
    studio: Studio, resources: Resources, editor: Person, song: str, clips: list[str]
) -> None:
    undisturbed = await film(editor, song, **cut(clips, seed=6))
    row_id = read_id("track", song)
    (row,) = await database.fetch("SELECT music FROM tracks WHERE id = $1", row_id)
    created = await create(editor, song, **cut(clips, seed=6))
    await editor.get(CANCEL, id=created["job"]["id"])
    await database.fetch("UPDATE tracks SET music = NULL WHERE id = $1", row_id)
    try:
        await editor.get(RETRY, id=created["job"]["id"])
        await editor.wait_until(created["job"]["id"], "COMPLETE", seconds=120)
    finally:
        await database.fetch("UPDATE tracks SET music = $2 WHERE id = $1", row_id, row["music"])
    made = (await editor.get(READ, id=created["video"]["id"]))["video"]
    assert made["notes"] == undisturbed["notes"]
    films = [await fetch(studio, one["film"]["url"]) for one in (undisturbed, made)]
    assert digest(films[0]) == digest(films[1])


async def test_clip_that_is_too_short_for_a_shot_is_left_out_and_told(
    studio: Studio, editor: Person, song: str, clips: list[str], tmp_path: Path
) -> None:
    blink = await bring_video(studio, editor, tmp_path / "blink.mp4", 320, 240, frames=4)
    made = await film(editor, song, **cut([*clips, blink]))
    assert made["status"] == "COMPLETE"
    assert any(note.startswith("Clip 4 is not in the film: ") for note in made["notes"])


async def test_part_and_focus_of_a_clip_are_taken(studio: Studio, editor: Person, song: str, clips: list[str]) -> None:
    part = {"startSeconds": 1.0, "endSeconds": 3.5, "focusX": 0.2, "focusY": 0.9, "fit": "CONTAIN"}
    wish = RATE | {"fill": "LOOP", "clips": [{"uploadId": clip} | part for clip in clips]}
    made = await film(editor, song, lyric=None, cut=wish, aspect="PORTRAIT")
    assert (made["status"], made["width"], made["height"]) == ("COMPLETE", 1080, 1920)


@pytest.mark.parametrize(
    "part",
    [
        {"startSeconds": 3.0, "endSeconds": 1.0},
        {"startSeconds": -1.0},
        {"startSeconds": 9.0},
        {"endSeconds": 36_001.0},
        {"startSeconds": 1e308},
        {"focusX": 1.5},
        {"focusY": -0.1},
    ],
)
async def test_part_that_is_none_is_refused(
    resources: Resources, editor: Person, song: str, clips: list[str], part: dict[str, float]
) -> None:
    before = await count_videos(song)
    refused = await create(editor, song, lyric=None, cut={"clips": [{"uploadId": clips[0]} | part]})
    assert [one["field"] for one in refused["fields"]] == ["cut.clips"], refused
    assert await count_videos(song) == before


async def test_wish_that_names_no_film_or_two_or_too_much_is_refused(
    resources: Resources, editor: Person, song: str, clips: list[str]
) -> None:
    before = await count_videos(song)
    for given in (cut(clips) | {"lyric": {}}, {"lyric": None}):
        refused = await create(editor, song, **given)
        assert [one["field"] for one in refused["fields"]] == ["lyric", "cut", "generated"]
    tables: list[tuple[dict[str, Any], str]] = [
        (cut([]), "cut.clips"),
        (cut(clips[:1] * 501), "cut.clips"),
        (cut(clips, seed=-1), "cut.seed"),
        (cut(clips, framesPerSecond=1000), "cut.framesPerSecond"),
    ]
    for given, field in tables:
        refused = await create(editor, song, **given)
        assert [one["field"] for one in refused["fields"]] == [field]
    assert await count_videos(song) == before


async def test_upload_of_somebody_else_or_that_does_not_move_is_no_clip(
    studio: Studio, resources: Resources, editor: Person, song: str, clips: list[str], tmp_path: Path
) -> None:
    stranger = await studio.make_user()
    theirs = await bring_video(studio, stranger, tmp_path / "theirs.mp4", 320, 240)
    sound = (await bring(editor, studio.client))["id"]
    png = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(png, "PNG")
    still = (await bring(editor, studio.client, png.getvalue(), filename="a.png", mimeType="image/png"))["id"]
    before = await count_videos(song)
    for wrong in (theirs, sound, still, f"upload_{new_id().hex}", "nonsense"):
        refused = await create(editor, song, **cut([clips[0], wrong]))
        assert refused["fields"][0]["field"] == "cut.clips"
        assert refused["fields"][0]["message"].startswith("Clip 2: ")
    assert await count_videos(song) == before


async def test_clip_that_is_deleted_before_the_film_is_made_fails_it_with_its_reason(
    studio: Studio, resources: Resources, editor: Person, song: str, tmp_path: Path
) -> None:
    clip = await bring_video(studio, editor, tmp_path / "gone.mp4", 320, 240)
    created = await create(editor, song, **cut([clip]))
    await editor.get(CANCEL, id=created["job"]["id"])
    await editor.get(DELETE_UPLOAD, id=clip)
    await editor.get(RETRY, id=created["job"]["id"])
    job = await editor.wait_until(created["job"]["id"], "FAILED")
    assert job["error"]["code"] == "UPLOAD_GONE"


async def test_clip_whose_pictures_are_torn_fails_the_film_with_what_the_decoder_says_of_them(
    studio: Studio, resources: Resources, editor: Person, song: str, tmp_path: Path
) -> None:
    clip = await bring_video(studio, editor, path := tmp_path / "torn.mp4", 320, 240)
    rows = await database.fetch("SELECT blob_key FROM uploads WHERE id = $1", read_id("upload", clip))
    await resources.blobs.put(rows[0]["blob_key"], tear(path.read_bytes()), "video/mp4")
    created = await create(editor, song, **cut([clip]))
    job = await editor.wait_until(created["job"]["id"], "FAILED")
    assert job["error"]["code"] == "ENGINE_FAILED"
    text = (await fetch(studio, (await read(editor, created["video"]["id"]))["logUrl"])).decode()
    assert "  [mpeg4] header damaged\n" in text
    assert "0x" not in text
    assert str(studio.home) not in text
    assert job["error"]["message"] in text.splitlines()[-1]


def tear(film: bytes) -> bytes:
    """The same file, with other bytes where its pictures were."""
    start = film.index(b"mdat") + 4
    end = start + int.from_bytes(film[start - 8 : start - 4]) - 8
    return film[:start] + random.Random(1).randbytes(end - start) + film[end:]
