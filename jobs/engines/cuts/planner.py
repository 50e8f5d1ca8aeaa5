"""From a song and clips to a plan: where to cut, how shots meet, and which clip is shown when."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from jobs.engines.covers.canvas import Dice
from jobs.engines.cuts.cues import Cues, Part, check_cues, list_parts
from jobs.engines.cuts.dealing import Dealt, choose_speed, deal_clips
from jobs.engines.cuts.plan import (
    MOST_SHOTS,
    Clip,
    CutPlan,
    CutReport,
    Fill,
    Shot,
    Transition,
    check_clips,
    check_plan,
    check_shape,
    count_frames,
    expect,
)
from jobs.engines.cuts.rhythm import Cut, choose_cuts, frame_at, move_parts, name_cut

CALM, LOUD = 0.5, 0.8  # energies that part the styles
_STYLES: dict[str, tuple[Transition, ...]] = {
    "calm": ("CROSSFADE", "CROSSFADE", "DIP"),
    "middle": ("CUT", "CUT", "CROSSFADE"),
    "loud": ("CUT", "CUT", "PUSH"),
}
_SECONDS: dict[Transition, float] = {"CUT": 0.0, "CROSSFADE": 0.8, "DIP": 0.6, "PUSH": 0.25}


@dataclass(frozen=True)
class Screen:
    """How a film is shown and how it sounds."""

    width: int
    height: int
    audio: Path
    fps: int = 30


def plan_cuts(cues: Cues, clips: Sequence[Clip], screen: Screen, *, seed: int = 0, fill: Fill = "SLOW") -> CutPlan:
    """A film that is cut with the song; equal wishes give equal plans. The report in it is exact."""
    _check(cues, clips, screen)
    rhythm = choose_cuts(cues, screen.fps, Dice("cuts", seed))
    frame_count = count_frames(cues.duration_seconds, screen.fps)
    expect(len(rhythm.cuts) <= MOST_SHOTS, "TOO_LONG", f"a film has at most {MOST_SHOTS} shots")
    styles = [_choose_style(part, seed) for part in rhythm.parts]
    shots = tuple(_list_shots(rhythm.cuts, styles, frame_count, cues, screen.fps))
    dealt = deal_clips(shots, clips, screen.fps, fill, seed)
    plan = CutPlan(
        width=screen.width,
        height=screen.height,
        frame_count=frame_count,
        audio=screen.audio,
        clips=tuple(clips),
        shots=dealt.shots,
        fps=screen.fps,
        fill=fill,
        seed=seed,
        report=tell_clips(_tell_cuts(cues, rhythm.cuts, rhythm.moves_seconds), dealt),
    )
    check_plan(plan)
    return plan


def plan_sections(cues: Cues, clips: Sequence[Clip], screen: Screen, *, seed: int = 0, fill: Fill = "SLOW") -> CutPlan:
    """A film with one shot for each section of the song: the first clip for the first section, and so on."""
    _check(cues, clips, screen)
    parts, moves = move_parts(cues, screen.fps)
    if len(parts) < len(clips):  # two began with the same bar
        parts, moves = list_parts(cues), ()
    expect(
        len(parts) == len(clips),
        "CLIPS_UNFIT",
        f"there is one clip for each of {len(parts)} sections, not {len(clips)}",
    )
    frame_count = count_frames(cues.duration_seconds, screen.fps)
    frames = [frame_at(part.start_seconds, screen.fps) for part in parts]
    cuts = [Cut(frame, name_cut(cues, frame, screen.fps), number) for number, frame in enumerate(frames)]
    is_parted = all(before.frame < after.frame for before, after in pairwise(cuts)) and frames[-1] < frame_count
    expect(is_parted, "MARKS_UNFIT", "each section lasts at least a frame")
    styles = [_choose_style(part, seed) for part in parts]
    shots = list(_list_shots(cuts, styles, frame_count, cues, screen.fps))
    filled = tuple(fill_shots(shots, clips, screen.fps, fill))
    stretched = sum(shot.frame_count > len(clips[shot.clip].frames(screen.fps)) for shot in filled)
    plan = CutPlan(
        width=screen.width,
        height=screen.height,
        frame_count=frame_count,
        audio=screen.audio,
        clips=tuple(clips),
        shots=filled,
        fps=screen.fps,
        fill=fill,
        seed=seed,
        may_swap=False,
        report=replace(_tell_cuts(cues, cuts, moves), stretched=stretched),
    )
    check_plan(plan)
    return plan


def tell_clips(report: CutReport, dealt: Dealt) -> CutReport:
    """What is known of the cuts, with what is known of the clips."""
    return replace(report, repeated=dealt.repeated, stretched=dealt.stretched, skipped=dealt.skipped)


def _check(cues: Cues, clips: Sequence[Clip], screen: Screen) -> None:
    check_shape(screen.width, screen.height, screen.fps)
    check_cues(cues)
    check_clips(clips)


def _choose_style(part: Part, seed: int) -> Transition:
    """One for each section; sections of one name have the same."""
    mood = "calm" if part.energy < CALM else "loud" if part.energy >= LOUD else "middle"
    return Dice("style", seed, part.name).pick(_STYLES[mood])


def _list_shots(
    cuts: Sequence[Cut], styles: Sequence[Transition], frame_count: int, cues: Cues, fps: int
) -> Iterator[Shot]:
    """Shots without clips; the first has no transition."""
    ends = [*(cut.frame for cut in cuts[1:]), frame_count]
    before = 0
    for cut, end in zip(cuts, ends, strict=True):
        style = styles[cut.part]
        longest = min(before, end - cut.frame) // 2
        wished = round(min(_SECONDS[style], cues.beat_seconds if style != "DIP" else _SECONDS[style]) * fps)
        frames = min(wished, longest) // 2 * 2
        yield Shot(cut.frame, end, 0, 0, transition=style if frames else "CUT", transition_frames=frames)
        before = end - cut.frame


def fill_shots(shots: Sequence[Shot], clips: Sequence[Clip], fps: int, fill: Fill) -> Iterator[Shot]:
    """Each shot with its own clip, from its beginning on."""
    for number, (shot, following) in enumerate(zip(shots, [*shots[1:], None], strict=True)):
        frames = clips[number].frames(fps)
        expect(bool(frames), "NO_CLIPS", f"clip {number + 1} has nothing that can be shown")
        need = shot.frame_count + (following.overlap if following else 0)
        speed = choose_speed(len(frames), need, fill)
        yield replace(shot, clip=number, source=frames.start, speed_percent=speed)


def _tell_cuts(cues: Cues, cuts: Sequence[Cut], moves_seconds: Sequence[float]) -> CutReport:
    on = [cut.on for cut in cuts]
    return CutReport(
        shots=len(cuts),
        on_downbeats=on.count("DOWNBEAT"),
        on_beats=on.count("BEAT"),
        evenly=on.count("EVEN"),
        moved=len(moves_seconds),
        farthest_seconds=round(max(moves_seconds, default=0.0), 3),
        notes=tuple(_list_notes(cues)),
    )


def _list_notes(cues: Cues) -> Iterator[str]:
    doubt = cues.find_doubt()
    if doubt is not None:
        yield f"The cuts are even and follow no beat: {doubt}."
    elif not cues.has_bars:
        yield "It is uncertain which beats begin a bar: the cuts fall on beats, counted from where sections begin."
    if not cues.parts:
        yield "No sections are known: the whole song is cut at one pace."
