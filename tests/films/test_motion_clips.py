"""Clips of our own making: whole, repeatable, in the style's colours, and moving with the song."""

import hashlib
import multiprocessing
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from jobs.engines import run
from jobs.engines.covers import palette
from jobs.engines.covers.palette import read_oklch
from jobs.engines.films.encoding import encode_pictures
from jobs.engines.motion import MOTIFS, SCENES, MadeClip, MotionPlan, Take, choose_scene, draw_frames, make_clip
from jobs.engines.motion.scenes import CALM, HIGH, STEADY
from jobs.engines.run import EngineRefused
from tests.films.motion_songs import BEAT_SECONDS, make_motion_plan

LIMITS = run.Limits(memory_bytes=2 << 30, cpu_seconds=120, file_bytes=1 << 30)
SMALL = 320, 240
FLAT = (0.6,) * 8  # a song that is as loud all along, so that nothing but its beats changes


def render(plan: MotionPlan, folder: Path) -> MadeClip:
    return run.run_engine(make_clip, plan, folder, report=lambda _fraction, _stage: None, limits=LIMITS)


def read_frames(path: Path) -> list[NDArray[np.uint8]]:
    with av.open(str(path)) as container:
        return [np.asarray(frame.to_ndarray(format="gray"), np.uint8) for frame in container.decode(video=0)]


@pytest.mark.parametrize("scene", SCENES)
def test_same_plan_gives_the_same_bytes(scene: str, tmp_path: Path) -> None:
    plan = make_motion_plan(*SMALL, 1.2, scene=scene)
    digests = set()
    for number in range(2):
        (folder := tmp_path / str(number)).mkdir()
        digests.add(hashlib.sha256(render(plan, folder).path.read_bytes()).hexdigest())
    assert len(digests) == 1


@pytest.mark.parametrize("scene", ["maze", "ridges"])
def test_same_bytes_by_one_process_or_by_two(scene: str, tmp_path: Path) -> None:
    plan = make_motion_plan(*SMALL, 16.0, fps=24, scene=scene)
    digests = set()
    for processes in (1, 2):
        (folder := tmp_path / str(processes)).mkdir()
        made = make_clip(plan, folder, lambda _fraction, _stage: None, processes)
        digests.add(hashlib.sha256(made.path.read_bytes()).hexdigest())
    assert len(digests) == 1


def test_frame_looks_the_same_whatever_was_drawn_before() -> None:
    plan = make_motion_plan(*SMALL, 8.0, scene="maze")
    later, earlier = (draw_frames(plan, wanted) for wanted in ((200, 40), (40, 200)))
    assert [frame.tobytes() for frame in later] == [frame.tobytes() for frame in reversed(earlier)]


@pytest.mark.parametrize("scene", SCENES)
def test_clip_is_nearer_to_what_was_drawn_than_a_film_is(scene: str, tmp_path: Path) -> None:
    plan = make_motion_plan(640, 360, 1.0, scene=scene)
    frames = range(plan.frame_count)
    drawn = [picture.planes[0].astype(float) for picture in Take(plan).draw(frames)]
    encode_pictures(film := tmp_path / "usual.mp4", Take(plan).draw(frames), plan.fps)
    errors = []
    for path in (film, render(plan, tmp_path).path):
        with av.open(str(path)) as container:
            shown = [frame.to_ndarray()[: plan.height] for frame in container.decode(video=0)]
        errors.append(np.mean([np.square(one - other).mean() for one, other in zip(drawn, shown, strict=True)]))
    assert errors[1] < errors[0]


def test_other_seed_or_repeat_is_another_picture() -> None:
    plan = make_motion_plan(*SMALL, 1.0, scene="tunnel")
    shown = {draw_frames(each, (20,))[0].tobytes() for each in (plan, replace(plan, seed=8), replace(plan, repeat=1))}
    assert len(shown) == 3


