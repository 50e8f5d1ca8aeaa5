"""Pitched sound: each note reads a bright and a dark wavetable and moves from one to the other."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from jobs.engines.music.score import Note

SAMPLE_RATE = 44_100
Signal = NDArray[np.float32]
_TABLE_BITS = 15  # 32768 places: reading without interpolation stays 70 dB below the tone
_TABLE_SIZE = 1 << _TABLE_BITS
_SHIFT = np.uint32(32 - _TABLE_BITS)
_CYCLE = float(1 << 32)
_HIGHEST_HZ = 17_000.0
_LENGTH_GRAIN = 512  # notes of nearly one length share their samples
_BRIGHTNESS_LEVELS = 4
_CACHE_SAMPLES = 12_000_000


@dataclass(frozen=True)
class Voice:
    """How a note of this voice begins, holds and ends; times in seconds, cutoffs in Hz at middle C."""

    bright_hz: float
    dark_hz: float
    attack: float = 0.004
    decay: float = 1.0
    sustain: float = 0.6
    release: float = 0.08
    morph: float = 0.3  # from bright to dark
    tilt: float = 1.0  # harmonic k has the amplitude k ** -tilt
    even: float = 1.0  # level of the even harmonics
    partials: tuple[float, ...] = ()  # amplitudes that stand in for the tilt
    formants: tuple[tuple[float, float], ...] = ()  # (Hz, level)
    detune_cents: float = 0.0
    vibrato_cents: float = 0.0
    drive: float = 0.0
    gain: float = 1.0
    pan: float = 0.0


VOICES = {
    "round": Voice(900, 350, decay=0.9, sustain=0.5, morph=0.15, tilt=1.2, gain=1.0),
    "sub": Voice(420, 200, decay=0.8, sustain=0.75, morph=0.12, tilt=1.3, gain=1.0),
    "saw": Voice(1500, 420, decay=0.5, sustain=0.6, morph=0.12, release=0.04, gain=0.9),
    "picked": Voice(2200, 420, decay=0.7, sustain=0.35, morph=0.09, gain=0.95),
    "eight08": Voice(500, 150, decay=1.6, sustain=0.35, morph=0.1, tilt=1.6, release=0.12, drive=1.6, gain=1.0),
    "upright": Voice(1100, 260, decay=0.5, sustain=0.12, morph=0.1, tilt=1.1, gain=1.1),
    "cello": Voice(1100, 800, attack=0.12, sustain=0.9, release=0.25, detune_cents=5, vibrato_cents=6, gain=0.8),
    "epiano": Voice(
        3200,
        700,
        decay=1.1,
        sustain=0.15,
        release=0.15,
        morph=0.18,
        detune_cents=3,
        partials=(1, 0.35, 0.06, 0.1, 0, 0, 0, 0.05, 0, 0, 0, 0, 0, 0.05),
    ),
    "piano": Voice(
        5000, 900, attack=0.002, decay=0.9, sustain=0.06, release=0.18, morph=0.22, tilt=1.15, detune_cents=2
    ),
    "warm": Voice(1300, 700, attack=0.18, sustain=0.9, release=0.4, morph=1.2, detune_cents=9, gain=0.7),
    "wide": Voice(2600, 1100, attack=0.25, sustain=0.9, release=0.6, morph=1.6, detune_cents=12, gain=0.7),
    "strings": Voice(
        3400, 2200, attack=0.14, sustain=0.95, release=0.35, morph=0.8, detune_cents=9, vibrato_cents=7, gain=0.7
    ),
    "spiccato": Voice(
        4200, 900, attack=0.006, decay=0.13, sustain=0.0, release=0.05, morph=0.1, detune_cents=7, gain=0.9
    ),
    "organ": Voice(
        4500,
        3500,
        attack=0.006,
        sustain=1.0,
        release=0.05,
        partials=(1, 0.8, 0.6, 0.4, 0, 0.3, 0, 0.25),
        gain=0.6,
        detune_cents=4,
    ),
    "clav": Voice(6000, 1500, attack=0.001, decay=0.22, sustain=0.1, release=0.03, morph=0.08, even=0.5, gain=0.8),
    "steel": Voice(6000, 900, attack=0.002, decay=0.9, sustain=0.05, release=0.12, morph=0.2, tilt=0.9, detune_cents=3),
    "crunch": Voice(
        3200, 2200, attack=0.003, decay=1.2, sustain=0.5, release=0.05, drive=4.0, detune_cents=8, gain=0.75
    ),
    "blip": Voice(4200, 700, attack=0.002, decay=0.18, sustain=0.05, release=0.08, morph=0.07, detune_cents=7),
    "pluck": Voice(6500, 900, attack=0.001, decay=0.3, sustain=0.0, release=0.1, morph=0.09, detune_cents=4),
    "bell": Voice(
        9000,
        2500,
        attack=0.002,
        decay=0.8,
        sustain=0.0,
        release=0.5,
        morph=0.25,
        gain=0.9,
        partials=(1, 0, 0.35, 0, 0.12, 0, 0.22, 0, 0, 0, 0.12),
        detune_cents=3,
    ),
    "glass": Voice(
        5200,
        1700,
        attack=0.03,
        decay=1.6,
        sustain=0.2,
        release=0.8,
        morph=0.6,
        detune_cents=6,
        partials=(1, 0.2, 0.4, 0.05, 0.2, 0, 0.1, 0, 0.05),
    ),
    "vibes": Voice(
        5000,
        1000,
        attack=0.002,
        decay=0.9,
        sustain=0.0,
        release=0.4,
        morph=0.15,
        partials=(1, 0, 0, 0.4, 0, 0, 0, 0, 0, 0.12),
    ),
    "flute": Voice(2600, 1700, attack=0.05, sustain=0.9, release=0.1, tilt=1.9, vibrato_cents=14, morph=0.2, gain=1.0),
    "sax": Voice(
        3600,
        1800,
        attack=0.03,
        sustain=0.85,
        release=0.07,
        morph=0.25,
        vibrato_cents=16,
        gain=0.85,
        formants=((650, 1.0), (1400, 0.6)),
    ),
    "brass": Voice(
        3800, 1500, attack=0.05, sustain=0.85, release=0.09, morph=0.3, vibrato_cents=8, detune_cents=5, gain=0.8
    ),
    "solo": Voice(
        4200, 1700, attack=0.012, sustain=0.8, release=0.12, morph=0.3, vibrato_cents=14, detune_cents=7, gain=0.75
    ),
    "square": Voice(
        4000,
        1500,
        attack=0.004,
        sustain=0.7,
        release=0.08,
        morph=0.18,
        even=0.08,
        vibrato_cents=8,
        detune_cents=5,
        gain=0.8,
    ),
    "overdrive": Voice(
        3000, 2200, attack=0.006, sustain=0.85, release=0.09, morph=0.5, vibrato_cents=18, drive=3.0, gain=0.75
    ),
    "voice": Voice(
        5200,
        3800,
        attack=0.06,
        sustain=0.95,
        release=0.12,
        morph=0.3,
        vibrato_cents=26,
        detune_cents=5,
        gain=0.85,
        formants=((730, 1.0), (1150, 0.7), (2700, 0.35), (3500, 0.2)),
    ),
}


class Instrument:
    """Renders notes, and remembers the ones that come again."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, int, int], Signal] = {}
        self._held_samples = 0

    def play(self, note: Note) -> Signal:
        """Samples of one note, (2, n), its release included."""
        length = max(int(note.length_seconds * SAMPLE_RATE / _LENGTH_GRAIN), 1) * _LENGTH_GRAIN
        brightness = min(int(note.velocity * _BRIGHTNESS_LEVELS), _BRIGHTNESS_LEVELS - 1)
        name = note.voice, note.pitch, length, brightness
        if name not in self._known:
            self._remember(name, _render(note.voice, note.pitch, length, (brightness + 1) / _BRIGHTNESS_LEVELS))
        return self._known[name]

    def _remember(self, name: tuple[str, int, int, int], signal: Signal) -> None:
        if self._held_samples > _CACHE_SAMPLES:
            self._known.clear()
            self._held_samples = 0
        self._known[name] = signal
        self._held_samples += signal.size


