"""All that is made for a track: its song, and its cover in every crop."""

import multiprocessing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from jobs.engines.covers import CROPS, Contour, CoverPlan, contour_of, draw_cover, rasterise_cover
from jobs.engines.covers.contour import LEVELS
from jobs.engines.music import Finished, Song, SongPlan, render_song
from jobs.engines.music.compose import list_beats, list_chords, list_sections
from jobs.engines.music.finish import Imported
from jobs.engines.music.loudness import SAMPLE_RATE, Signal
from jobs.engines.music.score import Score
from jobs.engines.recordings import finish_recording, import_recording
from jobs.engines.run import Report

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
    contour: Contour


@dataclass(frozen=True)
class FinishedTrack:
    """The files of one track that a provider made the music of."""

    song: Finished
    cover: MadeCover
    contour: Contour


@dataclass(frozen=True)
class ImportedTrack:
    """The files of one track that its owner recorded."""

    song: Imported
    cover: MadeCover
    contour: Contour


def make_track(song: SongPlan, cover: CoverPlan, folder: Path, report: Report) -> MadeTrack:
    """Render the song and draw its cover."""
    painter = _Painter(cover, folder)
    made = render_song(song, folder, _before_cover(report), painter.start)
    return MadeTrack(made, *painter.finish(report))


def finish_track(recording: Path, cover: CoverPlan, folder: Path, report: Report) -> FinishedTrack:
    """Make of somebody else's recording what is kept of a song, and draw its cover."""
    painter = _Painter(cover, folder)
    finished = finish_recording(recording, folder, _before_cover(report), painter.start)
    return FinishedTrack(finished, *painter.finish(report))


def import_track(recording: Path, cover: CoverPlan, folder: Path, report: Report) -> ImportedTrack:
    """Make of somebody's own recording what is kept of a song, and draw its cover."""
    painter = _Painter(cover, folder)
    imported = import_recording(recording, folder, _before_cover(report), painter.start)
    return ImportedTrack(imported, *painter.finish(report))


def _before_cover(report: Report) -> Report:
    return lambda fraction, stage: report(fraction * SONG_SHARE, stage)


class _Painter:
    """Draws the cover in a process of its own while the song is mastered: neither waits for the other's core."""

    def __init__(self, plan: CoverPlan, folder: Path) -> None:
        self._plan, self._folder = plan, folder

    def start(self, mix: Signal, score: Score | None) -> None:
        """Begin, since the song can be heard."""
        self._contour = _trace_contour(mix, score)
        plan = replace(self._plan, contour=self._contour)
        self._process = multiprocessing.get_context("fork").Process(
            target=make_cover, args=(plan, self._folder, ignore)
        )
        self._process.start()

    def finish(self, report: Report) -> tuple[MadeCover, Contour]:
        """Wait for the cover."""
        while self._process.exitcode is None:
            report(SONG_SHARE, "drawing")
            self._process.join(0.2)
        if self._process.exitcode != 0:
            raise RuntimeError(f"the cover could not be drawn: exit code {self._process.exitcode}")
        return cover_in(self._folder), self._contour


def _trace_contour(mix: Signal, score: Score | None) -> Contour:
    amplitudes = [float(np.abs(part).mean()) if part.size else 0.0 for part in np.array_split(mix, LEVELS, axis=1)]
    known: dict[str, Any] | None = None
    if score is not None:
        sections, chords = map(asdict, list_sections(score)), map(asdict, list_chords(score))
        known = {"sections": list(sections), "chords": list(chords), "beats_seconds": list_beats(score)}
        known["beats_per_bar"] = score.grid.metre.beats
    return contour_of(amplitudes, known, mix.shape[1] / SAMPLE_RATE)


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
