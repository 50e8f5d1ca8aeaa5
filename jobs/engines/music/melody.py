"""The lead: a few motifs, repeated with one thing changed at a time, bent to the chords below."""

from dataclasses import dataclass

import numpy as np

from jobs.engines.music.prompts import Brief
from jobs.engines.music.score import COMMON_TIME, Bars, Grid, Harmony, Metre, Note, SongPlan
from jobs.engines.music.singing.score import Vocals
from jobs.engines.music.theory import nearest, scale_of

LOWEST, HIGHEST = 62, 78  # a tenth: what one voice sings without strain
_LOW_VOICES = frozenset(("sax", "overdrive", "strings", "brass", "piano", "viola", "nylon", "steel", "acid"))
_CELLS = (
    ((0, 8), (0, 6, 12), (4, 10), (0, 10), (0,)),
    ((0, 4, 6, 10), (0, 3, 6, 8, 12), (2, 4, 8, 12, 14), (0, 6, 8, 14), (0, 4, 8, 10, 12), (4, 6, 8, 12)),
    (
        (0, 2, 4, 6, 8, 10, 12),
        (0, 3, 6, 8, 11, 14),
        (0, 2, 3, 6, 8, 10, 14),
        (2, 4, 6, 8, 10, 12, 14),
        (0, 3, 4, 6, 10, 12),
    ),
)
_TRIPLE_CELLS = (
    ((0,), (0, 6), (0, 9), (3, 6)),
    ((0, 6, 9), (0, 3, 6), (0, 4, 6, 10), (2, 3, 6, 9), (0, 8)),
    ((0, 2, 3, 5, 6, 9), (0, 3, 5, 6, 8, 9), (0, 2, 4, 6, 8, 10), (1, 2, 3, 6, 8, 9)),
)
_PHRASE = ("a", "a'", "b", "a''")  # four motifs of two bars
_BREATH_STEPS = 3
_WIDEST_LEAP = 7


@dataclass(frozen=True)
class Motif:
    """Two bars: where its notes begin, and how far each lies from the middle, in steps of the scale."""

    onsets: tuple[int, ...]
    contour: tuple[int, ...]

    def turned(self, dice: np.random.Generator) -> "Motif":
        """The same rhythm with another end."""
        kept = max(len(self.contour) - 2, 1)
        end = [int(step) for step in dice.integers(-2, 3, len(self.contour) - kept)]
        return Motif(self.onsets, (*self.contour[:kept], *(self.contour[kept - 1] + step for step in end)))

    def raised(self, steps: int) -> "Motif":
        """The same motif, higher."""
        return Motif(self.onsets, tuple(step + steps for step in self.contour))


def write_lead(
    plan: SongPlan,
    brief: Brief,
    grid: Grid,
    form: tuple[Bars, ...],
    harmonies: tuple[Harmony, ...],
    vocals: Vocals | None = None,
) -> tuple[Note, ...]:
    """The lead of the whole song; it rests in the intro and the break, or where one sings, and ends on the tonic."""
    writer = _Writer(brief, grid, harmonies)
    density = brief.style.lead_density
    last_chorus = max((section.first for section in form if section.energy > 0.9), default=-1)
    for section in form:
        if _is_resting(section, grid, vocals):
            continue
        dice = plan.draw(f"melody {section.name}")
        sparse = density - (section.energy < 0.55)
        motif = _invent(dice, min(max(sparse, 0), 2), grid.metre)
        writer.write_section(section, motif.raised(2 if section.energy > 0.9 else 0), dice)
        if section.first == last_chorus and len(form) > 4:
            writer.harmonise(section)
    if not grid.is_loop:
        writer.write_end()
    return tuple(sorted(writer.notes, key=lambda note: note.start_seconds))


def _is_resting(section: Bars, grid: Grid, vocals: Vocals | None) -> bool:
    if vocals is None:
        return section.name in ("intro", "break") and grid.bars > section.count
    start, end = grid.at(section.first), grid.at(section.end)
    return any(start <= line.notes[0].start_seconds < end for line in vocals.lines)


def _invent(dice: np.random.Generator, density: int, metre: Metre) -> Motif:
    cells = (_CELLS if metre == COMMON_TIME else _TRIPLE_CELLS)[density]
    first, second = (cells[int(index)] for index in dice.integers(len(cells), size=2))
    onsets = (*first, *(metre.steps + step for step in second if step < metre.steps - _BREATH_STEPS))
    contour, place, leap = [], int(dice.integers(-1, 3)), 0
    for _ in onsets:
        contour.append(place)
        free = int(dice.choice((-3, -2, -1, -1, 0, 1, 1, 2, 4)))
        leap = free if abs(leap) <= 1 else -1 if leap > 0 else 1  # after a leap, a step back
        if abs(place + leap) > 5:
            leap = -leap
        place += leap
    return Motif(onsets, tuple(contour))


