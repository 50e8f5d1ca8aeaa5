"""Who makes the music and how well, for admins: counted on all workers, for some days back."""

from datetime import datetime
from enum import StrEnum

import strawberry

from jobs.foundry import VENDORS
from schema.context import Context, Info
from schema.roots import Told
from server.errors import ValidationFailed
from storage import providers

LOCAL = "local"
ORDER = ("closed", "half open", "open")  # from the best to the worst


@strawberry.enum(description="Whether a provider is asked: always, once in a while to see how it does, or not for now.")
class CircuitState(StrEnum):
    CLOSED = "closed"
    HALF_OPEN = "half open"
    OPEN = "open"


@strawberry.type(description="What became of asking a provider.")
class ProviderOutcomes:
    succeeded: int
    failed: int
    refused: int = strawberry.field(description="Wishes that it would not make, which is not counted as its failure.")
    fell_back: int = strawberry.field(description="How often another was asked in its place.")


@strawberry.type(description="Somebody who makes music for us; `local` is our own composer.")
class MusicProvider:
    name: str
    is_configured: bool = strawberry.field(description="Whether this studio asks it.")
    circuit: CircuitState | None = strawberry.field(description="The worst of what its workers say; null: none says.")
    outcomes: ProviderOutcomes
    success_rate: float | None
    median_seconds: float | None = strawberry.field(description="Of the songs that it made.")
    p95_seconds: float | None
    last_error_code: str | None
    last_failure_at: datetime | None


async def _read(context: Context, days: int | None = None) -> list[MusicProvider]:
    context.viewer.require_admin()
    days = 1 if days is None else days
    if not 1 <= days <= providers.KEPT_DAYS:
        raise ValidationFailed({"days": f"From 1 to {providers.KEPT_DAYS}"})
    records, circuits = await providers.read_records(days), await _read_circuits()
    order = context.settings.music_order
    names = dict.fromkeys((*order, LOCAL, *(vendor.name for vendor in VENDORS)))
    return [
        _show(records.get(name, providers.Record(name)), circuits.get(name), is_configured=name in order)
        for name in names
    ]


async def _read_circuits() -> dict[str, CircuitState]:
    worst: dict[str, str] = {}
    for states in await providers.read_circuits() or ():
        for name, state in states.items():
            worst[name] = max(state, worst.get(name, state), key=ORDER.index)
    return {name: CircuitState(state) for name, state in worst.items()}


def _show(record: providers.Record, circuit: CircuitState | None, *, is_configured: bool) -> MusicProvider:
    asked = record.succeeded + record.failed
    return MusicProvider(
        name=record.provider,
        is_configured=is_configured,
        circuit=circuit,
        outcomes=ProviderOutcomes(
            succeeded=record.succeeded, failed=record.failed, refused=record.refused, fell_back=record.fell_back
        ),
        success_rate=record.succeeded / asked if asked else None,
        median_seconds=record.median_seconds,
        p95_seconds=record.p95_seconds,
        last_error_code=record.last_error_code,
        last_failure_at=record.last_failure_at,
    )


MUSIC_PROVIDERS = Told(_read)


@strawberry.type
class ProviderQuery:
    @strawberry.field(
        description="Who makes the music, in the order in which they are asked, and how they did in the last days"
        " (1 to 30, 1 when nothing is said); for admins.",
        metadata={"reads": MUSIC_PROVIDERS},
    )
    async def music_providers(self, info: Info, days: int | None = None) -> list[MusicProvider] | None:
        found: list[MusicProvider] = await MUSIC_PROVIDERS.read(info.context, days=days)
        return found
