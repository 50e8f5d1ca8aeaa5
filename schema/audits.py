"""The audit: what those in charge did to other people's things."""

from datetime import datetime

import strawberry

from schema.context import Info
from schema.nodes import Node, node_id
from schema.pages import After, Connection, First
from schema.reads import relation
from schema.roots import One, Page
from schema.users import User
from storage import audits, users
from storage.access import ADMINS

AUDIT_ENTRIES = Page(audits.AuditEntry, ADMINS, {"subject": None})


@strawberry.type(description="Something that an admin did to somebody else's things.")
class AuditEntry(Node):
    rows = (audits.AuditEntry,)
    door = One(audits.AuditEntry, ADMINS, "auditEntry")

    id: strawberry.ID = node_id("auditEntry")
    action: str
    subject: strawberry.ID
    note: str
    created_at: datetime
    actor: User | None = relation(lambda: users.User, "actor_id", description="Who did it.")


@strawberry.type
class AuditQuery:
    @strawberry.field(
        description="What admins did, newest first, to everything or to one subject, which is named by its id; for"
        " admins.",
        metadata={"reads": AUDIT_ENTRIES},
    )
    async def audit_entries(
        self, info: Info, first: First, after: After = None, subject: strawberry.ID | None = None
    ) -> Connection[AuditEntry]:
        return await AUDIT_ENTRIES.read(info.context, first, after, subject=subject)
