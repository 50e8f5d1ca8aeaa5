"""Songs whose beats, bars, key and sections are known: made here, apart from the product's composer."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 44_100
Signal = NDArray[np.float64]

PITCHES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)


@dataclass(frozen=True)
class Genre:
    """How a genre goes: its tempi, the strokes of one bar in sixteenths, and its timbre."""

    name: str
    slowest_bpm: float
    fastest_bpm: float
    kick: str
    snare: str
    hat: str
    chords: str  # where the chord is struck
    bass: str
    beats_per_bar: int = 4
    swing: float = 0.5
    timbre: str = "organ"
    degrees: tuple[tuple[int, ...], ...] = ((0, 4, 5, 3), (5, 3, 0, 4))
    lead_density: float = 0.5
    minor_share: float = 0.5


GENRES = (
    Genre(
        "rock",
        100,
        150,
        "x-------x-x-----",
        "----x-------x---",
        "x-x-x-x-x-x-x-x-",
        "x-------x-------",
        "x-x-x-x-x-x-x-x-",
    ),
    Genre(
        "pop",
        90,
        128,
        "x-----x-x-------",
        "----x-------x---",
        "x-x-x-x-x-x-x-x-",
        "x---x---x---x---",
        "x-----x-x---x---",
    ),
    Genre(
        "house",
        118,
        130,
        "x---x---x---x---",
        "----x-------x---",
        "--x---x---x---x-",
        "--x---x---x---x-",
        "--x---x---x---x-",
    ),
    Genre(
        "dnb",
        165,
        178,
        "x---------x-----",
        "----x-------x---",
        "x-x-x-x-x-x-x-x-",
        "x---------------",
        "x-----x---x-----",
        timbre="pad",
    ),
    Genre(
        "hiphop",
        78,
        98,
        "x------x--x-----",
        "----x-------x---",
        "x-x-x-xxx-x-x-x-",
        "x---------------",
        "x------x--x-----",
        swing=0.56,
    ),
    Genre(
        "reggae",
        66,
        92,
        "--------x-------",
        "--------x-------",
        "x-x-x-x-x-x-x-x-",
        "----x-------x---",
        "x---x-x-x---x---",
    ),
    Genre(
        "jazz",
        110,
        190,
        "----------------",
        "----------------",
        "x---x-xxx---x-xx",
        "--x-------x-----",
        "x---x---x---x---",
        swing=0.66,
        timbre="piano",
    ),
    Genre(
        "waltz",
        90,
        170,
        "x-----------",
        "----x---x---",
        "x---x---x---",
        "----x---x---",
        "x-----------",
        beats_per_bar=3,
        timbre="piano",
    ),
    Genre(
        "ballad",
        60,
        84,
        "x-------x-------",
        "----x-------x---",
        "x-x-x-x-x-x-x-x-",
        "x---x---x---x---",
        "x-------x-------",
        timbre="pad",
    ),
    Genre("piano", 66, 120, "", "", "", "x---x---x---x---", "x-------x-------", timbre="piano", lead_density=0.8),
    Genre("folk", 84, 140, "", "", "----------------", "x-x-x-x-x-x-x-x-", "x-------x-------", timbre="pluck"),
    Genre("ambient", 60, 96, "", "", "", "x---------------", "x---------------", timbre="pad", lead_density=0.3),
    Genre(
        "funk",
        96,
        118,
        "x--x------x--x--",
        "----x--x-x--x---",
        "xxxxxxxxxxxxxxxx",
        "--x--x----x--x--",
        "x--x--x-x-x--x--",
    ),
    Genre(
        "techno",
        125,
        140,
        "x---x---x---x---",
        "------------x---",
        "--x---x---x---x-",
        "---x--x----x--x-",
        "--xx--xx--xx--xx",
        timbre="pad",
    ),
    Genre(
        "metal",
        130,
        180,
        "x-xxx-xxx-xxx-xx",
        "----x-------x---",
        "x---x---x---x---",
        "x-xxx-xxx-xxx-xx",
        "x-xxx-xxx-xxx-xx",
    ),
    Genre(
        "bossa",
        110,
        140,
        "x-----x-x-----x-",
        "x--x--x---x--x--",
        "x-x-x-x-x-x-x-x-",
        "x--x--x---x--x--",
        "x-----x-x-----x-",
        timbre="pluck",
    ),
)


@dataclass(frozen=True)
class Song:
    """Sound, and what is true of it."""

    genre: str
    samples: Signal
    tempo_bpm: float
    beats_seconds: Signal
    downbeats_seconds: Signal
    beats_per_bar: int
    key: int
    is_minor: bool
    sections: list[tuple[float, str]]  # where each begins, and which of them are alike


def make_songs(count: int, seconds: float = 40.0, seed: int = 1) -> list[Song]:
    """Songs of all genres in turn; every fourth drifts in tempo."""
    return [
        make_song(GENRES[n % len(GENRES)], seconds, np.random.default_rng([seed, n]), drifts=n % 4 == 3)
        for n in range(count)
    ]


class _Clock:
    """Where each beat lies, when the tempo drifts."""

    def __init__(self, tempo_bpm: float, beats: int, dice: np.random.Generator, *, drifts: bool) -> None:
        period = 60 / tempo_bpm
        wobble = 0.03 * np.sin(np.arange(beats + 8) / 16 + dice.uniform(0, 6)) if drifts else np.zeros(beats + 8)
        lengths = period * (1 + wobble)
        self.beats = 0.3 + np.concatenate([[0.0], np.cumsum(lengths)])

    def at(self, beat: float) -> float:
        """Seconds at a place between beats."""
        return float(np.interp(beat, np.arange(len(self.beats)), self.beats))


def make_song(genre: Genre, seconds: float, dice: np.random.Generator, *, drifts: bool) -> Song:
    """One song of a genre, about this long."""
    tempo = float(dice.uniform(genre.slowest_bpm, genre.fastest_bpm))
    bars = max(int(seconds * tempo / 60 / genre.beats_per_bar), 8)
    clock = _Clock(tempo, bars * genre.beats_per_bar, dice, drifts=drifts)
    key, is_minor = int(dice.integers(12)), bool(dice.random() < genre.minor_share)
    writer = _Writer(genre, clock, key, MINOR if is_minor else MAJOR, dice, clock.at(bars * genre.beats_per_bar) + 1.0)
    form = _form(bars, dice)
    for bar, name in enumerate(form):
        writer.write_bar(bar, name)
    beats = clock.beats[: bars * genre.beats_per_bar + 1]
    starts = [bar for bar in range(bars) if bar == 0 or form[bar] != form[bar - 1]]
    return Song(
        genre=genre.name,
        samples=writer.finish(),
        tempo_bpm=60 / float(np.median(np.diff(beats))),
        beats_seconds=beats,
        downbeats_seconds=beats[:: genre.beats_per_bar],
        beats_per_bar=genre.beats_per_bar,
        key=key,
        is_minor=is_minor,
        sections=[(float(beats[bar * genre.beats_per_bar]), form[bar]) for bar in starts],
    )


def _form(bars: int, dice: np.random.Generator) -> list[str]:
    order, length = ["intro", "verse", "chorus", "verse", "chorus", "bridge", "chorus"], int(dice.choice([4, 8]))
    names: list[str] = []
    for name in order * 4:
        names += [name] * (4 if name == "intro" else length)
    return names[:bars]


class _Writer:
    """Puts strokes and notes where they belong."""

    def __init__(
        self,
        genre: Genre,
        clock: _Clock,
        key: int,
        scale: tuple[int, ...],
        dice: np.random.Generator,
        seconds: float,
    ) -> None:
        self.genre, self.clock, self.key, self.dice = genre, clock, key, dice
        self.scale = scale
        self.steps = 4 * genre.beats_per_bar
        self.out = np.zeros(int(seconds * SAMPLE_RATE) + SAMPLE_RATE)
        self.drums = _make_drums(dice)
        self.degrees = {
            name: genre.degrees[int(dice.integers(len(genre.degrees)))]
            for name in ("verse", "chorus", "bridge", "intro")
        }
        self.degrees["verse"] = (0, *self.degrees["verse"][1:])
        self.phrases = {name: dice.integers(-3, 5, 64) for name in self.degrees}
        self.gaps = {name: dice.random(64) < genre.lead_density for name in self.degrees}

    def write_bar(self, bar: int, name: str) -> None:
        loud = {"intro": 0.6, "verse": 0.8, "chorus": 1.0, "bridge": 0.7}[name]
        root = 0 if bar == 0 else self.degrees[name][bar % 4]
        chord = [self._pitch(root + third) for third in (0, 2, 4)]
        for drum, pattern, level in (
            ("kick", self.genre.kick, 1),
            ("snare", self.genre.snare, 0.8),
            ("hat", self.genre.hat, 0.3),
        ):
            if name == "intro" and drum == "snare":
                continue
            for step in _struck(pattern):
                accent = 1.15 if step % 4 == 0 else 0.9
                self._add(self.drums[drum], bar, step, level * loud * accent * self.dice.uniform(0.8, 1.1))
        strikes = _struck(self.genre.chords)
        for n, step in enumerate(strikes):
            length = (strikes[n + 1] if n + 1 < len(strikes) else self.steps) - step
            for pitch in chord:
                self._note(self.genre.timbre, 48 + self.key + pitch, bar, step, length, 0.16 * loud)
        for n, step in enumerate(hits := _struck(self.genre.bass)):
            length = (hits[n + 1] if n + 1 < len(hits) else self.steps) - step
            self._note("bass", 36 + self.key + chord[0] % 12, bar, step, min(length, 6), 0.35 * loud)
        if name in ("verse", "chorus"):
            self._write_lead(bar, name, root, loud)

    def _write_lead(self, bar: int, name: str, root: int, loud: float) -> None:
        for step in range(0, self.steps, 2):
            place = (bar % 4) * 16 + step
            if self.gaps[name][place % 64]:
                degree = (
                    root + 2 * int(self.dice.integers(3)) if step % 8 == 0 else 7 + int(self.phrases[name][place % 64])
                )
                high = 12 if name == "chorus" else 0
                self._note("lead", 60 + self.key + self._pitch(degree) + high, bar, step, 2, 0.18 * loud)

    def _pitch(self, degree: int) -> int:
        octave, place = divmod(degree, 7)
        return 12 * octave + self.scale[place]

    def _at(self, bar: int, step: float) -> float:
        beat, within = divmod(step / 4, 1)
        half = within * 2
        swung = half * self.genre.swing if half < 1 else self.genre.swing + (half - 1) * (1 - self.genre.swing)
        return self.clock.at(bar * self.genre.beats_per_bar + beat + swung) + float(self.dice.normal(0, 0.005))

    def _note(self, timbre: str, pitch: int, bar: int, step: int, steps: int, level: float) -> None:
        seconds = max(self._at(bar, step + steps) - self._at(bar, step), 0.08)
        self._add(_tone(timbre, pitch, seconds), bar, step, level * float(self.dice.uniform(0.8, 1.1)))

    def _add(self, sound: Signal, bar: int, step: int, level: float) -> None:
        start = max(int(self._at(bar, step) * SAMPLE_RATE), 0)
        room = self.out[start : start + len(sound)]
        room += sound[: len(room)] * level

    def finish(self) -> Signal:
        noise = self.dice.normal(0, 1e-3, len(self.out))
        mixed = np.tanh(self.out * 1.2) + noise
        return np.asarray(mixed / np.abs(mixed).max() * 0.8)


def _struck(pattern: str) -> list[int]:
    return [step for step, mark in enumerate(pattern) if mark == "x"]


def _make_drums(dice: np.random.Generator) -> dict[str, Signal]:
    t = np.arange(int(0.35 * SAMPLE_RATE)) / SAMPLE_RATE
    noise = dice.normal(0, 1, len(t))
    bright = np.concatenate([[0.0], np.diff(noise)])
    kick = np.sin(2 * np.pi * (50 * t + 6 * (1 - np.exp(-t * 40)))) * np.exp(-t * 11)
    snare = noise * np.exp(-t * 22) * 0.6 + np.sin(2 * np.pi * 190 * t) * np.exp(-t * 26) * 0.6
    return {"kick": kick, "snare": snare, "hat": bright * np.exp(-t * 55)}


def _tone(timbre: str, pitch: int, seconds: float) -> Signal:
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    t = np.arange(int((seconds + 0.12) * SAMPLE_RATE)) / SAMPLE_RATE
    slope, attack, decay = {
        "organ": (1.2, 0.01, 0.4),
        "piano": (1.5, 0.004, 2.2),
        "pad": (1.6, 0.15, 0.1),
        "pluck": (1.1, 0.003, 5.0),
        "bass": (1.6, 0.008, 1.5),
        "lead": (1.3, 0.02, 0.8),
    }[timbre]
    wave = sum(
        np.sin(2 * np.pi * hertz * k * t + k) * k**-slope for k in range(1, 14) if hertz * k < SAMPLE_RATE * 0.45
    )
    envelope = np.minimum(t / attack, 1) * np.exp(-t * decay) * np.clip((seconds + 0.1 - t) / 0.1, 0, 1)
    return np.asarray(wave * envelope)
