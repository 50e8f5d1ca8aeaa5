"""The colours of a style, chosen in OKLCH, where equal steps look equal, and checked against each other by WCAG."""

import math
from dataclasses import dataclass

from jobs.engines.covers.canvas import Dice

READABLE_CONTRAST = 4.5  # WCAG 2.2 AA for text
COMPANION_DEGREES = (-55.0, 40.0, 75.0, 150.0, 180.0, 215.0)
DARK_TONES = ((0.31, 0.075), (0.45, 0.125), (0.61, 0.15), (0.76, 0.12), (0.90, 0.05))  # lightness, chroma
LIGHT_TONES = ((0.89, 0.05), (0.78, 0.10), (0.66, 0.14), (0.50, 0.13), (0.33, 0.08))
HUE_SHARES = (0.0, 0.08, 1.0, 0.92, 0.2)  # how far each tone leans from the style's hue to its companion


@dataclass(frozen=True)
class Palette:
    """Hex colours; `figures` go from near the ground to far from it."""

    ground: str
    figures: tuple[str, str, str, str, str]
    accent: str
    text: str


def accent_hue(style_seed: int) -> int:
    """The hue of a style in degrees."""
    return int(Dice("hue", style_seed).between(0, 360))


def palette(style_seed: int, *, dark: bool = True) -> Palette:
    """The colours of a style; accent and text can be read on the ground."""
    hue = accent_hue(style_seed)
    return paint(hue, companion_hue(style_seed, hue), dark=dark)


def companion_hue(style_seed: int, hue: int) -> float:
    """The hue that a style's figures lean to."""
    chance = Dice("companion", style_seed)
    return hue + chance.pick(COMPANION_DEGREES) + chance.between(-12, 12)


def paint(hue: int, companion: float, *, dark: bool = True) -> Palette:
    """The colours of two hues; accent and text can be read on the ground."""
    ground = oklch(0.175, 0.035, hue) if dark else oklch(0.965, 0.016, hue)
    tones = DARK_TONES if dark else LIGHT_TONES
    one, two, three, four, five = (
        oklch(lightness, chroma, _lean(hue, companion, share))
        for (lightness, chroma), share in zip(tones, HUE_SHARES, strict=True)
    )
    return Palette(
        ground,
        (one, two, three, four, five),
        readable(0.74 if dark else 0.56, 0.17, hue, ground, step=0.01 if dark else -0.01),
        readable(0.95 if dark else 0.25, 0.02, hue, ground, step=0.01 if dark else -0.01),
    )


def contrast(one: str, other: str) -> float:
    """The WCAG contrast ratio of two hex colours, 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def oklch(lightness: float, chroma: float, hue_degrees: float) -> str:
    """The hex colour nearest to these coordinates that a screen can show: chroma gives way."""
    angle = math.radians(hue_degrees)
    for percent in range(100, -1, -2):
        kept = chroma * percent / 100
        channels = _linear_srgb(lightness, kept * math.cos(angle), kept * math.sin(angle))
        if all(-1e-4 <= channel <= 1 + 1e-4 for channel in channels):
            break
    return "#" + "".join(f"{round(255 * _encode(channel)):02x}" for channel in channels)


def read_oklch(colour: str) -> tuple[float, float, float]:
    """Lightness, chroma and hue of a hex colour: the way back from `oklch`, as far as eight bits tell."""
    red, green, blue = (_decode(int(colour[at : at + 2], 16) / 255) for at in (1, 3, 5))
    long = math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    medium = math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    short = math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    lightness = 0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short
    a = 1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short
    b = 0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short
    return lightness, math.hypot(a, b), math.degrees(math.atan2(b, a)) % 360


def write_oklch(colour: str) -> str:
    """A hex colour as CSS writes it in OKLCH."""
    lightness, chroma, hue = read_oklch(colour)
    return f"oklch({lightness:.2%} {chroma:.4f} {hue:.1f})"


def _lean(hue: float, companion: float, share: float) -> float:
    return hue + (companion - hue) * share


def readable(lightness: float, chroma: float, hue: float, ground: str, step: float) -> str:
    """The first colour, going by steps of lightness, that can be read on the ground."""
    colour = oklch(lightness, chroma, hue)
    while contrast(colour, ground) < READABLE_CONTRAST and 0 < lightness < 1:
        lightness += step
        colour = oklch(lightness, chroma, hue)
    return colour


def _linear_srgb(lightness: float, a: float, b: float) -> tuple[float, float, float]:
    """Björn Ottosson's OKLab matrices."""
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def _encode(channel: float) -> float:
    inside = min(1.0, max(0.0, channel))
    return 12.92 * inside if inside <= 0.0031308 else 1.055 * inside ** (1 / 2.4) - 0.055


def _decode(encoded: float) -> float:
    return encoded / 12.92 if encoded <= 0.04045 else ((encoded + 0.055) / 1.055) ** 2.4


def _luminance(colour: str) -> float:
    red, green, blue = (_decode(int(colour[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
