"""The chords of a song: a progression for each kind of section, turned to a cadence where phrases end."""

import numpy as np

from jobs.engines.music.banks import PROGRESSIONS, TURNS
from jobs.engines.music.prompts import Brief
from jobs.engines.music.score import STEPS_PER_BAR, Bars, Grid, Harmony, SongPlan
from jobs.engines.music.theory import chord_name, chord_tones

_MOODS = {"chorus": "full", "drop": "full", "groove": "full", "bridge": "away", "break": "away"}
_DOMINANTS = {"major": "5", "minor": "5M", "dorian": "4", "lydian": "2", "mixolydian": "7"}
_HALF_BAR = STEPS_PER_BAR // 2


def plan_harmony(plan: SongPlan, brief: Brief, grid: Grid, form: tuple[Bars, ...]) -> tuple[Harmony, ...]:
    """Chords for all bars and, after the last bar, the tonic that ends the song."""
    dice = plan.draw("harmony")
    chosen = {mood: _choose(dice, brief, mood) for mood in ("calm", "full", "away")}
    harmonies: list[Harmony] = []
    for section in form:
        symbols = chosen[_MOODS.get(section.name, "calm")]
        for bar in range(section.first, section.end):
            symbol = _symbol(symbols, bar - section.first, section.count, brief)
            if bar == grid.bars - 1:
                harmonies += _cadence(brief, bar, symbol)
            else:
                harmonies.append(_harmony(brief, bar, 0, STEPS_PER_BAR, symbol))
    return (*harmonies, _harmony(brief, grid.bars, 0, STEPS_PER_BAR, "1"))


def _choose(dice: np.random.Generator, brief: Brief, mood: str) -> tuple[str, ...]:
    bank = TURNS if brief.style.has_turns and brief.mode == "major" else PROGRESSIONS[brief.mode][mood]
    return tuple(bank[int(dice.integers(len(bank)))].split())


def _symbol(symbols: tuple[str, ...], bar: int, count: int, brief: Brief) -> str:
    is_phrase_end = bar == count - 1 and count >= 4
    if is_phrase_end and brief.style.bars_per_chord == 1:
        return _DOMINANTS[brief.mode]
    return symbols[bar // brief.style.bars_per_chord % len(symbols)]


def _cadence(brief: Brief, bar: int, symbol: str) -> tuple[Harmony, Harmony]:
    dominant = _DOMINANTS[brief.mode]
    opening = {"1": "1", dominant: "4" if dominant != "4" else "7"}.get(symbol, symbol) if bar else "1"
    return _harmony(brief, bar, 0, _HALF_BAR, opening), _harmony(brief, bar, _HALF_BAR, _HALF_BAR, dominant)


def _harmony(brief: Brief, bar: int, step: int, steps: int, symbol: str) -> Harmony:
    tones = chord_tones(brief.tonic, brief.mode, symbol, brief.style.colour)
    return Harmony(bar, step, steps, tones, chord_name(tones))
