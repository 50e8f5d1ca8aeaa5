"""What an editor does to films and recordings: each cut exact to the frame, and nothing encoded that need not be."""

from jobs.engines.edits.films import Edited, edit_film
from jobs.engines.edits.pictures import Canvas
from jobs.engines.edits.pieces import Crossfade, Overlay, Piece, Row, Speed, Take, Volume
from jobs.engines.edits.trims import Trim, trim_film

__all__ = [
    "Canvas",
    "Crossfade",
    "Edited",
    "Overlay",
    "Piece",
    "Row",
    "Speed",
    "Take",
    "Trim",
    "Volume",
    "edit_film",
    "trim_film",
]
