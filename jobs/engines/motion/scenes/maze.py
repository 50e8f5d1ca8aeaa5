"""Maze: arcs that join into winding paths, with lights that run along them; a downbeat turns some of its tiles."""

import numpy as np
from numpy.typing import NDArray

from jobs.engines.motion.light import Field, Light, Stage, shine
from jobs.engines.motion.pulse import Moment
from jobs.engines.motion.scenes.setting import Setting

TURNED_SHARE = 0.14


class Maze:
    """Tiles of two quarter circles; the light runs on from tile to tile, since neighbours count the other way round."""

    def __init__(self, setting: Setting) -> None:
        stage = self._stage = setting.stage
        self._lights = setting.lights
        theme, own = setting.theme, setting.own
        scatter = setting.scatter()
        side = theme.between(0.26, 0.40)
        lean = theme.pick((0.0, np.pi / 4, np.pi / 6)) + 0.0
        across = (stage.x * np.cos(lean) + stage.y * np.sin(lean)) / side + own.between(0, 1) + 40
        down = (stage.y * np.cos(lean) - stage.x * np.sin(lean)) / side + own.between(0, 1) + 40
        column, row = np.floor(across).astype(np.intp), np.floor(down).astype(np.intp)
        self._inside = (across - column).astype(np.float32), (down - row).astype(np.float32)
        column, row = column - column.min(), row - row.min()
        self._tile = row * (column.max() + 1) + column
        self._parity = np.where((row + column) % 2 == 0, np.float32(1), np.float32(-1))
        count = int(self._tile.max()) + 1
        self._first = scatter.random(count) < 0.5
        self._tint = scatter.random(count).astype(np.float32)[self._tile]
        self._radius = stage.radius(own.between(-0.3, 0.3), own.between(-0.2, 0.2))
        self._line_pixels = 0.5 * side / stage.pixel
        self._seed = own.whole(0, 2**48)
        self._lay(0)

    def _lay(self, bars: int) -> None:
        """The arcs of all tiles after so many bars: how near each place is to one, and how far along it."""
        self._bars, turned = bars, self._turn(bars)
        u, v = self._inside
        u = np.where(turned, 1 - u, u)
        is_first = u + v < 1
        u, v = np.where(is_first, u, 1 - u), np.where(is_first, v, 1 - v)
        distance = np.abs(np.sqrt(u * u + v * v) - np.float32(0.5))
        along = np.arctan2(v, u) * np.float32(2 / np.pi)
        sign = self._parity * np.where(turned, np.float32(-1), np.float32(1))
        self._along: Field = np.asarray(along * sign, np.float32)
        width = 0.085
        self._line: Field = np.clip((np.float32(width) - distance) * np.float32(2 * self._line_pixels), 0, 1)
        self._glow: Field = np.exp(-np.square(distance / np.float32(0.17)))

    def _turn(self, bars: int) -> NDArray[np.bool_]:
        """Which places lie on a tile that is turned by then."""
        chance = np.random.Generator(np.random.PCG64(self._seed))
        turned = self._first.copy()
        for _ in range(bars):
            turned ^= chance.random(len(turned)) < TURNED_SHARE
        return np.asarray(turned[self._tile])

    def draw(self, moment: Moment) -> NDArray[np.float32]:
        if moment.bars != self._bars:
            self._lay(moment.bars)
        return self._stage.draw_by_bands(lambda band: self._draw_band(band, moment))

    def _draw_band(self, stage: Stage, moment: Moment) -> Light:
        rows, lights, age = stage.rows, self._lights, moment.beat_age_seconds
        place = self._along[rows] - np.float32(0.9 * moment.travel)
        place -= np.floor(place)
        comet = np.square(np.square(place))
        ring = (self._radius[rows] - np.float32(2.6 * age)) / np.float32(0.30)
        wave = np.exp(-np.square(ring)) * np.float32(np.exp(-1.6 * age) * (0.8 + 0.8 * moment.bar))
        line, tint = self._line[rows], self._tint[rows]
        rest = np.float32(0.10 + 0.10 * moment.level)
        lit = line * (rest + comet * np.float32(0.7 + 0.5 * moment.level) + wave)
        tinted = lit * tint
        return shine(
            (tinted, lights.accent * np.float32(1.5)),
            (lit - tinted, lights.tones[2] * np.float32(2.0)),
            (line * comet * comet, lights.tones[3] * np.float32(0.8 + 0.8 * moment.beat)),
            (self._glow[rows] * (np.float32(0.06) + np.float32(0.5) * wave), lights.tones[1] * np.float32(1.5)),
        )
