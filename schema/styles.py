"""Styles: the catalogue, for everybody to choose from."""

import strawberry

from schema.nodes import Node, node_id
from storage import styles


@strawberry.type(description="A sound that a track can be made in.")
class Style(Node):
    rows = (styles.Style,)

    id: strawberry.ID = node_id("style")
    slug: str
    name: str
    description: str


@strawberry.type
class StyleQuery:
    @strawberry.field(description="The whole catalogue, by name.")
    async def styles(self) -> list[Style]:
        return [Style.of(row) for row in await styles.list_styles()]
