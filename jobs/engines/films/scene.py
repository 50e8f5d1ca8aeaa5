"""A plan turned into a ground and what moves on it; any frame can be drawn, in any order."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from PIL import Image, ImageOps

from jobs.engines.films.acts import NOW, POP_SCALES, Act, Card, Page, Pop, Stage
from jobs.engines.films.grounds import choose_inks, draw_blurred, draw_ground, read_cover
from jobs.engines.films.lettering import Block, cover
from jobs.engines.films.marks import Countdown, Progress, Waveform
from jobs.engines.films.plan import FilmPlan, check_plan
from jobs.engines.films.planes import Box, Picture, Plane, to_yuv
from jobs.engines.films.themes import THEMES, Highlight, Places, Theme, lay_out
from jobs.engines.films.timeline import (
    Show,
    Sung,
    list_gaps,
    show_alone,
    show_cards,
    show_pages,
    time_words,
    turn_pages,
)
from jobs.engines.films.typesetting import LEADING, Setting, Text, find_text, set_text
from jobs.engines.run import EngineRefused

LINE_GAP = 0.3  # between two lines of a page, in sizes
TITLE_SIZE, ARTIST_SIZE, HEADER_SIZE = 0.13, 0.05, 0.031
TITLE_ROWS = 3
POP_ROOM = max(POP_SCALES) + 0.02
READABLE_HEADER = 0.6  # of its wished size


class Layer(Protocol):
    """Something that moves in a box of its own; states that are equal look equal."""

    box: Box

    def state_at(self, frame: int) -> object:
        """What it looks like on a frame."""

    def draw(self, picture: Picture, ground: Picture, old: Any, new: Any) -> None:
        """Bring its box from one state to another; the old one is `NOTHING` at first."""


NOTHING = object()


@dataclass(frozen=True)
class Scene:
    """All that a film shows."""

    ground: Picture
    layers: tuple[Layer, ...]
    unwritten_lines: tuple[int, ...]
    is_title_written: bool


class Screen:
    """One picture that is kept up to date."""

    def __init__(self, scene: Scene) -> None:
        ground = scene.ground
        self.picture = ground.cut(Box(0, 0, ground.width, ground.height))
        self._scene = scene
        self._states: list[object] = [NOTHING] * len(scene.layers)

    def show(self, frame: int) -> None:
        """Draw what differs from the frame shown last."""
        for number, layer in enumerate(self._scene.layers):
            state = layer.state_at(frame)
            if state != self._states[number]:
                layer.draw(self.picture, self._scene.ground, self._states[number], state)
                self._states[number] = state


def build_scene(plan: FilmPlan) -> Scene:
    """Set every line, decide when it is shown, and paint what stays."""
    check_plan(plan, tuple(THEMES))
    theme = THEMES[plan.theme]
    places = lay_out(plan, theme)
    texts = {number: find_text([word.text for word in line.words]) for number, line in enumerate(plan.lines)}
    written = {number: text for number, text in texts.items() if text is not None}
    heading = _Heading(find_text([plan.title]), find_text([plan.artist]))
    colours = choose_inks(plan.palette)
    inks = colours if theme.highlight is Highlight.STEP else colours[NOW:]
    ground = Picture.of_rgb(_paint_pixels(plan, theme, places, inks))
    _stain_still(ground, plan, theme, places, heading)
    writer = _Writer(plan, theme, places, heading, colours)
    acts, sung = writer.write(written)
    layers: list[Layer] = [Stage(places.words, acts)]
    layers.append(Countdown(plan, places.countdown, list_gaps(sung, plan.fps), is_centred=theme.is_centred))
    if places.progress:
        layers.append(Progress(plan, places.progress))
    if places.waveform:
        layers.append(Waveform(plan, places.waveform))
    unwritten = tuple(number for number, text in texts.items() if text is None)
    return Scene(ground, tuple(layers), unwritten, heading.title is not None or not plan.title.strip())


@dataclass(frozen=True)
class _Heading:
    title: Text | None
    artist: Text | None


@dataclass(frozen=True)
class _Writer:
    """Turns lines into acts."""

    plan: FilmPlan
    theme: Theme
    places: Places
    heading: _Heading
    colours: tuple[str, str, str]

    def write(self, texts: dict[int, Text]) -> tuple[list[Act], list[Sung]]:
        """What comes and goes, and the lines by frames."""
        size, most_rows = self._measure()
        settings = {number: self._set(text, size, most_rows) for number, text in texts.items()}
        sung = [
            Sung(number, time_words(self.plan, number), most_rows if found.size < size else len(found.rows))
            for number, found in settings.items()
        ]
        sung = [line for line in sung if line.first < self.plan.frame_count]
        if self.theme.highlight is Highlight.POP:
            alone = show_alone(sung, self.plan.fps)
            acts: list[Act] = [self._pop(line, number, show) for line, number, show in alone]
            shows = [show for _, _, show in alone]
        else:
            pages = turn_pages(sung, self.plan.fps, self.theme.lines, most_rows)
            shows = show_pages(pages, self.plan)
            acts = [self._page(page, settings, show) for page, show in zip(pages, shows, strict=True)]
        if self.heading.title:
            acts.extend(self._card(show) for show in show_cards(shows, self.plan))
        return acts, sung

    def _measure(self) -> tuple[float, int]:
        """The size that lines are wished in, and how many rows of it a page has."""
        size = self.theme.size * self.places.letter
        height = self.places.words.height
        fitting = int((height / size - (self.theme.lines - 1) * LINE_GAP) / LEADING)
        return size, max(1, min(self.places.rows, fitting))

    def _set(self, text: Text, size: float, most_rows: int) -> Setting:
        return set_text(text, self.places.words.width, self.places.words.height, size, most_rows)

    def _page(self, lines: Sequence[Sung], settings: dict[int, Setting], show: Show) -> Page:
        blocks = self._pile([settings[line.number] for line in lines])
        is_swept = self.theme.highlight is Highlight.SWEEP
        unsung, now, sung = self.colours
        colours = (sung, now, now) if is_swept else (unsung, now, sung)
        edge = Box(0, 0, self.places.words.width, self.places.words.height)
        return Page(show, blocks, [line.words for line in lines], colours, edge, is_swept=is_swept)

    def _pile(self, settings: Sequence[Setting]) -> list[Block]:
        """Settings under each other, in the middle of the height."""
        box = self.places.words
        gap = LINE_GAP * min(setting.size for setting in settings)
        top = (box.height - sum(setting.height for setting in settings) - gap * (len(settings) - 1)) / 2
        blocks = []
        for setting in settings:
            blocks.append(Block(setting, max(0.0, top), 0, box.width, self.theme.is_centred))
            top += setting.height + gap
        return blocks

    def _pop(self, line: Sung, number: int, show: Show) -> Pop:
        text = find_text([self.plan.lines[line.number].words[number].text])
        if text is None:
            raise RuntimeError("a word of a line that can be written cannot")
        box = self.places.words
        setting = set_text(
            text, box.width / POP_ROOM, box.height / POP_ROOM, self.theme.size * self.places.letter, self.theme.rows
        )
        blocks = [self._pile([replace(setting, size=setting.size * scale)])[0] for scale in POP_SCALES]
        return Pop(show, blocks, self.colours[2])

    def _card(self, show: Show) -> Card:
        settings, inks = [], []
        box = self.places.words
        for text, size, ink in (
            (self.heading.title, TITLE_SIZE, self.colours[2]),
            (self.heading.artist, ARTIST_SIZE, self.colours[1]),
        ):
            if text is not None:
                share = 0.72 if text is self.heading.title else 0.2
                settings.append(set_text(text, box.width, box.height * share, size * self.places.letter, TITLE_ROWS))
                inks.append(ink)
        return Card(show, list(zip(self._pile(settings), inks, strict=True)))


def _paint_pixels(plan: FilmPlan, theme: Theme, places: Places, inks: tuple[str, ...]) -> Plane:
    boxes = tuple(box for box in (places.words, places.countdown, places.header) if box is not None)
    if not theme.has_cover or places.cover is None:
        return draw_ground(plan, theme.paint(plan), boxes, inks)
    if plan.cover is None:
        raise EngineRefused("COVER_MISSING", f"the theme {plan.theme} shows a cover")
    picture = read_cover(plan.cover)
    pixels = Image.fromarray(draw_blurred(plan, picture, boxes, inks))
    shown = ImageOps.fit(picture, (places.cover.width, places.cover.height), Image.Resampling.LANCZOS)
    pixels.paste(shown, (places.cover.x, places.cover.y))
    return np.asarray(pixels)


def _stain_still(ground: Picture, plan: FilmPlan, theme: Theme, places: Places, heading: _Heading) -> None:
    """What is written and drawn once: the header, and the line that the progress fills."""
    if places.progress:
        ground.fill(places.progress, to_yuv(plan.palette.figures[0]))
        for seconds in plan.sections_seconds:
            x = places.progress.x + round(places.progress.width * min(1.0, seconds / plan.duration_seconds) / 2) * 2
            tick = Box(min(x, places.progress.right - 2), places.progress.y - 4, 2, places.progress.height + 8)
            ground.fill(tick, to_yuv(plan.palette.figures[2]))
    if theme.has_waveform and not plan.levels:
        raise EngineRefused("LEVELS_MISSING", f"the theme {plan.theme} shows how loud the song is")
    if places.header is None or heading.title is None:
        return
    box, size = places.header, HEADER_SIZE * places.letter
    title = set_text(heading.title, box.width * 0.6, box.height, size, 1)
    blocks = [(Block(title, 0, 0, title.width, is_centred=False), plan.palette.text)]
    if heading.artist is not None:
        artist = set_text(heading.artist, box.width * 0.36, box.height, size, 1)
        blocks.append((Block(artist, 0, box.width - artist.width, box.width, is_centred=False), plan.palette.accent))
    if any(block.setting.size < size * READABLE_HEADER for block, _ in blocks):
        return
    part = ground.cut(box)
    for block, colour in blocks:
        part.stain(cover([block], box.width, box.height), to_yuv(colour))
    ground.paste(part, Box(0, 0, box.width, box.height), box.x, box.y)
