"""Idempotency keys: the same key and input give the first answer; the same key and other input are a Conflict."""

import hashlib
from typing import Any
from uuid import UUID

import orjson
from tortoise import fields
from tortoise.migrations.constraints import UniqueConstraint

from server.errors import Conflict
from storage import database
from storage.rows import Row, new_id


class IdempotencyKey(Row):
    """A key that was used once, and what it made."""

    user_id = fields.UUIDField()
    operation = fields.CharField(max_length=40)
    key = fields.CharField(max_length=255)
    input_hash = fields.CharField(max_length=64)
    answer_id = fields.UUIDField()

    class Meta:
        table = "idempotency_keys"
        constraints = (UniqueConstraint(fields=("user_id", "operation", "key"), name="idempotency_keys_key"),)


async def claim_key(user_id: UUID, operation: str, key: str, given: dict[str, Any], answer_id: UUID) -> UUID:
    """Tie a key to what is about to be made, in the same transaction; gives the id that the key is tied to.

    That is `answer_id` for the first to come. A second one waits here for the first one's commit and gets its id.
    """
    won = await database.fetch(
        "INSERT INTO idempotency_keys (id, user_id, operation, key, input_hash, answer_id, created_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, now()) ON CONFLICT (user_id, operation, key) DO NOTHING RETURNING id",
        new_id(),
        user_id,
        operation,
        key,
        _hash(given),
        answer_id,
    )
    first_id = answer_id if won else await find_answer(user_id, operation, key, given)
    assert first_id is not None  # noqa: S101 - keys are never untied
    return first_id


async def tie_to_other(user_id: UUID, operation: str, key: str, answer_id: UUID) -> None:
    """Tie a key that was claimed in the transaction at hand to another id, as it turned out what the answer is."""
    await database.fetch(
        "UPDATE idempotency_keys SET answer_id = $4 WHERE (user_id, operation, key) = ($1, $2, $3)",
        user_id,
        operation,
        key,
        answer_id,
    )


async def find_answer(user_id: UUID, operation: str, key: str, given: dict[str, Any]) -> UUID | None:
    """The id that a key is tied to, if it is; Conflict when that was with another input."""
    held = await IdempotencyKey.get_or_none(user_id=user_id, operation=operation, key=key)
    if held is None:
        return None
    if held.input_hash != _hash(given):
        raise Conflict(f"The idempotency key {key!r} was used before with another input")
    return held.answer_id


def _hash(given: dict[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(given, option=orjson.OPT_SORT_KEYS, default=str)).hexdigest()
