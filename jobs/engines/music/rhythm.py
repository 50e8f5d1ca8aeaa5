"""The kit: grooves by energy, ghost notes, fills before what is new, crashes on it."""

import numpy as np

from jobs.engines.music.grooves import FEELS, FILLS, GROOVES
from jobs.engines.music.prompts import Brief
from jobs.engines.music.score import COMMON_TIME, Bars, Grid, Hit, SongPlan, breaths_of

_VELOCITY = {"X": 1.0, "x": 0.75, "o": 0.35}
_ENTERS_AT = {
    "kick": 0.38,
    "snare": 0.5,
    "clap": 0.5,
    "open": 0.7,
    "ride": 0.35,
    "tom": 0.5,
    "rim": 0.4,
    "shaker": 0.35,
    "conga": 0.45,
    "cowbell": 0.6,
}
_HAT_ENTERS_AT = 0.3
_FULL = 0.7  # energy from which the groove of the chorus is played
_FILL_BARS, _TURN_BARS = 8, 4
_TURNS = (
    {"kick": "..............x."},
    {"open": "..............x."},
    {"snare": "...............o"},
    {"rim": "..........x..x.."},
)
_BUILD_ROLL = ("x...x...x...x...", "x.x.x.x.x.x.x.x.", "xxxxxxxxxxxxxxxx")
_EARLY_KICK = 0.25  # the kick keeps the time: it moves by so much of what the others do


def write_drums(plan: SongPlan, brief: Brief, grid: Grid, form: tuple[Bars, ...]) -> tuple[Hit, ...]:
    """Every stroke of the song; none when the prompt or the style wants none."""
    if "drums" in brief.silent:
        return ()
    drummer = _Drummer(plan, brief, grid, breaths_of(form, brief.style.lift))
    for index, section in enumerate(form):
        following = form[index + 1] if index + 1 < len(form) else None
        drummer.play_section(section, following)
    if not grid.is_loop:
        drummer.play_end(form[-1].energy)
    return tuple(sorted(drummer.hits, key=lambda hit: (hit.start_seconds, hit.drum)))


def most_late_seconds(brief: Brief) -> float:
    """How far a stroke may lie from its step at most."""
    lean = max(abs(late) for late in FEELS[brief.style.feel].late_ms) / 1000
    return brief.style.loose_seconds + lean + brief.style.laid_back_seconds


class _Drummer:
    """Strikes with a hand that leans slowly before and behind the beat."""

    def __init__(self, plan: SongPlan, brief: Brief, grid: Grid, breaths: frozenset[int]) -> None:
        self._style, self._grid, self._breaths = brief.style, grid, breaths
        self._feel = FEELS[brief.style.feel]
        self._dice = plan.draw("drums")
        self._lean_seconds = 0.0
        self.hits: list[Hit] = []

    def play_section(self, section: Bars, following: Bars | None) -> None:
        groove = GROOVES[self._style.grooves[section.energy > _FULL]]
        if section.first > 0 and section.energy > _FULL:
            self._open(section)
        if following and following.energy > section.energy + 0.2 and section.count >= 2:
            self._lead_into(following)
        for bar in range(section.first, section.end):
            energy, place = section.energy_at(bar), bar - section.first + 1
            is_last = place == section.count
            has_fill = energy > 0.45 and (is_last or place % _FILL_BARS == 0) and bar < self._grid.bars - 1
            if section.name == "build":
                self._roll(section, bar)
                has_fill = False
            self._play_bar(groove, bar, energy, has_fill=has_fill)
            if place % _TURN_BARS == 0 and not has_fill and energy > 0.5 and self._grid.metre == COMMON_TIME:
                self._turn(groove, bar)

    def play_end(self, energy: float) -> None:
        self._strike(self._grid.bars, 0, "kick", 0.9)
        if energy > 0.35:
            self._strike(self._grid.bars, 0, "crash", 0.4 + energy * 0.3)

    def _open(self, section: Bars) -> None:
        """A crash on what is new, and again in its middle where it is long and loud."""
        self._strike(section.first, 0, "crash", 0.75)
        if self._style.lift == "riser":
            self._strike(section.first, 0, "impact", 0.8)
        if section.energy > 0.95 and section.count >= 2 * _FILL_BARS:
            self._strike(section.first + _FILL_BARS, 0, "crash", 0.6)

    def _lead_into(self, following: Bars) -> None:
        if self._style.lift == "riser":
            self._strike(following.first - 2, 0, "riser", 0.5)
        if self._style.lift != "none":
            self._strike(following.first - 1, 0, "reverse", 0.6)

    def _play_bar(self, groove: dict[str, str], bar: int, energy: float, *, has_fill: bool) -> None:
        fills = FILLS[self._style.fills]
        fill = fills[int(self._dice.integers(len(fills)))] if has_fill else {}
        half = self._grid.metre.half
        for drum, pattern in groove.items():
            if energy < _ENTERS_AT.get(drum, _HAT_ENTERS_AT):
                continue
            is_cut = (fill and drum not in ("kick", "shaker", "conga", "cowbell")) or bar in self._breaths
            self._play_pattern(bar, drum, pattern[:half] if is_cut else pattern, 0.55 + 0.45 * energy)
        for drum, pattern in fill.items():
            self._play_pattern(bar, drum, pattern, 0.5 + 0.35 * energy)

    def _turn(self, groove: dict[str, str], bar: int) -> None:
        """A small sign at the end of a phrase, on a drum that plays already."""
        turns = [turn for turn in _TURNS if turn.keys() <= groove.keys()]
        if turns:
            for drum, pattern in turns[int(self._dice.integers(len(turns)))].items():
                self._play_pattern(bar, drum, pattern, 0.7)

    def _play_pattern(self, bar: int, drum: str, pattern: str, loudness: float) -> None:
        for step, mark in enumerate(pattern):
            if mark in _VELOCITY and not (mark == "o" and self._dice.random() < 0.3):
                self._strike(bar, step, drum, _VELOCITY[mark] * loudness)

    def _roll(self, section: Bars, bar: int) -> None:
        done = (bar - section.first) / section.count
        self._play_pattern(bar, "snare", _BUILD_ROLL[int(done * len(_BUILD_ROLL))], 0.3 + 0.45 * done)

    def _strike(self, bar: int, step: int, drum: str, velocity: float) -> None:
        spread, feel = self._style.loose_seconds, self._feel
        self._lean_seconds = 0.8 * self._lean_seconds + 0.6 * spread * self._dice.normal() * 0.5
        lean = float(np.clip(self._lean_seconds, -spread, spread)) + feel.late_ms[step % len(feel.late_ms)] / 1000
        late = self._style.laid_back_seconds if drum in ("snare", "clap", "rim") else 0.0
        start = self._grid.at(bar, step) + lean * (_EARLY_KICK if drum == "kick" else 1.0) + late
        loud = 1.0 if drum in ("kick", "snare", "clap") else feel.loud[step % len(feel.loud)]
        velocity = float(np.clip(velocity * loud + 0.05 * self._dice.normal(), 0.1, 1.0))
        self.hits.append(Hit(max(start, 0.0), drum, velocity))
