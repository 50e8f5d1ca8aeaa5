"""Bokeh: discs of light out of focus that rise and swell, and beams that sweep across them."""

import numpy as np
from numpy.typing import NDArray

from jobs.engines.motion.light import Field, Light, Stage, shine
from jobs.engines.motion.pulse import Moment
from jobs.engines.motion.scenes.setting import Setting

DISCS = 46
TABLE = 4096


class Bokeh:
    """Each disc has a place, a size and a turn among the beats at which it flares."""

    def __init__(self, setting: Setting) -> None:
        stage = self._stage = setting.stage
        lights = self._lights = setting.lights
        theme, own, scatter = setting.theme, setting.own, setting.scatter()
        self._places = scatter.uniform(0, 1, (DISCS, 2))
        self._sizes = 0.04 + 0.26 * scatter.beta(1.1, 2.4, DISCS)
        self._turns = scatter.integers(0, 4, DISCS)
        self._sways = scatter.uniform(0, 6.28, DISCS)
        self._colours = [(lights.tones[2], lights.accent, lights.tones[3])[at] for at in scatter.integers(0, 3, DISCS)]
        side = theme.pick((-1, 1))
        self._source = side * stage.right * own.between(0.5, 1.0), -stage.bottom - 0.35
        angle = stage.angle(*self._source) / np.float32(np.pi)  # downwards: from 0 to 1
        self._beam = (angle * TABLE).astype(np.intp).clip(0, TABLE - 1)
        self._fall: Field = np.exp(-stage.radius(*self._source) * np.float32(0.55))
        self._ground: Field = np.exp(stage.radius(-self._source[0], stage.bottom) * np.float32(-1.3))
        self._rise = 0.035 + 0.05 * setting.energy
        self._phases = scatter.uniform(0, 6.28, 7)

    def draw(self, moment: Moment) -> NDArray[np.float32]:
        rates = (7, 11, 17, 29, 43, 71, 97)
        place = np.linspace(0, 1, TABLE)
        waves = sum(
            np.sin(rate * place + phase + 0.35 * moment.travel * (1 if number % 2 else -1)) / (1 + number) ** 0.5
            for number, (rate, phase) in enumerate(zip(rates, self._phases, strict=True))
        )
        beams = (np.clip(np.asarray(waves) * 0.42 + 0.1, 0, 1) ** 1.4).astype(np.float32)
        light = self._stage.draw_by_bands(lambda band: self._draw_band(band, beams, moment))
        for number in range(DISCS):
            self._draw_disc(light, number, moment)
        return light

    def _draw_band(self, stage: Stage, beams: NDArray[np.float32], moment: Moment) -> Light:
        rows, lights = stage.rows, self._lights
        fall = self._fall[rows]
        return shine(
            (
                np.take(beams, self._beam[rows], mode="clip") * fall,
                lights.tones[2] * np.float32(1.5 * (0.16 + 0.16 * moment.level + 0.4 * moment.bar)),
            ),
            (fall * fall, lights.accent * np.float32(0.16 + 0.16 * moment.beat)),
            (self._ground[rows], lights.tones[1] * np.float32(0.35 * 1.6)),
        )

    def _draw_disc(self, light: NDArray[np.float32], number: int, moment: Moment) -> None:
        stage, size = self._stage, float(self._sizes[number])
        is_called = int(self._turns[number]) == moment.beats % 4
        flare = (moment.beat if is_called else 0.0) + 0.3 * moment.bar
        near = size / 0.26
        climb = (self._places[number, 1] - self._rise * (0.4 + near) * moment.travel) % 1.0
        sway = 0.06 * np.sin(0.5 * moment.travel + self._sways[number])
        x = (2 * self._places[number, 0] - 1) * (stage.right + 0.2) + sway
        y = (2 * climb - 1) * (stage.bottom + 0.3)
        size *= 1 + 0.12 * flare
        left, right = (int((x + stage.right + side * size) / stage.pixel) + side * 2 for side in (-1, 1))
        top, bottom = (int((y + stage.bottom + side * size) / stage.pixel) + side * 2 for side in (-1, 1))
        window = slice(max(0, top), max(0, bottom)), slice(max(0, left), max(0, right))
        dx, dy = stage.x[:, window[1]] - np.float32(x), stage.y[window[0]] - np.float32(y)
        if not dx.size or not dy.size:
            return
        inside = np.float32(size) - np.sqrt(dx * dx + dy * dy)
        blur = 1.5 * stage.pixel + 0.12 * size * abs(near - 0.45)
        disc = np.clip(inside / np.float32(blur), 0, 1)
        rim = np.exp(-np.square((inside - np.float32(blur)) / np.float32(0.06 * size + stage.pixel)))
        breath = 0.5 + 0.5 * np.sin(0.7 * moment.travel + 2 * self._sways[number])
        strength = (0.10 + 0.22 * breath + 0.75 * flare) / (0.6 + 1.2 * near)
        shown = disc * (np.float32(0.55) + np.float32(0.45) * rim) * np.float32(strength)
        for plane, share in zip(light, self._colours[number] * np.float32(1.5), strict=True):
            plane[window] += shown * share
