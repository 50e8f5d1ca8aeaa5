"""The kit: grooves by energy, ghost notes, fills before what is new, crashes on it."""

import numpy as np

from jobs.engines.music.banks import GROOVE_BANK
from jobs.engines.music.prompts import Brief
from jobs.engines.music.score import STEPS_PER_BAR, Bars, Grid, Hit, SongPlan

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
}
_HAT_ENTERS_AT = 0.3
_FILLS = (
    {"snare": "............xxXX"},
    {"snare": "..........x.xxxX", "kick": "X......."},
    {"snare": "........x..x....", "tom": "..........x...xX"},
    {"tom": "........X.x.....", "floor": "............X.xX"},
)
_FILL_FROM_STEP = 8
_BUILD_ROLL = ("x...x...x...x...", "x.x.x.x.x.x.x.x.", "xxxxxxxxxxxxxxxx")


def write_drums(plan: SongPlan, brief: Brief, grid: Grid, form: tuple[Bars, ...]) -> tuple[Hit, ...]:
    """Every stroke of the song; none when the prompt asks for none."""
    if not brief.has_drums:
        return ()
    drummer = _Drummer(plan, brief, grid)
    for index, section in enumerate(form):
        following = form[index + 1] if index + 1 < len(form) else None
        drummer.play_section(section, following)
    drummer.play_end(form[-1].energy)
    return tuple(sorted(drummer.hits, key=lambda hit: (hit.start_seconds, hit.drum)))


class _Drummer:
    """Strikes with a hand that leans slowly before and behind the beat."""

    def __init__(self, plan: SongPlan, brief: Brief, grid: Grid) -> None:
        self._style, self._grid = brief.style, grid
        self._dice = plan.draw("drums")
        self._lean_seconds = 0.0
        self.hits: list[Hit] = []

    def play_section(self, section: Bars, following: Bars | None) -> None:
        groove = GROOVE_BANK[self._style.grooves[section.energy > 0.7]]
        if section.first > 0 and section.energy > 0.7:
            self._strike(section.first, 0, "crash", 0.8)
        if following and following.energy > section.energy + 0.2 and section.count >= 2:
            self._strike(following.first - 2, 0, "riser", 0.5)
        for bar in range(section.first, section.end):
            is_last = bar == section.end - 1
            has_fill = (
                section.energy > 0.45 and (is_last or (bar - section.first) % 8 == 7) and bar < self._grid.bars - 1
            )
            if section.name == "build":
                self._roll(section, bar)
            self._play_bar(groove, bar, section.energy, has_fill=has_fill and section.name != "build")

    def play_end(self, energy: float) -> None:
        self._strike(self._grid.bars, 0, "kick", 0.9)
        if energy > 0.35:
            self._strike(self._grid.bars, 0, "crash", 0.4 + energy * 0.4)

    def _play_bar(self, groove: dict[str, str], bar: int, energy: float, *, has_fill: bool) -> None:
        fill = _FILLS[int(self._dice.integers(len(_FILLS)))] if has_fill else {}
        for drum, pattern in groove.items():
            if energy < _ENTERS_AT.get(drum, _HAT_ENTERS_AT):
                continue
            steps = _FILL_FROM_STEP if has_fill and drum != "kick" else STEPS_PER_BAR
            self._play_pattern(bar, drum, pattern[:steps], 0.75 + 0.25 * energy)
        for drum, pattern in fill.items():
            self._play_pattern(bar, drum, pattern, 0.8)

    def _play_pattern(self, bar: int, drum: str, pattern: str, loudness: float) -> None:
        for step, mark in enumerate(pattern):
            if mark in _VELOCITY and not (mark == "o" and self._dice.random() < 0.3):
                self._strike(bar, step, drum, _VELOCITY[mark] * loudness)

    def _roll(self, section: Bars, bar: int) -> None:
        done = (bar - section.first) / section.count
        self._play_pattern(bar, "snare", _BUILD_ROLL[int(done * len(_BUILD_ROLL))], 0.4 + 0.4 * done)

    def _strike(self, bar: int, step: int, drum: str, velocity: float) -> None:
        spread = self._style.loose_seconds
        self._lean_seconds = 0.8 * self._lean_seconds + 0.6 * spread * self._dice.normal() * 0.5
        late = self._style.laid_back_seconds if drum in ("snare", "clap", "rim") else 0.0
        early = 0.25 if drum == "kick" else 1.0  # the kick keeps the time
        start = self._grid.at(bar, step) + float(np.clip(self._lean_seconds, -spread, spread)) * early + late
        self.hits.append(Hit(max(start, 0.0), drum, float(np.clip(velocity + 0.05 * self._dice.normal(), 0.1, 1.0))))
