"""Answers most POSTs to `/graphql` where the bytes come in; whatever is rarer goes through ASGI, to the same effect.

uvicorn keeps the connection: its time-outs, its pipeline, its way of stopping. For a request that we take, an
`Exchange` stands where its own cycle would. What needs no I/O is answered before the parser returns, without a task.
"""

import asyncio
import time
from collections.abc import Coroutine
from functools import lru_cache
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE
from uvicorn.server import ServerState

from server.graphql.endpoint import MAX_BODY_BYTES, STREAM_TOKEN, GraphQLEndpoint, Stream
from server.graphql.forms import is_form
from server.graphql.pace import Pace, PacedLine, Stage
from server.http import Reply, Request, read_headers
from server.logs import new_request_id
from server.middleware import answer_fault, note_request
from server.origins import Headers, Origins

PATH = "/graphql"
URL = PATH.encode()
MAX_HEADERS = 100
MAX_HEAD_BYTES = 64 << 10  # and whatever comes with the piece that goes beyond it
UNUSUAL = frozenset((b"transfer-encoding", b"expect", b"upgrade", STREAM_TOKEN))
BETWEEN, HEAD, BODY = Stage.BETWEEN, Stage.HEAD, Stage.BODY  # looking them up in their class takes longer
NOBODY = asyncio.Event()  # uvicorn sets a cycle's event; nobody waits for ours


class HeadTooLarge(Exception):
    """There are more headers than anybody needs."""


class NoTunnel(Exception):
    """Whoever says CONNECT takes us for a proxy."""


class Exchange:
    """One request and its answer; uvicorn looks at what it would find in a cycle of its own."""

    __slots__ = ("began", "body", "disconnected", "headers", "keep_alive", "request_id", "response_complete")

    message_event = NOBODY
    waiting_for_100_continue = False

    def __init__(self, headers: dict[bytes, bytes], *, keep_alive: bool) -> None:
        self.headers = headers
        self.keep_alive = keep_alive
        self.body: bytes | bytearray = b""
        self.began = time.perf_counter()
        self.request_id = new_request_id(headers.get(b"x-request-id"))
        self.disconnected = False
        self.response_complete = False

    def take(self, piece: bytes) -> None:
        """Add to the body; most come in one piece."""
        if not self.body:
            self.body = piece
            return
        if isinstance(self.body, bytes):
            self.body = bytearray(self.body)
        self.body += piece


