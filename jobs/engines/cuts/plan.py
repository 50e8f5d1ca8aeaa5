"""What a film of clips is made from: which part of which clip is shown from which frame to which, and how they meet."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal, get_args

from jobs.engines.films.plan import FRAME_RATES, LARGEST_SIDE, LONGEST_SECONDS, SMALLEST_SIDE
from jobs.engines.run import EngineRefused

Fit = Literal["COVER", "CONTAIN"]  # fill the frame and cut off what is beyond it, or show all between bars
Fill = Literal[
    "LOOP", "SLOW", "HOLD"
]  # for a shot longer than its clip: again, at half speed if need be, or stand still
Transition = Literal["CUT", "CROSSFADE", "DIP", "PUSH"]

MOST_CLIPS = 500
MOST_SHOTS = 20_000
SHORTEST_SHOT_SECONDS = 0.4
SLOWEST_PERCENT = 50
LONGEST_CLIP_SECONDS = 36_000.0
ROUNDING = 0.1  # of a frame, by which a file's times may be off: some are kept in thousandths of a second


@dataclass(frozen=True)
class Clip:
    """A film of the user's, the part of it that may be shown, and what must stay in sight when it is cropped."""

    path: Path
    duration_seconds: float
    start_seconds: float = 0.0
    end_seconds: float | None = None  # None: to its end
    focus_x: float = 0.5  # 0 is left, 1 is right, of the picture as it is shown
    focus_y: float = 0.5
    fit: Fit = "COVER"

    def frames(self, fps: int) -> range:
        """The frames that it can fill in a film of this rate, counted from its own beginning."""
        end = min(self.duration_seconds, self.duration_seconds if self.end_seconds is None else self.end_seconds)
        return range(math.ceil(self.start_seconds * fps - ROUNDING), math.floor(end * fps + ROUNDING))


@dataclass(frozen=True)
class Shot:
    """From its first frame to before its end, a clip from one of its frames on, at the film's rate.

    A transition takes place at its beginning: a crossfade and a push in its first frames, while the shot before goes
    on; a dip half before and half after it.
    """

    start: int
    end: int
    clip: int
    source: int
    speed_percent: int = 100
    transition: Transition = "CUT"
    transition_frames: int = 0

    @property
    def frame_count(self) -> int:
        """How long it is."""
        return self.end - self.start

    @property
    def overlap(self) -> int:
        """For how many frames the shot before goes on."""
        return self.transition_frames if self.transition in ("CROSSFADE", "PUSH") else 0


@dataclass(frozen=True)
class Skipped:
    """A clip that is not in the film, and why."""

    clip: int
    reason: Literal["TOO_SHORT", "UNREADABLE", "NOT_NEEDED"]
    message: str


@dataclass(frozen=True)
class CutReport:
    """What became of the wish, without praise: where the cuts fell, what was moved, and what was left out."""

    shots: int = 0
    on_downbeats: int = 0
    on_beats: int = 0  # but not on downbeats
    evenly: int = 0  # not on any beat: a cut for its own sake
    moved: int = 0  # beginnings of sections that went to the next bar
    farthest_seconds: float = 0.0  # of those
    repeated: int = 0  # shots whose part of the clip was, or may have been, seen before
    stretched: int = 0  # shots longer than their clip
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class CutPlan:
    """All of a film; equal plans over equal files give equal bytes."""

    width: int
    height: int
    frame_count: int
    audio: Path
    clips: tuple[Clip, ...]
    shots: tuple[Shot, ...]
    fps: int = 30
    fill: Fill = "SLOW"
    seed: int = 0
    may_swap: bool = True  # whether another clip may stand for one that cannot be read
    report: CutReport = field(default_factory=CutReport)


def count_frames(duration_seconds: float, fps: int) -> int:
    """As many as a film of this length has."""
    return max(1, round(duration_seconds * fps))


def digest_plan(plan: CutPlan) -> str:
    """Names the pictures of a plan, wherever its files lie."""
    clips = [(replace(clip, path=Path()), clip.path.stat().st_size if clip.path.exists() else 0) for clip in plan.clips]
    seen = plan.width, plan.height, plan.fps, plan.fill, clips, plan.shots
    return hashlib.sha256(repr(seen).encode()).hexdigest()


