"""What all rows share: ids that sort by time, and how an id looks to a client."""

import secrets
import time
from datetime import datetime
from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from server.errors import NotFound

CURSOR = "cursor"  # what the ids of cursors begin with


def new_id() -> UUID:
    """A UUID of version 7: its order is the order of creation, to the millisecond."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | (0x7 << 76) | (secrets.randbits(12) << 64) | (0b10 << 62) | secrets.randbits(62)
    return UUID(int=value)


def write_id(kind: str, row_id: UUID) -> str:
    """The id that a client sees, such as `track_0190…`."""
    return f"{kind}_{row_id.hex}"


def read_id(kind: str, text: str) -> UUID:
    """The row's id behind a client's; anything else is NotFound, as a foreign id would be."""
    prefix, _, digits = text.rpartition("_")
    if prefix != kind or len(digits) != 32:
        raise NotFound
    try:
        return UUID(hex=digits)
    except ValueError:
        raise NotFound from None


class Row(Model):
    """A row with an id and a time of birth."""

    id = fields.UUIDField(primary_key=True, default=new_id)
    created_at: datetime = fields.DatetimeField(auto_now_add=True)

    class Meta:
        abstract = True
