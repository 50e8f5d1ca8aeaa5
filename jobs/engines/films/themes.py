"""How a film looks: how the sung word stands out, what is shown beside it, and where things go in each shape."""

from dataclasses import dataclass
from enum import Enum

from jobs.engines.films import grounds
from jobs.engines.films.plan import FilmPlan
from jobs.engines.films.planes import Box

TALL_LETTERS, TALL_ROWS = 1.2, 2  # larger letters and more rows where the film is tall


class Highlight(Enum):
    """How the word that is sung stands out."""

    SWEEP = "filled from its beginning to its end"
    STEP = "in another colour, from its beginning to its end"
    POP = "alone on the screen"


@dataclass(frozen=True)
class Theme:
    """`size` is a share of the film's shorter side, somewhat more of it where the film is tall."""

    paint: grounds.Paint
    highlight: Highlight
    size: float
    rows: int
    lines: int  # of a page, at most
    is_centred: bool = True
    has_header: bool = True
    has_progress: bool = True
    has_waveform: bool = False
    has_cover: bool = False
    has_zoom: bool = True


THEMES = {
    "karaoke": Theme(grounds.paint_glow, Highlight.SWEEP, 0.094, rows=4, lines=2),
    "pop": Theme(grounds.paint_discs, Highlight.POP, 0.25, rows=2, lines=1, has_header=False),
    "stacked": Theme(grounds.paint_stripes, Highlight.STEP, 0.088, rows=6, lines=4, is_centred=False),
    "minimal": Theme(grounds.paint_plain, Highlight.STEP, 0.066, rows=3, lines=1, has_header=False, has_zoom=False),
    "waveform": Theme(grounds.paint_horizon, Highlight.SWEEP, 0.082, rows=3, lines=2, has_waveform=True),
    "cover": Theme(grounds.paint_plain, Highlight.STEP, 0.066, rows=6, lines=4, is_centred=False, has_cover=True),
}


@dataclass(frozen=True)
class Places:
    """Where things stand; none of these boxes meets another."""

    words: Box
    countdown: Box
    header: Box | None
    progress: Box | None
    waveform: Box | None
    cover: Box | None
    rows: int  # of a page, at most
    letter: float  # what sizes of letters are shares of


def lay_out(plan: FilmPlan, theme: Theme) -> Places:
    """Composed for the film's own shape, inside what players leave free."""
    unit = min(plan.width, plan.height)
    is_tall = plan.height > plan.width
    left = round(plan.width * (0.075 if is_tall else 0.06))
    right = plan.width - left
    top = round(plan.height * (0.11 if is_tall else 0.065))
    bottom = round(plan.height * (0.83 if is_tall else 0.925))
    cover = header = progress = waveform = None
    if theme.has_progress:
        progress = Box.around(left, bottom - unit * 0.006, right, bottom)
        bottom = round(bottom - unit * 0.05)
    if theme.has_cover:
        cover = _place_cover(plan, left, top, bottom)
        if not is_tall:
            left = cover.right + round(plan.width * 0.05)
        else:
            top = cover.bottom + round(unit * 0.05)
    if theme.has_header:
        header = Box.around(left, top, right, top + unit * 0.05)
        top = header.bottom
    if theme.has_waveform:
        waveform = Box.around(left, bottom - unit * 0.3, right, bottom)
        bottom = round(waveform.y - unit * 0.03)
    countdown = Box.around(left, top + unit * 0.03, right, top + unit * 0.07)
    words = Box.around(left, countdown.bottom + unit * 0.01, right, bottom)
    return Places(
        words,
        countdown,
        header,
        progress,
        waveform,
        cover,
        theme.rows + (TALL_ROWS if is_tall else 0),
        unit * (TALL_LETTERS if is_tall else 1.0),
    )


def _place_cover(plan: FilmPlan, left: int, top: int, bottom: int) -> Box:
    if plan.height > plan.width:
        side = plan.width * 0.66
        return Box.around((plan.width - side) / 2, top, (plan.width + side) / 2, top + side)
    side, middle = min((bottom - top) * 0.86, plan.width * 0.38), (top + bottom) / 2
    return Box.around(left, middle - side / 2, left + side, middle + side / 2)
