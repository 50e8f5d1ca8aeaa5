"""Requests and replies, whoever reads them from the wire and writes them to it."""

from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, NamedTuple

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
    peer: str  # the address at the other end of the connection


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


def find_address(headers: Mapping[bytes, bytes], peer: str, trusted_header: str) -> str:
    """Whom a request comes from: what the proxy says, if one is trusted, else the other end of the connection."""
    told = headers.get(trusted_header.lower().encode(), b"") if trusted_header else b""
    return told.decode("latin-1").strip() or peer


def find_peer(scope: MutableMapping[str, Any]) -> str:
    """The address at the other end of an ASGI connection."""
    client = scope.get("client")
    return client[0] if client else ""


def find_client(scope: MutableMapping[str, Any], trusted_header: str) -> str:
    """Whom an ASGI request or socket comes from; see `find_address`."""
    return find_address(read_headers(scope["headers"]), find_peer(scope), trusted_header)
