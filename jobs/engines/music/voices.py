"""Pitched sound: each note reads a bright and a dark wavetable and moves from one to the other."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from jobs.engines.music.score import Note
from jobs.engines.music.timbres import VOICES, Voice

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
_EVEN_PITCH, _EVEN_SAMPLES, _EVEN_POWER = 69, 16_384, 0.035
_STRIKE_SECONDS = 0.012
_STRUCK_SUSTAIN = 0.2  # below it a voice rings by itself: low strings longer than high ones
_MIDDLE_C, _HALVING_SEMITONES = 60, 30


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


@lru_cache(maxsize=64)
def even_out(name: str) -> float:
    """The factor that brings a voice nearer to the power of the others, for one that must be heard above them."""
    note = _render(name, _EVEN_PITCH, _EVEN_SAMPLES, 0.75)[:, :_EVEN_SAMPLES]
    power = float(np.square(note, dtype=np.float64).mean())
    return float(np.clip((_EVEN_POWER / power) ** 0.4, 0.6, 2.2))


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
    ring = 2 ** ((_MIDDLE_C - pitch) / _HALVING_SEMITONES) if voice.sustain < _STRUCK_SUSTAIN else 1.0
    share = (0.35 + 0.65 * brightness) * _falling(samples, voice.morph)
    envelope = _envelope(voice, samples, length, ring)
    sides = []
    for side in (-1, 1) if voice.detune_cents else (0,):
        index = (_phases(voice, hertz * 2 ** (side * voice.detune_cents / 2400), samples) >> _SHIFT).astype(np.intp)
        low = dark.take(index)
        sides.append(low + share * (bright.take(index) - low))
    signal = np.stack(sides) if len(sides) == 2 else np.broadcast_to(sides[0], (2, samples))
    if voice.drive:
        signal = np.tanh(signal * np.float32(voice.drive)) * np.float32(0.8)
    if voice.breath or voice.strike:
        signal = signal + _air(voice, samples, brightness)
    return np.asarray(signal * envelope, np.float32)


def _air(voice: Voice, samples: int, brightness: float) -> Signal:
    """The noise in a note: a short one where it begins, a soft one while it lasts."""
    noise = np.resize(_hiss(), samples)
    level = np.full(samples, voice.breath, np.float32)
    if voice.strike:
        level += np.float32(voice.strike * brightness) * _falling(samples, _STRIKE_SECONDS)
    return np.asarray(noise * level, np.float32)


@lru_cache(maxsize=1)
def _hiss() -> Signal:
    """A second of noise without lows and without the highest highs."""
    white = np.fft.rfft(np.random.default_rng(1).standard_normal(SAMPLE_RATE))
    hertz = np.fft.rfftfreq(SAMPLE_RATE, 1 / SAMPLE_RATE)
    shaped = np.fft.irfft(white / (np.sqrt(1 + (700 / np.maximum(hertz, 1)) ** 4) * (1 + (hertz / 3500) ** 2)))
    return np.asarray(shaped / np.std(shaped) * 0.3, np.float32)


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


def _envelope(voice: Voice, samples: int, length: int, ring: float) -> Signal:
    envelope = np.float32(1 - voice.sustain) * _falling(samples, voice.decay * ring) + np.float32(voice.sustain)
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
