"""What every scene is given."""

from dataclasses import dataclass

import numpy as np

from jobs.engines.covers.canvas import Dice
from jobs.engines.motion.light import Lights, Stage


@dataclass(frozen=True)
class Setting:
    """A stage, how lively the section is, and chance: `theme` falls alike for its repeats, `own` does not."""

    stage: Stage
    energy: float
    theme: Dice
    own: Dice

    @property
    def lights(self) -> Lights:
        """The palette's."""
        return self.stage.lights

    def scatter(self) -> np.random.Generator:
        """Many numbers at once, of this repeat's own chance."""
        return np.random.Generator(np.random.PCG64(self.own.whole(0, 2**48)))
