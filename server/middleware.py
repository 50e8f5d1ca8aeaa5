"""What every HTTP request passes through, outermost first; what `server.graphql.front` answers gets the same."""

import logging
import time
from functools import lru_cache

import orjson
from prometheus_client import Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server import metrics
from server.http import JSON, Reply, read_headers
from server.logs import bound_contextvars, get_logger, new_request_id
from server.origins import Origins, preflight_headers

ROUTES = {
    "graphql",
    "healthz",
    "readyz",
    "metrics",
    "media",
    "files",
    "share",
    "embed",
    "oembed",
    "policy",
    "tokens.json",
    "webhooks",
}
TOLD_FIRST = {"/graphql", "/tokens.json"}  # where a page elsewhere may send more than a plain GET

log = get_logger(__name__)
_level = logging.getLogger(__name__)  # asking it costs a seventieth of a line that nobody reads


def note_request(request_id: str, method: str, path: str, status: int, seconds: float) -> None:
    """A request's measurement and its log line."""
    top = path[1:].partition("/")[0]  # it may also be "*"
    _find_clock(top if top in ROUTES else "other", status).observe(seconds)
    if _level.isEnabledFor(logging.DEBUG):
        log.debug("request", request_id=request_id, method=method, path=path, status=status, seconds=seconds)


def answer_fault(fault: Exception, request_id: str) -> Reply:
    """Log what nobody foresaw, and answer with the request's id and nothing else."""
    log.error("request.fault", request_id=request_id, exc_info=fault)
    problem = {
        "message": "Something went wrong on our side; tell us the request id",
        "extensions": {"code": "INTERNAL", "requestId": request_id},
    }
    return Reply(500, orjson.dumps({"errors": [problem]}), (("Content-Type", JSON), ("Cache-Control", "no-store")))


@lru_cache(maxsize=1024)  # finding it anew costs as much as counting
def _find_clock(route: str, status: int) -> Histogram:
    return metrics.REQUEST_SECONDS.labels(route, status)


class RequestLog:
    """Gives each request an id, a log line and a measurement."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = new_request_id(read_headers(scope["headers"]).get(b"x-request-id"))
        scope.setdefault("state", {})["request_id"] = request_id
        began, seconds, status = time.perf_counter(), 0.0, 500

        async def note(message: Message) -> None:
            nonlocal seconds, status
            if message["type"] == "http.response.start":
                seconds, status = time.perf_counter() - began, message["status"]  # a stream may stay open for hours
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        with bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, note)
            finally:
                seconds = seconds or time.perf_counter() - began
                note_request(request_id, scope["method"], scope["path"], status, seconds)


class CrossOrigin:
    """Tells browsers what pages of other origins may do, and refuses the WebSockets of those that nobody trusts."""

    def __init__(self, app: ASGIApp, origins: Origins) -> None:
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._open(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _open(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if origin and not self._origins.trusts(origin, headers.get("host", "")):
            log.warning("origin.refused", origin=origin)
            await send({"type": "websocket.close", "code": 1008, "reason": "Origin not trusted"})
            return
        await self._app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = read_headers(scope["headers"])

        async def describe(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                for name, value in self._origins.describe(headers):
                    if name == "Vary":
                        answer.add_vary_header(value)
                    else:
                        answer.setdefault(name, value)  # what is open to every origin stays so
            await send(message)

        asks_first = {b"origin", b"access-control-request-method"} <= headers.keys()
        if scope["method"] == "OPTIONS" and scope["path"] in TOLD_FIRST and asks_first:
            problems = self._origins.find_problems(headers)
            words = f"Disallowed CORS {', '.join(problems)}" if problems else "OK"
            response = PlainTextResponse(words, 400 if problems else 200, preflight_headers())
            await response(scope, receive, describe)
        else:
            await self._app(scope, receive, describe)


class Faults:
    """Answers what nobody foresaw."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def note(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, note)
        except Exception as fault:
            reply = answer_fault(fault, scope["state"].get("request_id", ""))
            if scope["type"] != "http" or started:
                raise
            await reply.as_response()(scope, receive, send)


def middleware(origins: Origins) -> list[Middleware]:
    """Outermost first."""
    return [Middleware(RequestLog), Middleware(CrossOrigin, origins), Middleware(Faults)]
