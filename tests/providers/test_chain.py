"""The chain: who is asked next, who is left alone for a while, and that nobody is paid twice."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from jobs import bridge
from jobs.providers import (
    Circuits,
    Entry,
    FalProvider,
    Local,
    Member,
    MusicProvider,
    Remote,
    ReplicateProvider,
    SongWish,
    failures,
)
from jobs.providers.chain import make_by_chain
from jobs.providers.circuits import FAILURES_IN_A_ROW, PAUSE_SECONDS, Circuit
from server.errors import EngineDied, JobCancelled, ProviderFailed
from tests.contracts.test_music_providers import QUICK, WISH
from tests.fakes.fal import FakeFal
from tests.fakes.journal import MemoryJournal, MemoryRecorder
from tests.fakes.replicate import FakeReplicate
from tests.fakes.vendor import HTML_502, Answer, Plan
from tests.server.test_transfers import Clock


@dataclass
class World:
    """Both vendors, and a job whose chain is fal, then Replicate, then our own engine."""

    fal: FakeFal
    replicate: FakeReplicate
    clients: tuple[FalProvider, ReplicateProvider]
    folder: Path
    clock: Clock
    circuits: Circuits
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    recorder: MemoryRecorder = field(default_factory=MemoryRecorder)

    def members(self, wish: SongWish = WISH) -> list[Member[str]]:
        def remote(provider: MusicProvider) -> Remote[str]:
            return Remote(
                provider,
                wish,
                self.folder / provider.name,
                self.journal,
                ignore,
                lambda made: f"a song by {made.provider}",
            )

        return [*map(remote, self.clients), Local("local", lambda: "our own song")]

    async def make(self, members: list[Member[str]] | None = None) -> tuple[str, str]:
        return await asyncio.to_thread(
            make_by_chain,
            self.members() if members is None else members,
            journal=self.journal,
            circuits=self.circuits,
            recorder=self.recorder,
        )


def ignore(_fraction: float, _stage: str) -> None:
    """Report to nobody."""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    bridge.bind(asyncio.get_running_loop())
    clock = Clock()
    async with AsyncExitStack() as stack:
        fal = await stack.enter_async_context(FakeFal.open())
        replicate = await stack.enter_async_context(FakeReplicate.open())
        clients = FalProvider(fal.key, fal.url, pace=QUICK), ReplicateProvider(replicate.key, replicate.url, pace=QUICK)
        for client in clients:
            stack.push_async_callback(client.close)
        yield World(fal, replicate, clients, tmp_path, clock, Circuits(clock))


async def test_first_that_answers_makes_it(world: World) -> None:
    assert await world.make() == ("fal", "a song by fal")
    assert world.recorder.outcomes == [("fal", "complete")]
    assert world.recorder.fallbacks == []
    assert world.replicate.requests == []


@pytest.mark.parametrize("status", [401, 402, 403, 404, 429, 500, 503])
async def test_next_is_asked_when_one_refuses(world: World, status: int) -> None:
    world.fal.refuse_submit(status)
    assert await world.make() == ("replicate", "a song by replicate")
    assert world.recorder.fallbacks == [("fal", "replicate")]
    assert (len(world.fal.runs), len(world.replicate.runs)) == (0, 1)


@pytest.mark.parametrize(
    "break_it",
    [
        lambda fal: fal.submit_answers.append(Answer(502, HTML_502)),
        lambda fal: setattr(fal, "lose_answers", True),
        lambda fal: setattr(fal, "plan", Plan(ending="broken")),
        lambda fal: setattr(fal, "plan", Plan(ending="expired")),
        lambda fal: setattr(fal, "plan", Plan(redirect="https://10.0.0.1/")),
        lambda fal: setattr(fal, "plan", Plan(logs=("stuck",), endless=True)),
        lambda fal: fal.look_answers.extend([Answer(reset=True)] * 1000),
    ],
    ids=["html 502", "lost answer", "broken run", "expired output", "private redirect", "stuck", "gone"],
)
async def test_next_is_asked_when_one_breaks(world: World, break_it: Callable[[FakeFal], None]) -> None:
    break_it(world.fal)
    assert await world.make() == ("replicate", "a song by replicate")
    assert len(world.fal.submits) == len(world.replicate.submits) == 1
    assert world.journal.entries["fal"] == Entry("ended")


async def test_run_that_nobody_waits_for_any_more_is_called_off(world: World) -> None:
    world.fal.plan = Plan(logs=("0%",), endless=True)
    world.fal.look_answers.extend([Answer(503, HTML_502)] * 1000)
    assert (await world.make())[0] == "replicate"
    assert [run.cancelled for run in world.fal.runs] == [True]


@pytest.mark.parametrize("ending", ["refused", "moderated"])
async def test_nobody_else_is_asked_for_what_was_refused(world: World, ending: str) -> None:
    world.fal.plan = Plan(ending=ending)
    with pytest.raises(failures.Refused) as caught:
        await world.make()
    assert not caught.value.retryable
    assert world.replicate.requests == []
    assert world.recorder.fallbacks == []


async def test_own_engine_is_the_last_resort(world: World) -> None:
    world.fal.refuse_submit(402)
    world.replicate.refuse_submit(402)
    assert await world.make() == ("local", "our own song")
    assert world.recorder.fallbacks == [("fal", "replicate"), ("replicate", "local")]


async def test_failure_of_all_says_so_and_is_tried_again_if_that_costs_nothing(world: World) -> None:
    world.fal.refuse_submit(429)
    world.replicate.refuse_submit(402)
    with pytest.raises(ProviderFailed, match=r"fal: .*; replicate: ") as caught:
        await world.make(world.members()[:2])
    assert caught.value.retryable
    assert world.journal.entries == {}


async def test_job_that_comes_back_follows_what_it_has_submitted_whatever_the_order(world: World) -> None:
    world.fal.refuse_submit(503)
    await world.make()
    world.circuits.get("replicate").note_failure(failures.OutOfCredit("replicate"))
    assert await world.make(list(reversed(world.members()))) == ("replicate", "a song by replicate")
    assert len(world.fal.submits) == len(world.replicate.submits) == 1


async def test_cancel_asks_nobody_else(world: World) -> None:
    def stop() -> str:
        raise JobCancelled

    with pytest.raises(JobCancelled):
        await world.make([Local("first", stop), *world.members()])
    assert world.recorder.outcomes == []
    assert world.fal.requests == []


async def test_failure_of_our_own_engine_keeps_its_name(world: World) -> None:
    def die() -> str:
        raise EngineDied("it was killed")

    with pytest.raises(EngineDied):
        await world.make([Local("local", die)])


async def test_empty_account_is_left_alone_and_tried_again_later(world: World) -> None:
    world.fal.refuse_submit(402)
    await world.make()
    world.journal.entries.clear()
    assert (await world.make())[0] == "replicate"
    assert len(world.fal.submits) == 1
    world.journal.entries.clear()
    world.clock.now += failures.OutOfCredit.rest_seconds + 1
    assert (await world.make())[0] == "fal"


async def test_only_member_that_rests_makes_the_job_come_back(world: World) -> None:
    world.circuits.get("fal").note_failure(failures.OutOfCredit("fal"))
    with pytest.raises(failures.Resting) as caught:
        await world.make(world.members()[:1])
    assert caught.value.retryable
    assert world.fal.requests == []


def test_circuit_opens_after_failures_in_a_row_and_lets_one_trial_through_in_each_pause() -> None:
    clock = Clock()
    circuit = Circuit("fal", clock)
    for _ in range(FAILURES_IN_A_ROW - 1):
        circuit.note_failure(failures.Unreachable("fal"))
    assert circuit.admit()
    circuit.note_failure(failures.Unreachable("fal"))
    assert (circuit.read().state, circuit.admit()) == ("open", False)
    clock.now += PAUSE_SECONDS
    assert circuit.read().state == "half open"
    assert [circuit.admit() for _ in range(3)] == [True, False, False]
    circuit.note_failure(failures.Unreachable("fal"))
    assert circuit.read().open_seconds == 2 * PAUSE_SECONDS
    clock.now += 2 * PAUSE_SECONDS
    assert circuit.admit()
    circuit.note_success()
    assert (circuit.read().state, circuit.read().failures_in_a_row) == ("closed", 0)
    assert [circuit.admit() for _ in range(3)] == [True, True, True]


def test_failures_of_what_was_begun_before_do_not_lengthen_the_pause() -> None:
    clock = Clock()
    circuit = Circuit("fal", clock)
    for _ in range(3 * FAILURES_IN_A_ROW):
        circuit.note_failure(failures.Unreachable("fal"))
    assert circuit.read().open_seconds == PAUSE_SECONDS


def test_success_between_failures_keeps_the_circuit_closed() -> None:
    circuit = Circuit("fal", Clock())
    for _ in range(FAILURES_IN_A_ROW):
        circuit.note_failure(failures.RunFailed("fal"))
        circuit.note_failure(failures.InputRefused("fal"))  # it answers: the wish was at fault
    assert circuit.read().state == "closed"


def test_busy_provider_is_left_alone_for_as_long_as_it_says() -> None:
    clock = Clock()
    circuit = Circuit("fal", clock)
    circuit.note_failure(failures.Busy("fal", retry_after_seconds=90))
    clock.now += 89
    assert not circuit.admit()
    clock.now += 1
    assert circuit.admit()


async def test_open_circuit_lets_one_of_many_threads_try() -> None:
    clock = Clock()
    circuits = Circuits(clock)
    circuits.get("fal").note_failure(failures.OutOfCredit("fal"))
    clock.now += 301
    admitted = await asyncio.gather(*(asyncio.to_thread(lambda: circuits.get("fal").admit()) for _ in range(32)))
    assert sum(admitted) == 1
    assert [state.provider for state in circuits.read()] == ["fal"]
