"""Those who ask the same share the work, and each of them is told the truth."""

from collections.abc import AsyncIterator, Hashable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
import pytest_asyncio

from schema.context import Context
from schema.jobs import snapshot_of
from schema.live import BACKLOG
from server.operations import Operations
from server.operations.cohorts import MAX_COHORTS_OF_USER, Cohort, Cohorts, Failed, TooManySubscriptions
from server.operations.trusted import open_library
from server.resources import Resources
from storage import jobs
from storage.access import Role, Viewer
from storage.events import job_topics
from storage.hub import Hub
from storage.lifecycle import State
from storage.rows import read_id, write_id
from tests.studio import Person, until

ONE = "subscription ($id: ID!) { jobProgress(jobId: $id) { id state stage version } }"
ID_ALONE = "subscription ($id: ID!) { jobProgress(jobId: $id) { id } }"
FINISH = "subscription ($id: ID!) { jobProgress(jobId: $id) { stage estimatedFinishAt } }"
WITH_TRACK = "subscription ($id: ID!) { jobProgress(jobId: $id) { version state track { id status } } }"
MINE = "subscription { viewerJobs { id state version } }"


@dataclass(eq=False)
class Seat:
    """One who remembers what was said."""

    payloads: list[bytes] = field(default_factory=list)
    ends: list[Failed | None] = field(default_factory=list)

    def offer(self, _key: Hashable, payload: bytes) -> None:
        self.payloads.append(payload)

    def end(self, error: Failed | None) -> None:
        self.ends.append(error)

    @property
    def shown(self) -> list[Any]:
        return [next(iter(orjson.loads(payload)["data"].values())) for payload in self.payloads]

    async def hears(self, count: int) -> None:
        async def has_heard() -> bool:
            return len(self.payloads) >= count

        await until(has_heard, f"{count} events are heard", 5)

    async def is_let_go(self) -> Failed | None:
        async def has_ended() -> bool:
            return bool(self.ends)

        await until(has_ended, "the subscription ends", 10)
        (end,) = self.ends
        return end


class Hall:
    """Cohorts over a hub of their own, and a person's job that nobody works on."""

    def __init__(self, resources: Resources, hub: Hub, job: jobs.Job) -> None:
        self.operations = Operations(open_library(resources.settings))
        self.cohorts = Cohorts(self.operations)
        self.resources, self.hub, self.job = resources, hub, job

    def context(self, role: Role = "user", user_id: UUID | None = None) -> Context:
        viewer = Viewer(user_id or self.job.user_id, role=role)
        settings = self.resources.settings.model_copy(update={"rate_limit_scale": 1.0})
        return Context(settings, self.resources.blobs, self.hub, "a-request", viewer)

    def find(self, query: str = ONE, context: Context | None = None, job_id: UUID | None = None) -> Cohort:
        variables = self.variables(query, job_id)
        found = self.cohorts.find(self.operations.find(query, None, variables), variables, context or self.context())
        assert found is not None
        return found

    def variables(self, query: str, job_id: UUID | None = None) -> Mapping[str, Any]:
        return {"id": write_id("job", job_id or self.job.id)} if "$id" in query else {}

    def sit(self, query: str = ONE, context: Context | None = None, job_id: UUID | None = None) -> tuple[Seat, Cohort]:
        cohort, seat = self.find(query, context, job_id), Seat()
        cohort.join(seat)
        return seat, cohort

    async def publish(self, version: int, **changes: Any) -> None:
        state = replace(snapshot_of(self.job), version=version, **changes)
        await self.resources.publisher.publish(job_topics(self.job.id, self.job.user_id), state.encode())


@pytest_asyncio.fixture
async def hall(resources: Resources, person: Person) -> AsyncIterator[Hall]:
    """Empty when a test is over."""
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    job = await jobs.Job.create(
        user_id=read_id("user", person.id), kind="tracks.render", queue="media", available_at=tomorrow
    )
    hub = Hub(resources.settings.redis_url)
    await hub.start()

    async def is_connected() -> bool:
        return hub.is_connected

    await until(is_connected, "the hub is connected")
    yield Hall(resources, hub, job)

    async def is_empty() -> bool:
        return hub.watcher_count == 0

    await until(is_empty, "nobody watches any more", 3)
    await hub.stop()


