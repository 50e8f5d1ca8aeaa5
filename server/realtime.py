"""graphql-transport-ws, spoken by hand: subscriptions that survive bad messages, slow readers and our own restarts.

Close codes are chosen by what the client library does with them. It comes back after 4403 with a fresh token, after
1012 (we restart), 1013 (too slow) and 4499 (silent); it gives up for good after 4400, 4401, 4409 and 4429, so those
mean a client that is broken.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from schema.context import Context
from schema.documents import DocumentErrors
from server import metrics
from server.auth import Gatekeeper
from server.errors import LibrettoError, Unauthenticated
from server.graphql import Asked, new_request_id
from server.logs import bound_contextvars, get_logger
from server.operations import Operations, Payload, refuse
from server.resources import Resources

PROTOCOL = "graphql-transport-ws"
INIT_SECONDS = 10.0
PING_SECONDS = 12.0  # phones cut sockets that are silent for longer than some 15 s
SILENCE_SECONDS = 40.0
WRITE_SECONDS = 10.0
MAX_OPERATIONS = 100
MAX_MESSAGE_BYTES = 256 << 10
DRAIN_WAVE_SECONDS = 3.0

BAD_MESSAGE, UNAUTHORIZED, FORBIDDEN, INIT_TIMEOUT = 4400, 4401, 4403, 4408
DUPLICATE, TOO_MANY_INITS, SILENT = 4409, 4429, 4499
RESTARTING, TRY_LATER = 1012, 1013

log = get_logger(__name__)


class Closing(Exception):
    """The socket must close, with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class Sockets:
    """The sockets of this process; an ASGI endpoint that can be drained."""

    def __init__(self, resources: Resources, operations: Operations, gatekeeper: Gatekeeper) -> None:
        self.resources = resources
        self.operations = operations
        self.gatekeeper = gatekeeper
        self._open: set[Socket] = set()
        self._draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        if PROTOCOL not in websocket.scope["subprotocols"]:
            await websocket.close(4406, f"Speak {PROTOCOL}")
            return
        await websocket.accept(PROTOCOL)
        socket = Socket(websocket, self)
        self._open.add(socket)
        metrics.SOCKETS.set(len(self._open))
        try:
            if self._draining:
                socket.close_soon(RESTARTING, "Restarting")
            await socket.serve()
        finally:
            self._open.discard(socket)
            metrics.SOCKETS.set(len(self._open))

    async def drain(self) -> None:
        """Send everybody away, not all at once, so that they do not come back all at once."""
        self._draining = True
        for socket in list(self._open):
            asyncio.get_running_loop().call_later(
                random.uniform(0, DRAIN_WAVE_SECONDS),  # noqa: S311 - jitter
                socket.close_soon,
                RESTARTING,
                "Restarting",
            )
        deadline = asyncio.get_running_loop().time() + DRAIN_WAVE_SECONDS + 1
        while self._open and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.05)


