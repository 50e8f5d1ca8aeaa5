"""What of a film is not as it was asked for, told without praise."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from jobs.engines.cuts import CutReport, MadeCutFilm, Skipped
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
    yield from _tell_skipped(report.skipped)


def _tell_skipped(skipped: Sequence[Skipped]) -> Iterator[str]:
    """One sentence for each reason, however many clips have it."""
    by_reason: dict[str, list[int]] = {}
    for one in skipped:
        by_reason.setdefault(one.message, []).append(one.clip + 1)
    for reason, numbers in by_reason.items():
        if len(numbers) == 1:
            yield f"Clip {numbers[0]} is not in the film: {reason}"
        else:
            yield f"Clips {', '.join(_list_runs(sorted(numbers)))} are not in the film: {reason}"


def _list_runs(numbers: Sequence[int]) -> Iterator[str]:
    """Numbers that follow each other as one: 2, 5 to 9."""
    for _, run in groupby(enumerate(numbers), lambda placed: placed[1] - placed[0]):
        first, *others = [number for _, number in run]
        yield f"{first} to {others[-1]}" if others else f"{first}"
