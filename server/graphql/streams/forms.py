"""The forms in which results travel over one HTTP response, byte for byte as the client libraries read them."""

import random
from typing import ClassVar, Protocol

import orjson

from server.errors import LibrettoError
from server.graphql.negotiation import EVENT_STREAM, MULTIPART

RETRY_MILLISECONDS = (1000, 3000)  # browsers that were cut off together come back one by one


class Form(Protocol):
    """How a stream is written."""

    content_type: ClassVar[str]
    heartbeat: ClassVar[bytes]
    closing: ClassVar[bytes]  # after the last result of all
    is_shared: ClassVar[bool]  # by many operations, so that it stays when one is complete
    ends_with_reason: ClassVar[bool]  # or else it has to be cut off when it ends too early

    def write_opening(self) -> bytes:
        """What comes before all else."""

    def write_result(self, operation_id: str, payload: bytes) -> bytes:
        """One result, given as JSON."""

    def write_complete(self, operation_id: str) -> bytes:
        """There is nothing more to come of this operation."""

    def write_farewell(self, reason: LibrettoError) -> bytes:
        """The stream ends too early, for this reason."""


class EventStream(Form):
    """graphql-sse with a connection for each operation, which is also what urql reads.

    `data:` of the last event is empty but there: without it browsers drop the event, and what follows it urql would
    read as JSON. Lines end in LF alone: urql looks for no other.
    """

    content_type = "text/event-stream; charset=utf-8"
    heartbeat = b":\n\n"
    closing = b""
    is_shared = False
    ends_with_reason = False

    def write_opening(self) -> bytes:
        return b"retry: %d\n\n" % random.randint(*RETRY_MILLISECONDS)  # noqa: S311 - jitter

    def write_result(self, _operation_id: str, payload: bytes) -> bytes:
        return b"event: next\ndata: %b\n\n" % payload

    def write_complete(self, _operation_id: str) -> bytes:
        return b"event: complete\ndata:\n\n"

    def write_farewell(self, reason: LibrettoError) -> bytes:
        return f": {reason.code}\n\n".encode()  # for whoever looks at the wire; libraries see only the cut


class SharedEventStream(EventStream):
    """graphql-sse with one connection for all operations: each message says whose it is."""

    is_shared = True

    def write_result(self, operation_id: str, payload: bytes) -> bytes:
        return b'event: next\ndata: {"id":%b,"payload":%b}\n\n' % (orjson.dumps(operation_id), payload)

    def write_complete(self, operation_id: str) -> bytes:
        return b'event: complete\ndata: {"id":%b}\n\n' % orjson.dumps(operation_id)


class Multipart(Form):
    """Apollo's: each part ends with the next one's boundary, for until then its client takes it for unfinished."""

    content_type = 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0'
    boundary = b"\r\n--graphql"
    part = b"\r\nContent-Type: application/json\r\n\r\n%b" + boundary
    heartbeat = part % b"{}"
    closing = b"--\r\n"
    is_shared = False
    ends_with_reason = True

    def write_opening(self) -> bytes:
        return self.boundary

    def write_result(self, _operation_id: str, payload: bytes) -> bytes:
        return self.part % (b'{"payload":%b}' % payload)

    def write_complete(self, _operation_id: str) -> bytes:
        return b""

    def write_farewell(self, reason: LibrettoError) -> bytes:
        problem = {"message": reason.message, "extensions": {"code": reason.code}}
        return self.part % orjson.dumps({"payload": None, "errors": [problem]}) + self.closing


FORMS: dict[str, Form] = {EVENT_STREAM: EventStream(), MULTIPART: Multipart()}
SHARED = SharedEventStream()


def write_whole(media_type: str, payload: bytes) -> tuple[str, bytes]:
    """The content type and the body of a stream with one result, such as why its operation cannot run."""
    form = FORMS[media_type]
    words = (form.write_opening(), form.write_result("", payload), form.write_complete(""), form.closing)
    return form.content_type, b"".join(words)
