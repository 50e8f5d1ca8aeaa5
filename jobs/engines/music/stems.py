"""Stems: the notes of one part, sounded, coloured and levelled block by block, so that length costs no memory."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle

import numpy as np

from jobs.engines.music.kits import KITS, make_strokes
from jobs.engines.music.prompts import Brief
from jobs.engines.music.rooms import BLOCK, Convolver, Room
from jobs.engines.music.score import Grid, Hit, Note, Score, SongPlan
from jobs.engines.music.singing import singer
from jobs.engines.music.singing.score import Vocals
from jobs.engines.music.styles import Style
from jobs.engines.music.voices import SAMPLE_RATE, Instrument, Signal, even_out, longest_samples

STEMS = ("drums", "bass", "chords", "lead")
VOCALS = "vocals"
_LEVELS_DB = {"drums": -2.0, "bass": -5.5, "chords": -9.5, "lead": -7.5, VOCALS: 5.0}
_MADE_WAY = {"chords": 0.26, "lead": 0.3, "drums": 0.08}  # of their gain, while somebody sings
_WAY_SECONDS = 0.15
_AIR_DB = 1.0
_PUMPED = {"bass": 0.8, "chords": 1.0, "lead": 0.4}
_DUCK = np.concatenate(
    [  # down within 5 ms, 30 ms held, 160 ms back
        np.linspace(0, 1, 220, dtype=np.float32),
        np.ones(1323, np.float32),
        np.cos(np.linspace(0, np.pi / 2, 7056, dtype=np.float32)) ** 2,
    ]
)
_PLACES = (-0.3, 0.38, -0.05, 0.2)  # where the voices of the chords stand, one after the other
_LONGEST_HIT_SECONDS = 6.0
_FADE_SECONDS, _LONG_FADE_SECONDS, _LOOP_FADE_SECONDS = 0.9, 8.0, 0.004


@dataclass(frozen=True)
class Sounding:
    """A stroke or note at its first sample."""

    first: int
    play: Callable[[], Signal]
    gain: float
    sides: Signal | None = None  # gains of left and right, where it stands off the middle


class Fader:
    """Gain at each sample: the stem's level, the duck under the kick, the fade of the tail."""

    def __init__(
        self,
        decibel: float,
        pump: float,
        hits: tuple[Hit, ...],
        samples: int,
        fade_seconds: float = _FADE_SECONDS,
        way: "Way | None" = None,
    ) -> None:
        self._gain, self._pump, self.samples, self._fade_seconds = 10 ** (decibel / 20), pump, samples, fade_seconds
        self._way = way
        self._kicks = [(_sample(hit.start_seconds), hit.velocity) for hit in hits if hit.drum == "kick"]

    def gain(self, start: int, end: int) -> Signal:
        """The gain from one sample to another."""
        level = 1 - np.float32(self._pump) * self._duck(start, end) if self._pump else np.ones(end - start, np.float32)
        if self._way is not None:
            level *= self._way.gain(start, end)
        fade = int(self._fade_seconds * SAMPLE_RATE)
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


class Way:
    """The gain of a part that makes way for who sings."""

    def __init__(self, vocals: Vocals, share: float) -> None:
        seconds, levels = [-1.0], [1.0]
        for line in vocals.lines:
            start, end = line.sounds[0].start_seconds, line.sounds[-1].end_seconds
            if start - _WAY_SECONDS <= seconds[-1]:
                del seconds[-2:], levels[-2:]
            else:
                seconds += [start - _WAY_SECONDS, start]
                levels += [1.0, 1 - share]
            seconds += [end, end + _WAY_SECONDS]
            levels += [1 - share, 1.0]
        self._samples, self._levels = np.array(seconds) * SAMPLE_RATE, np.array(levels)

    def gain(self, start: int, end: int) -> Signal:
        """The gain from one sample to another."""
        return np.asarray(np.interp(np.arange(start, end), self._samples, self._levels), np.float32)


class Stem:
    """Gives the part's blocks in order; the last one is cut to the end of the song."""

    def __init__(self, soundings: list[Sounding], longest: int, room: Convolver, fader: Fader) -> None:
        self._soundings, self._room, self._fader = soundings, room, fader
        self._next = 0
        self._block = 0
        self._buffer = np.zeros((room.channels, BLOCK + longest), np.float32)

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
        heard = signal if len(room) == len(signal) else signal.mean(axis=0, keepdims=True)
        gain = np.float32(sounding.gain) if sounding.sides is None else sounding.sides * np.float32(sounding.gain)
        room += heard[:, : room.shape[1]] * gain


