"""What webhooks are told of is written with the fact itself: once for each end of a job, and never without it."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import pytest_asyncio

from server.errors import Conflict, LeaseLost
from server.resources import Resources
from storage import database, jobs, webhooks
from storage.access import Viewer
from storage.jobs import Lease
from storage.jobs.moves import MAX_CRASHES
from storage.rows import first_id_at, new_id, read_id
from storage.seals import Seal, SealBroken
from storage.webhooks import Webhook, WebhookDelivery, WebhookKind
from storage.webhooks.facts import TYPES
from tests.studio import Person, until

QUEUE = "of webhooks"  # which no worker looks into


@pytest_asyncio.fixture
async def webhook(resources: Resources, person: Person) -> Webhook:
    """An endpoint of somebody, at an address that nobody can read."""
    made = Webhook(
        user_id=read_id("user", person.id),
        kind=WebhookKind.STANDARD,
        shown_url="https://hooks.example/",
        sealed_url=b"sealed",
        sealed_secret=b"sealed",
        events=list(TYPES),
    )
    await webhooks.write_webhook(made)
    return made


async def start(user_id: UUID) -> Lease:
    await jobs.insert_job(job_id=new_id(), user_id=user_id, kind="jobs.probe", queue=QUEUE)
    lease = await jobs.claim_next(QUEUE, worker="test", running_per_user=100)
    assert lease is not None
    return lease


async def complete_in_vain(lease: Lease) -> None:
    async with database.transaction():
        await jobs.complete_job(lease, {})
        raise ZeroDivisionError


async def told(webhook: Webhook) -> list[str]:
    return [delivery.type for delivery in await WebhookDelivery.filter(webhook_id=webhook.id).order_by("id")]


async def test_every_way_to_end_is_told_once(webhook: Webhook) -> None:
    await jobs.complete_job(await start(webhook.user_id), {})
    await jobs.fail_job(await start(webhook.user_id), "ENGINE_DIED", "it died", retryable=False)
    viewer = Viewer(webhook.user_id)
    await jobs.cancel_job(viewer, (await start(webhook.user_id)).job_id)
    queued = await jobs.insert_job(job_id=new_id(), user_id=webhook.user_id, kind="jobs.probe", queue=QUEUE)
    await jobs.cancel_job(viewer, queued.id)
    assert await told(webhook) == ["job.completed", "job.failed", "job.cancelled", "job.cancelled"]
    failed = await WebhookDelivery.get(webhook_id=webhook.id, type="job.failed")
    assert failed.facts["errorCode"] == "ENGINE_DIED"
    assert "it died" not in str(failed.facts)


async def test_reaper_tells_of_what_it_fails_and_not_of_what_it_puts_back(webhook: Webhook) -> None:
    lease = await start(webhook.user_id)
    for crash in range(1, MAX_CRASHES + 1):
        assert await told(webhook) == []
        await database.fetch("UPDATE jobs SET lease_until = now() - interval '1 second' WHERE id = $1", lease.job_id)
        await jobs.reap_lost_jobs()
        if crash < MAX_CRASHES:
            again = await jobs.claim_next(QUEUE, worker="test", running_per_user=100)
            assert again is not None
    assert await told(webhook) == ["job.failed"]
    await jobs.reap_lost_jobs()
    assert await told(webhook) == ["job.failed"]


async def test_moves_that_are_no_end_are_not_told(webhook: Webhook) -> None:
    lease = await start(webhook.user_id)
    await jobs.beat(lease, 0.5, "half")
    await jobs.retry_job(lease, "STORAGE_LOST", "again", delay_seconds=0)
    again = await jobs.claim_next(QUEUE, worker="test", running_per_user=100)
    assert again is not None
    await jobs.give_back(again)
    assert await told(webhook) == []
    await database.fetch("DELETE FROM jobs WHERE id = $1", lease.job_id)


async def test_of_ends_that_race_one_is_told(webhook: Webhook) -> None:
    for _ in range(5):
        lease, before = await start(webhook.user_id), len(await told(webhook))

        async def complete(lease: Lease = lease) -> None:
            with suppress(LeaseLost):
                await jobs.complete_job(lease, {})

        async def fail(lease: Lease = lease) -> None:
            with suppress(LeaseLost):
                await jobs.fail_job(lease, "X", "x", retryable=False)

        async def cancel(lease: Lease = lease) -> None:
            with suppress(Conflict):
                await jobs.cancel_job(Viewer(webhook.user_id), lease.job_id)

        await asyncio.gather(complete(), fail(), cancel(), complete())
        assert len(await told(webhook)) == before + 1


async def test_replayed_job_is_told_of_again_under_another_id(webhook: Webhook) -> None:
    lease = await start(webhook.user_id)
    await jobs.fail_job(lease, "X", "x", retryable=False)
    await jobs.replay_job(Viewer(webhook.user_id), lease.job_id)
    await jobs.cancel_job(Viewer(webhook.user_id), lease.job_id)
    deliveries = await WebhookDelivery.filter(webhook_id=webhook.id)
    assert {delivery.type for delivery in deliveries} == {"job.failed", "job.cancelled"}
    assert len({delivery.event_id for delivery in deliveries}) == 2


async def test_fact_that_is_rolled_back_is_not_told(webhook: Webhook) -> None:
    lease = await start(webhook.user_id)
    with pytest.raises(ZeroDivisionError):
        await complete_in_vain(lease)
    assert await told(webhook) == []
    await jobs.complete_job(lease, {})
    assert await told(webhook) == ["job.completed"]


async def test_others_are_not_told(webhook: Webhook, admin: Person) -> None:
    await jobs.complete_job(await start(read_id("user", admin.id)), {})
    assert await told(webhook) == []


async def test_track_of_somebody_else_is_not_described(webhook: Webhook, admin: Person) -> None:
    track = (await admin.create_track())["track"]
    job = await jobs.insert_job(
        job_id=new_id(),
        user_id=webhook.user_id,
        kind="jobs.probe",
        queue=QUEUE,
        subject_id=read_id("track", track["id"]),
    )
    await jobs.cancel_job(Viewer(webhook.user_id), job.id)
    delivery = await WebhookDelivery.get(webhook_id=webhook.id)
    assert set(delivery.facts) == {"jobId", "kind"}


async def test_ids_made_in_sql_stand_in_the_order_of_time(webhook: Webhook) -> None:
    before = first_id_at(datetime.now(UTC))
    await jobs.complete_job(await start(webhook.user_id), {})
    (delivery,) = await WebhookDelivery.filter(webhook_id=webhook.id)
    assert (delivery.id.version, delivery.id.variant) == (7, new_id().variant)
    assert before < delivery.id < first_id_at(datetime.now(UTC) + timedelta(seconds=1))


async def test_deliveries_of_old_events_are_swept_and_fresh_ones_stay(webhook: Webhook) -> None:
    await jobs.complete_job(await start(webhook.user_id), {})
    old = UUID(int=first_id_at(datetime.now(UTC) - timedelta(days=31)).int + 7)
    await WebhookDelivery.create(
        id=old, user_id=webhook.user_id, webhook_id=webhook.id, event_id=new_id(), type="job.failed", facts={}
    )
    assert await webhooks.sweep_deliveries(30) == 1
    assert await told(webhook) == ["job.completed"]


async def test_claim_that_was_taken_over_notes_nothing(webhook: Webhook) -> None:
    async with database.transaction():  # which the studio's own worker cannot see into
        delivery = await webhooks.write_test(Viewer(webhook.user_id), webhook.id)
        claims: list[webhooks.Claim] = []

        async def claim_twice() -> bool:
            claims.extend(claim for claim in await webhooks.claim_deliveries(1000) if claim.id == delivery.id)
            await database.fetch("UPDATE webhook_deliveries SET lease_until = now() WHERE id = $1", delivery.id)
            return len(claims) == 2

        await until(claim_twice, "it was claimed twice")
        first, second = claims
        assert await webhooks.note_attempt(first, webhooks.Note(status=200)) is None
        row = await WebhookDelivery.get(id=delivery.id)
        assert (row.state, row.attempts) == ("SENDING", 0)
        await webhooks.note_attempt(second, webhooks.Note(status=200))
        assert (await WebhookDelivery.get(id=delivery.id)).state == "DELIVERED"


def test_seal_opens_only_with_its_key_and_in_its_place() -> None:
    seal = Seal(b"one secret of this studio, long enough")
    sealed = seal.close("whsec_x", "here")
    assert b"whsec" not in sealed
    assert seal.open(sealed, "here") == "whsec_x"
    assert sealed != seal.close("whsec_x", "here")
    for other, place, text in (
        (seal, "there", sealed),
        (Seal(b"another secret of another studio"), "here", sealed),
        (seal, "here", sealed[:-1] + bytes([sealed[-1] ^ 1])),
        (seal, "here", b""),
    ):
        with pytest.raises(SealBroken):
            other.open(text, place)
