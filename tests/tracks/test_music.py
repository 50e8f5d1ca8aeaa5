"""Songs of the embedded engine: their sound, their files, and that one plan always gives one song."""

import hashlib
import json
import math
import subprocess
import sys
import wave
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

import av
import numpy as np
import pyloudnorm  # type: ignore[import-untyped]
import pytest
from numpy.typing import NDArray
from pydantic import TypeAdapter

from jobs.engines.music import STYLE_IDS, Song, SongPlan, render_song
from jobs.engines.music.loudness import integrated_lufs, segment_energies, true_peak_dbtp
from tests.tracks.listening import PINK_DB, distance, measure

RATE = 44_100
PLAN = SongPlan("warm evening in the city", 30.5, 11, "pop")
SHORT = replace(PLAN, duration_seconds=5)

FOLDER = Path(mkdtemp(prefix="songs-"))

Samples = NDArray[np.float32]


@pytest.fixture(scope="module", autouse=True)
def empty_folder() -> Iterator[None]:
    """The songs that the tests share go when the last test has looked at them."""
    yield
    rmtree(FOLDER)


def ignore(fraction: float, stage: str) -> None:
    """A listener that does not care."""


@cache
def song_of(plan: SongPlan) -> Song:
    """One rendering for all tests that only look at it."""
    return render_song(plan, Path(mkdtemp(dir=FOLDER)), ignore)


def read_wav(path: Path) -> Samples:
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 2, 2)
        frames = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return np.asarray(frames.reshape(-1, 2).T / 32768, np.float32)


def decode(path: Path) -> Samples:
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)


def digests(song: Song) -> dict[str, str]:
    files = [song.mix, song.master, song.peaks, song.midi, *song.stems.values()]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_one_plan_gives_the_same_bytes_of_every_file_also_in_another_process(tmp_path: Path) -> None:
    here = digests(song_of(SHORT))
    again = digests(render_song(SHORT, tmp_path, ignore))
    other = tmp_path / "other"
    other.mkdir()
    program = (
        "import sys; from pathlib import Path; from jobs.engines.music import *;"
        f"render_song({SHORT!r}, Path(sys.argv[1]), lambda *_: None)"
    )
    subprocess.run([sys.executable, "-c", program, str(other)], check=True, timeout=60)
    assert len(here) == 8
    assert again == here
    assert {name: hashlib.sha256((other / name).read_bytes()).hexdigest() for name in here} == here


def test_another_seed_gives_another_song() -> None:
    assert digests(song_of(replace(SHORT, seed=12)))["master.wav"] != digests(song_of(SHORT))["master.wav"]


@pytest.mark.parametrize("duration_seconds", [5, 30.5, 61])
def test_every_file_lasts_exactly_as_long_as_asked(duration_seconds: float) -> None:
    song = song_of(replace(PLAN, duration_seconds=duration_seconds))
    samples = round(duration_seconds * RATE)
    assert read_wav(song.master).shape == (2, samples)
    for path in (song.mix, *song.stems.values()):
        with av.open(str(path)) as container:
            stream = container.streams.audio[0]
            assert stream.duration is not None
            assert stream.time_base is not None
            assert abs(float(stream.duration * stream.time_base) - duration_seconds) < 0.03  # a frame of AAC is 23 ms
        assert decode(path).shape[1] >= samples
    assert song.duration_seconds == duration_seconds
    assert song.sections[0].start_seconds == 0
    assert song.sections[-1].end_seconds == pytest.approx(duration_seconds)
    assert song.chords[-1].end_seconds == pytest.approx(duration_seconds)


@pytest.mark.parametrize("style", STYLE_IDS)
def test_every_style_meets_loudness_and_true_peak_in_the_wav_and_in_the_decoded_m4a(style: str) -> None:
    song = song_of(SongPlan("a song", 12, 5, style))
    for samples in (read_wav(song.master), decode(song.mix)):
        assert pyloudnorm.Meter(RATE).integrated_loudness(samples.T) == pytest.approx(-14, abs=0.5)
        assert true_peak_dbtp(samples) <= -1
        assert np.abs(samples.mean(axis=1)).max() < 1e-3


