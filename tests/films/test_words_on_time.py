"""The word that stands out at a time is the word that is sung then: read back from the frames of the encoded film."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from jobs.engines.films import FilmPlan, make_film
from jobs.engines.films.acts import Page, Part, Stage
from jobs.engines.films.grounds import choose_inks
from jobs.engines.films.marks import Countdown
from jobs.engines.films.planes import to_yuv
from jobs.engines.films.scene import build_scene
from jobs.engines.films.themes import THEMES, lay_out
from jobs.formats.lyrics import Line, Word
from tests.films.songs import SCRIPTS, make_plan, sing, write_song

SECONDS = 9.0
NEAR = 26  # of a colour's planes, all together: what an encoder makes of it
WORDS = sing(("Paper boats on rain", "every echo makes us", "gold"), 0.77, 0.37)


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_song(tmp_path_factory.mktemp("song") / "song.m4a", SECONDS)


def decode(plan: FilmPlan, folder: Path) -> Iterator[tuple[int, list[NDArray[np.int16]]]]:
    made = make_film(plan, folder, lambda _fraction, _stage: None)
    with av.open(str(made.path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            memory = frame.to_ndarray().reshape(-1).astype(np.int16)
            size = plan.width * plan.height
            light = memory[:size].reshape(plan.height, plan.width)[::2, ::2]
            colours = memory[size:].reshape(2, plan.height // 2, plan.width // 2)
            yield number, [light, *colours]


def parts_of(plan: FilmPlan) -> list[tuple[Page, Part]]:
    stage = build_scene(plan).layers[0]
    assert isinstance(stage, Stage)
    return [(act, part) for act in stage.acts if isinstance(act, Page) for part in act.parts]


def count_near(planes: list[NDArray[np.int16]], part: Part, corner: tuple[int, int], colour: str) -> int:
    box = part.patch.box.moved(*corner)
    region = np.s_[box.y // 2 : box.bottom // 2, box.x // 2 : box.right // 2]
    distance = sum(np.abs(plane[region] - value) for plane, value in zip(planes, to_yuv(colour), strict=True))
    return int((np.asarray(distance) < NEAR).sum())


@pytest.mark.parametrize(
    ("theme", "fps", "is_zoomed"),
    [("stacked", 30, False), ("stacked", 25, True), ("minimal", 25, False), ("cover", 30, True), ("cover", 25, False)],
)
def test_one_word_is_lit_on_each_frame_of_it(
    song: Path,
    tmp_path: Path,
    theme: str,
    fps: int,
    is_zoomed: bool,  # noqa: FBT001 - a case of a table
) -> None:
    plan = replace(make_plan(song, theme, 960, 540, SECONDS, lines=WORDS, title=""), fps=fps, is_zoomed=is_zoomed)
    plan = replace(plan, cover=_write_grey(tmp_path / "cover.png"))
    words, (_, lit_ink, _) = lay_out(plan, THEMES[theme]).words, choose_inks(plan.palette)
    found = parts_of(plan)
    assert len(found) == 9
    checked = 0
    for number, planes in decode(plan, tmp_path):
        parts = [part for page, part in found if page.show.first <= number < page.show.end]
        lit = [part for part in parts if count_near(planes, part, (words.x, words.y), lit_ink) > 12]
        sung = [part for _, part in found if part.first <= number < part.end]
        assert lit == sung, number
        checked += bool(sung)
    assert checked == sum(part.end - part.first for _, part in found)


@pytest.mark.parametrize("is_zoomed", [False, True])
@pytest.mark.parametrize("text", ["Paper boats on rain", SCRIPTS["hebrew"], SCRIPTS["arabic"], SCRIPTS["japanese"]])
def test_sweep_reaches_what_is_sung(
    song: Path,
    tmp_path: Path,
    text: str,
    is_zoomed: bool,  # noqa: FBT001 - a case of a table
) -> None:
    plan = make_plan(song, "karaoke", 960, 540, 4.0, lines=sing((text,), 0.5, 0.4), title="", is_zoomed=is_zoomed)
    words, (_, lit_ink, _) = lay_out(plan, THEMES["karaoke"]).words, choose_inks(plan.palette)
    found = parts_of(plan)
    whole: dict[int, int] = {}
    history: list[list[int]] = []
    for number, planes in decode(plan, tmp_path):
        if number < found[-1][0].show.end - found[-1][0].show.fade_out:
            history.append([count_near(planes, part, (words.x, words.y), lit_ink) for _, part in found])
    last = history[-1]
    assert min(last) > 30
    whole = dict(enumerate(last))
    for number, counts in enumerate(history):
        for at, (_, part) in enumerate(found):
            share = counts[at] / whole[at]
            if number < part.first:
                assert share < 0.03
            elif number >= part.end - 1:
                assert share > 0.9
            else:
                assert share == pytest.approx((number + 1 - part.first) / (part.end - part.first), abs=0.35)


@pytest.mark.parametrize("is_zoomed", [False, True])
def test_popped_word_is_the_one_that_is_sung(
    song: Path,
    tmp_path: Path,
    is_zoomed: bool,  # noqa: FBT001 - a case of a table
) -> None:
    lines = (Line(tuple(Word("i" * (2 * number + 1), 0.5 + number * 0.3, 0.8 + number * 0.3) for number in range(5))),)
    plan = make_plan(song, "pop", 960, 540, 3.5, lines=lines, title="", is_zoomed=is_zoomed)
    box = lay_out(plan, THEMES["pop"]).words
    for number, (light, *_) in decode(plan, tmp_path):
        row = light[box.y // 2 : box.bottom // 2, box.x // 2 : box.right // 2]
        strokes = (np.diff((row > 160).any(0).astype(int)) > 0).sum()
        at = (number / plan.fps - 0.5) / 0.3
        expected = 2 * int(at + 1e-6) + 1 if 0 <= at + 1e-6 < 5 else strokes if at >= 5 else 0
        assert strokes == expected, number


def test_dots_go_out_before_words_that_come_after_a_long_gap(song: Path) -> None:
    lines = (*sing(("first words",), 6.0), *sing(("soon after",), 9.0), *sing(("much later",), 17.0))
    plan = make_plan(song, "minimal", 480, 270, 20.0, lines=lines)
    (dots,) = (layer for layer in build_scene(plan).layers if isinstance(layer, Countdown))
    seen = [dots.state_at(round(seconds * 30)) for seconds in (2.9, 3.1, 4.1, 5.1, 6.0, 8.5, 14.5, 15.5, 16.5, 17.0)]
    assert seen == [0, 3, 2, 1, 0, 0, 3, 2, 1, 0]


def _write_grey(path: Path) -> Path:
    Image.new("RGB", (200, 200), (90, 90, 90)).save(path)
    return path
