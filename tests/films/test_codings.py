"""Films in every codec that this machine has, and at a rate that follows the pictures."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from jobs.engines.films import CODERS, Coding, FilmPlan, make_film
from jobs.engines.films.coders import list_codecs
from jobs.engines.films.encoding import encode_pictures
from jobs.engines.films.planes import Box, Picture
from jobs.engines.run import EngineRefused
from tests.films.songs import make_plan, sing, write_song

SECONDS, FRAMES = 7.3, 219  # two segments
NAMES = {"h264": "h264", "hevc": "hevc", "vp9": "vp9", "av1": "libdav1d"}
HERE = list_codecs()


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> FilmPlan:
    song = write_song(tmp_path_factory.mktemp("song") / "song.m4a", SECONDS + 0.5)
    return make_plan(song, "minimal", 320, 240, SECONDS, lines=sing(("Paper boats",), 3.0), title="")


def render(plan: FilmPlan, folder: Path, processes: int = 2) -> Path:
    folder.mkdir()
    return make_film(plan, folder, lambda _fraction, _stage: None, processes).path


def read_frames(path: Path) -> dict[int, NDArray[np.int16]]:
    with av.open(str(path)) as container:
        return {
            round(Fraction(frame.pts or 0) * Fraction(frame.time_base or 0) * 30): frame.to_ndarray().astype(np.int16)
            for frame in container.decode(video=0)
        }


def measure_ends(path: Path) -> tuple[float, float]:
    """Of the pictures, and of what is longest."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        return float((video.duration or 0) * Fraction(video.time_base or 0)), (container.duration or 0) / av.time_base


def test_software_is_always_there() -> None:
    assert set(HERE) >= set(NAMES)


@pytest.mark.parametrize("codec", [codec for codec in CODERS if codec in HERE])
def test_film_has_all_its_frames_in_each_codec(plan: FilmPlan, tmp_path: Path, codec: str) -> None:
    coded = replace(plan, coding=Coding(codec))
    path = render(coded, tmp_path / "two")
    assert list(read_frames(path)) == list(range(FRAMES))
    assert measure_ends(path) == pytest.approx((SECONDS, SECONDS), abs=1e-3)
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert context.name == NAMES.get(codec, "h264")
        assert (context.color_range, context.colorspace) == (1, 1)
    assert len(list(path.parent.glob("*.ts"))) == (2 if CODERS[codec].is_streamed else 0)
    if codec in NAMES:
        alone = render(coded, tmp_path / "one", 1)
        assert hashlib.sha256(alone.read_bytes()).digest() == hashlib.sha256(path.read_bytes()).digest()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are looked at as Linux shows them")
@pytest.mark.parametrize("codec", NAMES)
def test_no_codec_takes_the_machine_for_itself(tmp_path: Path, codec: str) -> None:
    picture = Picture.of_rgb(np.zeros((240, 320, 3), np.uint8))
    policies: set[int] = set()

    def draw() -> Iterator[Picture]:
        for _ in range(60):
            yield picture
            policies.update(os.sched_getscheduler(int(task.name)) for task in Path("/proc/self/task").iterdir())

    encode_pictures(tmp_path / "film.mp4", draw(), 30, Coding(codec))
    assert policies == {os.SCHED_OTHER}


@pytest.mark.parametrize("width", [640, 656, 704], ids=["whole-eights", "one-more-block", "half-of-eight"])
def test_equal_pictures_give_equal_bytes_at_any_width(tmp_path: Path, width: int) -> None:
    texture = np.random.default_rng(3).integers(40, 200, (500 // 16, 1_000 // 16), np.uint8).repeat(16, 0).repeat(16, 1)

    def draw() -> Iterator[Picture]:
        picture = Picture(width, 288)
        picture.fill(Box(0, 0, width, 288), (0, 128, 128))
        for at in range(40):
            picture.planes[0][:] = texture[at * 2 : at * 2 + 288, at * 3 : at * 3 + width]
            yield picture

    digests = set()
    for number in range(6):  # what x264 reads by mistake depends on what lay in the memory before
        path = tmp_path / f"{number}.mp4"
        encode_pictures(path, draw(), 30)
        digests.add(hashlib.sha256(path.read_bytes()).digest())
    assert len(digests) == 1


@pytest.mark.parametrize("codec", [codec for codec in CODERS if codec not in HERE])
def test_missing_hardware_says_so_and_what_there_is(plan: FilmPlan, tmp_path: Path, codec: str) -> None:
    with pytest.raises(EngineRefused, match="h264, hevc, vp9, av1") as refused:
        render(replace(plan, coding=Coding(codec)), tmp_path / "film")
    assert refused.value.code == "CODEC_MISSING"


@pytest.mark.parametrize("codec", NAMES)
def test_variable_rate_shows_the_same_for_as_long_with_fewer_frames(plan: FilmPlan, tmp_path: Path, codec: str) -> None:
    steady = read_frames(render(replace(plan, coding=Coding(codec)), tmp_path / "steady"))
    path = render(replace(plan, coding=Coding(codec, is_variable_rate=True)), tmp_path / "variable")
    some = read_frames(path)
    assert len(some) < FRAMES * 0.75  # the line of progress moves
    assert measure_ends(path) == pytest.approx((SECONDS, SECONDS), abs=1e-3)
    shown = some[0]
    for number, frame in steady.items():
        shown = some.get(number, shown)
        assert np.abs(shown - frame).mean() < 1.5, number


def test_variable_rate_goes_on_too(plan: FilmPlan, tmp_path: Path) -> None:
    varied = replace(plan, coding=Coding(is_variable_rate=True))
    path = render(varied, tmp_path / "film")
    before, kept = path.read_bytes(), (path.parent / "segment-0000.mp4").stat().st_mtime_ns
    (path.parent / "segment-0001.mp4").unlink()
    make_film(varied, path.parent, lambda _fraction, _stage: None)
    assert path.read_bytes() == before
    assert (path.parent / "segment-0000.mp4").stat().st_mtime_ns == kept
