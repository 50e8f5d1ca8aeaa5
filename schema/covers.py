"""Covers: the picture of a track, in the crops that the networks ask for, and those that people drew and saved."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import strawberry

from jobs import covers as cover_jobs
from jobs.covers import DrawnCover
from schema.context import Context, Info
from schema.failures import Conflict, NotAllowed, NotFound, RateLimited, TooManyCovers, ValidationFailed
from schema.jobs import Job
from schema.mutation import find_key_problems, mutation
from schema.nodes import Node, node_id
from schema.pages import After, Connection, First
from schema.reads import computed, relation
from schema.roots import One, Page
from server import errors
from storage import covers, jobs
from storage.access import OWNER
from storage.rows import read_id

SAVED_COVERS = Page(covers.SavedCover, OWNER, {"track_id": "track"})


@strawberry.enum(description="1:1 at 1024 by 1024, 9:16 at 1080 by 1920, 16:9 at 1920 by 1080.")
class Crop(StrEnum):
    SQUARE = "SQUARE"
    PORTRAIT = "PORTRAIT"
    LANDSCAPE = "LANDSCAPE"


@strawberry.type(description="The picture of a track, at one visual version.")
class Cover(Node):
    rows = (covers.Cover,)
    door = One(covers.Cover, OWNER, "cover")

    id: strawberry.ID = node_id("cover")
    visual_version: int

    @computed("svg_key")
    @staticmethod
    def svg_url(root: Any, info: Info) -> str:
        """The drawing."""
        return info.context.link(root.svg_key)

    @computed("square_key", "portrait_key", "landscape_key")
    @staticmethod
    def png_url(root: Any, info: Info, crop: Crop = Crop.SQUARE) -> str | None:
        """The picture in one crop; null while it is being drawn."""
        return _link_crop(root, info, crop)


def _link_crop(root: Any, info: Info, crop: Crop) -> str | None:
    key = getattr(root, f"{crop.value.lower()}_key")
    return info.context.link(key) if key is not None else None


@strawberry.enum(description="Which surroundings a cover is drawn for.")
class CoverMode(StrEnum):
    DARK = "DARK"
    LIGHT = "LIGHT"


@strawberry.enum(
    description="Where the pictures of a saved cover stand; those of a drawing that is too much are REFUSED."
)
class PicturesStatus(StrEnum):
    QUEUED = "QUEUED"
    READY = "READY"
    REFUSED = "REFUSED"


@strawberry.type(description="A picture of a track that its owner drew.")
class SavedCover(Node):
    rows = (covers.SavedCover,)
    door = One(covers.SavedCover, OWNER, "savedCover")

    id: strawberry.ID = node_id("savedCover")
    mode: CoverMode
    visual_version: int
    size_bytes: int
    created_at: datetime
    status: PicturesStatus | None = strawberry.field(description="Null where no pictures were made when it was saved.")
    job: Job | None = relation(lambda: jobs.Job, "job_id", description="The work that makes its pictures.")

    @computed("svg_key")
    @staticmethod
    def svg_url(root: Any, info: Info) -> str:
        """The drawing, rebuilt: without scripts, links and whatever else a picture does not need."""
        return info.context.link(root.svg_key)

    @computed("square_key", "portrait_key", "landscape_key")
    @staticmethod
    def png_url(root: Any, info: Info, crop: Crop = Crop.SQUARE) -> str | None:
        """The middle of the drawing, as large as fills the crop; null unless the status is READY."""
        return _link_crop(root, info, crop)


@strawberry.type(description="The cover is saved.")
class CoverSaved:
    saved_cover: SavedCover


@strawberry.type(description="The saved cover is gone; a track that showed it shows its own again.")
class SavedCoverDeleted:
    id: strawberry.ID


@strawberry.input
class DeleteSavedCoverInput:
    saved_cover_id: strawberry.ID


@strawberry.input
class SaveCoverInput:
    track_id: strawberry.ID
    svg: str = strawberry.field(description="An SVG document of at most 1 MiB.")
    mode: CoverMode | None = strawberry.field(default=None, description="LIGHT, unless `dark` says otherwise.")
    dark: bool = strawberry.field(default=False, description="Short for the mode DARK.")
    idempotency_key: str | None = None


SaveCoverResult = Annotated[
    CoverSaved | ValidationFailed | NotFound | NotAllowed | RateLimited | TooManyCovers | Conflict,
    strawberry.union("SaveCoverResult"),
]
DeleteSavedCoverResult = Annotated[SavedCoverDeleted | NotFound, strawberry.union("DeleteSavedCoverResult")]


@strawberry.type
class CoverQuery:
    @strawberry.field(description="The covers that you saved, newest first.", metadata={"reads": SAVED_COVERS})
    async def saved_covers(
        self, info: Info, first: First, after: After = None, track_id: strawberry.ID | None = None
    ) -> Connection[SavedCover]:
        return await SAVED_COVERS.read(info.context, first, after, track_id=track_id)


@strawberry.type
class CoverMutation:
    @mutation
    async def save_cover(self, info: Info, input: SaveCoverInput) -> SaveCoverResult | None:  # noqa: A002 - the API's name
        """Save a cover that you drew for a track of yours: 30 a minute, 500 or 200 MiB in all."""
        context: Context = info.context
        context.viewer.require_user()
        if not context.settings.feature_cover_save:
            raise errors.FeatureOff("Covers cannot be saved in this studio")
        key = input.idempotency_key
        if problems := find_key_problems(key):
            raise errors.ValidationFailed(problems)
        mode = input.mode or (CoverMode.DARK if input.dark else CoverMode.LIGHT)
        drawn = DrawnCover(read_id("track", input.track_id), input.svg, mode.value)
        saved = await cover_jobs.save_cover(context.viewer, drawn, context.blobs, idempotency_key=key)
        return CoverSaved(saved_cover=SavedCover.of(saved))

    @mutation
    async def delete_saved_cover(self, info: Info, input: DeleteSavedCoverInput) -> DeleteSavedCoverResult | None:  # noqa: A002 - the API's name
        """Forget a cover that you saved."""
        user_id = info.context.viewer.require_user()
        if not await covers.delete_saved_cover(user_id, read_id("savedCover", input.saved_cover_id)):
            raise errors.NotFound("There is no such saved cover")
        return SavedCoverDeleted(id=input.saved_cover_id)
