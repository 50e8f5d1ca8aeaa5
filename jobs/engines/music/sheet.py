"""The score as MIDI, for whoever wants to play it on other instruments."""

from collections.abc import Iterable
from pathlib import Path

from jobs.engines.music.score import Note, Score
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
}
_PROGRAMS = {
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
    "voice": 52,
}
_HIT_BEATS = 0.125


def write_sheet(path: Path, score: Score) -> None:
    """Drums, bass, chords and lead as tracks, the sections as markers."""
    beat = score.grid.beat_seconds
    drums = [
        MidiNote(hit.start_seconds / beat, _HIT_BEATS, _DRUM_KEYS[hit.drum], _midi_velocity(hit.velocity))
        for hit in score.hits
    ]
    parts = [MidiPart("drums", DRUM_CHANNEL, None, drums)]
    for channel, (name, notes) in enumerate((("bass", score.bass), ("chords", score.chords), ("lead", score.lead))):
        program = _PROGRAMS[notes[0].voice] if notes else None
        parts.append(MidiPart(name, channel, program, list(_midi_notes(notes, beat))))
    markers = [(section.first * 4.0, section.name) for section in score.form]
    write_midi(path, parts, score.grid.tempo_bpm, markers)


def _midi_notes(notes: Iterable[Note], beat_seconds: float) -> Iterable[MidiNote]:
    for note in notes:
        start, length = note.start_seconds / beat_seconds, note.length_seconds / beat_seconds
        yield MidiNote(start, length, note.pitch, _midi_velocity(note.velocity))


def _midi_velocity(velocity: float) -> int:
    return min(max(round(velocity * 127), 1), 127)
