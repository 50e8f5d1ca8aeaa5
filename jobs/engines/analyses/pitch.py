"""The pitch contour: what CREPE hears, made one line by the path that is likeliest as a whole."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jobs.engines.analyses.crepe import CENTS_PER_PITCH, LOWEST_CENTS, PITCHES, SAMPLE_RATE, frames_of, load_network
from jobs.engines.recordings import decode_mono
from jobs.engines.run import EngineRefused, Report

HOP_SECONDS = 0.01
_HOP = round(SAMPLE_RATE * HOP_SECONDS)
_SILENCE_DB = -60.0
_VOICED = 0.5  # of the network's own strength: below it hears no pitch, or several
_REACH = 4  # pitches to either side that share in a frequency
_STEP = 12  # pitches that the line may move in a frame: 240 cents
_SETTLED = 0.9  # of the progress: the rest is the path
_VERSION = 1


@dataclass(frozen=True)
class PitchContour:
    """A file with a frequency for every hundredth of a second, and what is to be said in brief."""

    contour: Path
    network: str
    voiced_share: float
    lowest_hertz: float | None
    median_hertz: float | None
    highest_hertz: float | None


def trace_pitch(path: Path, folder: Path, network: str, report: Report) -> PitchContour:
    """Follow the pitch of a recording; the file is JSON, with 0 where no pitch is heard."""
    report(0.0, "decoding")
    samples = decode_mono(path, SAMPLE_RATE, lambda fraction: report(0.05 * fraction, "decoding"))
    strengths = _listen(samples, network, report)
    report(_SETTLED, "pitch")
    hertz, confidence = settle(strengths)
    contour = folder / "pitch.json"
    document = {
        "version": _VERSION,
        "network": network,
        "hopSeconds": HOP_SECONDS,
        "hertz": [round(float(value), 2) for value in hertz],
        "confidence": [round(float(value), 3) for value in confidence],
    }
    contour.write_text(json.dumps(document, separators=(",", ":")))
    voiced = hertz[hertz > 0]
    low, middle, high = (
        (round(float(one), 2) for one in np.percentile(voiced, [5, 50, 95])) if len(voiced) else (None,) * 3
    )
    share = round(len(voiced) / len(hertz), 3) if len(hertz) else 0.0
    return PitchContour(contour, network, share, low, middle, high)


def _listen(samples: NDArray[np.float32], size: str, report: Report) -> NDArray[np.float32]:
    """The strength of every pitch in every frame; nothing in frames that are silent, which are not looked at."""
    try:
        network = load_network(size)
    except ModuleNotFoundError as missing:
        raise EngineRefused("MODEL_MISSING", str(missing)) from missing
    count = len(samples) // _HOP + 1
    strengths = np.zeros((count, PITCHES), np.float32)
    for start, frames in frames_of(samples, _HOP):
        level = np.sqrt(np.square(frames).mean(axis=1))
        heard = np.flatnonzero(level > 10 ** (_SILENCE_DB / 20))
        strengths[start + heard] = network.hear(frames[heard])
        report(min(0.05 + (_SETTLED - 0.05) * (start + len(frames)) / count, _SETTLED), "pitch")
    return strengths


def settle(strengths: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The frequency of each frame along the likeliest path, 0 where it is not voiced, and how sure it is."""
    path = _find_path(strengths)
    places = path[:, None] + np.arange(-_REACH, _REACH + 1)
    inside = (places >= 0) & (places < PITCHES)
    near = np.where(inside, strengths[np.arange(len(path))[:, None], np.clip(places, 0, PITCHES - 1)], 0).astype(float)
    weight = near.sum(axis=1)
    cents = LOWEST_CENTS + CENTS_PER_PITCH * (near * places).sum(axis=1) / np.maximum(weight, 1e-9)
    confidence = strengths[np.arange(len(path)), path].astype(np.float64)
    return np.where(confidence >= _VOICED, 10 * 2 ** (cents / 1200), 0.0), confidence


def _find_path(strengths: NDArray[np.float32]) -> NDArray[np.int64]:
    """Viterbi over the pitches: a line moves little from frame to frame, and may jump at a price."""
    if not len(strengths):
        return np.zeros(0, np.int64)
    likely = np.log(strengths + 1e-4)
    moves = np.arange(-_STEP, _STEP + 1)
    price = np.log(np.maximum(_STEP + 1 - np.abs(moves), 1) / (_STEP + 1) ** 2)
    jump = np.log(1e-4)
    best = likely[0].astype(np.float64)
    sources = np.empty((len(strengths), PITCHES), np.int16)
    pitches = np.arange(PITCHES)
    for frame in range(1, len(strengths)):
        padded = np.pad(best, _STEP, constant_values=-np.inf)
        options = np.lib.stride_tricks.sliding_window_view(padded, 2 * _STEP + 1) + price
        move = options.argmax(axis=1)
        reached = options[pitches, move]
        highest = int(best.argmax())
        is_jump = best[highest] + jump > reached
        sources[frame] = np.where(is_jump, highest, pitches + moves[move])
        best = np.where(is_jump, best[highest] + jump, reached) + likely[frame]
    path = np.empty(len(strengths), np.int64)
    path[-1] = int(best.argmax())
    for frame in range(len(strengths) - 1, 0, -1):
        path[frame - 1] = sources[frame, path[frame]]
    return path
