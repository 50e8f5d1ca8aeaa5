"""Covers: the picture of a track, as a drawing and in the crops that the networks ask for."""

from enum import StrEnum
from typing import Any

import strawberry

from schema.context import Info
from schema.nodes import Node, node_id
from schema.reads import computed
from schema.roots import One
from storage import covers
from storage.access import OWNER


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
        key = getattr(root, f"{crop.value.lower()}_key")
        return info.context.link(key) if key is not None else None
