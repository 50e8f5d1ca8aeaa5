"""What was asked for and is not in the song is said, and nothing else is."""

from typing import Any

import pytest

from jobs.engines.music import SongPlan
from jobs.engines.music.compose import compose
from jobs.engines.music.unmet import list_unmet


def unmet(prompt: str, style: str | None = "pop", **more: Any) -> list[str]:
    plan = SongPlan(prompt, 30, 1, style, **more)
    return list_unmet(plan, compose(plan)[1])


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("pop in 7/8", "The song is in 4/4, as pop is, and not in 7/8"),
        ("a slow 3/4 tune", "The song is in 4/4, as pop is, and not in 3/4"),
        ("pop at 300 bpm", "The song is at 150 bpm, for nobody plays it at 300 bpm"),
        ("pop at 40 bpm", "The song is at 80 bpm, for nobody plays it at 40 bpm"),
    ],
)
def test_wish_that_the_song_does_not_follow_is_told(prompt: str, said: str) -> None:
    assert unmet(prompt) == [said]


@pytest.mark.parametrize(
    "prompt",
    ["a song", "pop in 4/4 at 120 bpm in C# minor", "a song of 9/11", "German techno, in french style", "24/7 pop"],
)
def test_nothing_is_told_where_nothing_is_amiss(prompt: str) -> None:
    assert unmet(prompt) == unmet(prompt, has_vocals=True) == []


def test_lyrics_that_nobody_sings_are_told() -> None:
    assert unmet("pop", lyrics="la la la") == ["Nobody sings the lyrics: ask for a track with hasVocals"]
    assert unmet("pop", lyrics=" \n") == []
    assert unmet("pop", lyrics="la la la", has_vocals=True) == []


@pytest.mark.parametrize(
    "prompt", ["pop, sung in Spanish", "a ballad in French, slow", "japanese vocals, city pop", "lyrics in hindi"]
)
def test_language_that_the_voice_does_not_speak_is_told(prompt: str) -> None:
    (said,) = unmet(prompt, has_vocals=True)
    assert said.startswith("The voice speaks English; ")
    assert unmet(prompt) == []


def test_tempo_that_is_not_played_is_not_claimed() -> None:
    assert "tempo 300 bpm" not in compose(SongPlan("pop at 300 bpm", 30, 1, None))[1].understood
