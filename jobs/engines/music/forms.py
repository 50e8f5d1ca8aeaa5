"""The form of a song: which sections, how many bars each, and how the bars fit the duration."""

import math

from jobs.engines.music.prompts import FASTEST_BPM, SLOWEST_BPM, Brief
from jobs.engines.music.score import Bars, Grid

_SHORTEST_TAIL_SECONDS = 1.0
_BEST_TAIL_SECONDS = 2.4
_ENERGY = {
    "intro": 0.3,
    "verse": 0.6,
    "chorus": 0.95,
    "bridge": 0.5,
    "outro": 0.4,
    "build": 0.65,
    "drop": 1.0,
    "break": 0.35,
    "groove": 0.75,
}
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
    reach = 0 if brief.has_fixed_tempo else 4
    tempos = [brief.tempo_bpm + change for change in range(-reach, reach + 1)]
    tempos = [min(max(tempo, SLOWEST_BPM), FASTEST_BPM) for tempo in tempos]
    tempo = min(tempos, key=lambda bpm: abs(_tail_seconds(bpm, duration_seconds) - _BEST_TAIL_SECONDS))
    bars = _bars(tempo, duration_seconds)
    return Grid(tempo, bars, duration_seconds, brief.style.swing, brief.style.swung_steps)


def plan_form(grid: Grid, kind: str) -> tuple[Bars, ...]:
    """Sections that fill the bars: the longest form that fits, stretched by phrases of four."""
    forms = [form for form in _FORMS[kind] if _total(form) <= grid.bars]
    sections = list(forms[-1])
    while grid.bars - _total(sections) >= _total(_CYCLES[kind]):
        sections[-1:-1] = _CYCLES[kind]
    _stretch(sections, grid.bars)
    bars, first = [], 0
    for name, count in sections:
        bars.append(Bars(name, first, count, _ENERGY[name]))
        first += count
    return tuple(bars)


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


def _bars(tempo: float, duration_seconds: float) -> int:
    return max(math.floor((duration_seconds - _SHORTEST_TAIL_SECONDS) * tempo / 240 + 1e-9), 1)


def _tail_seconds(tempo: float, duration_seconds: float) -> float:
    return duration_seconds - _bars(tempo, duration_seconds) * 240 / tempo
