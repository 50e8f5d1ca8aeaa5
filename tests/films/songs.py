"""Plans to make films of: words at known times, and a song that was made here."""

import math
from pathlib import Path

import numpy as np
from PIL import Image

from jobs.engines.covers import palette
from jobs.engines.films import FilmPlan
from jobs.formats.lyrics import Line, Word
from jobs.formats.m4a import SAMPLE_RATE, M4aWriter

VERSE = (
    "Streetlights hum a slow refrain",
    "Paper boats on window rain",
    "Hold the night a little longer",
    "Every echo makes us stronger",
    "We were gold before the morning came",
)
SCRIPTS = {
    "arabic": "يا ليل طول شويه على المشتاقين ٢٠٢٦",
    "hebrew": "שיר של אהבה וגם Love 24 ימים",
    "japanese": "夜空に「星」が、ひとつ光る。",
    "hindi": "क्या यही प्यार है मेरी ज़िन्दगी",
    "greek": "Όλα τα όνειρα γυρίζουν",
    "cyrillic": "Щедрые ночи звёздного лета",
    "emoji": "Love 😀 burns 🔥 bright ❤️ tonight",
}


def sing(texts: tuple[str, ...], first_seconds: float = 1.0, word_seconds: float = 0.4) -> tuple[Line, ...]:
    """Lines one after the other, all words equally long, with a short breath between lines."""
    lines, now = [], first_seconds
    for text in texts:
        words = []
        for word in text.split():
            words.append(Word(word, round(now, 3), round(now + word_seconds, 3)))
            now += word_seconds
        lines.append(Line(tuple(words)))
        now += 0.3
    return tuple(lines)


def write_song(path: Path, seconds: float) -> Path:
    """A quiet tone as AAC."""
    count, step = round(seconds * SAMPLE_RATE), 1 << 16
    with M4aWriter(path, bits_per_second=64_000) as writer:
        for start in range(0, count, step):
            times = np.arange(start, min(start + step, count)) / SAMPLE_RATE
            tone = (0.1 * np.sin(2 * math.pi * 220 * times)).astype(np.float32)
            writer.write(np.stack([tone] * 2))
    return path


def write_cover(path: Path) -> Path:
    """A picture with a light and a dark side."""
    across = np.linspace(0, 255, 600)
    pixels = np.zeros((600, 600, 3), np.uint8)
    pixels[..., 0], pixels[..., 1], pixels[..., 2] = across[None, :], across[:, None], 255 - across[None, :]
    Image.fromarray(pixels).save(path)
    return path


def list_levels(seconds: float) -> tuple[float, ...]:
    """Ten a second, rising and falling."""
    count = round(min(3600.0, max(1.0, seconds)) * 10) if math.isfinite(seconds) else 10
    return tuple(0.15 + 0.85 * abs(math.sin(number * 0.37) * math.sin(number * 0.051 + 0.4)) for number in range(count))


def make_plan(
    audio: Path, theme: str = "karaoke", width: int = 1920, height: int = 1080, seconds: float = 12.0, **changes: object
) -> FilmPlan:
    """A whole plan; what is named is changed."""
    given: dict[str, object] = {
        "lines": sing(VERSE),
        "title": "Paper Boats",
        "artist": "Libretto Ensemble",
        "levels": list_levels(seconds),
        "beats_seconds": tuple(number * 0.5 for number in range(12 * 2)),
        "sections_seconds": (0.0, seconds / 3, seconds * 2 / 3),
        "palette": palette(7),
    }
    return FilmPlan(width=width, height=height, duration_seconds=seconds, theme=theme, audio=audio, **given | changes)  # type: ignore[arg-type] # as named
