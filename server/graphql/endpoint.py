"""GraphQL over HTTP, as its specification has it; sockets are spoken to by `server.realtime.sockets`."""

from collections.abc import Coroutine
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import orjson
from graphql import OperationType
from starlette import requests
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from schema.context import Context
from schema.documents import DocumentErrors, Operation
from server.auth import Gatekeeper
from server.errors import LibrettoError, Unauthenticated, Unavailable
from server.graphql.forms import is_form, read_form
from server.graphql.limits import describe
from server.graphql.negotiation import RESPONSE_JSON, Accepted, is_json, negotiate
from server.graphql.streams import Streams
from server.graphql.streams.forms import write_whole
from server.http import JSON, Reply, Request, find_address, find_peer, read_headers
from server.logs import bind_contextvars, unbind_contextvars
from server.operations import AnswerTooLarge, Operations, Payload, encode, is_unexecuted, refuse
from server.operations.asked import Asked, BadRequest
from server.origins import Headers, Origins
from server.resources import Resources
from storage import allowances
from storage.access import ANONYMOUS, Viewer

MAX_BODY_BYTES = 2 << 20  # a cover of 1 MiB, escaped as JSON, and its mutation
STREAM_TOKEN = b"x-graphql-event-stream-token"
OUR_FAULTS = {Unavailable.code: 503, "TIMED_OUT": 504}
HEADERS: dict[str, Headers] = {
    media_type: (("Content-Type", f"{media_type}; charset=utf-8"), ("Cache-Control", "no-store"))
    for media_type in (JSON, RESPONSE_JSON)
}
NOTHING = Accepted(None, None)


class MethodNotAllowed(BadRequest):
    """Mutations cannot be sent by GET."""

    code = "METHOD_NOT_ALLOWED"
    status = 405
    allowed = "POST"


class HeadNotAllowed(MethodNotAllowed):
    """Send a GET or a POST; nothing is executed for its headers alone."""

    allowed = "GET, POST"


class UnsupportedMediaType(BadRequest):
    """Send the request as application/json."""

    code = "UNSUPPORTED_MEDIA_TYPE"
    status = 415


class NotAcceptable(BadRequest):
    """This is the GraphQL endpoint: POST a document as application/json and accept JSON; the page at / shows how."""

    code = "NOT_ACCEPTABLE"
    status = 406


class NoStreamAccepted(NotAcceptable):
    """Subscribe over WebSocket, as graphql-transport-ws, or accept text/event-stream or multipart/mixed by name."""


class Forged(BadRequest):
    """A browser sends this for a page that we do not trust; send `apollo-require-preflight: true` along, or a POST."""

    code = "CSRF_REFUSED"
    status = 403


class BodyTooLarge(BadRequest):
    """The request is too large."""

    code = "BODY_TOO_LARGE"
    status = 413


class Stream(NamedTuple):
    """What must be answered result by result."""

    asked: Asked
    operation: Operation
    context: Context
    media_type: str


class GraphQLEndpoint:
    """Answers POST and GET on `/graphql`."""

    def __init__(
        self,
        resources: Resources,
        operations: Operations,
        gatekeeper: Gatekeeper,
        origins: Origins,
        streams: Streams,
    ) -> None:
        self._resources = resources
        self._operations = operations
        self._gatekeeper = gatekeeper
        self._origins = origins
        self._streams = streams

    async def answer(self, incoming: requests.Request) -> Response:
        """One request of Starlette's."""
        scope = incoming.scope
        headers, request_id = read_headers(scope["headers"]), scope["state"]["request_id"]
        request = Request(scope["method"], scope["query_string"], headers, b"", request_id, find_peer(scope))
        try:
            if _is_for_one_connection(request, incoming):
                self._check_origin(request)
                return await self._streams.answer_single(incoming)
            if request.method == "POST" and is_form(headers):
                async with read_form(incoming, headers) as given:
                    return await self._respond(self.begin(request, given))
            if request.method == "POST":
                request.body = await _read_body(incoming)
        except BadRequest as error:
            return _refuse(error, request).as_response()
        return await self._respond(self.begin(request))

    async def _respond(self, begun: Reply | Stream | Coroutine[Any, Any, Reply]) -> Response:
        if isinstance(begun, Stream):
            return await self._streams.respond(*begun)
        return (begun if isinstance(begun, Reply) else await begun).as_response()

    def begin(self, request: Request, given: Any = None) -> Reply | Stream | Coroutine[Any, Any, Reply]:
        """All that needs no I/O; whatever is wrong with a request is said in GraphQL's own form.

        `given` is what it asks for where that has been read already.
        """
        try:
            accepted = negotiate(request.headers.get(b"accept"))
            if accepted == NOTHING:
                raise NotAcceptable
            self._check_origin(request)
            viewer, refusal = self._recognise(request.headers.get(b"authorization"))
            asked = self._operations.read(_decode(request) if given is None else given)
            operation = self._operations.find(asked.query, asked.name, asked.variables)
            if refusal is not None and not operation.opens_session:
                raise refusal
            if request.method == "GET" and operation.type is OperationType.MUTATION:
                raise MethodNotAllowed
            media_type = _choose(accepted, operation)
        except (LibrettoError, DocumentErrors) as error:
            return _refuse(error, request)
        if operation.fixed is not None and media_type in HEADERS:
            return Reply(200, operation.fixed, HEADERS[media_type])
        resources = self._resources
        address = find_address(request.headers, request.peer, resources.settings.client_address_header)
        context = Context(resources.settings, resources.blobs, resources.hub, request.id, viewer, address)
        if media_type not in HEADERS:
            return Stream(asked, operation, context, media_type)
        return self._run(request, asked, operation, context, media_type)

    async def _run(
        self, request: Request, asked: Asked, operation: Operation, context: Context, media_type: str
    ) -> Reply:
        viewer = context.viewer
        bind_contextvars(request_id=context.request_id, user_id=viewer.user_id and viewer.user_id.hex)
        try:
            with allowances.noting() as spending:
                payload = await self._operations.run(operation, asked.variables, context)
        finally:
            unbind_contextvars("user_id")  # a request that waits its turn on this connection begins in this context
        try:
            reply = _reply(payload, media_type)
        except AnswerTooLarge as error:
            return _refuse(error, request)
        return reply if not spending.standings else reply._replace(headers=(*reply.headers, *describe(spending)))

    def _recognise(self, authorization: bytes | None) -> tuple[Viewer, Unauthenticated | None]:
        """Who asks; a token that is no good is no reason to refuse a log-in or a refresh, which clients send along."""
        if authorization is None:
            return ANONYMOUS, None
        try:
            return self._gatekeeper.read(authorization.decode("latin-1"))[0], None
        except Unauthenticated as refusal:
            return ANONYMOUS, refusal

    def _check_origin(self, request: Request) -> None:
        if request.method == "GET" and self._origins.is_forged(request.headers):
            raise Forged


