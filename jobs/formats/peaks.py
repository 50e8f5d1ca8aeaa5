"""The waveform that web players draw: BBC audiowaveform JSON, version 2, 8 bits, one channel."""

import json
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_VERSION = 2
_FINEST_SAMPLES_PER_PIXEL = 256
_MOST_PIXELS = 8192


def choose_samples_per_pixel(samples: int) -> int:
    """The finest power of two that keeps the file small."""
    samples_per_pixel = _FINEST_SAMPLES_PER_PIXEL
    while samples > samples_per_pixel * _MOST_PIXELS:
        samples_per_pixel *= 2
    return samples_per_pixel


def write_peaks(path: Path, samples: NDArray[np.float32], sample_rate: int) -> None:
    """Draw samples of shape (channels, samples), mixed to mono as audiowaveform does."""
    samples_per_pixel = choose_samples_per_pixel(samples.shape[1])
    pixels = math.ceil(samples.shape[1] / samples_per_pixel)
    pairs = np.zeros((pixels, 2), np.int64)
    step = samples_per_pixel * 1024
    for start in range(0, samples.shape[1], step):
        drawn = _extremes(samples[:, start : start + step], samples_per_pixel)
        first = start // samples_per_pixel
        pairs[first : first + len(drawn)] = drawn
    document = {
        "version": _VERSION,
        "channels": 1,
        "sample_rate": sample_rate,
        "samples_per_pixel": samples_per_pixel,
        "bits": 8,
        "length": pixels,
        "data": pairs.ravel().tolist(),
    }
    path.write_text(json.dumps(document, separators=(",", ":")))


def _extremes(samples: NDArray[np.float32], samples_per_pixel: int) -> NDArray[np.int64]:
    mono = samples.mean(axis=0)
    pixels = math.ceil(len(mono) / samples_per_pixel)
    padded = np.pad(mono, (0, pixels * samples_per_pixel - len(mono)), mode="edge").reshape(pixels, -1)
    scaled = np.stack([padded.min(axis=1), padded.max(axis=1)], axis=1) * 127
    return np.asarray(np.rint(scaled).clip(-128, 127), np.int64)
