"""One suite for every outside music provider: fal and Replicate, each against a server that speaks its contract."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from jobs import bridge
from jobs.providers import (
    SONG_MODELS,
    Circuits,
    Entry,
    FalProvider,
    MusicProvider,
    Pace,
    Recording,
    Remote,
    ReplicateProvider,
    SongWish,
    call_off,
    choose_model,
    failures,
    find_model,
    make_by_chain,
)
from jobs.providers.base import Report
from jobs.providers.wire import ANSWER_BYTES, FILE_BYTES
from jobs.providers.wish import ReferenceLink
from server.errors import (
    EngineDied,
    EngineFailed,
    EngineStalled,
    JobCancelled,
    JobFailed,
    JobInterrupted,
    JobStopped,
    LeaseLost,
)
from tests.fakes.fal import FakeFal
from tests.fakes.journal import MemoryJournal, MemoryRecorder
from tests.fakes.replicate import FakeReplicate
from tests.fakes.vendor import HTML_502, Answer, Plan, Vendor, make_wav

QUICK = Pace(0.005, 1.0, 0.005, unreachable_seconds=0.2, stall_seconds=0.3)
WISH = SongWish("a calm lofi evening", 30, seed=7)
SONG = SongWish(
    "a folk song by the sea", 60, has_vocals=True, lyrics="[verse]\nThe sea is calm tonight, my love", seed=7
)
AFTER = replace(WISH, reference=ReferenceLink("https://files.invalid/mine.m4a", 60, 1))
VENDORS: dict[str, tuple[type[Vendor], Callable[..., MusicProvider]]] = {
    "fal": (FakeFal, FalProvider),
    "replicate": (FakeReplicate, ReplicateProvider),
}


@dataclass
class Studio:
    """A vendor, our client of it, and a job that wants a song."""

    vendor: Vendor
    provider: MusicProvider
    folder: Path
    journal: MemoryJournal
    recorder: MemoryRecorder

    def remote(self, report: Report | None = None, finish: Callable[[Recording], Recording] | None = None) -> Remote:  # type: ignore[type-arg]
        return Remote(
            provider=self.provider,
            wish=WISH,
            path=self.folder / "song",
            journal=self.journal,
            report=report or (lambda _fraction, _stage: None),
            finish=finish or (lambda recording: recording),
        )

    async def make(self, report: Report | None = None) -> Recording:
        """As an actor would: in a thread, with the client on the loop."""
        return await asyncio.to_thread(self.remote(report).make)

    async def chain(self, **how: object) -> Recording:
        made: Recording
        _, made = await asyncio.to_thread(
            make_by_chain,
            [self.remote(**how)],  # type: ignore[arg-type]
            journal=self.journal,
            circuits=Circuits(),
            recorder=self.recorder,
        )
        return made

    def entry(self) -> Entry | None:
        return self.journal.entries.get(self.vendor.name)


async def stop_while_submitting(studio: Studio, stop: type[JobStopped]) -> None:
    """Let a submit arrive, stop the job, and only then let the vendor answer."""
    studio.vendor.may_answer.clear()
    stopped = threading.Event()

    def report(_fraction: float, _stage: str) -> None:
        if studio.vendor.arrived.is_set():
            stopped.set()
            raise stop

    making = asyncio.create_task(studio.make(report))
    assert await asyncio.to_thread(stopped.wait, 10)
    studio.vendor.may_answer.set()
    await making


@pytest.fixture(params=VENDORS)
async def studio(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Studio]:
    fake, client = VENDORS[request.param]
    bridge.bind(asyncio.get_running_loop())
    async with fake.open() as vendor:
        provider = client(vendor.key, vendor.url, pace=QUICK)
        yield Studio(vendor, provider, tmp_path, MemoryJournal(), MemoryRecorder())
        await provider.close()


async def test_song_is_submitted_once_followed_and_copied(studio: Studio) -> None:
    studio.vendor.plan = Plan(positions=(2, 0), logs=("loading", "50%|#####     | 5/10", "100%|##########| 10/10"))
    made = await studio.make()
    assert made.path.read_bytes() == make_wav()
    assert (made.provider, made.size_bytes) == (studio.vendor.name, len(make_wav()))
    assert len(studio.vendor.submits) == len(studio.vendor.runs) == 1
    entry = studio.entry()
    assert entry is not None
    assert entry.state == "submitted"
    assert entry.submission is not None
    assert entry.submission.request_id == studio.vendor.runs[0].id
    assert type(entry.submission)(**entry.submission.as_dict()) == entry.submission
    assert studio.vendor.key not in str(entry)


async def test_progress_moves_from_the_queue_over_the_logs_to_the_copy(studio: Studio) -> None:
    studio.vendor.plan = Plan(positions=(3, 1), logs=("20%|##  | 2/10", "80%|######## | 8/10"))
    heard: list[tuple[float, str]] = []
    name = studio.vendor.name
    submission = await studio.provider.submit(choose_model(studio.vendor.name, WISH), WISH)  # type: ignore[arg-type]
    await studio.provider.follow(submission, lambda fraction, stage: heard.append((fraction, stage)))
    fractions = [fraction for fraction, _ in heard]
    assert fractions == sorted(fractions)
    assert 0.2 < fractions[-2] < 0.3
    assert 0.7 < fractions[-1] < 0.8
    assert [stage for _, stage in heard][-1] == f"composing at {name}"
    if name == "fal":
        assert [stage for _, stage in heard][:2] == ["waiting at fal, 3 before", "waiting at fal, 1 before"]


@pytest.mark.parametrize(("provider", "name"), [(model.provider, model.name) for model in SONG_MODELS])
async def test_every_model_of_the_table_is_accepted_and_its_audio_found(
    provider: str, name: str, tmp_path: Path
) -> None:
    fake, client = VENDORS[provider]
    model = find_model(provider, name)
    assert model is not None
    wish = next(wish for wish in (WISH, SONG, AFTER) if model.refusal_of(wish) is None)
    async with fake.open() as vendor:
        api = client(vendor.key, vendor.url, pace=QUICK)
        submission = await api.submit(model, wish)
        output = await api.follow(submission, lambda _fraction, _stage: None)
        made = await api.copy(submission, model, wish, output, tmp_path / "song", lambda _fraction, _stage: None)
        await api.close()
    assert made.path.read_bytes() == make_wav()


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, failures.Unauthorized),
        (402, failures.OutOfCredit),
        (404, failures.ModelMissing),
        (422, failures.InputRefused),
        (429, failures.Busy),
    ],
)
async def test_refused_submit_has_its_name_and_leaves_nothing_behind(
    studio: Studio, status: int, expected: type[failures.Setback]
) -> None:
    studio.vendor.refuse_submit(status)
    with pytest.raises(expected) as caught:
        await studio.chain()
    assert type(caught.value) is expected
    assert caught.value.nothing_accepted
    assert caught.value.retryable == (status == 429)
    assert studio.entry() is None
    assert studio.recorder.outcomes == [(studio.vendor.name, caught.value.code.lower())]
    assert studio.vendor.key not in str(caught.value)


async def test_model_that_the_vendor_does_not_have_is_missing(studio: Studio) -> None:
    model = choose_model(studio.vendor.name, WISH)
    assert model is not None
    with pytest.raises(failures.ModelMissing) as caught:
        await studio.provider.submit(replace(model, endpoint="0" * 64), WISH)
    assert caught.value.falls_back


async def test_locked_account_is_told_from_a_key_that_may_not(studio: Studio) -> None:
    studio.vendor.refuse_submit(403)
    with pytest.raises(failures.OutOfCredit if studio.vendor.name == "fal" else failures.Unauthorized):
        await studio.chain()


async def test_wrong_key_is_unauthorized(studio: Studio) -> None:
    wrong = VENDORS[studio.vendor.name][1]("wrong", studio.vendor.url, pace=QUICK)
    with pytest.raises(failures.Unauthorized):
        await asyncio.to_thread(replace(studio.remote(), provider=wrong).make)
    await wrong.close()


async def test_busy_vendor_says_when_to_come_back(studio: Studio) -> None:
    studio.vendor.refuse_submit(429, Retry_After="17")
    with pytest.raises(failures.Busy) as caught:
        await studio.make()
    assert caught.value.retry_after_seconds == 17


@pytest.mark.parametrize("answer", [Answer(502, HTML_502), Answer(500, {"detail": "no"}), Answer(200, HTML_502)])
async def test_submit_that_may_have_been_accepted_is_never_sent_again(studio: Studio, answer: Answer) -> None:
    studio.vendor.submit_answers.append(answer)
    with pytest.raises(failures.Setback) as caught:
        await studio.chain()
    assert not caught.value.retryable
    assert studio.entry() == Entry("ended")
    with pytest.raises(Exception, match="Every provider that may be asked has failed"):
        await studio.chain()
    assert len(studio.vendor.submits) == 1


async def test_answer_lost_after_acceptance_is_never_sent_again(studio: Studio) -> None:
    studio.vendor.lose_answers = True
    with pytest.raises(failures.Unanswered):
        await studio.chain()
    with pytest.raises(Exception, match="Every provider that may be asked has failed"):
        await studio.chain()
    assert len(studio.vendor.runs) == len(studio.vendor.submits) == 1
    assert studio.journal.codes == {studio.vendor.name: "PROVIDER_UNANSWERED"}


async def test_vendor_that_does_not_listen_has_accepted_nothing(studio: Studio) -> None:
    nowhere = VENDORS[studio.vendor.name][1]("key", "http://127.0.0.1:1", pace=QUICK)
    with pytest.raises(failures.Unreachable) as caught:
        await asyncio.to_thread(replace(studio.remote(), provider=nowhere).make)
    assert caught.value.nothing_accepted
    assert caught.value.retryable
    await nowhere.close()


async def test_worker_that_died_after_the_answer_was_kept_is_followed_by_the_next(studio: Studio) -> None:
    await studio.make()
    (studio.folder / "song").unlink()
    made = await studio.chain()
    assert made.path.read_bytes() == make_wav()
    assert len(studio.vendor.submits) == 1


async def test_worker_that_died_before_the_answer_was_kept_is_not_followed(studio: Studio) -> None:
    studio.journal.entries[studio.vendor.name] = Entry("begun")
    with pytest.raises(Exception, match="Every provider that may be asked has failed"):
        await studio.chain()
    assert studio.vendor.submits == []
    assert studio.entry() == Entry("ended")


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        ("broken", failures.RunFailed),
        ("moderated", failures.ContentRefused),
        ("expired", failures.ResultLost),
        ("page", failures.ResultLost),
        ("foreign", failures.Unanswered),
    ],
)
async def test_bad_ending_has_its_name_and_is_not_tried_again(
    studio: Studio, ending: str, expected: type[failures.Setback]
) -> None:
    studio.vendor.plan = Plan(ending=ending)
    with pytest.raises(expected) as caught:
        await studio.chain()
    assert type(caught.value) is expected
    assert not caught.value.retryable
    assert studio.entry() == Entry("ended")
    assert len(studio.vendor.submits) == 1


async def test_run_that_refuses_its_input_ends_there(studio: Studio) -> None:
    studio.vendor.plan = Plan(ending="refused")
    with pytest.raises(failures.InputRefused if studio.vendor.name == "fal" else failures.RunFailed):
        await studio.chain()


@pytest.mark.parametrize(
    "where",
    [
        "http://127.0.0.1:1/secret",
        "https://127.0.0.1/secret",
        "https://169.254.169.254/latest/meta-data",
        "https://[fdaa::3]/",
        "https://[::ffff:10.0.0.1]/",
        "https://2130706433/",
        "https://_api.internal/",
        "http://example.org/song.wav",
        "file:///etc/passwd",
    ],
)
@pytest.mark.parametrize("by", ["redirect", "answer"])
async def test_result_at_a_private_address_is_not_fetched(studio: Studio, where: str, by: str) -> None:
    studio.vendor.plan = Plan(redirect=where) if by == "redirect" else Plan(audio_url=where)
    with pytest.raises(failures.ResultLost):
        await studio.chain()
    assert not (studio.folder / "song").exists()


@pytest.mark.parametrize("url", ["https://0177.0.0.1/", "https://", "song.wav", "data:audio/wav;base64,UklGRg=="])
async def test_result_at_no_address_is_not_fetched(studio: Studio, url: str) -> None:
    studio.vendor.plan = Plan(audio_url=url)
    with pytest.raises(failures.ResultLost):
        await studio.chain()


@pytest.mark.parametrize("plan", [Plan(declared_bytes=FILE_BYTES + 1), Plan(audio=b"")], ids=["too large", "empty"])
async def test_file_of_a_senseless_size_is_not_kept(studio: Studio, plan: Plan) -> None:
    studio.vendor.plan = plan
    with pytest.raises(failures.ResultLost):
        await studio.chain()


async def test_file_that_breaks_off_is_fetched_again_by_the_next_attempt(studio: Studio) -> None:
    studio.vendor.plan = Plan(declared_bytes=len(make_wav()) + 1)
    with pytest.raises(failures.Unreachable) as caught:
        await studio.chain()
    assert caught.value.retryable
    studio.vendor.runs[0].plan = Plan()
    assert (await studio.chain()).path.read_bytes() == make_wav()
    assert len(studio.vendor.submits) == 1


async def test_answer_of_a_senseless_size_is_not_read(studio: Studio) -> None:
    studio.vendor.submit_answers.append(Answer(200, b" " * (ANSWER_BYTES + 1)))
    with pytest.raises(failures.Unanswered) as caught:
        await studio.chain()
    assert caught.value.told == "AnswerTooLarge"


async def test_redirect_within_the_vendor_is_followed_but_not_forever(studio: Studio) -> None:
    studio.vendor.plan = Plan(redirect="?moved")
    assert (await studio.chain()).path.read_bytes() == make_wav()
    studio.vendor.plan, studio.journal.entries = Plan(redirect="?again"), {}
    with pytest.raises(failures.ResultLost):
        await studio.chain()


async def test_vendor_that_stumbles_while_it_works_is_followed_through_it(studio: Studio) -> None:
    studio.vendor.look_answers.extend(
        [
            Answer(502, HTML_502),
            Answer(500, {"detail": "no"}),
            Answer(429, {}, {"Retry-After": "0"}),
            Answer(reset=True),
        ]
    )
    assert (await studio.chain()).path.read_bytes() == make_wav()
    assert len(studio.vendor.submits) == 1


async def test_vendor_that_goes_away_while_it_works_is_followed_by_the_next_attempt(studio: Studio) -> None:
    studio.vendor.look_answers.extend([Answer(reset=True)] * 1000)
    with pytest.raises(failures.Unreachable) as caught:
        await studio.chain()
    assert caught.value.retryable
    studio.vendor.look_answers.clear()
    assert (await studio.chain()).path.read_bytes() == make_wav()
    assert len(studio.vendor.submits) == 1


async def test_run_that_never_moves_is_called_off(studio: Studio) -> None:
    studio.vendor.plan = Plan(logs=("still here",), endless=True)
    with pytest.raises(failures.TimedOut):
        await studio.chain()
    assert studio.vendor.runs[0].cancelled
    assert studio.entry() == Entry("ended")


async def test_cancelled_job_calls_off_its_run(studio: Studio) -> None:
    studio.vendor.plan = Plan(logs=("0%",), endless=True)

    def report(_fraction: float, stage: str) -> None:
        if stage.startswith("composing"):
            raise JobCancelled

    with pytest.raises(JobCancelled):
        await studio.chain(report=report)
    assert studio.vendor.runs[0].cancelled


async def test_job_cancelled_while_its_submit_is_on_the_way_calls_off_what_comes_of_it(studio: Studio) -> None:
    studio.vendor.plan = Plan(logs=("0%",), endless=True)
    with pytest.raises(JobCancelled):
        await stop_while_submitting(studio, JobCancelled)
    assert [run.cancelled for run in studio.vendor.runs] == [True]


async def test_worker_told_to_stop_keeps_its_submission_and_does_not_call_it_off(studio: Studio) -> None:
    studio.vendor.plan = Plan(logs=("0%",), endless=True)
    with pytest.raises(JobInterrupted):
        await stop_while_submitting(studio, JobInterrupted)
    entry = studio.entry()
    assert entry is not None
    assert entry.submission is not None
    assert not studio.vendor.runs[0].cancelled
    studio.vendor.runs[0].plan = Plan()
    assert (await studio.chain()).path.read_bytes() == make_wav()
    assert len(studio.vendor.submits) == 1


async def test_worker_that_woke_too_late_calls_off_what_it_submitted(studio: Studio) -> None:
    studio.vendor.plan = Plan(logs=("0%",), endless=True)
    studio.vendor.may_answer.clear()
    making = asyncio.create_task(studio.make())
    await studio.vendor.arrived.wait()
    await studio.journal.end(studio.vendor.name, "PROVIDER_UNANSWERED")  # as the worker does that has the job now
    studio.vendor.may_answer.set()
    with pytest.raises(LeaseLost):
        await making
    assert studio.vendor.runs[0].cancelled


async def test_job_that_was_cancelled_while_nobody_held_it_is_called_off_later(studio: Studio) -> None:
    studio.vendor.plan = Plan(logs=("0%",), endless=True)
    model = choose_model(studio.vendor.name, WISH)
    assert model is not None
    await studio.journal.begin(studio.vendor.name, model.name)
    await studio.journal.keep(await studio.provider.submit(model, WISH))
    await call_off({studio.vendor.name: studio.provider}, studio.journal)
    assert studio.vendor.runs[0].cancelled
    assert studio.entry() == Entry("ended")


@pytest.mark.parametrize("broken", [EngineFailed, EngineDied, EngineStalled])
async def test_file_that_no_engine_reads_or_survives_is_the_vendors_failure(
    studio: Studio, broken: type[JobFailed]
) -> None:
    def finish(_recording: Recording) -> Recording:
        raise broken

    with pytest.raises(failures.ResultLost):
        await studio.chain(finish=finish)
    assert studio.entry() == Entry("ended")


async def test_webhook_address_goes_with_the_submit(studio: Studio) -> None:
    model = choose_model(studio.vendor.name, WISH)
    assert model is not None
    await studio.provider.submit(model, WISH, "https://studio.example/hooks?a=1&b=2")
    (sent,) = studio.vendor.submits
    if studio.vendor.name == "fal":
        assert sent.query == "fal_webhook=https%3A%2F%2Fstudio.example%2Fhooks%3Fa%3D1%26b%3D2"
    else:
        assert sent.read_json()["webhook"] == "https://studio.example/hooks?a=1&b=2"
