"""The bars: how many beats they have, and which beats begin them.

The weights were fitted by `python -m tests.bench.fitting`, on songs whose bars are known.
"""

from dataclasses import dataclass

import numpy as np

from jobs.engines.analyses.beats import change_at, lengths_of, mean_tones, widen
from jobs.engines.analyses.spectra import Curve, Rises, Tones, smooth

METRES = (3, 4)
_FEWEST_BEATS = 16

# chord changes of one beat and of two, kick, body, snare, hiss, repetition of strokes and of chords, common metre
WEIGHTS = np.array([1.06, 1.07, 0.05, 0.05, -0.29, -0.35, 0.07, -0.33, 0.84])


@dataclass(frozen=True)
class Metre:
    """Beats to a bar, the first beat that begins one, and how sure both are (0 to 1)."""

    beats: int
    first: int
    confidence: float


def list_metres() -> list[tuple[int, int]]:
    """Every metre with every place that its bars may begin at."""
    return [(beats, first) for beats in METRES for first in range(beats)]


def find_metre(rises: Rises, tones: Tones, beats: Curve) -> Metre:
    """How the beats group; common time from the first beat, without confidence, when there are too few."""
    if len(beats) < _FEWEST_BEATS:
        return Metre(4, 0, 0.0)
    scores = weigh_metres(rises, tones, beats) @ WEIGHTS
    shares = np.exp(scores - scores.max())
    count, first = list_metres()[int(scores.argmax())]
    return Metre(count, first, float(shares.max() / shares.sum()))


def weigh_metres(rises: Rises, tones: Tones, beats: Curve) -> Curve:
    """What speaks for each metre and place, in the order of the weights."""
    at = np.clip(np.rint(beats).astype(int), 0, len(rises.low) - 1)
    registers = [widen(smooth(curve, 1)) for curve in (rises.kick, rises.body, rises.snare, rises.hiss)]
    strokes = np.stack([curve[at] / (curve.mean() + 1e-9) for curve in registers], axis=1)
    chords = mean_tones(tones, beats, beats + lengths_of(beats))
    chords = chords / (np.linalg.norm(chords, axis=1, keepdims=True) + 1e-9)
    change = np.append(0.0, 1 - (chords[1:] * chords[:-1]).sum(axis=1))
    wide_change = change_at(tones, beats, 2)
    pattern = (strokes - strokes.mean(axis=0)) / (strokes.std(axis=0) + 1e-9)
    rows = []
    for count, first in list_metres():
        is_first = np.arange(len(beats)) % count == first
        other = 7 - count  # of the two metres
        signs = [10 * change, 10 * wide_change, *strokes.T]
        rows.append(
            [
                *(curve[is_first].mean() - curve[~is_first].mean() for curve in signs),
                sum(_likeness(pattern, times * count) - _likeness(pattern, times * other) for times in (1, 2)),
                10 * (_likeness(chords, count) - _likeness(chords, other)),
                float(count == 4),
            ]
        )
    return np.array(rows)


def _likeness(rows: Curve, apart: int) -> float:
    return float((rows[apart:] * rows[:-apart]).sum(axis=1).mean())
