"""graphql-transport-ws, spoken by hand: subscriptions that survive bad messages, slow readers and our own restarts.

Close codes are chosen by what the client library does with them. It comes back after 4403 with a fresh token, after
1012 (we restart), 1013 (too slow) and 4499 (silent); it gives up for good after 4400, 4401, 4409 and 4429, so those
mean a client that is broken.
"""

import asyncio
import random
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from schema.context import Context
from schema.documents import DocumentErrors
from server import metrics
from server.auth import Gatekeeper
from server.cohorts import Cohorts
from server.errors import LibrettoError, Refusal, Unauthenticated
from server.graphql import Asked, new_request_id
from server.logs import bound_contextvars, get_logger
from server.operations import Operations, refuse
from server.resources import Resources

PROTOCOL = "graphql-transport-ws"
INIT_SECONDS = 10.0
PING_SECONDS = 12.0  # phones cut sockets that are silent for longer than some 15 s
SILENCE_SECONDS = 40.0
WRITE_SECONDS = 10.0
PACE_SECONDS = 1.0
MAX_OPERATIONS = 100
MAX_MESSAGE_BYTES = 256 << 10
MAX_OPERATION_ID = 128  # it comes back with every event
MAX_REASON_BYTES = 123  # what a close frame can hold
DRAIN_WAVE_SECONDS = 3.0

BAD_MESSAGE, UNAUTHORIZED, FORBIDDEN, INIT_TIMEOUT = 4400, 4401, 4403, 4408
WRONG_PROTOCOL, DUPLICATE, TOO_MANY_INITS, SILENT = 4406, 4409, 4429, 4499
RESTARTING, TRY_LATER = 1012, 1013

log = get_logger(__name__)


