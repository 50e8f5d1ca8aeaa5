"""Films put together from pieces: every frame where it belongs, and the sound with it."""

import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from jobs.engines import run
from jobs.engines.cuts import Clip
from jobs.engines.edits import Canvas, Crossfade, Overlay, Piece, Row, Speed, Take, Volume, edit_film
from tests.films.clips import Film, draw_number, read_colour, read_film

LIMITS = run.Limits(memory_bytes=2 << 30, cpu_seconds=120, file_bytes=1 << 30)
CANVAS = Canvas(320, 240, 30)
RATE = 44_100


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    """Of four seconds each: one sounds at 440 Hz, one at 880 Hz, one not at all."""
    folder = tmp_path_factory.mktemp("clips")
    return [write_sounding(folder / f"{hertz}.mp4", hertz, colour) for colour, hertz in enumerate((440, 880, 0))]


def write_sounding(path: Path, hertz: int, colour: int) -> Clip:
    film = Film(120, 320, 240, colour=colour)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=30, options={"crf": "12", "preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 320, 240, "yuv420p"
        sound = container.add_stream("aac", rate=48_000, layout="mono") if hertz else None
        for number in range(120):
            frame = av.VideoFrame.from_ndarray(draw_number(number, film), "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 30)
            container.mux(video.encode(frame))
            if sound is not None:
                places = np.arange(number * 1600, number * 1600 + 1600)
                tone = (0.4 * np.sin(2 * np.pi * hertz * places / 48_000)).astype(np.float32)
                heard = av.AudioFrame.from_ndarray(tone[None], "fltp", "mono")
                heard.sample_rate, heard.pts = 48_000, number * 1600
                container.mux(sound.encode(heard))
        container.mux([*video.encode(None), *(sound.encode(None) if sound is not None else [])])
    return Clip(path, 4.0)


def edit(piece: Piece, folder: Path) -> Path:
    return run.run_engine(edit_film, piece, CANVAS, folder, report=lambda *_: None, limits=LIMITS).path


def hear(path: Path) -> NDArray[np.float32]:
    """The left side, with the encoder's lead taken off by the container."""
    with av.open(str(path)) as container:
        return np.concatenate([np.asarray(frame.to_ndarray()[0], np.float32) for frame in container.decode(audio=0)])


def loudness(sound: NDArray[np.float32], first: int, end: int) -> float:
    """Of the time of these frames, without their edges."""
    part = sound[first * RATE // 30 + 1500 : end * RATE // 30 - 1500]
    return float(np.sqrt(np.square(part).mean()))


def pitch(sound: NDArray[np.float32], first: int, end: int) -> float:
    part = sound[first * RATE // 30 + 1500 : end * RATE // 30 - 1500]
    spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part))))
    return float(spectrum.argmax()) * RATE / len(part)