def longest_samples(notes: tuple[Note, ...]) -> int:
    """Room that the longest note needs, its release included."""
    return max(
        (int((note.length_seconds + VOICES[note.voice].release) * SAMPLE_RATE) + 1024 for note in notes), default=0
    )


def _render(name: str, pitch: int, length: int, brightness: float) -> Signal:
    voice = VOICES[name]
    samples = length + int(voice.release * SAMPLE_RATE)
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    bright, dark = _tables(name, pitch)
    share = (0.35 + 0.65 * brightness) * _falling(samples, voice.morph)
    envelope = _envelope(voice, samples, length)
    sides = []
    for side in (-1, 1) if voice.detune_cents else (0,):
        index = (_phases(voice, hertz * 2 ** (side * voice.detune_cents / 2400), samples) >> _SHIFT).astype(np.intp)
        low = dark.take(index)
        sides.append(low + share * (bright.take(index) - low))
    signal = np.stack(sides) if len(sides) == 2 else np.broadcast_to(sides[0], (2, samples))
    if voice.drive:
        signal = np.tanh(signal * np.float32(voice.drive)) * np.float32(0.8)
    return np.asarray(signal * envelope, np.float32)


def _phases(voice: Voice, hertz: float, samples: int) -> NDArray[np.uint32]:
    step = hertz / SAMPLE_RATE * _CYCLE
    if not voice.vibrato_cents:
        return np.arange(samples, dtype=np.uint32) * np.uint32(step)
    seconds = np.arange(samples) / SAMPLE_RATE
    depth = voice.vibrato_cents / 1200 * np.log(2) * np.clip((seconds - 0.15) / 0.3, 0, 1)
    steps = step * (1 + depth * np.sin(2 * np.pi * 5.3 * seconds))
    return np.cumsum(steps.astype(np.uint32), dtype=np.uint32) - np.uint32(step)


