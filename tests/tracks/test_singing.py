"""Songs that are sung: in tune, on time, with every word, by either voice, and the same each time."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest

from jobs.engines.music import Song, SongPlan, render_song
from jobs.engines.music.compose import compose
from jobs.engines.music.singing import speech
from jobs.engines.music.singing.vocals import HIGH_FROM, LOW_FROM
from tests.tracks.voice_listening import Note, decode_mono, hear_cents, hear_changes

LYRICS = """[Verse 1]
Walking home beneath the amber lights
The river keeps its secrets through the nights

[Chorus]
Shine on, beautiful city
Carry me over the bridge of the evening
"""
PLAN = SongPlan("a warm evening in the city", 40, 11, "pop", has_vocals=True, lyrics=LYRICS)
SHORT = replace(PLAN, duration_seconds=8)
FOLDER = Path(mkdtemp(prefix="sung-"))
WITHOUT_EXTRA = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == "espeakng_loader":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
"""
RENDER = """
import json, sys
from pathlib import Path
from jobs.engines.music import *
from jobs.engines.music.compose import compose
plan = {plan!r}
song = render_song(plan, Path(sys.argv[1]), lambda *_: None)
notes = [(n.start_seconds, n.end_seconds, n.pitch) for line in compose(plan)[1].vocals.lines for n in line.notes]
print(json.dumps({{"kind": song.vocals.kind, "said": song.vocals.notes, "notes": notes, "stems": list(song.stems)}}))
"""


@pytest.fixture(scope="module", autouse=True)
def empty_folder() -> Iterator[None]:
    """The songs that the tests share go when the last test has looked at them."""
    yield
    rmtree(FOLDER)


def ignore(fraction: float, stage: str) -> None:
    """A listener that does not care."""


@cache
def song_of(plan: SongPlan) -> Song:
    """One rendering for all tests that only look at it."""
    return render_song(plan, Path(mkdtemp(dir=FOLDER)), ignore)


def run_apart(program: str, folder: Path, **environment: str) -> Any:
    """What a program prints that renders in a process of its own."""
    folder.mkdir(exist_ok=True)
    ran = subprocess.run(
        [sys.executable, "-c", program, str(folder)],
        check=True,
        timeout=100,
        capture_output=True,
        env={**os.environ, **environment},
    )
    return json.loads(ran.stdout)


def notes_of(plan: SongPlan) -> list[Note]:
    """The notes that one voice alone sings."""
    vocals = compose(plan)[1].vocals
    assert vocals is not None
    lines = [line for line in vocals.lines if not line.second]
    return [(note.start_seconds, note.end_seconds, note.pitch) for line in lines for note in line.notes]


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("prompt", ["a warm evening, female vocals", "a warm evening, male vocals"])
def test_the_voice_is_in_tune(prompt: str) -> None:
    plan = replace(PLAN, prompt=prompt)
    song = song_of(plan)
    assert song.vocals is not None
    assert song.vocals.kind == "SUNG"
    cents = hear_cents(decode_mono(song.stems["vocals"]), notes_of(plan))
    assert len(cents) > 800
    assert np.median(np.abs(cents)) <= 15
    assert np.mean(np.abs(cents) <= 50) >= 0.95


@pytest.mark.parametrize("style", ["waltz", "soul"])
def test_the_voice_is_in_tune_and_keeps_the_bar_in_three_and_in_twelve(style: str) -> None:
    plan = replace(PLAN, style=style)
    _, score = compose(plan)
    assert score.vocals is not None
    cents = hear_cents(decode_mono(song_of(plan).stems["vocals"]), notes_of(plan))
    assert len(cents) > 400
    assert np.median(np.abs(cents)) <= 15
    assert np.mean(np.abs(cents) <= 50) >= 0.95
    stressed = [
        note.start_seconds / score.grid.beat_seconds
        for line in score.vocals.lines
        for note in line.notes
        if note.syllable is not None and note.syllable.stress
    ]
    assert np.mean([abs(beat - round(beat)) < 0.01 for beat in stressed]) >= 0.5
    bars = [line.notes[0].start_seconds / score.grid.bar_seconds for line in score.vocals.lines]
    assert all(0 <= bar % 1 < 2 / score.grid.metre.beats + 0.01 for bar in bars)