def _is_for_one_connection(request: Request, incoming: requests.Request) -> bool:
    """Whether this belongs to the mode of graphql-sse in which all operations share one stream."""
    return request.method in ("PUT", "DELETE") or STREAM_TOKEN in request.headers or "token" in incoming.query_params


def _choose(accepted: Accepted, operation: Operation) -> str:
    """JSON for what ends at once, even if the client would take a stream; urql and Apollo name all they can read."""
    if operation.type is OperationType.SUBSCRIPTION:
        if accepted.stream is None:
            raise NoStreamAccepted
        return accepted.stream
    return accepted.answer or accepted.stream or JSON


def _decode(request: Request) -> Any:
    if request.method == "HEAD":
        raise HeadNotAllowed
    if request.method == "GET":
        return _from_query(request.query_string)
    if not is_json(request.headers.get(b"content-type")):
        raise UnsupportedMediaType
    return _parse(request.body)


def _from_query(query_string: bytes) -> dict[str, Any]:
    given: dict[str, Any] = dict(parse_qsl(query_string.decode("latin-1"), keep_blank_values=True))
    for name in ("variables", "extensions"):
        if name in given:
            given[name] = _parse(given[name])
    return given


async def _read_body(incoming: requests.Request) -> bytes:
    body, problem = bytearray(), f"At most {MAX_BODY_BYTES} bytes"
    if int(incoming.headers.get("content-length", 0)) > MAX_BODY_BYTES:
        raise BodyTooLarge(problem)
    try:
        async for chunk in incoming.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise BodyTooLarge(problem)
    except ClientDisconnect:
        raise BadRequest("The request ended early") from None
    return bytes(body)


def _parse(text: str | bytes | bytearray) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"This is not JSON: {error}") from None


def _refuse(error: LibrettoError | DocumentErrors, request: Request) -> Reply:
    accepted = negotiate(request.headers.get(b"accept"))
    if accepted.answer is None and accepted.stream and not isinstance(error, BadRequest | Unauthenticated):
        content_type, body = write_whole(accepted.stream, orjson.dumps(refuse(error, request.id)))
        return Reply(200, body, (("Content-Type", content_type), ("Cache-Control", "no-store")))
    media_type = accepted.answer or (RESPONSE_JSON if accepted.stream else JSON)
    status, headers = _status_of(error, media_type), HEADERS[media_type]
    if isinstance(error, MethodNotAllowed):
        headers = (*headers, ("Allow", error.allowed))
    if isinstance(error, Unauthenticated):
        challenge = f'Bearer error="invalid_token", error_description="{error.code}"'
        headers = (*headers, ("WWW-Authenticate", challenge))
    return Reply(status, orjson.dumps(refuse(error, request.id)), headers)


def _status_of(error: LibrettoError | DocumentErrors, media_type: str) -> int:
    if isinstance(error, BadRequest):
        return error.status
    if isinstance(error, Unauthenticated):
        return 401
    return 400 if media_type == RESPONSE_JSON else 200


def _reply(payload: Payload, media_type: str) -> Reply:
    status, headers = 200, HEADERS[media_type]
    if "errors" in payload:
        codes = {error["extensions"]["code"] for error in payload["errors"]}
        if codes & OUR_FAULTS.keys():
            status = max(OUR_FAULTS[code] for code in codes & OUR_FAULTS.keys())
        elif is_unexecuted(payload) and media_type == RESPONSE_JSON:
            status = 400
            payload = {name: value for name, value in payload.items() if name != "data"}
    if status == 503:
        headers = (*headers, ("Retry-After", "2"))
    return Reply(status, encode(payload), headers)
