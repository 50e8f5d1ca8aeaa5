"""The score: a song as plain notes, before anything sounds."""

import hashlib
import json
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from jobs.engines.music.singing.score import Vocals


@dataclass(frozen=True)
class Metre:
    """How a bar divides: beats, steps of each, the step where a bar splits in two, and its name on paper."""

    beats: int
    steps_per_beat: int
    half: int
    strong: int  # every so many steps the weight falls
    quarters: int  # quarter notes as a bar is written
    signature: tuple[int, int]

    @property
    def steps(self) -> int:
        """Steps of a bar."""
        return self.beats * self.steps_per_beat


_NO_TAIL_SECONDS = 0.02
COMMON_TIME = Metre(4, 4, 8, 8, 4, (4, 4))
THREE_FOUR = Metre(3, 4, 4, 12, 3, (3, 4))
TWELVE_EIGHT = Metre(4, 3, 6, 6, 6, (12, 8))


@dataclass(frozen=True)
class Reference:
    """What was heard in a recording that a song takes after; None where that was not plain."""

    tempo_bpm: float | None = None
    key: str | None = None
    mode: str | None = None


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
    reference: Reference | None = None

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
    """A stretch of the form, counted in bars; energy is 0..1 in its middle, and rises or falls by so much."""

    name: str
    first: int
    count: int
    energy: float
    rise: float = 0.0

    @property
    def end(self) -> int:
        """The bar after the last."""
        return self.first + self.count

    def energy_at(self, bar: int) -> float:
        """The energy of one of its bars."""
        return self.energy + self.rise * ((bar - self.first + 0.5) / self.count - 0.5)


@dataclass(frozen=True)
class Grid:
    """Where bars and steps lie in time."""

    tempo_bpm: float
    bars: int
    duration_seconds: float
    swing: float = 0.5  # share of the first half of each swung pair
    swung_steps: int = 2  # length of a pair: 2 swings sixteenths, 4 swings eighths
    metre: Metre = COMMON_TIME

    @property
    def beat_seconds(self) -> float:
        """One beat."""
        return 60 / self.tempo_bpm

    @property
    def bar_seconds(self) -> float:
        """One bar."""
        return self.metre.beats * self.beat_seconds

    @property
    def step_seconds(self) -> float:
        """The smallest part of a beat that anything falls on."""
        return self.beat_seconds / self.metre.steps_per_beat

    @property
    def is_loop(self) -> bool:
        """Whether the bars fill the song, so that its end meets its beginning."""
        return self.duration_seconds - self.bars * self.bar_seconds < _NO_TAIL_SECONDS

    def at(self, bar: int, step: float = 0) -> float:
        """Seconds at a step of a bar, swung."""
        pair, within = divmod(step, self.swung_steps)
        half = self.swung_steps / 2
        if within < half:
            moved = within * 2 * self.swing
        else:
            moved = self.swung_steps * self.swing + (within - half) * 2 * (1 - self.swing)
        return bar * self.bar_seconds + (pair * self.swung_steps + moved) * self.step_seconds


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
    """The whole song as notes, and what of the prompt is in it."""

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
    understood: tuple[str, ...] = ()
    vocals: Vocals | None = None

    @property
    def parts(self) -> dict[str, tuple[Note, ...]]:
        """The pitched parts by the names of their stems."""
        return {"bass": self.bass, "chords": self.chords, "lead": self.lead}


def energies_of(form: tuple[Bars, ...]) -> dict[int, float]:
    """The energy of every bar."""
    return {bar: section.energy_at(bar) for section in form for bar in range(section.first, section.end)}


def breaths_of(form: tuple[Bars, ...], lift: str) -> frozenset[int]:
    """The bars whose second half holds its breath, because something much louder follows; none without a lift."""
    return frozenset(
        now.end - 1
        for now, following in pairwise(form)
        if lift != "none"
        and following.name in ("drop", "chorus")
        and following.energy > now.energy + 0.2
        and now.count >= 4
    )