def _falling(samples: int, seconds: float) -> Signal:
    return np.asarray(
        np.exp(np.arange(samples, dtype=np.float32) * np.float32(-1 / (seconds * SAMPLE_RATE))), np.float32
    )


def _envelope(voice: Voice, samples: int, length: int) -> Signal:
    envelope = np.float32(1 - voice.sustain) * _falling(samples, voice.decay) + np.float32(voice.sustain)
    attack = min(max(int(voice.attack * SAMPLE_RATE), 48), length)
    envelope[:attack] *= _rise(attack)
    envelope[length:] *= _rise(samples - length)[::-1]
    return envelope * np.float32(voice.gain)


def _rise(samples: int) -> Signal:
    return np.asarray(0.5 - 0.5 * np.cos(np.linspace(0, np.pi, samples)), np.float32)


@lru_cache(maxsize=256)
def _tables(name: str, pitch: int) -> tuple[Signal, Signal]:
    voice, hertz = VOICES[name], 440 * 2 ** ((pitch - 69) / 12)
    follow = (hertz / 261.6) ** 0.5
    bright, dark = (_spectrum(voice, hertz, cutoff * follow) for cutoff in (voice.bright_hz, voice.dark_hz))
    scale = 0.3 / np.sqrt(np.sum(bright**2) / 2)
    return _cycle(bright * scale), _cycle(dark * scale)


def _spectrum(voice: Voice, hertz: float, cutoff_hz: float) -> NDArray[np.float64]:
    count = max(min(int(_HIGHEST_HZ / hertz), 400), 1)
    number = np.arange(1, count + 1)
    if voice.partials:
        amplitude: NDArray[np.float64] = np.zeros(count)
        kept = min(count, len(voice.partials))
        amplitude[:kept] = voice.partials[:kept]
    else:
        amplitude = np.asarray(number**-voice.tilt * np.where(number % 2 == 0, voice.even, 1.0))
    slope = 2 if voice.partials else 4
    amplitude = np.asarray(amplitude / np.sqrt(1 + (number * hertz / cutoff_hz) ** slope))
    if voice.formants:
        amplitude = amplitude * (
            0.08 + sum(level / (1 + ((number * hertz - at) / 130) ** 2) for at, level in voice.formants)
        )
    return np.asarray(amplitude)


def _cycle(amplitude: NDArray[np.float64]) -> Signal:
    spectrum = np.zeros(_TABLE_SIZE // 2 + 1, np.complex64)
    spectrum[1 : len(amplitude) + 1] = -0.5j * _TABLE_SIZE * amplitude
    return np.asarray(np.fft.irfft(spectrum, _TABLE_SIZE), np.float32)
