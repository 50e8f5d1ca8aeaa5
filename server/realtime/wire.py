"""The wire: a socket's way out, on which a frame is written within the call that made it.

uvicorn's own way out waits for a task of the socket's, and asks the kernel, frame by frame. What is shared by a
thousand sockets goes around it: a header, the text, and what one turn of the loop brings goes out together.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, cast

from starlette.types import Scope
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

EXTENSION = "libretto.wire"  # where an ASGI scope holds the wire
LINGER_SECONDS = 5.0
HANDSHAKE_SECONDS = 10.0
NO_TEXT = 1007  # the close code for a text that is not UTF-8
TEXT = 0x81  # a text frame that is whole
SHORT, MEDIUM = 126, 1 << 16  # the lengths from which on a header is longer
MAX_PUT_OFF = 5_000  # states: five screens of a thousand jobs; all the operations of a socket could hold far more
TOGETHER_BYTES = 16 << 10  # so much waits at most for the end of a turn


class Lagging(Protocol):
    """Who has put something off because the wire was congested."""

    def catch_up(self) -> None:
        """Send what was put off, as far as the wire takes it."""


class Wire:
    """Writes text frames, after a socket was accepted and until it is over; knows whether its reader keeps up."""

    __slots__ = (
        "_behind",
        "_events",
        "_give_up",
        "_loop",
        "_parts",
        "_size",
        "_transport",
        "_writable",
        "congested_since",
        "is_over",
        "put_off",
    )

    def __init__(self, transport: asyncio.Transport, writable: asyncio.Event, events: asyncio.Queue[Any]) -> None:
        self._loop = asyncio.get_running_loop()
        self._parts: list[bytes] = []
        self._size = 0
        self._transport = transport
        self._writable = writable
        self._events = events
        self.congested_since: float | None = None  # the transport holds as much as it should
        self.is_over = False
        self.put_off = 0  # states that wait because the wire is congested
        self._behind: dict[Lagging, None] = {}
        self._give_up: Callable[[], None] | None = None

    def write_text(self, *parts: bytes) -> None:
        """Send a frame of these parts; only who has little to say does so while the wire is congested."""
        if self.is_over:
            return
        length = sum(map(len, parts))
        if length < SHORT:
            header = bytes((TEXT, length))
        elif length < MEDIUM:
            header = bytes((TEXT, 126, length >> 8, length & 255))
        else:
            header = bytes((TEXT, 127)) + length.to_bytes(8, "big")
        if not self._parts:
            self._loop.call_soon(self.flush)
        self._parts.append(header)
        self._parts += parts
        self._size += length
        if self._size > TOGETHER_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand over what was written."""
        if self._parts and not self._transport.is_closing():
            self._transport.write(b"".join(self._parts))
        self._parts.clear()
        self._size = 0

    async def wait(self) -> None:
        """Until the reader has caught up, or it is over."""
        while self.congested_since is not None and not self.is_over:
            await self._writable.wait()

    def interrupt(self) -> None:
        """Write no more, and have whoever listens hear of it."""
        self.flush()
        self.is_over = True
        self._writable.set()  # also lets the closing frame pass, behind what the transport holds
        self._events.put_nowait({"type": "websocket.disconnect", "code": 1006})

    def congest(self, now: float) -> None:
        """The transport wants no more."""
        self.congested_since = now

    def free(self) -> None:
        """The transport takes more."""
        self.congested_since = None
        for one in tuple(self._behind):
            one.catch_up()

    def on_giving_up(self, give_up: Callable[[], None]) -> None:
        """What to do with a reader who is too far behind."""
        self._give_up = give_up

    def call(self, one: Lagging) -> None:
        """Have it catch up once the transport takes more."""
        self._behind[one] = None

    def leave(self, one: Lagging) -> None:
        """There is nothing to call it for."""
        self._behind.pop(one, None)

    def count_put_off(self) -> None:
        """One state more waits; at some point the reader is too far behind."""
        self.put_off += 1
        if self.put_off > MAX_PUT_OFF and self._give_up is not None:
            self._give_up()


class WireProtocol(WebSocketsSansIOProtocol):
    """uvicorn's, with a wire; and it lets go of a socket whose reader will never take what is left to send."""

    wire: Wire
    handshake_seconds = HANDSHAKE_SECONDS

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.wire = Wire(self.transport, self.writable, self.queue)
        self.loop.call_later(self.handshake_seconds, self._check_handshake)

    def connection_lost(self, exc: Exception | None) -> None:
        self.wire.is_over = True
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.wire.congest(self.loop.time())

    def resume_writing(self) -> None:
        super().resume_writing()
        self.wire.free()

    def send_receive_event_to_app(self) -> None:
        """Close on a text that is none, which uvicorn does with a traceback in the log."""
        try:
            if self.curr_msg_data_type == "text":
                b"".join(self.frames).decode()
        except UnicodeDecodeError:
            self.frames = []
            if not self.close_sent:
                self.conn.send_close(NO_TEXT)
                self.handle_parser_exception()
            return
        super().send_receive_event_to_app()

    def _check_handshake(self) -> None:
        if not self.handshake_complete:
            self.transport.abort()

    async def run_asgi(self) -> None:
        cast("Scope", self.scope)["extensions"][EXTENSION] = self.wire
        await super().run_asgi()
        self.loop.call_later(LINGER_SECONDS, self.transport.abort)