@pytest.mark.parametrize(("seconds", "fps"), [(2.5, 24), (1.01, 25), (3.0, 30), (0.7, 60), (0.001, 30)])
def test_clip_has_the_frames_it_should_and_no_sound(seconds: float, fps: int, tmp_path: Path) -> None:
    made = render(make_motion_plan(*SMALL, seconds, fps=fps), tmp_path)
    with av.open(str(made.path)) as container:
        assert not container.streams.audio
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height) == SMALL
        times = [Fraction(frame.pts or 0) * Fraction(stream.time_base or 0) for frame in container.decode(stream)]
    assert times == [Fraction(number, fps) for number in range(max(1, round(seconds * fps)))]
    assert made.frame_count == len(times)


@pytest.mark.parametrize("shape", [(240, 240), (426, 240), (240, 426), (242, 250)])
@pytest.mark.parametrize("scene", SCENES)
def test_scene_fills_frames_of_any_shape(scene: str, shape: tuple[int, int]) -> None:
    (frame,) = draw_frames(make_motion_plan(*shape, 1.0, scene=scene), (15,))
    assert frame.size == shape
    assert np.asarray(frame.convert("L")).std() > 4


@pytest.mark.parametrize("scene", SCENES)
def test_every_beat_is_seen_and_downbeats_more(scene: str, tmp_path: Path) -> None:
    plan = make_motion_plan(*SMALL, 8.0, scene=scene, levels=FLAT)
    light = np.array([frame.mean() for frame in read_frames(render(plan, tmp_path).path)])
    per_beat = round(BEAT_SECONDS * plan.fps)
    steps = np.diff(light, prepend=light[0])
    phases = [np.abs(steps[phase::per_beat][1:]).mean() for phase in range(per_beat)]
    assert np.argmax(phases) == 0, "the largest change is on the beat itself"
    risen = steps[::per_beat][1:]
    assert (risen > 0).all()
    downbeats = risen[3::4]
    others = np.delete(risen, np.arange(3, len(risen), 4))
    assert downbeats.mean() > 1.2 * others.mean()


@pytest.mark.parametrize("scene", SCENES)
def test_scene_moves_all_the_time(scene: str, tmp_path: Path) -> None:
    plan = make_motion_plan(*SMALL, 2.0, scene=scene, beats_seconds=(), downbeats_seconds=())
    frames = read_frames(render(plan, tmp_path).path)
    changes = [np.abs(after.astype(int) - before).mean() for before, after in pairwise(frames[::8])]
    assert min(changes) > 0.3


def test_loud_song_is_brighter_than_a_quiet_one() -> None:
    plan = make_motion_plan(*SMALL, 1.0, scene="halo", beats_seconds=(), downbeats_seconds=())
    quiet, loud = (
        np.asarray(draw_frames(replace(plan, levels=(level,) * 4, energy=level), (25,))[0]).mean()
        for level in (0.1, 0.9)
    )
    assert loud > 1.2 * quiet


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("seed", [3, 11])
def test_colours_are_those_of_the_palette(scene: str, seed: int) -> None:
    colours = palette(seed)
    (frame,) = draw_frames(make_motion_plan(*SMALL, 1.5, scene=scene, palette=colours), (40,))
    allowed = [read_oklch(colour)[2] for colour in (colours.ground, *colours.figures, colours.accent)]
    reddish = np.asarray(frame.resize((64, 48))).reshape(-1, 3)
    vivid = [pixel for pixel in reddish if int(pixel.max()) - int(pixel.min()) > 40]
    hues = [read_oklch("#" + bytes(pixel).hex())[2] for pixel in vivid]
    low, high = _find_arc(allowed)
    outside = [hue for hue in hues if not ((hue - low) % 360 <= high)]
    assert len(vivid) > 100
    assert len(outside) < 0.03 * len(hues)


