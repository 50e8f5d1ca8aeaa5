"""The named engine: whisper-timestamped on PyTorch, which reads a checkpoint of this machine and downloads nothing."""

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
import whisper_timestamped

from jobs.engines.run import EngineRefused, Report
from jobs.engines.speech.anchors import place_words
from jobs.engines.speech.words import Samples, Text, Timed, break_lines, make_lines, read_answer
from jobs.formats.lyrics import Line

_RATE = 16_000
_PIECE_SECONDS = 300  # it does not tell how far it is, so it is given some minutes at a time
_ANY = "en"


def open_engine(model: Path, threads: int) -> "WhisperTimestamped":
    """The engine with its checkpoint, a `.pt` file or a folder; refuses one that cannot be loaded."""
    torch.set_num_threads(threads)
    try:
        loaded = whisper_timestamped.load_model(str(model), device="cpu")
    except (RuntimeError, OSError, ValueError, KeyError, ImportError, EOFError, UnpicklingError) as error:
        raise EngineRefused("SPEECH_MODEL_MISSING", f"The speech model cannot be loaded ({error})"[:500]) from error
    return WhisperTimestamped(loaded)


class WhisperTimestamped:
    """A loaded checkpoint."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def transcribe(self, samples: Samples, language: str | None, report: Report) -> tuple[list[Line], str]:
        """The words that are heard, as lines, and their language."""
        heard, found = self._listen(samples, language, report)
        return break_lines(heard, len(samples) / _RATE), found

    def align(self, samples: Samples, text: Text, language: str | None, report: Report) -> list[Line] | None:
        """When these words are heard: those that it hears too at their times, the others between them."""
        heard, _ = self._listen(samples, language, report)
        placed = place_words(text, heard, len(samples) / _RATE)
        return None if placed is None else make_lines(text, placed[0], len(samples) / _RATE)

    def _listen(self, samples: Samples, language: str | None, report: Report) -> tuple[list[Timed], str]:
        heard: list[Timed] = []
        step = _PIECE_SECONDS * _RATE
        for start in range(0, len(samples), step):
            report(start / len(samples), "listening")
            piece = samples[start : start + step]
            answer = whisper_timestamped.transcribe(
                self._model, piece, language=language, temperature=0.0, condition_on_previous_text=False, verbose=None
            )
            language = language or answer["language"]
            heard += read_answer(answer, start / _RATE)
        return heard, language or _ANY
