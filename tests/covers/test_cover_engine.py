"""Covers: the same for ever from the same song and numbers, kin across versions, readable and harmless."""

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from jobs.engines.covers import (
    CROPS,
    FAMILIES,
    OF_LOUDNESS,
    Contour,
    CoverPlan,
    accent_hue,
    contrast,
    draw_cover,
    imagine_contour,
    palette,
    rasterise_cover,
)
from jobs.engines.covers.canvas import Canvas, Dice
from jobs.engines.covers.inks import pick_inks
from jobs.engines.covers.sheet import lay_out
from tests.covers.songs import TITLES, make_contour, plans_by_family

SVG = "{http://www.w3.org/2000/svg}"
DRAWN = {"svg", "rect", "circle", "path"}
MAX_SVG_BYTES = 96 << 10
BY_FAMILY = plans_by_family(1, 3)
PLANS = [plan for plans in BY_FAMILY.values() for plan in plans]
Pixels = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def colours_of(svg: str) -> set[str]:
    """Every hex colour of a drawing."""
    return set(re.findall(r"#[0-9a-f]{6}\b", svg))


def pixels(svg: str, path: Path, width: int = 128, height: int = 128) -> Pixels:
    """A small picture of a drawing."""
    rasterise_cover(svg, path, width, height)
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"), dtype=np.float64)


def share_that_differs(one: str, other: str, folder: Path) -> float:
    """How much of one small picture an eye would see to be unlike the other."""
    difference = np.abs(pixels(one, folder / "one.png") - pixels(other, folder / "other.png"))
    return float((difference.max(axis=2) > 24).mean())


def test_same_plan_gives_the_same_bytes() -> None:
    drawn = [draw_cover(plan, width, height) for plan in PLANS for width, height in CROPS.values()]
    assert drawn == [draw_cover(plan, width, height) for plan in PLANS for width, height in CROPS.values()]


def test_same_drawing_gives_the_same_picture(tmp_path: Path) -> None:
    for name in ("one.png", "other.png"):
        rasterise_cover(draw_cover(PLANS[0]), tmp_path / name, 1024, 1024)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "other.png").read_bytes()


def test_songs_of_which_only_the_loudness_is_known_have_the_families_that_need_no_more() -> None:
    for plan in PLANS:
        assert plan.contour is not None
        heard = replace(plan, contour=Contour(plan.contour.levels))
        family = Dice("theme", plan.style_seed, plan.track_seed).pick(OF_LOUDNESS)
        assert FAMILIES.index(family) < len(OF_LOUDNESS)
        assert draw_cover(heard).startswith("<svg")
        assert draw_cover(heard) == draw_cover(replace(heard, contour=Contour(plan.contour.levels)))


@pytest.mark.parametrize("family", BY_FAMILY)
def test_another_song_looks_different_from_the_same_seeds(family: int, tmp_path: Path) -> None:
    plan = BY_FAMILY[family][0]
    other = replace(plan, contour=make_contour(plan.style_seed + 1))
    assert share_that_differs(draw_cover(plan), draw_cover(other), tmp_path) > 0.01
    assert colours_of(draw_cover(other)) <= set(colours_for(plan))


@pytest.mark.parametrize("family", BY_FAMILY)
def test_same_song_from_another_seed_looks_different(family: int, tmp_path: Path) -> None:
    plan = BY_FAMILY[family][0]
    other = replace(plan, style_seed=plan.style_seed + 1000)
    assert share_that_differs(draw_cover(plan), draw_cover(other), tmp_path) > 0.2


def test_song_that_is_not_there_yet_has_a_cover_that_its_seed_imagines() -> None:
    plan = replace(PLANS[0], contour=None)
    assert draw_cover(plan) == draw_cover(replace(plan, contour=imagine_contour(plan.track_seed)))
    assert imagine_contour(1) != imagine_contour(2)


def colours_for(plan: CoverPlan) -> tuple[str, ...]:
    """The colours of a plan's palette."""
    kin = palette(plan.style_seed, dark=plan.dark)
    return kin.ground, kin.accent, kin.text, *kin.figures


@pytest.mark.parametrize("family", BY_FAMILY)
def test_next_version_looks_different_but_keeps_its_colours(family: int, tmp_path: Path) -> None:
    for plan in BY_FAMILY[family]:
        after = replace(plan, visual_version=plan.visual_version + 1)
        one, other = draw_cover(plan), draw_cover(after)
        assert colours_of(one) | colours_of(other) <= set(colours_for(plan))
        assert share_that_differs(one, other, tmp_path) > 0.02


