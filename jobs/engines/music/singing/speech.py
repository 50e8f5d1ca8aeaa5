"""The spoken voice: espeak-ng says each word once, and its samples become sounds that can be sung."""

import importlib
import logging
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from jobs.engines import espeak
from jobs.engines.espeak import Utterance, read_answer, write_request
from jobs.engines.music.singing.sounds import (
    BINS,
    FLOOR,
    HOP,
    RATE,
    Envelopes,
    Phone,
    Samples,
    Syllable,
    has_noise,
    is_unvoiced,
    stress_of,
    syllabify,
)

logger = logging.getLogger(__name__)

PACKAGE = "espeakng_loader"
_SECONDS = 60.0  # a word takes a millisecond; the longest song has some thousand
_TRANSFORM = 1024
_PITCH = 60
_SMOOTH_HZ = 190.0  # somewhat more than the pitch that it speaks at, so that no partial shows
_WINDOW = 440  # three periods at the least
_NOISE_FROM_HZ, _TONE_TO_HZ = 2_500.0, 2_200.0  # of sounds that are both
_EDGE = 66  # 3 ms


class SpeechFailed(Exception):
    """espeak-ng is there and did not speak."""


def find_library() -> tuple[str, str] | None:
    """The library and the folder of its voices, where the extra `sing` is installed."""
    try:
        loader = importlib.import_module(PACKAGE)
    except ImportError:
        return None
    return str(loader.get_library_path()), str(loader.get_data_path())


def pronounce(library: tuple[str, str], voices: dict[str, list[str]]) -> dict[tuple[str, str], tuple[Syllable, ...]]:
    """The syllables of the words of each voice; a word of which it says nothing has none."""
    utterances = _speak(library, voices)
    asked = [(voice, word) for voice, words in voices.items() for word in words]
    return {key: _hear(utterance) for key, utterance in zip(asked, utterances, strict=True)}


def _speak(library: tuple[str, str], voices: dict[str, list[str]]) -> Iterable[Utterance]:
    command = [sys.executable, "-I", str(Path(espeak.__file__).resolve())]
    request = write_request(*library, voices, _PITCH)
    try:
        ended = subprocess.run(  # noqa: S603 - our own file, and nothing of the song among its arguments
            command, input=request, capture_output=True, timeout=_SECONDS, check=True, env={}
        )
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", b"") or b""
        logger.warning("espeak-ng did not speak: %s %s", error, said.decode(errors="replace")[-500:])
        raise SpeechFailed(str(error)) from error
    return read_answer(ended.stdout)


def _hear(utterance: Utterance) -> tuple[Syllable, ...]:
    samples = (np.frombuffer(utterance.samples, "<i2") / 32768).astype(np.float32)
    starts = [at for _, at in utterance.phonemes]
    ends = [*starts[1:], len(samples)]
    envelopes = _envelopes_of(samples)
    phones = [
        _phone(name, samples, envelopes, start, min(end, len(samples)))
        for (name, start), end in zip(utterance.phonemes, ends, strict=True)
        if name and name[0] not in "_()" and end - start >= HOP and start < len(samples)
    ]
    return syllabify(phones) if phones else ()


def _phone(name: str, samples: Samples, envelopes: Envelopes, start: int, end: int) -> Phone:
    noise = tone = None
    if is_unvoiced(name) or has_noise(name):
        noise = _faded(samples[start:end] if is_unvoiced(name) else _high(samples[start:end]))
    if not is_unvoiced(name):
        tone = envelopes[start // HOP : max(end // HOP, start // HOP + 1)]
        if has_noise(name):
            hertz = np.linspace(0, RATE / 2, BINS)
            tone = np.maximum(tone - np.clip(hertz / _TONE_TO_HZ - 1, 0, 6).astype(np.float32), FLOOR)
    return Phone(name, tone, noise, stress_of(name))


def _envelopes_of(samples: Samples) -> Envelopes:
    """The power around each hop, smoothed until no partial shows."""
    padded = np.pad(samples, (_WINDOW // 2, _WINDOW))
    window = np.hanning(_WINDOW).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[: len(samples) + 1 : HOP] * window
    power = np.abs(np.fft.rfft(frames, _TRANSFORM)) ** 2 / np.sum(window**2)
    width = round(_SMOOTH_HZ / (RATE / _TRANSFORM)) | 1
    mirrored = np.pad(power, ((0, 0), (width // 2 + 1, width // 2)), mode="reflect")
    sums = np.cumsum(mirrored, axis=1)
    smooth = (sums[:, width:] - sums[:, :-width]) / width
    return np.maximum(0.5 * np.log(np.maximum(smooth[:, ::2], 1e-14)), FLOOR).astype(np.float32)


def _high(samples: Samples) -> Samples:
    spectrum = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(len(samples), 1 / RATE)
    return np.asarray(np.fft.irfft(spectrum * np.clip(hertz / _NOISE_FROM_HZ - 0.6, 0, 1), len(samples)), np.float32)


def _faded(samples: Samples) -> Samples:
    edge = min(_EDGE, len(samples) // 2)
    ramp = np.linspace(0, 1, edge, dtype=np.float32)
    faded = samples.copy()
    faded[:edge] *= ramp
    faded[len(faded) - edge :] *= ramp[::-1]
    return faded
