"""The chords of a song: a progression for each kind of section, turned to a cadence where phrases end."""

import numpy as np

from jobs.engines.music.banks import PROGRESSIONS, TURNS
from jobs.engines.music.prompts import Brief
from jobs.engines.music.score import Bars, Grid, Harmony, SongPlan
from jobs.engines.music.theory import MODES, chord_name, chord_tones, spell

_MOODS = {"chorus": "full", "drop": "full", "groove": "full", "bridge": "away", "break": "away"}
_DOMINANTS = {"major": "5", "minor": "5M", "dorian": "4", "lydian": "2", "mixolydian": "7"}
_FIFTH = 7
_PHRASE_BARS = 4


def plan_harmony(plan: SongPlan, brief: Brief, grid: Grid, form: tuple[Bars, ...]) -> tuple[Harmony, ...]:
    """Chords for all bars and, after the last bar, the tonic that ends the song."""
    dice = plan.draw("harmony")
    chosen = {mood: _choose(dice, brief, mood) for mood in ("calm", "full", "away")}
    leans = brief.style.has_colour_dominants and dice.random() < 0.75
    harmonies: list[Harmony] = []
    metre = grid.metre
    for section in form:
        symbols = chosen[_MOODS.get(section.name, "calm")]
        for bar in range(section.first, section.end):
            place = bar - section.first
            symbol = _symbol(symbols, place, section.count, brief)
            if bar == grid.bars - 1 and not grid.is_loop:
                harmonies += _halves(brief, grid, bar, _cadence(brief, bar, symbol))
            elif leans and place % (2 * _PHRASE_BARS) == 1 and place + 1 < section.count:
                goal = _symbol(symbols, place + 1, section.count, brief)
                harmonies += _halves(brief, grid, bar, (symbol, _dominant_of(brief.mode, goal) or symbol))
            else:
                harmonies.append(_harmony(brief, bar, 0, metre.steps, symbol))
    return (*harmonies, _harmony(brief, grid.bars, 0, metre.steps, "1"))


def _choose(dice: np.random.Generator, brief: Brief, mood: str) -> tuple[str, ...]:
    bank = TURNS if brief.style.has_turns and brief.mode == "major" else PROGRESSIONS[brief.mode][mood]
    return tuple(bank[int(dice.integers(len(bank)))].split())


def _symbol(symbols: tuple[str, ...], bar: int, count: int, brief: Brief) -> str:
    is_phrase_end = bar == count - 1 and count >= 4
    if is_phrase_end and brief.style.bars_per_chord == 1:
        return _DOMINANTS[brief.mode]
    return symbols[bar // brief.style.bars_per_chord % len(symbols)]


def _dominant_of(mode: str, goal: str) -> str | None:
    """The major chord a fifth above a minor chord that follows, where the key has its root."""
    scale, degree = MODES[mode], int(goal[0]) - 1
    above = (degree + 4) % 7
    is_fifth = (scale[above] - scale[degree]) % 12 == _FIFTH
    return f"{above + 1}M" if is_fifth and degree in (1, 2, 5) and len(goal) == 1 else None


def _cadence(brief: Brief, bar: int, symbol: str) -> tuple[str, str]:
    dominant = _DOMINANTS[brief.mode]
    return {"1": "1", dominant: "4" if dominant != "4" else "7"}.get(symbol, symbol) if bar else "1", dominant


def _halves(brief: Brief, grid: Grid, bar: int, symbols: tuple[str, str]) -> tuple[Harmony, Harmony]:
    half, steps = grid.metre.half, grid.metre.steps
    return _harmony(brief, bar, 0, half, symbols[0]), _harmony(brief, bar, half, steps - half, symbols[1])


def _harmony(brief: Brief, bar: int, step: int, steps: int, symbol: str) -> Harmony:
    tones = chord_tones(brief.tonic, brief.mode, symbol, brief.style.colour)
    return Harmony(bar, step, steps, tones, chord_name(tones, spell(brief.tonic, brief.mode)))
