"""What a clip is made from: its shape, its colours, the stretch of the song that it shows, and its seeds."""

import hashlib
import math
from dataclasses import dataclass

from jobs.engines.covers.palette import Palette, contrast
from jobs.engines.run import EngineRefused

FRAME_RATES = (24, 25, 30, 60)
SMALLEST_SIDE, LARGEST_SIDE = 240, 3840
LONGEST_SECONDS = 600.0
MOST_MARKS = 20_000
MOST_NAME_CHARACTERS = 80
LEAST_GROUND_CONTRAST = 10.0  # with white: lights can only be added to a dark ground


@dataclass(frozen=True)
class MotionPlan:
    """All of a clip; equal plans give equal bytes. Times begin with the clip, not with the song."""

    width: int
    height: int
    duration_seconds: float
    palette: Palette
    motif: str
    section: str
    seed: int
    repeat: int = 0  # how often the section was heard before: the same scene, arranged anew
    fps: int = 30
    energy: float = 0.5  # of the section, 0 to 1
    levels: tuple[float, ...] = ()  # how loud the stretch is, 0 to 1, evenly over its duration
    beats_seconds: tuple[float, ...] = ()
    downbeats_seconds: tuple[float, ...] = ()
    scene: str = ""  # none: chosen by motif, section and seed

    @property
    def frame_count(self) -> int:
        """How many frames the clip has."""
        return max(1, round(self.duration_seconds * self.fps))

    @property
    def digest(self) -> str:
        """Names its pictures."""
        return hashlib.sha256(repr(self).encode()).hexdigest()


def check_plan(plan: MotionPlan, scenes: tuple[str, ...], motifs: tuple[str, ...]) -> None:
    """EngineRefused unless a clip can be made of the plan; the message says what to change."""
    is_fit = all(SMALLEST_SIDE <= side <= LARGEST_SIDE and side % 2 == 0 for side in (plan.width, plan.height))
    _expect(is_fit, "SIZE_UNFIT", f"both sides are even, {SMALLEST_SIDE} to {LARGEST_SIDE} pixels")
    _expect(plan.fps in FRAME_RATES, "FRAME_RATE_UNFIT", f"the frame rate is one of {', '.join(map(str, FRAME_RATES))}")
    is_short = math.isfinite(plan.duration_seconds) and 0 < plan.duration_seconds <= LONGEST_SECONDS
    _expect(is_short, "TOO_LONG", f"a clip takes more than 0 and at most {LONGEST_SECONDS:g} seconds")
    _expect(plan.scene in ("", *scenes), "SCENE_UNKNOWN", f"the scene is one of {', '.join(scenes)}")
    _expect(plan.motif in motifs, "MOTIF_UNKNOWN", f"the motif is one of {', '.join(motifs)}")
    _expect(
        len(plan.section) <= MOST_NAME_CHARACTERS,
        "TEXT_TOO_LONG",
        f"a section's name has at most {MOST_NAME_CHARACTERS} characters",
    )
    _expect(
        contrast(plan.palette.ground, "#ffffff") >= LEAST_GROUND_CONTRAST,
        "PALETTE_UNFIT",
        "the palette is one for dark surroundings",
    )
    _check_marks(plan)


def _check_marks(plan: MotionPlan) -> None:
    for marks in (plan.levels, plan.beats_seconds, plan.downbeats_seconds):
        _expect(len(marks) <= MOST_MARKS, "MARKS_UNFIT", f"at most {MOST_MARKS} beats or levels")
        _expect(all(map(math.isfinite, marks)), "MARKS_UNFIT", "beats and levels are finite numbers")
    shares = (plan.energy, *plan.levels)
    _expect(all(0 <= share <= 1 for share in shares), "MARKS_UNFIT", "energy and levels are from 0 to 1")


def _expect(is_so: bool, code: str, message: str) -> None:  # noqa: FBT001 - it reads as a sentence
    if not is_so:
        raise EngineRefused(code, message)
