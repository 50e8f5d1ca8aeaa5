"""What a plan allows and what is left of it, so that a client can say so before anybody is refused."""

from datetime import UTC, datetime, timedelta

import strawberry

from jobs.recordings import MAX_SECONDS
from jobs.tracks import SECONDS_PER_CREDIT
from schema.context import Context, Info
from schema.roots import Told
from schema.users import Plan
from storage import allowances


@strawberry.type(description="How you stand with what you may do so many times in any stretch of so many seconds.")
class Allowance:
    name: str
    limit: int
    seconds: int
    remaining: int
    resets_at: datetime | None = strawberry.field(
        description="When the next of what you have spent comes back; null when all of it is there."
    )


@strawberry.type(description="So many times in any stretch of so many seconds.")
class PlanLimit:
    name: str
    limit: int
    seconds: int


@strawberry.type(description="What an account with this plan may do.")
class PlanOffer:
    plan: Plan
    limits: list[PlanLimit] = strawberry.field(description="None when this studio has lifted them.")
    credits_at_sign_up: int
    seconds_per_credit: int = strawberry.field(description="Of a track; a part of them costs as much.")
    max_track_seconds: int


async def _read_own(context: Context) -> list[Allowance]:
    now = datetime.now(UTC)
    return [
        Allowance(
            name=one.name,
            limit=one.limit,
            seconds=one.seconds,
            remaining=one.remaining,
            resets_at=now + timedelta(seconds=one.restored_seconds) if one.restored_seconds else None,
        )
        for one in await allowances.list_standings(context.viewer.require_user())
    ]


async def _read_plans(context: Context) -> list[PlanOffer]:
    return [
        PlanOffer(
            plan=plan,
            limits=[
                PlanLimit(name=one.name, limit=limit, seconds=one.seconds)
                for one, limit in allowances.list_limits(is_pro=plan == Plan.PRO)
            ],
            credits_at_sign_up=context.settings.credits_at_sign_up,
            seconds_per_credit=SECONDS_PER_CREDIT,
            max_track_seconds=MAX_SECONDS,
        )
        for plan in Plan
    ]


ALLOWANCES, PLANS = Told(_read_own), Told(_read_plans)


@strawberry.type
class AllowanceQuery:
    @strawberry.field(
        description="What you may still do right now; empty when this studio has lifted its limits.",
        metadata={"reads": ALLOWANCES},
    )
    async def allowances(self, info: Info) -> list[Allowance] | None:
        found: list[Allowance] = await ALLOWANCES.read(info.context)
        return found

    @strawberry.field(description="What each plan allows.", metadata={"reads": PLANS})
    async def plans(self, info: Info) -> list[PlanOffer]:
        found: list[PlanOffer] = await PLANS.read(info.context)
        return found
