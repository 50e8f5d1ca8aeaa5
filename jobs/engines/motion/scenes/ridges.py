"""Ridges: a landscape whose hills are the song's own loudness as it was heard, under a sun that beats."""

import numpy as np
from numpy.typing import NDArray

from jobs.engines.motion.light import Field, add_glow
from jobs.engines.motion.pulse import Moment, Pulse
from jobs.engines.motion.scenes.setting import Setting

ROWS = 26
HORIZON = -0.06
ROW_SECONDS = 0.24  # between two ridges


class Ridges:
    """Ridges come nearer as time passes, each as high as the song was loud when it rose at the horizon."""

    def __init__(self, setting: Setting, pulse: Pulse) -> None:
        self._stage, self._lights, self._pulse = setting.stage, setting.lights, pulse
        theme, own = setting.theme, setting.own
        self._sun = own.between(-0.5, 0.5) * self._stage.right, HORIZON - theme.between(0.22, 0.34)
        self._sun_radius = theme.between(0.36, 0.48)
        self._is_striped = theme.falls(0.6)
        self._valley = theme.between(0.10, 0.3)
        self._phases = setting.scatter().uniform(0, 6.28, (64, 5))
        self._halo_distance = self._stage.radius(*self._sun)

    def draw(self, moment: Moment) -> NDArray[np.float32]:
        light = self._draw_sky(moment)
        run = moment.travel * 1.6
        for row in range(ROWS):
            depth = (ROWS - row - 1 + run % 1.0) / ROWS  # 0 is nearest
            age = ROW_SECONDS * (ROWS - 1 - row)
            number = int(run) + row
            self._draw_ridge(light, 1 - depth, number, self._loudness(moment, age), moment)
        return light

    def _loudness(self, moment: Moment, age_seconds: float) -> float:
        return self._pulse.level_before(moment.frame, ROW_SECONDS * ROWS - age_seconds)

    def _draw_sky(self, moment: Moment) -> NDArray[np.float32]:
        stage, lights = self._stage, self._lights
        light = stage.dark()
        first, accent, far = lights.vivid
        radius = self._sun_radius * (1 + 0.05 * moment.beat + 0.05 * moment.bar)
        distance = self._halo_distance
        disc = np.clip((np.float32(radius) - distance) / np.float32(stage.pixel) + np.float32(0.5), 0, 1)
        height = (stage.y - np.float32(self._sun[1])) / np.float32(radius)
        if self._is_striped:
            stripes = (
                np.sin(height * np.float32(19) - np.float32(moment.travel * 2))
                + np.float32(0.75)
                - height * np.float32(1.2)
            )
            disc *= np.clip(stripes * np.float32(4), 0, 1)
        warm = np.clip(np.float32(0.5) - np.float32(0.5) * height, 0, 1)
        halo = np.exp(np.minimum(np.float32(radius) - distance, 0) * np.float32(2.2)) * np.float32(
            0.18 + 0.30 * moment.pulse
        )
        for plane, (top, low, glow) in enumerate(zip(far, first, accent, strict=True)):
            light[plane] += disc * (warm * np.float32(top * 0.9) + (1 - warm) * np.float32(low * 1.1)) + halo * glow
        return light

    def _draw_ridge(self, light: NDArray[np.float32], near: float, number: int, level: float, moment: Moment) -> None:
        stage = self._stage
        base = HORIZON + (stage.bottom - HORIZON + 0.25) * near**1.9
        scale = 0.03 + 0.42 * near**1.2
        line = base - scale * self._profile(number, near, moment) * (0.25 + 0.95 * level)
        top = max(0, int((line.min() + stage.bottom) / stage.pixel) - 3)
        end = min(stage.height, int((line.max() + stage.bottom) / stage.pixel) + 4)
        if top >= stage.height or end <= 0:
            return
        light[:, max(end, 0) :] = 0
        below: Field = (stage.y[top:end] - line.astype(np.float32)[None, :]) / np.float32(stage.pixel)
        open_sky = np.clip(np.float32(0.5) - below, 0, 1)
        width = 0.75 + 1.5 * near
        stroke = np.clip(np.float32(width + 0.5) - np.abs(below), 0, 1)
        bright = (0.16 + 0.95 * near**1.5) * (0.8 + 0.8 * (moment.beat if number % 4 == 0 else 0.4 * moment.beat))
        mix = near**1.3
        colour = (1 - mix) * self._lights.tones[2] + mix * self._lights.accent
        fill = np.exp(np.float32(-0.035 / (0.3 + near)) * np.abs(below)) * (1 - open_sky) * np.float32(0.10 * bright)
        band = light[:, top:end]
        band *= open_sky
        add_glow(band, stroke + fill, colour * np.float32(bright))

    def _profile(self, number: int, near: float, moment: Moment) -> NDArray[np.float64]:
        """Hills higher at the sides than in the valley, lively where the song is loud."""
        x = self._stage.x[0].astype(np.float64) / (0.35 + near)
        phases = self._phases[number % len(self._phases)]
        hills = sum(
            np.sin(rate * x + phase + 0.25 * moment.seconds * (1 if phase > 3 else -1)) * share
            for rate, phase, share in zip((1.6, 3.1, 6.7, 13.0, 27.0), phases, (0.5, 0.4, 0.3, 0.16, 0.07), strict=True)
        )
        rise = self._valley + (1 - self._valley) * np.clip(np.abs(x) * 0.75, 0, 1) ** 1.4
        return np.asarray(np.abs(hills) * rise + 0.05)
