"""Ribbons: the sections of the song as bands, as thick as they are long; those of one name share a colour."""

from jobs.engines.covers.canvas import Point, arc
from jobs.engines.covers.sheet import Sheet

FEWEST = 6
SEAM = 0.8  # pixels by which bands that touch lie on each other, or the ground would shine through
EVENED = 0.6  # so that a short section is still a band


def draw_bow(sheet: Sheet) -> None:
    """Half rounds that rise from the sheet's lower edge."""
    box = sheet.box
    reach = min(box.height * 0.96, box.width * 0.6)
    _draw(sheet, box.at(0.5, 1.0), reach, 180.0, 180.0)


def draw_corner(sheet: Sheet) -> None:
    """Quarter rounds that come out of a lower corner."""
    box = sheet.box
    is_left = sheet.arrangement.falls(0.5) and box.width < 1.5 * box.height  # on a wide one, opposite the title
    reach = min(box.height * 0.97, box.width - sheet.margin)
    _draw(sheet, box.at(0.0 if is_left else 1.0, 1.0), reach, -90.0 if is_left else 180.0, 90.0)


def _draw(sheet: Sheet, centre: Point, reach: float, first: float, turn: float) -> None:
    canvas, inks = sheet.canvas, sheet.inks
    bands = _split(sheet.contour.shares(sheet.contour.sections))
    lifts = sheet.contour.lifts(len(bands))
    paints = [inks.tones[3], inks.accent, inks.tones[1], inks.tones[2], inks.tones[0]]
    shift = sheet.arrangement.whole(0, len(paints) - 1)
    gap = sheet.theme.pick([0.0, 0.16, 0.3])
    inner = reach * 0.16
    whole = sum(share**EVENED for _, share in bands)
    canvas.fill(inks.ground)
    radius = reach
    for number, (name, share) in enumerate(bands):
        thickness = (reach - inner) * share**EVENED / whole
        sweep = turn * (0.5 + 0.5 * lifts[number])
        start = first if number % 2 == 0 else first + turn - sweep
        paint = paints[(name + shift) % len(paints)]
        breadth = thickness * (1 - gap) if gap else thickness + SEAM
        canvas.line(arc(centre, radius - thickness / 2, start, sweep), breadth, paint, is_round=gap > 0)
        radius -= thickness
    canvas.circle(centre, inner * 0.8, inks.tones[3])


def _split(bands: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """Enough bands to look at: the longest is halved, and its second half takes the next colour."""
    bands = [band for band in bands if band[1] > 0]
    while len(bands) < FEWEST:
        at = max(range(len(bands)), key=lambda number: bands[number][1])
        name, share = bands[at]
        bands[at : at + 1] = [(name, share * 0.56), (name + 1, share * 0.44)]
    return bands
