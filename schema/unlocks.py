"""Unlocks: what an account has earned, and what it has yet to earn."""

from datetime import datetime
from enum import StrEnum

import strawberry

from storage import unlocks


@strawberry.enum(description="What can be drawn over covers, once it is unlocked.")
class Flourish(StrEnum):
    FRAME = "frame"
    CORNERS = "corners"
    DUSK = "dusk"
    HALO = "halo"
    STARDUST = "stardust"
    SUNRISE = "sunrise"
    RIBBON = "ribbon"
    VIGNETTE = "vignette"
    BEADS = "beads"
    CRESCENT = "crescent"


@strawberry.type(description="Something that is earned by making tracks. It gives a flourish; no style is ever locked.")
class Unlock:
    slug: str
    name: str
    description: str
    flourish: Flourish
    progress: float = strawberry.field(description="From 0 to 1, as of the last track that was finished.")
    unlocked_at: datetime | None


def list_unlocks(kept: unlocks.Kept | None) -> list[Unlock]:
    """The whole catalogue, and how far an account is with each."""
    shown = []
    for unlock in unlocks.CATALOGUE:
        progress, unlocked_at = unlocks.read_progress(unlock, kept or {})
        shown.append(
            Unlock(
                slug=unlock.slug,
                name=unlock.name,
                description=unlock.description,
                flourish=Flourish(unlock.flourish),
                progress=progress,
                unlocked_at=unlocked_at,
            )
        )
    return shown
