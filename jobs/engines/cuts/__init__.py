"""Films of clips: cut with the beat of a song from what its owner filmed, or from one clip for each section."""

from dataclasses import dataclass
from pathlib import Path

from jobs.engines.cuts.cues import Cues, Part, read_cues
from jobs.engines.cuts.plan import Clip, CutPlan, CutReport, Fill, Fit, Shot, Skipped, check_plan, digest_plan
from jobs.engines.cuts.planner import Screen, plan_cuts, plan_sections
from jobs.engines.cuts.stage import Stage
from jobs.engines.cuts.survey import survey_clips
from jobs.engines.films.coders import Coding
from jobs.engines.films.segments import PROCESSES, Reel, render_segments
from jobs.engines.run import Report

__all__ = [
    "Clip",
    "Cues",
    "CutPlan",
    "CutReport",
    "Fill",
    "Fit",
    "MadeCutFilm",
    "Part",
    "Screen",
    "Shot",
    "Skipped",
    "make_cut_film",
    "plan_cuts",
    "plan_sections",
    "read_cues",
]

CODING = Coding(threads=2)  # nearly all of the time goes there: the last segments of a film are not waited for


@dataclass(frozen=True)
class MadeCutFilm:
    """The film, the shots that it has in the end, and what became of the wish."""

    path: Path
    frame_count: int
    duration_seconds: float
    shots: tuple[Shot, ...]
    report: CutReport


def make_cut_film(plan: CutPlan, folder: Path, report: Report, processes: int = PROCESSES) -> MadeCutFilm:
    """Render the plan as an MP4 in this folder; what else lies there, and how it goes on, `films.segments` says.

    A clip that cannot be read, or is shorter than was told, is replaced by the others where the plan lets it.
    """
    check_plan(plan)
    surveyed = survey_clips(plan, report)
    fitted = surveyed.plan
    stage = Stage(fitted, surveyed.firsts)
    poster_frame = fitted.shots[0].frame_count // 2
    film = digest_plan(fitted)
    reel = Reel(stage.draw, fitted.frame_count, fitted.fps, fitted.audio, poster_frame, CODING, film)
    path = render_segments(reel, folder, report, processes)
    return MadeCutFilm(path, fitted.frame_count, fitted.frame_count / fitted.fps, fitted.shots, fitted.report)
