"""`python -m tests.covers.contact_sheet OUT.png`: every family in every crop, to be looked at before it is believed."""

import argparse
import io
from collections.abc import Sequence
from pathlib import Path

import resvg_py
from PIL import Image

from jobs.engines.covers import CROPS, FAMILIES, CoverPlan, draw_cover
from tests.covers.songs import TITLES, make_contour, plans_by_family

SHEET_COLOUR = (128, 128, 128)
TILE_HEIGHT, GAP = 300, 14


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw four covers of each family, of which three have the crops and one is for light surroundings."""
    parser = argparse.ArgumentParser("python -m tests.covers.contact_sheet", description="Draw covers on one sheet.")
    parser.add_argument("path", type=Path, help="the PNG to write")
    parser.add_argument("--first-seed", type=int, default=1, help="other seeds, other covers")
    given = parser.parse_args(arguments)
    rows = [[_picture(*cover) for cover in row] for row in _choose(given.first_seed)]
    width = max(sum(tile.width + GAP for tile in row) for row in rows) + GAP
    sheet = Image.new("RGB", (width, len(rows) * (TILE_HEIGHT + GAP) + GAP), SHEET_COLOUR)
    for number, row in enumerate(rows):
        x = GAP
        for tile in row:
            sheet.paste(tile, (x, GAP + number * (TILE_HEIGHT + GAP)))
            x += tile.width + GAP
    sheet.save(given.path)


def _choose(first_seed: int) -> list[list[tuple[CoverPlan, str]]]:
    rows = []
    for number, plans in enumerate(plans_by_family(first_seed, 4).values()):
        titled = [
            CoverPlan(plan.style_seed, plan.track_seed, plan.visual_version, make_contour(plan.track_seed), title)
            for plan, title in zip(plans, TITLES[number % 3 :], strict=False)
        ]
        last = titled[3]
        light = CoverPlan(last.style_seed, last.track_seed, 1, last.contour, last.title, dark=False)
        rows.append(list(zip([*titled[:3], light], ["SQUARE", "PORTRAIT", "LANDSCAPE", "SQUARE"], strict=True)))
    assert len(rows) == len(FAMILIES)
    return rows


def _picture(plan: CoverPlan, crop: str) -> Image.Image:
    width, height = CROPS[crop]
    scale = TILE_HEIGHT / height
    drawn = resvg_py.svg_to_bytes(svg_string=draw_cover(plan, width, height), zoom=scale, skip_system_fonts=True)
    with Image.open(io.BytesIO(bytes(drawn))) as picture:
        return picture.convert("RGB")


if __name__ == "__main__":
    main()
