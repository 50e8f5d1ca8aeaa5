"""Silk: a sheet of light, folded over itself by waves within waves."""

import numpy as np
from numpy.typing import NDArray

from jobs.engines.motion.light import Field, Light, Stage, shine
from jobs.engines.motion.pulse import Moment
from jobs.engines.motion.scenes.setting import Setting

FOLDS = 5


class Silk:
    """Places are moved by sines of each other; where they crowd, the sheet shines."""

    def __init__(self, setting: Setting) -> None:
        self._stage, self._lights = setting.stage, setting.lights
        theme, own = setting.theme, setting.own
        self._scale = theme.between(1.1, 1.7)
        self._stretch = theme.between(0.55, 0.8)
        self._sharpness = 4.6 + 2.0 * setting.energy
        self._phases = [(own.between(0, 6.28), own.between(0, 6.28)) for _ in range(FOLDS)]
        self._turn = own.between(-0.9, 0.9)

    def draw(self, moment: Moment) -> NDArray[np.float32]:
        return self._stage.draw_by_bands(lambda band: self._draw_band(band, moment))

    def _draw_band(self, stage: Stage, moment: Moment) -> Light:
        cos, sin = np.float32(np.cos(self._turn)), np.float32(np.sin(self._turn))
        u: Field = (stage.x * cos + stage.y * sin) * np.float32(self._scale * self._stretch)
        v: Field = (stage.y * cos - stage.x * sin) * np.float32(self._scale)
        time = 0.55 * moment.travel
        for number, (one, other) in enumerate(self._phases, 1):
            strength = np.float32(0.62 / number**0.55)
            u = u + strength * np.sin(v * np.float32(1.0 + 0.42 * number) + np.float32(time * 0.9 + one))
            v = v + strength * np.sin(u * np.float32(0.8 + 0.42 * number) + np.float32(other - time * 0.7))
        crest = np.sin(u * np.float32(2.1)) * np.cos(v * np.float32(1.7))
        sheen = np.exp(np.float32(self._sharpness) * (np.abs(crest) - 1))
        body = np.float32(0.5) + np.float32(0.5) * np.sin(u + v)
        edge = np.exp(np.float32(-60) * np.square(crest))
        first, accent, far = self._lights.vivid
        return shine(
            (body * body * body, self._lights.tones[1] * np.float32(0.5)),
            (sheen * body, first * np.float32(1.3 * (0.9 + 0.5 * moment.beat))),
            (sheen * np.square(1 - body), accent * np.float32(1.0 + 0.6 * moment.bar)),
            (edge * body, far * np.float32(0.22 + 0.6 * moment.pulse)),
        )
