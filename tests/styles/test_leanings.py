"""What seeds and catalogue styles lean to: the same for ever, readable, and within what the composer can play."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jobs.engines.covers import (
    CROPS,
    FLOURISHES,
    MOTIFS,
    CoverPlan,
    accent_hue,
    contrast,
    draw_cover,
    palette,
    rasterise_cover,
)
from jobs.engines.covers.palette import oklch, read_oklch, write_oklch
from jobs.engines.music.compose import compose
from jobs.engines.music.score import SongPlan
from jobs.engines.music.styles import STYLES
from jobs.engines.music.theory import KEYS
from jobs.engines.styles import (
    FIRST_SOUNDS,
    HOUSE_SEED,
    LOOKS,
    Leanings,
    read_catalogue_leanings,
    read_leanings,
    steer_song,
)
from schema.styles import Motif
from schema.unlocks import Flourish
from server.pages.answers import HOUSE_HUE
from storage import unlocks
from tests.covers.songs import make_contour

SEEDS = range(0, 2**31 - 1, 2**31 // 3000)
READ_ON = (
    ("text", "ground"),
    ("text", "panel"),
    ("muted", "ground"),
    ("muted", "panel"),
    ("accent", "ground"),
    ("accent", "panel"),
    ("on-accent", "accent"),
)
KNOWN_LEANINGS = "6135f52116adc50f9582b4ef8722a9a179d7104bd62a551566dfba3fb05f3df0"


def least_contrast(leanings: Leanings) -> float:
    """The hardest pair to read, in light and in dark."""
    by_name = {one.name: one for one in leanings.swatches}
    pairs = [(by_name[text], by_name[ground]) for text, ground in READ_ON]
    light = [contrast(text.light, ground.light) for text, ground in pairs]
    return min(light + [contrast(text.dark, ground.dark) for text, ground in pairs])


def test_every_text_of_thousands_of_seeds_can_be_read() -> None:
    assert len(SEEDS) >= 3000
    assert min(least_contrast(read_leanings(seed)) for seed in SEEDS) >= 4.5
    assert len({accent_hue(seed) for seed in SEEDS}) == 360


@pytest.mark.parametrize("slug", STYLES)
def test_catalogue_style_can_be_read_and_knows_its_sound(slug: str) -> None:
    leanings = read_catalogue_leanings(slug)
    assert least_contrast(leanings) >= 4.5
    assert (leanings.tempo_min_bpm, leanings.tempo_max_bpm) == STYLES[slug].tempo
    assert leanings.motif in MOTIFS
    assert STYLES[slug].bass_voice in leanings.instruments


def test_what_seeds_lean_to_never_changes() -> None:
    """Whoever wants other leanings adds a version: people have got used to theirs. Instruments follow the composer."""
    read = "".join(str(replace(read_leanings(seed, 1), instruments=())) for seed in SEEDS)
    assert hashlib.sha256(read.encode()).hexdigest() == KNOWN_LEANINGS


def test_leanings_are_spread_over_all_there_is() -> None:
    read = [read_leanings(seed) for seed in SEEDS]
    assert {one.sound for one in read} == {sound for sound, _, _ in FIRST_SOUNDS} <= set(STYLES)
    assert {one.motif for one in read} == set(MOTIFS)
    assert {one.keys[0] for one in read} == set(KEYS)
    assert all(len(set(one.keys)) == 3 for one in read)
    assert len({one.swatches for one in read}) > 2900


def test_colours_are_those_of_the_cover() -> None:
    for seed in SEEDS[:50]:
        by_name = {one.name: one for one in read_leanings(seed).swatches}
        cover = palette(seed, dark=True)
        figures = tuple(by_name[f"figure-{n}"].dark for n in range(1, 6))
        assert (by_name["ground"].dark, by_name["accent"].dark, figures) == (cover.ground, cover.accent, cover.figures)


def test_oklch_goes_there_and_back() -> None:
    for colour in ("#000000", "#ffffff", "#123456", "#c0ffee", "#ff0000"):
        assert oklch(*read_oklch(colour)) == colour
    assert write_oklch("#ff0000") == "oklch(62.80% 0.2577 29.2)"  # as CSS Color 4 has it


@pytest.mark.parametrize("seed", [1, 77, 4_000, 2**31 - 2])
def test_songs_stay_near_the_leanings(seed: int) -> None:
    leanings = read_leanings(seed)
    steered = [steer_song(leanings, song) for song in range(40)]
    assert {steer.key for steer in steered} == set(leanings.keys)
    assert {steer.tempo_bpm for steer in steered} <= set(range(leanings.tempo_min_bpm, leanings.tempo_max_bpm + 1))
    steer = steered[0]
    brief, score = compose(SongPlan("a quiet town", 8, 5, steer.sound, tempo_bpm=steer.tempo_bpm, key=steer.key))
    assert (brief.style.id, score.key) == (leanings.sound, steer.key)
    assert score.grid.tempo_bpm == pytest.approx(steer.tempo_bpm, abs=0.5)


def test_prompt_comes_before_the_leanings() -> None:
    steer = steer_song(read_leanings(3), 1)
    brief, _ = compose(SongPlan("a song in Eb minor, 91 bpm", 8, 5, steer.sound, tempo_bpm=steer.tempo_bpm, key="A"))
    assert (brief.tempo_bpm, brief.key) == (91, "Eb")


def test_house_has_the_hue_of_our_pages() -> None:
    assert accent_hue(HOUSE_SEED) == read_leanings(HOUSE_SEED).accent_hue == HOUSE_HUE


def test_lists_of_the_layers_agree() -> None:
    assert set(LOOKS) == set(STYLES)
    assert {one.value for one in Motif} == set(MOTIFS)
    assert {one.value for one in Flourish} == set(FLOURISHES) == set(unlocks.FLOURISHES)
    assert len(unlocks.FLOURISHES) == len(unlocks.CATALOGUE)


def pixels(svg: str, path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """A small picture of a drawing."""
    rasterise_cover(svg, path, 128, 128)
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"), dtype=np.float64)


@pytest.mark.parametrize("flourish", FLOURISHES)
@pytest.mark.parametrize("motif", MOTIFS)
def test_flourish_is_seen_on_every_motif_in_every_crop(motif: str, flourish: str, tmp_path: Path) -> None:
    plain = CoverPlan(11, 12, 1, make_contour(1), motif=motif)
    for width, height in CROPS.values():
        assert draw_cover(replace(plain, flourish=flourish), width, height) != draw_cover(plain, width, height)
    one, other = draw_cover(plain), draw_cover(replace(plain, flourish=flourish))
    assert other == draw_cover(replace(plain, flourish=flourish))
    difference = np.abs(pixels(one, tmp_path / "one.png") - pixels(other, tmp_path / "other.png"))
    assert (difference.max(axis=2) > 12).mean() > 0.002


def test_motif_that_is_chosen_is_drawn() -> None:
    plan = CoverPlan(11, 12, 1, make_contour(1))
    assert len({draw_cover(replace(plan, motif=motif)) for motif in MOTIFS}) == len(MOTIFS)