def _find_arc(hues: list[float], margin: float = 24.0) -> tuple[float, float]:
    """The shortest arc that holds all hues, since mixtures of two lights lie between them: its begin and its length."""
    ordered = sorted(hues)
    gaps = [(after - before) % 360 for before, after in zip(ordered, [*ordered[1:], ordered[0]], strict=True)]
    widest = int(np.argmax(gaps))
    return ordered[(widest + 1) % len(ordered)] - margin, 360 - gaps[widest] + 2 * margin


def test_repeats_of_a_section_share_their_scene() -> None:
    for seed in range(30):
        plans = [make_motion_plan(*SMALL, 1.0, seed=seed, repeat=repeat) for repeat in range(3)]
        assert len({choose_scene(plan) for plan in plans}) == 1


def test_section_is_shown_by_what_it_is() -> None:
    def choices(**changes: Any) -> set[str]:
        plans = (
            make_motion_plan(*SMALL, 1.0, seed=seed, motif=motif, **changes) for seed in range(40) for motif in MOTIFS
        )
        return {choose_scene(plan) for plan in plans}

    assert choices(section="intro") == set(CALM)
    assert choices(section="Verse") == set(STEADY)
    assert choices(section="chorus") == set(HIGH)
    assert choices(section="finale", energy=0.9) == set(HIGH)
    assert choices(section="finale", energy=0.1) == set(CALM)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"duration_seconds": float("nan")}, "TOO_LONG"),
        ({"duration_seconds": float("inf")}, "TOO_LONG"),
        ({"duration_seconds": 36_000.0}, "TOO_LONG"),
        ({"duration_seconds": 0.0}, "TOO_LONG"),
        ({"width": 321}, "SIZE_UNFIT"),
        ({"height": 0}, "SIZE_UNFIT"),
        ({"width": 20_000}, "SIZE_UNFIT"),
        ({"fps": 0}, "FRAME_RATE_UNFIT"),
        ({"scene": "../etc"}, "SCENE_UNKNOWN"),
        ({"motif": "spiral"}, "MOTIF_UNKNOWN"),
        ({"beats_seconds": (0.0, float("nan"))}, "MARKS_UNFIT"),
        ({"levels": (0.5, float("inf"))}, "MARKS_UNFIT"),
        ({"levels": (1.5,)}, "MARKS_UNFIT"),
        ({"energy": float("nan")}, "MARKS_UNFIT"),
        ({"downbeats_seconds": (0.0,) * 30_000}, "MARKS_UNFIT"),
        ({"section": "x" * 1000}, "TEXT_TOO_LONG"),
        ({"palette": palette(7, dark=False)}, "PALETTE_UNFIT"),
    ],
)
def test_plan_that_cannot_be_drawn_is_refused(changes: dict[str, Any], code: str, tmp_path: Path) -> None:
    plan = replace(make_motion_plan(*SMALL, 1.0), **changes)
    with pytest.raises(EngineRefused) as refused:
        render(plan, tmp_path)
    assert refused.value.code == code
    assert list(tmp_path.iterdir()) == []


def test_progress_goes_up_and_names_the_scene(tmp_path: Path) -> None:
    told: list[tuple[float, str]] = []
    make_clip(make_motion_plan(*SMALL, 1.0, scene="silk"), tmp_path, lambda *given: told.append(given))
    assert told
    assert [fraction for fraction, _ in told] == sorted(fraction for fraction, _ in told)
    assert {stage for _, stage in told} == {"drawing silk"}


def test_song_without_beats_or_levels_is_shown_too(tmp_path: Path) -> None:
    made = render(make_motion_plan(*SMALL, 1.0, levels=(), beats_seconds=(), downbeats_seconds=()), tmp_path)
    assert made.frame_count == 30


def test_clip_is_whole_when_its_processes_end_while_progress_is_told(tmp_path: Path) -> None:
    def wait_for_processes(_fraction: float, _stage: str) -> None:
        for process in multiprocessing.active_children():
            process.join()

    made = make_clip(make_motion_plan(*SMALL, 0.3), tmp_path, wait_for_processes)
    assert len(read_frames(made.path)) == made.frame_count