class _Writer:
    """Turns motifs into notes above the chords."""

    def __init__(self, brief: Brief, grid: Grid, harmonies: tuple[Harmony, ...]) -> None:
        self._voice, self._grid = brief.lead, grid
        self._scale = scale_of(brief.tonic, brief.mode)
        self._tonic = brief.tonic
        self._drop = -5 if brief.lead in _LOW_VOICES else 0
        self._centre = nearest((LOWEST + HIGHEST) / 2 + self._drop - 2, (brief.tonic, self._scale[4]))
        self._chords = {(chord.bar, step): chord for chord in harmonies for step in _steps_of(chord)}
        self.notes: list[Note] = []

    def write_section(self, section: Bars, motif: Motif, dice: np.random.Generator) -> None:
        forms = {"a": motif, "a'": motif.turned(dice), "b": motif.raised(2).turned(dice), "a''": motif.turned(dice)}
        for index, offset in enumerate(range(0, section.count, 2)):
            name = _PHRASE[index % len(_PHRASE)]
            bars_left = section.count - offset
            is_closing = name == "a''" or bars_left <= 2
            self._write_motif(
                forms[name], section.first + offset, min(bars_left, 2), section.energy, is_closing=is_closing
            )

    def harmonise(self, section: Bars) -> None:
        """A third below, softly: the lift of the last chorus."""
        start, end = self._grid.at(section.first), self._grid.at(section.end)
        for note in [note for note in self.notes if start <= note.start_seconds < end]:
            degree = self._scale.index(note.pitch % 12) if note.pitch % 12 in self._scale else None
            if degree is not None and note.pitch - 4 >= LOWEST + self._drop:
                below = nearest(note.pitch - 3.5, (self._scale[(degree - 2) % 7],))
                self.notes.append(
                    Note(note.start_seconds, note.length_seconds, below, note.velocity * 0.55, note.voice)
                )

    def write_end(self) -> None:
        """The tonic on the last downbeat, reached from where the melody is."""
        before = self.notes[-1].pitch if self.notes else self._centre
        start = self._grid.at(self._grid.bars)
        length = max(self._grid.duration_seconds - start - 0.3, 0.3)
        self.notes.append(Note(start, length, self._kept(nearest(before, (self._tonic,))), 0.75, self._voice))

    def _write_motif(self, motif: Motif, bar: int, bars: int, energy: float, *, is_closing: bool) -> None:
        metre = self._grid.metre
        end = bars * metre.steps
        onsets = [onset for onset in motif.onsets if onset < end]
        pitch = self.notes[-1].pitch if self.notes else self._centre
        for index, onset in enumerate(onsets):
            is_last = index == len(onsets) - 1
            following = onsets[index + 1] if not is_last else end - _BREATH_STEPS
            steps = max(min(following - onset, 12 if is_closing and is_last else 8), 1)
            chord = self._chords[bar + onset // metre.steps, onset % metre.steps]
            is_strong = onset % metre.strong == 0 or steps >= 6 or is_last
            pitch = self._bend(motif.contour[index], chord, pitch, is_strong=is_strong)
            velocity = (
                0.55
                + 0.2 * energy
                + (0.12 if onset % metre.strong == 0 else 0.05 if onset % metre.steps_per_beat == 0 else 0)
            )
            start = self._grid.at(bar + onset // metre.steps, onset % metre.steps)
            length = steps * self._grid.step_seconds * (0.97 if steps > 2 else 0.85)
            self.notes.append(Note(start, length, pitch, min(velocity, 1.0), self._voice))

    def _bend(self, place: int, chord: Harmony, before: int, *, is_strong: bool) -> int:
        octave, degree = divmod(place + self._scale.index(self._centre % 12), 7)
        base = self._centre - (self._centre - self._scale[0]) % 12
        wanted = base + 12 * octave + (self._scale[degree] - self._scale[0]) % 12
        wanted = min(max(wanted, LOWEST + self._drop + 1), HIGHEST + self._drop - 1)
        tones = chord.tones if is_strong else _scale_over(self._scale, chord.tones)
        pitch = nearest(wanted, tones)
        if abs(pitch - before) > _WIDEST_LEAP:
            pitch = nearest((wanted + before) / 2, tones)
        return self._kept(pitch)

    def _kept(self, pitch: int) -> int:
        while pitch > HIGHEST + self._drop:
            pitch -= 12
        while pitch < LOWEST + self._drop:
            pitch += 12
        return pitch


def _steps_of(chord: Harmony) -> range:
    return range(chord.step, chord.step + chord.steps)


def _scale_over(scale: tuple[int, ...], tones: tuple[int, ...]) -> tuple[int, ...]:
    """The scale, but where the chord raises one of its notes the raised one."""
    raised = {(tone - 1) % 12 for tone in tones if tone not in scale}
    return tuple(tone for tone in (*scale, *tones) if tone not in raised)
