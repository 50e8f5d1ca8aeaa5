"""graphql-sse with a single connection: a stream is reserved, opened, and told of operations by other requests.

A reservation lives in the process that gave it, and its token says which one that is. Where several web processes
stand behind a load balancer, it has to send a client to the same one each time; 421 STREAM_ELSEWHERE says that it
did not.
"""

import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing, nullcontext
from datetime import datetime
from typing import Any

import orjson
from graphql import OperationType
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from schema.context import Context
from schema.documents import DocumentErrors
from server.auth import Gatekeeper
from server.errors import LibrettoError
from server.graphql.negotiation import EVENT_STREAM, Accepted, is_json, negotiate
from server.graphql.streams.forms import SHARED
from server.graphql.streams.refusals import (
    NotAccepted,
    OperationExists,
    OperationTooLarge,
    StreamElsewhere,
    StreamNotFound,
    StreamTaken,
    TooManyOperations,
    WrongMethod,
    WrongType,
    answer_refusal,
)
from server.graphql.streams.register import Register
from server.graphql.streams.stream import Stream, StreamedResponse
from server.http import find_client
from server.operations import Operations
from server.operations.asked import Asked, BadRequest
from server.operations.cohorts import Cohorts, Frame
from server.resources import Resources
from storage.access import Viewer

RESERVATION_SECONDS = 10.0
MAX_OPERATIONS = 100
MAX_OPERATION_ID = 128  # it comes back with every event
MAX_BODY_BYTES = 2 << 20
TOKEN_HEADER, TOKEN_PARAMETER, ID_PARAMETER = "x-graphql-event-stream-token", "token", "operationId"
PLAIN_TEXT = {"", "*/*", "text/*", "text/plain"}


class Reservations:
    """The streams that were reserved at this process, by their tokens."""

    def __init__(
        self,
        register: Register,
        resources: Resources,
        operations: Operations,
        gatekeeper: Gatekeeper,
        cohorts: Cohorts,
        *,
        seconds: float,
    ) -> None:
        self._register = register
        self._resources = resources
        self._operations = operations
        self._gatekeeper = gatekeeper
        self._cohorts = cohorts
        self._seconds = seconds
        self._process = secrets.token_hex(4)
        self._streams: dict[str, Stream] = {}

    async def answer(self, request: Request) -> Response:
        """One request of whoever has, or wants, a stream."""
        try:
            viewer, token_ends_at = self._gatekeeper.read(request.headers.get("authorization"))
            match request.method:
                case "PUT":
                    return self._reserve(request, viewer, token_ends_at)
                case "GET":
                    return self._open(request, viewer)
                case "POST":
                    return await self._begin(request, viewer)
                case "DELETE":
                    return self._end(request, viewer)
            raise WrongMethod
        except (LibrettoError, DocumentErrors) as error:
            return answer_refusal(error, request.scope["state"]["request_id"])

    def _reserve(self, request: Request, viewer: Viewer, token_ends_at: datetime | None) -> Response:
        if not any(part.split(";")[0].strip() in PLAIN_TEXT for part in request.headers.get("accept", "").split(",")):
            raise NotAccepted
        if _read_token(request) in self._streams:
            raise StreamTaken
        self._register.check_room(viewer)
        token = f"{self._process}.{secrets.token_urlsafe(24)}"
        stream = self._register.add(SHARED, viewer, token_ends_at, on_end=lambda: self._streams.pop(token, None))
        stream.reserve(self._seconds)
        self._streams[token] = stream
        return Response(token, 201, {"Cache-Control": "no-store"}, "text/plain")

    def _open(self, request: Request, viewer: Viewer) -> Response:
        if _negotiate(request).stream != EVENT_STREAM:
            raise NotAccepted
        stream = self._find(request, viewer)
        if stream.is_open:
            raise StreamTaken
        stream.open()
        return StreamedResponse(stream.serve)

    async def _begin(self, request: Request, viewer: Viewer) -> Response:
        if _negotiate(request).answer is None:
            raise NotAccepted
        if not is_json(request.headers.get("content-type", "").encode("latin-1")):
            raise WrongType
        given = await _read_json(request)
        stream = self._find(request, viewer)
        asked = self._operations.read(given)
        operation_id = _read_operation_id(given)
        if stream.carries(operation_id):
            raise OperationExists
        if stream.operation_count >= MAX_OPERATIONS:
            raise TooManyOperations(f"At most {MAX_OPERATIONS} operations on a stream")
        request_id = request.scope["state"]["request_id"]
        address = find_client(request.scope, self._resources.settings.client_address_header)
        stream.start(operation_id, self._execute(stream, asked, viewer, request_id, address), request_id)
        return Response(status_code=202)

    async def _execute(
        self, stream: Stream, asked: Asked, viewer: Viewer, request_id: str, address: str
    ) -> AsyncGenerator[Frame, None]:
        """What is wrong with a document is told on the stream: a client that is refused only tries again."""
        operation = self._operations.find(asked.query, asked.name, asked.variables)
        resources = self._resources
        context = Context(resources.settings, resources.blobs, resources.hub, request_id, viewer, address)
        turn = nullcontext() if operation.type is OperationType.SUBSCRIPTION else stream.answering
        async with turn, aclosing(self._cohorts.watch(operation, asked.variables, context)) as frames:
            async for frame in frames:
                yield frame

    def _end(self, request: Request, viewer: Viewer) -> Response:
        stream = self._find(request, viewer)
        operation_id = request.query_params.get(ID_PARAMETER)
        if not operation_id:
            raise BadRequest(f"`{ID_PARAMETER}` must say which operation is to end")
        stream.stop(operation_id)
        return Response(status_code=200)

    def _find(self, request: Request, viewer: Viewer) -> Stream:
        """The viewer's stream; one whose browser cannot send a token of ours along is known by the stream's alone."""
        token = _read_token(request)
        process, dot, _ = token.partition(".")
        if dot and process != self._process:
            raise StreamElsewhere
        stream = self._streams.get(token)
        is_bare = request.method == "GET" and "authorization" not in request.headers
        if stream is None or not (is_bare or _is_same(viewer, stream.viewer)):
            raise StreamNotFound
        return stream


def _is_same(one: Viewer, other: Viewer) -> bool:
    return (one.user_id, one.session_id) == (other.user_id, other.session_id)


def _negotiate(request: Request) -> Accepted:
    return negotiate(request.headers.get("accept", "*/*").encode("latin-1"))


def _read_token(request: Request) -> str:
    return request.headers.get(TOKEN_HEADER) or request.query_params.get(TOKEN_PARAMETER, "")


def _read_operation_id(given: dict[str, Any]) -> str:
    operation_id = (given.get("extensions") or {}).get(ID_PARAMETER)
    if not isinstance(operation_id, str) or not 0 < len(operation_id) <= MAX_OPERATION_ID:
        raise BadRequest(f"`extensions.{ID_PARAMETER}` must be a string of at most {MAX_OPERATION_ID} characters")
    return operation_id


async def _read_json(request: Request) -> Any:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise OperationTooLarge(f"At most {MAX_BODY_BYTES} bytes")
        return orjson.loads(body)
    except ClientDisconnect:
        raise BadRequest("The request ended early") from None
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"This is not JSON: {error}") from None
