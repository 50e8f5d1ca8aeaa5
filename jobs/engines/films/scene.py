"""A plan turned into a ground and what moves on it; any frame can be drawn, in any order."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image, ImageOps

from jobs.engines.films.acts import NOW, POP_SCALES, Act, Card, Page, Pop, Stage
from jobs.engines.films.drift import Drift, enlarge
from jobs.engines.films.grounds import choose_inks, draw_blurred, draw_ground, read_cover
from jobs.engines.films.header import Header, Heading
from jobs.engines.films.lettering import Block
from jobs.engines.films.marks import Countdown, Progress, Waveform
from jobs.engines.films.plan import FilmPlan, check_plan
from jobs.engines.films.planes import Box, Picture
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
TITLE_SIZE, ARTIST_SIZE = 0.13, 0.05
TITLE_ROWS = 3
POP_ROOM = max(POP_SCALES) + 0.02


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
    drift: Drift | None  # what of the ground moves
    layers: tuple[Layer, ...]
    unwritten_lines: tuple[int, ...]
    is_title_written: bool
    poster_frame: int


class Screen:
    """One picture that is kept up to date."""

    def __init__(self, scene: Scene) -> None:
        self.picture = _copy(scene.ground)
        self._scene, self._drift = scene, scene.drift
        self._whole = Box(0, 0, self.picture.width, self.picture.height)
        self._ground = _copy(scene.ground) if scene.drift else scene.ground
        self._moved: object = NOTHING
        self._states: list[object] = [NOTHING] * len(scene.layers)

    def show(self, frame: int) -> None:
        """Draw what differs from the frame shown last."""
        if self._drift is not None:
            self._move(self._drift, frame)
        for number, layer in enumerate(self._scene.layers):
            state = layer.state_at(frame)
            if state != self._states[number]:
                layer.draw(self.picture, self._ground, self._states[number], state)
                self._states[number] = state

    def _move(self, drift: Drift, frame: int) -> None:
        """Bring the ground to a frame; what stands on it is drawn anew."""
        state = drift.state_at(frame)
        if state == self._moved:
            return
        shown, self._moved = drift.draw(state), state
        if drift.box == self._whole:
            self._ground = shown
        else:
            self._ground.paste(shown, Box(0, 0, shown.width, shown.height), drift.box.x, drift.box.y)
        self.picture.paste(self._ground, drift.box, drift.box.x, drift.box.y)
        for number, layer in enumerate(self._scene.layers):
            if layer.box.meets(drift.box):
                self._states[number] = NOTHING


def _copy(picture: Picture) -> Picture:
    return picture.cut(Box(0, 0, picture.width, picture.height))


def build_scene(plan: FilmPlan) -> Scene:
    """Set every line, decide when it is shown, and paint what stays."""
    check_plan(plan, tuple(THEMES))
    theme = THEMES[plan.theme]
    places = lay_out(plan, theme)
    _check_theme(plan, theme)
    texts = {number: find_text([word.text for word in line.words]) for number, line in enumerate(plan.lines)}
    written = {number: text for number, text in texts.items() if text is not None}
    heading = Heading(find_text([plan.title]), find_text([plan.artist]))
    colours = choose_inks(plan.palette)
    ground, drift = _paint(plan, theme, places, colours if theme.highlight is Highlight.STEP else colours[NOW:])
    acts, sung = _Writer(plan, theme, places, heading, colours).write(written)
    layers: list[Layer] = [Stage(places.words, acts, is_moving=drift is not None and drift.box.meets(places.words))]
    layers.append(Countdown(plan, places.countdown, list_gaps(sung, plan.fps), is_centred=theme.is_centred))
    if places.header:
        cards = [act.show for act in acts if isinstance(act, Card)]
        layers.append(Header(plan, places.header, heading, places.letter, cards))
    if places.progress:
        layers.append(Progress(plan, places.progress))
    if places.waveform:
        layers.append(Waveform(plan, places.waveform))
    unwritten = tuple(number for number, text in texts.items() if text is None)
    is_title_written = heading.title is not None or not plan.title.strip()
    return Scene(ground, drift, tuple(layers), unwritten, is_title_written, _choose_poster(acts, plan))


def _choose_poster(acts: Sequence[Act], plan: FilmPlan) -> int:
    """The middle of what is shown first: the title, where there is time for it."""
    first = min((act.show for act in acts), key=lambda show: show.first, default=Show(0, plan.frame_count, 0, 0))
    return (first.first + first.end) // 2


@dataclass(frozen=True)
class _Writer:
    """Turns lines into acts."""

    plan: FilmPlan
    theme: Theme
    places: Places
    heading: Heading
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


def _check_theme(plan: FilmPlan, theme: Theme) -> None:
    """EngineRefused unless the plan has what its theme shows."""
    if theme.has_cover and plan.cover is None:
        raise EngineRefused("COVER_MISSING", f"the theme {plan.theme} shows a cover")
    if theme.has_waveform and not plan.levels:
        raise EngineRefused("LEVELS_MISSING", f"the theme {plan.theme} shows how loud the song is")
    if plan.is_zoomed and not theme.has_zoom:
        zoomed = ", ".join(name for name, each in THEMES.items() if each.has_zoom)
        raise EngineRefused(
            "ZOOM_UNFIT", f"behind the words of {plan.theme} is nothing to zoom; themes that have it: {zoomed}"
        )


def _paint(plan: FilmPlan, theme: Theme, places: Places, inks: tuple[str, ...]) -> tuple[Picture, Drift | None]:
    """The ground, and what of it moves: all of it, or the cover within its frame."""
    if plan.cover is not None and places.cover is not None:
        return _paint_cover(plan, plan.cover, places, places.cover, inks)
    whole = Box(0, 0, plan.width, plan.height)
    if plan.is_zoomed:
        width, height = enlarge(whole)
        larger = replace(plan, width=width, height=height)
        still = Picture.of_rgb(draw_ground(larger, theme.paint, (Box(0, 0, width, height),), inks))
        return Picture(plan.width, plan.height), Drift(still, whole, plan.fps)
    boxes = _list_written(places)
    return Picture.of_rgb(draw_ground(plan, theme.paint, boxes, inks)), None


def _paint_cover(
    plan: FilmPlan, path: Path, places: Places, box: Box, inks: tuple[str, ...]
) -> tuple[Picture, Drift | None]:
    cover = read_cover(path)
    ground = Picture.of_rgb(draw_blurred(plan, cover, _list_written(places), inks))
    size = enlarge(box) if plan.is_zoomed else (box.width, box.height)
    still = Picture.of_rgb(np.asarray(ImageOps.fit(cover, size, Image.Resampling.LANCZOS)))
    if plan.is_zoomed:
        return ground, Drift(still, box, plan.fps)
    ground.paste(still, Box(0, 0, box.width, box.height), box.x, box.y)
    return ground, None


def _list_written(places: Places) -> tuple[Box, ...]:
    return tuple(box for box in (places.words, places.countdown, places.header) if box is not None)
