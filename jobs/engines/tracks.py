"""All that is made for a track: its song, and its cover in every crop."""

import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from jobs.engines.covers import CROPS, CoverPlan, draw_cover, rasterise_cover
from jobs.engines.music import Finished, Song, SongPlan, render_song
from jobs.engines.recordings import finish_recording
from jobs.engines.run import Report

T = TypeVar("T")

SONG_SHARE = 0.9  # of the work, the rest is the cover


@dataclass(frozen=True)
class MadeCover:
    """The files of one cover: the drawing, and a picture for each crop."""

    svg: Path
    crops: dict[str, Path]


@dataclass(frozen=True)
class MadeTrack:
    """The files of one track that we composed."""

    song: Song
    cover: MadeCover


@dataclass(frozen=True)
class FinishedTrack:
    """The files of one track that a provider made the music of."""

    song: Finished
    cover: MadeCover


def make_track(song: SongPlan, cover: CoverPlan, folder: Path, report: Report) -> MadeTrack:
    """Render the song and draw its cover."""
    made = _draw_beside(cover, folder, report, lambda told: render_song(song, folder, told))
    return MadeTrack(made, cover_in(folder))


def finish_track(recording: Path, cover: CoverPlan, folder: Path, report: Report) -> FinishedTrack:
    """Make of somebody else's recording what is kept of a song, and draw its cover."""
    finished = _draw_beside(cover, folder, report, lambda told: finish_recording(recording, folder, told))
    return FinishedTrack(finished, cover_in(folder))


def _draw_beside(cover: CoverPlan, folder: Path, report: Report, work: Callable[[Report], T]) -> T:
    """Draw the cover in a process of its own while the work is done: neither waits for the other's core."""
    painter = multiprocessing.get_context("fork").Process(target=make_cover, args=(cover, folder, ignore))
    painter.start()
    made = work(lambda fraction, stage: report(fraction * SONG_SHARE, stage))
    while painter.exitcode is None:
        report(SONG_SHARE, "drawing")
        painter.join(0.2)
    if painter.exitcode != 0:
        raise RuntimeError(f"the cover could not be drawn: exit code {painter.exitcode}")
    return made


def ignore(_fraction: float, _stage: str) -> None:
    """Report to nobody."""


def cover_in(folder: Path) -> MadeCover:
    """Where the files of a cover lie."""
    return MadeCover(folder / "cover.svg", {name: folder / f"cover-{name.lower()}.png" for name in CROPS})


def make_cover(plan: CoverPlan, folder: Path, report: Report) -> MadeCover:
    """Draw a cover and every crop of it, each composed for its own shape."""
    made = cover_in(folder)
    made.svg.write_text(draw_cover(plan))
    for done, (name, (width, height)) in enumerate(CROPS.items()):
        report(done / len(CROPS), "drawing")
        rasterise_cover(draw_cover(plan, width, height), made.crops[name], width, height)
    return made
