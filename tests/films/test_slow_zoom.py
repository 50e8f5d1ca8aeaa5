"""Grounds that come nearer and go away again: where they are on a frame, and words that are blended over them."""

import itertools
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from jobs.engines.covers.palette import READABLE_CONTRAST
from jobs.engines.films import THEMES
from jobs.engines.films.acts import NOW, Stage
from jobs.engines.films.drift import MOST_ZOOM, SHARES, TURN_SECONDS, Drift, enlarge
from jobs.engines.films.grounds import choose_inks, measure_contrast
from jobs.engines.films.planes import Box, Picture
from jobs.engines.films.scene import Scene, Screen, build_scene
from jobs.engines.films.themes import Highlight, lay_out
from tests.films.songs import VERSE, make_plan, sing, write_cover

ZOOMED = [name for name, theme in THEMES.items() if theme.has_zoom]
SECONDS = 40.0


def build(theme: str, folder: Path) -> Scene:
    lines = sing(VERSE * 3, first_seconds=4.0)
    cover = write_cover(folder / "cover.png")
    return build_scene(make_plan(Path("song.m4a"), theme, 640, 360, SECONDS, lines=lines, cover=cover, is_zoomed=True))


def show(scene: Scene, frame: int) -> NDArray[np.int16]:
    screen = Screen(scene)
    screen.show(frame)
    return screen.picture.memory.astype(np.int16)


@pytest.mark.parametrize("theme", ZOOMED)
def test_frames_look_the_same_whatever_was_drawn_before(theme: str, tmp_path: Path) -> None:
    scene = build(theme, tmp_path)
    screen, chance = Screen(scene), random.Random(3)
    frames = [*sorted(chance.sample(range(1200), 12)), 900, 901, 902, 40]
    for frame in frames:
        screen.show(frame)
        assert np.array_equal(screen.picture.memory, show(build(theme, tmp_path), frame)), frame


@pytest.mark.parametrize("theme", [theme for theme in ZOOMED if not THEMES[theme].has_cover])
def test_words_are_blended_as_over_a_ground_that_stays(theme: str, tmp_path: Path) -> None:
    for frame in (40, 121, 125, 260, 777):
        moving, other = build(theme, tmp_path), build(theme, tmp_path)
        assert other.drift is not None
        ground = other.drift.draw(other.drift.state_at(frame))
        layers = tuple(
            Stage(layer.box, layer.acts, is_moving=False) if isinstance(layer, Stage) else layer
            for layer in other.layers
        )
        still = replace(other, ground=ground, drift=None, layers=layers)
        assert np.abs(show(moving, frame) - show(still, frame)).max() <= 3


@pytest.mark.parametrize("theme", [theme for theme in ZOOMED if not THEMES[theme].has_cover])
def test_words_can_be_read_wherever_the_ground_is(theme: str, tmp_path: Path) -> None:
    scene = build(theme, tmp_path)
    plan = make_plan(Path("song.m4a"), theme, 640, 360, SECONDS)
    places, colours = lay_out(plan, THEMES[theme]), choose_inks(plan.palette)
    inks = colours if THEMES[theme].highlight is Highlight.STEP else colours[NOW:]
    assert scene.drift is not None
    for frame in (0, 450, 900):
        pixels = scene.drift.draw(scene.drift.state_at(frame)).to_rgb()
        for box in (places.words, places.countdown):
            under = pixels[box.y : box.bottom, box.x : box.right]
            assert min(measure_contrast(under, ink) for ink in inks) >= READABLE_CONTRAST


def test_zoom_goes_in_and_out_without_a_jump() -> None:
    drift = Drift(Picture(*enlarge(Box(0, 0, 640, 360))), Box(0, 0, 640, 360), 30)
    states = [drift.state_at(frame) for frame in range(round(2 * TURN_SECONDS * 30) + 1)]
    assert (states[0], max(states), states[-1]) == (0, states[900], 0)
    assert max(states) == round(320 * (MOST_ZOOM - 1)) * SHARES
    assert max(abs(one - other) for one, other in itertools.pairwise(states)) == 1


def test_picture_moves_by_fractions_of_a_pixel() -> None:
    """The edge between dark and light, far from the middle, lies where the zoom puts it."""
    box = Box(0, 0, 640, 360)
    still = Picture(*enlarge(box))
    still.fill(Box(0, 0, still.width, still.height), (40, 128, 128))
    still.fill(Box(600, 0, still.width - 600, still.height), (200, 128, 128))
    drift = Drift(still, box, 30)
    for frame in (0, 77, 300, 451, 900):
        state = drift.state_at(frame)
        light = drift.draw(state).planes[0][180].astype(float)
        edge = 640 - ((light - 40) / 160).sum()
        zoom = 1 + (MOST_ZOOM - 1) * state / (32 * SHARES)
        assert edge == pytest.approx(320 + (600 - 352) / 704 * 640 * zoom, abs=0.06)
