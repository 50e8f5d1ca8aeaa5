"""What the song does at each frame: pulses that fade, loudness, and a clock that the music drives."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jobs.engines.motion.plan import MotionPlan

BEAT_FADE_SECONDS, BAR_FADE_SECONDS = 0.16, 0.40
SMOOTH_SECONDS = 0.25
IDLE_PACE, LOUD_PACE, BEAT_PACE = 0.30, 0.55, 0.90  # how fast the clock runs in silence, by loudness, and on a beat

Curve = NDArray[np.float64]


@dataclass(frozen=True)
class Moment:
    """One frame of the song."""

    frame: int
    seconds: float
    travel: float  # seconds of a clock that runs with the music
    beat: float  # 1 on a beat, fading
    bar: float  # 1 on a downbeat, fading slower
    level: float  # how loud, 0 to 1
    beats: int  # how many have been heard
    bars: int
    beat_age_seconds: float

    @property
    def pulse(self) -> float:
        """Both pulses in one: a downbeat is larger than a beat."""
        return 0.6 * self.beat + 0.4 * self.bar


class Pulse:
    """The moments of a clip."""

    def __init__(self, plan: MotionPlan) -> None:
        self._seconds = np.arange(plan.frame_count) / plan.fps
        half = 0.5 / plan.fps  # a beat is shown by the frame that is nearest to it
        beats, bars = (np.sort(np.array(marks, float)) - half for marks in (plan.beats_seconds, plan.downbeats_seconds))
        self._beats, self._beat_ages = _age(self._seconds, beats)
        self._bars, bar_ages = _age(self._seconds, bars)
        self._beat, self._bar = np.exp(-self._beat_ages / BEAT_FADE_SECONDS), np.exp(-bar_ages / BAR_FADE_SECONDS)
        self._level = _read_levels(plan, self._seconds)
        pace = IDLE_PACE + LOUD_PACE * self._level + BEAT_PACE * self._beat * (0.4 + 0.6 * self._level)
        self._travel = np.cumsum(pace) / plan.fps

    def __getitem__(self, frame: int) -> Moment:
        return Moment(
            frame,
            float(self._seconds[frame]),
            float(self._travel[frame]),
            float(self._beat[frame]),
            float(self._bar[frame]),
            float(self._level[frame]),
            int(self._beats[frame]),
            int(self._bars[frame]),
            float(self._beat_ages[frame]),
        )

    def level_before(self, frame: int, seconds: float) -> float:
        """How loud it was this long before."""
        step = self._seconds[1] if len(self._seconds) > 1 else 1.0
        return float(self._level[max(0, frame - round(seconds / step))])


def _age(seconds: Curve, marks: Curve) -> tuple[NDArray[np.intp], Curve]:
    """How many marks were before each time, and how long ago the last was."""
    count = np.searchsorted(marks, seconds, side="right")
    if not len(marks):
        return count, np.full(len(seconds), 60.0)
    return count, np.where(count > 0, seconds - marks[np.maximum(count - 1, 0)], 60.0)


def _read_levels(plan: MotionPlan, seconds: Curve) -> Curve:
    if not plan.levels:
        return np.full(len(seconds), plan.energy)
    places = (np.arange(len(plan.levels)) + 0.5) * plan.duration_seconds / len(plan.levels)
    read = np.interp(seconds, places, np.array(plan.levels))
    width = max(1, round(SMOOTH_SECONDS * plan.fps))
    padded = np.pad(read, (width // 2, width - 1 - width // 2), mode="edge")
    smooth = np.convolve(padded, np.full(width, 1 / width), mode="valid")
    return np.asarray(0.75 * smooth + 0.25 * plan.energy)
