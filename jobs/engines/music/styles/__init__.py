"""The catalogue of styles: what a style plays, on what, how fast and how it is mixed."""

from jobs.engines.music.styles.acoustic import ACOUSTIC
from jobs.engines.music.styles.bands import BANDS
from jobs.engines.music.styles.electronic import ELECTRONIC
from jobs.engines.music.styles.style import Layer, Style

_ORDER = (
    "lofi", "synthwave", "house", "ambient", "pop", "rock", "hiphop", "funk", "jazz", "cinematic", "breaks", "reggae",
    "bossa", "techno", "folk", "soul", "waltz", "trap", "disco", "chiptune", "classical", "chamber", "afrobeat",
)  # fmt: skip
_KNOWN = {style.id: style for style in (*ELECTRONIC, *BANDS, *ACOUSTIC)}
STYLES: dict[str, Style] = {name: _KNOWN[name] for name in _ORDER}  # a seed without a style counts along this order

__all__ = ["STYLES", "Layer", "Style"]
