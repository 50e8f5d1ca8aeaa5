"""What every HTTP request passes through, outermost first."""

import time
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server import metrics
from server.graphql import new_request_id
from server.logs import bound_contextvars, get_logger
from server.settings import Settings

LOCAL_HOSTS = {"localhost", "127.0.0.1", "::1"}
ROUTES = {"graphql", "healthz", "readyz", "metrics", "media", "share", "embed", "oembed", "policy"}

log = get_logger(__name__)


class RequestLog:
    """Gives each request an id, a log line and a measurement."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = new_request_id(Headers(scope=scope).get("x-request-id"))
        scope.setdefault("state", {})["request_id"] = request_id
        began, status = time.perf_counter(), 500

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        with bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, note)
            finally:
                seconds = time.perf_counter() - began
                top = scope["path"].split("/", 2)[1]
                metrics.REQUEST_SECONDS.labels(top if top in ROUTES else "other", status).observe(seconds)
                log.debug("request", method=scope["method"], path=scope["path"], status=status, seconds=seconds)


class TrustedOrigins:
    """Refuses browsers' WebSockets from origins that nobody trusts; clients that are no browser send no origin."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            headers = Headers(scope=scope)
            origin = headers.get("origin")
            if origin and not is_trusted(origin, headers.get("host", ""), self._settings):
                log.warning("origin.refused", origin=origin)
                await send({"type": "websocket.close", "code": 1008, "reason": "Origin not trusted"})
                return
        await self._app(scope, receive, send)


def is_trusted(origin: str, host: str, settings: Settings) -> bool:
    """Whether a page of this origin may speak to us: our own, the settings', and in `dev` any of this machine."""
    try:
        parts = urlsplit(origin)
    except ValueError:  # such as half an IPv6 address
        return False
    if parts.netloc == host or settings.trusted_origins & {origin, "*"}:
        return True
    return settings.libretto_profile == "dev" and (parts.hostname or "") in LOCAL_HOSTS


class Faults:
    """Answers what nobody foresaw with the request's id and nothing else."""

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
        except Exception:
            log.exception("request.fault")
            if scope["type"] != "http" or started:
                raise
            problem = {
                "message": "Something went wrong on our side; tell us the request id",
                "extensions": {"code": "INTERNAL", "requestId": scope["state"]["request_id"]},
            }
            await JSONResponse({"errors": [problem]}, 500)(scope, receive, send)


def middleware(settings: Settings) -> list[Middleware]:
    """Outermost first."""
    local = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?" if settings.libretto_profile == "dev" else None
    return [
        Middleware(RequestLog),
        Middleware(Faults),
        Middleware(TrustedOrigins, settings),
        Middleware(
            CORSMiddleware,
            allow_origins=sorted(settings.trusted_origins),
            allow_origin_regex=local,
            allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type", "x-request-id", "apollo-require-preflight"],
            expose_headers=["x-request-id", "retry-after"],
            max_age=86_400,
        ),
    ]
