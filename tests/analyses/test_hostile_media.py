"""Hostile media: refused or truthfully measured, with no other file read, no connection made, and within bounds."""

import ctypes
import os
import random
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest

from jobs.engines.media import MOST_PIXELS
from jobs.engines.probe import probe_media
from jobs.engines.recordings import decode_stereo
from jobs.engines.run import EngineRefused, Limits, run_engine
from tests.analyses.hostile import (
    CONTAINERS,
    LONGEST_SECONDS,
    Verdicts,
    flip_bits,
    ignore,
    name_others,
    probe_all,
    read_all,
    tone,
    wav_that_lies,
    write_silence,
    write_sound,
    write_video,
)

LIMITS = Limits(memory_bytes=2048 << 20, cpu_seconds=300, file_bytes=64 << 20)
MOST_MB = 700
FLIPS = 250  # of each container: a thousand in all
IN_OPEN = 0x20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "files"
    made.mkdir()
    return made


def judge(engine: Callable[..., Verdicts], folder: Path) -> Verdicts:
    """What an engine says of a folder, in a child with its limits; fails when the child dies or lets an error out."""
    out = folder.parent / "out"
    out.mkdir(exist_ok=True)
    verdicts = run_engine(engine, folder, out, report=lambda _fraction, _stage: None, limits=LIMITS)
    assert float(verdicts.pop("")) < MOST_MB
    return verdicts


def refusal_of(path: Path) -> str:
    """The code that both engines refuse a file with."""
    with pytest.raises(EngineRefused) as decoding:
        decode_stereo(path, ignore)
    with pytest.raises(EngineRefused) as probing:
        probe_media(path, path.parent, LONGEST_SECONDS, lambda _fraction, _stage: None)
    assert decoding.value.code == probing.value.code
    return decoding.value.code


@contextmanager
def watching(path: Path) -> Iterator[Callable[[], bool]]:
    """Whether somebody has opened a file meanwhile, as the kernel saw it."""
    libc = ctypes.CDLL(None, use_errno=True)
    watcher = libc.inotify_init1(os.O_NONBLOCK)
    try:
        assert libc.inotify_add_watch(watcher, os.fsencode(path), IN_OPEN) >= 0

        def was_opened() -> bool:
            try:
                return bool(os.read(watcher, 4096))
            except BlockingIOError:
                return False

        yield was_opened
    finally:
        os.close(watcher)


@pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")
def test_files_that_name_others_lead_nowhere(folder: Path) -> None:
    canary = write_sound(folder.parent / "canary.wav", "wav", "pcm_s16le", tone(1))
    with socket.create_server(("127.0.0.1", 0)) as server, watching(canary) as was_opened:
        server.setblocking(False)
        host, port = server.getsockname()
        for name, content in name_others(canary, f"{host}:{port}").items():
            (folder / name).write_bytes(content)
        (folder / canary.name).symlink_to(canary)  # so that a relative name would find it
        (folder / canary.name).unlink()
        for engine in (read_all, probe_all):
            assert set(judge(engine, folder).values()) <= {"UNREADABLE", 0.0}
        assert not was_opened()
        with pytest.raises(BlockingIOError):
            server.accept()
        canary.read_bytes()
        assert was_opened()  # the watch itself works


def test_hours_of_silence_are_counted_as_they_are_decoded(folder: Path) -> None:
    path = write_silence(folder / "silence.flac", hours=24)
    assert path.stat().st_size < 64 << 20
    assert refusal_of(path) == "TOO_LONG"
    assert judge(read_all, folder) == {path.name: "TOO_LONG"}


@pytest.mark.parametrize("declared_bytes", [0, 1, 1000, 2**31, 2**32 - 1])
def test_wav_that_lies_about_its_length_is_measured(folder: Path, declared_bytes: int) -> None:
    (folder / "lie.wav").write_bytes(wav_that_lies(declared_bytes))
    (seconds,) = judge(probe_all, folder).values()
    assert seconds == "UNREADABLE" or 0 <= float(seconds) <= 1.001


def test_many_streams_are_refused(folder: Path) -> None:
    path = write_sound(folder / "many.mkv", "matroska", "pcm_s16le", tone(0.05), streams=500)
    assert refusal_of(path) in ("TOO_MANY_STREAMS", "UNREADABLE")
    few = write_sound(folder / "few.mkv", "matroska", "pcm_s16le", tone(0.5), streams=8)
    assert decode_stereo(few, ignore).shape == (2, 22_050)


@pytest.mark.parametrize(
    ("rate", "channels", "code"),
    [(384_000, 1, "RATE_NOT_TAKEN"), (1_000, 1, "RATE_NOT_TAKEN"), (48_000, 64, "TOO_MANY_CHANNELS")],
)
def test_rates_and_channels_that_no_recording_has_are_refused(
    folder: Path, rate: int, channels: int, code: str
) -> None:
    (folder / "odd.wav").write_bytes(
        b"RIFF\xff\xff\xff\xffWAVEfmt "
        + struct.pack("<IHHIIHH", 16, 1, channels, rate, 2 * channels * rate, 2 * channels, 16)
        + b"data\x00\x80\x00\x00"
        + bytes(0x8000)
    )
    assert refusal_of(folder / "odd.wav") == code


def test_highest_rate_and_most_channels_are_taken(folder: Path) -> None:
    high = write_sound(folder / "high.wav", "wav", "pcm_s16le", tone(0.5, 192_000), rate=192_000)
    wide = write_sound(folder / "wide.wav", "wav", "pcm_s16le", tone(0.5, channels=2))
    assert [decode_stereo(path, ignore).shape[1] for path in (high, wide)] == [pytest.approx(22_050, abs=30)] * 2


