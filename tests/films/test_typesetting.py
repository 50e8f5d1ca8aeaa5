"""Text of any script, at any length: the right way round, inside its frame, and never as boxes."""

import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.engines.covers import palette
from jobs.engines.films import SIZES, THEMES
from jobs.engines.films.bidi import base_level, list_levels, order_runs
from jobs.engines.films.fonts import FONTS, load_font
from jobs.engines.films.grounds import choose_inks, measure_contrast
from jobs.engines.films.lettering import Block, cover, list_patches
from jobs.engines.films.planes import Box, Picture
from jobs.engines.films.scene import Screen, build_scene
from jobs.engines.films.themes import lay_out
from jobs.engines.films.typesetting import find_text, set_text
from tests.films.songs import SCRIPTS, make_plan, sing, write_cover

LETTERS = "aWgй一の「。אبक्षि😀fi-\u2019\u0301 "


@pytest.mark.parametrize(
    ("logical", "visual"),
    [
        ("abc", "abc"),
        ("אבג", "גבא"),
        ("אב 24 גד", "דג 24 בא"),
        ("Love אבג ok", "Love גבא ok"),
        ("אבג Love 24!", "!Love 24 גבא"),
        ("ab 1,234.5 שנ", "ab 1,234.5 נש"),
        ("שנת 12:30", "12:30 תנש"),
    ],
)
def test_text_runs_both_ways(logical: str, visual: str) -> None:
    levels = list_levels(logical, base_level(logical))
    assert "".join(logical[at] for at in order_runs(levels)) == visual


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_is_written_without_a_missing_glyph(script: str) -> None:
    text = find_text(SCRIPTS[script].split())
    assert text is not None
    setting = set_text(text, 1600, 400, 80, 3)
    assert all(glyph.number for row in setting.rows for glyph in row.glyphs)


def test_letters_are_joined_and_conjuncts_formed() -> None:
    def count(word: str) -> int:
        text = find_text([word])
        assert text is not None
        return sum(len(row.glyphs) for row in set_text(text, 900, 300, 80, 1).rows)

    apart = [load_font(2).get_nominal_glyph(ord(one)) for one in "ليل"]
    text = find_text(["ليل"])
    assert text is not None
    joined = [glyph.number for row in set_text(text, 900, 300, 80, 1).rows for glyph in row.glyphs]
    assert set(joined).isdisjoint(apart)
    assert count("क्ष") == 1


@pytest.mark.parametrize("words", [("안녕하세요",), ("ข้าว",), ("fine", "ሰላም"), ("\U000e0001x",)])
def test_line_of_another_script_is_told_and_stays_off_the_screen(words: tuple[str, ...]) -> None:
    lines = sing(("a first line", " ".join(words), "a last line"))
    scene = build_scene(make_plan(Path("song.m4a"), "karaoke", 480, 270, lines=lines, title="안녕"))
    assert scene.unwritten_lines == (1,)
    assert not scene.is_title_written
    assert scene.layers[0].state_at(0) is not None


