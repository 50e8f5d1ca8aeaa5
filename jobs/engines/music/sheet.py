"""The score as MIDI, for whoever wants to play it on other instruments."""

from collections.abc import Iterable
from pathlib import Path

from jobs.engines.music.score import Note, Score
from jobs.engines.music.singing.score import Vocals
from jobs.formats.midi import DRUM_CHANNEL, MidiNote, MidiPart, write_midi

_DRUM_KEYS = {
    "kick": 36,
    "snare": 38,
    "clap": 39,
    "hat": 42,
    "open": 46,
    "ride": 51,
    "crash": 49,
    "shaker": 70,
    "tom": 47,
    "floor": 43,
    "rim": 37,
    "riser": 55,
    "reverse": 55,
    "impact": 41,
    "conga": 63,
    "cowbell": 56,
}
PROGRAMS = {
    "round": 33,
    "sub": 38,
    "saw": 38,
    "picked": 34,
    "eight08": 38,
    "upright": 32,
    "cello": 42,
    "epiano": 4,
    "piano": 0,
    "warm": 89,
    "wide": 90,
    "strings": 48,
    "spiccato": 48,
    "organ": 16,
    "clav": 7,
    "steel": 25,
    "crunch": 30,
    "blip": 87,
    "pluck": 45,
    "bell": 14,
    "glass": 92,
    "vibes": 11,
    "flute": 73,
    "sax": 65,
    "brass": 61,
    "solo": 81,
    "square": 80,
    "overdrive": 29,
    "nylon": 24,
    "muted": 28,
    "deep": 33,
    "triangle": 38,
    "acid": 87,
    "stab": 81,
    "super": 81,
    "pulse": 80,
    "thin": 80,
    "chip": 80,
    "reed": 22,
    "accordion": 21,
    "fiddle": 40,
    "viola": 41,
    "choir": 52,
    "horns": 60,
    "grand": 0,
}
_HIT_BEATS = 0.125
_VOCAL_CHANNEL, _VOCAL_VOICE = 3, "choir"


def write_sheet(path: Path, score: Score) -> None:
    """Drums, bass, chords and lead as tracks, the sections as markers."""
    metre = score.grid.metre
    quarter = score.grid.bar_seconds / metre.quarters
    drums = [
        MidiNote(hit.start_seconds / quarter, _HIT_BEATS, _DRUM_KEYS[hit.drum], _midi_velocity(hit.velocity))
        for hit in score.hits
    ]
    parts = [MidiPart("drums", DRUM_CHANNEL, None, drums)]
    for channel, (name, notes) in enumerate(score.parts.items()):
        program = PROGRAMS[notes[0].voice] if notes else None
        parts.append(MidiPart(name, channel, program, list(_midi_notes(notes, quarter))))
    if score.vocals is not None:
        parts.append(_vocal_part(score.vocals, quarter))
    markers = [(float(section.first * metre.quarters), section.name) for section in score.form]
    write_midi(path, parts, 60 / quarter, markers, metre.signature)


def _vocal_part(vocals: Vocals, quarter_seconds: float) -> MidiPart:
    sung = [note for line in vocals.lines for note in line.notes]
    notes = [
        Note(note.start_seconds, note.end_seconds - note.start_seconds, note.pitch, note.velocity, _VOCAL_VOICE)
        for note in sung
    ]
    words = [(note.start_seconds / quarter_seconds, note.text) for note in sung if note.text]
    program = PROGRAMS[_VOCAL_VOICE]
    return MidiPart("vocals", _VOCAL_CHANNEL, program, list(_midi_notes(notes, quarter_seconds)), words)


def _midi_notes(notes: Iterable[Note], quarter_seconds: float) -> Iterable[MidiNote]:
    for note in notes:
        start, length = note.start_seconds / quarter_seconds, note.length_seconds / quarter_seconds
        yield MidiNote(start, length, note.pitch, _midi_velocity(note.velocity))


def _midi_velocity(velocity: float) -> int:
    return min(max(round(velocity * 127), 1), 127)
