"""The singer: a line of sounds and notes becomes samples, with glides, vibrato, breath and a second voice."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jobs.engines.music.score import SongPlan
from jobs.engines.music.singing.score import Laid, SungLine, SungNote, Vocals
from jobs.engines.music.singing.sounds import BINS, FLOOR, HOP, RATE, Envelopes, Samples
from jobs.engines.music.singing.vocoder import double_rate, sound

SONG_RATE = 2 * RATE
_BEFORE_SECONDS, _AFTER_SECONDS = 0.02, 0.12
_GLIDE_SECONDS = 0.045
_VIBRATO_HZ, _VIBRATO_CENTS = 5.6, 22.0
_VIBRATO_AFTER_SECONDS, _VIBRATO_RISE_SECONDS = 0.3, 0.35
_DRIFT_CENTS = 3.0
_LEVEL = -3.0  # of every nucleus, as a logarithm, so that no vowel is lost
_EVENNESS = 0.8  # how far towards that level
_RELEASE_FRAMES = 22
_HELD_BEGIN, _HELD_END = 0.3, 0.4  # a held vowel waits between these, then goes on to its end


@dataclass(frozen=True)
class Part:
    """One rendering of a line: another pitch, out of tune by some cents, late by some seconds, at a side."""

    pitches: tuple[int, ...]
    cents: float
    late_seconds: float
    gain: float
    pan: float


def parts_of(line: SungLine) -> Iterator[Part]:
    """The line itself, and where it is doubled its double and the second voice."""
    own = tuple(note.pitch for note in line.notes)
    yield Part(own, 0, 0, 1, 0)
    if line.second:
        yield Part(own, 9, 0.018, 0.32, 0.7)
        yield Part(line.second, -5, 0.011, 0.42, -0.6)


def first_sample(line: SungLine, part: Part) -> int:
    """Where in the song the part begins."""
    return max(round((_start(line) + part.late_seconds) * SONG_RATE), 0)


def longest_samples(vocals: Vocals) -> int:
    """Room that the longest line needs."""
    return max((2 * HOP * _frames(line) + 64 for line in vocals.lines), default=0)


def sing(plan: SongPlan, index: int, line: SungLine, part: Part) -> Samples:
    """The samples of one part of a line, in stereo at the rate of songs."""
    dice = plan.draw(f"breath {index} {part.cents:g}")
    start, frames = _start(line), _frames(line)
    envelopes = _envelopes(line, start, frames)
    hertz = _hertz(line.notes, part, start, frames * HOP, dice)
    mono = sound(envelopes, hertz, dice)
    for laid, gain in _with_gains(line):
        if laid.phone.noise is not None:
            _add_noise(mono, laid, start, gain)
    doubled = double_rate(mono) * np.float32(part.gain)
    sides = np.array([[np.cos((part.pan + 1) * np.pi / 4)], [np.sin((part.pan + 1) * np.pi / 4)]]) * np.sqrt(2)
    return np.asarray(sides.astype(np.float32) * doubled, np.float32)


def _start(line: SungLine) -> float:
    return max(line.sounds[0].start_seconds - _BEFORE_SECONDS, 0.0)


def _frames(line: SungLine) -> int:
    return int((line.notes[-1].end_seconds + _AFTER_SECONDS - _start(line)) * RATE / HOP) + 1


def _envelopes(line: SungLine, start: float, frames: int) -> Envelopes:
    """The shape of the tone at each hop; silence where nothing has a tone."""
    out = np.full((frames, BINS), FLOOR, np.float32)
    for laid, gain in _with_gains(line):
        if laid.phone.envelopes is None:
            continue
        first = max(round((laid.start_seconds - start) * RATE / HOP), 0)
        end = min(max(round((laid.end_seconds - start) * RATE / HOP), first + 1), frames)
        places = _stretched(len(laid.phone.envelopes), end - first, is_held=laid.is_held)
        out[first:end] = laid.phone.envelopes[places] + np.float32(np.log(gain))
    last = min(max(round((line.notes[-1].end_seconds - start) * RATE / HOP), 1), frames)
    tail = out[max(last - _RELEASE_FRAMES, 0) : last]
    tail += np.linspace(0, -2.5, len(tail), dtype=np.float32)[:, None]
    padded = np.pad(out, ((1, 1), (0, 0)), mode="edge")
    return np.asarray((padded[:-2] + padded[1:-1] * 2 + padded[2:]) / 4, np.float32)


def _stretched(source: int, wanted: int, *, is_held: bool) -> NDArray[np.intp]:
    """Which envelope stands at each hop: a held sound waits in its middle rather than go slowly."""
    places = np.linspace(0, source - 1, wanted)
    if is_held and wanted > source:
        rise, fall = int(source * _HELD_BEGIN), source - int(source * _HELD_END)
        wait = np.linspace(source * _HELD_BEGIN, source * _HELD_END, wanted - rise - fall)
        places = np.concatenate([np.arange(rise), wait, np.arange(source - fall, source)])
    return np.clip(np.round(places), 0, source - 1).astype(np.intp)


def _with_gains(line: SungLine) -> Iterator[tuple[Laid, float]]:
    """Each sound with the gain of its syllable: the vowel decides it, the consonants follow."""
    velocities = [note.velocity for note in line.notes if note.syllable is not None]
    gains = {laid.syllable: _gain(laid) * velocities[laid.syllable] for laid in line.sounds if laid.is_held}
    return ((laid, gains[laid.syllable]) for laid in line.sounds)


def _gain(laid: Laid) -> float:
    if laid.phone.envelopes is None:
        return 1.0
    power = np.exp(2 * laid.phone.envelopes).mean(axis=1)
    return float(np.exp(_EVENNESS * (_LEVEL - 0.5 * np.log(max(np.quantile(power, 0.7), 1e-9)))))


def _hertz(
    notes: tuple[SungNote, ...], part: Part, start: float, samples: int, dice: np.random.Generator
) -> NDArray[np.float64]:
    """The pitch at each sample: from note to note in a glide, then still, then with vibrato."""
    seconds = start + np.arange(0, samples, HOP) / RATE
    cents = np.full(len(seconds), float(part.pitches[0] * 100))
    vibrato = np.zeros(len(seconds))
    for index, note in enumerate(notes):
        place = (seconds - note.start_seconds) / _GLIDE_SECONDS + 0.6
        if index:
            glide = 0.5 - 0.5 * np.cos(np.pi * np.clip(place, 0, 1))
            cents += (part.pitches[index] - part.pitches[index - 1]) * 100 * glide
        age = seconds - note.start_seconds
        depth = np.clip((age - _VIBRATO_AFTER_SECONDS) / _VIBRATO_RISE_SECONDS, 0, 1)
        within = (age >= 0) & (seconds < note.end_seconds + _AFTER_SECONDS)
        vibrato = np.where(within, depth * _VIBRATO_CENTS * np.sin(2 * np.pi * _VIBRATO_HZ * age), vibrato)
    drift = np.interp(seconds, seconds[:: len(seconds) // 8 + 1], _drift(seconds, dice))
    cents += vibrato + drift + part.cents
    every = np.interp(np.arange(samples) / HOP, np.arange(len(seconds)), cents)
    return np.asarray(440 * 2 ** ((every / 100 - 69) / 12), np.float64)


def _drift(seconds: NDArray[np.float64], dice: np.random.Generator) -> NDArray[np.float64]:
    return dice.normal(0, _DRIFT_CENTS, len(seconds[:: len(seconds) // 8 + 1]))


def _add_noise(mono: Samples, laid: Laid, start: float, gain: float) -> None:
    """The end of the noise, which is what tells one stop from another."""
    noise = laid.phone.noise
    assert noise is not None  # noqa: S101 - whoever calls has looked
    count = min(max(round((laid.end_seconds - laid.start_seconds) * RATE), 1), len(noise))
    kept = noise[len(noise) - count :] * np.float32(gain)
    ramp = min(44, count)
    kept[:ramp] *= np.linspace(0, 1, ramp, dtype=np.float32)
    first = max(round((laid.end_seconds - start) * RATE) - count, 0)
    room = mono[first : first + count]
    room += kept[: len(room)]
