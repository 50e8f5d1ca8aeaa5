"""Reports and takedowns: what people have to say against a shared track, and what admins do about it."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import strawberry

from schema.context import Context, Info
from schema.failures import Conflict, NotAllowed, NotFound, RateLimited, ValidationFailed
from schema.mutation import mutation
from schema.nodes import Node, node_id
from schema.pages import After, Connection, First
from schema.reads import relation
from schema.roots import One, Page
from schema.tracks import Track
from schema.users import User
from server import errors
from storage import reports, takedowns, tracks, users
from storage.access import ADMINS
from storage.reports import MAX_NOTE, Breach, Complaint
from storage.rows import read_id, write_id

REPORTS = Page(reports.Report, ADMINS, {"state": None})


@strawberry.enum(description="Where a report stands: undecided, found to be right, found to be wrong.")
class ReportState(StrEnum):
    OPEN = "OPEN"
    UPHELD = "UPHELD"
    DISMISSED = "DISMISSED"


@strawberry.enum(description="What is decided about a report.")
class ReportDecision(StrEnum):
    UPHELD = "UPHELD"
    DISMISSED = "DISMISSED"


@strawberry.type(description="What somebody has to say against a shared track.")
class Report(Node):
    rows = (reports.Report,)
    door = One(reports.Report, ADMINS, "report")

    id: strawberry.ID = node_id("report")
    reason: Breach
    details: str
    email: str | None
    state: ReportState
    note: str | None
    created_at: datetime
    decided_at: datetime | None
    track: Track | None = relation(lambda: tracks.Track, "track_id", description="Null once its owner deleted it.")
    reporter: User | None = relation(lambda: users.User, "reporter_id", description="Null if they were not logged in.")
    decided_by: User | None = relation(lambda: users.User, "decided_by_id", description="The admin who decided.")


@strawberry.type(description="The report is kept, and the admins see it.")
class TrackReported:
    report_id: strawberry.ID


@strawberry.type(description="The decision is kept.")
class ReportResolved:
    report: Report


@strawberry.type(description="The world sees the track no longer; its owner does.")
class TrackTakenDown:
    track: Track


@strawberry.type(description="The world sees the track again, as far as its owner lets it.")
class TrackRestored:
    track: Track


@strawberry.input
class ReportTrackInput:
    slug: str | None = strawberry.field(default=None, description="The end of the share page's address.")
    track_id: strawberry.ID | None = strawberry.field(default=None, description="Or the track's id.")
    reason: Breach
    details: str
    email: str | None = strawberry.field(default=None, description="Where an answer may be sent.")


@strawberry.input
class ResolveReportInput:
    report_id: strawberry.ID
    decision: ReportDecision
    note: str = ""


@strawberry.input
class TakeDownTrackInput:
    track_id: strawberry.ID
    reason: Breach
    note: str = strawberry.field(default="", description="For the audit; the owner sees the reason alone.")


@strawberry.input
class RestoreTrackInput:
    track_id: strawberry.ID
    note: str = ""


ReportTrackResult = Annotated[
    TrackReported | ValidationFailed | NotFound | RateLimited, strawberry.union("ReportTrackResult")
]
ResolveReportResult = Annotated[
    ReportResolved | ValidationFailed | NotFound | NotAllowed | Conflict, strawberry.union("ResolveReportResult")
]
TakeDownTrackResult = Annotated[
    TrackTakenDown | ValidationFailed | NotFound | NotAllowed | Conflict, strawberry.union("TakeDownTrackResult")
]
RestoreTrackResult = Annotated[
    TrackRestored | ValidationFailed | NotFound | NotAllowed | Conflict, strawberry.union("RestoreTrackResult")
]


@strawberry.type
class ReportQuery:
    @strawberry.field(
        description="What was reported, newest first, in any state or in one; for admins.", metadata={"reads": REPORTS}
    )
    async def reports(
        self, info: Info, first: First, after: After = None, state: ReportState | None = None
    ) -> Connection[Report]:
        return await REPORTS.read(info.context, first, after, state=state)


@strawberry.type
class ReportMutation:
    @mutation
    async def report_track(self, info: Info, input: ReportTrackInput) -> ReportTrackResult | None:  # noqa: A002 - the API's name
        """Say what is wrong with a shared track; whoever sees its page may, logged in or not."""
        context: Context = info.context
        complaint = Complaint(input.reason, input.details, input.email)
        if problems := complaint.problems():
            raise errors.ValidationFailed(problems)
        track = await _find_reported(input)
        if track is None or track.taken_down_at is not None:
            raise errors.NotFound("There is no such track")
        report = await reports.file_report(
            track, complaint, address=context.client_address, reporter_id=context.viewer.user_id
        )
        return TrackReported(report_id=strawberry.ID(write_id("report", report.id)))

    @mutation
    async def resolve_report(self, info: Info, input: ResolveReportInput) -> ResolveReportResult | None:  # noqa: A002 - the API's name
        """Decide about a report, once; taking the track down is a step of its own. For admins."""
        info.context.viewer.require_admin()
        report_id, note = read_id("report", input.report_id), _check_note(input.note)
        decided = await reports.resolve_report(info.context.viewer, report_id, state=input.decision.value, note=note)
        return ReportResolved(report=Report.of(decided))

    @mutation
    async def take_down_track(self, info: Info, input: TakeDownTrackInput) -> TakeDownTrackResult | None:  # noqa: A002 - the API's name
        """Hide a track from the world, whoever it belongs to. For admins."""
        info.context.viewer.require_admin()
        track_id, note = read_id("track", input.track_id), _check_note(input.note)
        track = await takedowns.take_down(info.context.viewer, track_id, reason=input.reason.value, note=note)
        return TrackTakenDown(track=Track.of(track))

    @mutation
    async def restore_track(self, info: Info, input: RestoreTrackInput) -> RestoreTrackResult | None:  # noqa: A002 - the API's name
        """Undo a takedown. For admins."""
        info.context.viewer.require_admin()
        track_id, note = read_id("track", input.track_id), _check_note(input.note)
        return TrackRestored(track=Track.of(await takedowns.restore(info.context.viewer, track_id, note=note)))


async def _find_reported(given: ReportTrackInput) -> tracks.Track | None:
    if (given.slug is None) == (given.track_id is None):
        raise errors.ValidationFailed({"slug": "Name the track by its slug or by its id, not by both"})
    if given.slug is not None:
        return await tracks.find_shared_track(given.slug)
    return await tracks.find_shared_track_by_id(read_id("track", given.track_id or ""))


def _check_note(note: str) -> str:
    if len(note) > MAX_NOTE or "\x00" in note:
        raise errors.ValidationFailed({"note": f"At most {MAX_NOTE} characters"})
    return note.strip()
