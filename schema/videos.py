"""Videos: films of a track, asked for, watched while they are rendered, and taken along."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import strawberry

from jobs import videos as video_jobs
from jobs.engines.films import SIZES
from jobs.videos import ClipWish, CutWish, LyricWish, VideoWish
from schema.clips import GeneratedVideoInput, VideoSection
from schema.context import LINK_SECONDS, Context, Info
from schema.failures import Conflict, NotFound, PolicyRejected, RateLimited, ValidationFailed
from schema.jobs import Job
from schema.mutation import find_key_problems, mutation
from schema.nodes import Node, node_id
from schema.pages import After, Connection, First
from schema.reads import computed, relation
from schema.roots import One, Page
from schema.tracks import Track
from server import errors
from storage import clips, jobs, links, tracks, videos
from storage.access import OWNER, OWNER_AND_ADMINS
from storage.lifecycle import State
from storage.rows import read_id, write_id
from storage.videos import VideoKind

VIDEO = One(videos.Video, OWNER_AND_ADMINS, "video")
VIDEOS = Page(videos.Video, OWNER, {"track_id": "track"})
PREVIEW_PATH = "/videos/{}/preview.m3u8"

strawberry.enum(
    VideoKind, description="What a film shows: the song's words, clips that you brought, clips made for it."
)


@strawberry.enum(description="16:9 at 1920 by 1080, 9:16 at 1080 by 1920, 1:1 at 1080 by 1080.")
class Aspect(StrEnum):
    LANDSCAPE = "LANDSCAPE"
    PORTRAIT = "PORTRAIT"
    SQUARE = "SQUARE"


@strawberry.enum(
    description="How a lyric video looks: a line that fills as it is sung, one word at a time, lines one below the"
    " other, little but the words, the words over the waveform, the words beside the cover. The last two show"
    " something where nobody sings."
)
class VideoTheme(StrEnum):
    KARAOKE = "KARAOKE"
    POP = "POP"
    STACKED = "STACKED"
    MINIMAL = "MINIMAL"
    WAVEFORM = "WAVEFORM"
    COVER = "COVER"


@strawberry.enum(description="The formats of players for words in time.")
class CaptionFormat(StrEnum):
    VTT = "VTT"
    SRT = "SRT"
    LRC = "LRC"


@strawberry.enum(description="What a film is encoded by; the last four need hardware that can do it.")
class VideoCodec(StrEnum):
    H264 = "H264"
    HEVC = "HEVC"
    VP9 = "VP9"
    AV1 = "AV1"
    H264_NVENC = "H264_NVENC"
    H264_QSV = "H264_QSV"
    H264_VAAPI = "H264_VAAPI"
    H264_VIDEOTOOLBOX = "H264_VIDEOTOOLBOX"


@strawberry.type(description="A file of a video; its address is signed, and answers GET, HEAD and Range for hours.")
class VideoFile:
    url: str
    mime_type: str
    size_bytes: int


@strawberry.type(description="The words of a video as a file beside it.")
class VideoCaptions:
    format: CaptionFormat
    url: str
    mime_type: str
    size_bytes: int


@strawberry.type(description="What a film looks like so far.")
class PreviewFrame:
    url: str


@strawberry.type(description="A film of a track.")
class Video(Node):
    rows = (videos.Video,)
    door = VIDEO

    id: strawberry.ID = node_id("video")
    kind: VideoKind
    status: State
    aspect: Aspect
    title: str
    theme: VideoTheme | None
    frames_per_second: int
    duration_seconds: float
    preview_seconds: float = strawberry.field(description="How much of it can be streamed at `previewUrl`.")
    created_at: datetime
    completed_at: datetime | None
    expires_at: datetime | None = strawberry.field(description="When its files go; null where they stay.")
    version: int
    job: Job | None = relation(lambda: jobs.Job, "job_id", description="The work that renders it.")
    track: Track | None = relation(lambda: tracks.Track, "track_id", description="The song.")
    sections: list[VideoSection] = relation(
        lambda: clips.VideoClip,
        "id",
        "video_id",
        many=True,
        order="number",
        description="The sections of a generated film; other films have none.",
    )

    @computed("aspect")
    @staticmethod
    def width(root: Any) -> int:
        """In pixels."""
        return SIZES[root.aspect][0]

    @computed("aspect")
    @staticmethod
    def height(root: Any) -> int:
        """In pixels."""
        return SIZES[root.aspect][1]

    @computed("film", "title")
    @staticmethod
    def film(root: Any, info: Info) -> VideoFile | None:
        """The film, to be saved under its title; null until it is there, and once it has expired."""
        return _show_file(root, info, "FILM")

    @computed("film", "title")
    @staticmethod
    def poster(root: Any, info: Info) -> VideoFile | None:
        """A picture that stands for it."""
        return _show_file(root, info, "POSTER")

    @computed("film", "title")
    @staticmethod
    def captions(root: Any, info: Info) -> list[VideoCaptions]:
        """Its words as files beside it; none where nobody sings."""
        shown = [(format_, _show_file(root, info, format_.value)) for format_ in CaptionFormat]
        return [
            VideoCaptions(format=format_, url=file.url, mime_type=file.mime_type, size_bytes=file.size_bytes)
            for format_, file in shown
            if file is not None
        ]

    @computed("film")
    @staticmethod
    def is_expired(root: Any) -> bool:
        """Whether its files were there and are gone, as they were kept for long enough; render it anew."""
        return root.film is not None and "files" not in root.film

    @computed("film")
    @staticmethod
    def notes(root: Any) -> list[str]:
        """What of it is not as it was asked for; empty until it is there."""
        return [] if root.film is None else root.film["notes"]

    @computed("preview_key")
    @staticmethod
    def preview_frame(root: Any, info: Info) -> PreviewFrame | None:
        """The newest frame while it is rendered, about one a second."""
        return None if root.preview_key is None else PreviewFrame(url=info.context.link(root.preview_key))

    @computed("id", "preview_seconds")
    @staticmethod
    def preview_url(root: Any, info: Info) -> str | None:
        """A signed HLS playlist of what is finished, which grows while it is rendered and can be watched for a day."""
        if not root.preview_seconds:
            return None
        settings = info.context.settings
        path = PREVIEW_PATH.format(write_id("video", root.id))
        return settings.base_url + links.sign_path(path, settings.secret, expires_in_seconds=LINK_SECONDS)

    @computed("log_key")
    @staticmethod
    def log_url(root: Any, info: Info) -> str | None:
        """What was told while it was rendered, as plain text; null unless it has failed."""
        return None if root.log_key is None else info.context.link(root.log_key)


def _show_file(root: Any, info: Info, name: str) -> VideoFile | None:
    """A file of the film, saved under the video's title."""
    file = (root.film or {}).get("files", {}).get(name)
    if file is None:
        return None
    context: Context = info.context
    download_name = f"{root.title}.{file['key'].rpartition('.')[2]}"
    url = context.blobs.link(file["key"], expires_in_seconds=LINK_SECONDS, download_name=download_name)
    return VideoFile(url=url, mime_type=file["mime_type"], size_bytes=file["size_bytes"])


