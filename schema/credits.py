"""The ledger: every line of an account, so that nobody need wonder where credits went."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import strawberry

from schema.context import Info
from schema.jobs import Job
from schema.nodes import Node, node_id
from schema.pages import After, Connection, First
from schema.reads import computed, relation
from schema.roots import One, Page
from storage import jobs
from storage.access import OWNER
from storage.credits import CreditEntry as CreditEntryRow
from storage.rows import write_id

CREDIT_ENTRIES = Page(CreditEntryRow, OWNER)


@strawberry.enum(description="What a line of the ledger stands for.")
class CreditEntryKind(StrEnum):
    GRANT = "GRANT"
    RESERVE = "RESERVE"
    CAPTURE = "CAPTURE"
    REFUND = "REFUND"


@strawberry.type(description="One line of the ledger.")
class CreditEntry(Node):
    rows = (CreditEntryRow,)
    door = One(CreditEntryRow, OWNER, "creditEntry")

    id: strawberry.ID = node_id("creditEntry")
    kind: CreditEntryKind
    available_delta: int = strawberry.field(description="These add up to the account's credits.")
    held_delta: int = strawberry.field(description="These add up to what its unfinished jobs hold.")
    created_at: datetime

    @computed("job_id")
    @staticmethod
    def job_id(root: Any) -> strawberry.ID | None:
        """The job that the credits were for."""
        return strawberry.ID(write_id("job", root.job_id)) if root.job_id else None

    job: Job | None = relation(lambda: jobs.Job, "job_id", description="The same, with what it worked on.")


@strawberry.type
class CreditQuery:
    @strawberry.field(description="The ledger of your account, newest first.", metadata={"reads": CREDIT_ENTRIES})
    async def credit_entries(self, info: Info, first: First, after: After = None) -> Connection[CreditEntry]:
        return await CREDIT_ENTRIES.read(info.context, first, after)
