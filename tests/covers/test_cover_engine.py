"""Covers: the same for ever from the same numbers, kin across versions, readable and harmless."""

import hashlib
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from jobs.engines.covers import (
    CROPS,
    FAMILIES,
    CoverPlan,
    accent_hue,
    contrast,
    draw_cover,
    palette,
    rasterise_cover,
)
from jobs.engines.covers.canvas import Dice

SVG = "{http://www.w3.org/2000/svg}"
DRAWN = {"svg", "defs", "linearGradient", "radialGradient", "stop", "rect", "circle", "path"}
MAX_SVG_BYTES = 64 << 10
KNOWN_DRAWINGS = "333c3030c6e3bc0d9399b3e8bd433db2f74aabd47578b478e1903c09c35227b0"
PLANS = [CoverPlan(style_seed, style_seed * 7 + 3, 1) for style_seed in range(24)]


def colours_of(svg: str) -> set[str]:
    """Every hex colour of a drawing."""
    return set(re.findall(r"#[0-9a-f]{6}\b", svg))


def pixels(svg: str, path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """A small picture of a drawing."""
    rasterise_cover(svg, path, 128, 128)
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"), dtype=np.float64)


def test_same_plan_gives_the_same_bytes() -> None:
    drawn = [draw_cover(plan, width, height) for plan in PLANS for width, height in CROPS.values()]
    assert drawn == [draw_cover(plan, width, height) for plan in PLANS for width, height in CROPS.values()]


def test_drawing_of_a_known_plan_never_changes() -> None:
    """Whoever changes a composition changes covers that people have chosen: that is a new family, not an edit."""
    drawn = "".join(draw_cover(plan) for plan in PLANS)
    assert hashlib.sha256(drawn.encode()).hexdigest() == KNOWN_DRAWINGS


def test_plans_cover_every_family() -> None:
    assert len(FAMILIES) >= 4
    assert {Dice("theme", plan.style_seed, plan.track_seed).pick(FAMILIES) for plan in PLANS} == set(FAMILIES)


@pytest.mark.parametrize("plan", PLANS[:8], ids=str)
def test_next_version_looks_different_but_keeps_its_colours(plan: CoverPlan, tmp_path: Path) -> None:
    after = CoverPlan(plan.style_seed, plan.track_seed, plan.visual_version + 1)
    one, other = draw_cover(plan), draw_cover(after)
    kin = palette(plan.style_seed)
    allowed = {kin.ground, kin.accent, kin.text, *kin.figures}
    assert colours_of(one) <= allowed
    assert colours_of(other) <= allowed
    assert len(colours_of(one) & colours_of(other)) >= 4
    difference = np.abs(pixels(one, tmp_path / "one.png") - pixels(other, tmp_path / "other.png"))
    assert (difference.max(axis=2) > 24).mean() > 0.05


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


def test_contrast_of_black_and_white_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("crop", CROPS)
def test_drawing_is_small_and_holds_nothing_but_plain_shapes(crop: str) -> None:
    width, height = CROPS[crop]
    for plan in [*PLANS, *(CoverPlan(seed, 2**62 + seed, 2**31, dark=False) for seed in range(12))]:
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
                assert "url" not in value or re.fullmatch(r"url\(#p\d+\)", value)


@pytest.mark.parametrize(("width", "height"), [*CROPS.values(), (64, 64)])
def test_picture_has_exactly_the_pixels_asked_for(width: int, height: int, tmp_path: Path) -> None:
    path = tmp_path / "cover.png"
    rasterise_cover(draw_cover(PLANS[0], width, height), path, width, height)
    with Image.open(path) as picture:
        assert (picture.format, picture.size) == ("PNG", (width, height))
        opaque = picture.convert("RGBA").getchannel("A").getextrema()
    assert opaque == (255, 255)


def test_crop_is_composed_for_its_shape_and_not_stretched() -> None:
    for plan in PLANS[:10]:
        wide = draw_cover(plan, *CROPS["LANDSCAPE"])
        assert "preserveAspectRatio" not in wide
        assert "scale(" not in wide
        assert wide.split("</defs>")[-1] != draw_cover(plan).split("</defs>")[-1]
