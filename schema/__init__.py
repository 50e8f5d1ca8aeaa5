"""What a client may ask: the contents page of the API, one class for each domain."""

import strawberry
from strawberry.schema.config import StrawberryConfig

from schema.allowances import AllowanceQuery
from schema.analyses import AnalysisMutation
from schema.audits import AuditQuery
from schema.clips import ClipMutation
from schema.covers import CoverMutation, CoverQuery
from schema.credits import CreditQuery
from schema.figures import FigureQuery
from schema.files import FILE, SentFile
from schema.imports import ImportMutation
from schema.jobs import JobMutation, JobQuery, JobSubscription
from schema.lyrics import LyricsMutation
from schema.providers import ProviderQuery
from schema.reports import ReportMutation, ReportQuery
from schema.root import NODES, RootQuery
from schema.series import SeriesMutation, SeriesQuery
from schema.songs import SongMutation
from schema.styles import StyleQuery
from schema.tracks import TrackMutation, TrackQuery
from schema.uploads import UploadMutation, UploadQuery
from schema.users import UserMutation, UserQuery
from schema.videos import VideoMutation, VideoQuery
from schema.webhooks import WebhookMutation, WebhookQuery


@strawberry.type
class Query(
    RootQuery,
    UserQuery,
    TrackQuery,
    SeriesQuery,
    CoverQuery,
    VideoQuery,
    UploadQuery,
    JobQuery,
    StyleQuery,
    CreditQuery,
    WebhookQuery,
    ProviderQuery,
    FigureQuery,
    AllowanceQuery,
    ReportQuery,
    AuditQuery,
):
    pass


@strawberry.type
class Mutation(
    UserMutation,
    TrackMutation,
    ImportMutation,
    SongMutation,
    SeriesMutation,
    AnalysisMutation,
    CoverMutation,
    ClipMutation,
    LyricsMutation,
    VideoMutation,
    UploadMutation,
    JobMutation,
    WebhookMutation,
    ReportMutation,
):
    pass


@strawberry.type
class Subscription(JobSubscription):
    pass


schema = strawberry.Schema(
    Query,
    Mutation,
    Subscription,
    types=NODES,
    config=StrawberryConfig(disable_field_suggestions=True, scalar_map={SentFile: FILE}),
)

__all__ = ["schema"]
