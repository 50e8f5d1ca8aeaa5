"""The scenes by name, and which of them a section of a song is shown as."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from jobs.engines.covers.canvas import Dice
from jobs.engines.motion.light import Stage
from jobs.engines.motion.plan import MotionPlan
from jobs.engines.motion.pulse import Moment, Pulse
from jobs.engines.motion.scenes.aurora import Aurora
from jobs.engines.motion.scenes.bokeh import Bokeh
from jobs.engines.motion.scenes.cubes import Cubes
from jobs.engines.motion.scenes.halo import Halo
from jobs.engines.motion.scenes.maze import Maze
from jobs.engines.motion.scenes.ridges import Ridges
from jobs.engines.motion.scenes.setting import Setting
from jobs.engines.motion.scenes.silk import Silk
from jobs.engines.motion.scenes.stars import Stars
from jobs.engines.motion.scenes.tunnel import Tunnel

SCENES = ("bokeh", "aurora", "stars", "silk", "ridges", "maze", "tunnel", "halo", "cubes")
MOTIFS = {  # what a style's motif would rather be shown as
    "ring": ("halo", "tunnel", "stars"),
    "bars": ("halo", "cubes", "ridges"),
    "ridges": ("ridges", "aurora"),
    "ribbons": ("silk", "aurora", "tunnel"),
    "beats": ("maze", "cubes", "bokeh"),
    "wheel": ("tunnel", "maze", "stars"),
}
CALM, STEADY, HIGH = ("bokeh", "aurora", "stars"), ("silk", "ridges", "maze"), ("tunnel", "halo", "cubes")
SECTIONS = {
    "intro": CALM,
    "outro": CALM,
    "break": CALM,
    "bridge": CALM,
    "verse": STEADY,
    "groove": STEADY,
    "build": STEADY,
    "chorus": HIGH,
    "drop": HIGH,
}
STEADY_ENERGY, HIGH_ENERGY = 0.4, 0.7  # from where a section of another name is shown so
MOTIF_CHANCE = 0.6
SOFT = ("silk", "aurora")  # have no edge that would show how small they are drawn
FINE_STEP, SOFT_STEP = 2, 3  # pixels of the film for one of the scene


class Scene(Protocol):
    """Something to see."""

    def draw(self, moment: Moment) -> NDArray[np.float32]:
        """The light of one frame, whatever was drawn before."""


def choose_scene(plan: MotionPlan) -> str:
    """The scene that the plan names, or the one that the section has in every film of this seed."""
    if plan.scene:
        return plan.scene
    by_energy = HIGH if plan.energy >= HIGH_ENERGY else STEADY if plan.energy >= STEADY_ENERGY else CALM
    fitting = SECTIONS.get(plan.section.lower(), by_energy)
    dice = Dice("scene", plan.seed, plan.section.lower())
    liked = [name for name in MOTIFS[plan.motif] if name in fitting]
    return dice.pick(liked) if liked and dice.falls(MOTIF_CHANCE) else dice.pick(fitting)


def build_stage(plan: MotionPlan) -> Stage:
    """As many places as the plan's scene needs."""
    return Stage(plan, SOFT_STEP if choose_scene(plan) in SOFT else FINE_STEP)


def build_scene(plan: MotionPlan, stage: Stage, pulse: Pulse) -> Scene:
    """The scene of a plan, ready for its first frame."""
    name = choose_scene(plan)
    section = plan.section.lower()
    theme, own = Dice("theme", plan.seed, section, name), Dice("own", plan.seed, section, name, plan.repeat)
    setting = Setting(stage, plan.energy, theme, own)
    if name == "ridges":
        return Ridges(setting, pulse)
    plain: dict[str, Callable[[Setting], Scene]] = {
        "bokeh": Bokeh,
        "aurora": Aurora,
        "stars": Stars,
        "silk": Silk,
        "maze": Maze,
        "tunnel": Tunnel,
        "halo": Halo,
        "cubes": Cubes,
    }
    return plain[name](setting)
