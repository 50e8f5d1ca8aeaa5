"""The waveform of a shared track as a few bars, drawn into the page so that it shows without a script."""

from itertools import pairwise

import orjson

from server.errors import Unavailable
from server.logs import get_logger
from storage.blobs import BlobMissing, BlobStore

BARS = 100
HEIGHT = 100
MAX_PEAKS_BYTES = 1024 * 1024  # eight thousand pixels make sixty thousand bytes
REMEMBERED = 512

log = get_logger(__name__)


class Waveforms:
    """Reads peaks once; they lie under keys that are never written again."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._bars: dict[str, tuple[float, ...]] = {}

    async def find_bars(self, key: str) -> tuple[float, ...]:
        """How high each bar stands, from 0 to 1; none when the file is out of reach, for the page works without."""
        if key not in self._bars:
            try:
                text = b"".join([chunk async for chunk in self._blobs.read(key, length=MAX_PEAKS_BYTES)])
            except (BlobMissing, Unavailable) as error:
                log.warning("peaks.unread", key=key, error=error.message)
                return ()
            self._remember(key, read_bars(text))
        return self._bars[key]

    def _remember(self, key: str, bars: tuple[float, ...]) -> None:
        if len(self._bars) >= REMEMBERED:
            self._bars.pop(next(iter(self._bars)))
        self._bars[key] = bars


def read_bars(text: bytes) -> tuple[float, ...]:
    """The bars of an audiowaveform document of one channel."""
    peaks = orjson.loads(text)["data"]
    pixels = [high - low for low, high in zip(peaks[::2], peaks[1::2], strict=True)]
    count = min(BARS, len(pixels))
    edges = [len(pixels) * n // count for n in range(count + 1)] if count else []
    stretches = [pixels[start:end] for start, end in pairwise(edges)]
    heights = [(sum(stretch) / len(stretch) + max(stretch)) / 2 for stretch in stretches]
    top = max(heights, default=0) or 1
    return tuple(round(height / top, 3) for height in heights)


def write_path(bars: tuple[float, ...]) -> str:
    """The bars as an SVG path, `len(bars)` wide and `HEIGHT` high."""
    reaches = (max(2, round(bar * (HEIGHT - 8) / 2)) for bar in bars)
    return "".join(f"M{n}.5 {HEIGHT // 2 - reach}v{2 * reach}" for n, reach in enumerate(reaches))
