"""Contours of songs that were composed here, and plans of every family, for the tests of covers."""

from functools import cache

from jobs.engines.covers import FAMILIES, Contour, CoverPlan, contour_of
from jobs.engines.covers.canvas import Dice
from jobs.engines.music import SongPlan
from jobs.engines.music.compose import compose, list_beats, list_chords, list_sections

TITLES = (
    "Warm lofi evening with soft piano",
    "Night drive",
    "Αιγαίο, Ночь & Đường về nhà",
    "Rain",
    "A very long title that goes on and on, as prompts do when people tell a story",
    "Überraschung",
)
PROMPTS = ("warm lofi evening", "epic orchestral trailer", "driving techno", "slow ballad", "happy pop", "jazz trio")


@cache
def make_contour(seed: int) -> Contour:
    """The contour of a song as it is composed: as loud as its notes are many and strong."""
    seconds = 20.0 + seed * 37 % 160
    plan = SongPlan(prompt=PROMPTS[seed % len(PROMPTS)], duration_seconds=seconds, seed=seed, style=None)
    _, score = compose(plan)
    amplitudes = [0.0] * 400
    for note in (*score.bass, *score.chords, *score.lead):
        first, last = (
            round(399 * min(1, at / seconds)) for at in (note.start_seconds, note.start_seconds + note.length_seconds)
        )
        for at in range(first, last + 1):
            amplitudes[at] += note.velocity
    known = {
        "sections": [vars(part) for part in list_sections(score)],
        "chords": [vars(part) for part in list_chords(score)],
        "beats_seconds": list_beats(score),
        "beats_per_bar": score.grid.metre.beats,
    }
    return contour_of(amplitudes, known, seconds)


def plans_by_family(first_seed: int, count: int) -> dict[int, list[CoverPlan]]:
    """So many plans of each family, by its number."""
    found: dict[int, list[CoverPlan]] = {number: [] for number in range(len(FAMILIES))}
    seed = first_seed
    while any(len(plans) < count for plans in found.values()):
        family = FAMILIES.index(Dice("theme", seed, seed * 7 + 3).pick(FAMILIES))
        if len(found[family]) < count:
            found[family].append(
                CoverPlan(seed, seed * 7 + 3, seed % 5 + 1, make_contour(seed), TITLES[seed % len(TITLES)])
            )
        seed += 1
    return found
