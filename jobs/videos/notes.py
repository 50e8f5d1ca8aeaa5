"""What of a film is not as it was asked for, told without praise."""

from collections.abc import Iterator, Sequence

from jobs.engines.cuts import CutReport, MadeCutFilm
from jobs.engines.films import MadeFilm
from jobs.formats.lyrics import Line

SHOWN_CHARACTERS = 60


def list_notes(lines: Sequence[Line], made: MadeFilm | MadeCutFilm) -> list[str]:
    """One sentence for each thing."""
    if isinstance(made, MadeCutFilm):
        return list(_tell_cuts(made.report))
    return list(_tell_words(lines, made))


def _tell_words(lines: Sequence[Line], made: MadeFilm) -> Iterator[str]:
    for number in made.unwritten_lines:
        text = lines[number].text[:SHOWN_CHARACTERS]
        yield f"Line {number + 1} is not shown, since none of the fonts has its script: {text}"
    if not made.is_title_written:
        yield "The title is not shown, since none of the fonts has its script"


def _tell_cuts(report: CutReport) -> Iterator[str]:
    yield (
        f"Shots: {report.shots}. Cuts on a downbeat: {report.on_downbeats}, on another beat: {report.on_beats},"
        f" on none: {report.evenly}"
    )
    yield from report.notes
    if report.moved:
        yield f"Sections that begin at the next bar: {report.moved}, at most {report.farthest_seconds:.2f} s later"
    if report.repeated:
        yield f"Shots of a part of a clip that was, or may have been, seen before: {report.repeated}"
    if report.stretched:
        yield f"Shots that are longer than their clip: {report.stretched}"
    for one in report.skipped:
        yield f"Clip {one.clip + 1} is not in the film: {one.message}"
