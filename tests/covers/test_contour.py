"""The contour: what a picture shows of a song, from the sound itself or from what is kept of it."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import orjson
import pytest

from jobs.engines.covers import CoverPlan, contour_of_peaks, read_contour
from jobs.engines.covers.contour import LEVELS, MOST_CHORDS, contour_of, pitch_class
from jobs.engines.music import SongPlan
from jobs.engines.tracks import make_track
from jobs.formats.peaks import write_peaks
from tests.covers.songs import make_contour

SCORE = {
    "sections": [
        {"name": "intro", "start_seconds": 0.0, "end_seconds": 2.0},
        {"name": "verse", "start_seconds": 2.0, "end_seconds": 6.0},
        {"name": "intro", "start_seconds": 6.0, "end_seconds": 8.0},
    ],
    "chords": [{"name": "Am7", "start_seconds": 0.0}, {"name": "F#m", "start_seconds": 4.0}],
    "beats_seconds": [0.0, 0.5, 1.0],
}


def test_contour_holds_loudness_form_chords_and_beats() -> None:
    contour = contour_of([0.0] * 48 + [0.5] * 48, SCORE, 8.0)
    assert contour.levels == (0,) * 48 + (100,) * 48
    assert contour.sections == ((0, 0), (250, 1), (750, 0))
    assert contour.chords == ((0, 9), (500, 6))
    assert (contour.beats, contour.has_score) == (3, True)
    assert contour.shares(contour.sections) == [(0, 0.25), (1, 0.5), (0, 0.25)]


def test_contour_knows_the_beats_of_a_bar() -> None:
    waltz = contour_of([0.5], SCORE | {"beats_per_bar": 3}, 8.0)
    assert (waltz.beats_per_bar, contour_of([0.5], SCORE, 8.0).beats_per_bar) == (3, 4)
    kept = asdict(waltz)
    assert read_contour(kept) == waltz
    del kept["beats_per_bar"]
    assert read_contour(kept).beats_per_bar == 4


def test_recording_of_somebody_else_has_its_loudness_only() -> None:
    contour = contour_of([0.1, 0.2], {"provider": "fal", "seed": 3}, 8.0)
    assert len(contour.levels) == LEVELS
    assert not contour.has_score


def test_long_songs_stay_small() -> None:
    chords = [{"name": "C", "start_seconds": float(at)} for at in range(600)]
    contour = contour_of([1.0] * 8192, SCORE | {"chords": chords}, 600.0)
    assert len(contour.chords) <= MOST_CHORDS
    assert len(orjson.dumps(asdict(contour))) < 2000


@pytest.mark.parametrize("count", [1, 16, 96, 97, 260])
def test_lifts_go_from_the_quietest_to_the_loudest(count: int) -> None:
    lifts = make_contour(3).lifts(count)
    assert len(lifts) == count
    assert all(0 <= lift <= 1 for lift in lifts)
    assert count == 1 or (min(lifts), max(lifts)) == (0, 1)
    assert set(contour_of([0.0], None, 1.0).lifts(count)) == {0.6}


def test_contour_comes_back_from_json_as_it_was() -> None:
    contour = make_contour(5)
    assert read_contour(orjson.loads(orjson.dumps(asdict(contour)))) == contour


@pytest.mark.parametrize(("name", "number"), [("C", 0), ("C#m7", 1), ("Bb", 10), ("B", 11), ("Cb", 11), ("F♯", 6)])
def test_root_of_a_chord_is_read_from_its_name(name: str, number: int) -> None:
    assert pitch_class(name) == number


def test_peaks_tell_nearly_the_contour_of_the_sound(tmp_path: Path) -> None:
    chance = np.random.default_rng(1)
    swell = np.repeat(np.linspace(0.1, 1.0, 20), 44_100 // 2)
    sound = (chance.uniform(-1, 1, (2, len(swell))) * swell).astype(np.float32)
    write_peaks(tmp_path / "peaks.json", sound, 44_100)
    contour = contour_of_peaks(orjson.loads((tmp_path / "peaks.json").read_bytes()), SCORE, 10.0)
    assert contour.has_score
    expected = [swell[at * len(swell) // LEVELS] * 100 for at in range(LEVELS)]
    assert np.abs(np.array(contour.levels) - expected).max() < 12


def test_song_that_is_composed_here_comes_with_its_contour(tmp_path: Path) -> None:
    song = SongPlan(prompt="happy pop", duration_seconds=6, seed=3, style=None)
    made = make_track(song, CoverPlan(1, 3, 1, title="Happy pop"), tmp_path, lambda *_: None)
    assert made.contour.has_score
    assert made.contour.beats == len(made.song.beats_seconds)
    assert max(made.contour.levels) == 100
    assert all(path.stat().st_size > 1000 for path in made.cover.crops.values())
