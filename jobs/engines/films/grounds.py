"""What stands behind the words, dark or light enough that they can be read on all of it."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import resvg_py
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

from jobs.engines.covers.palette import READABLE_CONTRAST, Palette, contrast
from jobs.engines.films.plan import FilmPlan
from jobs.engines.films.planes import Box, Plane
from jobs.engines.run import EngineRefused

MARGIN = 0.4  # of contrast, for what rounding and the encoder take
STEP = 0.04
FAINTEST = 6.5  # contrast with the ground's own colour, so that it may have others too
SAMPLED_PIXELS = 3  # every so many in both directions: grounds are smooth
BLURRED_SIDE = 48
MOST_COVER_PIXELS = 50_000_000

Paint = Callable[[FilmPlan], str]


def paint_glow(plan: FilmPlan) -> str:
    """Two soft lights in opposite corners."""
    lights = (("a", plan.palette.figures[1], 0.05, 0.0), ("b", plan.palette.figures[2], 0.98, 1.0))
    drawn = "".join(
        f'<radialGradient id="{name}" cx="{x}" cy="{y}" r="0.75"><stop offset="0" stop-color="{colour}"/>'
        f'<stop offset="1" stop-color="{colour}" stop-opacity="0"/></radialGradient>'
        for name, colour, x, y in lights
    )
    return f"<defs>{drawn}</defs>" + "".join(
        f'<rect width="{plan.width}" height="{plan.height}" fill="url(#{name})"/>' for name, *_ in lights
    )


def paint_discs(plan: FilmPlan) -> str:
    """One large disc behind the middle, rings around it."""
    unit, (x, y) = min(plan.width, plan.height), (plan.width / 2, plan.height / 2)
    rings = "".join(
        f'<circle cx="{x}" cy="{y}" r="{unit * (0.58 + 0.14 * number):.1f}" fill="none" stroke-width="{unit / 270:.1f}"'
        f' stroke="{plan.palette.figures[0]}" stroke-opacity="{0.9 - 0.2 * number:.1f}"/>'
        for number in range(4)
    )
    return f'{rings}<circle cx="{x}" cy="{y}" r="{unit * 0.385:.1f}" fill="{plan.palette.figures[0]}"/>'


def paint_stripes(plan: FilmPlan) -> str:
    """A fan of bands that leans in from the far side."""
    width = plan.width * 0.05
    return "".join(
        f'<path d="M{plan.width * 0.74 + width * number * 1.5:.1f} 0h{width:.1f}L'
        f'{plan.width * 0.56 + width * (number * 1.9 + 1):.1f} {plan.height}h{-width:.1f}Z"'
        f' fill="{plan.palette.figures[min(number, 2)]}" fill-opacity="0.8"/>'
        for number in range(5)
    )


def paint_plain(_plan: FilmPlan) -> str:
    """Nothing."""
    return ""


def paint_horizon(plan: FilmPlan) -> str:
    """A light that rises behind the waveform."""
    colour = plan.palette.figures[1]
    return (
        '<defs><linearGradient id="a" x1="0" y1="0" x2="0" y2="1"><stop offset="0.25" stop-opacity="0"'
        f' stop-color="{colour}"/><stop offset="1" stop-color="{colour}"/></linearGradient></defs>'
        f'<rect width="{plan.width}" height="{plan.height}" fill="url(#a)"/>'
    )


SOFT = {paint_glow, paint_horizon}  # without an edge: they are drawn at half their size, which takes a quarter as long


def draw_ground(plan: FilmPlan, paint: Paint, words: tuple[Box, ...], inks: tuple[str, ...]) -> Plane:
    """The pixels of a ground on which every ink can be read within these boxes."""
    size, parts = (plan.width, plan.height), 2 if paint in SOFT else 1
    document = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0] // parts}" height="{size[1] // parts}"'
        f' viewBox="0 0 {size[0]} {size[1]}" preserveAspectRatio="none">'
        f'<rect width="{size[0]}" height="{size[1]}" fill="{plan.palette.ground}"/>{paint(plan)}</svg>'
    )
    with Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=document, skip_system_fonts=True)))) as picture:
        pixels = np.asarray(picture.convert("RGB").resize(size, Image.Resampling.BICUBIC))
    return _calm(pixels, plan.palette, words, inks)


def draw_blurred(plan: FilmPlan, cover: Image.Image, words: tuple[Box, ...], inks: tuple[str, ...]) -> Plane:
    """The cover as nothing but its colours, over all of the film."""
    small = ImageOps.fit(cover, (BLURRED_SIDE, BLURRED_SIDE)).filter(ImageFilter.GaussianBlur(BLURRED_SIDE / 8))
    pixels = np.asarray(ImageOps.fit(small, (plan.width, plan.height), Image.Resampling.BICUBIC))
    return _calm(pixels, plan.palette, words, inks)


def read_cover(path: Path) -> Image.Image:
    """The cover's pixels, or EngineRefused."""
    try:
        with Image.open(path) as picture:
            if picture.width * picture.height > MOST_COVER_PIXELS:
                raise EngineRefused("COVER_TOO_LARGE", f"a cover has at most {MOST_COVER_PIXELS} pixels")
            return picture.convert("RGB")
    except (OSError, ValueError) as error:
        raise EngineRefused(
            "UNREADABLE", f"the cover is no picture that can be read ({type(error).__name__})"
        ) from error


