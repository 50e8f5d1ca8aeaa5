"""graphql-transport-ws, spoken by hand: subscriptions that survive bad messages, slow readers and our own restarts.

Close codes are chosen by what the client library does with them. It comes back after 4403 with a fresh token, after
1012 (we restart), 1013 (too slow, or one socket too many for now) and 4499 (silent); it gives up for good after 4400,
4401, 4409 and 4429, so those mean a client that is broken.
"""

import asyncio
import random
from collections import Counter
from contextlib import aclosing, nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from graphql import OperationType
from starlette.types import Message, Receive, Scope, Send

from schema.context import Context
from schema.documents import DocumentErrors, Operation
from server import metrics
from server.auth import Gatekeeper
from server.errors import LibrettoError, Refusal, Unauthenticated
from server.http import find_client
from server.logs import bound_contextvars, get_logger, new_request_id
from server.operations import Operations, Payload, refuse
from server.operations.cohorts import Cohorts
from server.realtime.seats import Seat, begin_next
from server.realtime.wire import EXTENSION, Wire
from server.resources import Resources

PROTOCOL = "graphql-transport-ws"
INIT_SECONDS = 10.0
PING_SECONDS = 12.0  # phones cut sockets that are silent for longer than some 15 s
SILENCE_SECONDS = 40.0
WRITE_SECONDS = 10.0
PACE_SECONDS = 1.0
MAX_SOCKETS = 20_000  # of a process; each takes some 30 KiB
MAX_SOCKETS_OF_USER = 250  # a library of screens, all of them twice while they come back from a lost network
MAX_SOCKETS_OF_NOBODY = 2_000  # of all together who are not logged in
MAX_OPERATIONS = 100
MAX_RUNNING = 8  # queries and mutations of a socket, each of which may hold a large answer
MAX_MESSAGE_BYTES = 256 << 10
MAX_OPERATION_ID = 128  # it comes back with every event
MAX_REASON_BYTES = 123  # what a close frame can hold
DRAIN_WAVE_SECONDS = 3.0
PING = b'{"type":"ping"}'

BAD_MESSAGE, UNAUTHORIZED, FORBIDDEN, INIT_TIMEOUT = 4400, 4401, 4403, 4408
WRONG_PROTOCOL, DUPLICATE, TOO_MANY_INITS, SILENT = 4406, 4409, 4429, 4499
FAULT, RESTARTING, TRY_LATER = 1011, 1012, 1013

log = get_logger(__name__)


