"""What a client may ask: the contents page of the API, one class for each domain."""

import strawberry
from strawberry.schema.config import StrawberryConfig

from schema.context import Info
from schema.covers import Cover
from schema.credits import CreditEntry, CreditQuery
from schema.jobs import Job, JobMutation, JobQuery, JobSubscription
from schema.nodes import Node
from schema.root import find_node
from schema.styles import Style, StyleQuery
from schema.tracks import Asset, Series, Track, TrackMutation, TrackQuery
from schema.users import User, UserMutation, UserQuery


@strawberry.type
class Query(UserQuery, TrackQuery, JobQuery, StyleQuery, CreditQuery):
    @strawberry.field(description="Anything that you may see, by its id.")
    async def node(self, info: Info, id: strawberry.ID) -> Node | None:  # noqa: A002 - Relay's name
        return await find_node(info.context.viewer, id)


@strawberry.type
class Mutation(UserMutation, TrackMutation, JobMutation):
    pass


@strawberry.type
class Subscription(JobSubscription):
    pass


schema = strawberry.Schema(
    Query,
    Mutation,
    Subscription,
    types=[Asset, Cover, CreditEntry, Job, Series, Style, Track, User],
    config=StrawberryConfig(disable_field_suggestions=True),
)

__all__ = ["schema"]
