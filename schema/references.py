"""References: recordings that a track was asked to take after."""

from typing import Any

import strawberry

from jobs.references import RIGHTS
from schema.nodes import Node, node_id
from schema.reads import computed
from schema.roots import One
from storage import references
from storage.access import OWNER
from storage.rows import write_id


@strawberry.type(description="A recording of yours that a track takes after.")
class TrackReference(Node):
    rows = (references.TrackReference,)
    door = One(references.TrackReference, OWNER, "reference")

    id: strawberry.ID = node_id("reference")
    filename: str
    duration_seconds: float

    @computed("upload_id")
    @staticmethod
    def upload_id(root: Any) -> strawberry.ID:
        """The file; there is no such upload any more once you have deleted it."""
        return strawberry.ID(write_id("upload", root.upload_id))


@strawberry.input
class TrackReferenceInput:
    upload_id: strawberry.ID = strawberry.field(
        description="A STORED upload of yours with sound; it cannot be deleted while the track is made."
    )
    rights_attested: bool = strawberry.field(description=f"True says, and it is written down: {RIGHTS}.")
