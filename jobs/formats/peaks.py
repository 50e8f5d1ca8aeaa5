"""The waveform that players draw: BBC audiowaveform JSON and .dat, version 2, 8 bits, one channel."""

import json
import math
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Pairs = NDArray[np.int8]  # (pixels, lowest and highest)

_VERSION = 2
_EIGHT_BITS = 1
_FINEST_SAMPLES_PER_PIXEL = 256
_MOST_PIXELS = 8192


def choose_samples_per_pixel(samples: int) -> int:
    """The finest power of two that keeps the file small."""
    samples_per_pixel = _FINEST_SAMPLES_PER_PIXEL
    while samples > samples_per_pixel * _MOST_PIXELS:
        samples_per_pixel *= 2
    return samples_per_pixel


def write_peaks(path: Path, samples: NDArray[np.float32], sample_rate: int) -> None:
    """Draw samples of shape (channels, samples) at the one zoom that suits their length."""
    samples_per_pixel = choose_samples_per_pixel(samples.shape[1])
    write_json(path, draw_pairs(samples, samples_per_pixel), sample_rate, samples_per_pixel)


def draw_pairs(samples: NDArray[np.float32], samples_per_pixel: int) -> Pairs:
    """The lowest and the highest of each pixel, of samples that are mixed to mono as audiowaveform does."""
    pairs = np.zeros((math.ceil(samples.shape[1] / samples_per_pixel), 2), np.int8)
    step = samples_per_pixel * 1024
    for start in range(0, samples.shape[1], step):
        drawn = _extremes(samples[:, start : start + step], samples_per_pixel)
        first = start // samples_per_pixel
        pairs[first : first + len(drawn)] = drawn
    return pairs


def widen_pairs(pairs: Pairs, times: int) -> Pairs:
    """The same at a zoom that shows so many times more in a pixel."""
    starts = np.arange(0, len(pairs), times)
    if not len(starts):
        return pairs
    lowest, highest = np.minimum.reduceat(pairs[:, 0], starts), np.maximum.reduceat(pairs[:, 1], starts)
    return np.stack([lowest, highest], axis=1)


def write_json(path: Path, pairs: Pairs, sample_rate: int, samples_per_pixel: int) -> None:
    """As the JSON that web players read."""
    document = {
        "version": _VERSION,
        "channels": 1,
        "sample_rate": sample_rate,
        "samples_per_pixel": samples_per_pixel,
        "bits": 8,
        "length": len(pairs),
        "data": pairs.ravel().tolist(),
    }
    path.write_text(json.dumps(document, separators=(",", ":")))


def write_dat(path: Path, pairs: Pairs, sample_rate: int, samples_per_pixel: int) -> None:
    """As the bytes of a .dat file: a header of six numbers, then the pairs."""
    head = struct.pack("<iIiiIi", _VERSION, _EIGHT_BITS, sample_rate, samples_per_pixel, len(pairs), 1)
    path.write_bytes(head + pairs.tobytes())


def _extremes(samples: NDArray[np.float32], samples_per_pixel: int) -> Pairs:
    mono = samples.mean(axis=0)
    pixels = math.ceil(len(mono) / samples_per_pixel)
    padded = np.pad(mono, (0, pixels * samples_per_pixel - len(mono)), mode="edge").reshape(pixels, -1)
    scaled = np.stack([padded.min(axis=1), padded.max(axis=1)], axis=1) * 127
    return np.asarray(np.rint(scaled).clip(-128, 127), np.int8)
