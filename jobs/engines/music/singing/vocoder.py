"""The vocoder: a train of pulses at the pitch that is wanted, each shaped by the envelope of its moment."""

import numpy as np
from numpy.typing import NDArray

from jobs.engines.music.singing.sounds import BINS, FLOOR, HOP, RATE, Envelopes, Samples

_TRANSFORM = 2 * (BINS - 1)
_BREATH_FROM_HZ, _BREATH_TO_HZ = 2_500.0, 7_000.0
_MOST_BREATH = 0.45  # of the amplitude at the top
_PULSES_AT_ONCE = 2_048


def sound(envelopes: Envelopes, hertz: NDArray[np.float64], dice: np.random.Generator) -> Samples:
    """A tone of this pitch, given for each sample, through the envelopes, one for each hop."""
    samples = len(hertz)
    out = np.zeros(samples + 2 * _TRANSFORM, np.float32)
    breath = _breath_share()
    tone = envelopes + np.log(np.sqrt(1 - breath**2))
    times = _pulse_times(hertz)
    for start in range(0, len(times), _PULSES_AT_ONCE):
        _add_pulses(out, tone, times[start : start + _PULSES_AT_ONCE], hertz)
    _add_breath(out, envelopes + np.log(breath + 1e-6), dice)
    return out[_TRANSFORM // 2 : _TRANSFORM // 2 + samples]


def double_rate(samples: Samples) -> Samples:
    """The same at twice the rate."""
    length = 1 << (len(samples) + 256).bit_length()
    spectrum = np.fft.rfft(samples, length)
    doubled = np.zeros(length + 1, spectrum.dtype)
    doubled[: len(spectrum)] = spectrum
    return np.asarray(2 * np.fft.irfft(doubled, 2 * length)[: 2 * len(samples)], np.float32)


def _pulse_times(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where in samples, not only at whole ones, each period begins."""
    phase = np.concatenate([[0.0], np.cumsum(hertz / RATE)])
    return np.interp(np.arange(1, int(phase[-1]) + 1), phase, np.arange(len(phase)))


def _add_pulses(out: Samples, envelopes: Envelopes, times: NDArray[np.float64], hertz: NDArray[np.float64]) -> None:
    """Each pulse has the smallest phase that its envelope allows, as a throat has."""
    shape = _at(envelopes, times / HOP)
    whole = np.floor(times).astype(int)
    loudness = np.sqrt(RATE / hertz[np.minimum(whole, len(hertz) - 1)])  # as few pulses as many
    heard = shape.max(axis=1) > FLOOR / 2
    if not heard.any():
        return
    shape, whole, late = shape[heard], whole[heard], (times - whole)[heard]
    spectrum = np.exp(_minimum_phase(shape)) * loudness[heard, None].astype(np.float32)
    turn = np.exp(-2j * np.pi / _TRANSFORM * np.outer(late, np.arange(BINS))).astype(np.complex64)
    pulses = np.fft.irfft(spectrum * turn, _TRANSFORM).astype(np.float32)
    for at, pulse in zip(whole + _TRANSFORM // 2, pulses, strict=True):
        out[at : at + _TRANSFORM] += pulse


def _minimum_phase(shape: Envelopes) -> NDArray[np.complex64]:
    cepstrum = np.fft.irfft(shape, _TRANSFORM).astype(np.float32)
    cepstrum[:, 1 : _TRANSFORM // 2] *= 2
    cepstrum[:, _TRANSFORM // 2 + 1 :] = 0
    return np.asarray(np.fft.rfft(cepstrum, _TRANSFORM), np.complex64)


def _add_breath(out: Samples, envelopes: Envelopes, dice: np.random.Generator) -> None:
    """Noise through the same envelopes, above all in the treble."""
    window = np.hanning(2 * HOP + 1)[:-1].astype(np.float32)
    frames = len(envelopes)
    turns = np.exp(2j * np.pi * dice.random((frames, BINS), np.float32)).astype(np.complex64)
    grains = np.fft.irfft(np.exp(envelopes) * turns, _TRANSFORM).astype(np.float32)[:, : 2 * HOP]
    grains *= window * np.float32(np.sqrt(_TRANSFORM))
    first = _TRANSFORM // 2 - HOP
    halves = grains.reshape(frames, 2, HOP)
    out[first : first + frames * HOP] += halves[:, 0].reshape(-1)[: len(out) - first]
    out[first + HOP : first + (frames + 1) * HOP] += halves[:, 1].reshape(-1)[: len(out) - first - HOP]


def _breath_share() -> NDArray[np.float32]:
    hertz = np.linspace(0, RATE / 2, BINS)
    rise = np.clip((hertz - _BREATH_FROM_HZ) / (_BREATH_TO_HZ - _BREATH_FROM_HZ), 0, 1)
    return np.asarray(_MOST_BREATH * rise, np.float32)


def _at(envelopes: Envelopes, places: NDArray[np.float64]) -> Envelopes:
    low = np.clip(places.astype(int), 0, len(envelopes) - 1)
    high = np.minimum(low + 1, len(envelopes) - 1)
    share = np.clip(places - low, 0, 1).astype(np.float32)[:, None]
    return np.asarray(envelopes[low] * (1 - share) + envelopes[high] * share, np.float32)
