"""Where somebody may be singing: tones of the middle register, in the middle of the stereo, above what is usual."""

import numpy as np
from numpy.typing import NDArray

from jobs.engines.analyses.spectra import SAMPLE_RATE, Curve, Samples, smooth

FRAMES_PER_SECOND = 20
_WINDOW, _HOP = 4096, SAMPLE_RATE // FRAMES_PER_SECOND
_LOWEST_HZ, _HIGHEST_HZ = 300.0, 3400.0
_CHUNK = 512
_LONG, _WIDE = 5, 9  # frames and lines of the medians that tell tones from beats
_SILENCE = 1e-4  # of full scale


def read_voice(samples: Samples) -> Curve | None:
    """How likely it is that somebody sings, -1 to 1, twenty times a second; None when there is nothing to be heard."""
    if samples.shape[1] < _WINDOW or float(np.abs(samples).max()) < _SILENCE:
        return None
    middle, sides = samples.mean(axis=0), (samples[0] - samples[1]) / 2
    strength = np.concatenate(
        [
            _sum_tones(np.maximum(own - other, 0))
            for own, other in zip(_magnitudes(middle), _magnitudes(sides), strict=True)
        ]
    )
    loudness: Curve = np.log10(smooth(strength, 2) + 1e-6 * strength.max() + 1e-12)
    low, high = np.percentile(loudness, [10, 90])
    if high - low < 0.1:  # as strong everywhere: nothing tells one place from another
        return np.zeros_like(loudness)
    return np.asarray(np.clip(2 * (loudness - low) / (high - low) - 1, -1, 1))


def _magnitudes(channel: Samples) -> list[NDArray[np.float32]]:
    first, last = (int(hertz * _WINDOW / SAMPLE_RATE) for hertz in (_LOWEST_HZ, _HIGHEST_HZ))
    padded = np.pad(channel, _WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    bell = np.hanning(_WINDOW).astype(np.float32)
    return [
        np.abs(np.fft.rfft(frames[start : start + _CHUNK] * bell, axis=1)[:, first:last]).astype(np.float32)
        for start in range(0, len(frames), _CHUNK)
    ]


def _sum_tones(magnitude: NDArray[np.float32]) -> Curve:
    """The energy of what lasts, rather than of what sounds in all lines at once."""
    lasting = _median(magnitude, _LONG, axis=0)
    broad = _median(magnitude, _WIDE, axis=1)
    share = lasting**2 / (lasting**2 + broad**2 + 1e-12)
    return np.asarray(((magnitude * share) ** 2).sum(axis=1), np.float64)


def _median(magnitude: NDArray[np.float32], width: int, axis: int) -> NDArray[np.float32]:
    sides = [(0, 0), (0, 0)]
    sides[axis] = (width // 2, width // 2)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(magnitude, sides, mode="edge"), width, axis=axis)
    return np.asarray(np.median(windows, axis=-1), np.float32)
