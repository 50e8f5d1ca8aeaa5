"""Words before they are sung: how lyrics are read, pronounced, and laid over the bars."""

from itertools import pairwise

import pytest

from jobs.engines.music.score import COMMON_TIME, TWELVE_EIGHT, Bars, Grid, Metre
from jobs.engines.music.singing import formants
from jobs.engines.music.singing.languages import language_of, language_of_word
from jobs.engines.music.singing.metre import most_syllables, place_syllables
from jobs.engines.music.singing.text import read_lyrics
from jobs.engines.music.singing.verses import set_lines

GRID = Grid(tempo_bpm=110, bars=24, duration_seconds=56)
FORM = (Bars("verse", 0, 8, 0.6), Bars("chorus", 8, 8, 0.95), Bars("verse", 16, 4, 0.6), Bars("chorus", 20, 4, 0.95))
EVEN = (0.0,) * 16


def texts_of(lyrics: str) -> list[tuple[str | None, list[str]]]:
    return [(stanza.kind, [line.text for line in stanza.lines]) for stanza in read_lyrics(lyrics)]


@pytest.mark.parametrize(
    "heading", ["[Chorus]", "[chorus 2]", "Chorus:", "(CHORUS)", "## Chorus", "[Chorus x2]", "Refrain:", "**Hook**"]
)
def test_headings_are_not_sung(heading: str) -> None:
    assert texts_of(f"[Verse 1]\nOne\n{heading}\nTwo") == [("verse", ["One"]), ("chorus", ["Two"])]


def test_markup_times_and_symbols_are_stripped_and_letters_of_any_language_stay() -> None:
    lyrics = "[00:12.50]<b>Straße</b> im Wind 🎵\n[Solo: guitar]\n\n привет,  мир — ¡señor!"
    assert texts_of(lyrics) == [(None, ["Straße im Wind 🎵"]), (None, ["привет, мир — ¡señor!"])]


def test_scripts_without_spaces_are_sung_sign_by_sign() -> None:
    (stanza,) = read_lyrics("你好, きょう")
    assert [word.sung for word in stanza.lines[0].words] == ["你", "好", "きょ", "う"]
    assert stanza.lines[0].text == "你好, きょう"


@pytest.mark.parametrize(
    ("word", "syllables"),
    [("love", 1), ("evening", 3), ("beautiful", 3), ("time", 1), ("river", 2), ("strength", 1), ("привет", 2)],
)
def test_syllables_are_counted_by_spelling_alone(word: str, syllables: int) -> None:
    assert abs(len(formants.pronounce(word)) - syllables) <= (word == "evening")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("the river and the rain", "en-us"),
        ("ich bin nicht mehr da und du", "de"),
        ("je ne suis pas dans la nuit et tu", "fr"),
        ("yo no sé qué será mañana con las", "es"),
        ("la la la", "en-us"),
    ],
)
def test_the_language_is_heard_in_its_small_words(text: str, language: str) -> None:
    assert language_of(text) == language


def test_each_script_has_its_language() -> None:
    assert [language_of_word(word, "de") for word in ("привет", "你", "oh", "안녕", "99")] == [
        "ru", "cmn", "de", "ko", "de",
    ]  # fmt: skip


def test_stressed_syllables_fall_on_beats_and_the_last_is_held() -> None:
    steps = place_syllables((0, 2, 0, 2, 0, 2, 0, 2), 28, 2, EVEN, COMMON_TIME)
    assert all(later - earlier >= 2 for earlier, later in pairwise(steps))
    assert sum(step % 4 == 0 for step in steps[1::2]) >= 3
    assert steps[-1] <= 26


def test_more_syllables_than_there_is_room_for_still_have_a_step_each() -> None:
    steps = place_syllables((0,) * 20, 24, 2, EVEN, COMMON_TIME)
    assert len(set(steps)) == 20


def test_stressed_syllables_fall_on_the_beats_of_twelve_eight() -> None:
    steps = place_syllables((0, 2, 0, 2, 0, 2), 11, 1, EVEN, TWELVE_EIGHT)
    assert [step % 3 for step in steps[1::2]] == [0, 0, 0]


@pytest.mark.parametrize("metre", [COMMON_TIME, TWELVE_EIGHT])
@pytest.mark.parametrize("steps_apart", [1, 2, 3])
def test_a_full_line_has_a_step_for_each_syllable(metre: Metre, steps_apart: int) -> None:
    steps = metre.steps - 1
    placed = place_syllables((2,) * most_syllables(steps, steps_apart), steps, steps_apart, EVEN, metre)
    assert all(later - earlier >= steps_apart for earlier, later in pairwise(placed))
    assert placed[-1] < steps


def lay(lyrics: str) -> tuple[list[tuple[str, int, str]], list[str]]:
    slots, unsung = set_lines(read_lyrics(lyrics), GRID, FORM, lambda word: len(word.sung) // 3 + 1)
    return [(slot.section.name, slot.bar, slot.line.text) for slot in slots], [line.text for line in unsung]


def test_no_word_is_left_alone_where_it_has_room_beside_others() -> None:
    lines = read_lyrics("Throw your hands up underneath the wide sky\n" * 20)
    slots, _ = set_lines(lines, GRID, FORM, lambda word: 3 if word.sung == "underneath" else 1)
    assert min(len(slot.line.words) for slot in slots) >= 3


def test_verses_and_choruses_go_to_theirs_and_the_chorus_comes_again() -> None:
    slots, unsung = lay("[verse]\nOne a\nOne b\n[chorus]\nTwo a\nTwo b\n[verse]\nThree a")
    assert unsung == []
    sung = {name: [text for section, _, text in slots if section == name] for name in ("verse", "chorus")}
    assert sung["verse"][:2] == ["One a", "One b"]
    assert sung["verse"][-1] == "Three a"
    assert sung["chorus"][:4] == ["Two a", "Two b", "Two a", "Two b"]
    assert ("chorus", 20, "Two a") in slots


def test_without_headings_what_comes_twice_is_the_chorus() -> None:
    slots, _ = lay("First verse\n\nAgain again\n\nSecond verse\n\nAgain again")
    assert {text for section, _, text in slots if section == "chorus"} == {"Again again"}
    assert [text for section, bar, text in slots if section == "verse" and bar == 16] == ["Second verse"]


def test_lines_without_a_shape_are_sung_in_order() -> None:
    slots, unsung = lay("\n".join(f"line {number}" for number in range(10)))
    assert unsung == []
    assert [text for _, _, text in slots][:10] == [f"line {number}" for number in range(10)]


def test_a_long_line_is_sung_in_several_breaths() -> None:
    line = " ".join(["wonderful"] * 14)
    slots, unsung = lay(line)
    assert unsung == []
    assert max(len(text.split()) for _, _, text in slots) < 7
    assert " ".join(text for _, _, text in slots).startswith(line)


def test_too_much_is_left_out_from_the_end() -> None:
    _, unsung = lay("\n".join(f"this is line {number}" for number in range(100)))
    assert unsung
    assert unsung[-1] == "this is line 99"
