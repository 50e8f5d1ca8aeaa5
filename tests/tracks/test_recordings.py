"""Recordings of others: in whatever form they come they leave as our own songs do, and what is no song is refused."""

from pathlib import Path

import av
import numpy as np
import pytest

from jobs.engines.recordings import LONGEST_SECONDS, finish_recording
from jobs.engines.run import EngineRefused
from tests.fakes.vendor import make_wav

SECONDS = 3
LISTS_OF_FILES = {
    "concat": "ffconcat version 1.0\nfile {song}\n",
    "playlist": "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{song}\n#EXT-X-ENDLIST\n",
    "description": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=-\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
}


def ignore(_fraction: float, _stage: str) -> None:
    """A listener that does not care."""


def write_tone(path: Path, container: str, codec: str, rate: int) -> None:
    samples = (0.1 * np.sin(np.arange(SECONDS * rate) * 2 * np.pi * 440 / rate)).astype(np.float32)
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(stream, av.AudioStream)
        resampler = av.AudioResampler(format=stream.format, layout="mono", rate=rate, frame_size=1024)
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate = rate
        for block in (*resampler.resample(frame), *resampler.resample(None)):
            out.mux(stream.encode(block))
        out.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [("mp3", "libmp3lame", 44_100), ("wav", "pcm_s24le", 48_000), ("flac", "flac", 32_000), ("mp4", "aac", 48_000)],
)
def test_recording_in_any_usual_form_is_finished(tmp_path: Path, container: str, codec: str, rate: int) -> None:
    write_tone(tmp_path / "recording", container, codec, rate)
    heard: list[float] = []
    made = finish_recording(tmp_path / "recording", tmp_path, lambda fraction, _stage: heard.append(fraction))
    assert made.lufs == pytest.approx(-14, abs=0.5)
    assert made.true_peak_dbtp <= -1
    assert made.duration_seconds == pytest.approx(SECONDS, abs=0.1)
    assert all(path.stat().st_size for path in (made.mix, made.master, made.peaks))
    assert heard == sorted(heard)
    assert heard[-1] == 1


@pytest.mark.parametrize(
    ("code", "content"),
    [
        ("UNREADABLE", b""),
        ("UNREADABLE", b"<html>sign in</html>"),
        ("UNREADABLE", b"\x00\x01" * 9000),
        ("SILENT", make_wav(0.25)),
        ("TOO_LONG", make_wav(LONGEST_SECONDS + 1, rate=4000)),
    ],
    ids=["empty", "page", "noise", "short", "long"],
)
def test_what_is_no_song_is_refused(tmp_path: Path, code: str, content: bytes) -> None:
    (tmp_path / "recording").write_bytes(content)
    with pytest.raises(EngineRefused) as refused:
        finish_recording(tmp_path / "recording", tmp_path, ignore)
    assert refused.value.code == code


@pytest.mark.parametrize("kind", LISTS_OF_FILES)
def test_file_that_names_others_is_not_followed(tmp_path: Path, kind: str) -> None:
    (tmp_path / "other.wav").write_bytes(make_wav(SECONDS, rate=44_100))
    (tmp_path / "recording").write_text(LISTS_OF_FILES[kind].format(song="other.wav"))
    with pytest.raises(EngineRefused) as refused:
        finish_recording(tmp_path / "recording", tmp_path, ignore)
    assert refused.value.code == "UNREADABLE"
