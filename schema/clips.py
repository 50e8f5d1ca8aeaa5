"""Clips: the sections of a generated film, each of which can be made anew alone."""

from typing import TYPE_CHECKING, Annotated, Any, cast

import strawberry

from jobs import clips as clip_jobs
from jobs.clips import SectionWish
from jobs.videos import GeneratedWish
from schema.context import Info
from schema.failures import Conflict, NotFound, PolicyRejected, RateLimited, ValidationFailed
from schema.jobs import Job
from schema.mutation import find_key_problems, mutation
from schema.nodes import Node, node_id
from schema.reads import computed, relation
from schema.roots import One
from server import errors
from storage import clips, jobs
from storage.access import OWNER_AND_ADMINS
from storage.lifecycle import State
from storage.rows import read_id

if TYPE_CHECKING:
    from schema.videos import Video


@strawberry.type(description="Moving pictures without sound.")
class SectionClip:
    url: str


@strawberry.type(description="A section of a generated film: the part of the song, and the clip that is shown with it.")
class VideoSection(Node):
    rows = (clips.VideoClip,)
    door = One(clips.VideoClip, OWNER_AND_ADMINS, "section")

    id: strawberry.ID = node_id("section")
    number: int = strawberry.field(description="Counted from 1.")
    name: str
    start_seconds: float
    end_seconds: float
    prompt: str = strawberry.field(description="What a model is told; our own pictures follow the music instead.")
    seed: int
    provider: str | None = strawberry.field(description="Who made the clip; `local` is us.")
    model: str | None
    status: State
    version: int
    job: Job | None = relation(lambda: jobs.Job, "job_id", description="The work that makes its clip.")

    @computed("notes")
    @staticmethod
    def notes(root: Any) -> list[str]:
        """Who was asked in vain, and what of the clip is not as it was wished for."""
        return list(root.notes)

    @computed("blob_key")
    @staticmethod
    def clip(root: Any, info: Info) -> SectionClip | None:
        """The newest that is complete; null until there is one, and once the film has expired."""
        return None if root.blob_key is None else SectionClip(url=info.context.link(root.blob_key))


@strawberry.type(description="The section is made anew; then the job composes the film again.")
class SectionRegenerated:
    video: Annotated["Video", strawberry.lazy("schema.videos")]
    job: Job


@strawberry.input(
    description="A film with a clip made for each section of the song, which the composer or `analyzeTrack` tells."
)
class GeneratedVideoInput:
    prompt: str = strawberry.field(default="", description="What is to be seen, in at most 500 characters.")
    seed: int | None = strawberry.field(default=None, description="One that nobody chose, if there is none.")
    frames_per_second: int = strawberry.field(default=30, description="24, 25, 30 or 60.")

    def read(self) -> GeneratedWish:
        """As the jobs take it."""
        return GeneratedWish(self.prompt, self.seed, self.frames_per_second)


@strawberry.input
class RegenerateSectionInput:
    video_id: strawberry.ID
    number: int
    prompt: str | None = strawberry.field(default=None, description="Other words for this section alone.")
    seed: int | None = strawberry.field(
        default=None, description="Without words and seed, a section that is complete gets another seed."
    )
    idempotency_key: str | None = None


RegenerateSectionResult = Annotated[
    SectionRegenerated | ValidationFailed | NotFound | Conflict | PolicyRejected | RateLimited,
    strawberry.union("RegenerateSectionResult"),
]


@strawberry.type
class ClipMutation:
    @mutation
    async def regenerate_section(self, info: Info, input: RegenerateSectionInput) -> RegenerateSectionResult | None:  # noqa: A002 - the API's name
        """Have one section of a generated film that has ended, well or badly, made anew: 30 an hour.

        The old clip and the old film stay until there are others. While one section is made, others that
        are missing may be asked for too: the film is composed once, by the same job, when all are there.
        """
        viewer, key = info.context.viewer, input.idempotency_key
        viewer.require_user()
        if problems := find_key_problems(key):
            raise errors.ValidationFailed(problems)
        wish = SectionWish(read_id("video", input.video_id), input.number, input.prompt, input.seed)
        requested = await clip_jobs.request_section(viewer, wish, idempotency_key=key)
        return SectionRegenerated(video=cast("Video", requested.video), job=Job.of(requested.job))
