"""Stars: a flight through points of light that streak with the music, around a glow that breathes."""

import numpy as np
from numpy.typing import NDArray

from jobs.engines.motion.light import Field, Light, Stage, shine
from jobs.engines.motion.pulse import Moment
from jobs.engines.motion.scenes.setting import Setting

COUNT = 780
TRAIL = 22  # points of one streak
SPOT_SHARE = 0.45  # of a point that each of the four pixels around it shows too


def draw_points(stage: Stage, places: NDArray[np.float64], strengths: NDArray[np.float64]) -> Field:
    """Spots of three pixels, each between the pixels where it stands."""
    columns = (places[:, 0] + stage.right) / stage.pixel - 0.5
    rows = (places[:, 1] + stage.bottom) / stage.pixel - 0.5
    is_seen = (columns > 2) & (columns < stage.width - 3) & (rows > 2) & (rows < stage.height - 3)
    columns, rows, strengths = columns[is_seen], rows[is_seen], strengths[is_seen]
    left, top = np.floor(columns), np.floor(rows)
    across, down = columns - left, rows - top
    at = (top * stage.width + left).astype(np.intp)
    corners = ((0, 0, (1 - across) * (1 - down)), (1, 0, across * (1 - down)),
               (0, 1, (1 - across) * down), (1, 1, across * down))  # fmt: skip
    spots = np.concatenate([at + lower * stage.width + right for right, lower, _ in corners])
    weights = np.concatenate([strengths * share for _, _, share in corners])
    points = np.bincount(spots, weights, stage.width * stage.height).astype(np.float32)
    return _spread(points.reshape(stage.height, stage.width))


def _spread(points: Field) -> Field:
    """Points, none of which stands at the edge, as crosses."""
    field = points.copy()
    points *= np.float32(SPOT_SHARE)
    for shift in (1, points.shape[1]):
        field.reshape(-1)[shift:] += points.reshape(-1)[:-shift]
        field.reshape(-1)[:-shift] += points.reshape(-1)[shift:]
    return field


class Stars:
    """Points on their way to the eye, turning around it, in three colours."""

    def __init__(self, setting: Setting) -> None:
        self._stage, self._lights = setting.stage, setting.lights
        theme, own, scatter = setting.theme, setting.own, setting.scatter()
        self._angles = scatter.uniform(0, 2 * np.pi, COUNT)
        self._arms = theme.whole(2, 5) if theme.falls(0.6) else 0
        if self._arms:
            self._angles = np.round(self._angles * self._arms / (2 * np.pi)) * 2 * np.pi / self._arms
            self._angles += scatter.normal(0, 0.34, COUNT)
        self._radii = np.sqrt(scatter.uniform(0.05, 1.0, COUNT)) * 1.5
        self._depths = scatter.uniform(0, 1, COUNT)
        self._sizes = scatter.pareto(2.2, COUNT) * 0.6 + 0.45
        self._spin = own.pick((-1, 1)) * theme.between(0.12, 0.3)
        self._twist = own.pick((-1, 1)) * theme.between(0.7, 1.6)
        self._centre = own.between(-0.18, 0.18), own.between(-0.14, 0.14)
        self._speed = 0.10 + 0.12 * setting.energy
        radius = self._radius = self._stage.radius(*self._centre)
        self._swirl: Field = 2 * self._stage.angle(*self._centre) + np.float32(4.0) * np.log(radius + np.float32(0.08))
        self._haze: Field = np.float32(2) * np.exp(radius * np.float32(-1.15))

    def draw(self, moment: Moment) -> NDArray[np.float32]:
        streak = 0.02 + 0.04 * moment.level + 0.07 * moment.pulse
        streaks = [self._draw_streaks(slice(number, None, 3), moment, streak) for number in range(3)]
        return self._stage.draw_by_bands(lambda band: self._draw_band(band, streaks, moment))

    def _draw_band(self, stage: Stage, streaks: list[Field], moment: Moment) -> Light:
        rows, lights = stage.rows, self._lights
        first, accent, far = lights.vivid
        core = np.exp(self._radius[rows] * np.float32(1.8 * moment.pulse - 6.0))
        swirl = np.sin(self._swirl[rows] - np.float32(1.2 * moment.travel))
        haze = self._haze[rows] * np.square(np.float32(0.55) + np.float32(0.45) * swirl)
        colours = far * np.float32(1.5), accent * np.float32(1.5), first * np.float32(2.25)
        return shine(
            (haze, lights.tones[1] * np.float32(1.6 * (0.12 + 0.10 * moment.level + 0.08 * moment.bar))),
            (core, accent * np.float32(0.5 + 0.9 * moment.beat)),
            *((field[rows], colour) for field, colour in zip(streaks, colours, strict=True)),
        )

    def _draw_streaks(self, chosen: slice, moment: Moment, streak: float) -> Field:
        back = np.linspace(0, streak, TRAIL)[:, None]
        run = self._speed * moment.travel
        depths = 1 - np.mod(self._depths[chosen] + run, 1)[None, :] + back * 0.5
        near = np.clip(1 - depths, 0, 1)
        turn = self._angles[chosen] + self._spin * moment.travel + self._twist * depths
        distance = 0.34 * self._radii[chosen] / (depths + 0.06)
        places = np.stack([distance * np.cos(turn) + self._centre[0], distance * np.sin(turn) + self._centre[1]], -1)
        fade = np.linspace(1, 0.15, TRAIL)[:, None] * 9.0 / TRAIL
        strengths = self._sizes[chosen] * fade * (0.12 + 1.6 * near**2) * np.clip(depths * 14, 0, 1)
        return draw_points(self._stage, places.reshape(-1, 2), strengths.reshape(-1))
