"""From a plan to a score: brief, form, harmony, then each part over it."""

from collections import Counter

from jobs.engines.music.accompany import write_bass, write_chords
from jobs.engines.music.counter import write_counter
from jobs.engines.music.forms import fit_grid, plan_form
from jobs.engines.music.harmony import plan_harmony
from jobs.engines.music.melody import write_lead
from jobs.engines.music.prompts import Brief, read_plan
from jobs.engines.music.rhythm import write_drums
from jobs.engines.music.score import Chord, Score, Section, SongPlan
from jobs.engines.music.singing.vocals import write_vocals


def compose(plan: SongPlan) -> tuple[Brief, Score]:
    """The whole song as notes; equal plans give equal scores."""
    brief = read_plan(plan)
    grid = fit_grid(brief, plan.duration_seconds)
    form = plan_form(grid, brief)
    harmonies = plan_harmony(plan, brief, grid, form)
    vocals = write_vocals(plan, brief, grid, form, harmonies) if plan.has_vocals else None
    lead = () if "lead" in brief.silent else write_lead(plan, brief, grid, form, harmonies, vocals)
    counter = write_counter(plan, brief, grid, form, harmonies, lead, vocals)
    chords = write_chords(plan, brief, grid, form, harmonies) + counter
    return brief, Score(
        title=brief.title,
        style=brief.style.id,
        key=brief.key,
        mode=brief.mode,
        grid=grid,
        form=form,
        harmonies=harmonies,
        hits=write_drums(plan, brief, grid, form),
        bass=() if "bass" in brief.silent else write_bass(plan, brief, grid, form, harmonies),
        chords=() if "chords" in brief.silent else chords,
        lead=lead,
        understood=tuple(wish for wish in brief.understood if wish != "form loop" or grid.is_loop),
        vocals=vocals,
    )


def list_sections(score: Score) -> list[Section]:
    """The form in seconds; the last section holds the tail."""
    starts = [score.grid.at(section.first) for section in score.form]
    ends = [*starts[1:], score.grid.duration_seconds]
    return [Section(start, end, section.name) for start, end, section in zip(starts, ends, score.form, strict=True)]


def list_chords(score: Score) -> list[Chord]:
    """The chords in seconds; bars that keep a chord are one chord."""
    chords: list[Chord] = []
    step_seconds = score.grid.step_seconds
    for harmony in score.harmonies[: -1 if score.grid.is_loop else None]:
        start = harmony.bar * score.grid.bar_seconds + harmony.step * step_seconds
        end = min(start + harmony.steps * step_seconds, score.grid.duration_seconds)
        if harmony is score.harmonies[-1]:
            end = score.grid.duration_seconds
        if chords and chords[-1].name == harmony.name:
            start = chords.pop().start_seconds
        chords.append(Chord(start, end, harmony.name))
    return chords


def list_beats(score: Score) -> list[float]:
    """Every beat up to the last downbeat."""
    beats = score.grid.metre.beats * score.grid.bars + (not score.grid.is_loop)
    return [beat * score.grid.beat_seconds for beat in range(beats)]


def list_downbeats(score: Score) -> list[float]:
    """The first beat of every bar."""
    return [bar * score.grid.bar_seconds for bar in range(score.grid.bars + (not score.grid.is_loop))]


def list_instruments(score: Score) -> list[str]:
    """The voices that play, by the number of their notes, and the drums."""
    counts = Counter(note.voice for notes in score.parts.values() for note in notes)
    return [voice for voice, _ in counts.most_common()] + ["drums"] * bool(score.hits)
