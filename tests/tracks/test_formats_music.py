"""Export formats of a song: WAV, M4A, peaks and MIDI."""

import json
import struct
import wave
from pathlib import Path

import av
import numpy as np
import pytest

from jobs.engines.music import SongPlan
from jobs.engines.music.compose import compose
from jobs.engines.music.sheet import write_sheet
from jobs.formats.m4a import M4aWriter
from jobs.formats.midi import DRUM_CHANNEL, MidiNote, MidiPart, write_midi
from jobs.formats.peaks import choose_samples_per_pixel, write_peaks
from jobs.formats.wav import WavWriter

RATE = 44_100


def make_tone(
    seconds: float, hertz: float = 440.0, level: float = 0.5
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    tone = level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)
    return np.stack([tone, tone * 0.5]).astype(np.float32)


def read_chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    chunks, at = [], 0
    while at < len(content):
        name, size = struct.unpack(">4sI", content[at : at + 8])
        chunks.append((name, content[at + 8 : at + 8 + size]))
        at += 8 + size
    return chunks


def read_notes(track: bytes) -> list[tuple[int, int, int, int]]:
    """(tick, kind, channel, pitch) of each note event; fails on whatever is no MIDI."""
    events, at, now = [], 0, 0

    def number() -> int:
        nonlocal at
        total = 0
        while True:
            byte = track[at]
            at += 1
            total = total << 7 | byte & 0x7F
            if byte < 0x80:
                return total

    while at < len(track):
        now += number()
        status = track[at]
        at += 1
        if status == 0xFF:
            at += 1
            size = number()
            at += size
        elif status >> 4 == 0xC:
            at += 1
        else:
            assert status >> 4 in (8, 9)
            events.append((now, status >> 4, status & 15, track[at]))
            at += 2
    assert at == len(track)
    return events


def test_wav_keeps_samples_within_two_steps_and_does_not_wrap_at_full_scale(tmp_path: Path) -> None:
    tone = make_tone(0.5, level=1.2)
    with WavWriter(tmp_path / "tone.wav") as writer:
        for start in range(0, tone.shape[1], 5000):
            writer.write(tone[:, start : start + 5000])
    with wave.open(str(tmp_path / "tone.wav")) as file:
        frames = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2).T
    assert np.abs(frames - np.clip(tone, -1, 1) * 32767).max() <= 2


@pytest.mark.parametrize("channels", [1, 2])
def test_m4a_is_aac_with_its_index_first_and_gives_the_tone_back(tmp_path: Path, channels: int) -> None:
    tone = make_tone(1.0)[:channels]
    for name in ("one.m4a", "two.m4a"):
        with M4aWriter(tmp_path / name, bits_per_second=96_000 * channels, channels=channels) as writer:
            for start in range(0, RATE, 10_000):
                writer.write(tone[:, start : start + 10_000])
    content = (tmp_path / "one.m4a").read_bytes()
    assert content == (tmp_path / "two.m4a").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    assert b"Lavf" not in content
    with av.open(str(tmp_path / "one.m4a")) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
        heard = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)
    assert heard.shape[0] == channels
    noise = heard[:, 2000:40_000] - tone[:, 2000:40_000]
    assert float((noise**2).mean()) < 0.01 * float((tone**2).mean())


def test_peaks_hold_the_extremes_of_every_pixel(tmp_path: Path) -> None:
    samples = np.zeros((2, 1000), np.float32)
    samples[:, 300] = 1.0
    samples[:, 700] = -0.5
    write_peaks(tmp_path / "peaks.json", samples, RATE)
    peaks = json.loads((tmp_path / "peaks.json").read_text())
    assert peaks["samples_per_pixel"] == 256
    assert peaks["length"] == 4
    assert peaks["data"] == [0, 0, 0, 127, -64, 0, 0, 0]


def test_peaks_of_long_songs_stay_small() -> None:
    assert choose_samples_per_pixel(60 * RATE) == 512
    assert 600 * RATE / choose_samples_per_pixel(600 * RATE) <= 8192


def test_midi_parses_and_every_note_that_begins_also_ends(tmp_path: Path) -> None:
    score = compose(SongPlan("a song", 30, 3, "funk"))[1]
    write_sheet(tmp_path / "song.mid", score)
    (name, header), *tracks = read_chunks((tmp_path / "song.mid").read_bytes())
    assert name == b"MThd"
    assert struct.unpack(">HHH", header) == (1, 5, 480)
    assert all(name == b"MTrk" and track.endswith(b"\x00\xff\x2f\x00") for name, track in tracks)
    counts = [len(score.hits), len(score.bass), len(score.chords), len(score.lead)]
    for count, (_, track) in zip(counts, tracks[1:], strict=True):
        events = read_notes(track)
        assert sum(kind == 9 for _, kind, _, _ in events) == sum(kind == 8 for _, kind, _, _ in events) == count
    assert {channel for _, _, channel, _ in read_notes(tracks[1][1])} == {DRUM_CHANNEL}


def test_midi_places_notes_by_the_beat(tmp_path: Path) -> None:
    part = MidiPart("solo", 0, 12, [MidiNote(1.5, 2.0, 60, 100)])
    write_midi(tmp_path / "one.mid", [part], 120, [(0, "intro")])
    tracks = read_chunks((tmp_path / "one.mid").read_bytes())
    assert b"\xff\x51\x03\x07\xa1\x20" in tracks[1][1]  # 500 000 µs a beat
    assert read_notes(tracks[2][1]) == [(720, 9, 0, 60), (1680, 8, 0, 60)]
