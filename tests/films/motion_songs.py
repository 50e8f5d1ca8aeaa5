"""Plans of clips for a song of 120 beats a minute whose loudness goes up and down."""

from typing import Any

import numpy as np

from jobs.engines.covers import palette
from jobs.engines.motion import MotionPlan

BEAT_SECONDS, BEATS_PER_BAR = 0.5, 4


def make_motion_plan(width: int, height: int, seconds: float, **changes: Any) -> MotionPlan:
    """A clip of the chorus, unless said otherwise."""
    beats = tuple(float(at) for at in np.arange(0, seconds, BEAT_SECONDS))
    levels = tuple(float(level) for level in 0.55 + 0.35 * np.sin(np.arange(round(seconds * 10)) * 0.21))
    given: dict[str, Any] = {
        "palette": palette(7),
        "motif": "ring",
        "section": "chorus",
        "seed": 7,
        "levels": levels,
        "beats_seconds": beats,
        "downbeats_seconds": beats[::BEATS_PER_BAR],
    }
    return MotionPlan(width, height, seconds, **(given | changes))
