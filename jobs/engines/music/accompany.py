"""Bass and chords: patterns of the style laid over the harmony."""

import re

import numpy as np

from jobs.engines.music.prompts import Brief
from jobs.engines.music.score import Bars, Grid, Harmony, Note, SongPlan
from jobs.engines.music.styles import Layer
from jobs.engines.music.theory import lead_voices, nearest

_BASS_LOW, _BASS_HIGH = 28, 45
_CHORDS_LOW, _CHORDS_HIGH = 52, 73
_VELOCITY = {"X": 0.95, "x": 0.75, "o": 0.45}
_BASS_EVENT = re.compile(r"[R5O3A]-*")
_STROKE = re.compile(r"[Xxo]-*")
_STRUM_SECONDS = 0.018
_SPREAD_VOICES = ("steel", "piano", "epiano")
_ARPS = {
    "up": (0, 1, 2, 3), "updown": (0, 1, 2, 3, 2, 1), "up8": (0, 1, 2, 3), "down8": (3, 1, 2, 0), "pulse": (0, 0, 2, 0),
}  # fmt: skip


def write_bass(
    plan: SongPlan, brief: Brief, grid: Grid, form: tuple[Bars, ...], harmonies: tuple[Harmony, ...]
) -> tuple[Note, ...]:
    """The bass: on the root at each new chord, silent in quiet intros."""
    dice, notes = plan.draw("bass"), []
    energy = {bar: section.energy for section in form for bar in range(section.first, section.end)}
    is_walking = brief.style.bass_voice == "upright"
    for index, chord in enumerate(harmonies[:-1]):
        level = energy[chord.bar]
        if level < 0.32 and grid.bars > 8:
            continue
        pattern = brief.style.bass[level > 0.7] if level > 0.45 or is_walking else "R---------------"
        following = harmonies[index + 1]
        for found in _BASS_EVENT.finditer(pattern[chord.step : chord.step + chord.steps] or "R---"):
            pitch = _bass_pitch(found[0][0], chord, following)
            start = grid.at(chord.bar, chord.step + found.start()) + 0.002 * dice.random()
            length = len(found[0]) * grid.beat_seconds / 4 * 0.96
            notes.append(Note(start, length, pitch, 0.7 + 0.2 * (found.start() % 8 == 0), brief.style.bass_voice))
    last = harmonies[-1]
    end = grid.at(grid.bars)
    notes.append(Note(end, grid.duration_seconds - end, _root(last), 0.9, brief.style.bass_voice))
    return tuple(notes)


def write_chords(
    plan: SongPlan, brief: Brief, grid: Grid, form: tuple[Bars, ...], harmonies: tuple[Harmony, ...]
) -> tuple[Note, ...]:
    """All layers of the chords; the first layer is there from the first bar to the last ring."""
    voicings: list[tuple[int, ...]] = []
    for chord in harmonies:
        voicings.append(lead_voices(voicings[-1] if voicings else (), chord.tones, _CHORDS_LOW, _CHORDS_HIGH))
    energy = {bar: section.energy for section in form for bar in range(section.first, section.end)}
    dice, notes = plan.draw("chords"), []
    layers = brief.style.layers
    for number, layer in enumerate(layers):
        needed = 0.0 if number == 0 and all(other.from_energy for other in layers) else layer.from_energy
        for chord, voicing in zip(harmonies[:-1], voicings[:-1], strict=True):
            if energy[chord.bar] >= needed:
                notes += _play_layer(layer, grid, chord, voicing, dice, 0.85 + 0.15 * energy[chord.bar])
    end = grid.at(grid.bars)
    for rank, pitch in enumerate(voicings[-1]):
        start = end + rank * _STRUM_SECONDS
        notes.append(Note(start, grid.duration_seconds - start, pitch, 0.8, layers[0].voice))
    return tuple(notes)


def _play_layer(
    layer: Layer, grid: Grid, chord: Harmony, voicing: tuple[int, ...], dice: np.random.Generator, loudness: float
) -> list[Note]:
    if layer.pattern.startswith("arp:"):
        return _arpeggio(layer, grid, chord, voicing, loudness)
    if layer.pattern == "hold":
        return _stroke(layer, grid, chord, voicing, (0, chord.steps, 0.7 * loudness), dice)
    pattern = "x-----x---x-x---" if layer.pattern == "strum" else layer.pattern
    if chord.bar == 0 and chord.step == 0:
        pattern = "x" + pattern[1:]  # the song sounds from its first moment
    notes = []
    for found in _STROKE.finditer(pattern[chord.step : chord.step + chord.steps]):
        velocity = _VELOCITY[found[0][0]] * loudness
        notes += _stroke(layer, grid, chord, voicing, (found.start(), len(found[0]), velocity), dice)
    return notes


def _stroke(
    layer: Layer,
    grid: Grid,
    chord: Harmony,
    voicing: tuple[int, ...],
    stroke: tuple[int, int, float],
    dice: np.random.Generator,
) -> list[Note]:
    step, steps, velocity = stroke
    start = grid.at(chord.bar, chord.step + step)
    length = steps * grid.beat_seconds / 4 * (1.0 if steps > 4 else 0.9)
    spread = _STRUM_SECONDS if layer.pattern == "strum" else 0.004 if layer.voice in _SPREAD_VOICES else 0.0
    pitches = (voicing[0] - 12, voicing[0] - 5, voicing[0]) if layer.voice == "crunch" else voicing
    return [
        Note(start + rank * spread * (0.8 + 0.4 * dice.random()), length, pitch, velocity * layer.gain, layer.voice)
        for rank, pitch in enumerate(pitches)
    ]


def _arpeggio(layer: Layer, grid: Grid, chord: Harmony, voicing: tuple[int, ...], loudness: float) -> list[Note]:
    name = layer.pattern.removeprefix("arp:")
    stride = 2 if name.endswith("8") else 1
    order = _ARPS[name]
    tones = (*voicing, voicing[0] + 12)
    notes = []
    for index, step in enumerate(range(0, chord.steps, stride)):
        pitch = tones[order[index % len(order)] % len(tones)] + (0 if name == "pulse" else 12)
        velocity = (0.7 if step % 4 == 0 else 0.5) * loudness * layer.gain
        start = grid.at(chord.bar, chord.step + step)
        notes.append(Note(start, stride * grid.beat_seconds / 4 * 0.9, pitch, velocity, layer.voice))
    return notes


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
