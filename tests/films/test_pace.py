"""What is told of a film's pace: how fast its frames come of late, and how long the others take at that."""

import re
from itertools import pairwise

from jobs.engines.films.segments import JOINING, Pace


def tell_all(seconds_of_frames: list[float], frame_count: int, already_drawn: int = 0) -> list[tuple[float, int, int]]:
    """What is told while frames take so long, one after the other: how far it is, frames a second, seconds left."""
    told: list[tuple[float, int, int]] = []

    def hear(fraction: float, stage: str) -> None:
        if stage == "drawing":
            return
        found = re.fullmatch(r"frame (\d+) of (\d+), (\d+) a second, (\d+) s left", stage)
        assert found
        assert int(found[2]) == frame_count
        assert fraction == JOINING * (int(found[1]) / frame_count)
        told.append((fraction, int(found[3]), int(found[4])))

    now = 0.0
    pace = Pace(frame_count, already_drawn, hear, lambda: now)
    pace.tell(0)
    for drawn, seconds in enumerate(seconds_of_frames, start=1):
        now += seconds
        pace.tell(drawn)
    return told


def test_time_left_of_a_steady_film_falls_by_a_second_each_second() -> None:
    told = tell_all([0.05] * 1200, 1200)
    assert {per_second for _, per_second, _ in told} == {20}
    assert all(abs(later - earlier + 1) <= 1 for (_, _, earlier), (_, _, later) in pairwise(told))
    assert told[-1][2] <= 1


def test_slow_start_is_forgotten_after_some_seconds() -> None:
    told = tell_all([20.0] + [1 / 64] * 1280, 2561)
    assert told[0][1:] == (0, 51_200)
    assert told[-1][1:] == (64, 20)


def test_what_was_there_already_counts_as_done_and_not_as_fast() -> None:
    told = tell_all([1 / 8] * 40, 580, already_drawn=500)
    assert {per_second for _, per_second, _ in told} == {8}
    assert told[-1][2] == 5


def test_film_that_slows_down_says_so() -> None:
    told = tell_all([0.02] * 1000 + [0.5] * 30, 1130)
    assert told[-1][1:] == (2, 50)


def test_frame_that_takes_longer_than_is_looked_back_still_has_a_pace() -> None:
    told = tell_all([0.1] * 100 + [30.0, 30.0, 30.0], 110)
    assert told[-1][2] == 210
    assert told[-1][1] == 0
