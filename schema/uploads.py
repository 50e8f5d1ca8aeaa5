"""Uploads: announcing a file, where to PUT it, whether it has arrived, and what became of it."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import strawberry
from strawberry.scalars import JSON

from jobs import uploads as upload_jobs
from jobs.uploads import UploadWish
from schema.context import LINK_SECONDS, Context, Info
from schema.failures import (
    Conflict,
    NotFound,
    QuotaExceeded,
    RateLimited,
    UploadIncomplete,
    ValidationFailed,
)
from schema.files import SentFile
from schema.jobs import Job
from schema.mutation import find_key_problems, mutation
from schema.nodes import Node, node_id
from schema.pages import After, Connection, First
from schema.reads import computed, relation
from schema.roots import One, Page
from server import errors
from storage import jobs, uploads
from storage.access import OWNER
from storage.blobs.arrivals import Grant, PutLink
from storage.rows import read_id
from storage.uploads import UploadStatus

PUT_SECONDS = 3600  # a slow phone's largest part takes less, and a fresh link is one query away
UPLOAD = One(uploads.Upload, OWNER, "upload")
UPLOADS = Page(uploads.Upload, OWNER, {"status": None})
GRANTED = ("id", "user_id", "status", "mime_type", "size_bytes", "sha256", "part_bytes", "part_token")

strawberry.enum(UploadStatus, name="UploadStatus", description="Where an upload stands; the last four are final.")


@strawberry.type(description="A part of a file, and where to PUT it.")
class UploadPart:
    number: int
    offset_bytes: int
    size_bytes: int
    url: str


@strawberry.type(description="A part that has arrived whole.")
class ReceivedPart:
    number: int
    size_bytes: int
    etag: str


@strawberry.type(description="Why a file was not kept.")
class UploadRejection:
    code: str
    message: str


@strawberry.enum(
    description="What is in a file: sound alone, moving pictures, with sound or without, or one that stands still."
)
class MediaKind(StrEnum):
    AUDIO = "AUDIO"
    VIDEO = "VIDEO"
    PICTURE = "PICTURE"


@strawberry.type(description="What was found when all of the file was read, whatever it says of itself.")
class UploadMedia:
    kind: MediaKind
    duration_seconds: float = strawberry.field(description="0 for a picture.")
    container: str = strawberry.field(description="As FFmpeg calls it; jpeg, png or webp for a picture.")
    audio_codec: str | None = strawberry.field(description="Null where there is no sound.")
    sample_rate: int | None
    channels: int | None
    video_codec: str | None = strawberry.field(description="Null where there is nothing to see.")
    width: int | None
    height: int | None
    frames_per_second: float | None = strawberry.field(description="Null where nothing moves.")


@strawberry.type(description="A picture from a video, or of a picture, as a JPEG.")
class Thumbnail:
    url: str
    width: int
    height: int


@strawberry.type(description="A file that you bring. Links are fresh whenever you ask, and good for an hour.")
class MediaUpload(Node):
    rows = (uploads.Upload,)
    door = UPLOAD

    id: strawberry.ID = node_id("upload")
    filename: str
    mime_type: str
    size_bytes: int
    sha256: str | None
    status: UploadStatus
    created_at: datetime
    expires_at: datetime
    job: Job | None = relation(lambda: jobs.Job, "job_id", description="What looks at the file once it has arrived.")

    @computed("status")
    @staticmethod
    def method(root: Any) -> str:  # noqa: ARG004 - a function of the row, like all the others
        """How to send the file, or each part of it."""
        return "PUT"

    @computed(*GRANTED)
    @staticmethod
    def url(root: Any, info: Info) -> str | None:
        """Where to send the whole file; null when it comes in parts, or is not awaited."""
        link = _sign_whole(root, info.context)
        return None if link is None else link.url

    @computed(*GRANTED)
    @staticmethod
    def headers(root: Any, info: Info) -> JSON:
        """The headers to send the whole file with, by name; parts need none."""
        link = _sign_whole(root, info.context)
        return JSON({} if link is None else link.headers)

    @computed(*GRANTED)
    @staticmethod
    def parts(root: Any, info: Info) -> list[UploadPart]:
        """Where to send each part, in any order and again if need be; empty when the file comes whole."""
        if root.status != UploadStatus.PENDING or root.part_bytes is None:
            return []
        signed = [(grant, _sign(grant, info.context)) for grant in uploads.list_grants(root)]
        return [
            UploadPart(
                number=number, offset_bytes=(number - 1) * root.part_bytes, size_bytes=grant.size_bytes, url=link.url
            )
            for number, (grant, link) in enumerate(signed, start=1)
        ]

    @computed("received")
    @staticmethod
    def received_parts(root: Any) -> list[ReceivedPart]:
        """What had arrived when `refreshUpload` last looked; a file that comes whole is one part."""
        return [ReceivedPart(**part) for part in root.received or ()]

    @computed("rejection_code", "rejection_message")
    @staticmethod
    def rejection(root: Any) -> UploadRejection | None:
        """Why the file was not kept, if it is REJECTED."""
        if root.rejection_code is None:
            return None
        return UploadRejection(code=root.rejection_code, message=root.rejection_message)

    @computed("media")
    @staticmethod
    def media(root: Any) -> UploadMedia | None:
        """What is in the file; null until it is STORED."""
        return None if root.media is None else _read_media(root.media)

    @computed("thumbnails")
    @staticmethod
    def thumbnails(root: Any, info: Info) -> list[Thumbnail]:
        """What a video or a picture looks like, the smallest first."""
        return [
            Thumbnail(url=info.context.link(one["key"]), width=one["width"], height=one["height"])
            for one in root.thumbnails or ()
        ]

    @computed("blob_key", "filename")
    @staticmethod
    def file_url(root: Any, info: Info) -> str | None:
        """A signed address to download the file from; null until it is STORED."""
        if root.blob_key is None:
            return None
        blobs = info.context.blobs
        return blobs.link(root.blob_key, expires_in_seconds=LINK_SECONDS, download_name=root.filename)


@strawberry.type(description="The file is awaited, and its bytes are reserved.")
class UploadCreated:
    upload: MediaUpload


@strawberry.type(description="The upload, with what has arrived of it.")
class UploadRefreshed:
    upload: MediaUpload


@strawberry.type(description="The file has arrived, and the job looks at it: then it is STORED or REJECTED.")
class UploadCompleted:
    upload: MediaUpload
    job: Job


@strawberry.type(description="The file is not awaited any more, and its bytes are free again.")
class UploadCancelled:
    upload: MediaUpload


@strawberry.type(description="The upload and its file are gone.")
class UploadDeleted:
    id: strawberry.ID


@strawberry.input
class CreateUploadInput:
    filename: str = strawberry.field(description="For people to read; its extension must fit the type.")
    mime_type: str
    size_bytes: int = strawberry.field(description="At most 209715200, which is 200 MiB.")
    sha256: str | None = strawberry.field(
        default=None, description="In hexadecimal; the file is refused if it differs."
    )
    in_parts: bool | None = strawberry.field(
        default=None, description="Whether it comes in parts of 8 MiB; unless said, when it is larger than 16 MiB."
    )
    idempotency_key: str | None = None


@strawberry.input
class UploadFileInput:
    file: SentFile = strawberry.field(description="At most 10 MiB; larger files are announced by createUpload.")
    filename: str | None = strawberry.field(default=None, description="Unless the form says it.")
    mime_type: str | None = strawberry.field(default=None, description="Unless the form says it.")
    sha256: str | None = None
    idempotency_key: str | None = None


CreateUploadResult = Annotated[
    UploadCreated | ValidationFailed | QuotaExceeded | RateLimited | Conflict, strawberry.union("CreateUploadResult")
]
RefreshUploadResult = Annotated[UploadRefreshed | NotFound, strawberry.union("RefreshUploadResult")]
CompleteUploadResult = Annotated[
    UploadCompleted | UploadIncomplete | NotFound | Conflict, strawberry.union("CompleteUploadResult")
]
CancelUploadResult = Annotated[UploadCancelled | NotFound | Conflict, strawberry.union("CancelUploadResult")]
UploadFileResult = Annotated[
    UploadCompleted | ValidationFailed | QuotaExceeded | RateLimited | Conflict, strawberry.union("UploadFileResult")
]
DeleteUploadResult = Annotated[UploadDeleted | NotFound | Conflict, strawberry.union("DeleteUploadResult")]


@strawberry.type
class UploadQuery:
    @strawberry.field(description="An upload of yours.", metadata={"reads": UPLOAD})
    async def upload(self, info: Info, id: strawberry.ID) -> MediaUpload | None:  # noqa: A002 - the API's name
        return MediaUpload.of(await UPLOAD.read(info.context, id))

    @strawberry.field(description="Your uploads, newest first.", metadata={"reads": UPLOADS})
    async def uploads(
        self, info: Info, first: First, after: After = None, status: UploadStatus | None = None
    ) -> Connection[MediaUpload]:
        return await UPLOADS.read(info.context, first, after, status=status)


@strawberry.type
class UploadMutation:
    @mutation
    async def create_upload(self, info: Info, input: CreateUploadInput) -> CreateUploadResult | None:  # noqa: A002 - the API's name
        """Announce a file: PUT it, or its parts, where the answer says, then complete the upload; within a day."""
        context: Context = info.context
        context.viewer.require_user()
        key = input.idempotency_key
        if problems := find_key_problems(key):
            raise errors.ValidationFailed(problems)
        wish = UploadWish(input.filename, input.mime_type, input.size_bytes, input.sha256, input.in_parts)
        upload = await upload_jobs.request_upload(context.viewer, wish, context.blobs, idempotency_key=key)
        return UploadCreated(upload=MediaUpload.of(upload))

    @mutation
    async def upload_file(self, info: Info, input: UploadFileInput) -> UploadFileResult | None:  # noqa: A002 - the API's name
        """Bring a small file with the request itself: a multipart form, sent with `apollo-require-preflight: true`."""
        context: Context = info.context
        context.viewer.require_user()
        key, sent = input.idempotency_key, input.file
        if problems := find_key_problems(key):
            raise errors.ValidationFailed(problems)
        filename, mime_type = input.filename or sent.filename, input.mime_type or sent.mime_type
        wish = UploadWish(filename, mime_type, sent.size_bytes, input.sha256, in_parts=False)
        upload, job = await upload_jobs.bring_file(context.viewer, wish, sent.file, context.blobs, idempotency_key=key)
        return UploadCompleted(upload=MediaUpload.of(upload), job=Job.of(job))

    @mutation
    async def refresh_upload(self, info: Info, id: strawberry.ID) -> RefreshUploadResult | None:  # noqa: A002 - the API's name
        """Look what has arrived of a file, to send only the rest after the connection or the app was gone."""
        context: Context = info.context
        upload = await upload_jobs.refresh_upload(context.viewer, read_id("upload", id), context.blobs)
        return UploadRefreshed(upload=MediaUpload.of(upload))

    @mutation
    async def complete_upload(self, info: Info, id: strawberry.ID) -> CompleteUploadResult | None:  # noqa: A002 - the API's name
        """Say that all of a file is sent; it is looked at by a job, once, however often this is asked."""
        context: Context = info.context
        upload, job = await upload_jobs.complete_upload(context.viewer, read_id("upload", id), context.blobs)
        return UploadCompleted(upload=MediaUpload.of(upload), job=Job.of(job))

    @mutation
    async def cancel_upload(self, info: Info, id: strawberry.ID) -> CancelUploadResult | None:  # noqa: A002 - the API's name
        """Give up an upload that is not complete."""
        context: Context = info.context
        upload = await upload_jobs.cancel_upload(context.viewer, read_id("upload", id), context.blobs)
        return UploadCancelled(upload=MediaUpload.of(upload))

    @mutation
    async def delete_upload(self, info: Info, id: strawberry.ID) -> DeleteUploadResult | None:  # noqa: A002 - the API's name
        """Forget an upload that has ended, and its file."""
        context: Context = info.context
        await upload_jobs.delete_upload(context.viewer, read_id("upload", id), context.blobs)
        return UploadDeleted(id=id)


def _read_media(found: dict[str, Any]) -> UploadMedia:
    sound, picture = found["sound"] or {}, found["picture"] or {}
    return UploadMedia(
        kind=MediaKind(found["kind"].upper()),
        duration_seconds=found["duration_seconds"],
        container=found["container"],
        audio_codec=sound.get("codec"),
        sample_rate=sound.get("sample_rate"),
        channels=sound.get("channels"),
        video_codec=picture.get("codec"),
        width=picture.get("width"),
        height=picture.get("height"),
        frames_per_second=picture.get("frames_per_second"),
    )


def _sign(grant: Grant, context: Context) -> PutLink:
    return context.blobs.uploads.link(grant, expires_in_seconds=PUT_SECONDS)


def _sign_whole(root: Any, context: Context) -> PutLink | None:
    if root.status != UploadStatus.PENDING or root.part_bytes is not None:
        return None
    return _sign(uploads.list_grants(root)[0], context)
