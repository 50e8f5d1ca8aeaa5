"""Styles: the catalogue, for everybody to choose from, and what each of them and one's own leans to."""

from enum import StrEnum
from typing import Any

import strawberry

from jobs.engines.covers.palette import write_oklch
from jobs.engines.styles import Leanings
from jobs.styles import read_style_leanings
from schema.nodes import Node, node_id
from schema.reads import computed
from schema.roots import One, Whole
from storage import styles
from storage.access import OWNER_OR_UNOWNED

STYLES = Whole(styles.Style, "name", {"user_id": None})
LEANINGS = ("slug", "seed", "leanings_version")


@strawberry.enum(description="A family of drawings.")
class Motif(StrEnum):
    RING = "ring"
    BARS = "bars"
    RIDGES = "ridges"
    RIBBONS = "ribbons"
    BEATS = "beats"
    WHEEL = "wheel"


@strawberry.type(description="A colour, in two ways to write it.")
class Colour:
    hex: str
    oklch: str


@strawberry.type(description="A colour by its role, for light and for dark surroundings.")
class Swatch:
    name: str
    light: Colour
    dark: Colour


@strawberry.type(description="A sound that a track can be made in, and the look that goes with it.")
class Style(Node):
    rows = (styles.Style,)
    door = One(styles.Style, OWNER_OR_UNOWNED, "style")

    id: strawberry.ID = node_id("style")
    slug: str
    name: str
    description: str

    @computed(*LEANINGS)
    @staticmethod
    def palette(root: Any) -> list[Swatch]:
        """Text, muted text and accent can be read on ground and panel, and `on-accent` on the accent (WCAG AA)."""
        return [Swatch(name=one.name, light=_colour(one.light), dark=_colour(one.dark)) for one in _lean(root).swatches]

    @computed(*LEANINGS)
    @staticmethod
    def accent_hue(root: Any) -> int:
        """In degrees."""
        return _lean(root).accent_hue

    @computed(*LEANINGS)
    @staticmethod
    def motif(root: Any) -> Motif:
        """What the covers of your own style show; covers of other tracks choose for themselves."""
        return Motif(_lean(root).motif)

    @computed(*LEANINGS)
    @staticmethod
    def tempo_min_bpm(root: Any) -> int:
        """The slowest, unless the prompt asks for another."""
        return _lean(root).tempo_min_bpm

    @computed(*LEANINGS)
    @staticmethod
    def tempo_max_bpm(root: Any) -> int:
        """The fastest, unless the prompt asks for another."""
        return _lean(root).tempo_max_bpm

    @computed(*LEANINGS)
    @staticmethod
    def keys(root: Any) -> list[str]:
        """The tonics of its songs, unless the prompt asks for another; empty: any."""
        return list(_lean(root).keys)

    @computed(*LEANINGS)
    @staticmethod
    def instruments(root: Any) -> list[str]:
        """What plays."""
        return list(_lean(root).instruments)


@strawberry.type
class StyleQuery:
    @strawberry.field(description="The whole catalogue, by name.", metadata={"reads": STYLES})
    async def styles(self) -> list[Style]:
        return await STYLES.read()


def _lean(root: Any) -> Leanings:
    return read_style_leanings(root.slug, root.seed, root.leanings_version)


def _colour(colour: str) -> Colour:
    return Colour(hex=colour, oklch=write_oklch(colour))