@settings(deadline=None, max_examples=150)
@given(
    words=st.lists(st.text(LETTERS, min_size=1, max_size=40), min_size=1, max_size=60),
    width=st.integers(60, 900),
    height=st.integers(60, 500),
    size=st.floats(20, 120),
)
def test_any_line_stays_inside_and_each_word_has_its_place(
    words: list[str], width: int, height: int, size: float
) -> None:
    text = find_text(words)
    if text is None:
        return
    setting = set_text(text, width, height, size, 2)
    assert setting.width <= width + 1e-6
    assert setting.height <= height + 1e-6
    owners = {text.words[at] for at, one in enumerate(text.text) if unicodedata.category(one)[0] not in "MZ"}
    assert owners <= {place.word for place in setting.places}  # a lone mark may stand on the blank before it
    edge = Box(0, 0, width // 2 * 2, height // 2 * 2)
    patches = list_patches(Block(setting, 0, 0, edge.width, is_centred=True), edge)
    assert not any(
        one.box.meets(other.box) for at, one in enumerate(patches) for other in patches[at + 1 :] if other.box.width
    )


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("shape", SIZES)
def test_line_of_300_characters_is_inside_the_safe_area(theme: str, shape: str, tmp_path: Path) -> None:
    long = ("metamorphosis of the evening " * 11)[:300]
    width, height = SIZES[shape]
    picture = write_cover(tmp_path / "cover.png")
    plan = make_plan(
        Path("song.m4a"), theme, width, height, 40.0, lines=sing((long, "m" * 300), 2.0, 0.2), cover=picture
    )
    places = lay_out(plan, THEMES[theme])
    empty, full = (Screen(build_scene(replace(each, title=""))) for each in (replace(plan, lines=()), plan))
    frame = plan.frame_at(3.05)
    empty.show(frame)
    full.show(frame)
    changed = np.abs(empty.picture.planes[0].astype(int) - full.picture.planes[0]) > 8
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    assert len(rows) > 20
    assert places.countdown.y <= rows[0] <= rows[-1] < places.words.bottom
    assert places.words.x <= columns[0] <= columns[-1] < places.words.right
    assert width * 0.05 < columns[0] <= columns[-1] < width * 0.95


def test_markup_and_filters_are_letters_like_any_other() -> None:
    hostile = "<b>a</b> &amp; %{eif:1} \\N{x} ';[v]drawtext=a:b"
    text = find_text(hostile.split())
    assert text is not None
    assert text.text == hostile
    setting = set_text(text, 1700, 300, 60, 2)
    glyphs = [glyph.number for row in setting.rows for glyph in row.glyphs]
    assert len(glyphs) == len(hostile) - (len(setting.rows) - 1)
    assert all(glyphs)
    assert cover([Block(setting, 0, 0, 1700, is_centred=True)], 1700, 300).max() == 255


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize("seed", [1, 5, 9])
def test_words_can_be_read_on_all_of_the_ground(theme: str, dark: bool, seed: int, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter of the test
    plan = make_plan(
        Path("song.m4a"), theme, 960, 540, palette=palette(seed, dark=dark), cover=write_cover(tmp_path / "c.png")
    )
    scene = build_scene(plan)
    under = scene.ground.cut(lay_out(plan, THEMES[theme]).words).to_rgb()
    unsung, now, sung = choose_inks(plan.palette)
    inks = (unsung, now, sung) if theme in ("stacked", "minimal", "cover") else (now, sung)
    assert min(measure_contrast(under, ink) for ink in inks) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("shape", SIZES)
def test_nothing_that_moves_stands_on_anything_else(theme: str, shape: str, tmp_path: Path) -> None:
    width, height = SIZES[shape]
    plan = make_plan(Path("song.m4a"), theme, width, height, cover=write_cover(tmp_path / "cover.png"))
    places = lay_out(plan, THEMES[theme])
    boxes = [layer.box for layer in build_scene(plan).layers]
    boxes += [places.cover] if places.cover else []
    assert not any(one.meets(other) for at, one in enumerate(boxes) for other in boxes[at + 1 :])
    assert all(0 <= box.x < box.right <= width and 0 <= box.y < box.bottom <= height for box in boxes)


@pytest.mark.parametrize("theme", THEMES)
def test_frame_is_the_same_whatever_was_drawn_before_it(theme: str, tmp_path: Path) -> None:
    plan = make_plan(Path("song.m4a"), theme, 480, 480, 12.0, cover=write_cover(tmp_path / "cover.png"))
    steady = Screen(build_scene(plan))
    for frame in range(240):
        steady.show(frame)
        if frame % 13 == 0:
            fresh = Screen(build_scene(plan))
            fresh.show(frame)
            assert np.array_equal(steady.picture.memory, fresh.picture.memory), frame


def test_colours_come_back_from_the_planes() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (8, 8, 3), np.uint8).repeat(2, 0).repeat(2, 1)
    assert np.abs(Picture.of_rgb(pixels).to_rgb().astype(int) - pixels).max() <= 4


def test_fonts_are_small_and_come_with_their_licences() -> None:
    folder = Path(__file__).parent.parent.parent / "jobs/engines/films/fonts"
    assert sum(path.stat().st_size for path in folder.glob("*.ttf")) <= 2_000_000
    assert {path.rpartition("/")[2] for package, path in FONTS if package.endswith("films")} == {
        path.name for path in folder.glob("*.ttf")
    }
    assert "SIL OPEN FONT LICENSE" in (folder / "OFL.txt").read_text().upper()
