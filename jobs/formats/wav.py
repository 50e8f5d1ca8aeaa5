"""16-bit stereo WAV, written block by block with a dither that is the same on every run."""

import struct
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 44_100
FULL_SCALE = 32_767
_HEADER_BYTES = 44
_DITHER_SEED = 1770
_TAG_NAMES = {"title": b"INAM", "comment": b"ICMT"}


class WavWriter:
    """Takes float blocks of shape (channels, samples) in -1..1; a context manager that closes its file."""

    def __init__(
        self,
        path: Path,
        *,
        channels: int = 2,
        sample_rate: int = SAMPLE_RATE,
        tags: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._channels, self._sample_rate = channels, sample_rate
        self._tags = _write_tags(tags)
        self._rng = np.random.default_rng(_DITHER_SEED)
        self._written_bytes = 0
        self._file = path.open("wb")
        self._file.write(b"\0" * _HEADER_BYTES)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, block: NDArray[np.float32]) -> None:
        """Add one block."""
        frames = np.ascontiguousarray(block.T) * np.float32(FULL_SCALE)
        frames += self._dither(frames.shape)
        samples = np.rint(frames).clip(-FULL_SCALE - 1, FULL_SCALE).astype("<i2").tobytes()
        self._file.write(samples)
        self._written_bytes += len(samples)

    def close(self) -> None:
        """Write the header, now that the length is known."""
        if self._file.closed:
            return
        self._file.write(self._tags)
        self._file.seek(0)
        self._file.write(self._header())
        self._file.close()

    def _dither(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Triangular noise of one step: the difference of two uniform ones."""
        noise = self._rng.random((shape[0] + 1, *shape[1:]), dtype=np.float32)
        return np.diff(noise, axis=0)

    def _header(self) -> bytes:
        frame_bytes = 2 * self._channels
        riff_bytes = _HEADER_BYTES - 8 + self._written_bytes + len(self._tags)
        return struct.pack(
            "<4sI4s4sIHHIIHH4sI",
            *(b"RIFF", riff_bytes, b"WAVE", b"fmt ", 16, 1, self._channels),
            *(self._sample_rate, self._sample_rate * frame_bytes, frame_bytes, 16, b"data", self._written_bytes),
        )


def _write_tags(tags: Mapping[str, str]) -> bytes:
    """The tags as a chunk that stands behind the samples; nothing when there are none."""
    parts = b"".join(_write_chunk(_TAG_NAMES[name], text.encode() + b"\0") for name, text in tags.items())
    return _write_chunk(b"LIST", b"INFO" + parts) if parts else b""


def _write_chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of RIFF, which begins at an even place; the filling is not counted."""
    return struct.pack("<4sI", name, len(content)) + content + b"\0" * (len(content) % 2)
