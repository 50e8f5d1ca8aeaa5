"""The colours of a page, light and dark, from one hue: text on them keeps a contrast of 4.5 to 1 (WCAG AA)."""

import colorsys
from functools import lru_cache

Colour = tuple[float, float, float]

TEXT_CONTRAST = 4.6  # AA asks for 4.5; rounding to eight bits may cost a little
GRAPHIC_CONTRAST = 3.1  # AA asks for 3
GROUNDS = ("ground", "panel", "glow", "glow-too")


def contrast(one: Colour, other: Colour) -> float:
    """How far apart two colours are in brightness, from 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def read_colour(text: str) -> Colour:
    """The colour that `#rrggbb` names."""
    red, green, blue = bytes.fromhex(text.removeprefix("#"))
    return red / 255, green / 255, blue / 255


@lru_cache(maxsize=360)
def schemes(hue: int) -> tuple[dict[str, str], dict[str, str]]:
    """The light and the dark colours by name."""
    light = {
        "ground": _colour(hue, 0.4, 0.965),
        "panel": _colour(hue, 0.5, 1.0),
        "glow": _colour(hue, 0.65, 0.9),
        "glow-too": _colour(hue + 60, 0.55, 0.92),
        "line": _colour(hue, 0.2, 0.86),
    }
    dark = {
        "ground": _colour(hue, 0.24, 0.075),
        "panel": _colour(hue, 0.2, 0.12),
        "glow": _colour(hue, 0.5, 0.13),
        "glow-too": _colour(hue + 60, 0.4, 0.115),
        "line": _colour(hue, 0.2, 0.24),
    }
    return _with_inks(hue, light, is_dark=False), _with_inks(hue, dark, is_dark=True)


def stylesheet(hue: int) -> str:
    """The colours as custom properties that follow the reader's system."""
    light, dark = (";".join(f"--{name}:{value}" for name, value in scheme.items()) for scheme in schemes(hue))
    return f":root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}"


def _with_inks(hue: int, grounds: dict[str, Colour], *, is_dark: bool) -> dict[str, str]:
    """The grounds, and what can be read on the hardest of them and so on all."""
    hardest = (max if is_dark else min)((grounds[name] for name in GROUNDS), key=_luminance)
    accent = _pick(hue, 0.72, hardest, TEXT_CONTRAST, is_dark=is_dark)
    papers = _colour(hue, 0.3, 0.06), _colour(hue, 0.3, 0.99)
    inks = {
        "text": _pick(hue, 0.25, hardest, 12, is_dark=is_dark),
        "muted": _pick(hue, 0.12, hardest, 5.8, is_dark=is_dark),
        "bar": _pick(hue, 0.18, hardest, GRAPHIC_CONTRAST, is_dark=is_dark),
        "accent": accent,
        "on-accent": max(papers, key=lambda paper: contrast(paper, accent)),
    }
    return {name: _write(colour) for name, colour in (grounds | inks).items()}


def _pick(hue: int, saturation: float, ground: Colour, ratio: float, *, is_dark: bool) -> Colour:
    """The colour of this hue that stands out from the ground by `ratio` and hardly more."""
    steps = range(1, 100) if is_dark else range(99, 0, -1)
    shades = (_colour(hue, saturation, step / 100) for step in steps)
    return next(shade for shade in shades if contrast(shade, ground) >= ratio)


def _colour(hue: int, saturation: float, lightness: float) -> Colour:
    return read_colour(_write(colorsys.hls_to_rgb(hue % 360 / 360, lightness, saturation)))


def _write(colour: Colour) -> str:
    return "#" + bytes(round(part * 255) for part in colour).hex()


def _luminance(colour: Colour) -> float:
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
