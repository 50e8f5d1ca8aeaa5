"""The tempo: of all periods that fit what is heard, the one that people would tap.

Every tracker finds the pulse, and errs by an octave. So each candidate is weighed by what tells a beat from its half
and its double: kick and snare take turns on beats, chords change with bars. The weights were fitted, by
`python -m tests.bench.fitting`, on songs whose tempo is known.
"""

from dataclasses import dataclass

import numpy as np

from jobs.engines.analyses.spectra import FRAMES_PER_SECOND, TONES_PER_SECOND, Curve, Rises, Tones

SLOWEST_BPM, FASTEST_BPM = 48.0, 215.0
_LONGEST_LAG = 9 * FRAMES_PER_SECOND
_LIKELIEST_BPM, _SLOW_BPM, _FAST_BPM = 110.0, 75.0, 160.0
_CANDIDATES, _ANCHORS = 8, 4
_RELATIVES = (0.5, 2, 1.5, 2 / 3, 3, 1 / 3)
_CHORD_FRAMES = 8
_PER_TONE = FRAMES_PER_SECOND // TONES_PER_SECOND

# echo, likely tempo, turns of kick and snare, chords by bars, halves, bass by twos, no threes, bass by fours, too slow,
# too fast
WEIGHTS = np.array([2.13, 1.58, 1.47, 3.81, 1.47, 1.81, 3.02, 1.50, -2.34, -1.48])


@dataclass(frozen=True)
class Period:
    """The time from beat to beat in frames, how sure it is (0 to 1), and the next best."""

    frames: float
    confidence: float
    second_frames: float | None


class Echoes:
    """How alike the song is to itself after each lag, in all registers."""

    def __init__(self, rises: Rises, tones: Tones) -> None:
        self.all = _correlate(rises.all, rises.all, _LONGEST_LAG)
        self._low = _correlate(rises.low, rises.low, _LONGEST_LAG)
        there = _correlate(rises.low, rises.middle, _LONGEST_LAG)
        self._turns = (there + _correlate(rises.middle, rises.low, _LONGEST_LAG)) / 2
        changes = _find_changes(tones)
        self._chords = _correlate(changes, changes, _LONGEST_LAG // _PER_TONE)

    def weigh(self, lag: float) -> Curve:
        """What speaks for this period, in the order of the weights."""

        def echo(curve: Curve, times: float) -> float:
            return _peak(curve, lag * times, 0.03)

        def chord(times: float) -> float:
            return _peak(self._chords, lag / _PER_TONE * times, 0.05)

        bpm = 60 * FRAMES_PER_SECOND / lag
        return np.array(
            [
                echo(self.all, 1) + echo(self.all, 2) + 0.6 * echo(self.all, 4) + 0.4 * echo(self.all, 3),
                -(np.log2(bpm / _LIKELIEST_BPM) ** 2),
                echo(self._turns, 1) + echo(self._turns, 3) - echo(self._turns, 2) - echo(self._turns, 0),
                chord(4) - chord(2),
                echo(self.all, 0.5) - 0.5 * (echo(self.all, 1 / 3) + echo(self.all, 2 / 3)),
                echo(self._low, 2) - echo(self._low, 1.5),
                echo(self.all, 1) - 0.5 * (echo(self.all, 1.5) + echo(self.all, 0.75)),
                echo(self._low, 4) - echo(self._low, 3),
                max(0.0, -np.log2(bpm / _SLOW_BPM)),
                max(0.0, np.log2(bpm / _FAST_BPM)),
            ]
        )

    def list_candidates(self) -> list[float]:
        """Lags that the song repeats itself after, and their simple fractions and multiples."""
        shortest, longest = (60 * FRAMES_PER_SECOND / bpm for bpm in (FASTEST_BPM, SLOWEST_BPM))
        lags = np.geomspace(longest, shortest, 500)
        comb = sum(weight * _read(self.all, times * lags) for times, weight in ((1, 1), (2, 1), (4, 0.6), (3, 0.4)))
        comb = np.asarray(comb)
        tops = np.flatnonzero((comb[1:-1] >= comb[:-2]) & (comb[1:-1] > comb[2:])) + 1
        tops = tops[np.argsort(-comb[tops])][:_CANDIDATES]
        found = {round(float(lags[top]), 2) for top in tops}
        found |= {round(float(lags[top] * times), 2) for top in tops[:_ANCHORS] for times in _RELATIVES}
        return sorted(lag for lag in found if shortest <= lag <= longest)


def find_period(rises: Rises, tones: Tones) -> Period | None:
    """The period of the beat; None where nothing repeats."""
    echoes = Echoes(rises, tones)
    candidates = echoes.list_candidates()
    if not candidates:
        return None
    scores = np.array([echoes.weigh(lag) for lag in candidates]) @ WEIGHTS
    order = np.argsort(-scores)
    shares = np.exp(scores - scores.max())
    lags = np.array(candidates)
    best = float(lags[order[0]])
    is_same = np.abs(lags / best - 1) < 0.04
    others = [float(lags[place]) for place in order if not is_same[place]]
    return Period(best, float(shares[is_same].sum() / shares.sum()), others[0] if others else None)


def _find_changes(tones: Tones) -> Curve:
    """How much the chord of the coming moment differs from that of the moment past."""
    strength = np.log1p(3 * tones.classes / (tones.classes.mean() + 1e-9))
    sums = np.concatenate([np.zeros((1, 12)), np.cumsum(strength, axis=0)])
    held = sums[_CHORD_FRAMES:] - sums[:-_CHORD_FRAMES]
    changes = np.zeros(len(strength))
    before, after = held[:-_CHORD_FRAMES], held[_CHORD_FRAMES:]
    changes[_CHORD_FRAMES : _CHORD_FRAMES + len(before)] = differ(before, after)
    return changes


def differ(one: Curve, other: Curve) -> Curve:
    """One minus the cosine of each pair of rows."""
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.asarray(1 - (one * other).sum(axis=1) / (lengths + 1e-9))


def _correlate(one: Curve, other: Curve, longest: int) -> Curve:
    one, other = one - one.mean(), other - other.mean()
    count = len(one)
    longest = min(longest, count // 2)
    spectrum = np.conj(np.fft.rfft(one, 2 * count)) * np.fft.rfft(other, 2 * count)
    strength = np.sqrt((one * one).sum() * (other * other).sum()) + 1e-9
    return np.asarray(np.fft.irfft(spectrum)[:longest] / strength * count / (count - np.arange(longest)))


def _read(curve: Curve, lags: Curve) -> Curve:
    return np.interp(lags, np.arange(len(curve)), curve, right=0.0) if len(curve) else np.zeros(len(lags))


def _peak(curve: Curve, lag: float, share: float) -> float:
    return float(_read(curve, lag * np.linspace(1 - share, 1 + share, 7)).max())