@strawberry.type(description="The film is wanted; the job renders it.")
class VideoCreated:
    video: Video
    job: Job


@strawberry.type(description="The video is gone.")
class VideoDeleted:
    id: strawberry.ID


@strawberry.input(description="A film of the words of a song, or of its sound where it has none.")
class LyricVideoInput:
    theme: VideoTheme | None = strawberry.field(
        default=None, description="Without one, KARAOKE where the track has words in time, else WAVEFORM."
    )
    title: str | None = strawberry.field(default=None, description="The track's, if there is none.")
    artist: str = ""
    frames_per_second: int = strawberry.field(default=30, description="24, 25, 30 or 60.")
    offset_ms: int = strawberry.field(default=0, description="How much later the words are shown than they are timed.")
    is_zoomed: bool = strawberry.field(default=False, description="Whether what is behind the words moves slowly.")
    codec: VideoCodec = strawberry.field(
        default=VideoCodec.H264, description="VP9 and AV1 cannot be streamed while they are rendered."
    )
    is_variable_rate: bool = strawberry.field(
        default=False, description="Whether a frame that looks like the one before is left out."
    )


@strawberry.enum(description="Whether a clip fills the frame, cut off beyond it, or is shown whole, between bars.")
class ClipFit(StrEnum):
    COVER = "COVER"
    CONTAIN = "CONTAIN"


@strawberry.enum(description="What a shot does that is longer than its clip: begin again, run slower, or stand still.")
class ClipFill(StrEnum):
    LOOP = "LOOP"
    SLOW = "SLOW"
    HOLD = "HOLD"


