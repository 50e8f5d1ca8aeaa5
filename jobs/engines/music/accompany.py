"""Bass and chords: patterns of the style laid over the harmony."""

import re
from dataclasses import dataclass, replace

import numpy as np

from jobs.engines.music.grooves import FEELS
from jobs.engines.music.prompts import Brief
from jobs.engines.music.score import Bars, Grid, Harmony, Note, SongPlan, breaths_of, energies_of
from jobs.engines.music.styles import Layer, Style
from jobs.engines.music.theory import lead_voices, nearest

_BASS_LOW, _BASS_HIGH = 28, 45
_CHORDS_LOW, _CHORDS_HIGH = 52, 73
_VELOCITY = {"X": 0.95, "x": 0.75, "o": 0.45}
_BASS_EVENT = re.compile(r"[R5O3A]-*")
_STROKE = re.compile(r"[Xxo]-*")
_STRUM_SECONDS = 0.018
_SPREAD_VOICES = ("steel", "nylon", "piano", "grand", "epiano")
_BASS_LEAN = 0.25  # how much of the lean of the style the bass takes
_OPENING = "x"  # the song sounds from its first moment


@dataclass(frozen=True)
class Arpeggio:
    """A way through the notes of a chord: which of them, how many steps each, how far it is moved."""

    order: tuple[int, ...]  # 0 is the lowest note; one more than there are is the lowest an octave up
    stride: int = 1
    shift: int = 0
    hold: float = 0.9  # share of the stride that a note lasts


ARPEGGIOS = {
    "up": Arpeggio((0, 1, 2, 3), 1, 12),
    "updown": Arpeggio((0, 1, 2, 3, 2, 1), 1, 12),
    "up8": Arpeggio((0, 1, 2, 3), 2, 12),
    "down8": Arpeggio((3, 1, 2, 0), 2, 12),
    "lazy": Arpeggio((0, 2, 1, 3, 2), 3, 12, 1.6),
    "pulse": Arpeggio((0, 0, 2, 0)),
    "pulse8": Arpeggio((0, 0, 2, 1), 2),
    "gallop": Arpeggio((0, 0, 2, 2, 1, 1, 2, 3)),
    "acid": Arpeggio((0, 0, 3, 0, 2, 0, 3, 1, 0, 2, 0), 1, -12),
    "chip": Arpeggio((0, 1, 2, 3)),
    "weave": Arpeggio((0, 2, 3, 1, 2, 0, 3, 2), 1, 0, 0.7),
    "travis": Arpeggio((0, 2, 1, 3, 0, 2, 1, 2), 2, 0, 1.8),
    "fingers": Arpeggio((0, 1, 2, 3, 2, 1, 2, 1), 2, 0, 1.8),
    "alberti": Arpeggio((0, 2, 1, 2), 2, 0, 1.1),
    "nocturne": Arpeggio((0, 1, 2, 3, 2, 1), 2, 0, 1.8),
    "broken": Arpeggio((0, 1, 2, 1, 3, 1, 2, 1), 1, 0, 1.4),
    "roll": Arpeggio((0, 1, 2, 3, 2, 1), 2, 12, 1.5),
    "inner": Arpeggio((1, 2, 1, 0), 4, 0, 1.0),
}


def write_bass(
    plan: SongPlan, brief: Brief, grid: Grid, form: tuple[Bars, ...], harmonies: tuple[Harmony, ...]
) -> tuple[Note, ...]:
    """The bass: on the root at each new chord, silent in quiet intros."""
    dice, notes, style = plan.draw("bass"), [], brief.style
    energy, breaths, metre = energies_of(form), breaths_of(form, brief.style.lift), grid.metre
    raised = 12 * style.bass_octave
    for index, chord in enumerate(harmonies[:-1]):
        level = energy[chord.bar]
        if level < 0.32 and grid.bars > 8:
            continue
        is_busy = level > 0.45 or style.bass_voice == "upright"
        pattern = style.bass[level > 0.7] if is_busy else "R" + "-" * (metre.steps - 1)
        last_step = metre.half if chord.bar in breaths else metre.steps
        part = pattern[chord.step : min(chord.step + chord.steps, last_step)]
        if chord.step and "R" not in part:
            part = "R" + part[1:]
        for found in _BASS_EVENT.finditer(part):
            step = chord.step + found.start()
            start = grid.at(chord.bar, step) + 0.002 * dice.random() + _late_seconds(style, step) * _BASS_LEAN
            length = len(found[0]) * grid.step_seconds * 0.96
            pitch = _bass_pitch(found[0][0], chord, harmonies[index + 1]) + raised
            loud = (0.7 + 0.2 * (step % metre.strong == 0)) * (0.75 + 0.25 * level)
            notes.append(Note(max(start, 0.0), length, pitch, loud, style.bass_voice))
    if not grid.is_loop:
        end = grid.at(grid.bars)
        notes.append(Note(end, grid.duration_seconds - end, _root(harmonies[-1]) + raised, 0.9, style.bass_voice))
    return tuple(notes)


