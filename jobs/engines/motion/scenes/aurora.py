"""Aurora: curtains of light that hang in the dark, sharp below and long above, with stars behind them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jobs.engines.motion.light import Colour, Field, Light, Stage, shine
from jobs.engines.motion.pulse import Moment
from jobs.engines.motion.scenes.setting import Setting
from jobs.engines.motion.scenes.stars import draw_points

CURTAINS = 4
STARS = 260


@dataclass(frozen=True)
class _Curtain:
    """One of them as it is now, by column: where its hem hangs, how steeply it fades above, and how it shines."""

    hem: Field
    height: Field
    strength: Field
    colour: Colour


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
        curtains = [self._hang(number, moment) for number in range(CURTAINS)]
        return self._stage.draw_by_bands(lambda band: self._draw_band(band, curtains, moment))

    def _draw_band(self, stage: Stage, curtains: list["_Curtain"], moment: Moment) -> Light:
        glows = [(self._sky[stage.rows], self._twinkle * np.float32(0.7 + 0.5 * moment.bar))]
        for curtain in curtains:
            below = stage.y - curtain.hem
            fall = np.minimum(below * np.float32(-17), below * curtain.height)
            glows.append((np.exp(fall) * curtain.strength, curtain.colour))
        return shine(*glows)

    def _hang(self, number: int, moment: Moment) -> "_Curtain":
        colour, hang, wave, phase, rate, rays = self._curtains[number]
        x, time = self._stage.x[0], moment.travel
        sway = np.sin(wave * x + phase + 0.45 * time) + 0.45 * np.sin(2.3 * wave * x - phase - 0.7 * time)
        hem = hang + (0.17 + 0.07 * moment.level) * sway + 0.03 * np.sin(7 * x + 1.9 * time + phase)
        warped = x + 0.25 * np.sin(1.7 * x + 0.5 * time + phase)
        folds = 0.5 + 0.5 * np.sin(rays * warped + 0.8 * time) * np.sin(0.37 * rays * warped - 0.6 * time + phase)
        fine = 0.75 + 0.25 * np.sin(5.3 * rays * warped - 1.3 * time)
        strength = (0.25 + 1.15 * folds * folds) * fine
        strength *= 0.62 + 0.5 * moment.level + (0.55 * moment.beat if number % 2 == moment.beats % 2 else 0.0)
        height = rate / (0.75 + 0.5 * folds + 0.4 * self._energy)
        hem, height, strength = (each.astype(np.float32) for each in (hem, height, strength))
        return _Curtain(hem, height, strength, colour * np.float32(0.8))
