"""What comes and goes where the words stand: pages of lines, single words, and the title's card."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from jobs.engines.films.lettering import Block, Patch, cover, list_patches
from jobs.engines.films.planes import Box, Picture, Plane, to_yuv
from jobs.engines.films.timeline import Show
from jobs.engines.films.veils import Veil

Marks = tuple[int, ...]
POP_SCALES = (0.86, 1.04, 1.01, 1.0)
UNSUNG, NOW, SUNG = 0, 1, 2


class Sheet(Protocol):
    """What is written on: a part of the ground itself, or a veil where the ground moves."""

    width: int
    height: int

    def cut(self, box: Box) -> Self:
        """A copy of a part."""

    def paste(self, source: Self, box: Box, x: int, y: int) -> None:
        """Put a part of another sheet so that its corner comes to this place."""

    def stain(self, coverage: Plane, colour: tuple[int, int, int]) -> None:
        """Lay a colour over all of it, as far as it is covered, 0 to 255."""

    def lay(self, picture: Picture, box: Box, x: int, y: int, share: float) -> None:
        """Blend a part over a picture so that its corner comes to this place."""


class Act(Protocol):
    """One thing that is shown for a while; equal marks look equal."""

    show: Show

    def marks_at(self, frame: int) -> Marks:
        """What it looks like on a frame, apart from its fading."""

    def draw(self, sheet: Sheet, marks: Marks) -> tuple[Sheet, list[Box] | None]:
        """Its picture, and what of it changed since it was drawn last; None: all."""

    def forget(self) -> None:
        """Give its memory back."""


@dataclass
class Card:
    """Blocks of one colour each, that never change."""

    show: Show
    blocks: Sequence[tuple[Block, str]]

    def marks_at(self, _frame: int) -> Marks:
        """Always the same."""
        return ()

    def draw(self, sheet: Sheet, _marks: Marks) -> tuple[Sheet, list[Box] | None]:
        """The blocks over the ground."""
        picture = sheet.cut(Box(0, 0, sheet.width, sheet.height))
        for block, colour in self.blocks:
            picture.stain(cover([block], picture.width, picture.height), to_yuv(colour))
        return picture, None

    def forget(self) -> None:
        """It keeps nothing."""


@dataclass
class Pop:
    """A word that jumps in: the same block in a few sizes."""

    show: Show
    blocks: Sequence[Block]  # one for each of the scales
    colour: str

    def marks_at(self, frame: int) -> Marks:
        """How many frames old it is, as long as that is seen."""
        return (min(frame - self.show.first, len(self.blocks) - 1),)

    def draw(self, sheet: Sheet, marks: Marks) -> tuple[Sheet, list[Box] | None]:
        """The word at its size of now."""
        picture = sheet.cut(Box(0, 0, sheet.width, sheet.height))
        picture.stain(cover([self.blocks[marks[0]]], picture.width, picture.height), to_yuv(self.colour))
        return picture, None

    def forget(self) -> None:
        """It keeps nothing."""


@dataclass(frozen=True)
class Part:
    """A patch of a page, the frames of its word, and which share of the word it holds."""

    patch: Patch
    first: int
    end: int
    begin_share: float
    end_share: float


class Page:
    """Lines whose words change colour; only what changed is painted again."""

    def __init__(
        self,
        show: Show,
        blocks: Sequence[Block],
        times: Sequence[Sequence[tuple[int, int]]],
        colours: tuple[str, str, str],
        edge: Box,
        *,
        is_swept: bool,
    ) -> None:
        self.show, self._blocks, self._colours, self._is_swept = show, blocks, colours, is_swept
        self.parts = [
            part for block, words in zip(blocks, times, strict=True) for part in _list_parts(block, words, edge)
        ]
        self._pictures: list[Sheet] = []
        self._drawn: Marks = ()

    def marks_at(self, frame: int) -> Marks:
        """For each part how many of its pixels are filled, or whether it is yet to come, heard now, or over."""
        mark = _sweep if self._is_swept else _step
        return tuple(mark(part, frame) for part in self.parts)

    def draw(self, sheet: Sheet, marks: Marks) -> tuple[Sheet, list[Box] | None]:
        """The page as these marks say."""
        is_new = not self._pictures
        if is_new:
            self._prepare(sheet)
        changed: list[Box] = []
        for part, old, new in zip(self.parts, self._drawn, marks, strict=True):
            if old != new:
                self._paint(part, new)
                changed.append(part.patch.box)
        self._drawn = marks
        return self._pictures[-1], None if is_new else changed

    def forget(self) -> None:
        """Drop the pictures; they are drawn again when they are needed."""
        self._pictures.clear()

    def _prepare(self, sheet: Sheet) -> None:
        whole = Box(0, 0, sheet.width, sheet.height)
        covered = cover(self._blocks, sheet.width, sheet.height)
        for colour in self._colours:
            picture = sheet.cut(whole)
            picture.stain(covered, to_yuv(colour))
            self._pictures.append(picture)
        self._pictures.append(self._pictures[UNSUNG].cut(whole))
        self._drawn = (0,) * len(self.parts)

    def _paint(self, part: Part, mark: int) -> None:
        box, shown = part.patch.box, self._pictures[-1]
        if not self._is_swept:
            shown.paste(self._pictures[mark], box, box.x, box.y)
            return
        left = Box(box.x, box.y, mark, box.height)
        right = Box(box.x + mark, box.y, box.width - mark, box.height)
        filled, empty = self._pictures[NOW], self._pictures[UNSUNG]
        if part.patch.is_leftward:
            left, right = (
                Box(box.x, box.y, box.width - mark, box.height),
                Box(box.right - mark, box.y, mark, box.height),
            )
            filled, empty = empty, filled
        shown.paste(filled, left, left.x, left.y)
        shown.paste(empty, right, right.x, right.y)


def _sweep(part: Part, frame: int) -> int:
    """Pixels that are filled: some on the first frame of the word, all on its last."""
    sung = min(1.0, max(0.0, (frame - part.first + 1) / (part.end - part.first)))
    share = (sung - part.begin_share) / (part.end_share - part.begin_share)
    return round(min(1.0, max(0.0, share)) * part.patch.box.width / 2) * 2


def _step(part: Part, frame: int) -> int:
    return UNSUNG if frame < part.first else NOW if frame < part.end else SUNG


def _list_parts(block: Block, words: Sequence[tuple[int, int]], edge: Box) -> list[Part]:
    patches = list_patches(block, edge)
    widths: dict[int, float] = {}
    for patch in patches:
        widths[patch.word] = widths.get(patch.word, 0) + max(1, patch.box.width)
    parts, done = [], dict.fromkeys(widths, 0.0)
    for patch in patches:
        begin = done[patch.word]
        done[patch.word] = begin + max(1, patch.box.width) / widths[patch.word]
        parts.append(Part(patch, *words[patch.word], begin, done[patch.word]))
    return parts


class Stage:
    """Shows one act after the other in its box, over a ground that stays or moves."""

    def __init__(self, box: Box, acts: Sequence[Act], *, is_moving: bool) -> None:
        self.box, self.acts = box, sorted(acts, key=lambda act: act.show.first)
        self._is_moving = is_moving
        self._near = 0
        self._under: Sheet | None = None
        self._drawn: tuple[int, Marks, Sheet] | None = None

    def state_at(self, frame: int) -> tuple[int, float, Marks] | None:
        """Which act, how opaque, and its marks; None where nothing is shown."""
        while self._near and self.acts[self._near].show.first > frame:
            self._near -= 1
        while self._near + 1 < len(self.acts) and self.acts[self._near + 1].show.first <= frame:
            self._near += 1
        if not self.acts or not self.acts[self._near].show.first <= frame < self.acts[self._near].show.end:
            return None
        act = self.acts[self._near]
        return self._near, act.show.opacity(frame), act.marks_at(frame)

    def draw(self, picture: Picture, ground: Picture, old: object, new: tuple[int, float, Marks] | None) -> None:
        """Bring the picture from the old state to the new one."""
        is_written = isinstance(old, tuple)  # else the ground is seen
        if new is None:
            self._forget()
            if is_written:
                picture.paste(ground, self.box, self.box.x, self.box.y)
            return
        number, opacity, marks = new
        sheet, changed = self._draw_act(number, marks, ground)
        is_begun = isinstance(old, tuple) and old[:2] == (number, 1.0) and opacity == 1
        if not is_begun or changed is None or self._is_moving:
            if is_written:
                picture.paste(ground, self.box, self.box.x, self.box.y)
            changed = [Box(0, 0, self.box.width, self.box.height)]
        for part in changed:
            sheet.lay(picture, part, self.box.x + part.x, self.box.y + part.y, opacity)

    def _draw_act(self, number: int, marks: Marks, ground: Picture) -> tuple[Sheet, list[Box] | None]:
        """The act's sheet, drawn where it differs from what it was."""
        if self._drawn and self._drawn[:2] == (number, marks):
            return self._drawn[2], []
        if self._drawn and self._drawn[0] != number:
            self._forget()
        sheet, changed = self.acts[number].draw(self._own(ground), marks)
        self._drawn = number, marks, sheet
        return sheet, changed

    def _forget(self) -> None:
        if self._drawn:
            self.acts[self._drawn[0]].forget()
            self._drawn = None

    def _own(self, ground: Picture) -> Sheet:
        """Its part of the ground, cut once."""
        if self._under is None:
            self._under = Veil(self.box.width, self.box.height) if self._is_moving else ground.cut(self.box)
        return self._under
