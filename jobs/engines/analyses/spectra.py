"""What is heard when: the sound as bands, as rises within them, and as the twelve pitch classes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 44_100
FRAMES_PER_SECOND = 100
TONES_PER_SECOND = 20
Samples = NDArray[np.float32]
Curve = NDArray[np.float64]

_WINDOW, _HOP = 2048, SAMPLE_RATE // FRAMES_PER_SECOND
_TONE_WINDOW, _TONE_HOP = 8192, SAMPLE_RATE // TONES_PER_SECOND
_BANDS = 40
_LOWEST_HZ, _HIGHEST_HZ = 27.5, 16_000.0
_LOWEST_TONE_HZ, _HIGHEST_TONE_HZ = 65.0, 3500.0
_BASS_PITCH = 52
_CHUNK = 512
_FAINTEST = 0.01  # of a frame's strongest line; below it there are no tones to be told from noise


@dataclass(frozen=True)
class Rises:
    """How much each register grows at each frame; the logarithmic ones are levelled, the others show true strength."""

    low: Curve
    middle: Curve
    high: Curve
    kick: Curve
    body: Curve
    snare: Curve
    hiss: Curve

    @property
    def all(self) -> Curve:
        """Everything that begins."""
        return np.asarray(self.low + self.middle + 0.7 * self.high)


@dataclass(frozen=True)
class Tones:
    """The strength of each pitch class over time, of the bass alone, and how far the tuning is from 440 Hz."""

    classes: Curve  # (frames, 12)
    bass: Curve  # (12,)
    tuning_cents: float


def read_rises(samples: Samples) -> Rises:
    """Where sounds begin."""
    power, centres = _read_bands(samples)
    growth = _grow_loudness(power)
    amplitude = np.sqrt(power)
    amplitude /= amplitude.mean() + 1e-12
    plain = np.zeros_like(amplitude)
    plain[2:] = np.maximum(amplitude[2:] - amplitude[:-2], 0)
    return Rises(
        low=level(growth[:, centres < 180].sum(axis=1)),
        middle=level(growth[:, (centres >= 180) & (centres < 2500)].sum(axis=1)),
        high=level(growth[:, centres >= 2500].sum(axis=1)),
        kick=plain[:, centres < 150].sum(axis=1),
        body=plain[:, (centres >= 180) & (centres < 900)].sum(axis=1),
        snare=plain[:, (centres > 1500) & (centres < 6000)].sum(axis=1),
        hiss=plain[:, centres > 6000].sum(axis=1),
    )


def read_tones(samples: Samples) -> Tones:
    """The pitch classes of the strongest lines, after the song's own tuning."""
    first, last = (int(hertz * _TONE_WINDOW / SAMPLE_RATE) for hertz in (_LOWEST_TONE_HZ, _HIGHEST_TONE_HZ))
    frames, pitches, weights = [], [], []
    count = 0
    for start, spectrum in _spectra(samples, _TONE_WINDOW, _TONE_HOP):
        frame, pitch, weight = _find_lines(np.abs(spectrum[:, first:last]), first)
        frames.append(frame + start)
        pitches.append(pitch)
        weights.append(weight)
        count = start + len(spectrum)
    frame, pitch, weight = np.concatenate(frames), np.concatenate(pitches), np.concatenate(weights)
    tuning = float(np.angle((weight * np.exp(2j * np.pi * pitch)).sum()) / (2 * np.pi))
    nearest = np.rint(pitch - tuning)
    weight = weight * np.cos(np.pi * (pitch - tuning - nearest)) ** 2
    classes, bass = np.zeros((count, 12)), np.zeros(12)
    np.add.at(classes, (frame, nearest.astype(int) % 12), weight)
    is_bass = nearest < _BASS_PITCH
    np.add.at(bass, nearest[is_bass].astype(int) % 12, weight[is_bass])
    return Tones(classes, bass, round(100 * tuning, 1))


