"""Imports: a song of your own as a track."""

from typing import Annotated

import strawberry

from jobs import imports
from jobs.imports import RIGHTS, ImportWish
from schema.context import Info
from schema.failures import Conflict, NotFound, PolicyRejected, RateLimited, ValidationFailed
from schema.jobs import Job
from schema.mutation import check_title, find_key_problems, mutation
from schema.tracks import Track
from server import errors
from storage.rows import read_id


@strawberry.type(description="The song becomes a track; the job makes it.")
class TrackImported:
    track: Track
    job: Job


@strawberry.input
class ImportTrackInput:
    upload_id: strawberry.ID = strawberry.field(
        description="A STORED upload of yours with sound: audio, or a video of which the sound is taken."
    )
    title: str
    rights_attested: bool = strawberry.field(description=f"True says, and it is written down: {RIGHTS}.")
    idempotency_key: str | None = None


ImportTrackResult = Annotated[
    TrackImported | ValidationFailed | NotFound | RateLimited | PolicyRejected | Conflict,
    strawberry.union("ImportTrackResult"),
]


@strawberry.type
class ImportMutation:
    @mutation
    async def import_track(self, info: Info, input: ImportTrackInput) -> ImportTrackResult | None:  # noqa: A002 - the API's name
        """Make a track of a song that you brought: its sound stays as it is, it costs no credits, and once the track
        is complete it needs the upload no more."""
        info.context.viewer.require_user()
        if problems := find_key_problems(input.idempotency_key):
            raise errors.ValidationFailed(problems)
        wish = ImportWish(read_id("upload", input.upload_id), check_title(input.title), input.rights_attested)
        requested = await imports.request_import(info.context.viewer, wish, idempotency_key=input.idempotency_key)
        return TrackImported(track=Track.of(requested.track), job=Job.of(requested.job))
