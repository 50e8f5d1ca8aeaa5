"""Which colours of a palette a drawing uses for what: the same eight, on a dark, a deep, a bright or a pale ground."""

from dataclasses import dataclass

from jobs.engines.covers.canvas import Dice
from jobs.engines.covers.palette import READABLE_CONTRAST, Palette, contrast


@dataclass(frozen=True)
class Inks:
    """Colours by their use; `tones` go from near the ground to far from it."""

    ground: str
    title: str
    tones: tuple[str, str, str, str]
    accent: str


def pick_inks(colours: Palette, dice: Dice) -> Inks:
    """One way to use the palette; its title can be read on its ground."""
    one, two, three, four, five = colours.figures
    choices = [
        _mix(colours, colours.ground, (one, two, three, four), colours.accent),
        _mix(colours, colours.ground, (one, three, four, five), colours.accent),
        _mix(colours, one, (two, three, four, five), colours.accent),
        _mix(colours, three, (four, two, one, colours.ground), five),
        _mix(colours, five, (four, three, two, one), three),
        _mix(colours, four, (three, two, one, colours.ground), five),
    ]
    chosen = dice.pick(choices)
    return chosen if contrast(chosen.title, chosen.ground) >= READABLE_CONTRAST else choices[0]


def _mix(colours: Palette, ground: str, tones: tuple[str, str, str, str], accent: str) -> Inks:
    title = max(colours.text, colours.ground, key=lambda colour: contrast(colour, ground))
    return Inks(ground, title, tones, accent)
