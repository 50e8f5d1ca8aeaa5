"""Files that come along with an operation, as the multipart form of GraphQL requests has it."""

from dataclasses import dataclass
from typing import Any, BinaryIO

import strawberry


@dataclass(frozen=True)
class SentFile:
    """A file as it came; it is open until the operation has been answered."""

    file: BinaryIO
    filename: str
    mime_type: str
    size_bytes: int


def _read(value: Any) -> SentFile:
    if not isinstance(value, SentFile):
        raise ValueError("A file is sent along in a multipart form, and stands as null in the variables")  # noqa: TRY004 - what graphql-core takes for the client's mistake
    return value


def _refuse(_value: Any) -> None:
    raise ValueError("A file is never part of an answer")


FILE = strawberry.scalar(
    name="Upload",
    description="A file sent along with the operation, as graphql-multipart-request-spec has it.",
    parse_value=_read,
    serialize=_refuse,
)
