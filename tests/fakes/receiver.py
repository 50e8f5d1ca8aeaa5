"""A receiver of webhooks on a real socket: answers by script, keeps what came, and counts who connected."""

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

Manner = Literal["plain", "hang", "drip", "flood", "reset"]


@dataclass(frozen=True)
class Call:
    """One request that came in."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    def read_json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """What goes out: as a whole, never, drop by drop, without an end, or as a broken connection."""

    status: int = 204
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    manner: Manner = "plain"


class Receiver:
    """Answers each path with what is planned for it, one reply after the other, the last of them for good."""

    def __init__(self) -> None:
        self.url = ""
        self.connections = 0
        self.open_now: dict[str, int] = defaultdict(int)
        self.open_most: dict[str, int] = defaultdict(int)
        self.calls: list[Call] = []
        self._plans: dict[str, deque[Reply]] = {}
        self._changed = asyncio.Condition()

    @classmethod
    @asynccontextmanager
    async def open(cls, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator["Receiver"]:
        receiver = cls()
        server = await asyncio.start_server(receiver._serve, host, port)
        receiver.url = f"http://{host}:{server.sockets[0].getsockname()[1]}"
        try:
            yield receiver
        finally:
            server.close()

    def plan(self, path: str, *replies: Reply) -> str:
        """Say how a path answers; gives its address."""
        self._plans[path] = deque(replies)
        return self.url + path

    def calls_to(self, path: str) -> list[Call]:
        return [call for call in self.calls if call.path == path]

    async def wait_for(self, path: str, count: int = 1, seconds: float = 20) -> list[Call]:
        """What came to a path, once it is so much."""
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: len(self.calls_to(path)) >= count)
        except TimeoutError:
            raise AssertionError(f"{path} was called {len(self.calls_to(path))} times, not {count}") from None
        return self.calls_to(path)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        path = ""
        try:
            call = await _read_call(reader)
            path = call.path
            self.open_now[path] += 1
            self.open_most[path] = max(self.open_most[path], self.open_now[path])
            async with self._changed:
                self.calls.append(call)
                self._changed.notify_all()
            await _answer(reader, writer, self._next(path))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open_now[path] -= 1
            writer.close()

    def _next(self, path: str) -> Reply:
        planned = self._plans.get(path, deque())
        if not planned:
            return Reply()
        return planned.popleft() if len(planned) > 1 else planned[0]


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, reply: Reply) -> None:
    if reply.manner == "reset":
        writer.transport.abort()
        return
    if reply.manner == "hang":
        await reader.read()  # until they go
        return
    named = {"Content-Length": str(len(reply.body)), "Connection": "close"} | dict(reply.headers)
    if reply.manner == "flood":
        named["Content-Length"] = str(1 << 40)
    head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    whole = f"HTTP/1.1 {reply.status} Because\r\n{head}\r\n".encode() + reply.body
    if reply.manner == "drip":
        for byte in whole:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.5)
    writer.write(whole)
    await writer.drain()
    while reply.manner == "flood":
        writer.write(b"x" * 65536)
        await writer.drain()


async def _read_call(reader: asyncio.StreamReader) -> Call:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Call(first.split(" ")[1], headers, await reader.readexactly(int(headers.get("content-length", "0"))))