@strawberry.input(description="A video that you uploaded, and the part of it that may be shown.")
class CutClipInput:
    upload_id: strawberry.ID
    start_seconds: float = 0.0
    end_seconds: float | None = strawberry.field(default=None, description="Its end, if there is none.")
    focus_x: float = strawberry.field(default=0.5, description="What stays in sight, from 0, left, to 1, right.")
    focus_y: float = strawberry.field(default=0.5, description="From 0, above, to 1, below.")
    fit: ClipFit = ClipFit.COVER


@strawberry.input(description="A film cut from your clips on the song's bars and sections.")
class CutVideoInput:
    clips: list[CutClipInput]
    seed: int | None = strawberry.field(default=None, description="Deals the clips out; the track's, if there is none.")
    fill: ClipFill = ClipFill.SLOW
    frames_per_second: int = strawberry.field(default=30, description="24, 25, 30 or 60.")


@strawberry.input(description="A film of a track: exactly one of its kinds is given.")
class CreateVideoInput:
    track_id: strawberry.ID
    aspect: Aspect = Aspect.LANDSCAPE
    lyric: LyricVideoInput | None = None
    cut: CutVideoInput | None = None
    generated: GeneratedVideoInput | None = None
    idempotency_key: str | None = None


CreateVideoResult = Annotated[
    VideoCreated | ValidationFailed | NotFound | Conflict | RateLimited | PolicyRejected,
    strawberry.union("CreateVideoResult"),
]
DeleteVideoResult = Annotated[VideoDeleted | NotFound | Conflict, strawberry.union("DeleteVideoResult")]


@strawberry.type
class VideoQuery:
    @strawberry.field(description="A video of yours.", metadata={"reads": VIDEO})
    async def video(self, info: Info, id: strawberry.ID) -> Video | None:  # noqa: A002 - the API's name
        return Video.of(await VIDEO.read(info.context, id))

    @strawberry.field(description="Your videos, newest first.", metadata={"reads": VIDEOS})
    async def videos(
        self, info: Info, first: First, after: After = None, track_id: strawberry.ID | None = None
    ) -> Connection[Video]:
        return await VIDEOS.read(info.context, first, after, track_id=track_id)


@strawberry.type
class VideoMutation:
    @mutation
    async def create_video(self, info: Info, input: CreateVideoInput) -> CreateVideoResult | None:  # noqa: A002 - the API's name
        """Have a film made of a track of yours: 10 a minute, 5 generated ones an hour, without credits. Its job tells
        how it grows:

        `jobProgress(jobId:) { message video { previewFrame { url } previewUrl } }`.
        """
        viewer, key = info.context.viewer, input.idempotency_key
        viewer.require_user()
        if problems := find_key_problems(key):
            raise errors.ValidationFailed(problems)
        wish = VideoWish(
            read_id("track", input.track_id),
            input.aspect.value,
            lyric=None if input.lyric is None else _read_lyric(input.lyric),
            cut=None if input.cut is None else _read_cut(input.cut),
            generated=None if input.generated is None else input.generated.read(),
        )
        requested = await video_jobs.request_video(viewer, wish, idempotency_key=key)
        return VideoCreated(video=Video.of(requested.video), job=Job.of(requested.job))

    @mutation
    async def delete_video(self, info: Info, id: strawberry.ID) -> DeleteVideoResult | None:  # noqa: A002 - the API's name
        """Forget a video that is not being rendered, and its files."""
        await videos.delete_video(await videos.get_own_video(info.context.viewer, read_id("video", id)))
        return VideoDeleted(id=id)


def _read_lyric(given: LyricVideoInput) -> LyricWish:
    return LyricWish(
        theme=given.theme and given.theme.value,
        title=given.title,
        artist=given.artist,
        frames_per_second=given.frames_per_second,
        offset_ms=given.offset_ms,
        is_zoomed=given.is_zoomed,
        codec=given.codec.value.lower(),
        is_variable_rate=given.is_variable_rate,
    )


def _read_cut(given: CutVideoInput) -> CutWish:
    clips = tuple(_read_clip(number, clip) for number, clip in enumerate(given.clips, start=1))
    return CutWish(clips, seed=given.seed, fill=given.fill.value, frames_per_second=given.frames_per_second)


def _read_clip(number: int, given: CutClipInput) -> ClipWish:
    try:
        upload_id = read_id("upload", given.upload_id)
    except errors.NotFound:
        raise errors.ValidationFailed({"cut.clips": f"Clip {number}: there is no such upload"}) from None
    return ClipWish(upload_id, given.start_seconds, given.end_seconds, given.focus_x, given.focus_y, given.fit.value)