@pytest.mark.parametrize("style", STYLE_IDS)
def test_every_style_is_balanced_and_its_bass_stands_in_the_middle(style: str) -> None:
    song = song_of(SongPlan("a song", 12, 5, style))
    heard = measure(read_wav(song.master))
    assert abs(heard.slope_db - PINK_DB) < 2.1  # dB an octave
    assert heard.low_width < 0.03
    assert 0.003 < heard.width < 0.8
    assert 10 < heard.crest_db < 16


def test_no_two_styles_sound_alike() -> None:
    songs = {style: measure(read_wav(song_of(SongPlan("a song", 12, 5, style)).master)) for style in STYLE_IDS}
    distances = {(one, other): distance(songs[one], songs[other]) for one, other in combinations(STYLE_IDS, 2)}
    nearest = min(distances, key=lambda pair: distances[pair])
    assert distances[nearest] > 0.6, nearest
    assert float(np.median(list(distances.values()))) > 1.5


@pytest.mark.parametrize("style", ["waltz", "soul", "techno"])
def test_styles_of_every_metre_give_the_same_bytes_twice(style: str, tmp_path: Path) -> None:
    plan = SongPlan("a song", 12, 5, style)
    assert digests(render_song(plan, tmp_path, ignore)) == digests(song_of(plan))


def test_a_loop_does_not_fade_and_its_ends_meet() -> None:
    song = song_of(SongPlan("a loop at 120 bpm", 8, 2, "house"))
    samples = read_wav(song.master)
    level = [float(np.sqrt(np.square(part).mean())) for part in (samples[:, : 2 * RATE], samples[:, -2 * RATE :])]
    assert level[1] > 0.7 * level[0]
    assert len(song.beats_seconds) == 16
    assert song.downbeats_seconds == [0, 2, 4, 6]


def test_a_song_tells_its_metre_its_instruments_and_what_it_understood() -> None:
    song = song_of(SongPlan("a waltz for flute, no drums", 12, 5, None))
    assert (song.style, song.beats_per_bar) == ("waltz", 3)
    assert song.downbeats_seconds == song.beats_seconds[::3]
    assert "flute" in song.instruments
    assert "drums" not in song.instruments
    assert song.understood == ["style waltz", "with flute", "without drums"]


def test_our_loudness_agrees_with_pyloudnorm() -> None:
    for style in ("jazz", "breaks"):
        samples = read_wav(song_of(SongPlan("a song", 12, 5, style)).master)
        samples[:, : 4 * RATE] *= 0.02  # so that the gates have work
        ours = integrated_lufs(segment_energies(samples))
        assert ours == pytest.approx(pyloudnorm.Meter(RATE).integrated_loudness(samples.T), abs=0.1)


def test_our_true_peak_sees_the_peak_between_samples() -> None:
    seconds = np.arange(RATE) / RATE
    tone = np.sin(2 * np.pi * RATE / 4 * seconds + np.pi / 4).astype(np.float32)
    assert np.abs(tone).max() < 0.71
    assert true_peak_dbtp(np.stack([tone, tone])) == pytest.approx(0, abs=0.2)


def test_stems_add_up_to_the_mix() -> None:
    song = song_of(SongPlan("a calm evening", 12, 4, "ambient"))
    samples = 12 * RATE
    total = sum((decode(path)[:, :samples] for path in song.stems.values()), np.zeros((2, samples), np.float32))
    mix = read_wav(song.master)
    gain = float((total * mix).sum() / (total * total).sum())
    residue = mix - gain * total
    assert 10 * math.log10(float((residue**2).sum() / (mix**2).sum())) < -25


def test_every_stem_sounds_and_the_picture_is_stereo() -> None:
    song = song_of(PLAN)
    assert set(song.stems) == {"drums", "bass", "chords", "lead"}
    for path in song.stems.values():
        assert float(np.sqrt((decode(path) ** 2).mean())) > 0.01
    left, right = read_wav(song.master)
    assert float(((left - right) ** 2).mean() / ((left + right) ** 2).mean()) > 0.01


