"""Files that are encoded beside the work: a thread for each, fed block by block."""

import queue
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from jobs.engines.music.voices import Signal
from jobs.formats.m4a import M4aWriter

_WAITING_BLOCKS = 4
_PATIENCE_SECONDS = 0.2


class BackgroundM4a:
    """An M4A that a thread encodes; leaving it well waits for the file, leaving it by an error throws the file away."""

    def __init__(
        self, path: Path, *, bits_per_second: int, channels: int, beat: Callable[[], None], tags: Mapping[str, str]
    ) -> None:
        self._path, self._rate, self._channels, self._beat, self._tags = path, bits_per_second, channels, beat, tags
        self._blocks: queue.Queue[Signal | None] = queue.Queue(_WAITING_BLOCKS)
        self._abandoned = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._encode, name=f"encode {path.name}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._abandoned.set()
            self._thread.join()
            return
        try:
            self._put(None)
            self._join()
        except BaseException:
            self._abandoned.set()
            self._thread.join()
            raise

    def write(self, block: Signal) -> None:
        """Hand over one block; it must not change afterwards."""
        self._put(block)

    def _put(self, block: Signal | None) -> None:
        while self._error is None:
            try:
                return self._blocks.put(block, timeout=_PATIENCE_SECONDS)
            except queue.Full:
                self._beat()
        raise self._error

    def _join(self) -> None:
        while self._thread.is_alive():
            self._thread.join(_PATIENCE_SECONDS)
            self._beat()
        if self._error is not None:
            raise self._error

    def _encode(self) -> None:
        try:
            with M4aWriter(self._path, bits_per_second=self._rate, channels=self._channels, tags=self._tags) as writer:
                while (block := self._take()) is not None:
                    writer.write(block)
        except BaseException as error:  # noqa: BLE001 - it is raised again where the file is written from
            self._error = error

    def _take(self) -> Signal | None:
        while not self._abandoned.is_set():
            try:
                return self._blocks.get(timeout=_PATIENCE_SECONDS)
            except queue.Empty:
                continue
        return None
