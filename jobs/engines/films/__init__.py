"""Lyric videos: a plan becomes frames, drawn where they change, encoded side by side and joined with the song."""

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkContext, ForkProcess
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

from PIL import Image

from jobs.engines.films.encoding import encode_pictures, join_film
from jobs.engines.films.plan import SIZES, FilmPlan
from jobs.engines.films.planes import Picture
from jobs.engines.films.scene import Scene, Screen, build_scene
from jobs.engines.films.themes import THEMES
from jobs.engines.run import Report

__all__ = ["SIZES", "THEMES", "FilmPlan", "MadeFilm", "draw_frame", "make_film"]

SEGMENT_SECONDS = 5  # from key frame to key frame, and fixed: how many processes there are must not show in the bytes
PROCESSES = 2
REPORT_SECONDS = 1.0
POLL_SECONDS = 0.1
JOINING = 0.98  # how far the work is when all frames are encoded


@dataclass(frozen=True)
class MadeFilm:
    """The film, and what of its plan could not be shown."""

    path: Path
    frame_count: int
    duration_seconds: float
    unwritten_lines: tuple[int, ...]  # their script is in none of our fonts
    is_title_written: bool


def make_film(plan: FilmPlan, folder: Path, report: Report, processes: int = PROCESSES) -> MadeFilm:
    """Render the plan as an MP4 in this folder."""
    report(0, "setting the words")
    scene = build_scene(plan)
    segments = _list_segments(plan, folder)
    _encode(plan, scene, segments, report, processes)
    report(JOINING, "joining")
    made = MadeFilm(
        folder / "film.mp4",
        plan.frame_count,
        plan.frame_count / plan.fps,
        scene.unwritten_lines,
        scene.is_title_written,
    )
    parts = [(path, frames.start) for path, frames in segments]
    join_film(made.path, parts, plan.audio, plan.fps, plan.frame_count)
    for path, _ in segments:
        path.unlink()
    return made


def draw_frame(plan: FilmPlan, frame: int) -> Image.Image:
    """One frame as a picture, such as a poster."""
    screen = Screen(build_scene(plan))
    screen.show(frame)
    return Image.fromarray(screen.picture.to_rgb())


def _list_segments(plan: FilmPlan, folder: Path) -> list[tuple[Path, range]]:
    step = SEGMENT_SECONDS * plan.fps
    starts = range(0, plan.frame_count, step)
    return [
        (folder / f"segment-{number:04}.mp4", range(start, min(start + step, plan.frame_count)))
        for number, start in enumerate(starts)
    ]


def _encode(plan: FilmPlan, scene: Scene, segments: list[tuple[Path, range]], report: Report, processes: int) -> None:
    """Let some processes take one segment after the other."""
    context = multiprocessing.get_context("fork")
    taken, drawn = context.Value("i", 0), context.Value("i", 0)
    given = plan, scene, segments, taken, drawn
    with _running(context, min(processes, len(segments)), given) as workers:
        pace = _Pace(plan.frame_count, report)
        while any(worker.exitcode is None for worker in workers):
            failed = [worker.exitcode for worker in workers if worker.exitcode]
            if failed:
                raise RuntimeError(f"frames could not be encoded: exit code {failed[0]}")
            pace.tell(drawn.get_obj().value)  # without its lock, which a worker may have died with
            next(worker for worker in workers if worker.exitcode is None).join(POLL_SECONDS)
        if any(worker.exitcode for worker in workers):
            raise RuntimeError("frames could not be encoded")


_Given = tuple[FilmPlan, Scene, list[tuple[Path, range]], "Synchronized[int]", "Synchronized[int]"]


@contextmanager
def _running(context: ForkContext, count: int, given: _Given) -> Iterator[list[ForkProcess]]:
    workers = [context.Process(target=_take_segments, args=given, daemon=True) for _ in range(count)]
    try:
        for worker in workers:
            worker.start()
        yield workers
    finally:
        for worker in workers:
            if worker.pid is not None:
                worker.kill()
                worker.join()


def _take_segments(
    plan: FilmPlan,
    scene: Scene,
    segments: list[tuple[Path, range]],
    taken: "Synchronized[int]",
    drawn: "Synchronized[int]",
) -> None:
    while True:
        with taken.get_lock():
            number = taken.value
            taken.value += 1
        if number >= len(segments):
            return
        path, frames = segments[number]
        encode_pictures(path, _draw(scene, frames, drawn), plan.fps)


def _draw(scene: Scene, frames: range, drawn: "Synchronized[int]") -> Iterator[Picture]:
    """The frames as one picture that changes; each is counted."""
    screen = Screen(scene)
    for frame in frames:
        screen.show(frame)
        yield screen.picture
        with drawn.get_lock():
            drawn.value += 1


class _Pace:
    """Tells how many frames are done, how fast, and how long the rest takes."""

    def __init__(self, frame_count: int, report: Report) -> None:
        self._frame_count, self._report = frame_count, report
        self._began = time.monotonic()
        self._told_at = float("-inf")

    def tell(self, done: int) -> None:
        """Report, about once a second."""
        now = time.monotonic()
        if now - self._told_at < REPORT_SECONDS:
            return
        self._told_at = now
        fraction = JOINING * done / self._frame_count
        if not done:
            self._report(fraction, "drawing")
            return
        per_second = done / max(1e-3, now - self._began)
        left_seconds = (self._frame_count - done) / per_second
        self._report(
            fraction, f"frame {done} of {self._frame_count}, {per_second:.0f} a second, {left_seconds:.0f} s left"
        )
