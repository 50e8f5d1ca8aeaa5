"""Ridges: a landscape whose hills are the song's own loudness as it was heard, under a sun that beats."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jobs.engines.motion.light import BAND_ROWS, Colour, Field, Light, add_glow, shine
from jobs.engines.motion.pulse import Moment, Pulse
from jobs.engines.motion.scenes.setting import Setting

ROWS = 26
HORIZON = -0.06
ROW_SECONDS = 0.24  # between two ridges


@dataclass(frozen=True)
class _Ridge:
    """One of them as it is now: how near, where its crest is by column, and between which rows it is drawn."""

    near: float
    crest: Field
    top: int
    bottom: int
    bright: float
    colour: Colour


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
        self._sun_distance = self._stage.radius(*self._sun)

    def draw(self, moment: Moment) -> NDArray[np.float32]:
        run = moment.travel * 1.6
        rows = [
            self._place(1 - (ROWS - row - 1 + run % 1.0) / ROWS, int(run) + row, self._loudness(moment, row), moment)
            for row in range(ROWS)
        ]
        light, lowest = self._stage.dark(), rows[0].bottom
        light[:, :lowest] = self._draw_sky(moment, slice(0, lowest))
        for ridge in rows:
            light[:, ridge.bottom : lowest] = 0  # what it hides of those behind it
            lowest = max(lowest, ridge.bottom)
            for top in range(ridge.top, ridge.bottom, BAND_ROWS):
                self._draw_ridge(light, ridge, slice(top, min(top + BAND_ROWS, ridge.bottom)))
        return light

    def _loudness(self, moment: Moment, row: int) -> float:
        return self._pulse.level_before(moment.frame, ROW_SECONDS * (row + 1))

    def _draw_sky(self, moment: Moment, rows: slice) -> Light:
        stage, lights = self._stage, self._lights
        first, accent, far = lights.vivid
        radius = np.float32(self._sun_radius * (1 + 0.05 * moment.beat + 0.05 * moment.bar))
        outside = self._sun_distance[rows] - radius
        disc = np.clip(outside / np.float32(-stage.pixel) + np.float32(0.5), 0, 1)
        height = (stage.y[rows] - np.float32(self._sun[1])) / radius
        if self._is_striped:
            stripes = np.sin(height * np.float32(19) - np.float32(moment.travel * 2)) - height * np.float32(1.2)
            disc *= np.clip((stripes + np.float32(0.75)) * np.float32(4), 0, 1)
        warm = np.clip(np.float32(0.5) - np.float32(0.5) * height, 0, 1)
        halo = np.exp(np.maximum(outside, 0) * np.float32(-2.2))
        return shine(
            (disc * warm, far * np.float32(0.9)),
            (disc * (1 - warm), first * np.float32(1.1)),
            (halo, accent * np.float32(0.18 + 0.30 * moment.pulse)),
        )

    def _place(self, near: float, number: int, level: float, moment: Moment) -> "_Ridge":
        stage = self._stage
        base = HORIZON + (stage.bottom - HORIZON + 0.25) * near**1.9
        scale = 0.03 + 0.42 * near**1.2
        line = base - scale * self._profile(number, near, moment) * (0.25 + 0.95 * level)
        crest = (line + stage.bottom) / stage.pixel
        top, bottom = (int(edge.clip(0, stage.height)) for edge in (crest.min() - 3, crest.max() + 4))
        bright = (0.16 + 0.95 * near**1.5) * (0.8 + 0.8 * (moment.beat if number % 4 == 0 else 0.4 * moment.beat))
        mix = near**1.3
        colour = ((1 - mix) * self._lights.tones[2] + mix * self._lights.accent) * np.float32(bright)
        return _Ridge(near, crest.astype(np.float32), top, bottom, bright, colour)

    @staticmethod
    def _draw_ridge(light: Light, ridge: "_Ridge", rows: slice) -> None:
        below = np.arange(rows.start + 0.5, rows.stop, dtype=np.float32)[:, None] - ridge.crest
        open_sky = np.clip(np.float32(0.5) - below, 0, 1)
        depth = np.abs(below, out=below)
        fill = np.exp(depth * np.float32(-0.035 / (0.3 + ridge.near)))
        fill *= (1 - open_sky) * np.float32(0.10 * ridge.bright)
        fill += np.clip(np.float32(0.75 + 1.5 * ridge.near + 0.5) - depth, 0, 1)
        band = light[:, rows]
        band *= open_sky
        add_glow(band, fill, ridge.colour)

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
