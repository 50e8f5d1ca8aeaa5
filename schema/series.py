"""Series: rows of tracks that belong together, how far they are, and changing them."""

from datetime import datetime
from typing import Annotated

import strawberry

from schema.context import Context, Info
from schema.failures import Conflict, NotAllowed, NotFound, RateLimited, ValidationFailed
from schema.mutation import check_title, mutation
from schema.nodes import Node, node_id
from schema.pages import After, Connection, First
from schema.reads import figure
from schema.roots import One, Page
from server import errors
from storage import allowances, series, tracks
from storage.access import OWNER
from storage.rows import read_id

SERIES = Page(series.Series, OWNER)


@strawberry.type(description="A row of tracks that belong together.")
class Series(Node):
    rows = (series.Series,)
    door = One(series.Series, OWNER, "series")

    id: strawberry.ID = node_id("series")
    title: str
    is_default: bool
    created_at: datetime
    track_count: int = figure(lambda: tracks.Track, "series_id", "count(*)", description="All of its tracks.")
    completed_count: int = figure(
        lambda: tracks.Track,
        "series_id",
        "count(*) FILTER (WHERE status = 'COMPLETE')",
        description="Those that are finished.",
    )
    last_track_at: datetime | None = figure(
        lambda: tracks.Track,
        "series_id",
        "created_at",
        "ORDER BY id DESC LIMIT 1",
        description="When its newest track was asked for.",
    )


@strawberry.type(description="The series is there.")
class SeriesCreated:
    series: Series


@strawberry.type(description="The series as it is now.")
class SeriesUpdated:
    series: Series


@strawberry.type(description="The series is gone; its tracks are in the default one.")
class SeriesDeleted:
    id: strawberry.ID
    moved_track_count: int


@strawberry.input
class CreateSeriesInput:
    title: str


@strawberry.input
class UpdateSeriesInput:
    series_id: strawberry.ID
    title: str


CreateSeriesResult = Annotated[
    SeriesCreated | ValidationFailed | RateLimited | NotAllowed, strawberry.union("CreateSeriesResult")
]
UpdateSeriesResult = Annotated[SeriesUpdated | ValidationFailed | NotFound, strawberry.union("UpdateSeriesResult")]
DeleteSeriesResult = Annotated[SeriesDeleted | NotFound | Conflict, strawberry.union("DeleteSeriesResult")]


@strawberry.type
class SeriesQuery:
    @strawberry.field(description="Your series, newest first.", metadata={"reads": SERIES})
    async def series(self, info: Info, first: First, after: After = None) -> Connection[Series]:
        return await SERIES.read(info.context, first, after)


@strawberry.type
class SeriesMutation:
    @mutation
    async def create_series(self, info: Info, input: CreateSeriesInput) -> CreateSeriesResult | None:  # noqa: A002 - the API's name
        """Begin a series."""
        context: Context = info.context
        user_id = context.viewer.require_user()
        if not context.settings.style_series_enabled:
            raise errors.FeatureOff("No series can be begun in this studio; new tracks go into your default one")
        title = check_title(input.title)
        await allowances.spend(allowances.SERIES, user_id)
        return SeriesCreated(series=Series.of(await series.Series.create(user_id=user_id, title=title)))

    @mutation
    async def update_series(self, info: Info, input: UpdateSeriesInput) -> UpdateSeriesResult | None:  # noqa: A002 - the API's name
        """Change a series' title."""
        title, series_id = check_title(input.title), read_id("series", input.series_id)
        return SeriesUpdated(series=Series.of(await series.update_series(info.context.viewer, series_id, title=title)))

    @mutation
    async def delete_series(self, info: Info, series_id: strawberry.ID) -> DeleteSeriesResult | None:
        """Forget a series; its tracks go on in the default one, which stays."""
        moved = await series.delete_series(info.context.viewer, read_id("series", series_id))
        return SeriesDeleted(id=series_id, moved_track_count=moved)
