"""One HTTP response that stays open: its operations take turns at writing, and a reader who does not read is let go.

An operation holds one result until it is written and asks for no other, and few queries are answered at a time, so a
slow client costs little. A stream that ends too early is cut off rather than ended properly wherever its form has no
word for that: to urql a proper end means that the subscription is complete, while a cut makes every library come back.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schema.documents import DocumentErrors
from server import metrics
from server.errors import LibrettoError, Refusal, TokenExpired
from server.graphql.streams.forms import Form
from server.graphql.streams.line import HANG_UP
from server.logs import get_logger
from server.operations import refuse
from server.operations.cohorts import Frame
from storage.access import Viewer

WRITE_SECONDS = 10.0
FAREWELL_SECONDS = 1.0
ANSWERS_AT_ONCE = (
    8  # of queries and mutations: as many as a page asks for together, and no more than memory has room for
)
HEADERS = (
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),  # nginx would keep events back until it has 4 kB of them
)

log = get_logger(__name__)


class TooSlow(Refusal):
    """The client did not read what it was sent."""

    code = "TOO_SLOW"


class Lapsed(Refusal):
    """The stream was reserved, and nobody opened it in time."""

    code = "RESERVATION_LAPSED"


class StreamedResponse(Response):
    """A response that is written elsewhere."""

    def __init__(self, serve: ASGIApp) -> None:
        super().__init__()
        self._serve = serve

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let it be written."""
        await self._serve(scope, receive, send)


