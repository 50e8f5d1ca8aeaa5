"""What a model is told to film."""

from dataclasses import replace

import pytest

from jobs.engines.covers import palette
from jobs.engines.motion.prompts import ClipBrief, write_prompt

BRIEF = ClipBrief(
    "chorus",
    "two foxes in the snow",
    style="synthwave",
    mood="hopeful",
    energy=0.9,
    tempo_bpm=128,
    lines=("We run until the morning", "the river is on fire"),
    palette=palette(7),
    seed=3,
)


def test_prompt_tells_wish_style_mood_section_words_and_colours() -> None:
    told = write_prompt(BRIEF)
    assert told.startswith("two foxes in the snow. ")
    for part in ("height", "synthwave", "hopeful", "We run until the morning / the river is on fire", "Colours: "):
        assert part in told
    assert told.endswith("No text, no captions, no logos, no watermark.")


def test_same_brief_gives_the_same_prompt_and_other_seeds_other_cameras() -> None:
    assert write_prompt(BRIEF) == write_prompt(replace(BRIEF))
    assert len({write_prompt(replace(BRIEF, seed=seed)) for seed in range(20)}) == 4


def test_numbered_sections_are_told_as_what_they_are() -> None:
    assert write_prompt(replace(BRIEF, section="Chorus 2")) == write_prompt(BRIEF)


def test_quiet_section_is_filmed_otherwise_than_a_loud_one() -> None:
    assert write_prompt(replace(BRIEF, energy=0.1)) != write_prompt(BRIEF)


def test_nothing_is_said_of_what_is_not_known() -> None:
    told = write_prompt(ClipBrief("hymn"))
    assert told.startswith("A scene of the song. ")
    assert "Colours" not in told
    assert "words" not in told


@pytest.mark.parametrize("text", ["a\x00b\nc", "\u202eevil\u0007", "  x  \r\n y"])
def test_prompt_is_one_line_without_control_characters(text: str) -> None:
    told = write_prompt(replace(BRIEF, prompt=text, lines=(text,), style=text, section=text))
    assert told.isprintable()


def test_long_lyrics_are_cut_between_words() -> None:
    told = write_prompt(replace(BRIEF, lines=("wonderful " * 100,)))
    assert len(told) < 600
    assert "wonderful." in told


def test_colours_are_named_as_people_do() -> None:
    blue = replace(palette(7), accent="#3366ff", figures=("#101010", "#303030", "#ff8800", "#aaaaaa", "#eeeeee"))
    told = write_prompt(replace(BRIEF, palette=blue))
    assert "blue" in told
    assert "orange" in told
