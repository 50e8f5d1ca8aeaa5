"""The streams of one process: how many there may be, who is too slow, and how they end together."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from server import metrics
from server.graphql.streams.forms import Form
from server.graphql.streams.refusals import Restarting, SessionEnded, StreamsFull, TooManyStreams
from server.graphql.streams.stream import Stream
from storage.access import Viewer

HEARTBEAT_SECONDS = 12.0  # phones and proxies cut what is silent for longer than some 15 s
PACE_SECONDS = 1.0
DRAIN_WAVE_SECONDS = 3.0
MAX_STREAMS = 4_000
MAX_STREAMS_OF_ONE = 100  # as many as a connection of HTTP/2 carries
MAX_STREAMS_OF_NOBODY = 400  # of all who are not logged in together: they have next to nothing to listen to


class Register:
    """All streams, open or reserved."""

    def __init__(self, heartbeat_seconds: float) -> None:
        self._heartbeat_seconds = heartbeat_seconds
        self._streams: set[Stream] = set()
        self._counts: Counter[UUID | None] = Counter()
        self._emptied = asyncio.Event()
        self._is_draining = False
        self._pacing: asyncio.TimerHandle | None = None

    def check_room(self, viewer: Viewer) -> None:
        """Raise what stands against one more stream of this viewer."""
        if self._is_draining:
            raise Restarting
        most = MAX_STREAMS_OF_NOBODY if viewer.user_id is None else MAX_STREAMS_OF_ONE
        if self._counts[viewer.user_id] >= most:
            raise TooManyStreams
        if len(self._streams) >= MAX_STREAMS:
            raise StreamsFull

    def add(
        self,
        form: Form,
        viewer: Viewer,
        token_ends_at: datetime | None,
        *,
        on_end: Callable[[], object] = lambda: None,
    ) -> Stream:
        """One more."""

        def forget(ended: Stream) -> None:
            self._drop(ended)
            on_end()

        stream = Stream(form, viewer, token_ends_at, forget, heartbeat_seconds=self._heartbeat_seconds)
        self._streams.add(stream)
        self._counts[viewer.user_id] += 1
        metrics.STREAMS.set(len(self._streams))
        if self._pacing is None:
            self._check_paces()
        return stream

    def end_session(self, session_id: UUID) -> None:
        """End the streams of a session that was logged out."""
        for stream in list(self._streams):
            if stream.viewer.session_id == session_id:
                stream.end_soon(SessionEnded())

    async def drain(self) -> None:
        """Take no more, and end all, in waves; who is cut off in a mutation sends it again, so let those finish."""
        self._is_draining = True
        for stream in (each for each in self._streams if not each.is_brief):
            asyncio.get_running_loop().call_later(
                random.uniform(0, DRAIN_WAVE_SECONDS),  # noqa: S311 - jitter
                stream.end_soon,
                Restarting(),
            )
        self._emptied.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_WAVE_SECONDS + 1 if self._streams else 0):
                await self._emptied.wait()

    def _drop(self, stream: Stream) -> None:
        if stream not in self._streams:
            return
        self._streams.discard(stream)
        self._counts[stream.viewer.user_id] -= 1
        if not self._counts[stream.viewer.user_id]:
            del self._counts[stream.viewer.user_id]
        metrics.STREAMS.set(len(self._streams))
        if not self._streams:
            self._emptied.set()

    def _check_paces(self) -> None:
        loop = asyncio.get_running_loop()
        for stream in list(self._streams):
            stream.check_pace(loop.time())
        self._pacing = loop.call_later(PACE_SECONDS, self._check_paces) if self._streams else None