class Closing(Exception):
    """The socket must close, with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class Gone(Exception):
    """The client has left, or is being sent away."""


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
        cohorts: Cohorts,
        *,
        init_seconds: float = INIT_SECONDS,
    ) -> None:
        self.resources = resources
        self.operations = operations
        self.gatekeeper = gatekeeper
        self.cohorts = cohorts
        self.init_seconds = init_seconds
        self._open: set[Socket] = set()
        self._of_user: Counter[UUID | None] = Counter()  # None: of nobody
        self._emptied = asyncio.Event()
        self._draining = False
        self._pacing: asyncio.TimerHandle | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if PROTOCOL not in scope["subprotocols"]:
            await send({"type": "websocket.accept"})  # or the code would not reach the client, which would come back
            await send({"type": "websocket.close", "code": WRONG_PROTOCOL, "reason": f"Speak {PROTOCOL}"})
            return
        try:
            await send({"type": "websocket.accept", "subprotocol": PROTOCOL})
        except OSError:  # it has changed its mind
            return
        address = find_client(scope, self.resources.settings.client_address_header)
        socket = Socket(scope["extensions"][EXTENSION], receive, send, self, address)
        if self._draining:
            socket.close_soon(RESTARTING, "Restarting")
        elif len(self._open) >= MAX_SOCKETS:
            socket.close_soon(TRY_LATER, "Too many sockets")
        self._open.add(socket)
        metrics.SOCKETS.set(len(self._open))
        if self._pacing is None:
            self._check_paces()
        try:
            await socket.serve()
        finally:
            self._leave(socket)

    def admit(self, user_id: UUID | None) -> None:
        """Count a socket of this person; Closing if there are too many."""
        scale = self.resources.settings.rate_limit_scale
        most = MAX_SOCKETS_OF_NOBODY if user_id is None else MAX_SOCKETS_OF_USER
        if scale and self._of_user[user_id] >= most * scale:
            raise Closing(TRY_LATER, "Too many sockets of yours")
        self._of_user[user_id] += 1

    def end_session(self, session_id: UUID) -> None:
        """Send away the sockets of a session that was logged out."""
        for socket in self._open:
            if socket.session_id == session_id:
                socket.close_soon(FORBIDDEN, "SESSION_ENDED")

    async def drain(self) -> None:
        """Send everybody away, not all at once, so that they do not come back all at once."""
        self._draining = True
        for socket in self._open:
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

    def _check_paces(self) -> None:
        loop = asyncio.get_running_loop()
        for socket in self._open:
            socket.check_pace(loop.time())
        self._pacing = loop.call_later(PACE_SECONDS, self._check_paces) if self._open else None

    def _leave(self, socket: "Socket") -> None:
        self._open.discard(socket)
        metrics.SOCKETS.set(len(self._open))
        if socket.is_admitted:
            self._of_user[socket.user_id] -= 1
            if not self._of_user[socket.user_id]:
                del self._of_user[socket.user_id]
        if not self._open:
            self._emptied.set()


class Socket:
    """One client: its operations run side by side, and a slow reader slows only itself."""

    def __init__(self, wire: Wire, receive: Receive, send: Send, sockets: Sockets, address: str) -> None:
        self._wire, self._receive, self._send = wire, receive, send
        wire.on_giving_up(lambda: self.close_soon(TRY_LATER, "Too slow"))
        self._sockets = sockets
        self._operations: dict[str, Seat | asyncio.Task[None]] = {}
        self._closing: Closing | None = None
        resources = sockets.resources
        self._context = Context(
            resources.settings, resources.blobs, resources.hub, new_request_id(), client_address=address
        )
        self._initialised = False
        self.is_admitted = False
        self._running = asyncio.Semaphore(MAX_RUNNING)
        self._expiry: asyncio.TimerHandle | None = None
        self._heard_at = asyncio.get_running_loop().time()
        self._ping_at = self._heard_at + sockets.init_seconds

    @property
    def session_id(self) -> UUID | None:
        return self._context.viewer.session_id

    @property
    def user_id(self) -> UUID | None:
        return self._context.viewer.user_id

    async def serve(self) -> None:
        """Listen until somebody closes; then nothing of this socket is left."""
        try:
            while self._closing is None:
                await self._hear(_decode(await self._receive()))
        except Gone:
            pass
        except Closing as closing:
            self._closing = self._closing or closing
        except Exception:
            log.exception("socket.fault", request_id=self._context.request_id)
            self._closing = Closing(FAULT, "Something went wrong on our side")
        finally:
            await self._leave()
        if self._closing is not None:
            await self._say_goodbye(self._closing)

    def close_soon(self, code: int, reason: str) -> None:
        """Close from outside of the conversation."""
        if self._closing is None:
            self._closing = Closing(code, reason)
            self._wire.interrupt()

    def check_pace(self, now: float) -> None:
        """Send away who keeps us waiting, ask the others whether they are there; one timer does so for all sockets."""
        if (since := self._wire.congested_since) is not None:
            if now - since > WRITE_SECONDS:
                self.close_soon(TRY_LATER, "Too slow")
        elif now >= self._ping_at:
            if not self._initialised:
                self.close_soon(INIT_TIMEOUT, "Connection initialisation timeout")
            elif now - self._heard_at > SILENCE_SECONDS:
                self.close_soon(SILENT, "Nothing heard")
            else:
                self._wire.write_text(PING)
                self._ping_at = now + _vary(PING_SECONDS)

    def _forget(self, operation_id: str) -> None:
        if self._operations.pop(operation_id, None) is not None:
            metrics.OPERATIONS_OPEN.dec()

    async def _leave(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()  # it would keep all of this in memory until the token ends
        doomed = [*self._operations.values()]
        for operation_id in [*self._operations]:
            self._cancel(operation_id)
        await asyncio.gather(*[one for one in doomed if isinstance(one, asyncio.Task)], return_exceptions=True)

    async def _say_goodbye(self, closing: Closing) -> None:
        metrics.SOCKETS_CLOSED.labels(closing.code).inc()
        self._wire.flush()
        self._wire.is_over = True
        reason = closing.reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
        with suppress(OSError, RuntimeError, TimeoutError):
            async with asyncio.timeout(1):
                await self._send({"type": "websocket.close", "code": closing.code, "reason": reason})

    async def _hear(self, message: dict[str, Any]) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        match message:
            case {"type": "ping" | "pong"} if not isinstance(message.get("payload"), dict | None):
                raise Closing(BAD_MESSAGE, "Invalid message received")
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
                self._cancel(operation_id)
            case _:
                raise Closing(BAD_MESSAGE, "Invalid message received")

    async def _answer_ping(self, message: dict[str, Any]) -> None:
        payload = {"payload": message["payload"]} if "payload" in message else {}
        try:
            await self._say({"type": "pong"} | payload)
        except orjson.JSONEncodeError:  # what may be read nests four times deeper than what may be written
            raise Closing(BAD_MESSAGE, "Invalid message received") from None

    async def _initialise(self, payload: Any) -> None:
        if self._initialised:
            raise Closing(TOO_MANY_INITS, "Too many initialisation requests")
        if not isinstance(payload, dict | None):
            raise Closing(BAD_MESSAGE, "Invalid message received")
        given = next((value for name, value in (payload or {}).items() if name.lower() == "authorization"), None)
        if not isinstance(given, str | None):
            raise Closing(BAD_MESSAGE, "`authorization` must be a string or null")
        try:
            viewer, expires_at = self._sockets.gatekeeper.read(given)
        except Unauthenticated as error:
            raise Closing(FORBIDDEN, error.code) from None
        self._sockets.admit(viewer.user_id)
        self._context = replace(self._context, viewer=viewer)
        self.is_admitted = True
        self._initialised = True
        self._ping_at = self._heard_at + _vary(self._sockets.init_seconds)
        if expires_at is not None:
            seconds_left = (expires_at - datetime.now(UTC)).total_seconds()
            loop = asyncio.get_running_loop()
            self._expiry = loop.call_later(seconds_left, self.close_soon, FORBIDDEN, "TOKEN_EXPIRED")
        await self._say({"type": "connection_ack", "payload": {"expiresAt": expires_at}})

    async def _subscribe(self, operation_id: str, payload: Payload) -> None:
        if not self._initialised:
            raise Closing(UNAUTHORIZED, "Unauthorized")
        if operation_id in self._operations:
            raise Closing(DUPLICATE, f"Subscriber for {operation_id} already exists")
        context = replace(self._context, request_id=new_request_id())
        context.forget()
        try:
            self._check_room()
            self._begin(operation_id, payload, context)
        except Exception as fault:  # noqa: BLE001 - the operation's watcher is told, and the socket stays open
            await self._say({"id": operation_id, "type": "error", "payload": _phrase(fault, context)})

    def _check_room(self) -> None:
        if len(self._operations) >= MAX_OPERATIONS:
            raise TooManyOperations(f"At most {MAX_OPERATIONS} operations on a socket")

    def _begin(self, operation_id: str, payload: Payload, context: Context) -> None:
        asked = self._sockets.operations.read(payload)
        operation = self._sockets.operations.find(asked.query, asked.name, asked.variables)
        cohort = self._sockets.cohorts.find(operation, asked.variables, context)
        metrics.OPERATIONS_OPEN.inc()
        if cohort is None:
            running = self._run(operation_id, operation, asked.variables, context)
            self._operations[operation_id] = asyncio.create_task(running)
        else:
            seat = self._operations[operation_id] = Seat(operation_id, cohort, self._wire, self._forget)
            cohort.join(seat)

    def _cancel(self, operation_id: str) -> None:
        if operation := self._operations.get(operation_id):
            operation.cancel()
            self._forget(operation_id)

    async def _run(self, operation_id: str, operation: Operation, variables: dict[str, Any], context: Context) -> None:
        """Run an operation that no cohort serves."""
        last: Payload = {"id": operation_id, "type": "complete"}
        head = begin_next(operation_id)
        turn = nullcontext() if operation.type is OperationType.SUBSCRIPTION else self._running
        try:
            with bound_contextvars(request_id=context.request_id):
                async with turn, aclosing(self._sockets.cohorts.watch(operation, variables, context)) as frames:
                    async for frame in frames:
                        if frame.errors is not None:
                            last |= {"type": "error", "payload": frame.errors}
                            break
                        await self._say_text(head, frame.payload, b"}")
        except Exception as fault:  # noqa: BLE001 - as in `_subscribe`
            last |= {"type": "error", "payload": _phrase(fault, context)}
        self._forget(operation_id)
        await self._say(last)

    async def _say(self, message: Payload) -> None:
        await self._say_text(orjson.dumps(message))

    async def _say_text(self, *parts: bytes) -> None:
        await self._wire.wait()
        self._wire.write_text(*parts)


def _vary(seconds: float) -> float:
    """Somewhat less: a thousand who came together would all be asked, and would all answer, at once."""
    return seconds * random.uniform(0.4, 1)  # noqa: S311 - jitter


def _phrase(fault: Exception, context: Context) -> list[Payload]:
    if not isinstance(fault, LibrettoError | DocumentErrors):
        log.error("operation.fault", request_id=context.request_id, exc_info=fault)
        fault = LibrettoError("Something went wrong on our side; tell us the request id")
    errors: list[Payload] = refuse(fault, context.request_id)["errors"]
    return errors


def _decode(message: Message) -> dict[str, Any]:
    if message["type"] == "websocket.disconnect":
        raise Gone
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
