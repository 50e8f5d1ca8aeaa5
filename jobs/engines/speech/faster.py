"""The quick engine: Whisper by CTranslate2 in 8-bit integers; known words are aligned by force, window after window."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer

from jobs.engines.run import EngineRefused, Report
from jobs.engines.speech.anchors import Window, cut_windows, place_words
from jobs.engines.speech.heads import ModelBroken, link_model
from jobs.engines.speech.words import Samples, Text, Timed, break_lines, make_lines
from jobs.formats.lyrics import Line
from jobs.formats.lyrics.lines import clean

_RATE = 16_000
_FRAMES_PER_SECOND = 100
_WINDOW_FRAMES = 3000
_MOST_TOKENS = 400  # a model takes 448 with its own
_SHORTEST_WINDOW_SECONDS = 0.1
_FAR_SECONDS = 1.0  # what a transcript heard that far from where it is aligned is believed
_AGREEING_SECONDS = 0.35
_BABBLE = 2.4  # a text that compresses better than this repeats itself
_FALLBACK_LANGUAGE = "en"
_LISTENED = 0.6  # share of the work


def open_engine(model: Path, threads: int) -> "FasterWhisper":
    """The engine with its model; refuses one that cannot be loaded."""
    try:
        linked = link_model(model, Path(tempfile.mkdtemp()))
        loaded = WhisperModel(
            str(linked), device="cpu", compute_type="int8", cpu_threads=threads, num_workers=1, local_files_only=True
        )
    except (ModelBroken, RuntimeError, OSError, ValueError) as error:
        raise EngineRefused("SPEECH_MODEL_MISSING", f"The speech model cannot be loaded ({error})"[:500]) from error
    return FasterWhisper(loaded)


class FasterWhisper:
    """A loaded model."""

    def __init__(self, model: WhisperModel) -> None:
        self._model = model

    def transcribe(self, samples: Samples, language: str | None, report: Report) -> tuple[list[Line], str]:
        """The words that are heard, as lines, and their language."""
        if language is not None and language not in self._model.supported_languages:
            raise EngineRefused("LANGUAGE_UNKNOWN", f"The speech model does not know the language {language!r}")
        heard, found = self._listen(samples, language, report, leaves_out_noise=True)
        return break_lines(heard, len(samples) / _RATE), found

    def align(self, samples: Samples, text: Text, language: str | None, report: Report) -> list[Line] | None:
        """When these words are heard, every one of them; None when too few of them are."""
        language = language if language in self._model.supported_languages else None
        heard, found = self._listen(samples, language, report, leaves_out_noise=False)
        duration = len(samples) / _RATE
        placed = place_words(text, heard, duration)
        if placed is None:
            return None
        words, anchored = placed
        tokenizer = Tokenizer(
            self._model.hf_tokenizer, self._model.model.is_multilingual, task="transcribe", language=found
        )
        timed: list[Timed] = []
        windows = cut_windows(text, words, duration)
        for done, window in enumerate(windows):
            report(_LISTENED + (1 - _LISTENED) * done / len(windows), "aligning")
            timed += self._align_window(tokenizer, samples, words, window)
        for n in anchored:
            _weigh(timed[n], words[n])
        return make_lines(text, timed, duration)

    def _listen(
        self, samples: Samples, language: str | None, report: Report, *, leaves_out_noise: bool
    ) -> tuple[list[Timed], str]:
        report(0.0, "listening")
        if not len(samples):
            return [], language or _FALLBACK_LANGUAGE
        segments, told = self._model.transcribe(
            samples,
            language=language,
            beam_size=1,
            temperature=0.0,
            word_timestamps=True,
            condition_on_previous_text=False,
            vad_filter=leaves_out_noise,
        )
        heard: list[Timed] = []
        for segment in segments:
            report(_LISTENED * min(segment.end * _RATE / len(samples), 1.0), "listening")
            if segment.compression_ratio <= _BABBLE:
                heard += [
                    Timed(clean(word.word), float(word.start), float(word.end), float(word.probability))
                    for word in segment.words or ()
                    if clean(word.word)
                ]
        return heard, told.language

    def _align_window(
        self, tokenizer: Tokenizer, samples: Samples, words: Sequence[Timed], window: Window
    ) -> list[Timed]:
        """The words of one window where the model attends to them; as they were placed where it cannot tell."""
        own = words[window.first : window.last]
        sound = samples[int(window.start * _RATE) : int(window.end * _RATE)]
        if len(sound) < _SHORTEST_WINDOW_SECONDS * _RATE:
            return [Timed(word.text, word.start, word.end, 0.0) for word in own]
        features = self._model.feature_extractor(sound)[:, :-1][:, :_WINDOW_FRAMES]
        frames = features.shape[-1]
        encoded = self._model.encode(np.pad(features, ((0, 0), (0, _WINDOW_FRAMES - frames))))
        tokens = tokenizer.encode(" " + " ".join(_disarm(word.text) for word in own))
        pieces = self._model.find_alignment(tokenizer, [tokens[:_MOST_TOKENS]], encoded, frames)[0]
        return list(_gather(own, pieces, window.start))


def _disarm(text: str) -> str:
    """Without the brackets that the tokenizer reads as its own commands."""
    return text.replace("<|", "< |")


def _gather(own: Sequence[Timed], pieces: Sequence[Any], offset: float) -> Iterator[Timed]:
    """Join the pieces that a tokenizer cuts words into, by their letters."""
    edges = np.cumsum([0, *(_count_letters(piece["word"]) for piece in pieces)])
    first = 0
    for word in own:
        last = first + _count_letters(word.text)
        begins, ends = (int(np.searchsorted(edges, place, "right")) - 1 for place in (first, last - 1))
        first = last
        if ends >= len(pieces):
            yield Timed(word.text, word.start, word.end, 0.0)
            continue
        sure = float(np.mean([piece["probability"] for piece in pieces[begins : ends + 1]]))
        start, end = float(pieces[begins]["start"]), float(pieces[ends]["end"])
        yield Timed(word.text, offset + start, offset + end, sure)


def _count_letters(text: str) -> int:
    return len("".join(text.split()))


def _weigh(timed: Timed, heard: Timed) -> None:
    """Believe what two ways of listening agree on; where they are far apart, the one that heard the word alone."""
    apart = abs(timed.start - heard.start)
    if apart > _FAR_SECONDS:
        timed.start, timed.end = heard.start, heard.end
    agreement = 1.0 if apart < _AGREEING_SECONDS else 0.0
    timed.confidence = (timed.confidence + agreement) / 2