def open_stems(plan: SongPlan, brief: Brief, score: Score) -> dict[str, Stem]:
    """The stems of the song; they add up to its mix before the master bus."""
    samples = round(plan.duration_seconds * SAMPLE_RATE)
    parts = score.parts
    rooms = {
        name: Convolver(
            _room(name, brief.style, score.grid), plan.draw(f"room {name}"), channels=1 if name == "bass" else 2
        )
        for name in list_stems(plan)
    }
    stems = {}
    for name, room in rooms.items():
        style = brief.style
        decibel = _LEVELS_DB[name] + style.levels.get(name, 0.0)
        pump = style.pump * _PUMPED.get(name, 0.0)
        way = Way(score.vocals, _MADE_WAY[name]) if score.vocals and name in _MADE_WAY else None
        fader = Fader(decibel, pump, score.hits, samples, _fade_seconds(brief, score), way)
        if name == "drums":
            soundings, longest = _drum_soundings(plan, brief, score), int(_LONGEST_HIT_SECONDS * SAMPLE_RATE)
        elif name == VOCALS and score.vocals:
            soundings, longest = _sung_soundings(plan, score.vocals), singer.longest_samples(score.vocals)
        else:
            soundings, longest = _note_soundings(parts[name], name), longest_samples(parts[name])
        stems[name] = Stem(soundings, max(longest, BLOCK), room, fader)
    return stems


def list_stems(plan: SongPlan) -> tuple[str, ...]:
    """The names of the stems that the song has."""
    return (*STEMS, VOCALS) if plan.has_vocals else STEMS


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


def _note_soundings(notes: tuple[Note, ...], name: str) -> list[Sounding]:
    instrument = Instrument()
    voices = list(dict.fromkeys(note.voice for note in notes))
    sides = {voice: _sides(place) for voice, place in zip(voices, cycle(_PLACES), strict=False)}
    evened = {voice: even_out(voice) if name == "lead" else 1.0 for voice in voices}
    ordered = sorted(notes, key=lambda note: note.start_seconds)
    return [
        Sounding(
            _sample(note.start_seconds),
            lambda note=note: instrument.play(note),  # type: ignore[misc]
            note.velocity * evened[note.voice],
            sides[note.voice] if name == "chords" else None,
        )
        for note in ordered
    ]


def _sung_soundings(plan: SongPlan, vocals: Vocals) -> list[Sounding]:
    soundings = [
        Sounding(
            singer.first_sample(line, part),
            lambda index=index, line=line, part=part: singer.sing(plan, index, line, part),  # type: ignore[misc]
            1.0,
        )
        for index, line in enumerate(vocals.lines)
        for part in singer.parts_of(line)
    ]
    return sorted(soundings, key=lambda sounding: sounding.first)


def _fade_seconds(brief: Brief, score: Score) -> float:
    if score.grid.is_loop:
        return _LOOP_FADE_SECONDS
    return min(_LONG_FADE_SECONDS, score.grid.duration_seconds / 4) if "fade" in brief.marks else _FADE_SECONDS


def _sides(place: float) -> Signal:
    """Gains of left and right that keep the power; a place lies between -1 and 1."""
    angle = (place + 1) * np.pi / 4
    return np.array([[np.cos(angle)], [np.sin(angle)]], np.float32) * np.float32(np.sqrt(2))


def _room(stem: str, style: Style, grid: Grid) -> Room:
    echo_seconds = 3 * grid.beat_seconds / 4
    seconds = style.reverb_seconds
    return {
        "drums": Room(32, _AIR_DB + style.brightness * 0.7, 0.06, min(seconds, 0.7)),
        "bass": Room(36, _AIR_DB),
        "chords": Room(140, _AIR_DB + style.brightness, 0.22 * seconds, seconds),
        "lead": Room(190, _AIR_DB + style.brightness, 0.2 * seconds, seconds, style.echo, min(echo_seconds, 0.48)),
        VOCALS: Room(110, _AIR_DB, 0.16 * seconds, seconds, style.echo * 0.5, min(echo_seconds, 0.48)),
    }[stem]


def _sample(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)