def choose_inks(palette: Palette) -> tuple[str, str, str]:
    """Words to come, heard now, and over: each can be read on the ground, and leaves it some freedom."""
    faint = _approach(palette.ground, palette.text, palette.ground, FAINTEST)
    return faint, _approach(palette.accent, palette.text, palette.ground, FAINTEST), palette.text


def measure_contrast(pixels: Plane, ink: str) -> float:
    """The least WCAG contrast of an ink with any of these pixels."""
    light = _list_luminances(np.array([[int(ink[at : at + 2], 16) for at in (1, 3, 5)]], np.uint8))[0]
    others = _list_luminances(pixels.reshape(-1, 3))
    lighter, darker = np.maximum(light, others), np.minimum(light, others)
    return float(((lighter + 0.05) / (darker + 0.05)).min())


def _calm(pixels: Plane, palette: Palette, words: tuple[Box, ...], inks: tuple[str, ...]) -> Plane:
    """As much of the ground's own colour over all as the inks need."""
    step = slice(None, None, SAMPLED_PIXELS)
    under = np.concatenate([pixels[box.y : box.bottom, box.x : box.right][step, step].reshape(-1, 3) for box in words])
    tones = _list_tones(under)
    flat = np.array([int(palette.ground[at : at + 2], 16) for at in (1, 3, 5)], np.float32)
    share = 0.0
    while share < 1 and any(
        measure_contrast(_cover(tones, flat, share), ink) < READABLE_CONTRAST + MARGIN for ink in inks
    ):
        share = min(1.0, share + STEP)
    return _cover(pixels, flat, share)


def _list_tones(pixels: Plane) -> Plane:
    """Each once."""
    red, green, blue = pixels.astype(np.uint32).T
    numbers = np.unique(red << 16 | green << 8 | blue)
    return np.stack([numbers >> 16, numbers >> 8 & 255, numbers & 255], -1).astype(np.uint8)


def _cover(pixels: Plane, flat: NDArray[np.float32], share: float) -> Plane:
    if share == 0:
        return pixels
    table = np.arange(256, dtype=np.float32)[:, None] * (1 - share) + flat * share
    rounded = np.rint(table).astype(np.uint8)
    return np.stack([rounded[:, channel][pixels[..., channel]] for channel in range(3)], -1)


def _list_luminances(pixels: Plane) -> NDArray[np.float64]:
    encoded = np.arange(256) / 255
    table = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    return np.asarray(table[pixels] @ np.array([0.2126, 0.7152, 0.0722]))


def _approach(colour: str, goal: str, ground: str, wished: float) -> str:
    """The first mixture on the way to the goal that has this contrast with the ground."""
    share = 0.0
    while contrast(_blend(colour, goal, share), ground) < wished and share < 1:
        share = min(1.0, share + STEP)
    return _blend(colour, goal, share)


def _blend(one: str, other: str, share: float) -> str:
    channels = ((int(one[at : at + 2], 16), int(other[at : at + 2], 16)) for at in (1, 3, 5))
    return "#" + "".join(f"{round(low + (high - low) * share):02x}" for low, high in channels)
