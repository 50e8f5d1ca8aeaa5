"""A sheet of waveforms and spectrograms, one of each style: `python -m tests.tracks.spectrograms OUT.png`."""

import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from jobs.engines.music import STYLE_IDS, Song, SongPlan, render_song
from tests.tracks.listening import FRAME, RATE, measure, power_of, read_audio

PROMPT, SEED, SECONDS = "a song", 7, 45.0
WIDTH, WAVE_HEIGHT, SPECTRUM_HEIGHT, CAPTION_HEIGHT = 620, 40, 130, 16
LOWEST_HZ, HIGHEST_HZ, FLOOR_DB = 30, 16_000, -75
COLUMNS = 3

Pixels = NDArray[np.uint8]


def draw_sheet(styles: tuple[str, ...], seconds: float, seed: int) -> Image.Image:
    """All styles on one picture, row by row."""
    height = CAPTION_HEIGHT + WAVE_HEIGHT + SPECTRUM_HEIGHT
    rows = -(-len(styles) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (WIDTH + 6), rows * (height + 6)), (24, 24, 28))
    for index, style in enumerate(styles):
        row, column = divmod(index, COLUMNS)
        sheet.paste(_draw_song(style, seconds, seed), (column * (WIDTH + 6), row * (height + 6)))
    return sheet


def _draw_song(style: str, seconds: float, seed: int) -> Image.Image:
    with tempfile.TemporaryDirectory() as folder:
        song = render_song(SongPlan(PROMPT, seconds, seed, style), Path(folder), lambda _fraction, _stage: None)
        samples = read_audio(song.master)
    picture = Image.fromarray(np.concatenate([_wave(samples), _spectrum(samples)]))
    framed = Image.new("RGB", (WIDTH, picture.height + CAPTION_HEIGHT), (24, 24, 28))
    framed.paste(picture, (0, CAPTION_HEIGHT))
    pen = ImageDraw.Draw(framed)
    pen.text((3, 2), _caption(song, measure(samples)), fill=(255, 255, 255))
    for section in song.sections:
        at = int(section.start_seconds / song.duration_seconds * WIDTH)
        pen.line((at, CAPTION_HEIGHT, at, framed.height), fill=(90, 200, 255))
        pen.text((at + 2, CAPTION_HEIGHT + WAVE_HEIGHT), section.name, fill=(90, 200, 255))
    return framed


def _caption(song: Song, heard: object) -> str:
    figures = " ".join(
        f"{name} {getattr(heard, name):.2f}" for name in ("slope_db", "width", "crest_db", "attacks_per_second")
    )
    return f"{song.style} {song.tempo_bpm:g} {song.key} {song.mode}  {figures}"


def _wave(samples: NDArray[np.float32]) -> Pixels:
    mono = samples.mean(axis=0)
    columns = np.abs(mono[: len(mono) // WIDTH * WIDTH].reshape(WIDTH, -1)).max(axis=1)
    middle = WAVE_HEIGHT / 2
    away = np.abs(np.arange(WAVE_HEIGHT) - middle + 0.5)[:, None]
    filled = away < columns * middle
    return np.where(filled[:, :, None], (240, 190, 90), (36, 36, 42)).astype(np.uint8)


def _spectrum(samples: NDArray[np.float32]) -> Pixels:
    power = power_of(samples.mean(axis=0))
    hertz = LOWEST_HZ * (HIGHEST_HZ / LOWEST_HZ) ** np.linspace(1, 0, SPECTRUM_HEIGHT)
    rows = (hertz / RATE * FRAME).round().astype(int)
    frames = np.linspace(0, len(power) - 1, WIDTH).astype(int)
    decibels = 10 * np.log10(power[frames][:, rows].T * hertz[:, None] / 1000 + 1e-9)
    shade = np.clip((decibels - decibels.max() - FLOOR_DB) / -FLOOR_DB, 0, 1)
    return (255 * np.stack([shade**0.8, shade**1.6, np.sin(shade * np.pi) * 0.6], axis=2)).astype(np.uint8)


if __name__ == "__main__":
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else SECONDS
    chosen = tuple(sys.argv[4].split(",")) if len(sys.argv) > 4 else STYLE_IDS
    draw_sheet(chosen, seconds, int(sys.argv[3]) if len(sys.argv) > 3 else SEED).save(sys.argv[1])
