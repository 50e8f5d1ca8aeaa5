"""Where films are cut, and what is shown between the cuts."""

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from jobs.engines.cuts import Clip, Cues, Part, Screen, plan_cuts, plan_sections, read_cues
from jobs.engines.cuts.rhythm import move_parts
from jobs.engines.run import EngineRefused
from jobs.videos.generating import merge_parts
from tests.films.clips import make_cues

SCREEN = Screen(640, 360, Path("song.m4a"))
CLIPS = [Clip(Path(f"{number}.mp4"), 40.0) for number in range(5)]

songs = some.builds(
    make_cues,
    bars=some.integers(1, 120),
    bpm=some.floats(50, 210),
    beats_per_bar=some.sampled_from([3, 4]),
    energies=some.lists(some.floats(0, 1), min_size=1, max_size=6),
)
rolls = some.lists(
    some.builds(Clip, path=some.just(Path("clip.mp4")), duration_seconds=some.floats(0, 90)), min_size=1, max_size=12
).filter(lambda clips: any(clip.duration_seconds > 0.5 for clip in clips))


@settings(max_examples=150, deadline=None)
@given(cues=songs, clips=rolls, seed=some.integers(0, 2**31), fps=some.sampled_from([24, 25, 30, 60]))
def test_shots_cover_every_frame_once_and_no_clip_follows_itself(
    cues: Cues, clips: list[Clip], seed: int, fps: int
) -> None:
    plan = plan_cuts(cues, clips, replace(SCREEN, fps=fps), seed=seed)
    assert [frame for shot in plan.shots for frame in range(shot.start, shot.end)] == list(range(plan.frame_count))
    assert plan.frame_count == max(1, round(cues.duration_seconds * fps))
    usable = sum(len(clip.frames(fps)) >= 0.4 * fps for clip in clips)
    if usable > 1:
        assert all(before.clip != after.clip for before, after in pairwise(plan.shots))
    assert plan == plan_cuts(cues, clips, replace(SCREEN, fps=fps), seed=seed)


@settings(max_examples=100, deadline=None)
@given(cues=songs, clips=rolls, seed=some.integers(0, 2**31))
def test_report_counts_each_cut_by_what_it_falls_on(cues: Cues, clips: list[Clip], seed: int) -> None:
    plan = plan_cuts(cues, clips, SCREEN, seed=seed)
    report = plan.report
    frames = [shot.start for shot in plan.shots[1:]]
    if not cues.has_beats:
        assert (report.on_downbeats, report.on_beats, report.evenly) == (0, 0, len(frames))
        return
    bars, beats = (
        {math.floor(mark * 30 + 0.5) for mark in marks} for marks in (cues.downbeats_seconds, cues.beats_seconds)
    )
    assert report.shots == len(plan.shots)
    assert report.on_downbeats + report.on_beats + report.evenly == len(frames)
    assert report.on_downbeats == sum(frame in bars for frame in frames) if report.evenly == 0 else True
    assert sum(frame in beats for frame in frames) >= report.on_downbeats + report.on_beats
    shown = {shot.clip for shot in plan.shots}
    assert shown | {one.clip for one in report.skipped} == set(range(len(clips)))
    assert shown.isdisjoint(one.clip for one in report.skipped)


def test_cuts_fall_on_downbeats_and_every_phrase_ends_with_one() -> None:
    cues = make_cues(bars=32, bpm=120, energies=(0.9, 0.6))
    plan = plan_cuts(cues, CLIPS, SCREEN)
    starts = {shot.start for shot in plan.shots}
    assert starts <= {bar * 60 for bar in range(32)}
    assert {bar * 60 for bar in range(0, 32, 4)} <= starts
    assert plan.report.on_downbeats == len(plan.shots) - 1
    assert (plan.report.on_beats, plan.report.evenly, plan.report.moved, plan.report.notes) == (0, 0, 0, ())


@pytest.mark.parametrize("bpm", [60, 92, 120, 174])
@pytest.mark.parametrize("seed", range(5))
def test_loud_sections_are_cut_faster_than_calm_ones(bpm: float, seed: int) -> None:
    cues = make_cues(bars=48, bpm=bpm, energies=(0.2, 0.95, 0.25))
    bounds = [part.end_seconds * 30 for part in cues.parts]
    shots = plan_cuts(cues, CLIPS, SCREEN, seed=seed).shots
    calm = [shot.frame_count for shot in shots if shot.start < bounds[0] - 1]
    loud = [shot.frame_count for shot in shots if bounds[0] - 1 <= shot.start < bounds[1] - 1]
    assert sum(loud) / len(loud) < 0.7 * sum(calm) / len(calm)


def test_other_seeds_give_other_films() -> None:
    assert len({plan_cuts(make_cues(), CLIPS, SCREEN, seed=seed).shots for seed in range(5)}) == 5


