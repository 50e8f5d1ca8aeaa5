"""The door for any id: its prefix says what it is, the type's own door says whether the viewer may see it."""

import strawberry

from schema.analyses import Analysis
from schema.audits import AuditEntry
from schema.clips import VideoSection
from schema.context import Info
from schema.covers import Cover, SavedCover
from schema.credits import CreditEntry
from schema.jobs import Job
from schema.lyrics import TimedLyrics
from schema.nodes import Node
from schema.references import TrackReference
from schema.reports import Report
from schema.roots import AnyOf
from schema.series import Series
from schema.styles import Style
from schema.tracks import Asset, Track
from schema.uploads import MediaUpload
from schema.users import User
from schema.videos import Video
from schema.webhooks import Webhook, WebhookDelivery

NODES: tuple[type[Node], ...] = (
    Analysis,
    Asset,
    AuditEntry,
    Cover,
    CreditEntry,
    Job,
    MediaUpload,
    Report,
    SavedCover,
    Series,
    Style,
    TimedLyrics,
    Track,
    TrackReference,
    User,
    Video,
    VideoSection,
    Webhook,
    WebhookDelivery,
)
NODE = AnyOf({node.__name__: node.door for node in NODES})


@strawberry.type
class RootQuery:
    @strawberry.field(description="Anything that you may see, by its id.", metadata={"reads": NODE})
    async def node(self, info: Info, id: strawberry.ID) -> Node | None:  # noqa: A002 - Relay's name
        return Node.of(await NODE.read(info.context, id))
