"""The moves of a job, seen from storage: fairness, fencing, crashes, retries, settling."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
import pytest_asyncio

from server.errors import Conflict, InsufficientCredits, LeaseLost, NotFound
from server.resources import Resources
from storage import credits as ledger
from storage import database, jobs
from storage.access import Viewer
from storage.jobs import JobState, Lease
from storage.jobs.moves import MAX_CRASHES
from storage.lifecycle import State
from storage.rows import new_id, read_id
from tests.studio import Person, Studio

QUEUE = "nobody"  # no worker listens there, so the studio's leaves these alone


@pytest_asyncio.fixture(autouse=True)
async def empty_queue(resources: Resources) -> AsyncIterator[None]:
    yield
    await database.fetch("DELETE FROM jobs WHERE queue = $1", QUEUE)


@pytest.fixture
def owner(person: Person) -> UUID:
    return read_id("user", person.id)


async def insert(user_id: UUID, *, priority: int = 0, delay_seconds: float = 0, credits_held: int = 0) -> JobState:
    job_id = new_id()
    async with database.transaction():
        if credits_held:
            await ledger.reserve_credits(user_id, job_id, credits_held)
        return await jobs.insert_job(
            job_id=job_id,
            user_id=user_id,
            kind="jobs.probe",
            queue=QUEUE,
            priority=priority,
            delay_seconds=delay_seconds,
        )


async def claim(running_per_user: int = 100) -> Lease:
    lease = await jobs.claim_next(QUEUE, worker="test", running_per_user=running_per_user)
    assert lease is not None
    return lease


async def state_of(job_id: UUID) -> JobState:
    return (await jobs.read_states([job_id]))[0]


async def let_expire(lease: Lease) -> None:
    await database.fetch("UPDATE jobs SET lease_until = now() - interval '1 second' WHERE id = $1", lease.job_id)


async def balance(user_id: UUID) -> tuple[int, int]:
    """What is available, and what is held."""
    row = await database.fetch_one(
        "SELECT credits, (SELECT coalesce(sum(held_delta), 0) FROM credit_entries WHERE user_id = users.id) AS held,"
        " (SELECT sum(available_delta) FROM credit_entries WHERE user_id = users.id) AS total FROM users WHERE id = $1",
        user_id,
    )
    assert row is not None
    assert row["credits"] == row["total"], "the ledger and the balance must agree"
    return row["credits"], row["held"]


async def test_jobs_of_one_person_are_taken_in_order(owner: UUID) -> None:
    made = [(await insert(owner)).id for _ in range(5)]
    assert [(await claim()).job_id for _ in made] == made


async def test_flood_of_one_delays_the_first_of_another_by_one_at_most(studio: Studio, owner: UUID) -> None:
    for _ in range(50):
        await insert(owner)
    for _ in range(10):
        await claim()
    other = read_id("user", (await studio.make_user()).id)
    first = await insert(other)
    taken = [(await claim()).job_id for _ in range(2)]
    assert first.id in taken


async def test_two_floods_take_turns(studio: Studio, owner: UUID) -> None:
    other = read_id("user", (await studio.make_user()).id)
    for user_id in (owner, other):
        for _ in range(6):
            await insert(user_id)
    takers = [(await claim()).user_id for _ in range(12)]
    assert all(set(takers[start : start + 2]) == {owner, other} for start in range(0, 12, 2))


async def test_person_at_the_limit_waits_while_others_go_on(studio: Studio, owner: UUID) -> None:
    other = read_id("user", (await studio.make_user()).id)
    for _ in range(3):
        await insert(owner)
    await insert(other)
    assert {(await claim(running_per_user=1)).user_id for _ in range(2)} == {owner, other}
    assert await jobs.claim_next(QUEUE, worker="test", running_per_user=1) is None


@pytest.mark.parametrize("most", [1, 4, 7])
async def test_claims_that_race_keep_the_limit_and_leave_nothing_that_may_run(
    studio: Studio, owner: UUID, most: int
) -> None:
    other = read_id("user", (await studio.make_user()).id)
    for _ in range(12):
        await insert(owner)
    await insert(other)
    claims = (jobs.claim_next(QUEUE, worker=f"w{n}", running_per_user=most) for n in range(24))
    taken = [lease.user_id for lease in await asyncio.gather(*claims) if lease is not None]
    assert (taken.count(owner), taken.count(other)) == (most, 1)


async def test_claim_counts_who_has_no_room_once_however_many_jobs_they_have(owner: UUID) -> None:
    ask = "SELECT has_room($1, $2, 1) AS has_room"
    await insert(owner)
    lease = await claim()
    async with database.transaction():  # as long as one claim
        assert await database.fetch(ask, owner, QUEUE) == [{"has_room": False}]
        await jobs.give_back(lease)
        assert await database.fetch(ask, owner, QUEUE) == [{"has_room": False}]
    assert await database.fetch(ask, owner, QUEUE) == [{"has_room": True}]


async def test_urgent_and_delayed_jobs_keep_their_place(owner: UUID) -> None:
    await insert(owner, delay_seconds=60)
    ordinary, urgent = await insert(owner), await insert(owner, priority=-1)
    assert [(await claim()).job_id for _ in range(2)] == [urgent.id, ordinary.id]
    assert await jobs.claim_next(QUEUE, worker="test", running_per_user=100) is None


async def test_one_job_goes_to_one_of_many_claimants(owner: UUID) -> None:
    await insert(owner)
    claims = [jobs.claim_next(QUEUE, worker=f"w{n}", running_per_user=100) for n in range(20)]
    taken = await asyncio.gather(*claims)
    assert sum(lease is not None for lease in taken) == 1


async def test_stale_lease_can_write_nothing(owner: UUID) -> None:
    await insert(owner, credits_held=5)
    old = await claim()
    await let_expire(old)
    await jobs.reap_lost_jobs()
    new = await claim()
    assert new.token == old.token + 1
    assert await jobs.beat(old, 0.9, "zombie") is None
    moves = (
        jobs.complete_job(old, {}),
        jobs.fail_job(old, "X", "x", retryable=False),
        jobs.retry_job(old, "X", "x", delay_seconds=0),
        jobs.give_back(old),
    )
    for move in moves:
        with pytest.raises(LeaseLost):
            await move
    assert (await state_of(old.job_id)).stage == "starting"
    await jobs.complete_job(new, {})
    assert await balance(owner) == (995, 0)


async def test_transaction_of_a_stale_lease_rolls_back_what_it_kept(owner: UUID) -> None:
    await insert(owner)
    old = await claim()
    await let_expire(old)
    await jobs.reap_lost_jobs()
    with pytest.raises(LeaseLost):
        await keep_and_complete(old)
    assert await balance(owner) == (1000, 0)


async def keep_and_complete(lease: Lease) -> None:
    async with database.transaction():
        await ledger.grant_credits(lease.user_id, 100)
        await jobs.complete_job(lease, {})


async def test_job_that_kills_its_workers_becomes_a_dead_letter(owner: UUID) -> None:
    made = await insert(owner, credits_held=5)
    for _ in range(MAX_CRASHES):
        await let_expire(await claim())
        await jobs.reap_lost_jobs()
    dead = await state_of(made.id)
    assert (dead.state, dead.error_code) == (State.FAILED, "CRASHED_TOO_OFTEN")
    assert await balance(owner) == (1000, 0)
    assert made.id in {state.id for state in await jobs.list_dead_letters()}


async def test_attempt_is_given_back_by_a_drain(owner: UUID) -> None:
    made = await insert(owner)
    await jobs.give_back(await claim())
    back = await state_of(made.id)
    assert (back.state, back.attempt) == (State.QUEUED, 0)


async def test_version_rises_only_when_something_is_to_be_seen(owner: UUID) -> None:
    await insert(owner)
    lease = await claim()
    first, same, more = [await jobs.beat(lease, progress, "mixing") for progress in (0.1, 0.1, 0.2)]
    assert first is not None
    assert same is not None
    assert more is not None
    assert (same.version, more.version) == (first.version, first.version + 1)


async def test_replay_reserves_anew_and_settles_again(owner: UUID) -> None:
    made = await insert(owner, credits_held=5)
    await jobs.fail_job(await claim(), "X", "x", retryable=False)
    assert await balance(owner) == (1000, 0)
    viewer = Viewer(owner)
    await jobs.replay_job(viewer, made.id)
    assert await balance(owner) == (995, 5)
    await jobs.complete_job(await claim(), {})
    assert await balance(owner) == (995, 0)
    with pytest.raises(Conflict):
        await jobs.replay_job(viewer, made.id)


async def test_replay_needs_the_credits(owner: UUID) -> None:
    made = await insert(owner, credits_held=1000)
    await jobs.cancel_job(Viewer(owner), made.id)
    await ledger.reserve_credits(owner, new_id(), 1)
    with pytest.raises(InsufficientCredits):
        await jobs.replay_job(Viewer(owner), made.id)
    assert (await state_of(made.id)).state == State.CANCELLED


async def test_cancel_and_replay_are_for_the_owner_and_admins(owner: UUID) -> None:
    made = await insert(owner)
    for act in (jobs.cancel_job, jobs.replay_job):
        with pytest.raises(NotFound):
            await act(Viewer(new_id()), made.id)
    assert (await state_of(made.id)).version == made.version
    assert (await jobs.cancel_job(Viewer(new_id(), None, "admin"), made.id)).state == State.CANCELLED


async def test_race_of_cancel_and_completion_settles_once(owner: UUID) -> None:
    for _ in range(10):
        made = await insert(owner, credits_held=1)
        lease = await claim()
        await asyncio.gather(
            jobs.complete_job(lease, {}), jobs.cancel_job(Viewer(owner), made.id), return_exceptions=True
        )
    available, held = await balance(owner)
    assert held == 0
    assert 990 <= available <= 1000
