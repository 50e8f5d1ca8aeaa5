"""What all rows share: ids that sort by time, and how an id looks to a client."""

import os
import re
import time
from datetime import datetime
from uuid import UUID

from tortoise import fields
from tortoise.models import Model

from server.errors import NotFound

DIGITS = re.compile("[0-9a-f]{32}")  # one way to write an id, or one could be asked for in millions
CURSOR = "cursor"  # what the ids of cursors begin with
# What `new_id` makes, in SQL: the random UUID's first 48 bits are the time, its version is 7 instead of 4.
NEW_ID = (
    "encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) placing"
    " substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),"
    " 52, 1), 53, 1), 'hex')::uuid"
)
_VERSION_AND_VARIANT = 0x7 << 76 | 0b10 << 62
_RANDOM = (1 << 80) - 1 & ~(0xF << 76 | 0b11 << 62)


def new_id() -> UUID:
    """A UUID of version 7: its order is the order of creation, to the millisecond."""
    milliseconds = time.time_ns() // 1_000_000
    return UUID(int=milliseconds << 80 | int.from_bytes(os.urandom(10)) & _RANDOM | _VERSION_AND_VARIANT)


def first_id_at(moment: datetime) -> UUID:
    """No id that was made at this time or later comes before this one."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def write_id(kind: str, row_id: UUID) -> str:
    """The id that a client sees, such as `track_0190…`."""
    return f"{kind}_{row_id.hex}"


def read_id(kind: str, text: str) -> UUID:
    """The row's id behind a client's; anything else is NotFound, as a foreign id would be."""
    prefix, _, digits = text.rpartition("_")
    if prefix != kind or DIGITS.fullmatch(digits) is None:
        raise NotFound
    return UUID(hex=digits)


class Row(Model):
    """A row with an id and a time of birth."""

    id = fields.UUIDField(primary_key=True, default=new_id)
    created_at: datetime = fields.DatetimeField(auto_now_add=True)

    class Meta:
        abstract = True
