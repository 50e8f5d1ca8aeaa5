"""GraphQL over HTTP streams: server-sent events as graphql-sse has them, and multipart as Apollo does."""

from datetime import datetime
from uuid import UUID

from graphql import OperationType
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from schema.context import Context
from schema.documents import Operation
from server.auth import Gatekeeper
from server.errors import LibrettoError
from server.graphql.streams.forms import FORMS
from server.graphql.streams.refusals import answer_refusal
from server.graphql.streams.register import HEARTBEAT_SECONDS, Register
from server.graphql.streams.reservations import RESERVATION_SECONDS, Reservations
from server.graphql.streams.stream import StreamedResponse
from server.operations import Operations
from server.operations.asked import Asked
from server.operations.cohorts import Cohorts
from server.resources import Resources
from storage.access import Viewer


class Streams:
    """What the endpoint and the process ask of streams."""

    def __init__(
        self,
        resources: Resources,
        operations: Operations,
        gatekeeper: Gatekeeper,
        cohorts: Cohorts,
        *,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        reservation_seconds: float = RESERVATION_SECONDS,
    ) -> None:
        self._gatekeeper = gatekeeper
        self._cohorts = cohorts
        self._register = Register(heartbeat_seconds)
        self._reservations = Reservations(
            self._register, resources, operations, gatekeeper, cohorts, seconds=reservation_seconds
        )

    async def respond(self, asked: Asked, operation: Operation, context: Context, media_type: str) -> Response:
        """A response with every result of one operation."""

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            token_ends_at = self._read_token_end(scope, context.viewer)
            stream = self._register.add(FORMS[media_type], context.viewer, token_ends_at)
            stream.is_brief = operation.type is not OperationType.SUBSCRIPTION
            stream.open()
            stream.start("", self._cohorts.watch(operation, asked.variables, context), context.request_id)
            await stream.serve(scope, receive, send)

        try:
            self._register.check_room(context.viewer)
        except LibrettoError as error:
            return answer_refusal(error, context.request_id)
        return StreamedResponse(serve)

    async def answer_single(self, request: Request) -> Response:
        """Whatever is asked in the mode of graphql-sse in which all operations share one stream."""
        return await self._reservations.answer(request)

    def end_session(self, session_id: UUID) -> None:
        """End the streams of a session that was logged out."""
        self._register.end_session(session_id)

    async def drain(self) -> None:
        """End all streams, not all at once, so that their clients do not come back all at once."""
        await self._register.drain()

    def _read_token_end(self, scope: Scope, viewer: Viewer) -> datetime | None:
        if viewer.user_id is None:
            return None
        return self._gatekeeper.read(Headers(scope=scope).get("authorization"))[1]
