"""What a style leans to: colours, motif, tempo, keys and instruments, out of a seed or out of the composer's table.

A version of the reading is never changed: whoever wants other leanings adds a version, and rows keep theirs.
"""

from dataclasses import dataclass
from functools import lru_cache

from jobs.engines.covers import accent_hue, contrast
from jobs.engines.covers.canvas import Dice
from jobs.engines.covers.palette import companion_hue, oklch, paint, readable
from jobs.engines.music.styles import STYLES, Style
from jobs.engines.music.theory import KEYS

VERSION = 1  # what new seeds are read by
HOUSE_SEED = 59  # the look of whoever has no seed: the hue of our own pages
TEMPO_SPREAD_BPM = 4
FIFTH = 7  # semitones

# slug → hue, its companion, motif
LOOKS: dict[str, tuple[int, int, str]] = {
    "lofi": (62, 20, "ridges"),
    "synthwave": (335, 265, "bars"),
    "house": (295, 210, "beats"),
    "ambient": (215, 170, "ridges"),
    "pop": (5, 75, "wheel"),
    "rock": (28, 350, "bars"),
    "hiphop": (88, 45, "ring"),
    "funk": (48, 330, "beats"),
    "jazz": (250, 70, "wheel"),
    "cinematic": (235, 40, "ribbons"),
    "breaks": (145, 195, "ring"),
    "reggae": (126, 80, "ring"),
    "bossa": (188, 100, "ribbons"),
    "techno": (280, 195, "bars"),
    "folk": (106, 55, "ridges"),
    "soul": (16, 55, "ribbons"),
    "waltz": (350, 40, "wheel"),
    "trap": (306, 20, "ring"),
    "disco": (320, 85, "beats"),
    "chiptune": (164, 320, "bars"),
    "classical": (265, 300, "ridges"),
    "chamber": (38, 90, "ribbons"),
    "afrobeat": (75, 145, "beats"),
}

# what version 1 chooses from: the order counts, and no later sound or motif may join
FIRST_SOUNDS = (
    ("lofi", 70, 86),
    ("synthwave", 84, 112),
    ("house", 120, 128),
    ("ambient", 60, 72),
    ("pop", 98, 122),
    ("rock", 112, 144),
    ("hiphop", 82, 94),
    ("funk", 98, 114),
    ("jazz", 104, 152),
    ("cinematic", 76, 96),
    ("breaks", 158, 174),
    ("reggae", 66, 80),
    ("bossa", 62, 76),
    ("techno", 130, 142),
    ("folk", 88, 116),
    ("soul", 56, 72),
    ("waltz", 132, 168),
    ("trap", 132, 150),
    ("disco", 112, 124),
    ("chiptune", 138, 168),
    ("classical", 66, 92),
    ("chamber", 84, 120),
    ("afrobeat", 100, 118),
)
FIRST_MOTIFS = ("ring", "bars", "ridges", "ribbons", "beats", "wheel")


@dataclass(frozen=True)
class Swatch:
    """One colour by its role, for light and for dark surroundings; hex."""

    name: str
    light: str
    dark: str


@dataclass(frozen=True)
class Leanings:
    """All that a style gives."""

    sound: str  # the composer's style that it is played in
    swatches: tuple[Swatch, ...]
    accent_hue: int
    motif: str
    tempo_min_bpm: int
    tempo_max_bpm: int
    keys: tuple[str, ...]  # tonics; none: any
    instruments: tuple[str, ...]


@dataclass(frozen=True)
class Steer:
    """What leanings come to in one song."""

    sound: str
    tempo_bpm: float
    key: str


@lru_cache(maxsize=4096)
def read_leanings(seed: int, version: int = VERSION) -> Leanings:
    """What a seed leans to, as this version reads it."""
    return _VERSIONS[version](seed)


@lru_cache(maxsize=64)
def read_catalogue_leanings(slug: str) -> Leanings:
    """What a style of the catalogue leans to: the composer's own table, and colours chosen for it."""
    style = STYLES[slug]
    hue, companion, motif = LOOKS[slug]
    low, high = style.tempo
    return Leanings(slug, _mix(hue, companion), hue, motif, low, high, (), _list_instruments(style))


def steer_song(leanings: Leanings, song_seed: int) -> Steer:
    """Tempo and key of one song: within the leanings, and the same for ever for the same seed."""
    dice = Dice("song", song_seed)
    tempo = dice.whole(leanings.tempo_min_bpm, leanings.tempo_max_bpm)
    return Steer(leanings.sound, float(tempo), dice.pick(leanings.keys or KEYS))


def _read_first(seed: int) -> Leanings:
    dice = Dice("leanings", seed)
    sound, low, high = dice.pick(FIRST_SOUNDS)
    spread = min(TEMPO_SPREAD_BPM, (high - low) // 2)
    tempo = dice.whole(low + spread, high - spread)
    tonic = dice.whole(0, 11)
    hue = accent_hue(seed)
    return Leanings(
        sound=sound,
        swatches=_mix(hue, companion_hue(seed, hue)),
        accent_hue=hue,
        motif=dice.pick(FIRST_MOTIFS),
        tempo_min_bpm=tempo - spread,
        tempo_max_bpm=tempo + spread,
        keys=tuple(KEYS[(tonic + step) % 12] for step in (0, FIFTH, -FIFTH)),
        instruments=_list_instruments(STYLES[sound]),
    )


_VERSIONS = {1: _read_first}


def _list_instruments(style: Style) -> tuple[str, ...]:
    voices = (*(layer.voice for layer in style.layers), style.bass_voice, *style.leads)
    return (*dict.fromkeys(voices), f"{style.kit} drums")


def _mix(hue: int, companion: float) -> tuple[Swatch, ...]:
    light, dark = (_colours(hue, companion, dark=dark) for dark in (False, True))
    return tuple(Swatch(name, light[name], dark[name]) for name in light)


def _colours(hue: int, companion: float, *, dark: bool) -> dict[str, str]:
    """By role. Text, muted text and accent can be read on ground and panel, and `on-accent` on the accent."""
    cover = paint(hue, companion, dark=dark)
    panel = oklch(0.215, 0.035, hue) if dark else oklch(0.99, 0.006, hue)
    hardest = panel if dark else cover.ground
    papers = oklch(0.16, 0.03, hue), oklch(0.99, 0.01, hue)
    return {
        "ground": cover.ground,
        "panel": panel,
        "line": oklch(0.33, 0.03, hue) if dark else oklch(0.87, 0.02, hue),
        "text": cover.text,
        "muted": readable(0.72 if dark else 0.48, 0.035, hue, hardest, step=0.01 if dark else -0.01),
        "accent": cover.accent,
        "on-accent": max(papers, key=lambda paper: contrast(paper, cover.accent)),
    } | {f"figure-{number}": figure for number, figure in enumerate(cover.figures, 1)}