class Socket:
    """One client: its operations run side by side and share its write lock, so a slow reader slows only itself."""

    def __init__(self, websocket: WebSocket, sockets: Sockets) -> None:
        self._websocket = websocket
        self._sockets = sockets
        self._write_lock = asyncio.Lock()
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._closing: asyncio.Future[Closing] = asyncio.get_running_loop().create_future()
        self._heard_at = asyncio.get_running_loop().time()
        resources = sockets.resources
        self._context = Context(resources.settings, resources.blobs, resources.hub, new_request_id())
        self._initialised = False

    async def serve(self) -> None:
        """Listen until somebody closes; then nothing of this socket is left."""
        tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._keep_alive())]
        try:
            await asyncio.wait([*tasks, self._closing], return_when=asyncio.FIRST_COMPLETED)
            await self._say_goodbye(next((task for task in tasks if task.done()), None))
        finally:
            doomed = [*tasks, *self._operations.values()]
            for task in doomed:
                task.cancel()
            await asyncio.gather(*doomed, return_exceptions=True)
            self._closing.cancel()

    def close_soon(self, code: int, reason: str) -> None:
        """Close from outside of the conversation."""
        if not self._closing.done():
            self._closing.set_result(Closing(code, reason))

    async def _say_goodbye(self, ended: asyncio.Task[None] | None) -> None:
        if self._closing.done():
            closing = self._closing.result()
        else:
            assert ended is not None  # noqa: S101 - one of the three has ended
            error = ended.exception()
            if error is None or isinstance(error, WebSocketDisconnect):
                return
            if isinstance(error, Closing):
                closing = error
            else:
                log.error("socket.fault", exc_info=error)
                closing = Closing(1011, "Something went wrong on our side")
        metrics.SOCKETS_CLOSED.labels(closing.code).inc()
        with suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
            async with asyncio.timeout(1):
                await self._websocket.close(closing.code, closing.reason)

    async def _listen(self) -> None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            self._heard_at = asyncio.get_running_loop().time()
            await self._hear(_decode(message))

    async def _hear(self, message: dict[str, Any]) -> None:
        match message:
            case {"type": "connection_init"}:
                await self._initialise(message.get("payload"))
            case {"type": "ping"}:
                payload = {"payload": message["payload"]} if "payload" in message else {}
                await self._send({"type": "pong"} | payload)
            case {"type": "pong"}:
                pass
            case {"type": "subscribe", "id": str(operation_id), "payload": dict(payload)} if operation_id:
                await self._subscribe(operation_id, payload)
            case {"type": "complete", "id": str(operation_id)}:
                if task := self._operations.pop(operation_id, None):
                    task.cancel()
            case _:
                raise Closing(BAD_MESSAGE, "Invalid message received")

    async def _initialise(self, payload: Any) -> None:
        if self._initialised:
            raise Closing(TOO_MANY_INITS, "Too many initialisation requests")
        if not isinstance(payload, dict | None):
            raise Closing(BAD_MESSAGE, "Invalid message received")
        self._initialised = True
        given = next((value for name, value in (payload or {}).items() if name.lower() == "authorization"), None)
        try:
            viewer, expires_at = self._sockets.gatekeeper.read(given if isinstance(given, str) else None)
        except Unauthenticated as error:
            raise Closing(FORBIDDEN, error.code) from None
        self._context = replace(self._context, viewer=viewer)
        if expires_at is not None:
            seconds_left = (expires_at - datetime.now(UTC)).total_seconds()
            asyncio.get_running_loop().call_later(seconds_left, self.close_soon, FORBIDDEN, "TOKEN_EXPIRED")
        await self._send({"type": "connection_ack", "payload": {"expiresAt": expires_at}})

    async def _subscribe(self, operation_id: str, payload: dict[str, Any]) -> None:
        if not self._initialised:
            raise Closing(UNAUTHORIZED, "Unauthorized")
        if operation_id in self._operations:
            raise Closing(DUPLICATE, f"Subscriber for {operation_id[:100]} already exists")
        if len(self._operations) >= MAX_OPERATIONS:
            problem = {"message": f"At most {MAX_OPERATIONS} operations on a socket"}
            problem |= {"extensions": {"code": "TOO_MANY_OPERATIONS"}}
            await self._send({"id": operation_id, "type": "error", "payload": [problem]})
            return
        self._operations[operation_id] = asyncio.create_task(self._operate(operation_id, payload))

    async def _operate(self, operation_id: str, payload: dict[str, Any]) -> None:
        context = replace(self._context, request_id=new_request_id())
        context.forget()
        metrics.OPERATIONS_OPEN.inc()
        try:
            with bound_contextvars(request_id=context.request_id):
                async for result in self._results(payload, context):
                    await self._send({"id": operation_id, "type": "next", "payload": result})
            self._operations.pop(operation_id, None)
            await self._send({"id": operation_id, "type": "complete"})
        except (LibrettoError, DocumentErrors) as error:
            self._operations.pop(operation_id, None)
            errors = refuse(error, context.request_id)["errors"]
            await self._send({"id": operation_id, "type": "error", "payload": errors})
        except Closing as closing:
            self.close_soon(closing.code, closing.reason)
        except Exception:
            log.exception("operation.fault", request_id=context.request_id)
            problem = {"message": "Something went wrong on our side; tell us the request id"}
            problem |= {"extensions": {"code": "INTERNAL", "requestId": context.request_id}}
            self._operations.pop(operation_id, None)
            await self._send({"id": operation_id, "type": "error", "payload": [problem]})
        finally:
            metrics.OPERATIONS_OPEN.dec()

    async def _results(self, payload: dict[str, Any], context: Context) -> AsyncIterator[Payload]:
        asked = Asked.of(payload)
        operations = self._sockets.operations
        operation = operations.find(asked.query, asked.name, asked.variables)
        async for result in operations.stream(operation, asked.variables, context):
            yield result

    async def _keep_alive(self) -> None:
        await asyncio.sleep(INIT_SECONDS)
        if not self._initialised:
            raise Closing(INIT_TIMEOUT, "Connection initialisation timeout")
        while True:
            if asyncio.get_running_loop().time() - self._heard_at > SILENCE_SECONDS:
                raise Closing(SILENT, "Nothing heard")
            await self._send({"type": "ping"})
            await asyncio.sleep(PING_SECONDS)

    async def _send(self, message: dict[str, Any]) -> None:
        text = orjson.dumps(message).decode()
        try:
            async with asyncio.timeout(WRITE_SECONDS), self._write_lock:
                if self._websocket.application_state is WebSocketState.CONNECTED:
                    await self._websocket.send_text(text)
        except TimeoutError:
            raise Closing(TRY_LATER, "Too slow") from None
        except (WebSocketDisconnect, RuntimeError):
            raise Closing(1001, "Gone") from None


def _decode(message: Any) -> dict[str, Any]:
    text = message.get("text") or message.get("bytes") or ""
    if len(text) > MAX_MESSAGE_BYTES:
        raise Closing(BAD_MESSAGE, "Message too large")
    try:
        decoded = orjson.loads(text)
    except orjson.JSONDecodeError:
        decoded = None
    if not isinstance(decoded, dict):
        raise Closing(BAD_MESSAGE, "Invalid message received")
    return decoded
