"""Tunnel: frames of light that come out of the distance, turning as they come."""

import numpy as np
from numpy.typing import NDArray

from jobs.engines.motion.light import Light, Stage, shine
from jobs.engines.motion.pulse import Moment
from jobs.engines.motion.scenes.setting import Setting

RINGS = 3.0  # frames for each time that the distance grows by e


class Tunnel:
    """Circles or polygons; their number is the logarithm of the distance, so that all grow alike."""

    def __init__(self, setting: Setting) -> None:
        self._stage, self._lights = setting.stage, setting.lights
        theme, own = setting.theme, setting.own
        self._sides = theme.pick((0, 3, 4, 5, 6, 8))
        self._twist = own.pick((-1, 1)) * theme.between(0.15, 0.5)
        self._spin = own.pick((-1, 1)) * theme.between(0.08, 0.2)
        self._drift = own.between(0, 6.28)
        self._speed = 0.8 + 0.9 * setting.energy
        self._spokes = theme.pick((0, 0, 1, 2))

    def draw(self, moment: Moment) -> NDArray[np.float32]:
        return self._stage.draw_by_bands(lambda band: self._draw_band(band, moment))

    def _draw_band(self, stage: Stage, moment: Moment) -> Light:
        lights, time, age = self._lights, moment.travel, moment.beat_age_seconds
        x = 0.16 * np.sin(0.31 * time + self._drift) * stage.right
        y = 0.14 * np.cos(0.23 * time + self._drift)
        radius, angle = stage.radius(x, y), stage.angle(x, y)
        depth = np.log(radius + np.float32(0.012))
        turn = angle + np.float32(self._twist) * depth * np.float32(1 + 0.4 * np.sin(0.4 * time))
        turn += np.float32(self._spin * time + 0.10 * moment.bar)
        if self._sides:
            step = np.float32(2 * np.pi / self._sides)
            folded = turn - np.floor(turn / step) * step - step / 2
            depth = depth + np.log(np.cos(folded))
        place = depth * np.float32(RINGS) - np.float32(self._speed * time)
        ring = np.floor(place)
        inside = place - ring
        edge = np.minimum(inside, 1 - inside)
        line = np.exp(-np.square(edge / np.float32(0.06 + 0.025 * moment.pulse)))
        wall = inside * inside
        far = np.clip((depth + np.float32(3.4)) / np.float32(3.2), 0, 1)  # frames fade in from the distance
        line *= far
        nearest = np.round(place)
        pick = nearest - np.floor(nearest / 3) * 3
        gain = np.float32(1.5 * (0.9 + 0.5 * moment.level + 1.0 * moment.beat))
        glows = [(line * (pick == number), colour * gain) for number, colour in enumerate(lights.vivid)]
        glows.append((wall * far, lights.tones[1] * np.float32(0.18 * (1 + moment.level))))
        hit = np.exp(-np.square((depth + np.float32(2.2 - 5.0 * age)) / np.float32(0.5)))
        glows.append((hit * (np.float32(0.15) + line), lights.accent * np.float32(np.exp(-2 * age))))
        if self._sides and self._spokes:
            corner = np.exp(-np.square((np.abs(folded) - step / 2) * np.float32(26)))
            glows.append((corner * far * far, lights.tones[3] * np.float32(0.5 + 0.5 * moment.pulse)))
        core = np.exp(-radius * np.float32(6.5 - 2.2 * moment.pulse))
        glows.append((core, lights.accent * np.float32(0.8 + 1.2 * moment.beat)))
        glows.append((core * core, lights.tones[4] * np.float32(0.5)))
        return shine(*glows)