def test_codec_that_is_not_on_the_list_is_refused(folder: Path) -> None:
    path = write_sound(folder / "old.mkv", "matroska", "ac3", tone(0.5))
    assert refusal_of(path) == "CODEC_NOT_TAKEN"


@pytest.mark.parametrize("end", CONTAINERS)
def test_thousand_broken_files_break_nothing(folder: Path, end: str) -> None:
    whole = write_sound(folder / f"whole.{end}", *CONTAINERS[end], tone(1, 48_000), 48_000).read_bytes()
    dice = random.Random(f"bits of {end}")
    for number in range(FLIPS):
        (folder / f"{number}.{end}").write_bytes(flip_bits(whole, dice))
    for share in range(1, 20):
        (folder / f"cut-{share}.{end}").write_bytes(whole[: len(whole) * share // 20])
    verdicts = judge(read_all, folder)
    assert verdicts[f"whole.{end}"] == pytest.approx(1, abs=0.1)
    assert len(verdicts) == FLIPS + 20
    assert any(isinstance(verdict, float) for name, verdict in verdicts.items() if not name.startswith("whole"))
    cut = [verdicts[f"cut-{share}.{end}"] for share in range(1, 20)]
    assert all(verdict == "UNREADABLE" or 0 <= float(verdict) <= 1.1 for verdict in cut)


def test_broken_films_break_nothing(folder: Path) -> None:
    whole = write_video(folder / "whole.mp4", 160, 90).read_bytes()
    dice = random.Random("bits of a film")
    for number in range(FLIPS):
        (folder / f"{number}.mp4").write_bytes(flip_bits(whole, dice))
    for share in range(1, 20):
        (folder / f"cut-{share}.mp4").write_bytes(whole[: len(whole) * share // 20])
    verdicts = judge(probe_all, folder)
    assert verdicts["whole.mp4"] == pytest.approx(1, abs=0.05)
    assert all(isinstance(verdict, str) or 0 <= verdict <= LONGEST_SECONDS for verdict in verdicts.values())


def test_mono_is_heard_as_loud_as_it_is(folder: Path) -> None:
    path = write_sound(folder / "mono.wav", "wav", "pcm_s16le", tone(1))
    assert np.abs(decode_stereo(path, ignore)).max() == pytest.approx(0.3, abs=0.001)


def test_stream_that_changes_its_rate_is_measured_by_what_it_holds(folder: Path) -> None:
    parts = [write_sound(folder / f"{rate}.mp3", "mp3", "libmp3lame", tone(2, rate), rate) for rate in (44_100, 32_000)]
    path = folder / "joined.mp3"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    assert decode_stereo(path, ignore).shape[1] / 44_100 == pytest.approx(4, abs=0.3)


def test_video_is_probed_by_what_is_in_it_and_gets_its_thumbnails(folder: Path) -> None:
    path = write_video(folder / "film.mp4", 1440, 720, frames=50)
    probe = probe_media(path, folder, LONGEST_SECONDS, lambda _fraction, _stage: None)
    assert (probe.kind, probe.sound) == ("video", None)
    assert probe.duration_seconds == pytest.approx(2, abs=0.05)
    assert probe.picture is not None
    assert (probe.picture.codec, probe.picture.width, probe.picture.height) == ("mpeg4", 1440, 720)
    assert probe.picture.frames_per_second == pytest.approx(25, abs=0.5)
    assert [(one.width, one.height) for one in probe.thumbnails] == [(320, 160), (640, 320), (1280, 640)]
    for one in probe.thumbnails:
        with av.open(str(one.path)) as picture:
            assert (picture.streams.video[0].width, picture.streams.video[0].height) == (one.width, one.height)


def test_sound_is_probed_without_pictures(folder: Path) -> None:
    path = write_sound(folder / "song.flac", "flac", "flac", tone(2, channels=2))
    probe = probe_media(path, folder, LONGEST_SECONDS, lambda _fraction, _stage: None)
    assert (probe.kind, probe.container, probe.duration_seconds) == ("audio", "flac", 2.0)
    assert probe.sound is not None
    assert (probe.sound.codec, probe.sound.sample_rate, probe.sound.channels) == ("flac", 44_100, 2)
    assert (probe.picture, probe.thumbnails) == (None, [])


@pytest.mark.parametrize(
    ("size", "rate", "code"), [((4096, 2160), 25, "TOO_LARGE"), ((64, 64), 240, "TOO_MANY_FRAMES")]
)
def test_video_that_is_too_much_is_refused(folder: Path, size: tuple[int, int], rate: int, code: str) -> None:
    path = write_video(folder / "film.mp4", *size, rate=rate, frames=2 if code == "TOO_LARGE" else rate)
    assert (code == "TOO_LARGE") == (size[0] * size[1] > MOST_PIXELS)
    with pytest.raises(EngineRefused) as refused:
        probe_media(path, folder, LONGEST_SECONDS, lambda _fraction, _stage: None)
    assert refused.value.code == code


def test_video_that_is_too_long_is_refused_by_its_frames(folder: Path) -> None:
    path = write_video(folder / "film.mp4", 64, 64, frames=100)
    with pytest.raises(EngineRefused, match="TOO_LONG"):
        probe_media(path, folder, 3.0, lambda _fraction, _stage: None)