class Front(PacedLine):
    """uvicorn's protocol, which knows the endpoint."""

    def __init__(
        self,
        endpoint: GraphQLEndpoint,
        origins: Origins,
        pace: Pace,
        *,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(pace, config, server_state, app_state, _loop)
        self._endpoint = endpoint
        self._origins = origins
        self._incoming: Exchange | None = None  # whose body is being read
        self._head_bytes = 0
        self._plain_head = b""  # what to read in place of a head whose upgrade is ignored

    def data_received(self, data: bytes) -> None:
        """Feed the parser, which keeps a head to itself until it is complete: no head may grow for ever."""
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None
        self.received += len(data)
        was_in_head = self.stage is HEAD
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade as stop:
            self._read_behind(stop, data)
        except HttpParserError:
            self._refuse("Invalid HTTP request received.")
        if was_in_head and self.stage is HEAD:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response("The head of the request is too large.")

    def _refuse(self, words: str) -> None:
        self.logger.warning(words)
        self.send_400_response(words)

    def _read_behind(self, stop: HttpParserUpgrade, data: bytes) -> None:
        """Go on where the parser has stopped: at the end of each head with an upgrade, whatever follows it."""
        rest = memoryview(data)
        try:
            while self._plain_head:
                head, self._plain_head = self._plain_head, b""
                self.parser = HttpRequestParser(self)  # the one that has stopped takes no more after a last request
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
                self.parser.feed_data(head)
                rest = rest[stop.args[0] :]
                try:
                    self.parser.feed_data(rest)
                except HttpParserUpgrade as next_stop:
                    stop = next_stop
                else:
                    return
        except HttpParserError:
            self._refuse("Invalid HTTP request received.")
            return
        self.leave_pace()
        self.handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        """Begin with less than uvicorn does; `_go_by_asgi` makes up for it."""
        self.stage, self._head_bytes = HEAD, 0
        self.url, self.headers = b"", []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a header; not what comes behind the last chunk of a body, which nobody reads."""
        if self.stage is HEAD:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Take the request, if it is one of the usual kind and nothing else is being answered."""
        self.stage = BODY
        if len(self.headers) > MAX_HEADERS:
            raise HeadTooLarge  # uvicorn answers that and closes
        headers = read_headers(self.headers)
        if not self._is_ours(headers):
            if self.parser.should_upgrade():
                self._prepare_upgrade(headers)
            else:
                self._go_by_asgi(headers)
            return
        keep_alive = self.parser.should_keep_alive() and self.parser.get_http_version() == "1.1"
        self._incoming = Exchange(headers, keep_alive=keep_alive)
        self.cycle = self._incoming  # type: ignore[assignment] # it has all that uvicorn asks for

    def _is_ours(self, headers: dict[bytes, bytes]) -> bool:
        return (
            self.url == URL
            and self.parser.get_method() == b"POST"
            and not self._is_answering()
            and UNUSUAL.isdisjoint(headers)
            and int(headers.get(b"content-length", b"0")) <= MAX_BODY_BYTES
            and not is_form(headers)
            and not self.flow.write_paused
            and not self.transport.is_closing()
        )

    def _prepare_upgrade(self, headers: dict[bytes, bytes]) -> None:
        """Open a socket, if this is all that is asked; any other upgrade is ignored, as HTTP allows.

        The parser takes no body for one behind such a head, so that head is read again without its upgrade.
        """
        method, version = self.parser.get_method(), self.parser.get_http_version()
        if method == b"CONNECT":
            raise NoTunnel  # as with a large head
        if self._is_socket(headers) and (method, version) == (b"GET", "1.1"):
            self._begin_as_uvicorn()
            self.scope["method"] = "GET"
            return
        lines = [b"%b: %b\r\n" % each for each in self.headers if each[0] != b"upgrade"]
        self._plain_head = b"%b %b HTTP/%b\r\n%b\r\n" % (method, self.url, version.encode(), b"".join(lines))

    def _is_socket(self, headers: dict[bytes, bytes]) -> bool:
        return (
            headers[b"upgrade"].lower() == b"websocket"
            and b"transfer-encoding" not in headers
            and headers.get(b"content-length", b"0") == b"0"
            and not self._is_answering()
            and not self.transport.is_closing()
        )

    def _go_by_asgi(self, headers: dict[bytes, bytes]) -> None:
        self._begin_as_uvicorn()
        self.expect_100_continue = headers.get(b"expect", b"").lower() == b"100-continue"
        super().on_headers_complete()

    def _begin_as_uvicorn(self) -> None:
        url, raw = self.url, self.headers
        super().on_message_begin()
        self.url = url
        self.headers.extend(raw)

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        if self._incoming is None:
            super().on_body(body)
        else:
            self._incoming.take(body)

    def on_message_complete(self) -> None:
        """Answer, or begin to."""
        self.stage = BETWEEN
        exchange, self._incoming = self._incoming, None
        if exchange is None:
            if not self.parser.should_upgrade():
                super().on_message_complete()
            return
        peer = self.client[0] if self.client else ""
        request = Request("POST", b"", exchange.headers, exchange.body, exchange.request_id, peer)
        try:
            begun = self._endpoint.begin(request)
        except Exception as fault:  # noqa: BLE001 - it is logged and answered like any other
            begun = answer_fault(fault, request.id)
        if isinstance(begun, Reply):
            self._finish(exchange, begun)
        elif isinstance(begun, Stream):
            self._hand_over(exchange)
        else:
            task = self.loop.create_task(self._answer(exchange, begun))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    def _hand_over(self, exchange: Exchange) -> None:
        """Let uvicorn begin anew with what was read: it answers piece by piece, and hears when somebody leaves."""
        self.cycle = None  # type: ignore[assignment] # as it is at first
        self._go_by_asgi(exchange.headers)
        super().on_body(bytes(exchange.body))
        super().on_message_complete()

    async def _answer(self, exchange: Exchange, work: Coroutine[Any, Any, Reply]) -> None:
        """Wait for the answer; whoever goes away meanwhile does not stop what was begun."""
        try:
            reply = await work
        except Exception as fault:  # noqa: BLE001 - it is logged and answered like any other
            reply = answer_fault(fault, exchange.request_id)
        if self.flow.write_paused:
            await self.flow.drain()
        self._finish(exchange, reply)

    def _finish(self, exchange: Exchange, reply: Reply) -> None:
        status, body, headers = reply
        if not self.transport.is_closing():
            head = _write_head(status, headers, self._origins.describe(exchange.headers), exchange.keep_alive)
            self.transport.write(head % (exchange.request_id.encode(), len(body)) + body)
        exchange.response_complete = True
        note_request(exchange.request_id, "POST", PATH, status, time.perf_counter() - exchange.began)
        if not exchange.keep_alive:
            self.transport.close()
        self.on_response_complete()


@lru_cache(maxsize=256)
def _write_head(status: int, headers: Headers, shared: Headers, keep_alive: bool) -> bytes:  # noqa: FBT001 - it is cached by position
    """The head of an answer, with room for what differs from answer to answer."""
    connection = () if keep_alive else (("Connection", "close"),)
    lines = [f"{name}: {value}\r\n".encode("latin-1") for name, value in (*headers, *shared, *connection)]
    return (
        STATUS_LINE[status] + b"".join(lines).replace(b"%", b"%%") + b"X-Request-Id: %b\r\nContent-Length: %d\r\n\r\n"
    )
