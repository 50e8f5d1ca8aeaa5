"""The beats: the path through the song that keeps to the period and falls on what sounds, on the beat and not between.

The weights of the phase were fitted by `python -m tests.bench.fitting`, on songs whose beats are known.
"""

import numpy as np
from numpy.typing import NDArray

from jobs.engines.analyses.spectra import FRAMES_PER_SECOND, TONES_PER_SECOND, Curve, Rises, Tones, smooth
from jobs.engines.analyses.tempo import differ

_TIGHTNESS = 600.0
_LATENESS_FRAMES = 0.5  # a rise is seen when it is under way
_NEAR_FRAMES = 4
PHASES = 4

# kick, body, snare, hiss, chords at every fourth, kick by twos, snare by twos
WEIGHTS = np.array([0.62, 0.41, 0.63, 0.38, 2.21, 0.43, 2.06])


def track_beats(rises: Rises, tones: Tones, period_frames: float) -> Curve:
    """The times of the beats in frames."""
    path = follow(rises.all, period_frames)
    phase = int(np.argmax(weigh_phases(rises, tones, path) @ WEIGHTS))
    shifted = path + lengths_of(path) * phase / PHASES
    return settle(shifted[shifted < len(rises.low) - 1], rises.all) - _LATENESS_FRAMES


def follow(rise: Curve, period_frames: float) -> Curve:
    """The strongest path whose steps are about one period (Ellis' dynamic programming)."""
    salience = smooth(rise, 2)
    salience = salience / (salience.std() + 1e-9)
    steps = np.arange(-round(2 * period_frames), -round(period_frames / 2) + 1)
    cost = -_TIGHTNESS * np.log(-steps / period_frames) ** 2
    room, width = -int(steps[0]), len(steps)
    best = np.full(len(salience) + room, -1e9)
    source = np.full(len(salience), -1)
    for frame, strength in enumerate(salience.tolist()):
        reached = best[frame : frame + width] + cost
        choice = int(reached.argmax())
        if reached[choice] > 0:
            source[frame], strength = frame + int(steps[choice]), strength + float(reached[choice])  # noqa: PLW2901
        best[frame + room] = strength
    last = len(salience) - 1 - int(best[room:][::-1][: round(period_frames * 2)].argmax())
    path = [last]
    while source[path[-1]] >= 0:
        path.append(int(source[path[-1]]))
    return np.array(path[::-1], np.float64)


def weigh_phases(rises: Rises, tones: Tones, path: Curve) -> Curve:
    """What speaks for each quarter of a beat as the place of the beat, in the order of the weights."""
    registers = [widen(smooth(curve, 1)) for curve in (rises.kick, rises.body, rises.snare, rises.hiss)]
    kick, _, snare, _ = registers
    rows = []
    for phase in range(PHASES):
        beats = path + lengths_of(path) * phase / PHASES
        beats = beats[(beats > 2) & (beats < len(kick) - 3)]
        at = np.rint(beats).astype(int)
        changes = change_at(tones, beats, 1)
        by_fours = max((changes[first::4].mean() for first in range(min(4, len(changes)))), default=0.0)
        strengths = [curve[at].mean() / (curve.mean() + 1e-9) if len(at) else 0.0 for curve in registers]
        rows.append([*strengths, 5 * by_fours, _alternation(kick, at), _alternation(snare, at)])
    return np.array(rows)


def change_at(tones: Tones, beats: Curve, reach: int) -> Curve:
    """How much the chord of the beats after differs from that of the beats before, at each beat."""
    length = lengths_of(beats) * reach
    return differ(mean_tones(tones, beats - length, beats), mean_tones(tones, beats, beats + length))


def mean_tones(tones: Tones, starts: Curve, ends: Curve) -> Curve:
    """The mean strength of the pitch classes between these frames."""
    sums = np.concatenate([np.zeros((1, 12)), np.cumsum(tones.classes, axis=0)])
    scale, count = TONES_PER_SECOND / FRAMES_PER_SECOND, len(tones.classes)
    first = np.clip(np.rint(starts * scale).astype(int), 0, count - 1)
    last = np.maximum(np.clip(np.rint(ends * scale).astype(int), 1, count), first + 1)
    return np.asarray((sums[last] - sums[first]) / (last - first)[:, None])


def lengths_of(beats: Curve) -> Curve:
    """The length of each beat; the last is as long as the one before."""
    steps = np.diff(beats)
    return np.append(steps, steps[-1] if len(steps) else 0.0)


def widen(curve: Curve) -> Curve:
    """The highest value near each frame."""
    padded = np.pad(curve, _NEAR_FRAMES)
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, 2 * _NEAR_FRAMES + 1).max(axis=1))


def settle(beats: Curve, rise: Curve) -> Curve:
    """Each beat on the top that it stands beside, read between the frames."""
    curve = smooth(rise, 1.5)
    at = np.clip(np.rint(beats).astype(int), 1, len(curve) - 2)
    below, here, above = curve[at - 1], curve[at], curve[at + 1]
    bend = below - 2 * here + above
    shift = np.where(bend < -1e-9, 0.5 * (below - above) / np.minimum(bend, -1e-9), 0.0)
    return np.asarray(np.clip(np.where(np.abs(shift) <= 1, at + shift, beats), 0, None))


def _alternation(curve: Curve, at: NDArray[np.int64]) -> float:
    if len(at) < 4:
        return 0.0
    even, odd = curve[at[::2]].mean(), curve[at[1::2]].mean()
    return float(abs(even - odd) / 2 / (curve.mean() + 1e-9))