def test_each_section_has_one_transition_and_sections_of_one_name_the_same() -> None:
    cues = make_cues(bars=48, energies=(0.9, 0.3, 0.9))
    for seed in range(20):
        plan = plan_cuts(cues, CLIPS, SCREEN, seed=seed)
        styles = [
            {
                shot.transition
                for shot in plan.shots[1:]
                if part.start_seconds * 30 <= shot.start < part.end_seconds * 30
            }
            for part in cues.parts
        ]
        assert [len(each) for each in styles] == [1, 1, 1]
        assert styles[0] == styles[2]


def test_clips_go_on_from_where_they_were_left() -> None:
    plan = plan_cuts(make_cues(bars=30), CLIPS, SCREEN)
    assert (plan.report.repeated, plan.report.stretched) == (0, 0)
    for number in range(5):
        shots = [shot for shot in plan.shots if shot.clip == number]
        assert len(shots) > 1
        for before, after in pairwise(shots):
            assert after.source >= before.source + before.frame_count


def test_long_clips_are_seen_to_their_end_and_not_in_their_first_minute_only() -> None:
    clips = [Clip(Path(f"{number}.mp4"), 600.0) for number in range(3)]
    plan = plan_cuts(make_cues(bars=60), clips, SCREEN)
    assert max(shot.source for shot in plan.shots) > 0.7 * 600 * 30
    assert plan.report.repeated == 0


def test_only_the_part_that_may_be_shown_is_shown() -> None:
    clips = [replace(clip, start_seconds=5.0, end_seconds=9.0) for clip in CLIPS]
    plan = plan_cuts(make_cues(), clips, SCREEN, seed=3)
    assert all(150 <= shot.source < 270 for shot in plan.shots)
    assert plan.report.repeated > 0


def test_short_clips_are_slowed_to_half_at_most_where_that_is_wished() -> None:
    clips = [replace(clip, duration_seconds=1.5) for clip in CLIPS]
    slow = plan_cuts(make_cues(energies=(0.1,)), clips, SCREEN)
    assert min(shot.speed_percent for shot in slow.shots) == 50
    assert slow.report.stretched == len(slow.shots)
    assert {shot.speed_percent for shot in plan_cuts(make_cues(), clips, SCREEN, fill="HOLD").shots} == {100}


def test_clips_that_are_too_short_are_named_and_left_out() -> None:
    clips = [CLIPS[0], replace(CLIPS[1], duration_seconds=0.2), CLIPS[2], replace(CLIPS[3], duration_seconds=0.0)]
    plan = plan_cuts(make_cues(), clips, SCREEN)
    assert [(one.clip, one.reason) for one in plan.report.skipped] == [(1, "TOO_SHORT"), (3, "TOO_SHORT")]
    assert {shot.clip for shot in plan.shots} == {0, 2}


def test_section_that_begins_beside_a_bar_is_moved_and_that_is_told() -> None:
    cues = make_cues(bars=24)
    late = tuple(
        replace(part, start_seconds=part.start_seconds + 0.3 * (number > 0)) for number, part in enumerate(cues.parts)
    )
    report = plan_cuts(replace(cues, parts=late), CLIPS, SCREEN).report
    assert (report.moved, report.farthest_seconds, report.evenly) == (2, 0.3, 0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"beats_seconds": (0.5, 1.0)}, "too few beats"),
        ({"tempo_confidence": 0.1}, "confidence 0.10"),
        ({"beats_seconds": tuple(0.5 * n + 0.2 * (n % 3) for n in range(90))}, "unsteady"),
        ({"beats_seconds": tuple(0.1 * n for n in range(90))}, "small part"),
    ],
)
def test_without_sure_beats_the_cuts_are_even_and_say_so(change: dict[str, object], reason: str) -> None:
    report = plan_cuts(replace(make_cues(), **change), CLIPS, SCREEN).report  # type: ignore[arg-type] # one field each
    assert (report.on_downbeats, report.on_beats) == (0, 0)
    assert report.evenly == report.shots - 1
    (note,) = report.notes
    assert reason in note


def test_uncertain_bars_are_cut_on_beats_and_say_so() -> None:
    report = plan_cuts(replace(make_cues(), bars_confidence=0.1), CLIPS, SCREEN).report
    assert report.on_downbeats == report.evenly == 0
    assert report.on_beats == report.shots - 1
    assert "uncertain which beats" in report.notes[0]


def test_silence_before_the_first_and_after_the_last_beat_is_cut_too() -> None:
    cues = make_cues(bars=24, bpm=120)
    beats, bars = (tuple(mark + 30 for mark in marks) for marks in (cues.beats_seconds, cues.downbeats_seconds))
    plan = plan_cuts(Cues(108.0, beats, bars), CLIPS, SCREEN)
    assert max(shot.frame_count for shot in plan.shots) <= 12 * 30
    assert plan.report.evenly > 0


def test_one_shot_for_each_section_on_the_beat() -> None:
    cues = make_cues(bars=24)
    clips = [Clip(Path(f"{number}.mp4"), 5.0) for number in range(3)]
    plan = plan_sections(cues, clips, SCREEN)
    assert [(shot.start, shot.end, shot.clip) for shot in plan.shots] == [(0, 480, 0), (480, 960, 1), (960, 1440, 2)]
    assert {shot.speed_percent for shot in plan.shots} == {50}
    assert (plan.report.on_downbeats, plan.report.stretched, plan.may_swap) == (2, 3, False)
    with pytest.raises(EngineRefused, match="one clip for each of 3 sections"):
        plan_sections(cues, clips[:2], SCREEN)


