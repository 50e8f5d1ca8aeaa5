"""What the clips of a plan turn out to be when they are opened, and the plan that fits them."""

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from jobs.engines.cuts.dealing import deal_clips
from jobs.engines.cuts.plan import Clip, CutPlan, Shot, Skipped
from jobs.engines.cuts.planner import fill_shots, tell_clips
from jobs.engines.cuts.reading import Extent, measure_clip
from jobs.engines.run import EngineRefused, Report


@dataclass(frozen=True)
class Surveyed:
    """A plan that its clips can fill, and when each of them begins on its own clock."""

    plan: CutPlan
    firsts: dict[int, Fraction]


def survey_clips(plan: CutPlan, report: Report) -> Surveyed:
    """Look at each clip; where one is broken or shorter than was told, the shots are dealt again."""
    clips = list(plan.clips)
    firsts: dict[int, Fraction] = {}
    unreadable: list[Skipped] = []
    measured: dict[Path, Extent | str] = {}  # many clips may be parts of one file
    for number, clip in enumerate(plan.clips):
        report(0, f"reading clip {number + 1} of {len(plan.clips)}")
        if clip.path not in measured:
            measured[clip.path] = _measure(clip)
        extent = measured[clip.path]
        if isinstance(extent, str):
            unreadable.append(Skipped(number, "UNREADABLE", extent))
            clips[number] = replace(clip, duration_seconds=0.0)
        else:
            firsts[number] = extent.first
            clips[number] = replace(clip, duration_seconds=min(clip.duration_seconds, float(extent.seconds)))
    seen = replace(plan, clips=tuple(clips))
    if all(_is_filled(plan, seen, shot) for shot in plan.shots):
        told = _tell_unreadable(plan.report.skipped, unreadable)
        return Surveyed(replace(plan, report=replace(plan.report, skipped=told)), firsts)
    if not plan.may_swap:
        return Surveyed(_fill_again(seen, unreadable), firsts)
    return Surveyed(_deal_again(seen, unreadable), firsts)


def _measure(clip: Clip) -> Extent | str:
    """When there are pictures in its file, or why there are none."""
    try:
        return measure_clip(clip)
    except EngineRefused as refused:
        return refused.message
    except OSError:
        return "its file cannot be opened"


def _is_filled(plan: CutPlan, seen: CutPlan, shot: Shot) -> bool:
    return seen.clips[shot.clip].frames(plan.fps) == plan.clips[shot.clip].frames(plan.fps)


def _deal_again(plan: CutPlan, unreadable: list[Skipped]) -> CutPlan:
    dealt = deal_clips(plan.shots, plan.clips, plan.fps, plan.fill, plan.seed)
    told = tell_clips(plan.report, dealt)
    skipped = _tell_unreadable(dealt.skipped, unreadable)
    return replace(plan, shots=dealt.shots, report=replace(told, skipped=skipped))


def _fill_again(plan: CutPlan, unreadable: list[Skipped]) -> CutPlan:
    for one in unreadable:
        raise EngineRefused("CLIP_UNREADABLE", f"clip {one.clip + 1}: {one.message}")
    return replace(plan, shots=tuple(fill_shots(plan.shots, plan.clips, plan.fps, plan.fill)))


def _tell_unreadable(skipped: tuple[Skipped, ...], unreadable: list[Skipped]) -> tuple[Skipped, ...]:
    """Each clip once, with the better reason."""
    told = {one.clip: one for one in (*skipped, *unreadable)}
    return tuple(told[number] for number in sorted(told))
