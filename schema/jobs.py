"""Jobs: reading them, watching them live, cancelling and running them again."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from jobs.queue import QUEUES
from schema.context import Context, Info
from schema.failures import Conflict, InsufficientCredits, NotFound
from schema.live import Leave, Sink, Watch
from schema.mutation import mutation
from schema.nodes import Node, node_id
from schema.pages import After, Connection, First
from schema.reads import computed, relation
from schema.roots import One, Page
from schema.ticker import begin_ticking
from server import errors
from storage import jobs, tracks, uploads, videos
from storage.access import ADMINS, OWNER, OWNER_AND_ADMINS
from storage.jobs.rows import JobState as JobSnapshot
from storage.lifecycle import TERMINAL, State
from storage.rows import read_id

if TYPE_CHECKING:
    from schema.tracks import Track
    from schema.uploads import MediaUpload
    from schema.videos import Video

QUEUES_SECONDS = 1.0
KEEPS_ENDED_SECONDS = 600.0  # a phone that comes back sees what has ended meanwhile
JOB = One(jobs.Job, OWNER_AND_ADMINS, "job")
JOBS = Page(jobs.Job, OWNER, {"state": None})
DEAD_LETTERS = Page(jobs.Job, ADMINS, where={"state": State.FAILED})

strawberry.enum(State, name="JobState", description="Where work stands; the last three are final.")


@strawberry.type(description="Why a job, or its last attempt, failed.")
class JobError:
    code: str
    message: str
    retryable: bool


@strawberry.type(description="A piece of work that takes time.")
class Job(Node):
    rows = (jobs.Job, JobSnapshot)
    door = JOB

    id: strawberry.ID = node_id("job")
    kind: str
    queue: str
    state: State
    stage: str
    progress: float
    message: str
    attempt: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    version: int

    @computed("error_code", "error_message", "error_retryable")
    @staticmethod
    def error(root: Any) -> JobError | None:
        """What went wrong; on a job that is QUEUED again, in the attempt before."""
        if root.error_code is None:
            return None
        return JobError(code=root.error_code, message=root.error_message, retryable=bool(root.error_retryable))

    @computed("state", "progress", "started_at")
    @staticmethod
    def estimated_finish_at(root: Any) -> datetime | None:
        """When the job will be done if it goes on as it went so far."""
        if root.state != State.RENDERING or root.started_at is None or root.progress < 0.05:
            return None
        started_at: datetime = root.started_at
        progress: float = root.progress
        return started_at + (datetime.now(started_at.tzinfo) - started_at) / progress

    track: Annotated["Track", strawberry.lazy("schema.tracks")] | None = relation(
        lambda: tracks.Track, "subject_id", description="What the job works on."
    )
    upload: Annotated["MediaUpload", strawberry.lazy("schema.uploads")] | None = relation(
        lambda: uploads.Upload, "subject_id", description="The file that the job looks at."
    )
    video: Annotated["Video", strawberry.lazy("schema.videos")] | None = relation(
        lambda: videos.Video, "id", "job_id", description="The film that the job renders."
    )


@strawberry.type(description="How a queue does, over the last minute.")
class QueueHealth:
    name: str
    depth: int
    oldest_age_seconds: float
    running: int
    finished_per_minute: int
    failed_per_minute: int


@strawberry.type(description="The job is cancelled, and its credits are back.")
class JobCancelled:
    job: Job


@strawberry.type(description="The job waits to run again.")
class JobRetried:
    job: Job


CancelJobResult = Annotated[JobCancelled | NotFound | Conflict, strawberry.union("CancelJobResult")]
RetryJobResult = Annotated[JobRetried | NotFound | Conflict | InsufficientCredits, strawberry.union("RetryJobResult")]


@strawberry.type
class JobQuery:
    @strawberry.field(description="A job of yours.", metadata={"reads": JOB})
    async def job(self, info: Info, id: strawberry.ID) -> Job | None:  # noqa: A002 - the API's name
        return Job.of(await JOB.read(info.context, id))

    @strawberry.field(description="Your jobs, newest first.", metadata={"reads": JOBS})
    async def jobs(self, info: Info, first: First, after: After = None, state: State | None = None) -> Connection[Job]:
        return await JOBS.read(info.context, first, after, state=state)

    @strawberry.field(
        description="The jobs that failed for good, of everybody; for admins.", metadata={"reads": DEAD_LETTERS}
    )
    async def dead_letters(self, info: Info, first: First, after: After = None) -> Connection[Job]:
        return await DEAD_LETTERS.read(info.context, first, after)


@strawberry.type
class JobMutation:
    @mutation
    async def cancel_job(self, info: Info, id: strawberry.ID) -> CancelJobResult | None:  # noqa: A002 - the API's name
        """Stop a job that has not ended; what it reserved comes back."""
        return JobCancelled(job=Job.of(await jobs.cancel_job(info.context.viewer, read_id("job", id))))

    @mutation
    async def retry_job(self, info: Info, id: strawberry.ID) -> RetryJobResult | None:  # noqa: A002 - the API's name
        """Run a job that failed or was cancelled again from the start."""
        return JobRetried(job=Job.of(await jobs.replay_job(info.context.viewer, read_id("job", id))))


def snapshot_of(row: jobs.Job) -> JobSnapshot:
    """The job as an event would show it."""
    return JobSnapshot.of({name: getattr(row, name) for name in JobSnapshot.__slots__})


async def _watch_job(context: Context, sink: Sink, job_id: str) -> Leave:
    viewer, row_id = context.viewer, read_id("job", job_id)
    viewer.require_user()

    async def read() -> list[JobSnapshot]:
        row = await jobs.find_job(viewer, row_id)
        if row is None:
            raise errors.NotFound("There is no such job")
        return [snapshot_of(row)]

    def tell(state: JobSnapshot) -> None:
        is_final = state.state in TERMINAL
        sink.offer(state.id, state, is_final=is_final)
        if is_final:
            sink.end()

    return await context.hub.watch_job(row_id, tell, read)


async def _watch_jobs(context: Context, sink: Sink) -> Leave:
    user_id = context.viewer.require_user()

    async def read() -> list[JobSnapshot]:
        return await jobs.read_recent(user_id, KEEPS_ENDED_SECONDS)

    def tell(state: JobSnapshot) -> None:
        sink.offer(state.id, state, is_final=state.state in TERMINAL)

    return await context.hub.watch_jobs_of(user_id, tell, read)


async def _watch_queues(context: Context, sink: Sink) -> Leave:
    context.viewer.require_admin()
    return begin_ticking(lambda: jobs.read_queue_health(QUEUES), QUEUES_SECONDS, sink)


JOB_PROGRESS, VIEWER_JOBS, QUEUES_HEALTH = (
    Watch(_watch_job),
    Watch(_watch_jobs, KEEPS_ENDED_SECONDS),
    Watch(_watch_queues),
)


@strawberry.type
class JobSubscription:
    @strawberry.subscription(
        description="One job: first as it stands, then as it changes; ends after its final state.",
        metadata={"watches": JOB_PROGRESS},
    )
    async def job_progress(self, info: Info, job_id: strawberry.ID) -> AsyncIterator[Job]:
        return JOB_PROGRESS.stream(info.context, job_id=job_id)

    @strawberry.subscription(
        description="Your jobs: first those that have not ended or did so in the last ten minutes, then every change of"
        " any. Whoever was away for longer reads `jobs` again.",
        metadata={"watches": VIEWER_JOBS},
    )
    async def viewer_jobs(self, info: Info) -> AsyncIterator[Job]:
        return VIEWER_JOBS.stream(info.context)

    @strawberry.subscription(
        description="How the queues do, as often as that changes; for admins.", metadata={"watches": QUEUES_HEALTH}
    )
    async def queues(self, info: Info) -> AsyncIterator[list[QueueHealth]]:
        return QUEUES_HEALTH.stream(info.context)
