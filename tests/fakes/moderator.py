"""An operator's own moderator on a real socket: it checks our signature and answers as a test says."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

KEY = b"a key of the tests, long enough to be one"
SECRET = "whsec_" + base64.b64encode(KEY).decode()


@dataclass
class Moderator:
    """What it was asked, and what it says next."""

    port: int = 0
    status: int = 200
    answer: Any = field(default_factory=lambda: {"allowed": True})  # bytes as they are, None for silence
    asked: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/moderate"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request of one connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        body = await reader.readexactly(int(headers["content-length"]))
        self._check(head[0], headers, body)
        self.asked.append(json.loads(body))
        if self.answer is not None:
            content = self.answer if isinstance(self.answer, bytes) else json.dumps(self.answer).encode()
            status = f"HTTP/1.1 {self.status} X\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
            writer.write(status.encode() + content)
        else:
            await reader.read()  # until whoever asked has had enough
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)  # they may have gone first

    def _check(self, line: str, headers: dict[str, str], body: bytes) -> None:
        signed = f"{headers.get('webhook-id')}.{headers.get('webhook-timestamp')}.".encode() + body
        expected = "v1," + base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256)).decode()
        if line != "POST /moderate HTTP/1.1" or headers.get("webhook-signature") != expected:
            self.problems.append(line)


@asynccontextmanager
async def running_moderator() -> AsyncIterator[Moderator]:
    """One that is there until the block ends."""
    moderator = Moderator()
    server = await asyncio.start_server(moderator.serve, "127.0.0.1", 0)
    moderator.port = server.sockets[0].getsockname()[1]
    try:
        yield moderator
    finally:
        server.close()
