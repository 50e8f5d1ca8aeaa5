"""The audit: what those in charge did to other people's things; rows are only ever added."""

from uuid import UUID

from tortoise import fields
from tortoise.indexes import Index

from storage import database
from storage.rows import Row, new_id


class AuditEntry(Row):
    """What somebody in charge did to somebody else's things: who, what, when and why; rows are only added."""

    actor_id = fields.UUIDField()
    action = fields.CharField(max_length=40)  # a past fact, such as `track.taken_down`
    subject = fields.CharField(max_length=80)  # the id of what it was done to, as clients see it
    note = fields.TextField()

    class Meta:
        table = "audit_entries"
        indexes = (Index(fields=("subject", "id"), name="audit_entries_subject"),)


async def write_entry(actor_id: UUID, action: str, subject: str, note: str) -> None:
    """Note what is being done, in the transaction that does it."""
    await database.fetch(
        "INSERT INTO audit_entries (id, actor_id, action, subject, note, created_at)"
        " VALUES ($1, $2, $3, $4, $5, now())",
        new_id(),
        actor_id,
        action,
        subject,
        note,
    )
