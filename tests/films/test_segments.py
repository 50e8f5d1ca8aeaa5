"""What a film's folder holds while it is made, and films that go on where they were stopped."""

import hashlib
import itertools
import multiprocessing
import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from os import PathLike
from pathlib import Path, PosixPath

import av
import numpy as np
import pytest
from av.video.reformatter import Colorspace
from PIL import Image

from jobs.engines import run
from jobs.engines.films import Coding, Content, FilmPlan, draw_frame, make_film
from jobs.engines.films.planes import Box, Picture
from jobs.engines.films.scene import build_scene
from jobs.engines.films.segments import PREVIEW_SECONDS, Reel, render_segments
from jobs.engines.run import EngineRefused
from tests.films.songs import make_plan, write_song

LIMITS = run.Limits(memory_bytes=2 << 30, cpu_seconds=120, file_bytes=1 << 30)
SECONDS = 31.3  # seven segments, the last of them short
FRAMES = 939


class _Stopped(Exception):
    pass


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_song(tmp_path_factory.mktemp("song") / "song.m4a", SECONDS + 1)


@pytest.fixture(scope="module")
def plan(song: Path) -> FilmPlan:
    return make_plan(song, "karaoke", 960, 540, SECONDS)


@pytest.fixture(scope="module")
def whole(plan: FilmPlan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("film")
    render(plan, folder, beats=None)
    return folder


def render(plan: FilmPlan, folder: Path, beats: int | None) -> None:
    """In a child as a worker has it; so many beats after another segment it is killed with all that it started."""
    before, heard = len(list(folder.glob("segment-*.mp4"))), 0

    def report(_fraction: float, _stage: str) -> None:
        nonlocal heard
        heard += len(list(folder.glob("segment-*.mp4"))) > before
        if beats is not None and heard > beats:
            raise _Stopped

    run.run_engine(make_film, plan, folder, report=report, limits=LIMITS, beat_seconds=0.02)


def digest(folder: Path) -> dict[str, str]:
    """Of all that is the same however it came to be."""
    names = (path for path in folder.iterdir() if path.name != "preview.jpg" and path.suffix != ".part")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in names}


def test_killed_film_goes_on_and_ends_like_one_that_nothing_disturbed(
    plan: FilmPlan, whole: Path, tmp_path: Path
) -> None:
    chance, kept, is_whole = random.Random(5), [], False
    while not is_whole:
        before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("segment-*.mp4")}
        kept.append(len(before))
        try:
            render(plan, tmp_path, chance.randrange(4))
            is_whole = True
        except _Stopped:
            pass
        assert {path: path.stat().st_mtime_ns for path in before} == before
    assert any(0 < count < 7 for count in kept), kept
    assert digest(tmp_path) == digest(whole)


