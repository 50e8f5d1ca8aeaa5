"""The melody of a line: the cheapest way through the scale, with chord tones where it counts and few leaps."""

from dataclasses import dataclass

import numpy as np

SPAN = 14  # semitones: within a tenth
_LEAPS = (0.45, 0.0, 0.0, 0.5, 0.7, 1.1, 2.5, 1.6, 6.0, 6.0, 6.0, 6.0, 3.5)  # cost of moving by so many semitones
_FAR = 9.0
_PULL = 0.16  # of the contour, for each semitone
_FOREIGN, _NOT_OF_CHORD = 7.0, 4.0
SHAPES = {  # of the lines of a phrase: where they lie in semitones at their beginning, middle and end
    "verse": ((0, 2, 0), (0, 3, 1), (2, 4, 1), (1, 0, -2)),
    "chorus": ((2, 5, 2), (3, 6, 3), (4, 7, 3), (2, 3, -1)),
    "bridge": ((3, 1, 3), (4, 2, 4), (5, 6, 4), (4, 3, 1)),
}


@dataclass(frozen=True)
class Step:
    """A note to be: what sounds below it, and whether it must agree."""

    tones: tuple[int, ...]
    is_strong: bool
    wanted: float


def find_tune(steps: list[Step], scale: tuple[int, ...], lowest: int, before: int | None) -> list[int]:
    """A pitch for each step, all within the span above the lowest."""
    pitches = range(lowest, lowest + SPAN + 1)
    costs = [_move(before, pitch) * 0.5 + _cost(steps[0], pitch, scale) for pitch in pitches]
    came: list[list[int]] = []
    for step in steps[1:]:
        ways = [min((costs[old] + _move(lowest + old, pitch), old) for old in range(len(pitches))) for pitch in pitches]
        came.append([old for _, old in ways])
        costs = [cost + _cost(step, pitch, scale) for (cost, _), pitch in zip(ways, pitches, strict=True)]
    at = int(np.argmin(costs))
    tune = [at]
    for back in reversed(came):
        at = back[at]
        tune.append(at)
    return [lowest + each for each in reversed(tune)]


def contour(shape: tuple[float, float, float], place: float) -> float:
    """The height of a shape, from its beginning at 0 to its end at 1."""
    return float(np.interp(place, (0.0, 0.45, 1.0), shape))


def _cost(step: Step, pitch: int, scale: tuple[int, ...]) -> float:
    far = _PULL * abs(pitch - step.wanted)
    if pitch % 12 in step.tones:
        return far
    clashes = any((pitch - tone) % 12 in (1, 11) for tone in step.tones)
    foreign = _FOREIGN if pitch % 12 not in scale else 0.0
    return far + foreign + (_NOT_OF_CHORD if step.is_strong else 0.3 + 0.5 * clashes)


def _move(before: int | None, pitch: int) -> float:
    if before is None:
        return 0.0
    leap = abs(pitch - before)
    return _LEAPS[leap] if leap < len(_LEAPS) else _FAR
