"""One request to an endpoint: once, without redirects and cookies, within a deadline, and little of its answer kept."""

import asyncio
import socket
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import httpx
import orjson

from jobs.providers.guard import AddressRefused, GuardedTransport, Origin, make_tls
from jobs.providers.wire import read_retry_after
from jobs.webhooks.addresses import PORTS

DEADLINE_SECONDS = 15.0
BODY_SECONDS = 2.0  # what has been answered is known by then, and what is kept of it is for people to read
KEPT_BYTES = 2048
RESOLVERS = 16  # threads of their own: a name server that does not answer holds up nothing else of this process
TIMEOUT = {"connect": DEADLINE_SECONDS, "read": DEADLINE_SECONDS, "write": DEADLINE_SECONDS, "pool": DEADLINE_SECONDS}


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint answered, or why there is no answer."""

    status: int | None = None
    body: str | None = None
    retry_after_seconds: float | None = None
    error_code: str | None = None
    error_message: str | None = None


class Post:
    """The way out to endpoints."""

    def __init__(self, own: Collection[Origin], *, connections: int) -> None:
        self._resolvers = ThreadPoolExecutor(RESOLVERS, "webhook-names")
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=0)
        inner = httpx.AsyncHTTPTransport(verify=make_tls(), trust_env=False, limits=limits)
        self._transport = GuardedTransport(*own, ports=PORTS, resolve=self._resolve, inner=inner)

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.aclose()
        self._resolvers.shutdown(wait=False, cancel_futures=True)

    async def send(self, url: str, body: bytes, headers: dict[str, str]) -> Answer:
        """Send a body, once."""
        plain = {"Content-Type": "application/json", "User-Agent": "Libretto", "Accept-Encoding": "identity"}
        try:
            request = httpx.Request("POST", url, content=body, headers=plain | headers, extensions={"timeout": TIMEOUT})
            async with asyncio.timeout(DEADLINE_SECONDS):
                response = await self._transport.handle_async_request(request)
        except AddressRefused as refused:
            return Answer(error_code="ADDRESS_REFUSED", error_message=str(refused))
        except (TimeoutError, httpx.TimeoutException):
            return Answer(error_code="TIMED_OUT", error_message=f"No answer within {DEADLINE_SECONDS:.0f} s")
        except (httpx.TransportError, httpx.InvalidURL) as error:
            return Answer(error_code="NO_ANSWER", error_message=str(error)[:300] or type(error).__name__)
        try:
            return _read(response, await _read_start(response))
        finally:
            await response.aclose()

    async def _resolve(self, host: str, port: int) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._resolvers, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return [str(entry[4][0]) for entry in found]


def _read(response: httpx.Response, start: bytes) -> Answer:
    status = response.status_code
    kept = start.decode("utf-8", "replace").replace("\x00", "")
    if response.is_success:
        return Answer(status, kept)
    wait_seconds = read_retry_after(response.headers.get("retry-after"), response.headers.get("date"))
    if wait_seconds is None and status == httpx.codes.TOO_MANY_REQUESTS:
        wait_seconds = _read_discords_wait(start)
    return Answer(status, kept, wait_seconds, "STATUS", f"It answered with {status}")


def _read_discords_wait(start: bytes) -> float | None:
    try:
        found = orjson.loads(start)
    except orjson.JSONDecodeError:
        return None
    return read_retry_after(str(found.get("retry_after")), None) if isinstance(found, dict) else None


async def _read_start(response: httpx.Response) -> bytes:
    start = bytearray()
    with suppress(TimeoutError, httpx.TransportError):
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in response.aiter_raw():
                start += chunk
                if len(start) >= KEPT_BYTES:
                    break
    return bytes(start[:KEPT_BYTES])
