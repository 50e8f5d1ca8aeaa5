"""Which lines stand on the screen together, and from which frame to which."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from jobs.engines.films.plan import FilmPlan

LONG_GAP_SECONDS = 4.0
COUNTDOWN_SECONDS = 3.0
LEAD_SECONDS = 1.2
LINGER_SECONDS = 1.0
FADE_SECONDS = 0.2
CARD_SECONDS = 4.0
SHORTEST_CARD_SECONDS = 1.5


@dataclass(frozen=True)
class Sung:
    """A line that can be written: its frames, and those of each word, the last of each excluded."""

    number: int  # in the plan
    words: tuple[tuple[int, int], ...]
    rows: int  # that it takes at the theme's size

    @property
    def first(self) -> int:
        """When its first word begins."""
        return self.words[0][0]

    @property
    def end(self) -> int:
        """When its last word has ended."""
        return max(end for _, end in self.words)


@dataclass(frozen=True)
class Show:
    """Something that stands on the screen from one frame to before another, fading at both ends."""

    first: int
    end: int
    fade_in: int
    fade_out: int

    def opacity(self, frame: int) -> float:
        """0 to 1; full on every frame that does not fade."""
        rising = (frame - self.first + 1) / (self.fade_in + 1)
        falling = (self.end - frame) / (self.fade_out + 1)
        return min(1.0, rising, falling)


def time_words(plan: FilmPlan, number: int) -> tuple[tuple[int, int], ...]:
    """The frames of a line's words; each has one at least."""
    return tuple(
        (first := plan.frame_at(word.start_seconds), max(first + 1, plan.frame_at(word.end_seconds)))
        for word in plan.lines[number].words
    )


def turn_pages(sung: Sequence[Sung], fps: int, most_lines: int, most_rows: int) -> list[list[Sung]]:
    """Lines that stand together: none across a long gap, and no more than fit."""
    pages: list[list[Sung]] = []
    for line in sung:
        page = pages[-1] if pages else []
        is_near = bool(page) and line.first - max(one.end for one in page) <= LONG_GAP_SECONDS * fps
        if is_near and len(page) < most_lines and sum(one.rows for one in page) + line.rows <= most_rows:
            page.append(line)
        else:
            pages.append([line])
    return pages


def show_pages(pages: Sequence[Sequence[Sung]], plan: FilmPlan) -> list[Show]:
    """Each page stands before its first word, ends when the next one must begin, and never hides a word."""
    firsts = [page[0].first for page in pages]
    ends = [max(line.end for line in page) for page in pages]
    shows = []
    begin = 0
    for number, (first, end) in enumerate(zip(firsts, ends, strict=True)):
        gap = first - (ends[number - 1] if number else 0)
        is_long = gap > LONG_GAP_SECONDS * plan.fps
        lead = round((COUNTDOWN_SECONDS if is_long else LEAD_SECONDS) * plan.fps)
        begin = max(begin, first - lead, min(ends[number - 1], first) if number else 0)
        following = firsts[number + 1] if number + 1 < len(pages) else plan.frame_count
        until = min(end + round(LINGER_SECONDS * plan.fps), plan.frame_count)
        until = min(until, max(min(end, following), following - lead)) if number + 1 < len(pages) else until
        fade = round(FADE_SECONDS * plan.fps)
        shows.append(Show(begin, until, min(fade, max(0, first - begin)), min(fade, max(0, until - end))))
        begin = until
    return shows


def show_cards(pages: Sequence[Show], plan: FilmPlan) -> list[Show]:
    """The title before the first page and after the last, where there is time for it."""
    fade, longest, shortest = (
        round(seconds * plan.fps) for seconds in (FADE_SECONDS, CARD_SECONDS, SHORTEST_CARD_SECONDS)
    )
    if not pages:
        return [Show(0, plan.frame_count, min(fade, plan.frame_count // 3), min(fade, plan.frame_count // 3))]
    intro = Show(0, min(longest, pages[0].first), fade, fade)
    outro = Show(max(pages[-1].end, plan.frame_count - longest), plan.frame_count, fade, fade)
    return [card for card in (intro, outro) if card.end - card.first >= shortest]


def list_gaps(sung: Sequence[Sung], fps: int) -> list[int]:
    """The frames on which the words begin again after a long gap, the one before the first of them included."""
    firsts = [line.first for line in sung]
    heard, ends = 0, []
    for line in sung:
        ends.append(heard)
        heard = max(heard, line.end)
    return [first for first, end in zip(firsts, ends, strict=True) if first - end > LONG_GAP_SECONDS * fps]


def show_alone(sung: Sequence[Sung], fps: int) -> list[tuple[Sung, int, Show]]:
    """Each word by itself, until the next one or a little after its end; words that begin together: the last wins."""
    words = [(line, number, first, end) for line in sung for number, (first, end) in enumerate(line.words)]
    shows = []
    for one, other in pairwise([*words, None]):
        if one is None:
            continue
        line, number, first, end = one
        until = end + fps // 2
        if other is not None:
            until = min(until, other[2])
        if until > first:
            shows.append((line, number, Show(first, until, 0, 0)))
    return shows
