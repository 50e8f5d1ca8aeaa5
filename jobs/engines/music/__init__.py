"""The music engine of the `local` provider: a plan in, a finished song out, without a network."""

from jobs.engines.music.finish import Finished
from jobs.engines.music.render import Song, render_song
from jobs.engines.music.score import Chord, Section, SongPlan
from jobs.engines.music.styles import STYLES

STYLE_IDS = tuple(STYLES)

__all__ = ["STYLE_IDS", "Chord", "Finished", "Section", "Song", "SongPlan", "render_song"]
