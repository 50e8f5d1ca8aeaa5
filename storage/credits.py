"""Credits: what an account has, and the ledger line behind every change of it.

A reservation moves credits from available to held; completion captures them, failure and cancel give them back
(`storage.lifecycle`). The balance on the account can never fall below zero: the database refuses it.
"""

from uuid import UUID

from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import UniqueConstraint

from server.errors import InsufficientCredits
from storage import database
from storage.rows import Row, new_id


class CreditEntry(Row):
    """One line of the ledger; the sum of `available_delta` is the balance, that of `held_delta` what is reserved."""

    user_id = fields.UUIDField()
    job_id = fields.UUIDField(null=True)
    round = fields.IntField(default=0)
    kind = fields.CharField(max_length=8)
    available_delta = fields.IntField()
    held_delta = fields.IntField(default=0)

    class Meta:
        table = "credit_entries"
        indexes = (Index(fields=("user_id", "id"), name="credit_entries_user"),)
        constraints = (
            UniqueConstraint(
                fields=("job_id", "round"), name="credit_entries_reserve_once", condition="kind = 'RESERVE'"
            ),
            UniqueConstraint(
                fields=("job_id", "round"), name="credit_entries_settle_once", condition="kind IN ('CAPTURE', 'REFUND')"
            ),
        )


async def grant_credits(user_id: UUID, amount: int) -> None:
    """Add to an account."""
    await database.fetch("UPDATE users SET credits = credits + $2 WHERE id = $1", user_id, amount)
    await CreditEntry.create(user_id=user_id, kind="GRANT", available_delta=amount)


async def reserve_credits(user_id: UUID, job_id: UUID, amount: int, *, round_number: int = 0) -> None:
    """Hold credits for a job, in the transaction that creates the job; InsufficientCredits when they do not reach."""
    if amount == 0:
        return
    taken = await database.fetch(
        "UPDATE users SET credits = credits - $2 WHERE id = $1 AND credits >= $2 RETURNING id", user_id, amount
    )
    if not taken:
        raise InsufficientCredits(required=amount, available=await read_available(user_id))
    await CreditEntry.create(
        id=new_id(),
        user_id=user_id,
        job_id=job_id,
        round=round_number,
        kind="RESERVE",
        available_delta=-amount,
        held_delta=amount,
    )


async def read_available(user_id: UUID) -> int:
    """How many credits an account may spend."""
    row = await database.fetch_one("SELECT credits FROM users WHERE id = $1", user_id)
    return int(row["credits"]) if row else 0


async def find_reserved(job_id: UUID, round_number: int) -> int:
    """How many credits were held for this round of a job."""
    row = await database.fetch_one(
        "SELECT held_delta FROM credit_entries WHERE job_id = $1 AND round = $2 AND kind = 'RESERVE'",
        job_id,
        round_number,
    )
    return int(row["held_delta"]) if row else 0
