"""Attestations: who has said that they hold the rights in what they brought, for which work, when, in which words."""

from uuid import UUID

from tortoise import fields
from tortoise.indexes import Index

from storage.rows import Row


class Attestation(Row):
    """What somebody said of a work when it was created; it outlasts the work, for whoever asks later."""

    user_id = fields.UUIDField()
    subject_id = fields.UUIDField()
    wording = fields.CharField(max_length=40)

    class Meta:
        table = "attestations"
        indexes = (Index(fields=("subject_id",), name="attestations_subject"),)


async def keep_attestation(user_id: UUID, subject_id: UUID, wording: str) -> None:
    """Write down what somebody attests now, in the transaction that creates the work."""
    await Attestation.create(user_id=user_id, subject_id=subject_id, wording=wording)
