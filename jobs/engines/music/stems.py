"""Stems: the notes of one part, sounded, coloured and levelled block by block, so that length costs no memory."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle

import numpy as np

from jobs.engines.music.kits import KITS, make_strokes
from jobs.engines.music.prompts import Brief
from jobs.engines.music.rooms import BLOCK, Convolver, Room
from jobs.engines.music.score import Grid, Hit, Note, Score, SongPlan
from jobs.engines.music.styles import Style
from jobs.engines.music.voices import SAMPLE_RATE, Instrument, Signal, longest_samples

STEMS = ("drums", "bass", "chords", "lead")
_LEVELS_DB = {"drums": -2.0, "bass": -5.5, "chords": -9.5, "lead": -7.5}
_AIR_DB = 3.0
_PUMPED = {"bass": 0.8, "chords": 1.0, "lead": 0.4}
_DUCK = np.concatenate(
    [  # down within 5 ms, 30 ms held, 160 ms back
        np.linspace(0, 1, 220, dtype=np.float32),
        np.ones(1323, np.float32),
        np.cos(np.linspace(0, np.pi / 2, 7056, dtype=np.float32)) ** 2,
    ]
)
_LONGEST_HIT_SECONDS = 6.0
_FADE_SECONDS = 0.9


@dataclass(frozen=True)
class Sounding:
    """A stroke or note at its first sample."""

    first: int
    play: Callable[[], Signal]
    gain: float


class Fader:
    """Gain at each sample: the stem's level, the duck under the kick, the fade of the tail."""

    def __init__(self, decibel: float, pump: float, hits: tuple[Hit, ...], samples: int) -> None:
        self._gain, self._pump, self.samples = 10 ** (decibel / 20), pump, samples
        self._kicks = [(_sample(hit.start_seconds), hit.velocity) for hit in hits if hit.drum == "kick"]

    def gain(self, start: int, end: int) -> Signal:
        """The gain from one sample to another."""
        level = 1 - np.float32(self._pump) * self._duck(start, end) if self._pump else np.ones(end - start, np.float32)
        fade = int(_FADE_SECONDS * SAMPLE_RATE)
        left = np.float32(self.samples - 1) - np.arange(start, end, dtype=np.float32)
        level *= np.sin(np.minimum(left / np.float32(fade), 1) * np.float32(np.pi / 2)) ** 2
        return np.asarray(level * np.float32(self._gain), np.float32)

    def _duck(self, start: int, end: int) -> Signal:
        """1 under a kick, 0 long after it."""
        duck = np.zeros(end - start + 2 * len(_DUCK), np.float32)
        for first, velocity in self._kicks:
            at = first - start + len(_DUCK)
            if 0 <= at < len(duck) - len(_DUCK):
                room = duck[at : at + len(_DUCK)]
                np.maximum(room, _DUCK * np.float32(velocity), out=room)
        return duck[len(_DUCK) : -len(_DUCK)]


class Stem:
    """Gives the part's blocks in order; the last one is cut to the end of the song."""

    def __init__(self, soundings: list[Sounding], longest: int, room: Convolver, fader: Fader) -> None:
        self._soundings, self._room, self._fader = soundings, room, fader
        self._next = 0
        self._block = 0
        self._buffer = np.zeros((2, BLOCK + longest), np.float32)

    def read_block(self) -> Signal:
        """The next block of the stem as it stands in the mix."""
        start, end = self._block * BLOCK, min((self._block + 1) * BLOCK, self._fader.samples)
        while self._next < len(self._soundings) and self._soundings[self._next].first < end:
            self._add(self._soundings[self._next], start)
            self._next += 1
        out = self._room.apply(self._buffer[:, :BLOCK])[:, : end - start]
        self._buffer[:, :-BLOCK] = self._buffer[:, BLOCK:].copy()
        self._buffer[:, -BLOCK:] = 0
        self._block += 1
        return out * self._fader.gain(start, end)

    def _add(self, sounding: Sounding, start: int) -> None:
        signal, at = sounding.play(), sounding.first - start
        room = self._buffer[:, at : at + signal.shape[1]]
        room += signal[:, : room.shape[1]] * np.float32(sounding.gain)


def open_stems(plan: SongPlan, brief: Brief, score: Score) -> dict[str, Stem]:
    """The four stems of the song; they add up to its mix before the master bus."""
    samples = round(plan.duration_seconds * SAMPLE_RATE)
    parts = {"bass": score.bass, "chords": score.chords, "lead": score.lead}
    rooms = {name: Convolver(_room(name, brief.style, score.grid), plan.draw(f"room {name}")) for name in STEMS}
    stems = {}
    for name in STEMS:
        style = brief.style
        decibel = _LEVELS_DB[name] + style.levels.get(name, 0.0)
        fader = Fader(decibel, style.pump * _PUMPED.get(name, 0.0), score.hits, samples)
        if name == "drums":
            soundings, longest = _drum_soundings(plan, brief, score), int(_LONGEST_HIT_SECONDS * SAMPLE_RATE)
        else:
            soundings, longest = _note_soundings(parts[name]), longest_samples(parts[name])
        stems[name] = Stem(soundings, max(longest, BLOCK), rooms[name], fader)
    return stems


def _drum_soundings(plan: SongPlan, brief: Brief, score: Score) -> list[Sounding]:
    drums = {hit.drum for hit in score.hits}
    riser_seconds = min(2 * score.grid.bar_seconds, _LONGEST_HIT_SECONDS - 0.1)
    strokes = make_strokes(KITS[brief.style.kit], drums, plan.draw("kit"), riser_seconds)
    hands = {drum: cycle(made) for drum, made in strokes.items()}
    soundings = []
    for hit in score.hits:
        stroke = next(hands[hit.drum])
        soundings.append(Sounding(_sample(hit.start_seconds), lambda stroke=stroke: stroke, hit.velocity**1.4))  # type: ignore[misc]
    return soundings


def _note_soundings(notes: tuple[Note, ...]) -> list[Sounding]:
    instrument = Instrument()
    ordered = sorted(notes, key=lambda note: note.start_seconds)
    return [
        Sounding(_sample(note.start_seconds), lambda note=note: instrument.play(note), note.velocity)  # type: ignore[misc]
        for note in ordered
    ]


def _room(stem: str, style: Style, grid: Grid) -> Room:
    echo_seconds = 3 * grid.beat_seconds / 4
    seconds = style.reverb_seconds
    return {
        "drums": Room(32, _AIR_DB + style.brightness * 0.7, 0.06, min(seconds, 0.7)),
        "bass": Room(36, _AIR_DB),
        "chords": Room(140, _AIR_DB + style.brightness, 0.22 * seconds, seconds),
        "lead": Room(190, _AIR_DB + style.brightness, 0.2 * seconds, seconds, style.echo, min(echo_seconds, 0.48)),
    }[stem]


def _sample(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)
