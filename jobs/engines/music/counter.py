"""The answer: a second voice, slow below the lead where the song has come round, clear where the lead rests."""

from jobs.engines.music.prompts import Brief
from jobs.engines.music.score import Bars, Grid, Harmony, Note, SongPlan
from jobs.engines.music.singing.score import Vocals
from jobs.engines.music.theory import nearest

_LOW, _HIGH = 55, 71
_FROM_ENERGY = 0.6
_SOFT, _CLEAR = 0.4, 0.62
_REST_STEPS = 3


def write_counter(
    plan: SongPlan,
    brief: Brief,
    grid: Grid,
    form: tuple[Bars, ...],
    harmonies: tuple[Harmony, ...],
    lead: tuple[Note, ...],
    vocals: Vocals | None = None,
) -> tuple[Note, ...]:
    """Guide tones, thirds or sevenths led by steps, in sections whose kind has been heard; none while one sings."""
    if not brief.style.counter or len(form) < 3:
        return ()
    heard: set[str] = set()
    bars: set[int] = set()
    for section in form:
        if section.energy > _FROM_ENERGY and (section.name in heard or section.energy > 0.9):
            bars |= set(range(section.first, section.end))
        heard.add(section.name)
    dice = plan.draw("counter")
    pitch, notes = 62.0 + 2 * dice.random(), []
    starts = [note.start_seconds for note in lead]
    sung = [(line.sounds[0].start_seconds, line.sounds[-1].end_seconds) for line in vocals.lines] if vocals else []
    for chord in harmonies[:-1]:
        if chord.bar not in bars:
            continue
        pitch = _guide(chord, pitch)
        start = grid.at(chord.bar, chord.step)
        length = (chord.steps - _REST_STEPS / 2) * grid.step_seconds
        is_free = not any(start < other < start + length / 2 for other in starts)
        notes.append(Note(start, length, int(pitch), _CLEAR if is_free else _SOFT, brief.style.counter))
        notes += _answer(grid, chord, int(pitch), starts, brief.style.counter)
    return tuple(note for note in notes if not _meets(note, sung))


def _meets(note: Note, sung: list[tuple[float, float]]) -> bool:
    end = note.start_seconds + note.length_seconds
    return any(start < end and note.start_seconds < stop for start, stop in sung)


def _guide(chord: Harmony, before: float) -> int:
    """The third or the seventh that lies nearest, within the range."""
    tones = chord.tones[1::2] or chord.tones
    pitch = nearest(before, tones)
    while pitch > _HIGH:
        pitch -= 12
    while pitch < _LOW:
        pitch += 12
    return pitch


def _answer(grid: Grid, chord: Harmony, pitch: int, starts: list[float], voice: str) -> list[Note]:
    """Two notes of the chord in the last beat of the bar, where the lead leaves it free."""
    metre = grid.metre
    step = metre.steps - metre.steps_per_beat
    if chord.step + chord.steps < metre.steps or chord.step > step:
        return []
    start, end = grid.at(chord.bar, step), grid.at(chord.bar + 1)
    if any(start - grid.step_seconds < other < end for other in starts):
        return []
    length = (end - start) / 2
    upper = nearest(pitch + 4, chord.tones)
    return [
        Note(start, length * 0.9, upper, _CLEAR, voice),
        Note(start + length, length * 0.9, pitch, _CLEAR, voice),
    ]
