"""Where somebody sings: sounds that have tones for a moment, but none that last, and that come above the rest.

A note of most instruments stands still; a voice glides, trembles and changes its vowels. So a window of a fifth of a
second, which blurs a voice, is held against one of a twentieth, which still sees its tones. An instrument that is bent
or strummed fast may pass for a voice: what is heard is told with its confidence.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jobs.engines.analyses.spectra import SAMPLE_RATE, Curve, Samples, smooth

FRAMES_PER_SECOND = 10
_HOP = SAMPLE_RATE // FRAMES_PER_SECOND
_SHORT, _LONG = 2048, 8192
_LOWEST_HZ, _HIGHEST_HZ = 250.0, 3500.0
_LASTING = 5  # frames that a tone must last to stand still
_BESIDE_SHORT, _BESIDE_LONG = 9, 17  # lines beside a tone, above which it stands
_CHUNK = 256
_SILENCE = 1e-4  # of full scale
_MOST_LOUDER = 3.0
_CALM = 2.0  # frames, the width of the bell that evens the curves out
_SHORTEST_FRAMES, _LONGEST_GAP_FRAMES = 4, 4
_DOUBT = 1.0  # what the evidence must be ahead to be likelier than not
_LEAST_CONFIDENCE = 0.25
_THRESHOLDS = (-2.0, 1.5)
_LEAST_SPREAD = 0.6  # of the odds; in a sound as even as this nothing tells one place from another
_FAINTEST = 1e-5  # of the strongest frame's energy; below it there is no sound to be judged
_NOBODY = -8.0

# Fitted to songs of our own with and without singing, and with readings of people mixed in: loudness against the song's
# median, what does not last, tones that only the short window sees; then what is added
WEIGHTS = np.array([1.26, 7.96, 6.38])
BIAS = -0.43


@dataclass(frozen=True)
class VocalStretch:
    """A stretch in which somebody seems to sing, and how sure that is, 0 to 1."""

    start_seconds: float
    end_seconds: float
    confidence: float


@dataclass(frozen=True)
class Voice:
    """The logarithmic odds of singing for every tenth of a second, and which of them part this song's sung places."""

    odds: Curve
    threshold: float

    @property
    def leaning(self) -> Curve:
        """-1 where nobody sings to 1 where somebody does, as far as this song tells them apart."""
        return np.asarray(np.tanh((self.odds - self.threshold) / 2))


def read_voice(mono: Samples) -> Voice | None:
    """How likely it is at each moment that somebody sings; None when there is nothing to be heard."""
    if len(mono) < _LONG or float(np.abs(mono).max()) < _SILENCE:
        return None
    short, long = _read_lines(mono, _SHORT), _read_lines(mono, _LONG)
    energy = np.square(long).sum(axis=1)
    is_heard = energy > _FAINTEST * energy.max()
    odds = np.where(is_heard, _weigh(short, long) @ WEIGHTS + BIAS, _NOBODY)
    if float(odds[is_heard].std()) < _LEAST_SPREAD:
        return Voice(np.full(len(odds), _NOBODY), _NOBODY)
    below, above = _part(odds[is_heard])
    return Voice(odds, float(np.clip((below + above) / 2, *_THRESHOLDS)))


def list_stretches(voice: Voice | None) -> list[VocalStretch]:
    """Where somebody sings, in order; what is more likely something else is left out."""
    if voice is None:
        return []
    found = []
    for first, last in _join(_runs(voice.odds > voice.threshold)):
        confidence = 1 / (1 + np.exp(_DOUBT - float(voice.odds[first:last].mean())))
        if last - first >= _SHORTEST_FRAMES and confidence >= _LEAST_CONFIDENCE:
            start, end = first / FRAMES_PER_SECOND, last / FRAMES_PER_SECOND
            found.append(VocalStretch(start, end, round(float(confidence), 3)))
    return found


def _weigh(short: NDArray[np.float32], long: NDArray[np.float32]) -> Curve:
    """What speaks for a voice in each frame, in the order of the weights."""
    all_short, all_long = (np.square(lines).sum(axis=1) + 1e-12 for lines in (short, long))
    loudness = np.log(all_short + 1e-10)
    lasting = np.square(np.minimum(_median(long, _LASTING, axis=0), long)).sum(axis=1) / all_long
    wavering = _sum_tones(short, _BESIDE_SHORT) / all_short - _sum_tones(long, _BESIDE_LONG) / all_long
    louder = np.clip(smooth(loudness - np.median(loudness), _CALM), -_MOST_LOUDER, _MOST_LOUDER)
    return np.stack([louder, smooth(1 - lasting, _CALM), smooth(wavering, _CALM)], axis=1)


def _read_lines(mono: Samples, window: int) -> NDArray[np.float32]:
    first, last = (int(hertz * window / SAMPLE_RATE) for hertz in (_LOWEST_HZ, _HIGHEST_HZ))
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(mono, window // 2), window)[::_HOP]
    bell = np.hanning(window).astype(np.float32)
    bell /= bell.sum()
    return np.concatenate(
        [
            np.abs(np.fft.rfft(frames[start : start + _CHUNK] * bell, axis=1)[:, first:last]).astype(np.float32)
            for start in range(0, len(frames), _CHUNK)
        ]
    )


def _sum_tones(lines: NDArray[np.float32], beside: int) -> Curve:
    """The energy of the lines that stand above their neighbours."""
    floor = _median(lines, beside, axis=1)
    share = lines**2 / (lines**2 + 4 * floor**2 + 1e-14)
    return np.asarray(np.square(lines * share).sum(axis=1), np.float64)


def _median(lines: NDArray[np.float32], width: int, axis: int) -> NDArray[np.float32]:
    sides = [(0, 0), (0, 0)]
    sides[axis] = (width // 2, width // 2)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(lines, sides, mode="edge"), width, axis=axis)
    return np.asarray(np.partition(windows, width // 2, axis=-1)[..., width // 2])


def _part(odds: Curve) -> tuple[float, float]:
    """The means of the two groups that lie farthest apart (Otsu)."""
    if len(odds) < 2:
        return 0.0, 0.0
    ordered = np.sort(odds)
    counts = np.arange(1, len(ordered))
    sums = np.cumsum(ordered)
    below, above = sums[:-1] / counts, (sums[-1] - sums[:-1]) / (len(ordered) - counts)
    place = int((counts * (len(ordered) - counts) * (above - below) ** 2).argmax())
    return float(below[place]), float(above[place])


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def _join(runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The runs, over gaps that are no more than a breath."""
    joined: list[tuple[int, int]] = []
    for first, last in runs:
        if joined and first - joined[-1][1] <= _LONGEST_GAP_FRAMES:
            joined[-1] = joined[-1][0], last
        else:
            joined.append((first, last))
    return joined
