"""Plans that no film can be made of are refused, with a reason, before anything is drawn."""

import math
from pathlib import Path
from typing import Any

import pytest

from jobs.engines.films import Coding, FilmPlan, draw_frame, make_film
from jobs.engines.run import EngineRefused
from jobs.formats.lyrics import Line, Word
from tests.films.songs import make_plan

NAN = float("nan")
BAD: dict[str, tuple[str, dict[str, Any]]] = {
    "no number": ("TOO_LONG", {"duration_seconds": NAN}),
    "negative": ("TOO_LONG", {"duration_seconds": -1.0}),
    "nothing": ("TOO_LONG", {"duration_seconds": 0.0}),
    "endless": ("TOO_LONG", {"duration_seconds": math.inf}),
    "ten hours": ("TOO_LONG", {"duration_seconds": 36_000.0}),
    "an odd side": ("SIZE_UNFIT", {"width": 1921}),
    "a wall": ("SIZE_UNFIT", {"width": 100_000}),
    "a stamp": ("SIZE_UNFIT", {"height": 2}),
    "a million frames a second": ("FRAME_RATE_UNFIT", {"fps": 1_000_000}),
    "no frames": ("FRAME_RATE_UNFIT", {"fps": 0}),
    "another theme": ("THEME_UNKNOWN", {"theme": "<b>karaoke</b>"}),
    "a million words": ("TEXT_TOO_LONG", {"lines": (Line((Word("la", 0, 1),) * 1_000_000),)}),
    "a novel in a line": ("TEXT_TOO_LONG", {"lines": (Line((Word("a" * 2000, 0, 1),)),)}),
    "a novel as a title": ("TEXT_TOO_LONG", {"title": "a" * 301}),
    "a word that ends before it begins": ("WORDS_UNFIT", {"lines": (Line((Word("la", 2, 1),)),)}),
    "a word at no time": ("WORDS_UNFIT", {"lines": (Line((Word("la", NAN, NAN),)),)}),
    "a word without letters": ("WORDS_UNFIT", {"lines": (Line((Word("\u202e", 0, 1),)),)}),
    "a line without words": ("WORDS_UNFIT", {"lines": (Line(()),)}),
    "levels that are none": ("MARKS_UNFIT", {"levels": (0.5, NAN)}),
    "beats before the song": ("MARKS_UNFIT", {"beats_seconds": (-1.0,)}),
    "a waveform of nothing": ("LEVELS_MISSING", {"theme": "waveform", "levels": ()}),
    "another codec": ("CODEC_UNKNOWN", {"coding": Coding("theora")}),
    "a codec that needs other hardware": ("CODEC_MISSING", {"coding": Coding("h264_vaapi")}),
    "a zoom of nothing": ("ZOOM_UNFIT", {"theme": "minimal", "is_zoomed": True}),
    "a cover that is missing": ("COVER_MISSING", {"theme": "cover"}),
    "a cover that is not there": ("UNREADABLE", {"theme": "cover", "cover": Path("nowhere.png")}),
}


@pytest.mark.parametrize("name", BAD)
def test_plan_is_refused_with_its_reason(name: str, tmp_path: Path) -> None:
    code, change = BAD[name]
    plan = make_plan(tmp_path / "song.m4a", **({"seconds": 12.0} | _rename(change)))
    with pytest.raises(EngineRefused) as refused:
        make_film(plan, tmp_path, lambda _fraction, _stage: None)
    assert refused.value.code == code
    assert list(tmp_path.iterdir()) == []


def test_song_that_is_no_song_is_refused(tmp_path: Path) -> None:
    (tmp_path / "song.m4a").write_bytes(b"no song")
    plan = make_plan(tmp_path / "song.m4a", "minimal", 240, 240, seconds=0.2)
    with pytest.raises(EngineRefused) as refused:
        make_film(plan, tmp_path, lambda _fraction, _stage: None)
    assert refused.value.code == "UNREADABLE"


def test_all_words_at_once_or_beyond_the_end_can_be_drawn(tmp_path: Path) -> None:
    for theme in ("karaoke", "pop", "minimal"):
        plan: FilmPlan = make_plan(
            tmp_path / "song.m4a",
            theme,
            480,
            270,
            seconds=2.0,
            lines=(Line((Word("now", 0, 0), Word("and", 0, 0))), Line((Word("later", 50, 60),))),
        )
        for frame in (0, 1, plan.frame_count - 1):
            assert draw_frame(plan, frame).size == (480, 270)


def _rename(change: dict[str, Any]) -> dict[str, Any]:
    return {"seconds" if name == "duration_seconds" else name: value for name, value in change.items()}
