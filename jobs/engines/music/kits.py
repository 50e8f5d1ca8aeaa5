"""Drums: every stroke of a kit is made once from sweeps and shaped noise."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 44_100
Signal = NDArray[np.float32]
ROUND_ROBIN = 2  # a stroke that repeats exactly sounds like a machine gun


@dataclass(frozen=True)
class Kit:
    """What sets one kit apart; frequencies in Hz, times in seconds."""

    kick_hz: float = 50
    kick_sweep_hz: float = 180
    kick_decay: float = 0.16
    kick_click: float = 0.25
    snare_hz: float = 185
    snare_decay: float = 0.13
    snare_noise: float = 0.7
    noise_low_hz: float = 1200
    noise_high_hz: float = 9000
    hat_low_hz: float = 7000
    hat_decay: float = 0.035
    cymbal_decay: float = 0.7
    tom_hz: float = 110
    gate: float = 0.0  # a burst of room that is cut off


KITS = {
    "none": Kit(),
    "sampler": Kit(58, 120, 0.12, 0.3, 200, 0.1, 0.7, 1000, 7000, 6000, 0.03, 0.5),
    "machine": Kit(50, 260, 0.22, 0.35, 190, 0.1, 0.7, 1400, 9000, 8000, 0.028, 0.5),
    "chip": Kit(70, 260, 0.06, 0.0, 260, 0.06, 1.0, 600, 12000, 9000, 0.02, 0.2, 160),
    "tight": Kit(56, 90, 0.11, 0.15, 230, 0.07, 0.5, 1300, 7000, 6500, 0.022, 0.5, 130),
    "vintage": Kit(62, 100, 0.1, 0.2, 170, 0.12, 0.65, 800, 7000, 6000, 0.04, 0.7, 120),
    "latin": Kit(55, 80, 0.12, 0.1, 210, 0.08, 0.5, 1400, 7000, 6500, 0.03, 0.6, 140),
    "wood": Kit(70, 60, 0.09, 0.1, 200, 0.12, 0.7, 1200, 6000, 5500, 0.03, 0.6),
    "dusty": Kit(55, 110, 0.13, 0.12, 190, 0.11, 0.55, 900, 5500, 5500, 0.03, 0.5),
    "gated": Kit(52, 160, 0.17, 0.3, 170, 0.16, 0.9, 800, 8500, 7500, 0.035, 0.8, 105, 0.22),
    "club": Kit(49, 240, 0.2, 0.4, 200, 0.12, 0.8, 1500, 11000, 8500, 0.03, 0.6),
    "soft": Kit(46, 70, 0.25, 0.05, 160, 0.15, 0.4, 700, 4500, 6000, 0.05, 1.2),
    "modern": Kit(54, 170, 0.15, 0.3, 195, 0.14, 0.75, 1200, 10000, 8000, 0.035, 0.8),
    "acoustic": Kit(60, 130, 0.12, 0.35, 180, 0.15, 0.7, 1000, 9500, 6500, 0.045, 0.9, 100),
    "trap": Kit(44, 200, 0.3, 0.3, 210, 0.1, 0.85, 1600, 11000, 9000, 0.022, 0.7),
    "brushes": Kit(58, 80, 0.14, 0.08, 175, 0.2, 0.9, 1500, 6000, 5500, 0.05, 1.0, 115),
    "hall": Kit(42, 90, 0.4, 0.15, 150, 0.2, 0.6, 700, 6500, 6000, 0.06, 1.6, 70, 0.1),
}
_PANS = {
    "hat": 0.25,
    "open": 0.25,
    "ride": -0.35,
    "crash": -0.2,
    "shaker": -0.4,
    "tom": -0.3,
    "floor": 0.35,
    "rim": 0.3,
    "conga": 0.4,
    "cowbell": -0.3,
}
_GAINS = {
    "kick": 1.0, "snare": 0.62, "clap": 0.5, "hat": 0.26, "open": 0.28, "ride": 0.17, "crash": 0.36, "shaker": 0.15,
    "tom": 0.6, "floor": 0.65, "rim": 0.3, "riser": 0.18,
    "conga": 0.4, "cowbell": 0.14, "reverse": 0.24, "impact": 0.6,
}  # fmt: skip


def make_strokes(kit: Kit, drums: set[str], dice: np.random.Generator, riser_seconds: float) -> dict[str, list[Signal]]:
    """For each drum a few strokes at full velocity, (2, n), panned and levelled."""
    return {
        drum: [_placed(drum, _make(kit, drum, dice, riser_seconds)) for _ in range(ROUND_ROBIN)]
        for drum in sorted(drums)
    }


def _make(kit: Kit, drum: str, dice: np.random.Generator, riser_seconds: float) -> Signal:
    made: dict[str, Callable[[], Signal]] = {
        "kick": lambda: _kick(kit, dice),
        "snare": lambda: _snare(kit, dice),
        "clap": lambda: _clap(kit, dice),
        "tom": lambda: _sweep(kit.tom_hz, kit.tom_hz * 0.6, 0.05, 0.22),
        "floor": lambda: _sweep(kit.tom_hz * 0.7, kit.tom_hz * 0.6, 0.05, 0.22),
        "rim": lambda: _summed(_sweep(1650, 300, 0.004, 0.012), _noise(dice, 0.012, 1500, 7000)),
        "conga": lambda: _summed(_sweep(230, 60, 0.01, 0.09), np.float32(0.25) * _noise(dice, 0.008, 800, 5000)),
        "cowbell": _cowbell,
        "riser": lambda: _riser(dice, riser_seconds),
        "impact": lambda: _summed(_sweep(34, 60, 0.12, 0.5), np.float32(0.3) * _noise(dice, 0.35, 120, 2500)),
        "reverse": lambda: _reversed(
            _cymbal(dice, kit.hat_low_hz * 0.5, kit.cymbal_decay * 0.5, 0.5), riser_seconds / 2
        ),
        "hat": lambda: _cymbal(dice, kit.hat_low_hz, kit.hat_decay, 0.5),
        "open": lambda: _cymbal(dice, kit.hat_low_hz, 0.16, 0.5),
        "shaker": lambda: _cymbal(dice, kit.hat_low_hz * 0.8, 0.03, 0.0),
        "ride": lambda: _cymbal(dice, kit.hat_low_hz * 0.75, kit.cymbal_decay * 0.4, 0.5),
        "crash": lambda: _cymbal(dice, kit.hat_low_hz * 0.5, kit.cymbal_decay, 0.5),
    }
    return made[drum]()


def _kick(kit: Kit, dice: np.random.Generator) -> Signal:
    body: Signal = np.tanh(np.float32(1.5) * _sweep(kit.kick_hz, kit.kick_sweep_hz, 0.025, kit.kick_decay))
    click = _noise(dice, 0.004, 1500, 9000)
    body[: len(click)] += np.float32(kit.kick_click) * click[: len(body)]
    return body


def _snare(kit: Kit, dice: np.random.Generator) -> Signal:
    noise = _noise(dice, kit.snare_decay, kit.noise_low_hz, kit.noise_high_hz)
    if kit.gate:
        room = _noise(dice, 1.0, 500, 7000)[: int(kit.gate * SAMPLE_RATE)]
        room[-400:] *= np.linspace(1, 0, 400, dtype=np.float32)
        noise = _summed(noise, room * np.float32(0.5))
    tone = _sweep(kit.snare_hz, kit.snare_hz * 0.7, 0.012, 0.07)
    return _summed(noise * np.float32(kit.snare_noise), tone * np.float32(0.6))


def _clap(kit: Kit, dice: np.random.Generator) -> Signal:
    clap = _noise(dice, 0.09, 900, kit.noise_high_hz)
    for _ in range(2):  # three hands that do not meet
        clap = _summed(np.pad(clap, (int(0.011 * SAMPLE_RATE), 0)), _noise(dice, 0.008, 900, kit.noise_high_hz))
    return clap * np.float32(0.8)


def _cymbal(dice: np.random.Generator, low_hz: float, decay: float, metal: float) -> Signal:
    signal = _noise(dice, decay, low_hz, 16_000)
    if metal:
        seconds = np.arange(len(signal)) / SAMPLE_RATE
        ring = sum(
            np.sin(2 * np.pi * low_hz * ratio * seconds) for ratio in (1.0, 1.342, 1.2312, 1.6532, 1.9523, 1.1523)
        )
        signal += np.asarray(ring * np.exp(-seconds / decay) * metal * 0.12, np.float32) * _fade_in(len(signal))
    return signal


def _cowbell() -> Signal:
    seconds = np.arange(int(0.3 * SAMPLE_RATE)) / SAMPLE_RATE
    ring = np.tanh(2 * (np.sin(2 * np.pi * 562 * seconds) + np.sin(2 * np.pi * 845 * seconds)))
    return np.asarray(ring * np.exp(-seconds / 0.05), np.float32) * _fade_in(len(seconds)) * _fade_out(len(seconds))


def _reversed(signal: Signal, seconds: float) -> Signal:
    """Swells for so long, and stops where the next bar begins."""
    samples = int(seconds * SAMPLE_RATE)
    swell = np.zeros(samples, np.float32)
    kept = min(samples, len(signal))
    swell[samples - kept :] = signal[:kept][::-1]
    return swell * np.linspace(0, 1, samples, dtype=np.float32) * _fade_out(samples)


def _riser(dice: np.random.Generator, seconds: float) -> Signal:
    samples = int(seconds * SAMPLE_RATE)
    noise = _bandpassed(dice.standard_normal(samples), 1500, 10_000)
    rise = np.linspace(0, 1, samples, dtype=np.float32) ** 3
    rise[-800:] *= np.linspace(1, 0, 800, dtype=np.float32)
    return noise * rise


def _sweep(end_hz: float, above_hz: float, sweep_seconds: float, decay: float) -> Signal:
    seconds = np.arange(int(min(decay * 6, 1.6) * SAMPLE_RATE)) / SAMPLE_RATE
    cycles = end_hz * seconds + above_hz * sweep_seconds * (1 - np.exp(-seconds / sweep_seconds))
    signal = np.sin(2 * np.pi * cycles) * np.exp(-seconds / decay)
    return np.asarray(signal, np.float32) * _fade_out(len(signal))


def _noise(dice: np.random.Generator, decay: float, low_hz: float, high_hz: float) -> Signal:
    samples = int(min(decay * 6, 3.0) * SAMPLE_RATE)
    fall = np.exp(-np.arange(samples, dtype=np.float32) / np.float32(decay * SAMPLE_RATE))
    noise = _bandpassed(dice.standard_normal(samples), low_hz, high_hz)
    return np.asarray(noise * fall * _fade_in(samples) * _fade_out(samples), np.float32)


def _bandpassed(noise: NDArray[np.float64], low_hz: float, high_hz: float) -> Signal:
    hertz = np.fft.rfftfreq(len(noise), 1 / SAMPLE_RATE)
    shape = 1 / (np.sqrt(1 + (low_hz / np.maximum(hertz, 1)) ** 6) * np.sqrt(1 + (hertz / high_hz) ** 4))
    shaped = np.fft.irfft(np.fft.rfft(noise) * shape, len(noise))
    return np.asarray(shaped / np.std(shaped) * 0.35, np.float32)


def _placed(drum: str, signal: Signal) -> Signal:
    angle = (_PANS.get(drum, 0.0) + 1) * np.pi / 4
    sides = np.array([[np.cos(angle)], [np.sin(angle)]], np.float32) * np.float32(_GAINS[drum] * np.sqrt(2) * 0.5)
    return sides * signal


def _summed(left: Signal, right: Signal) -> Signal:
    total = np.zeros(max(len(left), len(right)), np.float32)
    total[: len(left)] += left
    total[: len(right)] += right
    return total


def _fade_in(samples: int) -> Signal:
    return np.minimum(np.arange(samples, dtype=np.float32) / 24, 1)


def _fade_out(samples: int) -> Signal:
    return np.minimum(np.arange(samples, 0, -1, dtype=np.float32) / 400, 1)