def write_chords(
    plan: SongPlan, brief: Brief, grid: Grid, form: tuple[Bars, ...], harmonies: tuple[Harmony, ...]
) -> tuple[Note, ...]:
    """All layers of the chords; the first layer is there from the first bar to the last ring."""
    voicings: list[tuple[int, ...]] = []
    for chord in harmonies:
        voicings.append(lead_voices(voicings[-1] if voicings else (), chord.tones, _CHORDS_LOW, _CHORDS_HIGH))
    energy, breaths = energies_of(form), breaths_of(form, brief.style.lift)
    dice, notes = plan.draw("chords"), []
    player = _Player(brief.style, grid, dice)
    layers = brief.style.layers
    for number, layer in enumerate(layers):
        needed = 0.0 if number == 0 and all(other.from_energy for other in layers) else layer.from_energy
        for chord, voicing in zip(harmonies[:-1], voicings[:-1], strict=True):
            level = energy[chord.bar]
            left = grid.metre.half - chord.step if chord.bar in breaths else chord.steps
            if needed <= level < layer.to_energy and left > 0:
                short = replace(chord, steps=min(chord.steps, left))
                notes += player.play(layer, short, voicing, 0.5 + 0.5 * level)
    if not grid.is_loop:
        notes += _last_chord(grid, voicings[-1], layers[0].voice)
    return tuple(notes)


def _last_chord(grid: Grid, voicing: tuple[int, ...], voice: str) -> list[Note]:
    end = grid.at(grid.bars)
    starts = [end + rank * _STRUM_SECONDS for rank in range(len(voicing))]
    return [
        Note(start, grid.duration_seconds - start, pitch, 0.7, voice)
        for start, pitch in zip(starts, voicing, strict=True)
    ]


class _Player:
    """Plays the layers of the chords with the hands of the style."""

    def __init__(self, style: Style, grid: Grid, dice: np.random.Generator) -> None:
        self._style, self._grid, self._dice = style, grid, dice

    def play(self, layer: Layer, chord: Harmony, voicing: tuple[int, ...], loudness: float) -> list[Note]:
        """What the layer makes of one chord."""
        if layer.pattern.startswith("arp:"):
            return self._arpeggio(layer, chord, voicing, loudness)
        if layer.pattern == "hold":
            return self._stroke(layer, chord, voicing, (0, chord.steps, 0.7 * loudness))
        pattern = "x-----x---x-x---"[: self._grid.metre.steps] if layer.pattern == "strum" else layer.pattern
        if chord.bar == 0 and chord.step == 0:
            pattern = _OPENING + pattern[1:]
        notes = []
        for found in _STROKE.finditer(pattern[chord.step : chord.step + chord.steps]):
            velocity = _VELOCITY[found[0][0]] * loudness
            notes += self._stroke(layer, chord, voicing, (found.start(), len(found[0]), velocity))
        return notes

    def _stroke(
        self, layer: Layer, chord: Harmony, voicing: tuple[int, ...], stroke: tuple[int, int, float]
    ) -> list[Note]:
        step, steps, velocity = stroke
        start = self._at(chord, step)
        length = steps * self._grid.step_seconds * (1.0 if steps > 4 else 0.9)
        spread = _STRUM_SECONDS if layer.pattern == "strum" else 0.004 if layer.voice in _SPREAD_VOICES else 0.0
        pitches = (voicing[0] - 12, voicing[0] - 5, voicing[0]) if layer.voice == "crunch" else voicing
        rolls = (spread * rank * (0.8 + 0.4 * self._dice.random()) for rank in range(len(pitches)))
        return [
            Note(start + roll, length, pitch, velocity * layer.gain, layer.voice)
            for roll, pitch in zip(rolls, pitches, strict=True)
        ]

    def _arpeggio(self, layer: Layer, chord: Harmony, voicing: tuple[int, ...], loudness: float) -> list[Note]:
        arp = ARPEGGIOS[layer.pattern.removeprefix("arp:")]
        tones = (*voicing, voicing[0] + 12)
        notes = []
        for index, step in enumerate(range(0, chord.steps, arp.stride)):
            pitch = tones[arp.order[index % len(arp.order)] % len(tones)] + arp.shift
            accent = 0.7 if (chord.step + step) % self._grid.metre.steps_per_beat == 0 else 0.5
            velocity = (accent + 0.08 * self._dice.random()) * loudness * layer.gain
            length = arp.stride * self._grid.step_seconds * arp.hold
            notes.append(Note(self._at(chord, step), length, pitch, velocity, layer.voice))
        return notes

    def _at(self, chord: Harmony, step: int) -> float:
        late = _late_seconds(self._style, chord.step + step)
        return max(self._grid.at(chord.bar, chord.step + step) + late, 0.0)


def _late_seconds(style: Style, step: int) -> float:
    """How late the style plays a step: chords lean with the drums, the bass keeps nearer to the kick."""
    late = FEELS[style.feel].late_ms
    return late[step % len(late)] / 1000


def _root(chord: Harmony) -> int:
    return nearest((_BASS_LOW + _BASS_HIGH) / 2 - 1, (chord.tones[0],))


def _bass_pitch(mark: str, chord: Harmony, following: Harmony) -> int:
    root = _root(chord)
    if mark == "A":
        goal = _root(following)
        return goal + (2 if goal < root else -1) if goal != root else root + 7 - 12 * (root > 38)
    if mark in "53":
        tone = chord.tones[min(2 if mark == "5" else 1, len(chord.tones) - 1)]
        return nearest(root + (6 if root < 38 else -3), (tone,))
    return root + 12 * (mark == "O")