def check_shape(width: int, height: int, fps: int) -> None:
    """Refuse sizes and rates that no film has."""
    is_fit = all(SMALLEST_SIDE <= side <= LARGEST_SIDE and side % 2 == 0 for side in (width, height))
    expect(is_fit, "SIZE_UNFIT", f"both sides are even, {SMALLEST_SIDE} to {LARGEST_SIDE} pixels")
    expect(fps in FRAME_RATES, "FRAME_RATE_UNFIT", f"the frame rate is one of {', '.join(map(str, FRAME_RATES))}")


def check_clips(clips: Sequence[Clip]) -> None:
    """Refuse what is no clip; one that is only too short is no error."""
    expect(bool(clips), "CLIPS_UNFIT", "a film is cut from at least one clip")
    expect(len(clips) <= MOST_CLIPS, "CLIPS_UNFIT", f"a film is cut from at most {MOST_CLIPS} clips, not {len(clips)}")
    for number, clip in enumerate(clips):
        _check_clip(number, clip)


def _check_clip(number: int, clip: Clip) -> None:
    end = clip.duration_seconds if clip.end_seconds is None else clip.end_seconds
    times = clip.duration_seconds, clip.start_seconds, end
    name = f"clip {number + 1}"
    expect(
        all(math.isfinite(time) and 0 <= time <= LONGEST_CLIP_SECONDS for time in times),
        "CLIP_UNFIT",
        f"{name}: its times are seconds from 0 to {LONGEST_CLIP_SECONDS:g}",
    )
    expect(
        clip.end_seconds is None or clip.start_seconds < clip.end_seconds,
        "CLIP_UNFIT",
        f"{name}: the part of it that may be shown ends before it begins",
    )
    is_inside = all(math.isfinite(place) and 0 <= place <= 1 for place in (clip.focus_x, clip.focus_y))
    expect(is_inside, "CLIP_UNFIT", f"{name}: its focus lies between 0 and 1")
    expect(clip.fit in get_args(Fit), "CLIP_UNFIT", f"{name}: it fits by one of {', '.join(get_args(Fit))}")


def check_plan(plan: CutPlan) -> None:
    """EngineRefused unless a film can be made of the plan; the message says what is wrong."""
    check_shape(plan.width, plan.height, plan.fps)
    check_clips(plan.clips)
    expect(plan.fill in get_args(Fill), "PLAN_UNFIT", f"short clips are filled by one of {', '.join(get_args(Fill))}")
    is_short = 0 < plan.frame_count <= LONGEST_SECONDS * plan.fps
    expect(is_short, "TOO_LONG", f"a film takes more than 0 and at most {LONGEST_SECONDS:g} seconds")
    expect(0 < len(plan.shots) <= MOST_SHOTS, "PLAN_UNFIT", f"a film has 1 to {MOST_SHOTS} shots")
    bounds = [0, *(shot.end for shot in plan.shots)]
    is_whole = [shot.start for shot in plan.shots] == bounds[:-1] and bounds[-1] == plan.frame_count
    expect(is_whole, "PLAN_UNFIT", "the shots follow each other from the first frame to the last")
    for shot in plan.shots:
        _check_shot(plan, shot)
    expect(plan.shots[0].transition_frames == 0, "PLAN_UNFIT", "the first shot has no transition")
    for before, shot in pairwise(plan.shots):
        longest = min(before.frame_count, shot.frame_count) // 2
        is_fit = 0 <= shot.transition_frames <= longest and shot.transition_frames % 2 == 0
        expect(is_fit, "PLAN_UNFIT", "a transition takes an even number of frames, at most half of either shot")


def _check_shot(plan: CutPlan, shot: Shot) -> None:
    expect(shot.start < shot.end, "PLAN_UNFIT", "a shot has at least one frame")
    expect(0 <= shot.clip < len(plan.clips), "PLAN_UNFIT", "a shot shows a clip of the plan")
    expect(shot.transition in get_args(Transition), "PLAN_UNFIT", "a transition is one of those that we know")
    expect(SLOWEST_PERCENT <= shot.speed_percent <= 100, "PLAN_UNFIT", "a clip runs at half to full speed")
    expect(shot.source in plan.clips[shot.clip].frames(plan.fps), "PLAN_UNFIT", "a shot begins within its clip's part")


def expect(is_so: bool, code: str, message: str) -> None:  # noqa: FBT001 - it reads as a sentence
    """Refuse unless it is so."""
    if not is_so:
        raise EngineRefused(code, message)
