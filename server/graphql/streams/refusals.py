"""Every way in which a stream is refused, with the status and the code that a client may rely on."""

from typing import ClassVar

import orjson
from starlette.responses import Response

from schema.documents import DocumentErrors
from server.errors import LibrettoError, Refusal, Unauthenticated, Unavailable
from server.graphql.negotiation import RESPONSE_JSON
from server.operations import refuse
from server.operations.asked import BadRequest

METHODS = "GET, POST, PUT, DELETE"
RETRY_SECONDS = "2"


class StreamRefused(Refusal):
    """The stream was refused."""

    status: ClassVar[int] = 400


class WrongMethod(StreamRefused):
    """PUT reserves a stream, GET opens it, POST begins an operation on it, DELETE ends one."""

    code = "METHOD_NOT_ALLOWED"
    status = 405


class WrongType(StreamRefused):
    """Send the operation as application/json."""

    code = "UNSUPPORTED_MEDIA_TYPE"
    status = 415


class NotAccepted(StreamRefused):
    """A reservation is answered with text/plain, its stream is text/event-stream, and an operation on it JSON."""

    code = "NOT_ACCEPTABLE"
    status = 406


class OperationTooLarge(StreamRefused):
    """The operation is too large."""

    code = "BODY_TOO_LARGE"
    status = 413


class StreamNotFound(StreamRefused):
    """No such stream is reserved or open; it may have ended. Reserve another with PUT."""

    code = "STREAM_NOT_FOUND"
    status = 404


class StreamElsewhere(StreamRefused):
    """This stream was reserved at another web process; a load balancer has to send each client to one and the same."""

    code = "STREAM_ELSEWHERE"
    status = 421


class StreamTaken(StreamRefused):
    """This stream is reserved or open already; it has room for one connection only."""

    code = "STREAM_TAKEN"
    status = 409


class OperationExists(StreamRefused):
    """An operation of this id is running on the stream."""

    code = "OPERATION_EXISTS"
    status = 409


class TooManyOperations(StreamRefused):
    """End an operation before you begin another."""

    code = "TOO_MANY_OPERATIONS"
    status = 429


class TooManyStreams(StreamRefused):
    """You have too many streams open; one can carry many operations."""

    code = "TOO_MANY_STREAMS"
    status = 429


class StreamsFull(Unavailable):
    """This server holds as many streams as it can; try again in a moment."""

    code = "STREAMS_FULL"


class Restarting(Unavailable):
    """The server restarts; come back in a moment."""

    code = "RESTARTING"


class SessionEnded(Unauthenticated):
    """The session has ended; log in again."""

    code = "SESSION_ENDED"


def answer_refusal(error: LibrettoError | DocumentErrors, request_id: str) -> Response:
    """The answer in place of a stream, or to what was asked of one."""
    status, headers = _status_of(error), {"Cache-Control": "no-store"}
    if status in {429, 503}:
        headers["Retry-After"] = RETRY_SECONDS
    elif status == 405:
        headers["Allow"] = METHODS
    elif isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = f'Bearer error="invalid_token", error_description="{error.code}"'
    return Response(orjson.dumps(refuse(error, request_id)), status, headers, f"{RESPONSE_JSON}; charset=utf-8")


def _status_of(error: LibrettoError | DocumentErrors) -> int:
    if isinstance(error, StreamRefused | BadRequest):
        return error.status
    if isinstance(error, Unauthenticated):
        return 401
    return 503 if isinstance(error, Unavailable) else 400