async def test_those_who_ask_the_same_share_bytes_and_one_watch(hall: Hall) -> None:
    (one, cohort), (two, same) = hall.sit(), hall.sit()
    await one.hears(1)
    await hall.publish(2, stage="shared")
    await one.hears(2)

    assert cohort is same
    assert hall.hub.watcher_count == 1
    assert one.shown == two.shown
    assert one.shown[1]["stage"] == "shared"
    assert all(mine is theirs for mine, theirs in zip(one.payloads, two.payloads, strict=True))
    assert orjson.loads(one.payloads[0])["extensions"]["cost"]["requested"] > 0
    for seat in (one, two):
        cohort.leave(seat)


async def test_those_with_other_rights_or_another_document_sit_elsewhere(hall: Hall) -> None:
    sat = [hall.sit(), hall.sit(context=hall.context("admin")), hall.sit(ID_ALONE)]

    assert len({id(cohort) for _, cohort in sat}) == 3
    for seat, cohort in sat:
        await seat.hears(1)
        cohort.leave(seat)


async def test_stranger_is_told_that_there_is_no_such_job(hall: Hall) -> None:
    owner, cohort = hall.sit()
    await owner.hears(1)
    stranger, _ = hall.sit(context=hall.context(user_id=hall.job.id))

    failed = await stranger.is_let_go()
    assert failed is not None
    assert [error["extensions"]["code"] for error in failed.errors] == ["NOT_FOUND"]
    assert stranger.payloads == []
    cohort.leave(owner)


async def test_newcomer_hears_at_once_how_things_stand(hall: Hall) -> None:
    one, cohort = hall.sit()
    await one.hears(1)
    await hall.publish(2, stage="later")
    await one.hears(2)
    newcomer, _ = hall.sit()

    assert newcomer.payloads == one.payloads[-1:]
    for seat in (one, newcomer):
        cohort.leave(seat)


async def test_all_of_a_burst_are_passed_on_in_order_and_none_of_the_past(hall: Hall) -> None:
    seat, cohort = hall.sit()
    await seat.hears(1)
    for version in (*range(2, 42), 7, 41, 42):
        await hall.publish(version)
    await seat.hears(42)

    assert [state["version"] for state in seat.shown] == [*range(1, 43)]
    cohort.leave(seat)


async def test_same_state_is_not_sent_twice(hall: Hall) -> None:
    (seat, cohort), (witness, other) = hall.sit(ID_ALONE), hall.sit()
    await witness.hears(1)
    for version in range(2, 5):
        await hall.publish(version)
    await witness.hears(4)

    assert len(seat.payloads) == 1
    cohort.leave(seat)
    other.leave(witness)


async def test_end_is_told_last_and_once_and_lets_go_of_everything(hall: Hall) -> None:
    seats = [hall.sit()[0] for _ in range(3)]
    await seats[0].hears(1)
    await hall.publish(2, state=State.FAILED, error_code="X", error_message="broken")
    await hall.publish(3, stage="after the end")

    for seat in seats:
        assert await seat.is_let_go() is None
        assert [state["state"] for state in seat.shown] == ["QUEUED", "FAILED"]
    assert hall.hub.topic_count == 0
    later, cohort = hall.sit()
    await later.hears(1)
    assert [state["version"] for state in later.shown] == [1]  # as the row still stands
    cohort.leave(later)


async def test_newcomer_among_ones_own_jobs_hears_of_those_that_have_not_ended_long_ago(hall: Hall) -> None:
    one, cohort = hall.sit(MINE)
    await one.hears(1)
    other = replace(snapshot_of(hall.job), id=hall.job.user_id, version=1)
    topics = job_topics(other.id, other.user_id)
    await hall.resources.publisher.publish(topics, other.encode())
    await hall.publish(2, state=State.COMPLETE)
    await one.hears(3)
    newcomer, same = hall.sit(MINE)

    assert cohort is same
    assert [state["id"] for state in newcomer.shown] == [write_id("job", each.id) for each in (other, hall.job)]
    await hall.publish(3, state=State.QUEUED)  # somebody has it run again
    await newcomer.hears(3)
    assert newcomer.shown[2] == {"id": write_id("job", hall.job.id), "state": "QUEUED", "version": 3}
    for seat in (one, newcomer):
        cohort.leave(seat)


