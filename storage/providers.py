"""How the makers of music do, on all workers together: what became of asking each, and whom the workers leave alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tortoise import fields
from tortoise.indexes import Index

from storage import database, presence
from storage.rows import Row, new_id

KEPT_DAYS = 30
FELL_BACK = "FELL_BACK"  # another was asked in its place, be it that it had failed or that it rested
REFUSALS = ("PROVIDER_INPUT_REFUSED", "PROVIDER_CONTENT_REFUSED")  # of the wish: nobody has failed

READ = """
SELECT provider,
    count(*) FILTER (WHERE code = 'COMPLETE') AS succeeded,
    count(*) FILTER (WHERE is_failure) AS failed,
    count(*) FILTER (WHERE code = ANY($2)) AS refused,
    count(*) FILTER (WHERE code = $3) AS fell_back,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FILTER (WHERE code = 'COMPLETE') AS median_seconds,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) FILTER (WHERE code = 'COMPLETE') AS p95_seconds,
    (array_agg(code ORDER BY created_at DESC, id DESC) FILTER (WHERE is_failure))[1] AS last_error_code,
    max(created_at) FILTER (WHERE is_failure) AS last_failure_at
FROM (
    SELECT *, code <> ALL($2 || ARRAY['COMPLETE', $3]) AS is_failure FROM provider_outcomes
    WHERE created_at > now() - make_interval(days => $1)
) recent GROUP BY provider"""

CIRCUITS_KEY = "circuits"


class ProviderOutcome(Row):
    """What became of asking one provider, our own composer among them, for one song."""

    provider = fields.CharField(max_length=20)
    code = fields.CharField(max_length=40)
    seconds = fields.FloatField()

    class Meta:
        table = "provider_outcomes"
        indexes = (Index(fields=("created_at",), name="provider_outcomes_recent"),)


@dataclass(frozen=True)
class Record:
    """What one provider did in some days; the times are those of its songs."""

    provider: str
    succeeded: int = 0
    failed: int = 0
    refused: int = 0
    fell_back: int = 0
    median_seconds: float | None = None
    p95_seconds: float | None = None
    last_error_code: str | None = None
    last_failure_at: datetime | None = None


async def note_outcome(provider: str, code: str, seconds: float) -> None:
    """Write down one outcome."""
    await database.fetch(
        "INSERT INTO provider_outcomes (id, provider, code, seconds, created_at) VALUES ($1, $2, $3, $4, now())",
        new_id(),
        provider,
        code,
        seconds,
    )


async def read_records(days: int) -> dict[str, Record]:
    """What each provider that was asked did in this time."""
    rows = await database.read(READ, days, list(REFUSALS), FELL_BACK)
    return {row["provider"]: Record(**row) for row in rows}


async def forget_outcomes() -> None:
    """Delete what nobody asks about any more."""
    await database.fetch(
        "DELETE FROM provider_outcomes WHERE created_at < now() - make_interval(days => $1)", KEPT_DAYS
    )


async def tell_circuits(worker: str, states: Mapping[str, str]) -> None:
    """Say how one worker's circuits stand."""
    await presence.tell(CIRCUITS_KEY, worker, dict(states))


async def read_circuits() -> Sequence[Mapping[str, str]] | None:
    """How the circuits of each worker that has spoken lately stand; None when nobody can tell."""
    return await presence.listen(CIRCUITS_KEY)
