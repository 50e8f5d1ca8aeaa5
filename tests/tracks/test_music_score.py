"""Scores of the embedded engine: what makes them music, and what the words of a prompt change."""

from collections.abc import Sequence
from itertools import pairwise

import pytest

from jobs.engines.music import STYLE_IDS, SongPlan
from jobs.engines.music.compose import compose, list_beats, list_chords, list_sections
from jobs.engines.music.melody import HIGHEST, LOWEST
from jobs.engines.music.score import Chord, Score, Section
from jobs.engines.music.theory import key_number, lead_voices, scale_of

SEEDS = range(6)


def score_of(prompt: str = "a song", duration_seconds: float = 60, seed: int = 1, style: str | None = None) -> Score:
    return compose(SongPlan(prompt, duration_seconds, seed, style))[1]


@pytest.mark.parametrize("style", STYLE_IDS)
def test_melodies_stay_in_key_in_range_and_move_mostly_by_small_steps(style: str) -> None:
    for seed in SEEDS:
        score = score_of(seed=seed, style=style)
        scale = scale_of(key_number(score.key), score.mode)
        pitches = [note.pitch for note in score.lead if note.velocity > 0.5]
        assert sum(pitch % 12 in scale for pitch in pitches) / len(pitches) >= 0.85
        assert max(pitches) - min(pitches) <= HIGHEST - LOWEST
        leaps = [abs(right - left) for left, right in pairwise(pitches)]
        assert sum(leap <= 5 for leap in leaps) / len(leaps) >= 0.75
        accompaniment = [note.pitch for note in (*score.chords, *score.bass)]
        assert sum(pitch % 12 in scale for pitch in accompaniment) / len(accompaniment) >= 0.85