@pytest.mark.parametrize("crop", CROPS)
@pytest.mark.parametrize("dark", [True, False])
def test_title_stands_alone_on_a_ground_that_it_can_be_read_on(
    crop: str,
    dark: bool,  # noqa: FBT001 -- a parameter of the test
    tmp_path: Path,
) -> None:
    width, height = CROPS[crop]
    for number, (plan, *_) in enumerate(BY_FAMILY.values()):
        titled = replace(plan, title=TITLES[number % len(TITLES)], dark=dark)
        family = Dice("theme", plan.style_seed, plan.track_seed).pick(FAMILIES)
        layout = lay_out(Canvas(width, height), titled.title, is_above=family.is_titled_above)
        assert layout.title is not None
        arrangement = Dice("arrangement", plan.style_seed, plan.track_seed, plan.visual_version)
        inks = pick_inks(palette(plan.style_seed, dark=dark), arrangement)
        x, y = layout.title.corner
        lettering = layout.title.lettering
        assert 1 <= len(lettering.lines) <= 3
        assert x > 0
        assert x + lettering.width < width
        assert y + lettering.height < height
        picture = pixels(draw_cover(titled, width, height), tmp_path / "a.png", width, height)
        behind = picture[int(y) : int(y + lettering.height), int(x) : int(x + lettering.width)]
        assert contrast(inks.title, inks.ground) >= 4.5
        ends = np.array([[int(paint[at : at + 2], 16) for at in (1, 3, 5)] for paint in (inks.title, inks.ground)])
        span = ends[0] - ends[1]
        along = ((behind - ends[1]) @ span) / float(span @ span)
        off = np.abs(behind - (ends[1] + along[..., None] * span)).max()
        assert off <= 3, "only the title's colour, the ground's, and what lies between them at an edge"
        assert (along > 0.98).mean() > 0.05
        assert (along < 0.02).mean() > 0.3


def test_titles_hold_all_their_letters_or_none() -> None:
    def lines(title: str) -> tuple[str, ...] | None:
        title_ = lay_out(Canvas(1024, 1024), title, is_above=False).title
        return None if title_ is None else title_.lettering.lines

    assert lines("Rain") == ("Rain",)
    assert " ".join(lines("Summer \U0001f334 vibes ✨") or ()) == "Summer vibes"
    for title in ("夜曲", "Song of 夜", "مساء الخير", "שלום", "नमस्ते", "", "   ", "\U0001f3b5"):
        assert lines(title) is None, title
    assert " ".join(lines("one two three four five six seven eight nine ten") or ()) == (
        "one two three four five six seven eight nine ten"
    )
    cut = lines("w" * 120)
    assert cut is not None
    assert len(cut) == 3
    assert cut[-1].endswith("…")
    assert lines("e\u0301te\u0301") == ("été",)


@pytest.mark.parametrize("crop", CROPS)
def test_cover_without_a_title_uses_the_whole_sheet(crop: str, tmp_path: Path) -> None:
    for plan in PLANS:
        drawn = pixels(draw_cover(replace(plan, title="夜曲"), *CROPS[crop]), tmp_path / "a.png", 64, 64)
        assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 2


def test_tracks_and_styles_differ() -> None:
    assert len({draw_cover(CoverPlan(1, track, 1)) for track in range(20)}) == 20
    assert len({palette(style) for style in range(60)}) == 60
    assert {accent_hue(style) // 60 for style in range(60)} == set(range(6))


@pytest.mark.parametrize("dark", [True, False])
def test_accent_and_text_can_be_read_on_the_ground(dark: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    for style_seed in range(400):
        colours = palette(style_seed, dark=dark)
        assert contrast(colours.accent, colours.ground) >= 4.5
        assert contrast(colours.text, colours.ground) >= 4.5
        assert contrast(colours.figures[4], colours.ground) >= 3
        for version in range(8):
            inks = pick_inks(colours, Dice("arrangement", style_seed, version))
            assert contrast(inks.title, inks.ground) >= 4.5


def test_contrast_of_black_and_white_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("crop", CROPS)
def test_drawing_is_small_and_holds_nothing_but_plain_shapes(crop: str) -> None:
    width, height = CROPS[crop]
    odd = [CoverPlan(seed, 2**62 + seed, 2**31, title="&<script>\"'", dark=False) for seed in range(12)]
    for plan in [*PLANS, *odd, replace(PLANS[0], title="Ở đâu có Ẩ " * 11)]:
        svg = draw_cover(plan, width, height)
        assert len(svg.encode()) <= MAX_SVG_BYTES
        root = ET.fromstring(svg)  # noqa: S314 -- our own drawing
        assert (root.get("width"), root.get("height")) == (str(width), str(height))
        for element in root.iter():
            assert element.tag.removeprefix(SVG) in DRAWN
            assert not (element.text or "").strip()
            for name, value in element.attrib.items():
                assert "href" not in name
                assert "style" not in name
                assert not name.startswith("on")
                assert "nan" not in value
                assert "url" not in value


@pytest.mark.parametrize("crop", CROPS)
@pytest.mark.parametrize("family", BY_FAMILY)
def test_picture_of_every_family_has_exactly_the_pixels_of_its_crop(family: int, crop: str, tmp_path: Path) -> None:
    width, height = CROPS[crop]
    path = tmp_path / "cover.png"
    rasterise_cover(draw_cover(BY_FAMILY[family][0], width, height), path, width, height)
    with Image.open(path) as picture:
        assert (picture.format, picture.size) == ("PNG", (width, height))
        opaque = picture.convert("RGBA").getchannel("A").getextrema()
    assert path.stat().st_size < 1 << 20
    assert opaque == (255, 255)


def test_crop_is_composed_for_its_shape_and_not_stretched() -> None:
    for plan in PLANS:
        wide = draw_cover(plan, *CROPS["LANDSCAPE"])
        assert "preserveAspectRatio" not in wide
        assert "transform" not in wide
        assert wide.partition(">")[2] != draw_cover(plan).partition(">")[2]
