"""The ledger: whatever becomes of an account's jobs, its lines add up, and tell in order where the credits went."""

import random
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from server.errors import Conflict, InsufficientCredits, LeaseLost
from server.resources import Resources
from storage import credits as ledger
from storage import database, jobs
from storage.access import Viewer
from storage.jobs import Lease
from storage.rows import new_id, read_id
from tests.studio import Person

QUEUE = "nobody"  # no worker listens there, so the studio's leaves these alone
STEPS = 60
ACTS = ("ask", "ask", "claim", "claim", "complete", "fail", "retry", "give back", "cancel", "replay", "replay")
PAGE = """query ($after: String) { viewer { credits } creditEntries(first: 7, after: $after) {
  nodes { id kind availableDelta heldDelta createdAt jobId job { id state } } pageInfo { hasNextPage endCursor } } }"""


@pytest_asyncio.fixture(autouse=True)
async def empty_queue(resources: Resources) -> AsyncIterator[None]:
    yield
    await database.fetch("DELETE FROM jobs WHERE queue = $1", QUEUE)


class History:
    """What one account does, a step at a time."""

    def __init__(self, user_id: UUID, seed: int) -> None:
        self.viewer, self.dice = Viewer(user_id), random.Random(seed)
        self.prices: dict[UUID, int] = {}
        self.leases: list[Lease] = []

    async def step(self) -> str:
        act = self.dice.choice(ACTS)
        try:
            await self._take(act)
        except (Conflict, InsufficientCredits, LeaseLost) as refusal:
            return f"{act} refused: {refusal.code}"
        return act

    async def _take(self, act: str) -> None:
        if act == "ask":
            await self.ask(self.dice.choice([0, 1, 7, 200]))
        elif act == "claim":
            lease = await jobs.claim_next(QUEUE, worker="test", running_per_user=100)
            self.leases += [lease] if lease else []
        elif act in ("cancel", "replay") and self.prices:
            job_id = self.dice.choice(list(self.prices))
            await (jobs.cancel_job if act == "cancel" else jobs.replay_job)(self.viewer, job_id)
        elif self.leases:
            lease = self.dice.choice(self.leases)  # maybe one that was lost long ago
            await {
                "complete": lambda: jobs.complete_job(lease, {}),
                "fail": lambda: jobs.fail_job(lease, "TEST", "it failed", retryable=False),
                "retry": lambda: jobs.retry_job(lease, "TEST", "it failed", delay_seconds=0),
                "give back": lambda: jobs.give_back(lease),
            }[act]()

    async def ask(self, price: int) -> None:
        job_id, user_id = new_id(), self.viewer.require_user()
        async with database.transaction():
            await ledger.reserve_credits(user_id, job_id, price)
            await jobs.insert_job(job_id=job_id, user_id=user_id, kind="jobs.probe", queue=QUEUE)
        self.prices[job_id] = price

    async def check(self) -> None:
        user_id = self.viewer.require_user()
        sums = await database.fetch_one(
            "SELECT sum(available_delta) AS available, sum(held_delta) AS held FROM credit_entries WHERE user_id = $1",
            user_id,
        )
        states = {state.id: state.state for state in await jobs.read_states(self.prices)}
        held = sum(price for job_id, price in self.prices.items() if not states[job_id].is_terminal)
        spent = sum(price for job_id, price in self.prices.items() if states[job_id] == "COMPLETE")
        available = await ledger.read_available(user_id)
        assert sums == {"available": available, "held": held}
        assert available + held + spent == 1000
        assert available >= 0


async def read_entries(person: Person) -> tuple[int, list[dict[str, Any]]]:
    entries, after = [], None
    while True:
        read = await person.get(PAGE, after=after)
        page = read["creditEntries"]
        entries += page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            return read["viewer"]["credits"], entries
        after = page["pageInfo"]["endCursor"]


@pytest.mark.parametrize("seed", range(5))
async def test_lines_add_up_whatever_becomes_of_the_jobs(person: Person, seed: int) -> None:
    history = History(read_id("user", person.id), seed)
    taken = Counter([await history.step() for _ in range(STEPS)])
    for _ in range(STEPS):
        taken[await history.step()] += 1
        await history.check()
    assert {"complete", "cancel", "replay"} <= set(taken), taken
    available, entries = await read_entries(person)
    assert sum(entry["availableDelta"] for entry in entries) == available
    assert len({entry["id"] for entry in entries}) == len(entries)
    assert all((entry["job"] or {}).get("id") == entry["jobId"] for entry in entries)


async def test_lines_come_newest_first_whoever_wrote_them(person: Person) -> None:
    history = History(read_id("user", person.id), 1)
    for _ in range(8):
        await history.ask(3)
        assert await person.credits() == 997  # and what comes after this request is younger by a millisecond
        await jobs.cancel_job(history.viewer, list(history.prices)[-1])
        assert await person.credits() == 1000
    _, entries = await read_entries(person)
    times = [datetime.fromisoformat(entry["createdAt"]) for entry in entries]
    assert times == sorted(times, reverse=True)
    assert [entry["kind"] for entry in entries] == ["REFUND", "RESERVE"] * 8 + ["GRANT"]


async def test_nobody_sees_the_lines_of_another(person: Person, admin: Person) -> None:
    _, entries = await read_entries(person)
    node = "query ($id: ID!) { node(id: $id) { id } }"
    assert (await person.get(node, id=entries[0]["id"]))["node"]["id"] == entries[0]["id"]
    other = await person.studio.make_user()
    for stranger in (other, admin):
        assert not {entry["id"] for entry in (await read_entries(stranger))[1]} & {entry["id"] for entry in entries}
        (error,) = (await stranger.ask(node, id=entries[0]["id"]))["errors"]
        assert error["extensions"]["code"] == "NOT_FOUND"
