"""Aurora: curtains of light that hang in the dark, sharp below and long above, with stars behind them."""

import numpy as np
from numpy.typing import NDArray

from jobs.engines.motion.light import add_glow
from jobs.engines.motion.pulse import Moment
from jobs.engines.motion.scenes.setting import Setting
from jobs.engines.motion.scenes.stars import draw_points

CURTAINS = 4
STARS = 260


class Aurora:
    """Each curtain has a hem that waves and rays that wander along it."""

    def __init__(self, setting: Setting) -> None:
        self._stage, lights = setting.stage, setting.lights
        theme, own = setting.theme, setting.own
        colours = [lights.tones[2], lights.accent, lights.tones[3], lights.tones[1] * 2.2]
        first = theme.whole(0, 3)
        self._curtains = [
            (
                colours[(first + number) % 4],
                -0.35 + 0.30 * number + own.between(-0.08, 0.08),  # where its hem hangs
                own.between(0.7, 1.5),
                own.between(0, 6.28),
                theme.between(1.7, 3.0),  # how high it reaches, as a rate
                own.between(5.0, 9.0),
            )
            for number in range(CURTAINS)
        ]
        self._energy = setting.energy
        scatter = setting.scatter()
        places = scatter.uniform((-1, -1), (1, 1), (STARS, 2)) * (self._stage.right, self._stage.bottom)
        self._sky = draw_points(self._stage, places, scatter.pareto(2.5, STARS) * 0.16 + 0.06)
        self._twinkle = lights.tones[4]

    def draw(self, moment: Moment) -> NDArray[np.float32]:
        stage = self._stage
        light = stage.dark()
        add_glow(light, self._sky * np.float32(0.7 + 0.5 * moment.bar), self._twinkle)
        x, time = stage.x[0], moment.travel
        for number, (colour, hang, wave, phase, rate, rays) in enumerate(self._curtains):
            sway = np.sin(wave * x + phase + 0.45 * time) + 0.45 * np.sin(2.3 * wave * x - phase - 0.7 * time)
            hem = hang + (0.17 + 0.07 * moment.level) * sway + 0.03 * np.sin(7 * x + 1.9 * time + phase)
            warped = x + 0.25 * np.sin(1.7 * x + 0.5 * time + phase)
            folds = 0.5 + 0.5 * np.sin(rays * warped + 0.8 * time) * np.sin(0.37 * rays * warped - 0.6 * time + phase)
            fine = 0.75 + 0.25 * np.sin(5.3 * rays * warped - 1.3 * time)
            strength = (0.25 + 1.15 * folds * folds) * fine
            strength *= 0.62 + 0.5 * moment.level + (0.55 * moment.beat if number % 2 == moment.beats % 2 else 0.0)
            height = rate / (0.75 + 0.5 * folds + 0.4 * self._energy)
            below = stage.y - hem.astype(np.float32)[None, :]
            fall = np.maximum(below * np.float32(17), below * -height.astype(np.float32)[None, :])
            add_glow(light, np.exp(-fall) * strength.astype(np.float32)[None, :], colour * 0.8)
        return light
