"""When each word of a song is heard: known words are placed, unknown ones written down, by one engine of three."""

import os
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal, Protocol

from jobs.engines.recordings import decode_mono
from jobs.engines.run import EngineRefused, Report
from jobs.engines.speech.beats import estimate_lines
from jobs.engines.speech.words import Samples, Text, read_text
from jobs.formats.lyrics import Line

EngineName = Literal["faster-whisper", "whisper-timestamped", "beats"]
Source = Literal["ALIGNED", "TRANSCRIBED", "BEAT_ESTIMATE"]
MODEL_MISSING = "SPEECH_MODEL_MISSING"
RATE = 16_000
_DECODED = 0.1  # share of the work

_MODULES = {
    "faster-whisper": ("jobs.engines.speech.faster", "speech"),
    "whisper-timestamped": ("jobs.engines.speech.timestamped", "whisper"),
}


@dataclass(frozen=True)
class SpeechPlan:
    """How to listen: by which engine and model, for which words; without a text the words are written down."""

    engine: EngineName
    model: Path | None = None
    threads: int = 1
    text: str | None = None
    language: str | None = None


@dataclass(frozen=True)
class Heard:
    """Lines with times, how they were found, and the language if that is known."""

    source: Source
    engine: EngineName
    language: str | None
    lines: list[Line]


class Engine(Protocol):
    """What every engine with a model can do; it refuses a model that it cannot load when it is opened."""

    def transcribe(self, samples: Samples, language: str | None, report: Report) -> tuple[list[Line], str]:
        """The words that are heard, as lines, and their language."""
        ...

    def align(self, samples: Samples, text: Text, language: str | None, report: Report) -> list[Line] | None:
        """When these words are heard, every one of them; None when too few of them are."""
        ...


def time_words(recording: Path, plan: SpeechPlan, report: Report) -> Heard:
    """Listen to a file for words; where an engine does not hear those that it was given, the beat places them."""
    text = None if plan.text is None else read_text(plan.text)
    if plan.engine == "beats":
        if text is None:
            raise EngineRefused(MODEL_MISSING, "Words cannot be written down without a speech model; give the text")
        return _estimate(recording, text, plan, report)
    report(0.0, "loading")
    engine = _open_engine(plan)
    report(0.05, "decoding")
    samples = decode_mono(recording, RATE, lambda fraction: report(0.05 + 0.05 * fraction, "decoding"))
    if text is None:
        lines, language = engine.transcribe(samples, plan.language, _after(_DECODED, report))
        return Heard("TRANSCRIBED", plan.engine, language, lines)
    aligned = engine.align(samples, text, plan.language, _after(_DECODED, report))
    if aligned is None:
        return _estimate(recording, text, plan, report)
    return Heard("ALIGNED", plan.engine, plan.language, aligned)


def _open_engine(plan: SpeechPlan) -> Engine:
    """The engine with its model, imported only now: each brings hundreds of megabytes."""
    name, extra = _MODULES[plan.engine]
    if plan.model is None or not plan.model.exists():
        raise EngineRefused(MODEL_MISSING, f"The speech model {plan.model or ''} is not there; see SPEECH_MODEL")
    os.environ.update(OMP_WAIT_POLICY="PASSIVE", KMP_BLOCKTIME="0")  # else idle threads spin on cores that others need
    try:
        module = import_module(name)
    except ImportError as error:
        raise EngineRefused(MODEL_MISSING, f"{plan.engine} is not installed; it is the extra `{extra}`") from error
    engine: Engine = module.open_engine(plan.model, plan.threads)
    return engine


def _estimate(recording: Path, text: Text, plan: SpeechPlan, report: Report) -> Heard:
    return Heard("BEAT_ESTIMATE", "beats", plan.language, estimate_lines(recording, text, report))


def _after(share: float, report: Report) -> Report:
    return lambda fraction, stage: report(share + (1 - share) * fraction, stage)
