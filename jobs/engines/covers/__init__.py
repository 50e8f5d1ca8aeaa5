"""Cover art: an SVG that follows from a song and three numbers, composed anew for each shape, and its picture."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import resvg_py

from jobs.engines.covers import bars, beats, ribbons, ridges, ring, wheel
from jobs.engines.covers.canvas import Canvas, Dice
from jobs.engines.covers.contour import Contour, contour_of, contour_of_peaks, imagine_contour, read_contour
from jobs.engines.covers.flourishes import FLOURISHES
from jobs.engines.covers.inks import pick_inks
from jobs.engines.covers.lettering import FONT
from jobs.engines.covers.palette import Palette, accent_hue, contrast, palette
from jobs.engines.covers.sheet import Sheet, draw_title, lay_out

__all__ = [
    "ALGORITHM",
    "CROPS",
    "FAMILIES",
    "FLOURISHES",
    "FONT",
    "MOTIFS",
    "Contour",
    "CoverPlan",
    "Family",
    "Palette",
    "accent_hue",
    "contour_of",
    "contour_of_peaks",
    "contrast",
    "draw_cover",
    "imagine_contour",
    "palette",
    "rasterise_cover",
    "read_contour",
]

ALGORITHM = 2  # kept with each cover; whoever changes what a plan draws counts on
CROPS = {"SQUARE": (1024, 1024), "PORTRAIT": (1080, 1920), "LANDSCAPE": (1920, 1080)}


class Family(NamedTuple):
    """One way to compose a cover: how it is drawn, and on which side of it the title stands."""

    draw: Callable[[Sheet], None]
    is_titled_above: bool


# By motif; the first three need only know how loud the song is.
MOTIFS = {
    "ring": (Family(ring.draw_whole, is_titled_above=False), Family(ring.draw_rising, is_titled_above=True)),
    "bars": (Family(bars.draw_mirrored, is_titled_above=False), Family(bars.draw_standing, is_titled_above=True)),
    "ridges": (Family(ridges.draw, is_titled_above=True),),
    "ribbons": (Family(ribbons.draw_bow, is_titled_above=True), Family(ribbons.draw_corner, is_titled_above=True)),
    "beats": (Family(beats.draw_flower, is_titled_above=False), Family(beats.draw_grid, is_titled_above=False)),
    "wheel": (Family(wheel.draw, is_titled_above=False),),
}
FAMILIES = tuple(family for families in MOTIFS.values() for family in families)
OF_LOUDNESS = MOTIFS["ring"] + MOTIFS["bars"] + MOTIFS["ridges"]


@dataclass(frozen=True)
class CoverPlan:
    """All that a cover depends on."""

    style_seed: int
    track_seed: int
    visual_version: int
    contour: Contour | None = None  # of a song that is not there yet: its seed stands in for it
    title: str = ""
    dark: bool = True
    motif: str | None = None  # what it shows; None lets the track's seed choose
    flourish: str | None = None  # what is drawn over it


def draw_cover(plan: CoverPlan, width: int = 1024, height: int = 1024) -> str:
    """Draw the cover for a canvas of this shape.

    The style gives the colours, the song the figures, the track the family and its theme, the visual version the
    arrangement. A song of which only the loudness is known has the families that need no more.
    """
    contour = plan.contour or imagine_contour(plan.track_seed)
    colours = palette(plan.style_seed, dark=plan.dark)
    theme = Dice("theme", plan.style_seed, plan.track_seed)
    arrangement = Dice("arrangement", plan.style_seed, plan.track_seed, plan.visual_version)
    family = theme.pick(_list_families(plan.motif, contour))
    inks = pick_inks(colours, arrangement)
    canvas = Canvas(width, height)
    layout = lay_out(canvas, plan.title, is_above=family.is_titled_above)
    family.draw(Sheet(canvas, layout.box, inks, contour, theme, arrangement))
    if plan.flourish:
        FLOURISHES[plan.flourish](canvas, inks, Dice("flourish", plan.style_seed, plan.track_seed))
    if layout.title is not None:
        draw_title(canvas, layout.title, inks)
    return canvas.finish()


def _list_families(motif: str | None, contour: Contour) -> tuple[Family, ...]:
    """Those of the motif, if the song can be drawn so."""
    possible = FAMILIES if contour.has_score else OF_LOUDNESS
    wanted = () if motif is None else MOTIFS[motif]
    return tuple(family for family in wanted if family in possible) or possible


def rasterise_cover(svg: str, path: Path, width: int, height: int) -> None:
    """Write the drawing as a PNG of exactly this size; no font and no file is looked up."""
    path.write_bytes(resvg_py.svg_to_bytes(svg_string=svg, width=width, height=height, skip_system_fonts=True))