async def test_fault_while_showing_ends_the_operation_of_all_who_share_it_and_no_other(hall: Hall) -> None:
    (broken, _), (also, _), (whole, cohort) = hall.sit(FINISH), hall.sit(FINISH), hall.sit()
    await whole.hears(1)
    await hall.publish(2, state=State.RENDERING, started_at=datetime.now(UTC), progress="not a number")

    for seat in (broken, also):
        failed = await seat.is_let_go()
        assert failed is not None
        assert [error["extensions"]["code"] for error in failed.errors] == ["INTERNAL"]
        assert "number" not in failed.errors[0]["message"]
    await hall.publish(3)
    await whole.hears(3)
    assert hall.hub.watcher_count == 1
    cohort.leave(whole)


async def test_last_to_leave_ends_the_watch_even_before_it_has_begun(hall: Hall) -> None:
    seat, cohort = hall.sit()
    cohort.leave(seat)
    again, other = hall.sit()
    assert other is not cohort
    await again.hears(1)

    other.leave(again)
    assert seat.payloads == []
    assert hall.hub.watcher_count == 0


async def test_what_hangs_on_a_row_is_read_for_each_event_and_the_end_shows_it_as_it_ended(
    hall: Hall, person: Person
) -> None:
    created = await person.create_track()
    seat, _ = hall.sit(WITH_TRACK, job_id=read_id("job", created["job"]["id"]))

    async def is_over() -> bool:
        return bool(seat.ends)

    await until(is_over, "the track is made", 60)
    assert seat.ends == [None]
    versions = [state["version"] for state in seat.shown]
    assert versions == sorted(set(versions))
    assert seat.shown[-1]["state"] == "COMPLETE"
    assert seat.shown[-1]["track"] == {"id": created["track"]["id"], "status": "COMPLETE"}


async def test_one_who_comes_for_the_frames_gets_all_unless_they_lag_behind(hall: Hall) -> None:
    variables = hall.variables(ONE)
    operation = hall.operations.find(ONE, None, variables)
    witness, cohort = hall.sit()
    async with aclosing(hall.cohorts.watch(operation, variables, hall.context())) as frames:
        assert (await anext(frames)).errors is None
        for version in range(2, 42):
            await hall.publish(version)
        await witness.hears(41)
        assert [orjson.loads((await anext(frames)).text)["data"]["jobProgress"]["version"] for _ in range(40)] == [
            *range(2, 42)
        ]
        for version in range(42, 42 + 3 * BACKLOG):
            await hall.publish(version)
        await witness.hears(41 + 3 * BACKLOG)
        await hall.publish(1000, state=State.CANCELLED)
        rest = [orjson.loads(frame.payload)["data"]["jobProgress"] async for frame in frames]

    assert len(rest) <= BACKLOG + 1
    assert (rest[-1]["version"], rest[-1]["state"]) == (1000, "CANCELLED")
    cohort.leave(witness)


async def test_frames_of_what_fails_say_why(hall: Hall) -> None:
    variables = hall.variables(ONE)
    context = hall.context(user_id=hall.job.id)
    frames = [
        frame async for frame in hall.cohorts.watch(hall.operations.find(ONE, None, variables), variables, context)
    ]

    assert [error["extensions"]["code"] for frame in frames for error in frame.errors or ()] == ["NOT_FOUND"]


@pytest.mark.parametrize(("query", "job_id"), [("{ __typename }", None), (ONE, []), (ONE, None)])
async def test_what_no_plan_covers_has_no_cohort(hall: Hall, query: str, job_id: Any) -> None:
    variables = {"id": job_id}

    assert hall.cohorts.find(hall.operations.find(query, None, variables), variables, hall.context()) is None


async def test_one_who_watches_too_many_things_is_told_so_and_others_are_not(hall: Hall) -> None:
    sat = [hall.sit(f"{ID_ALONE} #{number}") for number in range(MAX_COHORTS_OF_USER)]
    with pytest.raises(TooManySubscriptions):
        hall.sit(f"{ID_ALONE} #one more")
    sat.append(hall.sit(f"{ID_ALONE} #0"))  # which is there already
    sat.append(hall.sit(ID_ALONE, hall.context(user_id=hall.job.id)))
    seat, cohort = sat.pop(0)
    cohort.leave(sat[-2][0])
    cohort.leave(seat)
    sat.append(hall.sit(f"{ID_ALONE} #one more"))
    for seat, cohort in sat:
        cohort.leave(seat)
