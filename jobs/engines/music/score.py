"""The score: a song as plain notes, before anything sounds."""

import hashlib
import json
from dataclasses import dataclass

import numpy as np

STEPS_PER_BAR = 16
STEPS_PER_BEAT = 4


@dataclass(frozen=True)
class SongPlan:
    """Everything the song depends on; equal plans give equal bytes."""

    prompt: str
    duration_seconds: float
    seed: int
    style: str | None
    tempo_bpm: float | None = None
    key: str | None = None
    has_vocals: bool = False
    lyrics: str | None = None

    def draw(self, purpose: str) -> np.random.Generator:
        """The dice for one purpose; the duration is left out, so that a longer song begins like the shorter one."""
        identity = json.dumps([purpose, self.prompt, self.seed, self.style, self.has_vocals, self.lyrics])
        digest = hashlib.blake2b(identity.encode(), digest_size=16).digest()
        return np.random.default_rng(int.from_bytes(digest, "big"))


@dataclass(frozen=True)
class Section:
    """A named part of the form."""

    start_seconds: float
    end_seconds: float
    name: str


@dataclass(frozen=True)
class Chord:
    """A named chord and how long it holds."""

    start_seconds: float
    end_seconds: float
    name: str


@dataclass(frozen=True)
class Note:
    """One note of a voice; velocity is 0..1."""

    start_seconds: float
    length_seconds: float
    pitch: int
    velocity: float
    voice: str


@dataclass(frozen=True)
class Hit:
    """One stroke of the kit; velocity is 0..1."""

    start_seconds: float
    drum: str
    velocity: float


@dataclass(frozen=True)
class Bars:
    """A stretch of the form, counted in bars; energy is 0..1."""

    name: str
    first: int
    count: int
    energy: float

    @property
    def end(self) -> int:
        """The bar after the last."""
        return self.first + self.count


@dataclass(frozen=True)
class Grid:
    """Where bars and steps lie in time."""

    tempo_bpm: float
    bars: int
    duration_seconds: float
    swing: float = 0.5  # share of the first half of each swung pair
    swung_steps: int = 2  # length of a pair: 2 swings sixteenths, 4 swings eighths

    @property
    def beat_seconds(self) -> float:
        """One quarter note."""
        return 60 / self.tempo_bpm

    @property
    def bar_seconds(self) -> float:
        """Four quarter notes."""
        return 4 * self.beat_seconds

    def at(self, bar: int, step: float = 0) -> float:
        """Seconds at a step of a bar, swung."""
        pair, within = divmod(step, self.swung_steps)
        half = self.swung_steps / 2
        if within < half:
            moved = within * 2 * self.swing
        else:
            moved = self.swung_steps * self.swing + (within - half) * 2 * (1 - self.swing)
        return bar * self.bar_seconds + (pair * self.swung_steps + moved) * self.beat_seconds / STEPS_PER_BEAT


@dataclass(frozen=True)
class Harmony:
    """One chord of the song: where it lies in the bars, its root, its notes as pitch classes, root first."""

    bar: int
    step: int
    steps: int
    tones: tuple[int, ...]
    name: str


@dataclass(frozen=True)
class Score:
    """The whole song as notes."""

    title: str
    style: str
    key: str
    mode: str
    grid: Grid
    form: tuple[Bars, ...]
    harmonies: tuple[Harmony, ...]
    hits: tuple[Hit, ...]
    bass: tuple[Note, ...]
    chords: tuple[Note, ...]
    lead: tuple[Note, ...]
