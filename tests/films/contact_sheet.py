"""`python -m tests.films.contact_sheet OUT.png`: every theme in every shape, to be looked at before it is believed."""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from jobs.engines.covers import CoverPlan, draw_cover, imagine_contour, palette, rasterise_cover
from jobs.engines.films import SIZES, THEMES, draw_frame
from jobs.formats.lyrics import Line
from tests.films.songs import SCRIPTS, VERSE, make_plan, sing

SHEET_COLOUR = (128, 128, 128)
TILE_HEIGHT, GAP = 300, 14
SECONDS, VERSE_SECONDS = 24.0, 6.0
MOMENTS = {"LANDSCAPE": (2.0, 7.45), "PORTRAIT": (2.0, 7.45), "SQUARE": (4.0, 11.3)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the title or the countdown, and a moment in the song, of each theme and shape."""
    parser = argparse.ArgumentParser("python -m tests.films.contact_sheet", description="Draw films on one sheet.")
    parser.add_argument("path", type=Path, help="the PNG to write")
    parser.add_argument("--seed", type=int, default=7, help="another style, other colours")
    parser.add_argument("--scripts", action="store_true", help="lines of many scripts, and one of 300 characters")
    parser.add_argument("--light", action="store_true", help="for light surroundings")
    given = parser.parse_args(arguments)
    lines = _many_scripts() if given.scripts else sing(VERSE, first_seconds=VERSE_SECONDS)
    with tempfile.TemporaryDirectory(prefix="libretto-films-") as folder:
        cover = _draw_cover(Path(folder) / "cover.png", given.seed)
        rows = [_draw_row(theme, lines, cover, given.seed, dark=not given.light) for theme in THEMES]
    width = max(sum(tile.width + GAP for tile in row) for row in rows) + GAP
    sheet = Image.new("RGB", (width, len(rows) * (TILE_HEIGHT + GAP) + GAP), SHEET_COLOUR)
    for number, row in enumerate(rows):
        x = GAP
        for tile in row:
            sheet.paste(tile, (x, GAP + number * (TILE_HEIGHT + GAP)))
            x += tile.width + GAP
    sheet.save(given.path)


def _many_scripts() -> tuple[Line, ...]:
    long = " ".join(["metamorphosis of the evening"] * 11)[:300]
    return sing((*SCRIPTS.values(), long), first_seconds=1.0, word_seconds=0.22)


def _draw_cover(path: Path, seed: int) -> Path:
    drawn = draw_cover(CoverPlan(seed, 12, 1, imagine_contour(12), ""))
    rasterise_cover(drawn, path, 1024, 1024)
    return path


def _draw_row(theme: str, lines: tuple[Line, ...], cover: Path, seed: int, *, dark: bool) -> list[Image.Image]:
    tiles = []
    for name, (width, height) in SIZES.items():
        plan = make_plan(
            Path("unused"), theme, width, height, SECONDS, lines=lines, cover=cover, palette=palette(seed, dark=dark)
        )
        for seconds in MOMENTS[name]:
            picture = draw_frame(plan, round(seconds * plan.fps))
            size = round(width * TILE_HEIGHT / height), TILE_HEIGHT
            tiles.append(picture.resize(size, Image.Resampling.LANCZOS))
    return tiles


if __name__ == "__main__":
    main()
