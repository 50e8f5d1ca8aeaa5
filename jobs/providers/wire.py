"""HTTP as a provider's client needs it: bounded answers, our key to nobody else, and files copied with limits."""

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import orjson

from jobs.providers.guard import GuardedTransport, make_tls, origin_of

ANSWER_BYTES = 4 << 20  # a prediction with all its logs
FILE_BYTES = 256 << 20  # ten minutes of stereo WAV at 48 kHz are 110 MiB, ten seconds of 1080p about 20
CHUNK_BYTES = 1 << 18
ASK_SECONDS = 30.0
COPY_SECONDS = 300.0
MAX_REDIRECTS = 3
MAX_RETRY_AFTER_SECONDS = 600.0
TIMEOUT = httpx.Timeout(15.0, connect=5.0)
# What happens before the first byte of a request is sent: the other side has accepted nothing.
NOTHING_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
LOST = (httpx.TransportError, TimeoutError)


class AnswerTooLarge(httpx.TransportError):
    """The answer is larger than any that makes sense."""


class FileRefused(Exception):
    """What was found in the place of the file is not worth copying."""


@dataclass(frozen=True)
class Reply:
    """A whole answer."""

    status: int
    headers: httpx.Headers
    body: bytes

    def read_json(self) -> Any:
        """The JSON in it; None when there is none, as on an error page of a proxy."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None

    def read_object(self) -> dict[str, Any]:
        """The JSON object in it, or an empty one."""
        found = self.read_json()
        return found if isinstance(found, dict) else {}

    @property
    def retry_after_seconds(self) -> float | None:
        """What its header Retry-After says, as seconds from now."""
        return read_retry_after(self.headers.get("retry-after"), self.headers.get("date"))


def read_retry_after(value: str | None, date: str | None) -> float | None:
    """Seconds out of either form of Retry-After; None when it says nothing of use."""
    try:
        seconds = float(value or "")
    except ValueError:
        try:
            until, now = parsedate_to_datetime(value or ""), parsedate_to_datetime(date or "")
            seconds = (until - now).total_seconds()
        except (ValueError, TypeError):  # no date; or one of them without a time zone
            return None
    return None if math.isnan(seconds) else min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)


class Wire:
    """One provider's API, and the files that its answers name."""

    def __init__(
        self,
        base_url: str,
        authorization: str,
        *,
        token_hosts: tuple[str, ...] = (),
        files: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._own = origin_of(httpx.URL(base_url))
        self._authorization = {"Authorization": authorization}
        self._token_hosts = token_hosts
        plain = {"Accept-Encoding": "identity", "User-Agent": "libretto"}  # so that a size is a size
        self._api = httpx.AsyncClient(headers=plain, timeout=TIMEOUT, verify=make_tls(), trust_env=False)
        self._files = httpx.AsyncClient(
            transport=files or GuardedTransport(self._own), headers=plain, timeout=TIMEOUT, trust_env=False
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._api.aclose()
        await self._files.aclose()

    def is_own(self, url: str) -> bool:
        """Whether a URL points at the API itself: no other gets our key."""
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL:
            return False
        return origin_of(parsed) == self._own and not parsed.userinfo

    async def ask(
        self,
        method: str,
        url: str,
        *,
        given: Any = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = ASK_SECONDS,
    ) -> Reply:
        """Send one request to the API, once, and read its answer; raises one of LOST when there is none."""
        if url.startswith("/"):
            url = self._base_url + url
        if not self.is_own(url):
            raise httpx.UnsupportedProtocol("This address is not the provider's own")
        sent = self._authorization | dict(headers or {})
        content = None if given is None else orjson.dumps(given)
        if content is not None:
            sent["Content-Type"] = "application/json"
        async with (
            asyncio.timeout(seconds),
            self._api.stream(method, url, content=content, headers=sent) as response,
        ):
            return Reply(response.status_code, response.headers, await read_body(response))

    async def copy(self, url: str, path: Path, report: Callable[[float], None]) -> int:
        """Copy a file that an answer named, following redirects to public places; its size in bytes."""
        async with asyncio.timeout(COPY_SECONDS):
            for _ in range(MAX_REDIRECTS + 1):
                async with self._files.stream("GET", url, headers=self._headers_for(url)) as response:
                    if response.next_request is None:
                        return await _write(response, path, report)
                    url = str(response.next_request.url)
        raise FileRefused("redirected too often")

    def _headers_for(self, url: str) -> dict[str, str]:
        parsed = httpx.URL(url)
        own = bool(self._token_hosts) and self.is_own(url)
        known = parsed.scheme == "https" and any(
            parsed.host == host or parsed.host.endswith(f".{host}") for host in self._token_hosts
        )
        return self._authorization if own or known else {}


async def read_body(response: httpx.Response, limit_bytes: int = ANSWER_BYTES) -> bytes:
    """The body of an answer, if it is not larger than this."""
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > limit_bytes:
            raise AnswerTooLarge(f"The answer is larger than {limit_bytes >> 20} MiB")
    return bytes(body)


async def _write(response: httpx.Response, path: Path, report: Callable[[float], None]) -> int:
    response.raise_for_status()
    kind = response.headers.get("content-type", "").lower()
    if kind.startswith("text/") or "json" in kind or "xml" in kind:
        raise FileRefused(f"not a recording but {kind}")
    length = response.headers.get("content-length", "")
    expected = int(length) if length.isdigit() else 0
    if expected > FILE_BYTES:
        raise FileRefused(f"larger than {FILE_BYTES >> 20} MiB")
    written = 0
    file = await asyncio.to_thread(path.open, "wb")
    try:
        async for chunk in response.aiter_raw(CHUNK_BYTES):
            written += len(chunk)
            if written > FILE_BYTES:
                raise FileRefused(f"larger than {FILE_BYTES >> 20} MiB")
            await asyncio.to_thread(file.write, chunk)
            report(written / expected if expected else 0.5)
    finally:
        await asyncio.to_thread(file.close)
    if not written:
        raise FileRefused("empty")
    return written
