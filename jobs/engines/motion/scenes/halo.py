"""Halo: a dark moon with a burning edge, bars of sound standing around it, rings that leave it on the beat."""

import numpy as np
from numpy.typing import NDArray

from jobs.engines.motion.light import Field, Light, Stage, shine
from jobs.engines.motion.pulse import Moment
from jobs.engines.motion.scenes.setting import Setting

FILL = 0.62  # of a bar's place that it takes
LEAVING_SECONDS = 1.5  # that a ring is seen


class Halo:
    """The bars are mirrored, so that the figure has a face."""

    def __init__(self, setting: Setting) -> None:
        stage = self._stage = setting.stage
        self._lights = setting.lights
        theme, own = setting.theme, setting.own
        self._count = theme.pick((72, 96, 120))
        self._base = theme.between(0.38, 0.46)
        self._radius = stage.radius()
        turned = stage.angle() + np.float32(np.pi / 2 * theme.pick((1, 1, -1)))
        turned -= np.floor(turned / np.float32(2 * np.pi)) * np.float32(2 * np.pi)
        self._mirrored: Field = np.minimum(turned, np.float32(2 * np.pi) - turned)
        place = self._mirrored * np.float32(self._count / 2 / np.pi)
        self._bar = place.astype(np.intp).clip(0, self._count // 2 - 1)
        across = np.abs(place - self._bar - np.float32(0.5)) * self._radius * np.float32(2 * np.pi / self._count)
        half = np.float32(FILL / 2 * 2 * np.pi / self._count) * self._radius
        self._is_bar: Field = np.clip((half - across) / np.float32(stage.pixel) + np.float32(0.5), 0, 1)
        self._phases = setting.scatter().uniform(0, 6.28, (3, self._count // 2))
        self._rates = setting.scatter().uniform(0.6, 2.2, self._count // 2)
        self._energy = setting.energy
        self._sweep = own.pick((-1, 1))
        self._waves = np.stack([np.sin(2 * stage.angle()), np.cos(2 * stage.angle())])

    def draw(self, moment: Moment) -> NDArray[np.float32]:
        lengths = self._measure(moment).astype(np.float32)
        return self._stage.draw_by_bands(lambda band: self._draw_band(band, lengths, moment))

    def _draw_band(self, stage: Stage, lengths: NDArray[np.float32], moment: Moment) -> Light:
        lights, radius = self._lights, self._radius[stage.rows]
        base = self._base * (1 + 0.06 * moment.beat + 0.05 * moment.bar)
        outside = radius - np.float32(base + 0.035)
        within = np.minimum(np.take(lengths, self._bar[stage.rows], mode="clip") - outside, outside)
        bar = self._is_bar[stage.rows] * np.clip(within / np.float32(stage.pixel), 0, 1)
        far = bar * np.clip(outside / np.float32(0.42), 0, 1)
        rim = np.float32(base) - radius
        fire = np.exp(-np.maximum(rim * np.float32(16), rim * np.float32(-5.5)))
        turn = self._sweep * 1.1 * moment.travel
        wave = self._waves[:, stage.rows]
        sway = np.float32(0.75) + wave[0] * np.float32(0.35 * np.cos(turn)) + wave[1] * np.float32(0.35 * np.sin(turn))
        glows = [
            (bar - far, lights.tones[2] * np.float32(1.5)),
            (far, lights.tones[3] * np.float32(1.2)),
            (bar, lights.accent * np.float32(0.10 + 0.7 * moment.beat)),
            (fire * sway, lights.accent * np.float32(0.55 + 0.5 * moment.level + 0.7 * moment.beat)),
            (np.exp(-np.square(rim / np.float32(0.008))), lights.tones[4] * np.float32(1.4)),
        ]
        age = moment.beat_age_seconds
        if age <= LEAVING_SECONDS:
            place = (radius - np.float32(self._base + 1.9 * age)) / np.float32(0.012 + 0.03 * age)
            strength = np.float32(1.44 * np.exp(-2.4 * age) * (0.7 + moment.bar))
            glows.append((np.exp(-np.square(place)), lights.tones[2] * strength))
        return shine(*glows)

    def _measure(self, moment: Moment) -> NDArray[np.float64]:
        """How long each bar is now: low ones below, lively by loudness."""
        order = np.linspace(0, 1, self._count // 2)
        one, two, three = self._phases
        wave = np.abs(np.sin(one + self._rates * 2.1 * moment.travel) * np.sin(two - 3.4 * self._rates * moment.travel))
        hum = 0.5 + 0.5 * np.sin(three + 1.3 * moment.travel)
        low = np.exp(-3.0 * order) * (0.30 + 0.9 * moment.beat)
        high = order * (0.25 + 0.35 * moment.bar)
        liveliness = 0.10 + (0.35 + 0.4 * self._energy) * moment.level
        return np.asarray(0.03 + liveliness * (0.75 * wave + 0.25 * hum) * (0.6 + low + high) + 0.12 * low)
