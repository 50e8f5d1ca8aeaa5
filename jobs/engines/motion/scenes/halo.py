"""Halo: a dark moon with a burning edge, bars of sound standing around it, rings that leave it on the beat."""

import numpy as np
from numpy.typing import NDArray

from jobs.engines.motion.light import Field, add_glow
from jobs.engines.motion.pulse import Moment
from jobs.engines.motion.scenes.setting import Setting

FILL = 0.62  # of a bar's place that it takes


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
        self._angle = stage.angle()

    def draw(self, moment: Moment) -> NDArray[np.float32]:
        stage, lights = self._stage, self._lights
        light = stage.dark()
        base = self._base * (1 + 0.06 * moment.beat + 0.05 * moment.bar)
        outside = self._radius - np.float32(base + 0.035)
        lengths = self._measure(moment)
        length = lengths.astype(np.float32)[self._bar]
        bar = self._is_bar * np.clip((length - outside) / np.float32(stage.pixel), 0, 1)
        bar *= np.clip(outside / np.float32(stage.pixel), 0, 1)
        share = np.clip(outside / np.float32(0.42), 0, 1)
        add_glow(light, bar * (1 - share), lights.tones[2] * 1.5)
        add_glow(light, bar * share * np.float32(1.2), lights.tones[3])
        add_glow(light, bar * np.float32(0.10 + 0.7 * moment.beat), lights.accent)
        rim = np.float32(base) - self._radius
        fire = np.exp(-np.abs(rim) * np.where(rim > 0, np.float32(16), np.float32(5.5)))
        sway = np.float32(0.75) + np.float32(0.35) * np.sin(
            2 * self._angle + np.float32(self._sweep * 1.1 * moment.travel)
        )
        add_glow(light, fire * sway * np.float32(0.55 + 0.5 * moment.level + 0.7 * moment.beat), lights.accent)
        edge = np.exp(-np.square(rim / np.float32(0.008)))
        add_glow(light, edge * np.float32(1.4), lights.tones[4])
        self._draw_leaving(light, moment)
        return light

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

    def _draw_leaving(self, light: NDArray[np.float32], moment: Moment) -> None:
        age = moment.beat_age_seconds
        if age > 1.5:
            return
        place = (self._radius - np.float32(self._base + 1.9 * age)) / np.float32(0.012 + 0.03 * age)
        ring = np.exp(-np.square(place)) * np.float32(0.8 * np.exp(-2.4 * age) * (0.7 + moment.bar))
        add_glow(light, ring, self._lights.tones[2] * 1.8)
