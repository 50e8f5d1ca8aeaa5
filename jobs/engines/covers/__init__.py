"""Cover art: an SVG that follows from three numbers alone, composed anew for each shape, and its picture."""

from dataclasses import dataclass
from pathlib import Path

import resvg_py

from jobs.engines.covers import bloom, orbits, ridges, strands, tiles
from jobs.engines.covers.canvas import Canvas, Dice
from jobs.engines.covers.flourishes import FLOURISHES
from jobs.engines.covers.palette import Palette, accent_hue, contrast, palette

__all__ = [
    "CROPS",
    "FAMILIES",
    "FLOURISHES",
    "MOTIFS",
    "CoverPlan",
    "Palette",
    "accent_hue",
    "contrast",
    "draw_cover",
    "palette",
    "rasterise_cover",
]

CROPS = {"SQUARE": (1024, 1024), "PORTRAIT": (1080, 1920), "LANDSCAPE": (1920, 1080)}
MOTIFS = {
    "orbits": orbits.draw,
    "ridges": ridges.draw,
    "tiles": tiles.draw,
    "bloom": bloom.draw,
    "strands": strands.draw,
}
FAMILIES = tuple(MOTIFS.values())


@dataclass(frozen=True)
class CoverPlan:
    """All that a cover depends on."""

    style_seed: int
    track_seed: int
    visual_version: int
    dark: bool = True
    motif: str | None = None  # the family; None lets the track's seed choose
    flourish: str | None = None  # what is drawn over it


def draw_cover(plan: CoverPlan, width: int = 1024, height: int = 1024) -> str:
    """Draw the cover for a canvas of this shape.

    The style gives the colours, the track the family and its theme, the visual version the arrangement.
    """
    colours = palette(plan.style_seed, dark=plan.dark)
    theme = Dice("theme", plan.style_seed, plan.track_seed)
    arrangement = Dice("arrangement", plan.style_seed, plan.track_seed, plan.visual_version)
    canvas = Canvas(width, height)
    chosen = theme.pick(FAMILIES)
    draw = MOTIFS[plan.motif] if plan.motif else chosen
    draw(canvas, colours, theme, arrangement)
    if plan.flourish:
        FLOURISHES[plan.flourish](canvas, colours, Dice("flourish", plan.style_seed, plan.track_seed))
    return canvas.finish()


def rasterise_cover(svg: str, path: Path, width: int, height: int) -> None:
    """Write the drawing as a PNG of exactly this size; no font and no file is looked up."""
    path.write_bytes(resvg_py.svg_to_bytes(svg_string=svg, width=width, height=height, skip_system_fonts=True))
