"""Lyric videos: a plan becomes frames, drawn where they change, encoded side by side and joined with the song."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from PIL import Image

from jobs.engines.films.coders import CODERS, Coding, Content
from jobs.engines.films.plan import SIZES, FilmPlan
from jobs.engines.films.planes import Picture
from jobs.engines.films.scene import Scene, Screen, build_scene
from jobs.engines.films.segments import PROCESSES, Reel, render_segments
from jobs.engines.films.themes import THEMES
from jobs.engines.run import Report

__all__ = ["CODERS", "SIZES", "THEMES", "Coding", "Content", "FilmPlan", "MadeFilm", "draw_frame", "make_film"]


@dataclass(frozen=True)
class MadeFilm:
    """The film, and what of its plan could not be shown."""

    path: Path
    frame_count: int
    duration_seconds: float
    unwritten_lines: tuple[int, ...]  # their script is in none of our fonts
    is_title_written: bool


def make_film(plan: FilmPlan, folder: Path, report: Report, processes: int = PROCESSES) -> MadeFilm:
    """Render the plan as an MP4 in this folder; what else lies there, and how it goes on, `segments` says."""
    report(0, "setting the words")
    scene = build_scene(plan)
    coding = replace(plan.coding, content=Content.DRAWN)
    reel = Reel(partial(_draw, scene), plan.frame_count, plan.fps, plan.audio, scene.poster_frame, coding, plan.digest)
    path = render_segments(reel, folder, report, processes)
    return MadeFilm(path, plan.frame_count, plan.frame_count / plan.fps, scene.unwritten_lines, scene.is_title_written)


def draw_frame(plan: FilmPlan, frame: int) -> Image.Image:
    """One frame as a picture."""
    screen = Screen(build_scene(plan))
    screen.show(frame)
    return Image.fromarray(screen.picture.to_rgb())


def _draw(scene: Scene, frames: range) -> Iterator[Picture]:
    """The frames as one picture that changes."""
    screen = Screen(scene)
    for frame in frames:
        screen.show(frame)
        yield screen.picture