def test_nobody_answers_while_somebody_sings() -> None:
    brief, score = compose(replace(PLAN, prompt="a song", style="synthwave", duration_seconds=120))
    assert score.vocals is not None
    layered = {layer.voice for layer in brief.style.layers}
    assert brief.style.counter not in layered
    answers = [note for note in score.chords if note.voice == brief.style.counter]
    assert answers
    for line in score.vocals.lines:
        start, end = line.sounds[0].start_seconds, line.sounds[-1].end_seconds
        assert not any(
            note.start_seconds < end and start < note.start_seconds + note.length_seconds for note in answers
        )


@pytest.mark.parametrize("style", ["techno", "waltz", "soul", "lofi", "ambient"])
@pytest.mark.parametrize(
    "prompt", ["a loop", "with a drop, no intro, fade out", "no melody", "only drums", "slow, 56 bpm"]
)
def test_every_form_is_sung_to_its_end(style: str, prompt: str) -> None:
    syllables = "a-b-c la " * 3 + "one two three four five six seven eight nine ten eleven twelve"
    for seconds, lyrics in ((8, None), (16, None), (16, syllables), (90, syllables)):
        vocals = compose(SongPlan(prompt, seconds, 4, style, has_vocals=True, lyrics=lyrics))[1].vocals
        assert vocals is not None
        starts = [note.start_seconds for line in vocals.lines for note in line.notes]
        assert starts == sorted(starts)
        assert vocals.lines[-1].sounds[-1].end_seconds < seconds


def test_a_melody_that_is_not_wanted_is_not_played_beside_the_voice() -> None:
    score = compose(replace(PLAN, prompt="no melody"))[1]
    assert score.vocals is not None
    assert not score.lead


def test_without_the_extra_a_built_voice_sings_in_tune_and_says_what_it_is(tmp_path: Path) -> None:
    told = run_apart(WITHOUT_EXTRA + RENDER.format(plan=PLAN), tmp_path / "built")
    assert told["kind"] == "VOCAL_LIKE"
    assert "espeakng-loader" in told["said"][0]
    assert told["stems"] == ["drums", "bass", "chords", "lead", "vocals"]
    cents = hear_cents(decode_mono(tmp_path / "built" / "vocals.m4a"), told["notes"])
    assert len(cents) > 800
    assert np.median(np.abs(cents)) <= 15
    assert np.mean(np.abs(cents) <= 50) >= 0.9


def test_a_voice_that_fails_is_replaced_and_said(tmp_path: Path) -> None:
    broken = tmp_path / "espeakng_loader.py"
    broken.write_text('def get_library_path(): return "/nonexistent.so"\ndef get_data_path(): return "/nonexistent"\n')
    told = run_apart(RENDER.format(plan=SHORT), tmp_path / "song", PYTHONPATH=str(tmp_path))
    assert told["kind"] == "VOCAL_LIKE"
    assert "failed" in told["said"][0]


def test_words_begin_where_their_times_say() -> None:
    song = song_of(PLAN)
    assert song.vocals is not None
    voice = decode_mono(song.stems["vocals"])
    starts = [word.start_seconds for line in song.vocals.lines for word in line.words]
    assert np.median(np.abs(hear_changes(voice, starts, 0.2))) <= 0.06
    late = [start + 0.15 for start in starts]
    assert np.median(np.abs(hear_changes(voice, late, 0.2))) > 0.06


def test_every_given_word_is_sung_in_order_and_words_do_not_overlap() -> None:
    song = song_of(PLAN)
    assert song.vocals is not None
    assert (song.vocals.source, song.vocals.notes) == ("GIVEN", ())
    sung = {word.text for line in song.vocals.lines for word in line.words}
    assert sung == {word for line in LYRICS.splitlines() if not line.startswith("[") for word in line.split()}
    words = [word for line in song.vocals.lines for word in line.words]
    for word, following in pairwise(words):
        assert 0 <= word.start_seconds < word.end_seconds <= following.start_seconds + 0.002
    assert words[-1].end_seconds < song.duration_seconds


