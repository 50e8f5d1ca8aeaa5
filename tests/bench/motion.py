"""Clips of our own making at 1080p30, scene by scene, and a film that is composed of them."""

import asyncio
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from jobs.engines.children import ONE_THREAD
from jobs.engines.covers import palette
from jobs.engines.cuts import Clip, Screen, make_cut_film, plan_sections
from jobs.engines.films.segments import PROCESSES
from jobs.engines.motion import SCENES, MotionPlan, Take, make_clip
from tests.bench.report import Figure, Table, at_least
from tests.films.clips import make_cues
from tests.films.motion_songs import make_motion_plan
from tests.films.songs import write_song

SECONDS, QUICK_SECONDS = 20.0, 10.0
DRAWN_FRAMES = 60
STYLE, ENERGY = 7, 0.7
COMPOSED = ("silk", "ridges", "cubes")  # a shot of each
BAR_SECONDS = 2.0

Spent = tuple[float, float]  # seconds of wall and of CPU


async def measure(quick: bool) -> list[Table]:  # noqa: FBT001 - every benchmark is called so
    """Each once: the scenes are each other's measure."""
    seconds = QUICK_SECONDS if quick else SECONDS
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))  # as where engines run
    with tempfile.TemporaryDirectory(prefix="libretto-bench-") as name:
        figures = []
        for number, scene in enumerate(SCENES):
            plan = _plan(scene, number, seconds)
            figures += await asyncio.to_thread(_measure_scene, plan, Path(name))
        composed = await asyncio.to_thread(_measure_film, seconds, Path(name))
    title = f"{seconds:g} s at 1920x1080, 30 frames a second"
    return [
        Table(f"Motion: clips of {title}", figures, f"One run each, {PROCESSES} processes"),
        Table(f"Motion: a film of {len(COMPOSED)} clips, {_last(seconds):g} s", composed),
    ]


def _plan(scene: str, number: int, seconds: float) -> MotionPlan:
    colours = palette(STYLE + number)
    return make_motion_plan(1920, 1080, seconds, scene=scene, seed=STYLE, palette=colours, energy=ENERGY)


def _measure_scene(plan: MotionPlan, folder: Path) -> list[Figure]:
    (made := folder / plan.scene).mkdir()
    _, drawn = _in_child(_draw, plan, made)
    wall, cpu = _in_child(_make, plan, made)
    return [
        at_least(f"{plan.scene}: speed", plan.duration_seconds / wall, "x real time", 1),
        Figure(f"{plan.scene}: CPU", 1000 * cpu / plan.frame_count, "ms a frame"),
        Figure(f"{plan.scene}: CPU of drawing alone", 1000 * drawn / DRAWN_FRAMES, "ms a frame"),
    ]


def _measure_film(seconds: float, folder: Path) -> list[Figure]:
    """One shot for each section, as a generated film is composed, of clips that lie there already."""
    wall, cpu = _in_child(_compose, seconds, folder)
    return [
        Figure("speed", _last(seconds) / wall, "x real time"),
        Figure("CPU", 1000 * cpu / (_last(seconds) * 30), "ms a frame"),
    ]


def _last(clip_seconds: float) -> float:
    """How long a film is; a clip goes on a little behind its section."""
    return len(COMPOSED) * (clip_seconds - BAR_SECONDS)


def _in_child(work: Callable[..., None], *given: object) -> Spent:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_meter, work, *given).result(900)


def _meter(work: Callable[..., None], *given: object) -> Spent:
    began, spent = time.perf_counter(), _count_cpu()
    work(*given)
    return time.perf_counter() - began, _count_cpu() - spent


def _count_cpu() -> float:
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses)


def _draw(plan: MotionPlan, _folder: Path) -> None:
    for _picture in Take(plan).draw(range(DRAWN_FRAMES)):
        pass


def _make(plan: MotionPlan, folder: Path) -> None:
    made = make_clip(plan, folder, _be_quiet)
    made.path.rename(folder / "clip.mp4")


def _compose(seconds: float, folder: Path) -> None:
    (composed := folder / "composed").mkdir()
    cues = make_cues(bars=round(_last(seconds) / BAR_SECONDS), bpm=240 / BAR_SECONDS, energies=(0.3, 0.56, 0.9))
    song = write_song(composed / "song.m4a", cues.duration_seconds)
    clips = [Clip(folder / name / "clip.mp4", seconds) for name in COMPOSED]
    make_cut_film(plan_sections(cues, clips, Screen(1920, 1080, song)), composed, _be_quiet)


def _be_quiet(_fraction: float, _stage: str) -> None:
    """Nobody waits for it."""
