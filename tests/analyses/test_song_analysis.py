"""What is heard in songs whose truth is known."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from jobs.engines.analyses.songs import SongAnalysis, analyse_recording, analyse_samples
from jobs.engines.music import SongPlan, render_song
from jobs.engines.music.theory import key_number
from jobs.engines.run import EngineRefused
from jobs.formats.wav import WavWriter
from tests.bench.scores import GENRES, SAMPLE_RATE, Song, make_song

CASES = {"rock": 3, "dnb": 5, "reggae": 7, "waltz": 9, "house": 11, "ambient": 13}
LOUD, QUIET = 0.8, 1e-3


def ignore(_fraction: float, _stage: str) -> None:
    """Report to nobody."""


@pytest.fixture(scope="module", params=list(CASES))
def pair(request: pytest.FixtureRequest) -> tuple[Song, SongAnalysis]:
    """A song of a genre, and what is heard in it."""
    genre = next(genre for genre in GENRES if genre.name == request.param)
    song = make_song(genre, 30, np.random.default_rng(CASES[genre.name]), drifts=False)
    return song, analyse_samples(stereo(song.samples), ignore)


def stereo(mono: np.ndarray) -> np.ndarray:
    return np.stack([mono, mono]).astype(np.float32)


def share_within(found: list[float], true: np.ndarray, seconds: float) -> float:
    return float(np.mean([np.abs(np.array(found) - at).min() <= seconds for at in true]))


def test_tempo_is_that_of_the_score_and_not_its_octave(pair: tuple[Song, SongAnalysis]) -> None:
    song, heard = pair
    assert heard.tempo is not None
    assert heard.tempo.bpm == pytest.approx(song.tempo_bpm, rel=0.005)


def test_beats_and_bars_lie_where_they_were_played(pair: tuple[Song, SongAnalysis]) -> None:
    song, heard = pair
    assert share_within(heard.beats_seconds, song.beats_seconds[4:-4], 0.05) > 0.95
    assert heard.beats_per_bar == song.beats_per_bar
    assert share_within(heard.downbeats_seconds, song.downbeats_seconds[1:-1], 0.05) > 0.95
    assert set(heard.downbeats_seconds) <= set(heard.beats_seconds)


def test_key_is_that_of_the_score(pair: tuple[Song, SongAnalysis]) -> None:
    song, heard = pair
    best, second = heard.keys
    assert (key_number(best.tonic), best.mode) == (song.key, "minor" if song.is_minor else "major")
    assert best.fit >= second.fit
    assert heard.tuning_cents == pytest.approx(0, abs=4)


def test_sections_cover_the_song_and_equal_ones_share_a_letter(pair: tuple[Song, SongAnalysis]) -> None:
    _, heard = pair
    starts = [section.start_seconds for section in heard.sections]
    assert starts[0] == 0
    assert starts == sorted(starts)
    assert starts[1:] == [section.end_seconds for section in heard.sections[:-1]]
    assert heard.sections[-1].end_seconds == pytest.approx(heard.duration_seconds, abs=0.01)
    assert {name for section in heard.sections for name in (section.letter,)} <= set("ABCDEFGH")


def test_song_out_of_tune_is_heard_in_its_key() -> None:
    genre = next(genre for genre in GENRES if genre.name == "piano")
    song = make_song(genre, 30, np.random.default_rng(2), drifts=False)
    sharp = 2 ** (40 / 1200)
    places = np.arange(0, len(song.samples) - 1, sharp)
    heard = analyse_samples(stereo(np.interp(places, np.arange(len(song.samples)), song.samples)), ignore)
    assert heard.tuning_cents == pytest.approx(40, abs=5)
    assert (key_number(heard.keys[0].tonic), heard.keys[0].mode) == (song.key, "minor" if song.is_minor else "major")


def test_drifting_tempo_is_followed() -> None:
    song = make_song(GENRES[0], 40, np.random.default_rng(4), drifts=True)
    heard = analyse_samples(stereo(song.samples), ignore)
    assert share_within(heard.beats_seconds, song.beats_seconds[4:-4], 0.07) > 0.9


def test_our_own_songs_are_heard_as_they_were_composed(tmp_path: Path) -> None:
    plan = SongPlan(prompt="a pop song", duration_seconds=40, seed=3, style="pop")
    made = render_song(plan, tmp_path, ignore)
    heard = analyse_recording(made.mix, ignore)
    assert heard.tempo is not None
    assert heard.tempo.bpm == pytest.approx(made.tempo_bpm, rel=0.005)
    assert heard.levels.lufs == pytest.approx(made.lufs, abs=0.3)
    assert heard.levels.true_peak_dbtp == pytest.approx(made.true_peak_dbtp, abs=0.5)


def test_silence_and_noise_say_that_nothing_is_sure() -> None:
    silence = analyse_samples(np.zeros((2, 10 * SAMPLE_RATE), np.float32), ignore)
    assert (silence.tempo, silence.keys, silence.sections, silence.beats_seconds) == (None, [], [], [])
    noise = np.random.default_rng(1).normal(0, 0.1, 20 * SAMPLE_RATE)
    heard = analyse_samples(stereo(noise), ignore)
    assert heard.key_confidence < 0.3
    assert all(np.isfinite(value) for value in _numbers(heard))


@pytest.mark.parametrize("seconds", [0, 0.01, 0.2, 1.0, 3.0])
def test_very_short_sounds_are_no_trouble(seconds: float) -> None:
    tone = np.sin(np.arange(int(seconds * SAMPLE_RATE)) * 0.05)
    heard = analyse_samples(stereo(tone), ignore)
    assert heard.duration_seconds == pytest.approx(seconds, abs=0.001)
    assert all(np.isfinite(value) for value in _numbers(heard))


def test_energy_follows_the_loudness() -> None:
    noise = np.random.default_rng(1).normal(0, 1, 20 * SAMPLE_RATE)
    noise[: 10 * SAMPLE_RATE] *= QUIET
    energy = analyse_samples(stereo(noise * LOUD / 4), ignore).levels.energy
    assert len(energy) == 40
    assert max(energy[:19]) < min(energy[21:])


def test_what_is_no_audio_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    path.write_bytes(b"ffconcat version 1.0\nfile other.mp3\n")
    with pytest.raises(EngineRefused, match="UNREADABLE"):
        analyse_recording(path, ignore)


def test_file_and_samples_are_heard_alike(tmp_path: Path) -> None:
    song = make_song(GENRES[2], 20, np.random.default_rng(8), drifts=False)
    path = tmp_path / "song.wav"
    with WavWriter(path) as writer:
        writer.write(stereo(song.samples))
    stages: list[tuple[float, str]] = []
    heard = analyse_recording(path, lambda fraction, stage: stages.append((fraction, stage)))
    assert heard.tempo is not None
    assert heard.tempo.bpm == pytest.approx(song.tempo_bpm, rel=0.005)
    assert [fraction for fraction, _ in stages] == sorted(fraction for fraction, _ in stages)
    assert {"decoding", "measuring", "listening", "beats", "sections"} <= {stage for _, stage in stages}


def _numbers(heard: SongAnalysis) -> list[float]:
    def walk(value: object) -> list[float]:
        if isinstance(value, dict):
            return [number for part in value.values() for number in walk(part)]
        if isinstance(value, list | tuple):
            return [number for part in value for number in walk(part)]
        return [float(value)] if isinstance(value, int | float) else []

    return walk(dataclasses.asdict(heard))