def test_between_lines_there_is_a_breath_and_the_range_is_a_tenth() -> None:
    for seed in range(4):
        vocals = compose(replace(PLAN, seed=seed))[1].vocals
        assert vocals is not None
        lowest = HIGH_FROM if vocals.is_high else LOW_FROM
        pitches = [note.pitch for line in vocals.lines for note in line.notes]
        assert lowest <= min(pitches)
        assert max(pitches) <= lowest + 16
        for line, following in pairwise(vocals.lines):
            assert following.notes[0].start_seconds - line.notes[-1].end_seconds >= 0.3


def test_the_chorus_comes_back_with_the_same_rhythm() -> None:
    vocals = compose(replace(PLAN, duration_seconds=150))[1].vocals
    assert vocals is not None
    choruses = [line for line in vocals.lines if line.timed.text.startswith("Shine on")]
    assert len(choruses) >= 2
    rhythms = [[note.start_seconds - line.notes[0].start_seconds for note in line.notes] for line in choruses]
    assert any(other == pytest.approx(rhythms[0]) for other in rhythms[1:])
    assert any(line.second for line in choruses)


def test_what_finds_no_room_is_said() -> None:
    long = "\n".join(f"This is the line that has the number {number}" for number in range(1, 40))
    vocals = compose(replace(PLAN, lyrics=long, duration_seconds=20))[1].vocals
    assert vocals is not None
    assert any("of 39 lines found no room in 20 s" in note for note in vocals.notes)


def test_without_lyrics_words_are_written_that_fit_the_prompt() -> None:
    vocals = compose(replace(PLAN, prompt="dark synthwave about dragons", lyrics=None))[1].vocals
    assert vocals is not None
    assert vocals.source == "WRITTEN"
    assert "dragons" in " ".join(line.timed.text for line in vocals.lines).lower()


def test_one_plan_gives_the_same_bytes_also_in_another_process(tmp_path: Path) -> None:
    here, again = tmp_path / "here", tmp_path / "again"
    for folder in (here, again):
        folder.mkdir()
        render_song(SHORT, folder, ignore)
    run_apart(RENDER.format(plan=SHORT), tmp_path / "other")
    assert len(digests(here)) == 9
    assert digests(here) == digests(again) == digests(tmp_path / "other")


HOSTILE = {
    "five thousand letters": "la " * 1666,
    "one word": "a" * 2000,
    "one word of consonants": "x" * 2000,
    "emoji": "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467 love \u2764\ufe0f you \U0001f1e9\U0001f1ea",
    "right to left": "\u0645\u0631\u062d\u0628\u0627 \u0628\u0643\u0645\n\u05e9\u05dc\u05d5\u05dd \u202erevo\u202c",
    "control characters": "one\x01two\x1b[31mred\x7f\tthree\u2028four\r\nfive\x0b",
    "speech markup": '<speak><audio src="http://evil.test/a.wav"/><prosody rate="9">Hello</prosody></speak>',
    "phonemes": "[[h@l'oU]] [[[[ ]] world",
    "numbers": "123456789012345678901234567890 1e999 99 red balloons",
    "no words at all": "\u2764 \u2764 ... --- !!!",
    "no spaces": "\u4f60\u597d\u4e16\u754c\u3053\u3093\u306b\u3061\u306f" * 20,
    "marks on marks": "Z\u0351\u036b\u0343\u036aa\u0308\u0301l\u0334g\u0335o\u0336 \ufeff\ufffd \ud7ff",
    "headings alone": "[verse]\n[chorus]\n[bridge]",
    "many lines": "no\n" * 1600,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_lyrics_end_in_a_song(name: str) -> None:
    song = song_of(replace(PLAN, lyrics=HOSTILE[name][:5000], duration_seconds=6))
    assert song.vocals is not None
    assert song.vocals.kind == "SUNG"
    assert song.vocals.lines
    for line in song.vocals.lines:
        assert line.words
        assert not any(ord(letter) < 32 or letter in "<>" for letter in line.text)
    assert -14.6 <= song.lufs <= -13.4


def test_the_sheet_has_the_words_below_the_notes() -> None:
    sheet = song_of(PLAN).midi.read_bytes()
    assert b"vocals" in sheet
    for syllable in (b"home ", b"Shine ", b"ci-", b"ty "):
        assert syllable in sheet


def test_a_library_that_cannot_be_loaded_is_a_failure_with_its_name() -> None:
    with pytest.raises(speech.SpeechFailed):
        speech.pronounce(("/nonexistent.so", "/nonexistent"), {"en-us": ["hello"]})
