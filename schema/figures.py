"""Figures of the product, for admins: sums over everybody, null where there is nothing to sum."""

from typing import Any

import strawberry

from schema.context import Context, Info
from schema.roots import Told
from server.errors import ValidationFailed
from storage import figures

MAX_DAYS, USUAL_DAYS = 365, 30


@strawberry.type(description="Who signed up long enough ago, and how many of them came back on that day.")
class Return:
    people: int
    returned: int
    rate: float | None


@strawberry.type(description="What people did with this studio in some days; times are in seconds.")
class ProductMetrics:
    days: int
    sign_ups: int
    tracks_created: int
    tracks_completed: int
    render_p50_seconds: float | None = strawberry.field(description="From asking for a track to having it.")
    render_p95_seconds: float | None
    first_sound_p50_seconds: float | None = strawberry.field(description="From the sign-up to the first track.")
    first_sound_p95_seconds: float | None
    visual_versions_mean: float | None = strawberry.field(description="Looks of a track, of those made in this time.")
    visual_versions_max: int | None
    covers_saved: int
    svg_p50_bytes: int | None
    svg_p95_bytes: int | None
    svg_max_bytes: int | None
    saved_cover_share: float | None = strawberry.field(description="Of the tracks, those with a saved cover: 0 to 1.")
    tracks_before_first_save: float | None = strawberry.field(
        description="Median over the people who saved their first cover in this time."
    )
    day1: Return = strawberry.field(
        description="Something was done 24 to 48 hours after the sign-up: a track, a saved cover, a log-in, or the last"
        " refresh of a session (only the last is kept, so this is a lower bound)."
    )
    day7: Return = strawberry.field(description="The same a week after the sign-up.")


async def _read(context: Context, days: int | None = None) -> ProductMetrics:
    context.viewer.require_admin()
    days = USUAL_DAYS if days is None else days
    if not 1 <= days <= MAX_DAYS:
        raise ValidationFailed({"days": f"From 1 to {MAX_DAYS}"})
    read: dict[str, Any] = dict(vars(await figures.read_figures(days)))
    day1, day7 = (_return_of(read.pop(f"day{n}_people"), read.pop(f"day{n}_returned")) for n in (1, 7))
    return ProductMetrics(days=days, day1=day1, day7=day7, **read)


def _return_of(people: int, returned: int) -> Return:
    return Return(people=people, returned=returned, rate=returned / people if people else None)


PRODUCT_METRICS = Told(_read)


@strawberry.type
class FigureQuery:
    @strawberry.field(
        description="What people did in the last days (1 to 365, 30 when nothing is said), all together; for admins.",
        metadata={"reads": PRODUCT_METRICS},
    )
    async def product_metrics(self, info: Info, days: int | None = None) -> ProductMetrics | None:
        found: ProductMetrics = await PRODUCT_METRICS.read(info.context, days=days)
        return found
