"""What every style keeps: metre, groove, form and harmony; and that no two seeds and no two styles are one song."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations, pairwise

import pytest

from jobs.engines.music import STYLE_IDS, SongPlan
from jobs.engines.music.accompany import ARPEGGIOS
from jobs.engines.music.compose import compose, list_beats, list_downbeats, list_instruments
from jobs.engines.music.grooves import FEELS, FILLS, GROOVES
from jobs.engines.music.kits import KITS
from jobs.engines.music.rhythm import most_late_seconds
from jobs.engines.music.score import Bars, Note, Score, breaths_of
from jobs.engines.music.sheet import PROGRAMS
from jobs.engines.music.styles import STYLES, Style
from jobs.engines.music.timbres import VOICES

SECONDS = 75.0
every_style = pytest.mark.parametrize("style", STYLE_IDS)


def score_of(style: str, seed: int = 3, seconds: float = SECONDS, prompt: str = "a song") -> Score:
    return compose(SongPlan(prompt, seconds, seed, style))[1]


def notes_of(score: Score, section: Bars, notes: Sequence[Note]) -> list[Note]:
    start, end = score.grid.at(section.first) - 0.02, score.grid.at(section.end) - 0.02
    return [note for note in notes if start <= note.start_seconds < end]


def pattern_of(score: Score, bar: int) -> tuple[tuple[str, int], ...]:
    """The strokes of a bar by step, without how hard and how exactly they fall."""
    start = score.grid.at(bar)
    steps = score.grid.metre.steps
    strokes = set()
    for hit in score.hits:
        step = round((hit.start_seconds - start) / score.grid.step_seconds)
        if 0 <= step < steps and hit.drum not in ("crash", "impact", "riser", "reverse"):
            strokes.add((hit.drum, step))
    return tuple(sorted(strokes))


@every_style
def test_every_name_in_a_row_of_the_catalogue_exists(style: str) -> None:
    row: Style = STYLES[style]
    steps = row.metre.steps
    assert row.kit in KITS
    assert row.feel in FEELS
    assert row.fills in FILLS
    voices = {row.bass_voice, *row.leads, *(layer.voice for layer in row.layers), *filter(None, [row.counter])}
    assert voices <= VOICES.keys() & PROGRAMS.keys()
    bars = [*row.bass, *(layer.pattern for layer in row.layers)]
    for bar in (bar for bars_of_one in bars for bar in bars_of_one.split("|")):
        known = bar in ("hold", "strum") or bar.removeprefix("arp:") in ARPEGGIOS
        assert known or len(bar) == steps, bar
    for groove in (groove for alternatives in row.grooves for groove in alternatives.split("|")):
        assert all(len(pattern) == steps for pattern in GROOVES[groove].values()), groove
    assert all(len(pattern) <= steps for fill in FILLS[row.fills] for pattern in fill.values())


@every_style
def test_drums_lie_on_the_grid_within_the_hand_of_the_style(style: str) -> None:
    brief, score = compose(SongPlan("a song", SECONDS, 3, style))
    steps = [score.grid.at(bar, step) for bar in range(score.grid.bars + 1) for step in range(score.grid.metre.steps)]
    bound = most_late_seconds(brief) + 1e-6
    assert bound < 0.032
    for hit in score.hits:
        assert min(abs(hit.start_seconds - step) for step in steps) <= bound


def test_the_hand_drifts_and_does_not_tremble() -> None:
    hats = {
        style: [hit for hit in score_of(style).hits if hit.drum in ("hat", "shaker", "ride")][:200] for style in STYLES
    }
    followed = {style: hits for style, hits in hats.items() if len(hits) >= 50}
    assert len(followed) > len(STYLES) / 2
    for style, hits in followed.items():
        assert len({round(hit.velocity, 3) for hit in hits}) > 20, style


@every_style
def test_beats_and_downbeats_follow_the_metre(style: str) -> None:
    score = score_of(style)
    beats, downbeats = list_beats(score), list_downbeats(score)
    assert beats[:: score.grid.metre.beats] == pytest.approx(downbeats)
    assert len(downbeats) == score.grid.bars + 1
    kicks = [hit.start_seconds for hit in score.hits if hit.drum == "kick"]
    near = [min(abs(kick - beat) for beat in downbeats) < 0.03 for kick in kicks]
    assert not kicks or style == "reggae" or sum(near) >= 0.12 * len(near)


@every_style
def test_sections_differ_in_energy_and_the_song_grows_and_lets_go(style: str) -> None:
    score = score_of(style)
    density = {
        section.name: sum(note.velocity for notes in score.parts.values() for note in notes_of(score, section, notes))
        / section.count
        for section in score.form
    }
    loudest = "drop" if "drop" in density else "chorus"
    assert density["intro"] < 0.75 * density[loudest]
    assert density["outro"] < 0.9 * density[loudest]
    assert max(density, key=lambda name: density[name]) == loudest


@every_style
def test_bars_repeat_but_not_all_of_them(style: str) -> None:
    score = score_of(style)
    section = max(score.form, key=lambda section: section.count * (section.energy > 0.7))
    if score.hits:
        patterns = [pattern_of(score, bar) for bar in range(section.first, section.end)]
        assert 2 <= len(set(patterns)) <= len(patterns) or section.count < 4
    roots = [chord.tones[0] for chord in score.harmonies]
    assert len(set(roots)) >= 3


@every_style
def test_two_seeds_are_two_songs(style: str) -> None:
    def shape(seed: int) -> tuple[object, ...]:
        score = score_of(style, seed)
        tonic = score.bass[-1].pitch
        chords = tuple((chord.tones[0] - tonic) % 12 for chord in score.harmonies[:12])
        lead = tuple(note.pitch - tonic for note in score.lead[:8])
        return chords, lead

    assert len({shape(seed) for seed in range(5)}) == 5


@every_style
def test_one_plan_gives_one_score_and_a_longer_song_begins_like_the_shorter_one(style: str) -> None:
    assert asdict(score_of(style)) == asdict(score_of(style))
    short, long = (score_of(style, 3, seconds, "a song at 120 bpm") for seconds in (180, 240))
    assert short.form[0] == long.form[0]
    end = short.grid.at(short.form[1].first + 4) - 0.5
    for notes, others in ((short.bass, long.bass), (short.lead, long.lead)):
        first = [(note.start_seconds, note.pitch) for note in notes if note.start_seconds < end]
        assert first == [(note.start_seconds, note.pitch) for note in others if note.start_seconds < end]


@every_style
def test_chords_are_led_by_small_steps(style: str) -> None:
    score = score_of(style)
    voice = STYLES[style].layers[0].voice
    tops: dict[float, int] = {}
    for note in score.chords:
        if note.voice == voice and note.velocity > 0.2:
            bar = note.start_seconds // score.grid.bar_seconds
            tops[bar] = max(tops.get(bar, 0), note.pitch)
    moves = [abs(right - left) for left, right in pairwise(tops[bar] for bar in sorted(tops))]
    assert sum(move <= 5 for move in moves) >= 0.8 * len(moves)


@every_style
def test_a_breath_is_held_before_what_is_much_louder(style: str) -> None:
    score = score_of(style)
    for bar in breaths_of(score.form, STYLES[style].lift):
        start, end = score.grid.at(bar, score.grid.metre.half) + 0.03, score.grid.at(bar + 1) - 0.04
        for notes in (score.bass, [note for note in score.chords if note.voice != STYLES[style].counter]):
            assert [note for note in notes if start <= note.start_seconds < end] == []


def test_the_last_chorus_has_what_the_first_had_and_more() -> None:
    compared = 0
    for style in STYLES:
        score = score_of(style, seconds=200)
        loud = [section for section in score.form if section.name in ("chorus", "drop")]
        if len(loud) > 1:
            first, last = (notes_of(score, section, score.chords) for section in (loud[0], loud[-1]))
            assert len(last) / loud[-1].count >= 0.9 * len(first) / loud[0].count, style
            assert loud[-1].energy >= loud[0].energy
            assert {note.voice for note in first} <= {note.voice for note in last}, style
            compared += 1
    assert compared > len(STYLES) / 2


def test_no_two_styles_share_their_grooves_and_their_sound() -> None:
    for left, right in combinations(STYLES.values(), 2):
        shared = set("|".join(left.grooves).split("|")) & set("|".join(right.grooves).split("|"))
        assert not shared or left.kit == right.kit == "none", (left.id, right.id)
        assert [layer.voice for layer in left.layers] != [layer.voice for layer in right.layers]


def test_songs_in_three_and_in_twelve_have_bars_of_their_own() -> None:
    waltz, soul = score_of("waltz"), score_of("soul")
    assert (waltz.grid.metre.signature, soul.grid.metre.signature) == ((3, 4), (12, 8))
    assert waltz.grid.bar_seconds == pytest.approx(3 * 60 / waltz.grid.tempo_bpm)
    assert soul.grid.step_seconds == pytest.approx(20 / soul.grid.tempo_bpm)


@pytest.mark.parametrize(
    ("prompt", "style"),
    [
        ("a bossa nova in the rain", "bossa"),
        ("Dub reggae, slow", "reggae"),
        ("a fingerpicked folk song", "folk"),
        ("a waltz in 3/4", "waltz"),
        ("12/8 soul ballad", "soul"),
        ("disco with strings", "disco"),
        ("8-bit video game music", "chiptune"),
        ("solo piano nocturne", "classical"),
        ("string quartet", "chamber"),
        ("afrobeat with horns", "afrobeat"),
        ("dark trap with 808", "trap"),
        ("trance anthem", "techno"),
        ("jazz, then a hip hop beat", "jazz"),
        ("warm lofi evening with a soft piano", "lofi"),
    ],
)
def test_names_of_genres_choose_the_style(prompt: str, style: str) -> None:
    assert compose(SongPlan(prompt, 30, 1, None))[1].style == style


def told(prompt: str, style: str | None = "pop") -> Score:
    return compose(SongPlan(prompt, 60, 2, style))[1]


def test_instruments_are_named_excluded_and_left_alone() -> None:
    both = told("with piano and flute")
    assert {note.voice for note in both.lead} == {"flute"}
    assert "piano" in {note.voice for note in both.chords}
    quiet = told("no drums or bass please")
    assert not quiet.hits
    assert not quiet.bass
    assert "piano" not in list_instruments(told("without piano"))
    alone = told("only strings")
    assert not alone.hits
    assert set(list_instruments(alone)) <= {"strings", "cello"}
    assert set(list_instruments(told("solo guitar", "folk"))) <= {"steel", "nylon", "fiddle"}
    drums = told("just drums")
    assert (bool(drums.hits), drums.bass, drums.chords, drums.lead) == (True, (), (), ())


def test_moods_lean_the_mode_the_tempo_and_the_energy() -> None:
    assert told("sad", "chamber").mode == "minor"
    assert told("joyful", "chamber").mode == "major"
    calm, wild = told("a calm evening"), told("a wild and powerful evening")
    assert calm.grid.tempo_bpm < wild.grid.tempo_bpm
    assert max(section.energy for section in calm.form[:3]) < max(section.energy for section in wild.form[:3])
    assert told("in D dorian").mode == "dorian"
    assert told("in E♭ minor").key == "Eb"


def test_words_for_the_form_change_the_form() -> None:
    assert told("no intro").form[0].name != "intro"
    assert told("short intro").form[0].count <= 2
    assert told("long intro").form[0].count > told("a song").form[0].count
    assert "drop" in {section.name for section in told("with a drop").form}
    rising = told("it builds up").form
    assert rising[0].energy < told("a song").form[0].energy
    loop = compose(SongPlan("a loop at 120 bpm", 16, 2, "house"))[1]
    assert loop.grid.bars * loop.grid.bar_seconds == pytest.approx(16)
    assert len(loop.form) == 1
    assert not loop.lead or loop.lead[-1].start_seconds < 16


def test_what_was_understood_is_told() -> None:
    score = told("dark techno at 132 bpm in F# minor, no melody, with a drop", None)
    assert score.understood == (
        "style techno",
        "mood dark",
        "tempo 132 bpm",
        "key F# minor",
        "without lead",
        "form drop",
    )
    assert told("a loop at 101 bpm").understood == ("style pop", "tempo 101 bpm")  # whole bars do not fill a minute
    assert told("something nice", None).understood == ()
    assert json.dumps(score.understood)