def level(curve: Curve) -> Curve:
    """The curve above its surroundings, as strong in quiet places as in loud ones."""
    above = np.maximum(curve - smooth(curve, 40), 0)
    spread = np.sqrt(np.maximum(smooth(above * above, 150), 0))  # the transform leaves a little below nothing
    return np.asarray(above / (spread + 0.1 * spread.max(initial=0.0) + 1e-9))


def smooth(curve: Curve, width: float) -> Curve:
    """The curve through a bell of this width, in frames."""
    reach = int(np.ceil(4 * width))
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    padded = np.pad(curve, reach)
    size = len(padded) + 2 * reach
    shaped = np.fft.irfft(np.fft.rfft(padded, size) * np.fft.rfft(bell / bell.sum(), size), size)
    return np.asarray(shaped[2 * reach : 2 * reach + len(curve)])


def _read_bands(samples: Samples) -> tuple[NDArray[np.float32], Curve]:
    filters, centres = _make_filters()
    parts = []
    for _, spectrum in _spectra(samples, _WINDOW, _HOP):
        parts.append((spectrum.real**2 + spectrum.imag**2) @ filters)
    return np.concatenate(parts), centres


def _grow_loudness(power: NDArray[np.float32]) -> Curve:
    """Growth of the loudness over two frames, and over the neighbouring bands, so that a vibrato is no beginning."""
    loudness = np.log1p(1000 * np.sqrt(power / (power.max() + 1e-12)), dtype=np.float64)
    before = np.pad(loudness[:-2], ((0, 0), (1, 1)), mode="edge")
    highest = np.maximum(np.maximum(before[:, :-2], before[:, 1:-1]), before[:, 2:])
    growth: Curve = np.zeros_like(loudness)
    growth[2:] = np.maximum(loudness[2:] - highest, 0)
    return growth


def _find_lines(magnitude: NDArray[np.float32], first: int) -> tuple[NDArray[np.int64], Curve, Curve]:
    """Frame, pitch and weight of each local maximum, its place read between the bins."""
    inner = magnitude[:, 1:-1]
    loudest = magnitude.max(axis=1, keepdims=True)
    is_line = (inner > magnitude[:, :-2]) & (inner > magnitude[:, 2:]) & (inner > loudest * _FAINTEST)
    frame, place = np.nonzero(is_line & (loudest > 1e-4))
    place = place + 1
    below, at, above = (np.log(magnitude[frame, place + step] + 1e-9) for step in (-1, 0, 1))
    shift = 0.5 * (below - above) / np.minimum(below - 2 * at + above, -1e-6)
    hertz = (place + first + np.clip(shift, -0.5, 0.5)) * SAMPLE_RATE / _TONE_WINDOW
    pitch = 69 + 12 * np.log2(hertz / 440)
    return frame, pitch.astype(np.float64), np.sqrt(magnitude[frame, place]).astype(np.float64)


def _spectra(samples: Samples, window: int, hop: int) -> Iterator[tuple[int, NDArray[np.complex64]]]:
    """The spectra of some frames at a time, with the number of the first; each frame lies around its time."""
    padded = np.pad(samples, window // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    bell = np.hanning(window).astype(np.float32)
    for start in range(0, len(frames), _CHUNK):
        yield start, np.fft.rfft(frames[start : start + _CHUNK] * bell, axis=1).astype(np.complex64, copy=False)


def _make_filters() -> tuple[NDArray[np.float32], Curve]:
    """Triangles on the mel scale, each with the sum of one."""
    bins = np.fft.rfftfreq(_WINDOW, 1 / SAMPLE_RATE)
    lowest, highest = (2595 * float(np.log10(1 + hertz / 700)) for hertz in (_LOWEST_HZ, _HIGHEST_HZ))
    mels = np.linspace(lowest, highest, _BANDS + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    rising = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    filters = np.clip(np.minimum(rising, falling), 0, None)
    empty = np.flatnonzero(filters.sum(axis=0) == 0)
    filters[np.abs(bins[:, None] - edges[1:-1][empty]).argmin(axis=0), empty] = 1
    return np.asarray(filters / filters.sum(axis=0), np.float32), edges[1:-1]
