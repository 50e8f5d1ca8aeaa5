"""The form of a song: which sections, how many bars each, and how the bars fit the duration."""

import math
from collections.abc import Iterator

from jobs.engines.music.prompts import FASTEST_BPM, SLOWEST_BPM, Brief
from jobs.engines.music.score import Bars, Grid

_SHORTEST_TAIL_SECONDS = 1.0
_BEST_TAIL_SECONDS = 2.4
_LOOP_REACH, _FIXED_LOOP_REACH = 0.04, 0.005  # how far a loop may move the tempo to close
_ENERGY = {  # in the middle of a section, and how far it rises or falls from end to end
    "intro": (0.31, 0.28),
    "verse": (0.56, 0.08),
    "chorus": (0.87, 0.1),
    "bridge": (0.48, 0.14),
    "outro": (0.42, -0.32),
    "build": (0.6, 0.3),
    "drop": (0.92, 0.14),
    "break": (0.34, 0.14),
    "groove": (0.72, 0.06),
}
_LATER = {"verse": 0.05, "chorus": 0.02}  # what comes again is a little more
_LAST_LIFT = 1.0  # energy of the last chorus
_FORMS = {
    "song": (
        (("chorus", 1),),
        (("verse", 2), ("chorus", 2)),
        (("intro", 1), ("verse", 4), ("chorus", 4)),
        (("intro", 2), ("verse", 4), ("chorus", 8), ("outro", 2)),
        (("intro", 4), ("verse", 8), ("chorus", 8), ("outro", 2)),
        (("intro", 4), ("verse", 8), ("chorus", 8), ("bridge", 4), ("chorus", 4), ("outro", 2)),
        (("intro", 4), ("verse", 8), ("chorus", 8), ("verse", 8), ("chorus", 8), ("outro", 4)),
        (
            ("intro", 4),
            ("verse", 8),
            ("chorus", 8),
            ("verse", 8),
            ("chorus", 8),
            ("bridge", 8),
            ("chorus", 8),
            ("outro", 4),
        ),
    ),
    "club": (
        (("drop", 1),),
        (("build", 2), ("drop", 2)),
        (("intro", 1), ("build", 4), ("drop", 4)),
        (("intro", 4), ("build", 4), ("drop", 8)),
        (("intro", 4), ("build", 4), ("drop", 8), ("break", 4), ("drop", 4), ("outro", 2)),
        (("intro", 8), ("build", 4), ("drop", 8), ("break", 4), ("build", 4), ("drop", 8), ("outro", 4)),
        (
            ("intro", 8),
            ("groove", 8),
            ("build", 4),
            ("drop", 16),
            ("break", 8),
            ("build", 4),
            ("drop", 16),
            ("outro", 8),
        ),
    ),
}
_CYCLES = {
    "song": (("verse", 8), ("chorus", 8), ("bridge", 8), ("chorus", 8)),
    "club": (("groove", 8), ("break", 8), ("build", 4), ("drop", 16)),
}


def fit_grid(brief: Brief, duration_seconds: float) -> Grid:
    """Bars that leave room for the last chord to ring; a free tempo moves a little to make the tail good."""
    style = brief.style
    beats = style.metre.beats
    reach = 0 if brief.has_fixed_tempo else 4
    tempos = [brief.tempo_bpm + change for change in range(-reach, reach + 1)]
    tempos = [min(max(tempo, SLOWEST_BPM), FASTEST_BPM) for tempo in tempos]
    tempo = min(tempos, key=lambda bpm: abs(_tail_seconds(bpm, beats, duration_seconds) - _BEST_TAIL_SECONDS))
    bars = _bars(tempo, beats, duration_seconds)
    if "loop" in brief.marks:
        tempo, bars = _closed(brief, duration_seconds) or (tempo, bars)
    return Grid(tempo, bars, duration_seconds, style.swing, style.swung_steps, style.metre)


def plan_form(grid: Grid, brief: Brief) -> tuple[Bars, ...]:
    """Sections that fill the bars: the longest form that fits, stretched by phrases of four."""
    kind, marks = brief.style.form, brief.marks
    if grid.is_loop:
        return (Bars("groove", 0, grid.bars, min(_ENERGY["groove"][0] + brief.energy, 1.0)),)
    forms = [form for form in _FORMS[kind] if _total(form) <= grid.bars]
    sections = [section for section in forms[-1] if f"no {section[0]}" not in marks or len(forms[-1]) < 3]
    if sections[0][0] == "intro":
        sections[0] = ("intro", _intro_bars(sections[0][1], marks, grid.bars - _total(sections)))
    while grid.bars - _total(sections) >= _total(_CYCLES[kind]):
        sections[-1:-1] = _CYCLES[kind]
    _stretch(sections, grid.bars)
    return tuple(_with_energy(sections, brief, grid.bars))


def _intro_bars(count: int, marks: frozenset[str], left: int) -> int:
    if "short intro" in marks:
        return min(count, 2)
    return count + min(count, left) if "long intro" in marks else count


def _with_energy(sections: list[tuple[str, int]], brief: Brief, bars: int) -> Iterator[Bars]:
    names = [name for name, _ in sections]
    last_chorus = len(names) - 1 - names[::-1].index("chorus") if names.count("chorus") > 1 else -1
    first = 0
    for index, (name, count) in enumerate(sections):
        energy, rise = _ENERGY[name]
        energy += _LATER.get(name, 0.0) * names[:index].count(name)
        if "build" in brief.marks:
            energy *= 0.6 + 0.45 * (first + count / 2) / bars
        energy = _LAST_LIFT if index == last_chorus else energy + brief.energy
        yield Bars(name, first, count, min(max(energy, 0.15), 1.0), rise if count > 1 else 0.0)
        first += count


def _closed(brief: Brief, duration_seconds: float) -> tuple[float, int] | None:
    """The tempo near the one wanted at which whole bars fill the duration exactly."""
    beats = brief.style.metre.beats
    bars = max(round(duration_seconds * brief.tempo_bpm / 60 / beats), 1)
    tempo = bars * beats * 60 / duration_seconds
    reach = _FIXED_LOOP_REACH if brief.has_fixed_tempo else _LOOP_REACH
    return (tempo, bars) if abs(tempo / brief.tempo_bpm - 1) <= reach else None


def _stretch(sections: list[tuple[str, int]], bars: int) -> None:
    turn = 0
    main = [index for index, (name, _) in enumerate(sections) if name not in ("intro", "outro", "build")]
    while (left := bars - _total(sections)) > 0:
        at = main[turn % len(main)] if left >= 4 else len(sections) - 1
        name, count = sections[at]
        sections[at] = (name, count + min(left, 4))
        turn += 1


def _total(sections: tuple[tuple[str, int], ...] | list[tuple[str, int]]) -> int:
    return sum(count for _, count in sections)


def _bars(tempo: float, beats: int, duration_seconds: float) -> int:
    return max(math.floor((duration_seconds - _SHORTEST_TAIL_SECONDS) * tempo / (60 * beats) + 1e-9), 1)


def _tail_seconds(tempo: float, beats: int, duration_seconds: float) -> float:
    return duration_seconds - _bars(tempo, beats, duration_seconds) * 60 * beats / tempo
