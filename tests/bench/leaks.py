"""Leaks: what a web process still holds of those who came and went, and what those cost it who do not read."""

from tests.bench.report import Table
from tests.bench.sleepers import measure_sleepers
from tests.bench.stage import open_stage
from tests.bench.visitors import measure_visits


async def measure(quick: bool) -> list[Table]:  # noqa: FBT001 - every benchmark is called so
    """Visitors, then sleepers, of one web process."""
    visits, sleepers = (500, 20) if quick else (10_000, 200)
    async with open_stage() as (studio, resources):
        pid = (await studio.start_web()).child.pid
        return [
            await measure_visits(studio, pid, visits),
            await measure_sleepers(studio, resources, pid, sleepers),
        ]