@settings(max_examples=150, deadline=None)
@given(cues=songs, other=songs, fps=some.sampled_from([24, 25, 30, 60]))
def test_sections_that_clips_were_made_for_are_shown_whatever_was_heard_since(
    cues: Cues, other: Cues, fps: int
) -> None:
    seconds = cues.duration_seconds
    parts = tuple(merge_parts(move_parts(cues, fps)[0]))
    marks = [tuple(mark for mark in told if mark < seconds) for told in (other.beats_seconds, other.downbeats_seconds)]
    clips = [Clip(Path(f"{number}.mp4"), 5.0) for number in range(len(parts))]
    for heard in (cues, replace(other, beats_seconds=marks[0], downbeats_seconds=marks[1]), Cues(seconds)):
        plan = plan_sections(replace(heard, duration_seconds=seconds, parts=parts), clips, replace(SCREEN, fps=fps))
        assert [shot.clip for shot in plan.shots] == list(range(len(parts)))


def test_bars_longer_than_sections_move_none_of_them() -> None:
    bars = tuple(8.0 * number for number in range(5))
    parts = tuple(Part(start, start + 2, "verse", 0.5) for start in (0.0, 7.0, 7.9, 11.0))
    cues = Cues(32.0, tuple(0.5 * number for number in range(64)), bars, beats_per_bar=16, parts=parts)
    plan = plan_sections(cues, CLIPS[:4], SCREEN)
    assert [shot.start for shot in plan.shots] == [0, 210, 237, 330]


def test_cues_are_read_from_what_is_kept_of_songs() -> None:
    composed = {
        "sections": [{"start_seconds": 0.0, "end_seconds": 16.0, "name": "chorus"}],
        "beats_seconds": [0.5 * n for n in range(32)],
        "downbeats_seconds": [2.0 * n for n in range(8)],
        "beats_per_bar": 4,
    }
    cues = read_cues(composed, 16.0)
    assert cues.has_bars
    assert cues.parts == (Part(0.0, 16.0, "chorus", 0.87),)
    heard = composed | {"tempo": {"confidence": 0.9}, "bars_confidence": 0.2}
    assert read_cues(heard, 16.0).has_beats
    assert not read_cues(heard, 16.0).has_bars
    assert not read_cues(heard | {"tempo": None}, 16.0).has_beats
    assert not read_cues({}, 16.0).has_beats


NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("cues", "clips", "screen", "code"),
    [
        (make_cues(), CLIPS * 300, SCREEN, "CLIPS_UNFIT"),
        (make_cues(), [], SCREEN, "CLIPS_UNFIT"),
        (make_cues(), [replace(CLIPS[0], duration_seconds=NAN)], SCREEN, "CLIP_UNFIT"),
        (make_cues(), [replace(CLIPS[0], start_seconds=-1.0)], SCREEN, "CLIP_UNFIT"),
        (make_cues(), [replace(CLIPS[0], start_seconds=3.0, end_seconds=3.0)], SCREEN, "CLIP_UNFIT"),
        (make_cues(), [replace(CLIPS[0], focus_x=1.5)], SCREEN, "CLIP_UNFIT"),
        (make_cues(), [replace(CLIPS[0], focus_y=NAN)], SCREEN, "CLIP_UNFIT"),
        (make_cues(), [replace(CLIPS[0], duration_seconds=0.0)] * 3, SCREEN, "NO_CLIPS"),
        (replace(make_cues(), duration_seconds=36_000.0), CLIPS, SCREEN, "TOO_LONG"),
        (replace(make_cues(), duration_seconds=NAN), CLIPS, SCREEN, "TOO_LONG"),
        (replace(make_cues(), duration_seconds=0.0), CLIPS, SCREEN, "TOO_LONG"),
        (replace(make_cues(), beats_seconds=(1.0, NAN)), CLIPS, SCREEN, "MARKS_UNFIT"),
        (replace(make_cues(), beats_seconds=(2.0, 1.0)), CLIPS, SCREEN, "MARKS_UNFIT"),
        (replace(make_cues(), parts=(Part(0, INFINITE, "a", 1),)), CLIPS, SCREEN, "MARKS_UNFIT"),
        (make_cues(), CLIPS, replace(SCREEN, width=1921), "SIZE_UNFIT"),
        (make_cues(), CLIPS, replace(SCREEN, fps=1000), "FRAME_RATE_UNFIT"),
    ],
)
def test_impossible_wishes_are_refused(cues: Cues, clips: list[Clip], screen: Screen, code: str) -> None:
    for plan in (plan_cuts, plan_sections):
        with pytest.raises(EngineRefused) as refused:
            plan(cues, clips, screen)
        assert refused.value.code in {code, "CLIPS_UNFIT"} if plan is plan_sections else refused.value.code == code
