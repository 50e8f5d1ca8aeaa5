"""All that is made for a track: its song, and its cover in every crop."""

from dataclasses import dataclass
from pathlib import Path

from jobs.engines.covers import CROPS, CoverPlan, draw_cover, rasterise_cover
from jobs.engines.music import Song, SongPlan, render_song
from jobs.engines.run import Report

SONG_SHARE = 0.9  # of the work, the rest is the cover


@dataclass(frozen=True)
class MadeCover:
    """The files of one cover: the drawing, and a picture for each crop."""

    svg: Path
    crops: dict[str, Path]


@dataclass(frozen=True)
class MadeTrack:
    """The files of one track."""

    song: Song
    cover: MadeCover


def make_track(song: SongPlan, cover: CoverPlan, folder: Path, report: Report) -> MadeTrack:
    """Render the song, then draw its cover."""
    made = render_song(song, folder, lambda fraction, stage: report(fraction * SONG_SHARE, stage))
    return MadeTrack(
        made, make_cover(cover, folder, lambda done, stage: report(SONG_SHARE + done * (1 - SONG_SHARE), stage))
    )


def make_cover(plan: CoverPlan, folder: Path, report: Report) -> MadeCover:
    """Draw a cover and every crop of it, each composed for its own shape."""
    report(0, "drawing")
    svg = folder / "cover.svg"
    svg.write_text(draw_cover(plan))
    crops = {}
    for done, (name, (width, height)) in enumerate(CROPS.items()):
        crops[name] = folder / f"cover-{name.lower()}.png"
        rasterise_cover(draw_cover(plan, width, height), crops[name], width, height)
        report((done + 1) / len(CROPS), "drawing")
    return MadeCover(svg, crops)
