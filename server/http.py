"""Requests and replies, whoever reads them from the wire and writes them to it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from starlette.responses import Response

from server.origins import Headers

JSON = "application/json"


@dataclass(slots=True)
class Request:
    """A request, whoever has read it from the wire."""

    method: str
    query_string: bytes
    headers: dict[bytes, bytes]
    body: bytes | bytearray
    id: str


class Reply(NamedTuple):
    """An answer, whoever writes it to the wire."""

    status: int
    body: bytes
    headers: Headers

    def as_response(self) -> Response:
        """As Starlette sends it."""
        return Response(self.body, self.status, dict(self.headers))


def read_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """By name, in small letters; what comes twice is one list, as HTTP has it."""
    headers: dict[bytes, bytes] = {}
    for name, value in raw:
        headers[name] = headers[name] + b", " + value if name in headers else value
    return headers
