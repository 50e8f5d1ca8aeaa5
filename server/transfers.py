"""Signed links of the local blob store: files served with ranges to players on any origin, and files taken in.

S3 serves its own links.
"""

import asyncio
import re
from contextlib import AsyncExitStack
from typing import NamedTuple
from weakref import WeakValueDictionary

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from server.errors import LibrettoError, NotFound, TakenDown, Unavailable
from storage import takedowns
from storage.blobs import BlobMissing, BlobStore, keys
from storage.blobs.folder import OpenBlob
from storage.blobs.keys import LinkRefused
from storage.blobs.local import LocalStore
from storage.blobs.local_uploads import ArrivalRefused
from storage.database import LOST

SHARED_HEADERS = {
    "Access-Control-Allow-Origin": "*",  # the signature is the right; no cookie is ever looked at
    "Access-Control-Expose-Headers": "Accept-Ranges, Content-Disposition, Content-Length, Content-Range, ETag",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
SVG_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
PREFLIGHT_HEADERS = {
    "Access-Control-Allow-Methods": "GET, HEAD",
    "Access-Control-Allow-Headers": "If-None-Match, If-Range, Range",
    "Access-Control-Max-Age": "86400",
}
ALLOW = "GET, HEAD, OPTIONS"
PUT_PREFLIGHT_HEADERS = PREFLIGHT_HEADERS | {
    "Access-Control-Allow-Methods": "PUT",
    "Access-Control-Allow-Headers": "Content-Type",
}
ALLOW_PUT = "PUT, OPTIONS"
PUTS_AT_ONCE = 8  # of one person and process; who sends more waits, and the others do not wait for them
_ONE_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})", re.ASCII | re.IGNORECASE)


class Span(NamedTuple):
    """Which bytes of a blob are sent; `end` is the first that is not."""

    start: int
    end: int


class RangeNotSatisfiable(LibrettoError):
    """The range lies beyond the end of the file."""

    code = "RANGE_NOT_SATISFIABLE"


class MediaFiles:
    """The application below `/media`."""

    def __init__(self, store: LocalStore) -> None:
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; the blob stays open until its last byte is sent or the client goes away."""
        request = Request(scope)
        if request.method == "OPTIONS":
            await Response(status_code=204, headers=SHARED_HEADERS | PREFLIGHT_HEADERS)(scope, receive, send)
        elif request.method not in ("GET", "HEAD"):
            await refuse(405, "METHOD_NOT_ALLOWED", f"Use {ALLOW}", {"Allow": ALLOW})(scope, receive, send)
        else:
            await self._serve(request, scope, receive, send)

    async def _serve(self, request: Request, scope: Scope, receive: Receive, send: Send) -> None:
        async with AsyncExitStack() as stack:
            try:
                response = await self._open(request, stack)
            except LinkRefused as refusal:
                response = refuse(403, refusal.code, refusal.message)
            except (BlobMissing, NotFound):
                response = refuse(404, "NOT_FOUND", "This file is gone")
            except TakenDown as refusal:
                response = refuse(451, refusal.code, refusal.message)
            except (Unavailable, *LOST):
                response = refuse(503, Unavailable.code, "The files are out of reach right now", {"Retry-After": "5"})
            await response(scope, receive, send)

    async def _open(self, request: Request, stack: AsyncExitStack) -> Response:
        key, query = request.path_params["key"], request.query_params
        name, shared = query.get("name", ""), query.get("shared", "")
        seconds_left = self._store.check_link(
            key, expires=query.get("expires", ""), name=name, shared=shared, signature=query.get("signature", "")
        )
        if shared:
            await takedowns.check_shared(key)
        file = await stack.enter_async_context(self._store.opened(key))
        return _answer(request, file, name, seconds_left)


class ArrivingFiles:
    """The application below `/files`, which takes a PUT as it comes: no part of it waits in memory for the rest."""

    def __init__(self, store: LocalStore) -> None:
        self._uploads = store.uploads
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; the front lets go of a client whose bytes come too slowly."""
        request = Request(scope, receive)
        if request.method == "OPTIONS":
            response = Response(status_code=204, headers=SHARED_HEADERS | PUT_PREFLIGHT_HEADERS)
        elif request.method != "PUT":
            response = refuse(405, "METHOD_NOT_ALLOWED", f"Use {ALLOW_PUT}", {"Allow": ALLOW_PUT})
        else:
            response = await self._answer(request)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        try:
            return await self._take(request)
        except LinkRefused as refusal:
            return refuse(403, refusal.code, refusal.message)
        except ArrivalRefused as refusal:
            return refuse(400, refusal.code, refusal.message)
        except ClientDisconnect:
            return refuse(400, "BODY_INCOMPLETE", "The connection was lost; send this again")
        except Unavailable as fault:
            return refuse(503, fault.code, "The files are out of reach right now", {"Retry-After": "5"})

    async def _take(self, request: Request) -> Response:
        key = request.path_params["key"]
        grant = self._uploads.check_link(key, request.query_params)
        if request.headers.get("content-length") != str(grant.size_bytes):
            return refuse(400, "WRONG_LENGTH", f"This link is for a body of {grant.size_bytes} bytes, said beforehand")
        if grant.part is None and request.headers.get("content-type") != grant.mime_type:
            return refuse(400, "WRONG_TYPE", f"This link is for Content-Type: {grant.mime_type}")
        async with self._turns.setdefault(key.split("/")[1], asyncio.Semaphore(PUTS_AT_ONCE)):
            blob = await self._uploads.receive(grant, request.stream())
        return Response(headers=SHARED_HEADERS | {"ETag": f'"{blob.etag}"', "Cache-Control": "no-store"})


