"""GraphQL over HTTP, as its specification has it; sockets are spoken to by `server.realtime`."""

import secrets
from dataclasses import dataclass
from typing import Any

import orjson
from graphql import OperationType
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from schema.context import Context
from schema.documents import DocumentErrors
from server.auth import Gatekeeper
from server.errors import LibrettoError, Refusal, Unauthenticated, Unavailable
from server.logs import bound_contextvars
from server.operations import Operations, Payload, is_unexecuted, refuse
from server.resources import Resources
from storage.access import ANONYMOUS, Viewer

MAX_BODY_BYTES = 2 << 20  # a cover of 1 MiB, escaped as JSON, and its mutation
JSON = "application/json"
RESPONSE_JSON = "application/graphql-response+json"
MAX_REQUEST_ID = 64
OUR_FAULTS = {Unavailable.code: 503, "TIMED_OUT": 504}


class BadRequest(Refusal):
    """The request is not a GraphQL request."""

    code = "BAD_REQUEST"
    status = 400


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


class BodyTooLarge(BadRequest):
    """The request is too large."""

    code = "BODY_TOO_LARGE"
    status = 413


@dataclass(frozen=True)
class Asked:
    """What a request, or a socket's message, asks for."""

    query: str
    name: str | None
    variables: dict[str, Any]

    @classmethod
    def of(cls, given: Any) -> "Asked":
        """From its JSON; BadRequest says which part is not as it should be."""
        if not isinstance(given, dict):
            raise BadRequest("Send one JSON object; batches are not accepted")
        query, name, variables = given.get("query"), given.get("operationName"), given.get("variables")
        if not isinstance(query, str) or not query.strip():
            raise BadRequest("`query` must be a string with a GraphQL document")
        if name is not None and not isinstance(name, str):
            raise BadRequest("`operationName` must be a string or null")
        if variables is not None and not isinstance(variables, dict):
            raise BadRequest("`variables` must be an object or null")
        if not isinstance(given.get("extensions"), dict | None):
            raise BadRequest("`extensions` must be an object or null")
        return cls(query, name or None, variables or {})


class GraphQLEndpoint:
    """Answers POST and GET on `/graphql`."""

    def __init__(self, resources: Resources, operations: Operations, gatekeeper: Gatekeeper) -> None:
        self._resources = resources
        self._operations = operations
        self._gatekeeper = gatekeeper

    async def answer(self, request: Request) -> Response:
        """One request; whatever is wrong with it is said in GraphQL's own form."""
        request_id = request.scope["state"]["request_id"]
        media_type = JSON
        try:
            media_type = _negotiate(request.headers.get("accept"))
            viewer, refusal = self._recognise(request)
            asked = await _read(request)
            operation = self._operations.find(asked.query, asked.name, asked.variables)
            if refusal is not None and not operation.opens_session:
                raise refusal
            if operation.type is OperationType.SUBSCRIPTION:
                raise BadRequest("Subscriptions are served over WebSocket, as graphql-transport-ws")
            if request.method == "GET" and operation.type is not OperationType.QUERY:
                raise MethodNotAllowed
        except (LibrettoError, DocumentErrors) as error:
            return _answer(refuse(error, request_id), media_type, _status_of(error, media_type), error)
        context = Context(self._resources.settings, self._resources.blobs, self._resources.hub, request_id, viewer)
        with bound_contextvars(user_id=viewer.user_id and viewer.user_id.hex):
            payload = await self._operations.run(operation, asked.variables, context)
        return _answer(payload, media_type, _status_of_payload(payload, media_type))

    def _recognise(self, request: Request) -> tuple[Viewer, Unauthenticated | None]:
        """Who asks; a token that is no good is no reason to refuse a log-in or a refresh, which clients send along."""
        try:
            return self._gatekeeper.read(request.headers.get("authorization"))[0], None
        except Unauthenticated as refusal:
            return ANONYMOUS, refusal


def new_request_id(given: str | None = None) -> str:
    """The caller's own id for a request, if it is fit for a log line, or a new one."""
    if given and len(given) <= MAX_REQUEST_ID and given.isascii() and given.replace("-", "").replace("_", "").isalnum():
        return given
    return secrets.token_hex(8)


async def _read(request: Request) -> Asked:
    if request.method == "HEAD":
        raise HeadNotAllowed
    if request.method == "GET":
        return Asked.of(_from_query(request))
    kind, *parameters = (piece.strip().lower() for piece in request.headers.get("content-type", "").split(";"))
    charsets = {piece.partition("=")[2].strip(' "') for piece in parameters if piece.startswith("charset")}
    if kind != JSON or not charsets <= {"utf-8", "utf8"}:
        raise UnsupportedMediaType
    return Asked.of(_parse(await _read_body(request)))


def _from_query(request: Request) -> dict[str, Any]:
    given: dict[str, Any] = dict(request.query_params)
    for name in ("variables", "extensions"):
        if name in given:
            given[name] = _parse(given[name])
    return given


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise BodyTooLarge(f"At most {MAX_BODY_BYTES} bytes")
    except ClientDisconnect:
        raise BadRequest("The request ended early") from None
    return bytes(body)


def _parse(text: str | bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"This is not JSON: {error}") from None


def _negotiate(accept: str | None) -> str:
    """The media type to answer in: what is named first with the greatest weight; plain JSON for whoever names none."""
    weights: dict[str, float] = {}
    for part in (accept or "*/*").split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weights.setdefault(kind, _weight(parameters))
    for kind in [*weights]:
        for offered in (JSON, RESPONSE_JSON) if kind in {"application/*", "*/*"} else ():
            weights.setdefault(offered, weights[kind])  # a type that is named itself keeps its own weight
    named = [kind for kind in weights if kind in {RESPONSE_JSON, JSON} and weights[kind] > 0]
    if not named:
        raise NotAcceptable
    return max(named, key=lambda kind: weights[kind])


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0


def _status_of(error: LibrettoError | DocumentErrors, media_type: str) -> int:
    if isinstance(error, BadRequest):
        return error.status
    if isinstance(error, Unauthenticated):
        return 401
    return 400 if media_type == RESPONSE_JSON else 200


def _status_of_payload(payload: Payload, media_type: str) -> int:
    codes = {error["extensions"]["code"] for error in payload.get("errors", ())}
    if codes & OUR_FAULTS.keys():
        return max(OUR_FAULTS[code] for code in codes & OUR_FAULTS.keys())
    return 400 if is_unexecuted(payload) and media_type == RESPONSE_JSON else 200


def _answer(
    payload: Payload, media_type: str, status: int, error: LibrettoError | DocumentErrors | None = None
) -> Response:
    headers = {"Content-Type": f"{media_type}; charset=utf-8", "Cache-Control": "no-store"}
    if status == 503:
        headers["Retry-After"] = "2"
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = error.allowed
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = f'Bearer error="invalid_token", error_description="{error.code}"'
    if "errors" in payload and "data" in payload and payload["data"] is None and status == 400:
        payload = {name: value for name, value in payload.items() if name != "data"}
    return Response(orjson.dumps(payload), status, headers)