def test_no_seam_clicks_and_the_song_begins_and_ends_in_silence() -> None:
    song = song_of(SongPlan("a calm song without drums", 30, 4, "cinematic"))
    samples = read_wav(song.master)
    bends = np.abs(np.diff(samples, n=2, axis=1)).max(axis=0)
    block = 3 << 16
    seams = [section.start_seconds for section in song.sections[1:]]
    seams += [index * block / RATE for index in range(1, samples.shape[1] // block + 1)]
    for seam in seams:
        at = round(seam * RATE)
        around = bends[max(at - RATE // 2, 0) : at + RATE // 2]
        assert bends[at - 3 : at + 3].max() <= np.quantile(around, 0.999) * 3
    assert np.abs(samples[:, :4]).max() < 0.01
    assert np.abs(samples[:, -4:]).max() < 0.001
    assert bends.max() < 0.25


def test_beats_fall_where_the_drums_are_heard() -> None:
    song = song_of(SongPlan("house at 120 bpm", 20, 3, "house"))
    drums = np.abs(decode(song.stems["drums"])).max(axis=0)
    drop = next(section for section in song.sections if section.name == "drop")
    beats = [beat for beat in song.beats_seconds if drop.start_seconds <= beat < drop.end_seconds - 3]
    assert song.tempo_bpm == 120
    assert len(beats) >= 8
    for beat in beats:
        before = drums[round((beat - 0.03) * RATE) : round((beat - 0.01) * RATE)].max()
        after = drums[round((beat - 0.004) * RATE) : round((beat + 0.03) * RATE)].max()
        assert after > 1.5 * before


def test_peaks_are_audiowaveform_json() -> None:
    song = song_of(PLAN)
    peaks = json.loads(song.peaks.read_text())
    assert (peaks["version"], peaks["bits"], peaks["channels"], peaks["sample_rate"]) == (2, 8, 1, RATE)
    assert peaks["length"] == math.ceil(30.5 * RATE / peaks["samples_per_pixel"])
    assert len(peaks["data"]) == 2 * peaks["length"]
    assert -128 <= min(peaks["data"]) < -40
    assert 40 < max(peaks["data"]) <= 127


def test_progress_rises_through_all_stages_without_long_silences(tmp_path: Path) -> None:
    heard: list[tuple[float, str]] = []
    render_song(replace(PLAN, duration_seconds=20), tmp_path, lambda fraction, stage: heard.append((fraction, stage)))
    fractions = [fraction for fraction, _ in heard]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0, 1)
    assert list(dict.fromkeys(stage for _, stage in heard)) == ["composing", "synthesising", "mixing", "encoding"]
    assert len(heard) > 25


class Cancelled(Exception):
    """The one who listens to the progress wants no more."""


@pytest.mark.parametrize("stage", ["synthesising", "mixing", "encoding"])
def test_an_error_from_the_listener_stops_the_work_and_its_threads(tmp_path: Path, stage: str) -> None:
    def stop(_: float, now: str) -> None:
        if now == stage:
            raise Cancelled

    with pytest.raises(Cancelled):
        render_song(SHORT, tmp_path, stop)


def test_a_song_crosses_a_process_border_as_json() -> None:
    song = song_of(SHORT)
    adapter = TypeAdapter(Song)
    assert adapter.validate_json(adapter.dump_json(song)) == song


def test_styles_differ_in_tempo_and_timbre() -> None:
    centroids, tempos = {}, set()
    for style in STYLE_IDS:
        song = song_of(SongPlan("a song", 12, 5, style))
        mono = read_wav(song.master).mean(axis=0)
        power = np.abs(np.fft.rfft(mono[: 8 * RATE])) ** 0.8
        centroids[style] = float((power * np.arange(len(power))).sum() / power.sum())
        tempos.add(song.tempo_bpm)
    assert len(STYLE_IDS) >= 6
    assert len(tempos) >= 6
    assert max(centroids.values()) > 1.5 * min(centroids.values())
    assert centroids["lofi"] < centroids["synthwave"]


@pytest.mark.parametrize("duration_seconds", [4.9, 600.1])
def test_durations_out_of_reach_are_refused(tmp_path: Path, duration_seconds: float) -> None:
    with pytest.raises(ValueError, match="duration_seconds"):
        render_song(replace(PLAN, duration_seconds=duration_seconds), tmp_path, ignore)
