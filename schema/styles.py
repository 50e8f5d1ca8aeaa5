"""Styles: the catalogue, for everybody to choose from."""

import strawberry

from schema.nodes import Node, node_id
from schema.roots import One, Whole
from storage import styles
from storage.access import EVERYBODY

STYLES = Whole(styles.Style, "name")


@strawberry.type(description="A sound that a track can be made in.")
class Style(Node):
    rows = (styles.Style,)
    door = One(styles.Style, EVERYBODY, "style")

    id: strawberry.ID = node_id("style")
    slug: str
    name: str
    description: str


@strawberry.type
class StyleQuery:
    @strawberry.field(description="The whole catalogue, by name.", metadata={"reads": STYLES})
    async def styles(self) -> list[Style]:
        return await STYLES.read()