def test_pieces_stand_in_a_row_to_the_frame_with_their_sound(clips: list[Clip], tmp_path: Path) -> None:
    path = edit(Row((Take(clips[0], 7, 40), Take(clips[2], 50, 31), Take(clips[1], 90, 30))), tmp_path)
    assert read_film(path) == [
        *((0, number) for number in range(7, 47)),
        *((2, number) for number in range(50, 81)),
        *((1, number) for number in range(90, 120)),
    ]
    sound = hear(path)
    assert pitch(sound, 0, 40) == pytest.approx(440, abs=3)
    assert loudness(sound, 40, 71) < 1e-3
    assert pitch(sound, 71, 101) == pytest.approx(880, abs=3)
    heard = np.flatnonzero(np.abs(sound[60 * RATE // 30 :]) > 0.05)[0] + 60 * RATE // 30
    assert abs(heard / RATE - 71 / 30) < 1 / 60


def test_crossfade_blends_pictures_and_sounds(clips: list[Clip], tmp_path: Path) -> None:
    path = edit(Crossfade(Take(clips[0], 0, 60), Take(clips[1], 30, 60), 20), tmp_path)
    seen = read_film(path)
    assert len(seen) == 100
    assert seen[:40] == [(0, number) for number in range(40)]
    assert seen[60:] == [(1, number) for number in range(50, 90)]
    sound = hear(path)
    assert pitch(sound, 0, 40) == pytest.approx(440, abs=3)
    assert pitch(sound, 60, 100) == pytest.approx(880, abs=3)
    levels = [loudness(sound, first, first + 6) for first in (10, 47, 80)]
    assert max(levels) / min(levels) < 1.2


@pytest.mark.parametrize(("percent", "count"), [(50, 160), (150, 53), (200, 40), (400, 20)])
def test_speed_skips_or_repeats_frames_and_keeps_the_pitch(
    clips: list[Clip], tmp_path: Path, percent: int, count: int
) -> None:
    path = edit(Speed(Take(clips[0], 10, 80), percent), tmp_path)
    assert [number for _, number in read_film(path)] == [10 + frame * percent // 100 for frame in range(count)]
    sound = hear(path)
    assert len(sound) / RATE == pytest.approx(count / 30, abs=0.03)
    assert pitch(sound, 2, count - 2) == pytest.approx(440, rel=0.02)


def test_volume_is_in_decibels(clips: list[Clip], tmp_path: Path) -> None:
    path = edit(Row((Take(clips[0], 0, 30), Volume(Take(clips[0], 30, 30), -12.0))), tmp_path)
    sound = hear(path)
    assert 20 * math.log10(loudness(sound, 30, 60) / loudness(sound, 0, 30)) == pytest.approx(-12, abs=0.5)


def test_overlay_lies_where_and_when_it_was_put(clips: list[Clip], tmp_path: Path) -> None:
    path = edit(Overlay(Take(clips[2], 0, 60), Take(clips[1], 0, 20), 15, 200, 20, 100, 80), tmp_path)
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    blues = [frame.to_ndarray().reshape(-1)[320 * 240 :][:19200].reshape(120, 160) for frame in frames]
    inside = [float(blue[12:48, 102:148].mean()) > 150 for blue in blues]
    assert inside == [15 <= number < 35 for number in range(60)]
    assert {read_colour(frames[number]) for number in (0, 14, 35, 59)} == {2}
    assert all(float(blue[12:48, :98].mean()) < 120 for blue in blues)
    sound = hear(path)
    assert pitch(sound, 15, 35) == pytest.approx(880, abs=5)
    assert loudness(sound, 36, 60) < 0.01


def test_pieces_nest(clips: list[Clip], tmp_path: Path) -> None:
    row = Row((Take(clips[0], 0, 20), Speed(Row((Take(clips[1], 0, 20), Take(clips[2], 0, 20))), 200)))
    assert read_film(edit(row, tmp_path)) == [
        *((0, number) for number in range(20)),
        *((1, number) for number in range(0, 20, 2)),
        *((2, number) for number in range(0, 20, 2)),
    ]


def nest(clip: Clip, depth: int) -> Piece:
    piece: Piece = Take(clip, 0, 10)
    for _ in range(depth):
        piece = Volume(piece, 0.0)
    return piece


HOSTILE = Clip(Path("a.mp4"), 4.0)


@pytest.mark.parametrize(
    ("piece", "code"),
    [
        (Row(()), "EDIT_UNFIT"),
        (Row((Take(HOSTILE, 0, 10),) * 1_001), "EDIT_UNFIT"),
        (nest(HOSTILE, 2_000), "EDIT_UNFIT"),
        (Take(HOSTILE, 0, 0), "EDIT_UNFIT"),
        (Take(HOSTILE, -5, 10), "EDIT_UNFIT"),
        (Take(HOSTILE, 0, 36_000 * 30), "TOO_LONG"),
        (Crossfade(Take(HOSTILE, 0, 10), Take(HOSTILE, 0, 10), 11), "EDIT_UNFIT"),
        (Speed(Take(HOSTILE, 0, 10), 0), "EDIT_UNFIT"),
        (Volume(Take(HOSTILE, 0, 10), float("nan")), "EDIT_UNFIT"),
        (Overlay(Take(HOSTILE, 0, 10), Take(HOSTILE, 0, 10), 0, 300, 0, 100, 100), "EDIT_UNFIT"),
        (Take(Clip(Path("a.mp4"), float("nan")), 0, 10), "CLIP_UNFIT"),
    ],
)
def test_impossible_pieces_are_refused(piece: Piece, code: str, tmp_path: Path) -> None:
    with pytest.raises(run.EngineRefused) as refused:
        edit_film(piece, CANVAS, tmp_path, lambda *_: None)
    assert refused.value.code == code
    assert list(tmp_path.iterdir()) == []