def routes(store: BlobStore) -> list[Route]:
    """Where the links of this store lead when they lead to us."""
    if not isinstance(store, LocalStore):
        return []
    return [Route("/media/{key:path}", MediaFiles(store)), Route("/files/{key:path}", ArrivingFiles(store))]


def pick_span(headers: Headers, etag: str, size_bytes: int) -> Span | None:
    """The one range asked for, or None for the whole (RFC 9110): also for several, which no player asks for."""
    asked = _ONE_RANGE.fullmatch(headers.get("range", "").strip())
    if not asked or headers.get("if-range", etag) != etag:
        return None
    first, last = asked.groups()
    if not (first or last) or (first and last and int(first) > int(last)):
        return None
    start = int(first) if first else max(0, size_bytes - int(last))
    end = min(size_bytes, int(last) + 1) if first and last else size_bytes
    if start >= end:
        raise RangeNotSatisfiable
    return Span(start, end)


def _answer(request: Request, file: OpenBlob, download_name: str, seconds_left: int) -> Response:
    etag = f'"{file.blob.etag}"'
    headers = SHARED_HEADERS | {"ETag": etag, "Cache-Control": f"private, max-age={seconds_left}"}
    if _names(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    headers |= _describe(file, download_name)
    if request.method == "HEAD":  # a Range means something to GET only
        return Response(headers=headers | {"Content-Length": str(file.blob.size_bytes)})
    try:
        span = pick_span(request.headers, etag, file.blob.size_bytes)
    except RangeNotSatisfiable as refusal:
        return refuse(416, refusal.code, refusal.message, {"Content-Range": f"bytes */{file.blob.size_bytes}"})
    start, end = span or (0, file.blob.size_bytes)
    headers["Content-Length"] = str(end - start)
    if span:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.blob.size_bytes}"
    return StreamingResponse(file.chunks(start, end - start), 206 if span else 200, headers)


def _describe(file: OpenBlob, download_name: str) -> dict[str, str]:
    mime_type = file.blob.mime_type
    described = {
        "Accept-Ranges": "bytes",
        "Content-Type": keys.content_type(mime_type),
        "Content-Disposition": keys.content_disposition(mime_type, download_name, sandboxed=True),
    }
    return described | ({"Content-Security-Policy": SVG_POLICY} if mime_type == "image/svg+xml" else {})


def _names(if_none_match: str | None, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")]
    return "*" in tags or etag in tags


def refuse(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    """Why a link does not lead to what it named."""
    return JSONResponse(
        {"error": {"code": code, "message": message}},
        status,
        SHARED_HEADERS | {"Cache-Control": "no-store"} | (headers or {}),
    )
