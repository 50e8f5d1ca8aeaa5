"""Standard MIDI files, type 1: a tempo track with markers, then one track for each part."""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_BEAT = 480
DRUM_CHANNEL = 9


@dataclass(frozen=True)
class MidiNote:
    """One note; positions in quarter notes from the start."""

    start_beats: float
    length_beats: float
    pitch: int
    velocity: int


@dataclass(frozen=True)
class MidiPart:
    """One track of the file."""

    name: str
    channel: int
    program: int | None
    notes: Sequence[MidiNote]
    lyrics: Sequence[tuple[float, str]] = ()  # beats, and what is sung from there


def write_midi(
    path: Path,
    parts: Sequence[MidiPart],
    tempo_bpm: float,
    markers: Sequence[tuple[float, str]],
    signature: tuple[int, int] = (4, 4),
) -> None:
    """Write the parts at one tempo, in quarter notes a minute; markers are (quarter, text)."""
    tracks = [_tempo_track(tempo_bpm, markers, signature), *(_part_track(part) for part in parts)]
    header = struct.pack(">4sIHHH", b"MThd", 6, 1, len(tracks), TICKS_PER_BEAT)
    path.write_bytes(header + b"".join(tracks))


def _tempo_track(tempo_bpm: float, markers: Sequence[tuple[float, str]], signature: tuple[int, int]) -> bytes:
    tempo = struct.pack(">I", round(60_000_000 / tempo_bpm))[1:]
    beats, unit = signature
    clicks = 36 if unit == 8 else 24  # MIDI clocks from one beat of the metronome to the next
    metre = bytes([0xFF, 0x58, 4, beats, unit.bit_length() - 1, clicks, 8])
    events = [(0, b"\xff\x51\x03" + tempo), (0, metre)]
    return _track([*events, *((_ticks(beat), _text(6, text)) for beat, text in markers)])


def _part_track(part: MidiPart) -> bytes:
    events = [(0, _text(3, part.name))]
    if part.program is not None:
        events.append((0, bytes([0xC0 | part.channel, part.program])))
    sounding = [(_ticks(beat), 0, _text(5, text)) for beat, text in part.lyrics]
    for note in part.notes:
        start, end = _ticks(note.start_beats), _ticks(note.start_beats + note.length_beats)
        sounding.append((start, 1, bytes([0x90 | part.channel, note.pitch, note.velocity])))
        sounding.append((max(end, start + 1), 0, bytes([0x80 | part.channel, note.pitch, 0])))
    return _track([*events, *((tick, event) for tick, _, event in sorted(sounding))])


def _track(events: Iterable[tuple[int, bytes]]) -> bytes:
    body, now = bytearray(), 0
    for tick, event in events:
        body += _variable_length(tick - now) + event
        now = tick
    body += b"\x00\xff\x2f\x00"
    return struct.pack(">4sI", b"MTrk", len(body)) + bytes(body)


def _text(kind: int, text: str) -> bytes:
    encoded = text.encode()
    return bytes([0xFF, kind]) + _variable_length(len(encoded)) + encoded


def _ticks(beats: float) -> int:
    return max(round(beats * TICKS_PER_BEAT), 0)


def _variable_length(number: int) -> bytes:
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(0x80 | number & 0x7F)
    return bytes(reversed(groups))
