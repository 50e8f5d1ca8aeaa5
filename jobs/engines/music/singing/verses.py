"""Which line is sung where: the sections of the lyrics over the sections of the song, one to four bars for a line."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jobs.engines.music.score import Bars, Grid
from jobs.engines.music.singing.metre import most_syllables
from jobs.engines.music.singing.text import Line, Stanza, Word

CHORUSES = ("chorus", "drop")
_BRIDGES, _SILENT = ("bridge", "break"), ("intro", "outro", "break")
_BREATH_SECONDS = 0.45
_EASY_SECONDS, _FAST_SECONDS = 0.22, 0.155  # of one syllable
_FULL_BAR_QUARTERS = 4
_SHORTEST_SLOT_SECONDS, _LONGEST_SLOT_SECONDS = 1.4, 8.0
Count = Callable[[Word], int]


@dataclass(frozen=True)
class Slot:
    """A line in its bars, and the least steps from one of its syllables to the next."""

    section: Bars
    bar: int
    bars: int
    steps_apart: int
    line: Line


@dataclass(frozen=True)
class Pace:
    """How many bars a line takes, and the least steps between its syllables."""

    bars: int
    steps_apart: int


def breath_steps(grid: Grid) -> int:
    """The rest at the end of each line."""
    return max(round(_BREATH_SECONDS / grid.step_seconds), 1)


def set_lines(
    stanzas: Sequence[Stanza], grid: Grid, form: tuple[Bars, ...], count: Count
) -> tuple[tuple[Slot, ...], tuple[Line, ...]]:
    """The lines in their bars, what is too short repeated; and the lines for which there is no room."""
    setter = _Setter(grid, count)
    sections = [section for section in form if section.name not in _SILENT] or list(form)
    refrains = [section for section in sections if section.name in CHORUSES]
    others = [section for section in sections if section.name not in CHORUSES]
    choruses, verses, bridges = _sort(stanzas)
    if not choruses or not refrains or bool(verses) != bool(others):
        setter.spread([line for stanza in stanzas for line in stanza.lines], sections)
    else:
        for section in refrains:
            setter.spread(choruses, [section])
        away = [section for section in others if section.name in _BRIDGES] if bridges else []
        for section in away:
            setter.spread(bridges, [section])
        setter.set_verses(verses, [section for section in others if section not in away])
    slots = tuple(sorted(setter.slots, key=lambda slot: slot.bar))
    lines = dict.fromkeys(line for stanza in stanzas for line in stanza.lines)
    return slots, tuple(line for line in lines if line not in setter.sung)


def _sort(stanzas: Sequence[Stanza]) -> tuple[list[Line], list[list[Line]], list[Line]]:
    """Chorus, verses and bridge; without headings, what comes twice is the chorus."""
    texts = [stanza.lines for stanza in stanzas]
    has_headings = any(stanza.kind == "chorus" for stanza in stanzas)
    choruses: dict[Line, None] = {}
    verses: list[list[Line]] = []
    bridges: list[Line] = []
    for stanza in stanzas:
        if stanza.kind == "chorus" if has_headings else texts.count(stanza.lines) > 1:
            choruses |= dict.fromkeys(stanza.lines)
        elif stanza.kind == "bridge":
            bridges += stanza.lines
        else:
            verses.append(list(stanza.lines))
    return list(choruses), verses, bridges


class _Setter:
    """Fills sections with lines, and remembers which."""

    def __init__(self, grid: Grid, count: Count) -> None:
        self._grid, self._count = grid, count
        self.slots: list[Slot] = []
        self.sung: set[Line] = set()

    def set_verses(self, verses: list[list[Line]], sections: list[Bars]) -> None:
        """A verse in each section; verses that are too many or too long follow one another."""
        pairs = list(zip(verses, sections, strict=False))
        if len(pairs) == len(verses) and all(self._find_pace(verse, [section])[1] for verse, section in pairs):
            for index, section in enumerate(sections):
                self.spread(verses[index % len(verses)], [section])
        else:
            self.spread([line for verse in verses for line in verse], sections)

    def spread(self, lines: list[Line], sections: list[Bars]) -> None:
        """The lines in order, at the easiest pace at which all find room; then again from the first."""
        pace, _ = self._find_pace(lines, sections)
        left, is_first_time = list(lines), True
        for section in sections:
            parts, taken = self._take(left, section, pace)
            if is_first_time:
                self.sung |= {line for line in taken if self._is_whole(line, section, pace)}
            self._fill(section, parts, pace)
            left = left[len(taken) :]
            if not left:
                left, is_first_time = list(lines), False

    def _find_pace(self, lines: list[Line], sections: list[Bars]) -> tuple[Pace, bool]:
        """The first pace at which the lines fit, or else the fastest; and whether they fit."""
        for pace in self._paces():
            left = list(lines)
            for section in sections:
                taken = self._take(left, section, pace)[1]
                left = left[len(taken) :] if all(self._is_whole(line, section, pace) for line in taken) else left
            if not left:
                return pace, True
        return pace, False

    def _paces(self) -> list[Pace]:
        step_seconds = self._grid.step_seconds
        most = 4 if self._grid.metre.quarters < _FULL_BAR_QUARTERS else 2  # a waltz has short bars
        bars = [
            bars
            for bars in (most, most // 2)
            if _SHORTEST_SLOT_SECONDS <= bars * self._grid.bar_seconds <= _LONGEST_SLOT_SECONDS
        ] or [1]
        return [
            Pace(each, max(-int(-seconds // step_seconds), 1))
            for seconds in (_EASY_SECONDS, _FAST_SECONDS)
            for each in bars
        ]

    def _take(self, lines: list[Line], section: Bars, pace: Pace) -> tuple[list[Line], list[Line]]:
        """The parts that the section has room for, and the lines that they are of; at least one of these."""
        room = self._room(section, pace)
        parts: list[Line] = []
        taken: list[Line] = []
        for line in lines:
            wrapped = self._wrap(line, section, pace)
            if taken and len(parts) + len(wrapped) > room:
                break
            parts += wrapped
            taken.append(line)
        return parts[:room], taken

    def _is_whole(self, line: Line, section: Bars, pace: Pace) -> bool:
        return len(self._wrap(line, section, pace)) <= self._room(section, pace)

    def _room(self, section: Bars, pace: Pace) -> int:
        return max(section.count // pace.bars, 1)

    def _wrap(self, line: Line, section: Bars, pace: Pace) -> list[Line]:
        """The line in as many parts as breath demands, of nearly one length."""
        steps = min(pace.bars, section.count) * self._grid.metre.steps - breath_steps(self._grid)
        most = most_syllables(steps, pace.steps_apart)
        words = [(word, max(self._count(word), 1)) for word in line.words]
        fewest = _split(words, most, most)
        even = _split(words, most, sum(count for _, count in words) / len(fewest))
        return min(even, fewest, key=len)

    def _fill(self, section: Bars, parts: list[Line], pace: Pace) -> None:
        """The parts in their slots; in those that are left all of them again, or as many of the last."""
        room = self._room(section, pace)
        copies, rest = divmod(room, len(parts))
        repeated = parts * copies + (parts[-rest:] if rest else [])
        bars = min(pace.bars, section.count)
        for index, line in enumerate(repeated):
            self.slots.append(Slot(section, section.first + index * bars, bars, pace.steps_apart, line))


def _split(words: list[tuple[Word, int]], most: int, wanted: float) -> list[Line]:
    """The words with so many syllables in parts of about as many as are wanted."""
    parts: list[list[Word]] = [[]]
    filled = 0
    for word, syllables in words:
        if parts[-1] and (filled + syllables > most or filled + syllables / 2 > wanted):
            parts.append([])
            filled = 0
        parts[-1].append(word)
        filled += syllables
    return [Line(tuple(part)) for part in parts]
