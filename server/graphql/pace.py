"""Lets go of HTTP clients that keep us waiting, for a head, for a body or for taking their answer.

One timer looks at all the connections of a process, so that none has to start one, and a request pays for a sum. What
uvicorn times itself, a connection that idles after an answer, is left to it.
"""

import asyncio
import socket
import struct
import sys
from enum import Enum, auto
from typing import Any, NamedTuple

from uvicorn.config import Config
from uvicorn.server import ServerState

from server.graphql.streams.line import Line

WINDOW_SECONDS = 10.0
LOOKS = 5  # at each connection in a window
LEAST_BYTES = 1 << 10  # a second, of a body that comes and of an answer that is taken
BULK_BYTES = 1 << 20  # held for a reader; files and streams are written in pieces that are far smaller
PATIENCE = 6  # windows for a reader of less than that: a player that was paused, a phone in a tunnel
MAX_CONNECTIONS = 30_000  # of a process, sockets too
ACKNOWLEDGED = struct.Struct("@120xQ")  # where Linux' `struct tcp_info` has `tcpi_bytes_acked`
FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 20\r\n"
    b"Retry-After: 10\r\nConnection: close\r\n\r\nToo many connections"
)


class Stage(Enum):
    """What comes next from the client, or that it has yet to take something."""

    BETWEEN = auto()
    HEAD = auto()
    BODY = auto()
    TAKING = auto()


class Wait(NamedTuple):
    """For what we wait, since when, and how many bytes had moved by then."""

    stage: Stage
    headers: object  # each message has a list of its own
    moved: int
    since: float


class Pace:
    """Looks at the connections of this process from time to time."""

    def __init__(self, *, seconds: float = WINDOW_SECONDS, most: int = MAX_CONNECTIONS) -> None:
        self.seconds = seconds
        self.most = most
        self._open: set[PacedLine] = set()
        self._looking: asyncio.TimerHandle | None = None

    def enter(self, line: "PacedLine") -> None:
        """Look at this one too."""
        self._open.add(line)
        if self._looking is None:
            self._look_later()

    def leave(self, line: "PacedLine") -> None:
        """Look at it no more."""
        self._open.discard(line)

    def _look_later(self) -> None:
        self._looking = asyncio.get_running_loop().call_later(self.seconds / LOOKS, self._look)

    def _look(self) -> None:
        self._looking = None
        now = asyncio.get_running_loop().time()
        for line in self._open:
            line.check_pace(now)
        if self._open:
            self._look_later()


class PacedLine(Line):
    """A connection that is broken off when its client moves nothing, or next to nothing."""

    def __init__(
        self,
        pace: Pace,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._pace = pace
        self._wait: Wait | None = None
        self.stage = Stage.BETWEEN
        self.received = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Watch it, or send it away if there are too many."""
        is_full = len(self.connections) >= self._pace.most
        super().connection_made(transport)
        self._pace.enter(self)
        if is_full:
            transport.write(FULL)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Watch it no more."""
        self._pace.leave(self)
        super().connection_lost(exc)

    def leave_pace(self) -> None:
        """Leave it to the protocol of sockets, which has clocks of its own."""
        self._pace.leave(self)

    def check_pace(self, now: float) -> None:
        """Break off if too little has moved since a window ago."""
        held = self.transport.get_write_buffer_size()
        wait = self._find_wait(held, now)
        before, self._wait = self._wait, wait
        if wait is None or before is None or wait.stage is not before.stage or wait.headers is not before.headers:
            return
        windows = PATIENCE if wait.stage is Stage.TAKING and held < BULK_BYTES else 1
        seconds = self._pace.seconds * windows
        if now - before.since < seconds:
            self._wait = before
        elif wait.moved - before.moved < LEAST_BYTES * seconds:
            self.transport.abort()

    def _find_wait(self, held: int, now: float) -> Wait | None:
        """What the client owes us; nothing while we keep it waiting ourselves."""
        if held:
            return Wait(Stage.TAKING, None, self._count_taken(held), now)
        if self.flow.read_paused:
            return None
        if self.stage is Stage.BODY:
            asks_first = self.cycle.waiting_for_100_continue
            return None if asks_first else Wait(Stage.BODY, self.headers, self.received, now)
        if self.stage is Stage.BETWEEN and (self.timeout_keep_alive_task is not None or self._is_answering()):
            return None
        return Wait(self.stage, self.headers, 0, now)

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete  # type: ignore[redundant-expr] # None at first

    def _count_taken(self, held: int) -> int:
        """How far the client's side is; the buffer alone shrinks in steps as large as the kernel's."""
        if sys.platform != "linux":
            return -held
        line: socket.socket = self.transport.get_extra_info("socket")
        (taken,) = ACKNOWLEDGED.unpack(line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, ACKNOWLEDGED.size))
        return int(taken)
