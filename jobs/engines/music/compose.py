"""From a plan to a score: brief, form, harmony, then each part over it."""

from jobs.engines.music.accompany import write_bass, write_chords
from jobs.engines.music.forms import fit_grid, plan_form
from jobs.engines.music.harmony import plan_harmony
from jobs.engines.music.melody import write_lead
from jobs.engines.music.prompts import Brief, read_plan
from jobs.engines.music.rhythm import write_drums
from jobs.engines.music.score import STEPS_PER_BAR, Chord, Score, Section, SongPlan


def compose(plan: SongPlan) -> tuple[Brief, Score]:
    """The whole song as notes; equal plans give equal scores."""
    brief = read_plan(plan)
    grid = fit_grid(brief, plan.duration_seconds)
    form = plan_form(grid, brief.style.form)
    harmonies = plan_harmony(plan, brief, grid, form)
    return brief, Score(
        title=brief.title,
        style=brief.style.id,
        key=brief.key,
        mode=brief.mode,
        grid=grid,
        form=form,
        harmonies=harmonies,
        hits=write_drums(plan, brief, grid, form),
        bass=write_bass(plan, brief, grid, form, harmonies),
        chords=write_chords(plan, brief, grid, form, harmonies),
        lead=write_lead(plan, brief, grid, form, harmonies),
    )


def list_sections(score: Score) -> list[Section]:
    """The form in seconds; the last section holds the tail."""
    starts = [score.grid.at(section.first) for section in score.form]
    ends = [*starts[1:], score.grid.duration_seconds]
    return [Section(start, end, section.name) for start, end, section in zip(starts, ends, score.form, strict=True)]


def list_chords(score: Score) -> list[Chord]:
    """The chords in seconds; bars that keep a chord are one chord."""
    chords: list[Chord] = []
    for harmony in score.harmonies:
        start = harmony.bar * score.grid.bar_seconds + harmony.step / STEPS_PER_BAR * score.grid.bar_seconds
        end = min(start + harmony.steps / STEPS_PER_BAR * score.grid.bar_seconds, score.grid.duration_seconds)
        if harmony is score.harmonies[-1]:
            end = score.grid.duration_seconds
        if chords and chords[-1].name == harmony.name:
            start = chords.pop().start_seconds
        chords.append(Chord(start, end, harmony.name))
    return chords


def list_beats(score: Score) -> list[float]:
    """Every quarter note up to the last downbeat."""
    return [beat * score.grid.beat_seconds for beat in range(4 * score.grid.bars + 1)]
