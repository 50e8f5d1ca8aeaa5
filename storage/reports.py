"""Reports: what people have to say against a shared track, and what was decided about it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from ipaddress import ip_address, ip_network
from uuid import NAMESPACE_OID, UUID, uuid5

from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint

from server.errors import Conflict, NotFound
from storage import allowances, audits, database
from storage.access import Viewer
from storage.allowances import Allowance
from storage.rows import Row, write_id
from storage.tracks import Track

REPORTS_OF_ADDRESS = Allowance("reports.address", 5, 3600)
REPORTS_OF_TRACK = Allowance("reports.track", 30, 3600)
MAX_DETAILS, MAX_NOTE, MAX_EMAIL = 2_000, 2_000, 254
OPEN = "OPEN"
EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,189}")


class Breach(StrEnum):
    """Which rule of the content policy is broken."""

    RIGHTS = "RIGHTS"
    IMPERSONATION = "IMPERSONATION"
    MINORS = "MINORS"
    SEXUAL = "SEXUAL"
    HATE = "HATE"
    VIOLENCE = "VIOLENCE"
    PRIVACY = "PRIVACY"
    OTHER = "OTHER"


class Report(Row):
    """What somebody has to say against a shared track, and what was decided about it."""

    track_id = fields.UUIDField()
    reporter_id = fields.UUIDField(null=True)
    reason = fields.CharField(max_length=16)
    details = fields.TextField()
    email = fields.CharField(max_length=MAX_EMAIL, null=True)
    state = fields.CharField(max_length=9, default=OPEN)
    decided_by_id = fields.UUIDField(null=True)
    decided_at: datetime | None = fields.DatetimeField(null=True)
    note = fields.TextField(null=True)

    class Meta:
        table = "reports"
        indexes = (Index(fields=("state", "id"), name="reports_state"),)
        constraints = (
            CheckConstraint(check="state IN ('OPEN', 'UPHELD', 'DISMISSED')", name="reports_state_known"),
            CheckConstraint(check="(state = 'OPEN') = (decided_at IS NULL)", name="reports_decided_once"),
        )


@dataclass(frozen=True)
class Complaint:
    """What somebody says is wrong with a track."""

    reason: Breach
    details: str
    email: str | None = None

    def problems(self) -> dict[str, str]:
        """What is wrong with it, by field."""
        return dict(self._problems())

    def _problems(self) -> Iterator[tuple[str, str]]:
        if not self.details.strip() or len(self.details) > MAX_DETAILS or "\x00" in self.details:
            yield "details", f"Say what is wrong, in 1 to {MAX_DETAILS} characters"
        if self.email is not None and not (len(self.email) <= MAX_EMAIL and EMAIL.fullmatch(self.email)):
            yield "email", "This is not an e-mail address; leave it out if you want no answer"


async def file_report(track: Track, complaint: Complaint, *, address: str, reporter_id: UUID | None) -> Report:
    """Keep what somebody says against a track that they may see; RateLimited when there is too much of it."""
    await allowances.spend(REPORTS_OF_ADDRESS, name_address(address))
    await allowances.spend(REPORTS_OF_TRACK, track.id)
    return await Report.create(
        track_id=track.id,
        reporter_id=reporter_id,
        reason=complaint.reason.value,
        details=complaint.details.strip(),
        email=complaint.email,
    )


def name_address(address: str) -> UUID:
    """What an address is counted by: a home's whole network where it has more addresses than there are seconds."""
    try:
        known = ip_address(address)
    except ValueError:
        return uuid5(NAMESPACE_OID, address)
    mapped = getattr(known, "ipv4_mapped", None)
    network = mapped or (known if known.version == 4 else ip_network((known, 64), strict=False))
    return uuid5(NAMESPACE_OID, str(network))


async def resolve_report(viewer: Viewer, report_id: UUID, *, state: str, note: str) -> Report:
    """Decide about a report; Conflict when somebody has done so already."""
    actor_id = viewer.require_admin()
    async with database.transaction():
        decided = await database.fetch(
            "UPDATE reports SET state = $2, note = $3, decided_by_id = $4, decided_at = now()"
            " WHERE id = $1 AND state = 'OPEN' RETURNING id",
            report_id,
            state,
            note,
            actor_id,
        )
        if not decided:
            if await Report.exists(id=report_id):
                raise Conflict("This report has been decided about already")
            raise NotFound("There is no such report")
        await audits.write_entry(actor_id, f"report.{state.lower()}", write_id("report", report_id), note)
        return await Report.get(id=report_id)
