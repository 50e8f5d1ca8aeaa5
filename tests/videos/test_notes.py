"""What a film says of the clips that are not in it: a sentence for each reason, however many they are."""

from pathlib import Path

from jobs.engines.cuts import CutReport, MadeCutFilm, Skipped
from jobs.videos.notes import list_notes


def test_clips_that_were_left_out_for_one_reason_are_told_together() -> None:
    needless = [Skipped(clip, "NOT_NEEDED", "there are fewer shots") for clip in (1, 4, 5, 6, 7, 498)]
    report = CutReport(shots=3, skipped=(*needless, Skipped(0, "TOO_SHORT", "it is over at once")))
    notes = list_notes((), MadeCutFilm(Path("film.mp4"), 90, 3.0, (), report))
    assert notes[1:] == [
        "Clips 2, 5 to 8, 499 are not in the film: there are fewer shots",
        "Clip 1 is not in the film: it is over at once",
    ]
