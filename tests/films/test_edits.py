"""Trims that copy what they can: exact to the frame, copied bit for bit, and honest where nothing is copied."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from jobs.engines import run
from jobs.engines.edits import Trim, trim_film
from tests.films.clips import Film, read_film, turn_clip, write_clip

LIMITS = run.Limits(memory_bytes=2 << 30, cpu_seconds=120, file_bytes=1 << 30)
CAMERA = {"preset": "veryfast", "bf": "2"}  # with pictures that are decoded in another order than shown


def trim(source: Path, start: float, end: float, path: Path) -> Trim:
    return run.run_engine(trim_film, source, start, end, path, report=lambda *_: None, limits=LIMITS)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("film") / "film.mp4", Film(300, gop=30, options=CAMERA))


def read_times(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [Fraction(frame.pts or 0) * Fraction(stream.time_base or 0) for frame in container.decode(stream)]


def read_pictures(path: Path) -> list[Any]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray() for frame in container.decode(video=0)]


@pytest.mark.parametrize(
    ("first", "end", "copied"),
    [
        (37, 221, 150),
        (30, 210, 180),
        (0, 300, 300),
        (45, 300, 240),
        (0, 95, 90),
        (59, 91, 30),
        (31, 62, 0),
        (33, 40, 0),
    ],
)
def test_trim_has_just_its_frames_and_copies_whole_groups(
    film: Path, tmp_path: Path, first: int, end: int, copied: int
) -> None:
    made = trim(film, first / 30, end / 30, tmp_path / "trim.mp4")
    assert (made.frame_count, made.copied_frames, made.is_copied) == (end - first, copied, copied > 0)
    assert (made.obstacle is None) == made.is_copied
    assert [number for _, number in read_film(made.path)] == list(range(first, end))
    times = read_times(made.path)
    assert times[0] < Fraction(1, 30)
    assert [time - times[0] for time in times] == [Fraction(number, 30) for number in range(end - first)]


def test_copied_pictures_are_the_same_to_the_last_bit_and_the_edges_nearly(film: Path, tmp_path: Path) -> None:
    made = trim(film, 37 / 30, 221 / 30, tmp_path / "trim.mp4")
    before, after = read_pictures(film)[37:221], read_pictures(made.path)
    inside = range(60 - 37, 210 - 37)
    assert all(np.array_equal(before[number], after[number]) for number in inside)
    edges = [number for number in range(len(after)) if number not in inside]
    errors = [float(np.square(before[number].astype(float) - after[number]).mean()) for number in edges]
    assert 10 * np.log10(255**2 / max(errors)) > 38


def test_edges_are_of_the_same_kind_as_the_rest(film: Path, tmp_path: Path) -> None:
    made = trim(film, 37 / 30, 221 / 30, tmp_path / "trim.mp4")
    with av.open(str(film)) as one, av.open(str(made.path)) as other:
        contexts = [container.streams.video[0].codec_context for container in (one, other)]
        assert len({(each.profile, each.pix_fmt, each.width, each.height) for each in contexts}) == 1
        level = {bytes(each.extradata or b"")[3] for each in contexts}
        assert len(level) == 1


def test_uneven_times_are_kept(tmp_path: Path) -> None:
    steps = [Fraction(step, 1000) for step in (33, 66, 20, 100) * 30]
    times = tuple(sum(steps[:number], Fraction(0)) for number in range(120))
    film = write_clip(tmp_path / "film.mp4", Film(120, gop=20, times=times, options=CAMERA))
    made = trim(film, float(times[33]), float(times[101]), tmp_path / "trim.mp4")
    assert made.is_copied
    found = read_times(made.path)
    wanted = [time - times[33] for time in times[33:101]]
    assert max(abs(a - found[0] - b) for a, b in zip(found, wanted, strict=True)) < Fraction(1, 1000)


def test_film_of_another_codec_is_encoded_and_says_so(tmp_path: Path) -> None:
    film = write_clip(tmp_path / "film.mp4", Film(60, codec="mpeg4", pix_fmt="yuv420p"))
    made = trim(film, 0.5, 1.5, tmp_path / "trim.mp4")
    assert not made.is_copied
    assert made.obstacle == "it is in mpeg4, and only H.264 is copied"
    assert [number for _, number in read_film(made.path)] == list(range(15, 45))


def test_open_groups_are_not_copied(tmp_path: Path) -> None:
    options = {"preset": "veryfast", "x264-params": "open-gop=1:bframes=3:b-adapt=0:scenecut=0:keyint=30:min-keyint=30"}
    film = write_clip(tmp_path / "film.mkv", Film(200, gop=30, options=options))
    made = trim(film, 1.3, 5.1, tmp_path / "trim.mp4")
    assert [number for _, number in read_film(made.path)] == list(range(39, 153))
    assert not made.is_copied


def test_film_that_lies_on_its_side_stays_upright(tmp_path: Path) -> None:
    film = turn_clip(write_clip(tmp_path / "film.mp4", Film(120, gop=30, options=CAMERA)), (0, 1, -1, 0))
    copied, encoded = trim(film, 0.5, 3.5, tmp_path / "copied.mp4"), trim(film, 0.1, 0.3, tmp_path / "encoded.mp4")
    assert (copied.is_copied, encoded.is_copied) == (True, False)
    with av.open(str(copied.path)) as container:
        assert next(container.decode(video=0)).rotation == -90
    with av.open(str(encoded.path)) as container:
        frame = next(container.decode(video=0))
        assert (frame.rotation, frame.width, frame.height) == (0, 180, 320)


def test_film_of_any_even_size_is_encoded(tmp_path: Path) -> None:
    film = write_clip(tmp_path / "film.mp4", Film(40, 322, 182, codec="mpeg4"))
    made = trim(film, 0.0, 1.0, tmp_path / "trim.mp4")
    assert [number for _, number in read_film(made.path)] == list(range(30))


@pytest.mark.parametrize(
    ("start", "end"), [(3.0, 3.0), (-1.0, 2.0), (60.0, 70.0), (float("nan"), 2.0), (0.0, float("inf"))]
)
def test_stretch_that_is_none_is_refused(film: Path, tmp_path: Path, start: float, end: float) -> None:
    with pytest.raises(run.EngineRefused) as refused:
        trim(film, start, end, tmp_path / "trim.mp4")
    assert refused.value.code == "RANGE_UNFIT"


def test_names_of_files_are_only_names(film: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a;b,[0:v]='x':y=1\\ %d"
    folder.mkdir()
    source = folder / "it's=1:2,[in].mp4"
    source.write_bytes(film.read_bytes())
    assert trim(source, 0.1, 0.4, folder / "%03d 'out'.mp4").frame_count == 9
