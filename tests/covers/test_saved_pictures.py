"""Pictures of saved covers: made apart from everything else, or refused; for strangers they stand for the drawing."""

import io
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from PIL import Image

from jobs import covers as cover_jobs
from jobs.engines.covers import CROPS, palette
from jobs.engines.pictures import draw_pictures
from jobs.formats.svg import sanitise
from server.resources import Resources
from storage import database
from storage.covers import SavedCover
from storage.rows import read_id
from tests.covers.drawings import make_resting_track, save_until, wait_for_pictures
from tests.covers.hostile import HARMFUL, drawing
from tests.studio import Person, Studio

FLAG = drawing('<rect width="50" height="100" fill="#ff0000"/><rect x="50" width="50" height="100" fill="#0000ff"/>')
SLOW = drawing('<g opacity=".5"><rect width="100" height="100"/></g>' * 490)  # 25 s of a core for each crop
SIZES = {"square": (1024, 1024), "portrait": (1080, 1920), "landscape": (1920, 1080)}


@pytest_asyncio.fixture
async def track_id(resources: Resources, person: Person) -> str:
    return await make_resting_track(person)


def draw(svg: bytes, folder: Path, background: str = "#00ff00") -> dict[str, Image.Image]:
    """The pictures of a drawing, made here."""
    (folder / "a.svg").write_bytes(sanitise(svg))
    made = draw_pictures(folder / "a.svg", background, folder, lambda *_: None)
    assert list(made) == list(CROPS)
    return {name: Image.open(path).convert("RGB") for name, path in made.items()}


async def test_saved_cover_has_a_picture_for_each_crop(studio: Studio, person: Person, track_id: str) -> None:
    ready = await save_until(person, track_id, "READY", FLAG.decode())
    for name, size in SIZES.items():
        answer = await studio.client.get(ready[name])
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["x-content-type-options"] == "nosniff"
        with Image.open(io.BytesIO(answer.content)) as picture:
            assert (picture.format, picture.size) == ("PNG", size)
            assert picture.convert("RGB").getpixel((2, size[1] // 2)) == (255, 0, 0)
            assert picture.convert("RGB").getpixel((size[0] - 2, size[1] // 2)) == (0, 0, 255)


async def test_what_a_drawing_leaves_open_has_the_ground_of_its_owners_style(
    studio: Studio, person: Person, track_id: str
) -> None:
    seed = (await database.fetch("SELECT style_seed FROM users WHERE id = $1", read_id("user", person.id)))[0]
    for mode in ("DARK", "LIGHT"):
        ready = await save_until(person, track_id, "READY", drawing("<g/>").decode(), mode=mode)
        with Image.open(io.BytesIO((await studio.client.get(ready["square"])).content)) as picture:
            colour = np.asarray(picture.convert("RGB"))[512, 512]
        assert f"#{bytes(colour).hex()}" == palette(seed["style_seed"], dark=mode == "DARK").ground


async def test_drawing_that_takes_too_long_is_refused_and_the_worker_goes_on(
    studio: Studio, person: Person, track_id: str
) -> None:
    alive = [process for process in studio.processes if process.child.poll() is None]
    refused = await save_until(person, track_id, "REFUSED", SLOW.decode())
    assert refused["job"]["error"]["code"] == "DRAWING_REFUSED"
    assert [refused[name] for name in SIZES] == [None, None, None]
    await save_until(person, track_id, "READY")
    assert all(process.child.poll() is None for process in alive)


@pytest.mark.parametrize(
    "file", [b"", b"\x89PNG", drawing("<g>" * 99_999 + "</g>" * 99_999)], ids=["none", "PNG", "deep"]
)
async def test_file_that_breaks_what_draws_it_is_refused(
    resources: Resources, person: Person, track_id: str, file: bytes
) -> None:
    saved_id = (await save_until(person, track_id, "READY"))["id"]
    saved = await SavedCover.get(id=read_id("savedCover", saved_id))
    await resources.blobs.put(saved.svg_key, file, "image/svg+xml")
    await cover_jobs.request_pictures(saved)
    assert (await wait_for_pictures(person, saved_id, "REFUSED"))["job"]["error"]["code"] == "DRAWING_REFUSED"


def test_every_harmful_drawing_that_may_be_saved_has_pictures(tmp_path: Path) -> None:
    for svg in list(HARMFUL.values())[::6]:
        assert [picture.size for picture in draw(svg, tmp_path).values()] == list(CROPS.values())


def test_texts_are_drawn_whatever_their_font_is_called(tmp_path: Path) -> None:
    for family in ("", 'font-family="Comic Sans MS"', 'font-family="serif"'):
        text = drawing(f'<text y="60" font-size="40" {family}>Rain</text>')
        assert (np.asarray(draw(text, tmp_path)["SQUARE"]) == 0).all(axis=2).mean() > 0.02


@pytest.mark.parametrize(
    "root",
    ['viewBox="0 0 100 100"', 'width="100" height="100px"', 'width="9" height="3" viewBox="0 0 100 100"'],
)
def test_middle_of_the_drawing_fills_every_crop(root: str, tmp_path: Path) -> None:
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" {root}><circle cx="50" cy="50" r="10" fill="#f00"/></svg>'
    for name, picture in draw(svg.encode(), tmp_path).items():
        width, height = CROPS[name]
        assert picture.getpixel((width // 2, height // 2)) == (255, 0, 0)
        is_red = (np.asarray(picture) == (255, 0, 0)).all(axis=2)
        across, down = is_red.any(axis=0).sum(), is_red.any(axis=1).sum()
        assert abs(int(across) - int(down)) <= 2
        assert across == pytest.approx(max(width, height) / 5, abs=3)
