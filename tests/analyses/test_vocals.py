"""Where somebody sings: in songs of our own whose singing is known, in speech over music, and where nobody does."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from jobs.engines.analyses.songs import analyse_recording
from jobs.engines.analyses.spectra import SAMPLE_RATE
from jobs.engines.analyses.voices import FRAMES_PER_SECOND, VocalStretch, list_stretches, read_voice
from jobs.engines.music import SongPlan, render_song
from jobs.engines.recordings import decode_mono, decode_stereo
from jobs.engines.speech.beats import hear_singing, place_lines
from jobs.engines.speech.words import read_text
from tests.lyrics.speaking import SONG, speak

LYRICS = """[Verse]
Morning light on the window pane
I hear the sound of the summer rain
[Chorus]
Hold me now and never let go
We are dancing in the falling snow"""
SECONDS = 40
STYLES = {"rock": 2, "lofi": 4, "pop": 1}


@dataclass(frozen=True)
class Sung:
    """A song, and when each of its lines is sung."""

    samples: np.ndarray
    text: str
    lines: Sequence[tuple[float, float]]
    beats_seconds: list[float]


def ignore(_fraction: float, _stage: str = "") -> None:
    """Report to nobody."""


@cache
def make_song(style: str, *, is_sung: bool) -> Sung:
    lyrics = LYRICS if is_sung else None
    plan = SongPlan("a warm evening", SECONDS, STYLES[style], style, has_vocals=is_sung, lyrics=lyrics)
    with TemporaryDirectory() as folder:
        song = render_song(plan, Path(folder), ignore)
        samples = decode_stereo(song.mix, ignore)
    lines = song.vocals.lines if song.vocals else ()
    text = "\n".join(" ".join(word.text for word in line.words) for line in lines)
    spans = [(line.words[0].start_seconds, line.words[-1].end_seconds) for line in lines]
    return Sung(samples, text, spans, song.beats_seconds)


def hear(samples: np.ndarray) -> list[VocalStretch]:
    return list_stretches(read_voice(samples.mean(axis=0)))


def draw(stretches: Sequence[tuple[float, float]], seconds: float) -> np.ndarray:
    """Whether somebody sings, for every tenth of a second."""
    drawn = np.zeros(round(seconds * FRAMES_PER_SECOND), bool)
    for start, end in stretches:
        drawn[round(start * FRAMES_PER_SECOND) : round(end * FRAMES_PER_SECOND)] = True
    return drawn


def agree(found: list[VocalStretch], true: Sequence[tuple[float, float]], seconds: float) -> float:
    heard = draw([(one.start_seconds, one.end_seconds) for one in found], seconds)
    return float((heard == draw(true, seconds)).mean())


@pytest.mark.parametrize("style", STYLES)
def test_lines_that_are_sung_are_heard_where_they_are(style: str) -> None:
    song = make_song(style, is_sung=True)
    found = hear(song.samples)
    assert agree(found, song.lines, SECONDS) >= 0.8
    ends = [0.0, *(time for one in found for time in (one.start_seconds, one.end_seconds))]
    assert ends == sorted(ends), "in order, and apart"
    assert all(0.25 <= one.confidence <= 1 for one in found)


@pytest.mark.parametrize("style", STYLES)
def test_where_nobody_sings_hardly_anything_is_heard_and_nothing_for_sure(style: str) -> None:
    found = hear(make_song(style, is_sung=False).samples)
    assert agree(found, [], SECONDS) >= 0.8
    assert max((one.confidence for one in found), default=0) < 0.5


def test_voice_over_music_is_heard_for_sure(tmp_path: Path) -> None:
    music = make_song("rock", is_sung=False).samples.copy()
    spoken = speak(SONG[:3], tmp_path / "spoken.wav", pause_seconds=0.1)
    voice = decode_mono(spoken.path, SAMPLE_RATE, ignore)
    first = 12 * SAMPLE_RATE
    part = music[:, first : first + len(voice)]
    part += voice * np.sqrt(np.square(part).mean() / np.square(voice).mean())
    found = hear(music)
    assert agree(found, [(12.0, 12.0 + spoken.duration_seconds)], SECONDS) >= 0.85
    assert max(one.confidence for one in found) > 0.7


@pytest.mark.parametrize("sound", ["silence", "noise", "tone", "nothing", "a click"])
def test_what_is_no_song_has_no_voice(sound: str) -> None:
    at = np.arange(6 * SAMPLE_RATE) / SAMPLE_RATE
    samples = {
        "silence": np.zeros(len(at)),
        "noise": np.random.default_rng(1).normal(0, 0.1, len(at)),
        "tone": 0.3 * np.sin(2 * np.pi * 440 * at),
        "nothing": np.zeros(0),
        "a click": np.eye(1, len(at), 1000)[0],
    }[sound]
    found = hear(np.stack([samples, samples]).astype(np.float32))
    assert max((one.confidence for one in found), default=0) < 0.5


def test_analysis_tells_them_and_they_are_the_same_each_time(tmp_path: Path) -> None:
    spoken = speak(SONG[:3], tmp_path / "spoken.wav")
    heard = analyse_recording(spoken.path, ignore)
    assert heard.vocals
    assert heard.vocals[-1].end_seconds <= heard.duration_seconds + 0.1
    assert analyse_recording(spoken.path, ignore).vocals == heard.vocals


@pytest.mark.parametrize("style", STYLES)
def test_beat_begins_no_line_long_before_it_is_sung(style: str) -> None:
    song = make_song(style, is_sung=True)
    voice = hear_singing(song.samples)
    assert voice is not None
    lines = place_lines(read_text(song.text), voice, song.beats_seconds, SECONDS)
    errors = [abs(line.start_seconds - start) for line, (start, _) in zip(lines, song.lines, strict=True)]
    assert max(errors) < 1
