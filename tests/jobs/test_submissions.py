"""What a job has sent to a provider: written once, kept only for who will follow it, called off when nobody does."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
import pytest_asyncio

from jobs.providers import Entry, FalProvider, SongWish, Submission, choose_model
from jobs.submissions import JobJournal, call_off_strays
from server.errors import LeaseLost
from server.resources import Resources
from storage import database, jobs
from storage.access import Viewer
from storage.jobs import Lease
from storage.rows import new_id, read_id
from tests.fakes.fal import FakeFal
from tests.fakes.vendor import Plan
from tests.studio import Person

QUEUE = "nobody"  # no worker listens there, so the studio's leaves these alone
SENT = Submission("fal", "ace-step", "1", "https://a/1/status", "https://a/1", "https://a/1/cancel")


@pytest_asyncio.fixture(autouse=True)
async def empty_queue(resources: Resources) -> AsyncIterator[None]:
    yield
    await database.fetch("DELETE FROM provider_submissions")
    await database.fetch("DELETE FROM jobs WHERE queue = $1", QUEUE)


@pytest.fixture
def viewer(person: Person) -> Viewer:
    return Viewer(read_id("user", person.id))


async def claim() -> Lease:
    lease = await jobs.claim_next(QUEUE, worker="test", running_per_user=100)
    assert lease is not None
    return lease


def journal_of(lease: Lease) -> JobJournal:
    return JobJournal(lease.job_id, lease.round, lease.token)


@pytest_asyncio.fixture
async def lease(viewer: Viewer, resources: Resources) -> Lease:
    """A job that is worked on."""
    await jobs.insert_job(job_id=new_id(), user_id=viewer.require_user(), kind="jobs.probe", queue=QUEUE)
    return await claim()


async def test_entry_goes_from_begun_over_submitted_to_its_end(lease: Lease) -> None:
    journal = journal_of(lease)
    assert await journal.read() == {}
    await journal.begin("fal", "ace-step")
    assert await journal.read() == {"fal": Entry("begun")}
    assert await journal.keep(SENT)
    assert await journal.read() == {"fal": Entry("submitted", SENT)}
    await journal.forget("fal")
    await journal.end("fal", "COMPLETE")
    await journal.end("fal", "TOO_LATE")
    assert await journal.read() == {"fal": Entry("ended", SENT)}
    row = await database.fetch_one("SELECT code FROM provider_submissions WHERE job_id = $1", lease.job_id)
    assert row == {"code": "COMPLETE"}


async def test_nothing_is_begun_twice_nor_by_who_lost_the_lease(lease: Lease) -> None:
    journal = journal_of(lease)
    await journal.begin("fal", "ace-step")
    with pytest.raises(LeaseLost):
        await journal.begin("fal", "ace-step")
    await jobs.give_back(lease)
    newer = await claim()
    with pytest.raises(LeaseLost):
        await journal.begin("replicate", "ace-step")
    await journal_of(newer).begin("replicate", "ace-step")


async def test_what_certainly_was_not_accepted_may_be_sent_again(lease: Lease) -> None:
    journal = journal_of(lease)
    await journal.begin("fal", "ace-step")
    await journal.forget("fal")
    await journal.begin("fal", "ace-step")


async def test_answer_is_kept_for_the_next_worker_but_for_no_job_that_has_ended(viewer: Viewer, lease: Lease) -> None:
    journal = journal_of(lease)
    await journal.begin("fal", "ace-step")
    await journal.begin("replicate", "ace-step")
    await jobs.give_back(lease)
    assert await journal.keep(SENT)
    assert not await journal.keep(SENT)
    await jobs.cancel_job(viewer, lease.job_id)
    assert not await journal.keep(Submission(**SENT.as_dict() | {"provider": "replicate"}))


async def test_job_that_is_replayed_may_send_anew_and_late_answers_do_not_mix_with_it(
    viewer: Viewer, lease: Lease
) -> None:
    first = journal_of(lease)
    await first.begin("fal", "ace-step")
    await jobs.cancel_job(viewer, lease.job_id)
    await jobs.replay_job(viewer, lease.job_id)
    again = journal_of(await claim())
    assert await again.read() == {}
    await again.begin("fal", "ace-step")
    assert not await first.keep(SENT)
    assert await again.read() == {"fal": Entry("begun")}


async def test_what_an_ended_job_left_running_is_called_off_once(viewer: Viewer, lease: Lease) -> None:
    wish = SongWish("a calm lofi evening", 30)
    model = choose_model("fal", wish)
    assert model is not None
    async with FakeFal.open() as vendor:
        vendor.plan = Plan(endless=True)
        provider = FalProvider(vendor.key, vendor.url)
        try:
            await journal_of(lease).begin("fal", model.name)
            assert await journal_of(lease).keep(await provider.submit(model, wish))
            assert await call_off_strays({"fal": provider}) == 0
            await jobs.cancel_job(viewer, lease.job_id)
            assert await call_off_strays({}) == 0
            assert [run.cancelled for run in vendor.runs] == [False]
            assert await call_off_strays({"fal": provider}) == 1
            assert [run.cancelled for run in vendor.runs] == [True]
            assert await call_off_strays({"fal": provider}) == 0
        finally:
            await provider.close()


async def test_what_is_too_old_to_run_any_more_is_left_alone(viewer: Viewer, lease: Lease) -> None:
    journal = journal_of(lease)
    await journal.begin("fal", "ace-step")
    assert await journal.keep(SENT)
    await jobs.cancel_job(viewer, lease.job_id)
    await grow_old(lease.job_id)
    provider = FalProvider("key", "http://127.0.0.1:1")
    assert await call_off_strays({"fal": provider}) == 0
    await provider.close()


async def grow_old(job_id: UUID) -> None:
    await database.fetch(
        "UPDATE provider_submissions SET created_at = now() - interval '2 hours' WHERE job_id = $1", job_id
    )
