"""Cubes: a wall of blocks seen from above a corner, whose faces light up in waves that the beats send out."""

import numpy as np
from numpy.typing import NDArray

from jobs.engines.motion.light import Field
from jobs.engines.motion.pulse import Moment
from jobs.engines.motion.scenes.setting import Setting

WAVES = 4
SHADES = (1.0, 0.46, 0.2)  # of the faces: above, at one side, at the other


class Cubes:
    """Hexagons cut in three; a hexagon's height is a wave, and its faces show it as light."""

    def __init__(self, setting: Setting) -> None:
        stage = self._stage = setting.stage
        self._lights = setting.lights
        theme, own = setting.theme, setting.own
        size = theme.between(0.15, 0.22)
        column, row, x, y = _find_hexagons(stage.x + np.float32(own.between(0, 1)), stage.y, size)
        names, cell = np.unique(row.astype(np.int64) * 4096 + column + 2048, return_inverse=True)
        self._cell = cell.reshape(stage.height, stage.width)
        count = len(names)
        sizes = np.bincount(cell.ravel(), minlength=count)
        self._x, self._y = (
            np.bincount(cell.ravel(), np.broadcast_to(places, self._cell.shape).ravel(), count) / sizes
            for places in (stage.x, stage.y)
        )
        angle = np.mod(np.arctan2(y, x) + np.pi / 2 + np.pi / 3, 2 * np.pi)
        self._face = (angle // (2 * np.pi / 3)).astype(np.intp).clip(0, 2)
        self._index = self._cell * 3 + self._face
        self._edge = _shade_edges(x, y, angle, size, stage.pixel)
        self._own = setting.scatter().random(count)
        self._centre = own.between(-0.5, 0.5), own.between(-0.4, 0.4)
        self._distance = np.hypot(self._x - self._centre[0], self._y - self._centre[1])
        self._lean = theme.between(0, 6.28)

    def draw(self, moment: Moment) -> NDArray[np.float32]:
        age = moment.beat_age_seconds
        reach = np.exp(-np.square((self._distance - 3.0 * age) / 0.34)) * np.exp(-1.3 * age) * (0.9 + 0.8 * moment.bar)
        slope = self._x * np.cos(self._lean) + self._y * np.sin(self._lean)
        swell = 0.5 + 0.5 * np.sin(2.4 * slope - 1.7 * moment.travel) * np.cos(
            1.9 * self._distance + 0.8 * moment.travel
        )
        spark = np.mod(self._own * 97 + np.floor(moment.beats + self._own) * 0.618, 1.0)
        lit = np.where(spark > 0.93, 1.5 * moment.beat + 0.2, 0.0)
        height = 0.10 + (0.35 + 0.4 * moment.level) * swell**2
        lights = self._lights
        light = self._stage.dark()
        tops = height[:, None] * lights.tones[2] * 1.3 + (reach + lit)[:, None] * lights.accent * 1.3
        sides = (0.4 * height + 0.5 * reach)[:, None] * lights.tones[1] * 2.0 + (swell**3 * 0.25)[
            :, None
        ] * lights.accent
        deep = (0.3 * height + 0.25 * reach)[:, None] * lights.tones[0] * 2.5 + (0.10 * reach)[:, None] * lights.tones[
            3
        ]
        faces = np.stack([tops * SHADES[0], sides, deep], 1).reshape(-1, 3).astype(np.float32)
        for number, values in enumerate(faces.T):
            np.take(np.ascontiguousarray(values), self._index, out=light[number], mode="clip")
        light *= self._edge
        return light


def _find_hexagons(x: Field, y: Field, size: float) -> tuple[Field, Field, Field, Field]:
    """The hexagon of each place, by column and row, and the place within it."""
    even, odd = (_find_in_rows(x, y, size, shift) for shift in (0, 1))
    is_even = np.hypot(even[2], even[3]) < np.hypot(odd[2], odd[3])
    column, row, dx, dy = (np.where(is_even, one, other) for one, other in zip(even, odd, strict=True))
    return column, row, dx, dy


def _find_in_rows(x: Field, y: Field, size: float, shift: int) -> tuple[Field, ...]:
    """The nearest hexagon in every second row; those rows lie half a hexagon further."""
    wide, tall = np.float32(np.sqrt(3) * size), np.float32(1.5 * size)
    aside = np.float32(0.5 * shift)
    row = np.round((y / tall - shift) / 2) * 2 + shift
    column = np.round(x / wide - aside)
    return tuple(np.broadcast_arrays(column, row, x - (column + aside) * wide, y - row * tall))


def _shade_edges(x: Field, y: Field, angle: Field, size: float, pixel: float) -> Field:
    """Darker where two faces meet and towards a face's foot."""
    apothem = np.sqrt(3) / 2 * size
    sixth = np.mod(np.arctan2(y, x) + np.pi / 6, np.pi / 3) - np.pi / 6
    radius = np.sqrt(x * x + y * y)
    rim = apothem - radius * np.cos(sixth)
    third = np.mod(angle, 2 * np.pi / 3)
    seam = radius * np.sin(np.minimum(np.minimum(third, 2 * np.pi / 3 - third), np.pi / 2))
    nearest = np.minimum(rim, seam)
    soft = 0.62 + 0.38 * np.clip(radius / size, 0, 1)
    return np.asarray(np.clip(nearest / (1.6 * pixel) - 0.3, 0.12, 1) * soft, np.float32)