class Stream:
    """The results of one operation, or of many."""

    def __init__(
        self,
        form: Form,
        viewer: Viewer,
        token_ends_at: datetime | None,
        forget: Callable[["Stream"], None],
        *,
        heartbeat_seconds: float,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.viewer = viewer
        self.is_open = False
        self.is_brief = False  # it ends by itself in a moment
        self.answering = asyncio.Semaphore(ANSWERS_AT_ONCE)
        self._form = form
        self._token_ends_at = token_ends_at
        self._heartbeat_seconds = heartbeat_seconds
        self._forget = forget
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._ending: asyncio.Future[LibrettoError | None] = loop.create_future()
        self._timers: list[asyncio.TimerHandle] = []
        self._opened = asyncio.Event()
        self._turn = asyncio.Lock()
        self._writing_since: float | None = None
        self._send: Send

    @property
    def operation_count(self) -> int:
        return len(self._operations)

    def carries(self, operation_id: str) -> bool:
        """Whether this operation runs here."""
        return operation_id in self._operations

    def start(self, operation_id: str, frames: AsyncGenerator[Frame, None], request_id: str) -> None:
        """Run an operation; what it has to say waits until the stream is open."""
        self._operations[operation_id] = asyncio.create_task(self._operate(operation_id, frames, request_id))

    def stop(self, operation_id: str) -> None:
        """Say nothing more of an operation."""
        if task := self._operations.pop(operation_id, None):
            task.cancel()

    def reserve(self, seconds: float) -> None:
        """Wait for somebody to open this, but not for long."""
        self._timers.append(asyncio.get_running_loop().call_later(seconds, self.end_soon, Lapsed()))

    def open(self) -> None:
        """Take the place of the only one who listens, until the viewer's token ends."""
        self.is_open = True
        self._cancel_timers()
        if self._token_ends_at is not None:
            seconds_left = (self._token_ends_at - datetime.now(UTC)).total_seconds()
            self._timers.append(asyncio.get_running_loop().call_later(seconds_left, self.end_soon, TokenExpired()))

    def end_soon(self, reason: LibrettoError | None) -> None:
        """End from outside of the conversation; without a reason if all is said."""
        if self._ending.done():
            return
        self._ending.set_result(reason)
        if not self.is_open:
            self._leave()

    def check_pace(self, now: float) -> None:
        """Let a reader go that keeps us waiting."""
        if self._writing_since is not None and now - self._writing_since > WRITE_SECONDS:
            self.end_soon(TooSlow())

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Keep the response open until all is said or somebody ends it; then nothing of this stream is left."""
        self._send = send
        gone = asyncio.create_task(_wait_until_gone(receive))
        talking = asyncio.create_task(self._keep_alive())
        reason = "GONE"
        try:
            ends: list[asyncio.Future[Any]] = [gone, talking, self._ending]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if talking.done():
                talking.result()  # by itself it ends only in an error
            await _cancel([talking, *self._operations.values()])
            if self._ending.done() and not gone.done():
                ending = self._ending.result()
                reason = ending.code if ending else "COMPLETE"
                if not (self._opened.is_set() and await self._say_goodbye(ending)):
                    await _hang_up(scope, send, gone)
        finally:
            metrics.STREAMS_ENDED.labels(reason).inc()
            self._leave()
            await _cancel([talking, gone])

    def _leave(self) -> None:
        self._cancel_timers()
        for task in self._operations.values():
            task.cancel()
        self._forget(self)

    def _cancel_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    async def _say_goodbye(self, reason: LibrettoError | None) -> bool:
        """Whether the response could be ended as its form has it."""
        words = self._form.closing if reason is None else self._form.write_farewell(reason)
        is_whole = reason is None or self._form.ends_with_reason
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_SECONDS):
                await self._send({"type": "http.response.body", "body": words, "more_body": not is_whole})
                return is_whole
        return False

    async def _operate(self, operation_id: str, frames: AsyncGenerator[Frame, None], request_id: str) -> None:
        metrics.OPERATIONS_OPEN.inc()
        try:
            await self._send_results(operation_id, frames, request_id)
            await self._say(self._form.write_complete(operation_id))
        finally:
            metrics.OPERATIONS_OPEN.dec()
        self._operations.pop(operation_id, None)
        if not self._form.is_shared:
            self.end_soon(None)

    async def _send_results(self, operation_id: str, frames: AsyncGenerator[Frame, None], request_id: str) -> None:
        try:
            async with aclosing(frames):
                async for frame in frames:
                    payload = frame.payload if frame.errors is None else orjson.dumps({"errors": frame.errors})
                    await self._say(self._form.write_result(operation_id, payload))
        except (LibrettoError, DocumentErrors) as error:
            await self._say(self._form.write_result(operation_id, orjson.dumps(refuse(error, request_id))))
        except Exception:
            log.exception("operation.fault", request_id=request_id)
            fault = LibrettoError("Something went wrong on our side; tell us the request id")
            await self._say(self._form.write_result(operation_id, orjson.dumps(refuse(fault, request_id))))

    async def _keep_alive(self) -> None:
        headers = [(b"content-type", self._form.content_type.encode()), *HEADERS]
        await self._write({"type": "http.response.start", "status": 200, "headers": headers})
        await self._write({"type": "http.response.body", "body": self._form.write_opening(), "more_body": True})
        self._opened.set()
        while True:
            await asyncio.sleep(self._heartbeat_seconds)
            await self._say(self._form.heartbeat)

    async def _say(self, words: bytes) -> None:
        await self._opened.wait()
        await self._write({"type": "http.response.body", "body": words, "more_body": True})

    async def _write(self, message: Message) -> None:
        async with self._turn:
            self._writing_since = asyncio.get_running_loop().time()
            try:
                await self._send(message)
            finally:
                self._writing_since = None


async def _wait_until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _cancel(tasks: Iterable["asyncio.Task[None]"]) -> None:
    doomed = list(tasks)
    for task in doomed:
        task.cancel()
    await asyncio.gather(*doomed, return_exceptions=True)


async def _hang_up(scope: Scope, send: Send, gone: "asyncio.Task[None]") -> None:
    """Break the response off; where the server shows no way to do so, end it."""
    hang_up = scope.get("state", {}).get(HANG_UP)
    if hang_up is None:
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return
    hang_up()
    await gone
