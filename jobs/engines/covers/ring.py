"""Ring: the loudness of the song as rays around a disc, whole or rising from behind the edge."""

import math

from jobs.engines.covers.canvas import Point, around, pair
from jobs.engines.covers.sheet import Sheet

RAYS = (48, 64, 80)


def draw_whole(sheet: Sheet) -> None:
    """A large disc that may leave the sheet upwards or sideways, but never into its title."""
    box, unit, dice = sheet.box, sheet.canvas.unit, sheet.arrangement
    reach = sheet.size * dice.between(0.38, 0.46)
    lowest = box.y + box.height - reach - unit * 0.01
    centre = box.at(dice.pick([0.36, 0.5, 0.64]), 0.5)
    _draw(sheet, (max(centre[0], box.x + reach * 1.03), min(centre[1], lowest)), reach)


def draw_rising(sheet: Sheet) -> None:
    """A larger one, half of it below the sheet."""
    box, dice = sheet.box, sheet.arrangement
    reach = min(box.height * 0.96, sheet.size * 0.8)
    _draw(sheet, box.at(dice.pick([0.3, 0.5, 0.7]), 1.0), reach)


def _draw(sheet: Sheet, centre: Point, reach: float) -> None:
    canvas, inks = sheet.canvas, sheet.inks
    rays = sheet.theme.pick(RAYS)
    hollow = sheet.theme.between(0.34, 0.5)
    canvas.fill(inks.ground)
    canvas.circle(centre, reach, inks.tones[0])
    lifts = sheet.contour.lifts(rays)
    loudest = max(range(rays), key=lambda ray: lifts[ray] + lifts[ray - 1])
    first = sheet.arrangement.between(0, 360)
    for paint, is_chosen in ((inks.tones[3], False), (inks.accent, True)):
        chosen = [ray for ray in range(rays) if _is_near(ray, loudest, rays) is is_chosen]
        path = "".join(_ray(centre, reach, hollow, first + ray * 360 / rays, lifts[ray]) for ray in chosen)
        canvas.line(path, math.tau * reach * hollow / rays * 0.62, paint)
    canvas.circle(centre, reach * hollow * 0.72, sheet.arrangement.pick([inks.ground, inks.tones[2]]))
    canvas.circle(centre, reach * hollow * 0.18, inks.tones[0])


def _is_near(ray: int, loudest: int, rays: int) -> bool:
    return (ray - loudest) % rays < rays // 8


def _ray(centre: Point, reach: float, hollow: float, degrees: float, lift: float) -> str:
    tip = hollow + (0.94 - hollow) * (0.06 + 0.94 * lift)
    return f"M{pair(around(centre, reach * hollow, degrees))}L{pair(around(centre, reach * tip, degrees))}"