@pytest.mark.parametrize("style", STYLE_IDS)
def test_strong_beats_of_the_lead_are_chord_tones(style: str) -> None:
    score = score_of(style=style)
    metre, on_chord, strong = score.grid.metre, 0, 0
    chords = {(chord.bar, chord.step + step): chord for chord in score.harmonies for step in range(chord.steps)}
    for note in score.lead:
        step = note.start_seconds / score.grid.step_seconds
        chord = chords.get((round(step) // metre.steps, round(step) % metre.steps))
        if abs(step - round(step)) < 1e-6 and round(step) % metre.strong == 0 and chord and note.velocity > 0.5:
            strong += 1
            on_chord += note.pitch % 12 in chord.tones
    assert strong
    assert on_chord / strong >= 0.9


@pytest.mark.parametrize("style", STYLE_IDS)
@pytest.mark.parametrize("duration_seconds", [5, 7.3, 30.5, 61, 600])
def test_songs_end_with_a_cadence_that_rings_to_the_end(style: str, duration_seconds: float) -> None:
    score = score_of(duration_seconds=duration_seconds, style=style)
    tonic = key_number(score.key)
    before, last = score.harmonies[-2:]
    assert last.tones[0] == tonic
    assert before.tones[0] != tonic
    end = score.grid.at(score.grid.bars)
    assert 0.6 <= duration_seconds - end <= score.grid.bar_seconds + 1.1
    assert score.lead[-1].pitch % 12 == score.bass[-1].pitch % 12 == tonic
    assert sum(section.count for section in score.form) == score.grid.bars


@pytest.mark.parametrize("style", STYLE_IDS)
@pytest.mark.parametrize("duration_seconds", [5, 61, 600])
def test_sections_chords_and_beats_cover_the_song_without_gaps(style: str, duration_seconds: float) -> None:
    score = score_of(duration_seconds=duration_seconds, style=style)
    covers: list[Sequence[Section | Chord]] = [list_sections(score), list_chords(score)]
    for spans in covers:
        assert spans[0].start_seconds == 0
        assert spans[-1].end_seconds == duration_seconds
        for left, right in pairwise(spans):
            assert left.end_seconds == pytest.approx(right.start_seconds)
    beats = list_beats(score)
    assert beats[1] - beats[0] == pytest.approx(60 / score.grid.tempo_bpm)
    assert beats[-1] < duration_seconds


def test_a_chorus_comes_back_with_the_same_opening() -> None:
    score = score_of(duration_seconds=150, style="pop")
    choruses = [section for section in score.form if section.name == "chorus"]
    assert len(choruses) >= 2

    def opening(first: int) -> list[tuple[float, int]]:
        start = score.grid.at(first)
        notes = [note for note in score.lead if start <= note.start_seconds < start + 2 * score.grid.bar_seconds - 1e-6]
        return [(round(note.start_seconds - start, 4), note.pitch) for note in notes if note.velocity > 0.5]

    rhythms = [[start for start, _ in opening(chorus.first)] for chorus in choruses]
    assert rhythms[0]
    assert all(rhythm == rhythms[0] for rhythm in rhythms)


def test_voicings_move_little_from_chord_to_chord() -> None:
    first = lead_voices((), (0, 4, 7), 52, 73)
    second = lead_voices(first, (5, 9, 0), 52, 73)
    assert sum(abs(left - right) for left, right in zip(first, second, strict=True)) <= 4


def test_fills_stand_before_a_louder_section_and_ghost_notes_are_soft() -> None:
    score = score_of(style="funk")
    chorus = next(section for section in score.form if section.name == "chorus")
    last_half_bar = score.grid.at(chorus.first - 1, 8)
    fill = [hit for hit in score.hits if last_half_bar - 0.02 <= hit.start_seconds < score.grid.at(chorus.first) - 0.02]
    assert {hit.drum for hit in fill} & {"snare", "tom", "floor"}
    snares = [hit.velocity for hit in score.hits if hit.drum == "snare"]
    assert min(snares) < 0.5 < 0.8 < max(snares)


def test_swing_delays_the_second_of_each_pair() -> None:
    swung, straight = score_of(style="jazz").grid, score_of(style="rock").grid
    assert swung.at(0, 2) > 2 * swung.beat_seconds / 4
    assert straight.at(0, 2) == pytest.approx(2 * straight.beat_seconds / 4)


@pytest.mark.parametrize(
    ("prompt", "style"),
    [
        ("smoky jazz in a small bar", "jazz"),
        ("lo-fi beats to study to", "lofi"),
        ("drum and bass, energetic", "breaks"),
        ("an epic orchestral trailer", "cinematic"),
        ("techno for the club", "techno"),
        ("hip hop with an 808", "hiphop"),
    ],
)
def test_genre_words_choose_the_style(prompt: str, style: str) -> None:
    assert score_of(prompt).style == style


def test_tempo_and_key_words_are_obeyed() -> None:
    score = score_of("pop at 117 bpm in F# minor")
    assert (score.grid.tempo_bpm, score.key, score.mode) == (117, "F#", "minor")
    assert score_of("a ballad in B flat major").key == "Bb"
    assert score_of("a tune in a dream").key  # the article is not a key
    assert score_of("slow pop").grid.tempo_bpm < score_of("fast pop").grid.tempo_bpm


def test_chords_are_written_in_the_signs_of_their_key() -> None:
    names = {
        prompt: "".join(one.name for one in score_of(prompt).harmonies) for prompt in ("pop, C# minor", "pop, F minor")
    }
    assert "b" not in names["pop, C# minor"].replace("m7b5", "")
    assert "#" not in names["pop, F minor"]


@pytest.mark.parametrize(
    ("prompt", "key", "mode"),
    [
        ("pop in F# Minor, 92 bpm", "F#", "minor"),
        ("a C lydian pop tune", "C", "lydian"),
        ("pop, Bb Dorian", "Bb", "dorian"),
        ("pop in F-sharp minor", "F#", "minor"),
        ("pop, E FLAT MAJOR", "Eb", "major"),
        ("pop in C# minor", "C#", "minor"),
        ("pop in D flat minor", "C#", "minor"),
        ("pop in D# minor", "Eb", "minor"),
        ("pop in C sharp major", "Db", "major"),
        ("pop in G# minor", "G#", "minor"),
    ],
)
def test_keys_are_read_however_people_write_them(prompt: str, key: str, mode: str) -> None:
    score = score_of(prompt)
    assert (score.key, score.mode) == (key, mode)


def test_words_for_mood_and_instruments_are_obeyed() -> None:
    assert score_of("sad lofi", style="lofi").mode == "dorian"
    assert score_of("happy synthwave", style="synthwave").mode == "major"
    assert {note.voice for note in score_of("pop with a flute").lead} == {"flute"}
    assert score_of("rock without drums").hits == ()


def test_leanings_hold_where_the_prompt_is_silent() -> None:
    score = compose(SongPlan("a song", 60, 1, "pop", tempo_bpm=105, key="Eb"))[1]
    assert (score.grid.tempo_bpm, score.key) == (105, "Eb")
    score = compose(SongPlan("a song at 100 bpm in C major", 60, 1, "pop", tempo_bpm=105, key="Eb"))[1]
    assert (score.grid.tempo_bpm, score.key) == (100, "C")


def test_vocals_take_the_melody_and_leave_the_lead_what_nobody_sings() -> None:
    score = compose(SongPlan("a song", 60, 1, "pop", has_vocals=True))[1]
    assert score.vocals is not None
    sung = [(line.notes[0].start_seconds, line.notes[-1].end_seconds) for line in score.vocals.lines]
    assert len(sung) >= 8
    assert score.lead
    for start, end in sung:
        assert not any(start < note.start_seconds < end for note in score.lead)


def test_prompts_of_any_kind_give_a_title() -> None:
    for prompt in ("", "   ", "🎵🎵", "ein Lied über das Meer", "x" * 2000, "1 2 3"):
        assert 0 < len(score_of(prompt).title) < 40
