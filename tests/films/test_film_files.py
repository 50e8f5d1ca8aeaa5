"""The file that a plan becomes: its frames, its sound, its length and its bytes."""

import hashlib
import multiprocessing
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from jobs.engines import run
from jobs.engines.films import FilmPlan, MadeFilm, make_film
from jobs.engines.films.scene import Screen, build_scene
from tests.films.songs import make_plan, sing, write_cover, write_song

LIMITS = run.Limits(memory_bytes=2 << 30, cpu_seconds=120, file_bytes=1 << 30)
SECONDS = 11.7  # three segments, the last of them short
MEAN_FAR, BLOCK_FAR = 0.7, 6.0  # levels of light


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_song(tmp_path_factory.mktemp("song") / "song.m4a", 12.5)


@pytest.fixture(scope="module")
def plan(song: Path) -> FilmPlan:
    return make_plan(song, "karaoke", 480, 270, SECONDS)


@pytest.fixture(scope="module")
def film(plan: FilmPlan, tmp_path_factory: pytest.TempPathFactory) -> MadeFilm:
    return render(plan, tmp_path_factory.mktemp("film"))


def render(plan: FilmPlan, folder: Path, processes: int = 2) -> MadeFilm:
    return run.run_engine(make_film, plan, folder, report=lambda _fraction, _stage: None, limits=LIMITS)


def test_every_frame_stands_at_its_time(film: MadeFilm) -> None:
    assert film.frame_count == 351
    with av.open(str(film.path)) as container:
        stream = container.streams.video[0]
        times = [Fraction(frame.pts or 0) * Fraction(stream.time_base or 0) for frame in container.decode(stream)]
    assert times == [Fraction(number, 30) for number in range(351)]


def test_film_is_as_long_as_planned_and_its_sound_begins_with_it(film: MadeFilm) -> None:
    with av.open(str(film.path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert container.duration is not None
        assert abs(container.duration / av.time_base - SECONDS) < 1e-3
        assert video.average_rate == 30
        begin = next(container.decode(audio)).time
        assert begin is not None
        assert abs(begin) < 1 / 30
        ticks = max((packet.pts or 0) + (packet.duration or 0) for packet in container.demux(audio))
        assert SECONDS - 1 / 30 < ticks * Fraction(audio.time_base or 0) <= SECONDS


def test_colours_are_named_and_the_picture_is_h264(film: MadeFilm) -> None:
    with av.open(str(film.path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert (context.color_range, context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1, 1)


def test_index_stands_before_the_frames(film: MadeFilm) -> None:
    content = film.path.read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


def test_sound_is_copied_and_not_encoded_again(film: MadeFilm, song: Path) -> None:
    with av.open(str(song)) as before, av.open(str(film.path)) as after:
        given, kept = ([bytes(packet) for packet in each.demux(audio=0) if packet.size] for each in (before, after))
    assert len(kept) > 400
    assert kept == given[: len(kept)]


def test_sound_of_another_kind_is_encoded(plan: FilmPlan, tmp_path: Path) -> None:
    wave = tmp_path / "song.wav"
    with av.open(str(wave), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=48_000, layout="mono")
        tone = (8000 * np.sin(np.arange(48_000 * 3) * 0.05)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(tone[None], format="s16", layout="mono")
        frame.sample_rate = 48_000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    made = render(replace(plan, audio=wave, duration_seconds=2.0, lines=()), tmp_path)
    with av.open(str(made.path)) as container:
        sound = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)
    assert sound.shape[1] / 44_100 == pytest.approx(2.0, abs=0.05)
    assert np.abs(sound).max() > 0.15  # half of a mono signal's power goes to each side


def test_equal_plans_give_equal_bytes_by_any_number_of_processes(
    plan: FilmPlan, film: MadeFilm, tmp_path: Path
) -> None:
    digests = {hashlib.sha256(film.path.read_bytes()).hexdigest()}
    for processes in (1, 3):
        (folder := tmp_path / str(processes)).mkdir()
        made = make_film(plan, folder, lambda _fraction, _stage: None, processes)
        digests.add(hashlib.sha256(made.path.read_bytes()).hexdigest())
    assert len(digests) == 1


def test_film_lies_beside_its_segments_and_nothing_half_made(film: MadeFilm) -> None:
    names = {path.name for path in film.path.parent.iterdir()}
    segments = {f"segment-{number:04}.{kind}" for number in range(3) for kind in ("mp4", "ts")}
    assert names == {"film.mp4", "poster.jpg", "preview.jpg", "sound.m4a"} | segments


def test_progress_tells_frames_their_pace_and_the_time_left(plan: FilmPlan, tmp_path: Path) -> None:
    told: list[tuple[float, str]] = []
    make_film(plan, tmp_path, lambda fraction, stage: told.append((fraction, stage)))
    assert [fraction for fraction, _ in told] == sorted(fraction for fraction, _ in told)
    stages = [stage for _, stage in told]
    assert (stages[0], stages[-1]) == ("setting the words", "joining")
    assert len(stages) > 2
    pace = re.compile(r"drawing|frame \d+ of 351, \d+ a second, \d+ s left")
    assert all(pace.fullmatch(stage) for stage in stages[1:-1])


class _Stopped(Exception):
    pass


def test_stopped_film_leaves_no_process(plan: FilmPlan, tmp_path: Path) -> None:
    def stop(_fraction: float, stage: str) -> None:
        if stage != "setting the words":
            raise _Stopped

    with pytest.raises(_Stopped):
        make_film(replace(plan, duration_seconds=600.0), tmp_path, stop)
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("fps", [24, 25, 60])
def test_other_rates_have_their_own_grid(plan: FilmPlan, tmp_path: Path, fps: int) -> None:
    made = render(replace(plan, fps=fps, duration_seconds=1.5, lines=sing(("one two",), 0.2)), tmp_path)
    with av.open(str(made.path)) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == made.frame_count == round(1.5 * fps)
    assert [frame.time for frame in frames] == pytest.approx([number / fps for number in range(len(frames))])


@pytest.mark.parametrize("is_zoomed", [False, True])
@pytest.mark.parametrize("theme", ["karaoke", "pop", "cover"])
def test_what_is_seen_is_what_was_drawn(theme: str, is_zoomed: bool, song: Path, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter
    """Nowhere far from it, neither where words light up nor in the smoothest corner."""
    cover = write_cover(tmp_path / "cover.png")
    plan = make_plan(song, theme, 640, 360, 6.0, cover=cover, is_zoomed=is_zoomed)
    screen = Screen(build_scene(plan))
    with av.open(str(make_film(plan, tmp_path, lambda _fraction, _stage: None).path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            screen.show(number)
            shown, drawn = (pixels[:360].astype(np.int16) for pixels in (frame.to_ndarray(), screen.picture.memory))
            blocks = np.abs(shown - drawn)[:352].reshape(22, 16, 40, 16).mean((1, 3))
            assert (blocks.mean() < MEAN_FAR, blocks.max() < BLOCK_FAR) == (True, True), number
