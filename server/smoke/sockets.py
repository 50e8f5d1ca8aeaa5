"""The WebSocket half of the smoke test's client: graphql-transport-ws, which comes back when the line is lost."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, cast

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from server.smoke import documents
from server.smoke.breakage import Broken

PROTOCOL = Subprotocol("graphql-transport-ws")
HANDSHAKE_SECONDS = 10.0
SILENCE_SECONDS = 40.0  # the server pings far more often than that
FIRST_TRIES = 4
BACKOFF_SECONDS, BACKOFF_CAP_SECONDS = 0.25, 8.0
FORBIDDEN = 4403
PASSING_CODES = {1001, 1005, 1006, 1012, 1013, 1014, FORBIDDEN, 4408, 4499, 4504}  # graphql-ws comes back after these

JobState = dict[str, Any]


class LineLost(Exception):
    """The socket is gone, and may be opened again."""

    def __init__(self, reason: str, code: int | None = None) -> None:
        self.code = code
        super().__init__(reason)


class JobWatcher:
    """Watches jobs over one socket at a time."""

    def __init__(self, url: str, find_token: Callable[[], str], refresh_token: Callable[[], Awaitable[None]]) -> None:
        self._url, self._find_token, self._refresh_token = url, find_token, refresh_token
        self._connection: ClientConnection | None = None
        self._count = 0
        self.reconnects = 0

    async def open(self) -> None:
        """Open the socket and introduce ourselves."""
        self._connection = await self._connect()
        await _send(self._connection, {"type": "connection_init", "payload": self._introduction()})
        message = await _receive(self._connection, HANDSHAKE_SECONDS)
        if message.get("type") != "connection_ack":
            raise Broken("connection_ack", message, hint="Does a proxy rewrite WebSocket messages?")

    async def open_again(self, tries: int = FIRST_TRIES) -> None:
        """Open the socket, however often it is sent away at first."""
        for attempt in range(tries):
            try:
                await self.open()
            except LineLost as lost:
                await self.close()
                if attempt == tries - 1:
                    raise _unreachable(lost) from lost
                await self._pause(attempt)
            else:
                return

    async def close(self) -> None:
        """Hang up."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await _close(connection)

    async def watch(self, job_id: str, timeout_seconds: float) -> AsyncGenerator[JobState, None]:
        """The states of a job until the subscription completes, whatever happens to the socket meanwhile."""
        deadline = time.monotonic() + timeout_seconds
        attempt, state = 0, None
        while True:
            try:
                if self._connection is None:
                    await self.open()
                    self.reconnects += 1
                async for state in self._subscribe(job_id, deadline):
                    attempt = 0
                    yield state
            except LineLost as lost:
                if time.monotonic() >= deadline:
                    raise _too_late(state, lost, timeout_seconds) from lost
                await self._recover(lost, attempt)
                attempt += 1
            else:
                return

    async def _recover(self, lost: LineLost, attempt: int) -> None:
        await self.close()
        await self._pause(attempt)
        if lost.code == FORBIDDEN:
            await self._refresh_token()

    async def _subscribe(self, job_id: str, deadline: float) -> AsyncIterator[JobState]:
        connection = self._connection
        assert connection is not None  # noqa: S101 - `watch` has opened it
        self._count += 1
        operation_id = str(self._count)
        payload = {"query": documents.JOB_PROGRESS, "variables": {"jobId": job_id}}
        await _send(connection, {"id": operation_id, "type": "subscribe", "payload": payload})
        while True:
            message = await _receive(connection, min(deadline - time.monotonic(), SILENCE_SECONDS))
            match message:
                case {"type": "ping"}:
                    await _send(connection, {"type": "pong"})
                case {"type": "next", "id": str(name), "payload": dict(result)} if name == operation_id:
                    yield _read_state(result)
                case {"type": "error", "id": str(name), "payload": problem} if name == operation_id:
                    raise Broken("the subscription to be accepted", problem)
                case {"type": "complete", "id": str(name)} if name == operation_id:
                    return

    async def _pause(self, attempt: int) -> None:
        longest_seconds = min(BACKOFF_CAP_SECONDS, BACKOFF_SECONDS * 2**attempt)
        await asyncio.sleep(random.uniform(longest_seconds / 2, longest_seconds))  # noqa: S311 - jitter

    def _introduction(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._find_token()}"}

    async def _connect(self) -> ClientConnection:
        try:
            connection = await connect(
                self._url,
                subprotocols=[PROTOCOL],
                open_timeout=HANDSHAKE_SECONDS,
                close_timeout=2,
                ping_interval=None,  # the protocol has its own
            )
        except InvalidStatus as refused:
            status, body = refused.response.status_code, refused.response.body or b""
            if status >= 500:
                raise LineLost(f"{status} to the handshake") from refused
            hint = "Does the proxy pass `Upgrade: websocket` on?"
            came = f"{status} {bytes(body).decode(errors='replace')}"
            raise Broken(f"a WebSocket at {self._url}", came, hint=hint) from refused
        except (InvalidHandshake, WebSocketException) as refused:
            raise Broken(f"a WebSocket at {self._url}", f"{type(refused).__name__}: {refused}") from refused
        except (OSError, TimeoutError, EOFError) as lost:
            raise LineLost(f"{type(lost).__name__}: {lost}") from lost
        if connection.subprotocol != PROTOCOL:
            await _close(connection)
            raise Broken(f"the subprotocol {PROTOCOL}", connection.subprotocol)
        return connection


def _read_state(result: dict[str, Any]) -> JobState:
    state = (result.get("data") or {}).get("jobProgress")
    if result.get("errors") or not isinstance(state, dict):
        raise Broken("a state of the job", result)
    return state


def _unreachable(lost: LineLost) -> Broken:
    return Broken("a WebSocket that stays open", lost, hint="Does a proxy or a firewall cut WebSockets?")


def _too_late(state: JobState | None, lost: LineLost, timeout_seconds: float) -> Broken:
    if state is None:
        return _unreachable(lost)
    hint = "Does a worker run, and does it keep up? Look at its log, and at `libretto doctor`."
    came = f"{state['state']} ({state['stage']}) at {state['progress']:.0%}, attempt {state['attempt']}; {lost}"
    return Broken(f"a final state within {timeout_seconds:g} s", came, hint=hint)


async def _close(connection: ClientConnection) -> None:
    with suppress(OSError, WebSocketException):
        await connection.close()


async def _send(connection: ClientConnection, message: dict[str, Any]) -> None:
    try:
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            await connection.send(orjson.dumps(message).decode())
    except (ConnectionClosed, TimeoutError) as lost:
        raise _explain(lost) from lost


async def _receive(connection: ClientConnection, timeout_seconds: float) -> dict[str, Any]:
    try:
        async with asyncio.timeout(timeout_seconds):
            text = await connection.recv()
    except (ConnectionClosed, TimeoutError) as lost:
        raise _explain(lost) from lost
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        message = None
    if not isinstance(message, dict):
        raise Broken("a JSON message", text, hint="Does a proxy rewrite WebSocket messages?")
    return cast("dict[str, Any]", message)


def _explain(lost: ConnectionClosed | TimeoutError) -> LineLost | Broken:
    if isinstance(lost, TimeoutError):
        return LineLost("then nothing more was heard")
    code = lost.rcvd.code if lost.rcvd else 1006
    reason = f"the socket was closed with {code} {lost.rcvd.reason if lost.rcvd else ''}".strip()
    return LineLost(reason, code) if code in PASSING_CODES else Broken("the socket to stay open", reason)
