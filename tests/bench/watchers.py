"""So many WebSockets that watch jobs, as lean as Python can; runs as a child process.

Hears JSON lines: first whom to watch, then `{"seen": n}` (how many sockets have seen event n) or `{"report": true}`.
An event carries `T<microseconds of the monotonic clock>N<its number>` as its message; whatever else comes is a
snapshot.
"""

import asyncio
import json
import sys
import time
from typing import Any, cast
from uuid import uuid4

import uvloop

from tests.bench.report import percentile

MARKER = b'"message":"T'
CONNECT_TOGETHER = 50


class Watcher(asyncio.Protocol):
    """One socket with one operation."""

    def __init__(self, token: str, operation: dict[str, Any], delays: list[int]) -> None:
        self._token, self._operation, self._delays = token, operation, delays
        self._rest = b""
        self._is_open = False
        self.seen = -1
        self.last_at = 0
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass of it
        self._transport.write(
            b"GET /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"the connection was lost: {exc}")

    def data_received(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        at = 0 if self._is_open else self._open(data)
        while len(data) - at >= 4:
            length, start = data[at + 1], at + 2
            if length == 126:
                length, start = data[at + 2] << 8 | data[at + 3], at + 4
            if start + length > len(data):
                break
            self._take(data, start, start + length)
            at = start + length
        self._rest = data[at:]

    def _open(self, data: bytes) -> int:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return len(data) if not data else 0
        self._is_open = True
        self._send({"type": "connection_init", "payload": {"authorization": f"Bearer {self._token}"}})
        return end + 4

    def _take(self, data: bytes, start: int, end: int) -> None:
        mark = data.find(MARKER, start, end)
        if mark >= 0:
            now = time.monotonic_ns() // 1000
            middle = data.index(b"N", mark)
            self.seen = int(data[middle + 1 : data.index(b'"', middle)])
            self.last_at = now
            self._delays.append(now - int(data[mark + len(MARKER) : middle]))
        else:
            self._hear(json.loads(data[start:end]))

    def _hear(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "connection_ack":
                self._send({"type": "subscribe", "id": str(uuid4()), "payload": self._operation})
            case "ping":
                self._send({"type": "pong"})
            case "next" if "errors" not in message["payload"]:
                self.ready.set_result(None)
            case _:
                self._fail(str(message))

    def _fail(self, why: str) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(why))
        else:
            sys.stderr.write(f"{why[:300]}\n")

    def _send(self, message: dict[str, Any]) -> None:
        payload = json.dumps(message).encode()
        length = len(payload)
        head = bytes([0x81, 0x80 | length]) if length < 126 else bytes([0x81, 0xFE, length >> 8, length & 255])
        self._transport.write(head + b"\0\0\0\0" + payload)  # a mask of zeros leaves the payload as it is


async def watch(wish: dict[str, Any], delays: list[int]) -> list[Watcher]:
    """Open a socket for each operation, and wait until each has its snapshots."""
    operations = [{"query": wish["query"], "variables": variables} for variables in wish["variables"]]
    loop = asyncio.get_running_loop()
    watchers: list[Watcher] = []
    for start in range(0, len(operations), CONNECT_TOGETHER):
        together = operations[start : start + CONNECT_TOGETHER]
        fresh = [Watcher(wish["token"], operation, delays) for operation in together]
        for watcher in fresh:
            await loop.create_connection(lambda one=watcher: one, "127.0.0.1", wish["port"])  # type: ignore[misc] # a lambda
        await asyncio.wait_for(asyncio.gather(*(watcher.ready for watcher in fresh)), 30)
        watchers += fresh
    return watchers


async def main() -> None:
    """Watch, and answer questions until nobody asks any more."""
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=1 << 24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    wish = json.loads(await lines.readline())
    delays: list[int] = []
    watchers = await watch(wish, delays)
    _say(len(watchers))
    while line := await lines.readline():
        asked = json.loads(line)
        if "seen" in asked:
            _say(sum(watcher.seen >= asked["seen"] for watcher in watchers))
        else:
            last_at = max(watcher.last_at for watcher in watchers)
            p50, p99 = percentile(delays, 0.5), percentile(delays, 0.99)
            _say({"count": len(delays), "last_at": last_at, "p50_ms": p50 / 1000, "p99_ms": p99 / 1000})
            delays.clear()


def _say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main())
