"""What a model of the outside is told to film: the section of the song in words."""

import re
from dataclasses import dataclass

from jobs.engines.covers.canvas import Dice
from jobs.engines.covers.palette import Palette, read_oklch

MOST_LINES, MOST_LYRICS_CHARACTERS = 3, 200
LEAST_CHROMA = 0.04  # what has less is no colour to name
LOUD_ENERGY, QUIET_ENERGY = 0.66, 0.33

_HUES = ((12, "rose"), (42, "red"), (72, "orange"), (95, "amber"), (115, "yellow"), (135, "lime"), (168, "green"),
         (190, "teal"), (230, "cyan"), (278, "blue"), (312, "violet"), (345, "magenta"), (360, "rose"))  # fmt: skip
_OPENINGS = {
    "intro": "An opening shot that sets the place",
    "verse": "A quiet, telling scene",
    "build": "Growing tension, faster and closer",
    "chorus": "The emotional height, wide and bright",
    "drop": "A burst of energy",
    "break": "A breath of stillness",
    "bridge": "A turn to somewhere unexpected",
    "outro": "A closing shot that lets go",
}
_CAMERAS = {
    "quiet": ("slow dolly forward", "still camera, only the light moves", "slow drift to the side", "gentle rise"),
    "steady": ("steady tracking shot", "smooth orbit around the subject", "handheld, close", "gliding low shot"),
    "loud": ("fast tracking shot", "sweeping crane shot", "quick orbit with motion blur", "rushing flight forward"),
}
_PLAIN = "No text, no captions, no logos, no watermark."


@dataclass(frozen=True)
class ClipBrief:
    """What is known of a section when a clip of it is wished for."""

    section: str
    prompt: str = ""  # of whoever asked for the film
    style: str = ""
    mood: str = ""
    energy: float = 0.5
    tempo_bpm: float | None = None
    lines: tuple[str, ...] = ()  # sung in this section
    palette: Palette | None = None
    seed: int = 0


def write_prompt(brief: ClipBrief) -> str:
    """The prompt; the same brief gives the same, and repeats of a section by one seed share their camera."""
    return " ".join(part for part in _list_sentences(brief) if part)


def _list_sentences(brief: ClipBrief) -> list[str]:
    section = re.sub(r"[\s\d]+$", "", _clean(brief.section).lower())
    look = ", ".join(filter(None, (_clean(brief.style), _clean(brief.mood))))
    return [
        _end(_clean(brief.prompt)),
        _end(_OPENINGS.get(section, "A scene of the song") + (f", {look}" if look else "")),
        _quote(brief.lines),
        _end(_choose_camera(brief, section)),
        _name_colours(brief.palette),
        _tell_pace(brief.tempo_bpm),
        _PLAIN,
    ]


def _choose_camera(brief: ClipBrief, section: str) -> str:
    pace = "loud" if brief.energy >= LOUD_ENERGY else "quiet" if brief.energy <= QUIET_ENERGY else "steady"
    camera = Dice("camera", brief.seed, section).pick(_CAMERAS[pace])
    return camera[0].upper() + camera[1:]


def _quote(lines: tuple[str, ...]) -> str:
    """The words as what is to be seen, not to be written."""
    sung = [cleaned for line in lines if (cleaned := _clean(line))][:MOST_LINES]
    if not sung:
        return ""
    words = " / ".join(sung)
    if len(words) > MOST_LYRICS_CHARACTERS:
        words = words[:MOST_LYRICS_CHARACTERS].rsplit(" ", 1)[0]
    return _end(f"The picture evokes these words without showing them: {words}")


def _name_colours(palette: Palette | None) -> str:
    if palette is None:
        return ""
    names = []
    for colour in (palette.figures[2], palette.accent, palette.ground):
        lightness, chroma, hue = read_oklch(colour)
        if chroma >= LEAST_CHROMA or colour == palette.accent:
            names.append(("dark " if lightness < 0.4 else "") + next(name for most, name in _HUES if hue <= most))
    return f"Colours: {', '.join(dict.fromkeys(names))}."


def _tell_pace(tempo_bpm: float | None) -> str:
    if tempo_bpm is None:
        return ""
    return "Unhurried movement." if tempo_bpm < 85 else "Lively movement." if tempo_bpm < 125 else "Driving movement."


def _clean(text: str) -> str:
    """On one line, without what cannot be seen."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def _end(sentence: str) -> str:
    return sentence if not sentence or sentence[-1] in ".!?…" else f"{sentence}."
