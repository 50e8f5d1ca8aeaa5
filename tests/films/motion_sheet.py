"""`python -m tests.films.motion_sheet OUT.png`: every scene of the clips at four moments, to be looked at."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from jobs.engines.covers import palette
from jobs.engines.films import SIZES
from jobs.engines.motion import SCENES, draw_frames
from tests.films.motion_songs import make_motion_plan

TILE_HEIGHT, GAP = 270, 8
MOMENTS_SECONDS = (1.0, 2.02, 3.75, 5.6)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw each scene as a row."""
    parser = argparse.ArgumentParser("python -m tests.films.motion_sheet", description="Draw clips on one sheet.")
    parser.add_argument("path", type=Path, help="the PNG to write")
    parser.add_argument("--seed", type=int, default=7, help="another style, other colours, another arrangement")
    parser.add_argument("--shape", choices=SIZES, default="LANDSCAPE")
    parser.add_argument("--scene", choices=SCENES, help="this one alone")
    given = parser.parse_args(arguments)
    width, height = SIZES[given.shape]
    rows = []
    for number, name in enumerate([given.scene] if given.scene else SCENES):
        plan = make_motion_plan(
            width, height, 8.0, seed=given.seed, scene=name, palette=palette(given.seed + number), energy=0.7
        )
        began = time.process_time()
        frames = draw_frames(plan, tuple(round(seconds * plan.fps) for seconds in MOMENTS_SECONDS))
        taken = (time.process_time() - began) / (MOMENTS_SECONDS[-1] * plan.fps)
        print(f"{name}: {1000 * taken:.1f} ms a frame")
        size = round(width * TILE_HEIGHT / height), TILE_HEIGHT
        rows.append([frame.resize(size, Image.Resampling.LANCZOS) for frame in frames])
    wide, tall = rows[0][0].size
    sheet = Image.new("RGB", (len(rows[0]) * (wide + GAP) + GAP, len(rows) * (tall + GAP) + GAP), (40, 40, 40))
    for down, row in enumerate(rows):
        for across, tile in enumerate(row):
            sheet.paste(tile, (GAP + across * (wide + GAP), GAP + down * (tall + GAP)))
    sheet.save(given.path)


if __name__ == "__main__":
    main()
