"""HTTP load: so many connections that each ask again as soon as they are answered; runs as a child process.

Hears one JSON line for each run, says `true` when it is warm, and at the end what it saw.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from typing import Any, cast

import uvloop

from tests.bench.report import percentile


@dataclass
class Tally:
    """What all connections of one run share."""

    requests: list[bytes]
    expected: bytes
    milliseconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    asked: int = 0
    is_counting: bool = False
    is_over: bool = False


class Connection(asyncio.Protocol):
    """One keep-alive connection; answers have a Content-Length."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._received = b""
        self._missing = -1
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass of it
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._missing < 0:
            head_end = self._received.find(b"\r\n\r\n")
            if head_end < 0:
                return
            head = self._received[:head_end].lower()
            length = head.index(b"content-length: ") + 16
            self._missing = head_end + 4 + int(head[length:].split(b"\r\n", 1)[0])
        if len(self._received) >= self._missing:
            self._note()
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._tally.is_over:
            self._tally.wrong.append(f"the connection was lost: {exc}")

    def _note(self) -> None:
        tally = self._tally
        if tally.expected not in self._received:
            tally.wrong.append(self._received[-300:].decode(errors="replace"))
        if tally.is_counting:
            tally.milliseconds.append((time.perf_counter() - self._began) * 1000)

    def _ask(self) -> None:
        tally = self._tally
        if tally.is_over:
            self._transport.close()
            return
        self._received, self._missing = b"", -1
        tally.asked += 1
        self._began = time.perf_counter()
        self._transport.write(tally.requests[tally.asked % len(tally.requests)])


async def run(wish: dict[str, Any]) -> None:
    """Load as wished, and say what came of it."""
    tally = Tally([_request(*one) for one in wish["asks"]], wish["expected"].encode())
    loop = asyncio.get_running_loop()
    for _ in range(wish["connections"]):
        await loop.create_connection(lambda: Connection(tally), "127.0.0.1", wish["port"])
    await asyncio.sleep(wish["warm_seconds"])
    _say(True)
    tally.is_counting, began = True, time.perf_counter()
    await asyncio.sleep(wish["seconds"])
    seconds, times = time.perf_counter() - began, tally.milliseconds[:]
    tally.is_over = True
    _say(
        {
            "count": len(times),
            "per_second": len(times) / seconds,
            "p50_ms": percentile(times, 0.5),
            "p99_ms": percentile(times, 0.99),
            "wrong": len(tally.wrong),
            "first_wrong": tally.wrong[:1],
        }
    )
    await asyncio.sleep(0.2)


def _request(token: str, body: str) -> bytes:
    head = (
        "POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: {len(body.encode())}\r\n\r\n"
    )
    return (head + body).encode()


def _say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    for line in sys.stdin:
        uvloop.run(run(json.loads(line)))