class Closing(Exception):
    """The socket must close, with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class TooManyOperations(Refusal):
    """End an operation before you begin another."""

    code = "TOO_MANY_OPERATIONS"


class Sockets:
    """The sockets of this process; an ASGI endpoint that can be drained."""

    def __init__(
        self,
        resources: Resources,
        operations: Operations,
        gatekeeper: Gatekeeper,
        *,
        init_seconds: float = INIT_SECONDS,
    ) -> None:
        self.resources = resources
        self.operations = operations
        self.gatekeeper = gatekeeper
        self.init_seconds = init_seconds
        self.cohorts = Cohorts(operations)
        self._open: set[Socket] = set()
        self._emptied = asyncio.Event()
        self._draining = False
        self._pacing: asyncio.TimerHandle | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        if PROTOCOL not in websocket.scope["subprotocols"]:
            await websocket.accept()  # or the code would not reach the client, which would come back for ever
            await websocket.close(WRONG_PROTOCOL, f"Speak {PROTOCOL}")
            return
        await websocket.accept(PROTOCOL)
        socket = Socket(websocket, self)
        self._open.add(socket)
        metrics.SOCKETS.set(len(self._open))
        if self._pacing is None:
            self._check_paces()
        try:
            if self._draining:
                socket.close_soon(RESTARTING, "Restarting")
            await socket.serve()
        finally:
            self._open.discard(socket)
            metrics.SOCKETS.set(len(self._open))
            if not self._open:
                self._emptied.set()

    def end_session(self, session_id: UUID) -> None:
        """Send away the sockets of a session that was logged out."""
        for socket in list(self._open):
            if socket.session_id == session_id:
                socket.close_soon(FORBIDDEN, "SESSION_ENDED")

    def _check_paces(self) -> None:
        loop = asyncio.get_running_loop()
        for socket in self._open:
            socket.check_pace(loop.time())
        self._pacing = loop.call_later(PACE_SECONDS, self._check_paces) if self._open else None

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
        self._emptied.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_WAVE_SECONDS + 1 if self._open else 0):
                await self._emptied.wait()


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
        self._expiry: asyncio.TimerHandle | None = None
        self._writing_since: float | None = None

    async def serve(self) -> None:
        """Listen until somebody closes; then nothing of this socket is left."""
        tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._keep_alive())]
        ends: list[asyncio.Future[Any]] = [*tasks, self._closing]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            await self._say_goodbye(next((task for task in tasks if task.done()), None))
        finally:
            doomed = [*tasks, *self._operations.values()]
            for task in doomed:
                task.cancel()
            await asyncio.gather(*doomed, return_exceptions=True)
            self._closing.cancel()
            if self._expiry is not None:
                self._expiry.cancel()  # it would keep all of this in memory until the token ends

    @property
    def session_id(self) -> UUID | None:
        return self._context.viewer.session_id

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
                reason = closing.reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
                await self._websocket.close(closing.code, reason)

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
                await self._answer_ping(message)
            case {"type": "pong"}:
                pass
            case {"type": "subscribe", "id": str(operation_id), "payload": dict(payload)} if (
                0 < len(operation_id) <= MAX_OPERATION_ID
            ):
                await self._subscribe(operation_id, payload)
            case {"type": "complete", "id": str(operation_id)}:
                if task := self._operations.pop(operation_id, None):
                    task.cancel()
            case _:
                raise Closing(BAD_MESSAGE, "Invalid message received")

    async def _answer_ping(self, message: dict[str, Any]) -> None:
        payload = {"payload": message["payload"]} if "payload" in message else {}
        try:
            await self._send({"type": "pong"} | payload)
        except orjson.JSONEncodeError:  # what may be read nests four times deeper than what may be written
            raise Closing(BAD_MESSAGE, "Invalid message received") from None

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
            loop = asyncio.get_running_loop()
            self._expiry = loop.call_later(seconds_left, self.close_soon, FORBIDDEN, "TOKEN_EXPIRED")
        await self._send({"type": "connection_ack", "payload": {"expiresAt": expires_at}})

    async def _subscribe(self, operation_id: str, payload: dict[str, Any]) -> None:
        if not self._initialised:
            raise Closing(UNAUTHORIZED, "Unauthorized")
        if operation_id in self._operations:
            raise Closing(DUPLICATE, f"Subscriber for {operation_id} already exists")
        if len(self._operations) >= MAX_OPERATIONS:
            problem = TooManyOperations(f"At most {MAX_OPERATIONS} operations on a socket")
            errors = refuse(problem, self._context.request_id)["errors"]
            await self._send({"id": operation_id, "type": "error", "payload": errors})
            return
        self._operations[operation_id] = asyncio.create_task(self._operate(operation_id, payload))

    async def _operate(self, operation_id: str, payload: dict[str, Any]) -> None:
        context = replace(self._context, request_id=new_request_id())
        context.forget()
        metrics.OPERATIONS_OPEN.inc()
        try:
            with bound_contextvars(request_id=context.request_id):
                last = await self._run(operation_id, payload, context)
            self._operations.pop(operation_id, None)
            await self._send({"id": operation_id} | last)
        except Closing as closing:
            self.close_soon(closing.code, closing.reason)
        finally:
            metrics.OPERATIONS_OPEN.dec()

    async def _run(self, operation_id: str, payload: dict[str, Any], context: Context) -> dict[str, Any]:
        """Send every result; answers with the message that ends the operation."""
        try:
            asked = Asked.of(payload)
            operation = self._sockets.operations.find(asked.query, asked.name, asked.variables)
            head = f'{{"id":{orjson.dumps(operation_id).decode()},"type":"next","payload":'
            async with aclosing(self._sockets.cohorts.watch(operation, asked.variables, context)) as frames:
                async for frame in frames:
                    if frame.errors is not None:
                        return {"type": "error", "payload": frame.errors}
                    await self._send_text(f"{head}{frame.text}}}")
                    metrics.EVENTS_SENT.inc()
        except (LibrettoError, DocumentErrors) as error:
            return {"type": "error", "payload": refuse(error, context.request_id)["errors"]}
        except Closing:
            raise
        except Exception:
            log.exception("operation.fault", request_id=context.request_id)
            fault = LibrettoError("Something went wrong on our side; tell us the request id")
            return {"type": "error", "payload": refuse(fault, context.request_id)["errors"]}
        return {"type": "complete"}

    async def _keep_alive(self) -> None:
        await asyncio.sleep(self._sockets.init_seconds)
        if not self._initialised:
            raise Closing(INIT_TIMEOUT, "Connection initialisation timeout")
        while True:
            if asyncio.get_running_loop().time() - self._heard_at > SILENCE_SECONDS:
                raise Closing(SILENT, "Nothing heard")
            await self._send({"type": "ping"})
            await asyncio.sleep(PING_SECONDS)

    async def _send(self, message: dict[str, Any]) -> None:
        await self._send_text(orjson.dumps(message).decode())

    async def _send_text(self, text: str) -> None:
        async with self._write_lock:
            self._writing_since = asyncio.get_running_loop().time()
            try:
                await self._websocket.send({"type": "websocket.send", "text": text})
            except (WebSocketDisconnect, RuntimeError):
                raise Closing(1001, "Gone") from None
            finally:
                self._writing_since = None

    def check_pace(self, now: float) -> None:
        """Send away a reader that keeps us waiting; one timer looks at all sockets, for one a frame costs too much."""
        if self._writing_since is not None and now - self._writing_since > WRITE_SECONDS:
            self.close_soon(TRY_LATER, "Too slow")


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