def test_torn_and_wrong_segments_are_made_again(plan: FilmPlan, whole: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "film"))
    torn = folder / "segment-0001.mp4"
    torn.write_bytes(torn.read_bytes()[: torn.stat().st_size // 2])
    (folder / "segment-0003.mp4").write_bytes(b"")
    shutil.copy(folder / "segment-0006.mp4", folder / "segment-0002.mp4")
    (folder / "segment-0004.ts").unlink()
    kept = (folder / "segment-0005.mp4").stat().st_mtime_ns
    render(plan, folder, None)
    assert digest(folder) == digest(whole)
    assert (folder / "segment-0005.mp4").stat().st_mtime_ns == kept


def test_segments_of_another_film_are_made_again(plan: FilmPlan, tmp_path: Path) -> None:
    short = replace(plan, duration_seconds=7.0)
    (alone := tmp_path / "alone").mkdir()
    (after := tmp_path / "after").mkdir()
    render(replace(short, theme="minimal"), after, None)
    render(short, after, None)
    render(short, alone, None)
    assert digest(after) == digest(alone)


def test_segments_that_were_encoded_otherwise_are_made_again(song: Path, tmp_path: Path) -> None:
    """Decoders are told once how to read a film; packets that were made in another way would be garbled."""
    (alone := tmp_path / "alone").mkdir()
    (after := tmp_path / "after").mkdir()
    reel = Reel(Shades(), 287, 25, song, film="one")
    render_segments(replace(reel, coding=Coding(content=Content.DRAWN)), after, _hear_nothing)
    for folder in (after, alone):
        (folder / "film.mp4").unlink(missing_ok=True)
        render_segments(reel, folder, _hear_nothing)
    assert digest(after) == digest(alone)


def test_streams_play_one_after_the_other(whole: Path, tmp_path: Path) -> None:
    parts = sorted(whole.glob("segment-*.ts"))
    assert len(parts) == 7
    listed = "".join(f"#EXTINF:5.0,\n{part}\n" for part in parts)
    playlist = tmp_path / "film.m3u8"
    playlist.write_text(f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:6\n{listed}#EXT-X-ENDLIST\n")
    with av.open(str(playlist), options={"allowed_extensions": "ALL"}) as container:
        shown = [Fraction(frame.pts or 0) * Fraction(frame.time_base or 0) for frame in container.decode(video=0)]
    with av.open(str(playlist), options={"allowed_extensions": "ALL"}) as container:
        heard = [
            (float(frame.time or 0), float(frame.time or 0) + frame.samples / frame.sample_rate)
            for frame in container.decode(audio=0)
        ]
    assert [time - shown[0] for time in shown] == [Fraction(number, 30) for number in range(FRAMES)]
    assert abs(heard[0][0] - float(shown[0])) < 1 / 30
    assert max(abs(begin - end) for (_, end), (begin, _) in itertools.pairwise(heard)) < 1 / 30
    assert abs(heard[-1][1] - float(shown[0]) - SECONDS) < 1 / 30


def test_each_stream_can_be_played_alone(whole: Path) -> None:
    for number, part in enumerate(sorted(whole.glob("segment-*.ts"))):
        with av.open(str(part)) as container:
            frames = list(container.decode(video=0))
        assert frames[0].key_frame
        assert len(frames) == min(150, FRAMES - 150 * number)
        assert frames[0].time == pytest.approx(1 + 5 * number, abs=1e-4)


def test_preview_and_poster_are_pictures_of_the_film(plan: FilmPlan, whole: Path) -> None:
    with Image.open(whole / "preview.jpg") as preview, Image.open(whole / "poster.jpg") as poster:
        assert (preview.size, poster.size) == ((640, 360), (960, 540))
        drawn = np.asarray(draw_frame(plan, build_scene(plan).poster_frame), np.int16)
        assert np.abs(np.asarray(poster, np.int16) - drawn).mean() < 2


def test_preview_of_a_large_film_is_small(song: Path, tmp_path: Path) -> None:
    render_segments(Reel(Shades(1080, 1920), 3, 30, song), tmp_path, _hear_nothing)
    with Image.open(tmp_path / "preview.jpg") as preview, Image.open(tmp_path / "poster.jpg") as poster:
        assert (preview.size, poster.size) == ((360, 640), (1080, 1920))


class Shades:
    """Draws a grey for each frame."""

    def __init__(self, width: int = 320, height: int = 240) -> None:
        self._picture = Picture(width, height)

    def __call__(self, frames: range) -> Iterator[Picture]:
        for frame in frames:
            self._picture.fill(Box(0, 0, self._picture.width, self._picture.height), (shade_of(frame), 128, 128))
            yield self._picture


def shade_of(frame: int) -> int:
    return 30 + frame * 7 % 180


def _hear_nothing(_fraction: float, _stage: str) -> None:
    pass


def test_pictures_that_come_from_elsewhere_stand_on_their_frames(song: Path, tmp_path: Path) -> None:
    path = render_segments(Reel(Shades(), 287, 25, song), tmp_path, _hear_nothing)
    with av.open(str(path)) as container:
        shades = [float(frame.to_ndarray()[:240].mean()) for frame in container.decode(video=0)]
    assert shades == pytest.approx([shade_of(frame) for frame in range(287)], abs=2)


@pytest.mark.parametrize("height", [240, 242, 246])
def test_colours_are_right_at_every_even_height(song: Path, tmp_path: Path, height: int) -> None:
    plan = make_plan(song, "stacked", 320, height, 2.0)
    path = make_film(plan, tmp_path, _hear_nothing).path
    with av.open(str(path)) as container:
        shown = list(container.decode(video=0))[50]
    assert (shown.width, shown.height) == (320, height)
    pixels = shown.reformat(format="rgb24", src_colorspace=Colorspace.ITU709).to_ndarray().astype(np.int16)
    assert np.abs(pixels - np.asarray(draw_frame(plan, 50), np.int16)).mean() < 4


def _refuse(frames: range) -> Iterator[Picture]:
    yield from Shades()(frames[:5])
    raise EngineRefused("CLIP_UNREADABLE", "a clip ends in the middle")


def _fail(frames: range) -> Iterator[Picture]:
    yield from Shades()(frames[:5])
    raise ValueError("a fault of ours")


def test_clip_that_cannot_be_read_refuses_the_film(song: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineRefused, match="ends in the middle") as refused:
        render_segments(Reel(_refuse, 300, 30, song), tmp_path, _hear_nothing)
    assert refused.value.code == "CLIP_UNREADABLE"
    assert not list(tmp_path.glob("segment-????.*[!t]"))


def test_process_that_fails_fails_the_film(song: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="exit code 1, ValueError: a fault of ours"):
        render_segments(Reel(_fail, 300, 30, song), tmp_path, _hear_nothing)
    assert not (tmp_path / "film.mp4").exists()


class Meeting(PosixPath):
    """A folder in which a preview is put in its place only when a second one is about to be, or none will be."""

    arrived = multiprocessing.get_context("fork").Value("i", 0)

    def replace(self, target: str | PathLike[str]) -> "Meeting":
        if self.name.startswith("preview"):
            with self.arrived.get_lock():
                self.arrived.value += 1
            wait_for(lambda: bool(self.arrived.value > 1 or any(self.parent.glob("segment-*.mp4"))))
        return super().replace(target)


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition() and time.monotonic() < end:
        threading.Event().wait(0.01)


def test_previews_of_two_processes_do_not_get_in_each_others_way(song: Path, tmp_path: Path) -> None:
    folder = Meeting(tmp_path)
    writing = folder / "preview.jpg.part"

    def is_overdue() -> bool:
        with suppress(FileNotFoundError):
            return bool(time.time() - writing.stat().st_mtime > PREVIEW_SECONDS)
        return bool((folder / "preview.jpg").exists())

    def draw(frames: range) -> Iterator[Picture]:
        for frame, picture in zip(frames, Shades()(frames), strict=True):
            if frame == frames[-1]:
                wait_for(is_overdue)
            yield picture

    path = render_segments(Reel(draw, 300, 30, song), folder, _hear_nothing)
    assert path.exists()
    assert (folder / "preview.jpg").exists()
