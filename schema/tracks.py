"""Tracks, their covers and files: reading them, asking for them, changing them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import strawberry

from jobs import covers as cover_jobs
from jobs import moderation
from jobs import tracks as track_jobs
from jobs.moderation import Words
from jobs.references import MAX_REFERENCES, ReferenceWish
from jobs.tracks import TrackWish
from schema.analyses import Analysis
from schema.context import Context, Info
from schema.covers import Cover, SavedCover
from schema.failures import (
    Conflict,
    InsufficientCredits,
    NotFound,
    PolicyRejected,
    RateLimited,
    ValidationFailed,
)
from schema.jobs import Job
from schema.lyrics import TimedLyrics, Vocals, read_vocals
from schema.mutation import check_title, find_key_problems, mutation
from schema.nodes import Node, node_id
from schema.pages import After, Connection, First
from schema.reads import computed, relation
from schema.references import TrackReference, TrackReferenceInput
from schema.roots import One, Page
from schema.series import Series
from schema.styles import Style
from server import errors
from storage import analyses, assets, covers, jobs, lyrics, references, series, styles, tracks
from storage.access import OWNER, OWNER_AND_ADMINS
from storage.lifecycle import State
from storage.reports import Breach
from storage.rows import read_id

TRACK = One(tracks.Track, OWNER_AND_ADMINS, "track")
TRACKS = Page(tracks.Track, OWNER, {"series_id": "series"})
_SINCE_THEN: dict[str, object] = {  # what songs that were made earlier do not tell
    "downbeats_seconds": [],
    "beats_per_bar": 4,
    "instruments": [],
    "understood": [],
}


@strawberry.enum(description="Who may see a share page: nobody, whoever has the link, everybody.")
class Visibility(StrEnum):
    PRIVATE = "PRIVATE"
    UNLISTED = "UNLISTED"
    PUBLIC = "PUBLIC"


@strawberry.type(description="A file that was made for a track.")
class Asset(Node):
    rows = (assets.Asset,)
    door = One(assets.Asset, OWNER, "asset")

    id: strawberry.ID = node_id("asset")
    name: str
    mime_type: str
    size_bytes: int
    duration_seconds: float | None

    @computed("blob_key")
    @staticmethod
    def url(root: Any, info: Info) -> str:
        """A signed address that answers GET, HEAD and Range for some hours."""
        return info.context.link(root.blob_key)


@strawberry.type(description="A stretch of a song.")
class Section:
    name: str
    start_seconds: float
    end_seconds: float


@strawberry.type(description="What the composer knows of a song.")
class Music:
    tempo_bpm: float
    key: str
    mode: str
    style: str
    lufs: float
    true_peak_dbtp: float
    sections: list[Section]
    chords: list[Section]
    beats_seconds: list[float]
    downbeats_seconds: list[float]
    beats_per_bar: int
    instruments: list[str] = strawberry.field(description="The voices that play, by the number of their notes.")
    understood: list[str] = strawberry.field(
        description="What of the prompt, and of a reference, is in the song, such as `tempo 92 bpm`."
    )


strawberry.enum(Breach, description="Which rule of the content policy is broken.")


@strawberry.type(description="Why the world does not see a track, whatever its visibility says.")
class Takedown:
    reason: Breach
    at: datetime


def _asset(kind: str, description: str) -> Any:
    return relation(lambda: assets.Asset, "id", "track_id", where={"kind": kind}, description=description)


@strawberry.type(description="A piece of music.")
class Track(Node):
    rows = (tracks.Track,)
    door = TRACK

    id: strawberry.ID = node_id("track")
    title: str
    prompt: str
    lyrics: str | None
    duration_seconds: float
    has_vocals: bool
    status: State
    seed: int
    visual_version: int
    visibility: Visibility
    created_at: datetime
    completed_at: datetime | None
    version: int
    job: Job | None = relation(lambda: jobs.Job, "job_id", description="The work that makes it.")
    style: Style | None = relation(lambda: styles.Style, "style_id", description="The style that was asked for.")
    series: Series | None = relation(lambda: series.Series, "series_id", description="The series that it is in.")
    references: list[TrackReference] = relation(
        lambda: references.TrackReference,
        "id",
        "track_id",
        many=True,
        order="position",
        description="What it was asked to take after.",
    )
    audio: Asset | None = _asset("MIX", "The mix, playable everywhere; null until the track is complete.")
    master: Asset | None = _asset("MASTER", "The mix as a WAV file.")
    midi: Asset | None = _asset("MIDI", "The score as a MIDI file, where we composed it.")
    peaks: Asset | None = _asset("PEAKS", "The waveform, as JSON that web players read.")
    stems: list[Asset] = relation(
        lambda: assets.Asset,
        "id",
        "track_id",
        many=True,
        where={"kind": "STEM"},
        order="name",
        description="The parts that make up the mix.",
    )
    cover: Cover | None = relation(
        lambda: covers.Cover,
        "id",
        "track_id",
        matching=("visual_version", "visual_version"),
        description="The cover of the visual version now.",
    )
    chosen_cover: SavedCover | None = relation(
        lambda: covers.SavedCover, "saved_cover_id", description="The saved cover that is shown in its place, if any."
    )
    analysis: Analysis | None = relation(
        lambda: analyses.Analysis, "id", "track_id", description="What was heard in it; null until that is asked for."
    )

    timed_lyrics: TimedLyrics | None = relation(
        lambda: lyrics.TimedLyrics,
        "id",
        "track_id",
        description="Its words, each with its time: as we sang them, or as `alignLyrics` found them.",
    )

    @computed("music")
    @staticmethod
    def music(root: Any) -> Music | None:
        """Tempo, key, sections and more; null until the track is complete, and where a provider does not tell."""
        if root.music is None or "tempo_bpm" not in root.music:
            return None
        known = {name: root.music.get(name, _SINCE_THEN.get(name)) for name in Music.__annotations__}
        stretches = {name: [Section(**part) for part in known[name]] for name in ("sections", "chords")}
        return Music(**known | stretches)

    @computed("music", "has_vocals")
    @staticmethod
    def vocals(root: Any) -> Vocals | None:
        """How it is sung; null until the track is complete, and where a provider that sang does not tell."""
        return read_vocals(root.music, has_vocals=root.has_vocals)

    @computed("music")
    @staticmethod
    def provider(root: Any) -> str | None:
        """Who made the music, such as `local` or `fal`, or `upload` where you did; null until the track is complete."""
        return None if root.music is None else root.music.get("provider", "local")

    @computed("music")
    @staticmethod
    def notes(root: Any) -> list[str]:
        """In what it is not as you wished, for people to read; empty until the track is complete."""
        return [] if root.music is None else root.music.get("notes", [])

    @computed("music")
    @staticmethod
    def unlocked(root: Any) -> list[str]:
        """The slugs of what its completion unlocked for you, so that a screen can celebrate."""
        return [] if root.music is None else root.music.get("unlocked", [])

    @computed("takedown_reason", "taken_down_at")
    @staticmethod
    def takedown(root: Any) -> Takedown | None:
        """Set while the track is hidden because it broke a rule."""
        if root.taken_down_at is None:
            return None
        return Takedown(reason=Breach(root.takedown_reason), at=root.taken_down_at)

    @computed("slug")
    @staticmethod
    def share_url(root: Any, info: Info) -> str:
        """The share page; it answers only while the visibility is not PRIVATE."""
        return f"{info.context.settings.base_url}/share/{root.slug}"


@strawberry.type(description="The track is wanted and its credits are reserved; the job makes it.")
class TrackCreated:
    track: Track
    job: Job
    credits_required: int


@strawberry.type(description="The track as it is now.")
class TrackUpdated:
    track: Track


@strawberry.type(description="The track is gone.")
class TrackDeleted:
    id: strawberry.ID


@strawberry.type(description="The cover is drawn; its pictures follow from the job.")
class VisualVersionIncremented:
    track: Track
    job: Job


@strawberry.input
class CreateTrackInput:
    prompt: str
    duration_seconds: float
    has_vocals: bool = False
    lyrics: str | None = None
    style_id: strawberry.ID | None = None
    series_id: strawberry.ID | None = None
    seed: int | None = None
    references: list[TrackReferenceInput] = strawberry.field(
        default_factory=list,
        description=f"At most {MAX_REFERENCES} recordings to take after. Our own composer takes tempo and key of the"
        " first unless the prompt names them; a provider hears it where its model takes one.",
    )
    idempotency_key: str | None = None


@strawberry.input
class UpdateTrackInput:
    track_id: strawberry.ID
    title: str | None = None
    visibility: Visibility | None = None
    series_id: strawberry.ID | None = strawberry.field(default=None, description="Where it goes on.")


@strawberry.input
class ChooseCoverInput:
    track_id: strawberry.ID
    saved_cover_id: strawberry.ID | None = strawberry.field(
        default=None, description="One that was saved for this track; without one it shows its own cover again."
    )


CreateTrackResult = Annotated[
    TrackCreated | ValidationFailed | InsufficientCredits | RateLimited | PolicyRejected | Conflict,
    strawberry.union("CreateTrackResult"),
]
UpdateTrackResult = Annotated[
    TrackUpdated | ValidationFailed | NotFound | PolicyRejected | Conflict, strawberry.union("UpdateTrackResult")
]
DeleteTrackResult = Annotated[TrackDeleted | NotFound | Conflict, strawberry.union("DeleteTrackResult")]
ChooseCoverResult = Annotated[TrackUpdated | NotFound, strawberry.union("ChooseCoverResult")]
IncrementVisualVersionResult = Annotated[
    VisualVersionIncremented | NotFound, strawberry.union("IncrementVisualVersionResult")
]


@strawberry.type
class TrackQuery:
    @strawberry.field(description="A track of yours.", metadata={"reads": TRACK})
    async def track(self, info: Info, id: strawberry.ID) -> Track | None:  # noqa: A002 - the API's name
        return Track.of(await TRACK.read(info.context, id))

    @strawberry.field(description="Your tracks, newest first.", metadata={"reads": TRACKS})
    async def tracks(
        self, info: Info, first: First, after: After = None, series_id: strawberry.ID | None = None
    ) -> Connection[Track]:
        return await TRACKS.read(info.context, first, after, series_id=series_id)


@strawberry.type
class TrackMutation:
    @mutation
    async def create_track(self, info: Info, input: CreateTrackInput) -> CreateTrackResult | None:  # noqa: A002 - the API's name
        """Ask for a track: it is made by a job, which can be watched by the subscription `jobProgress`."""
        info.context.viewer.require_user()
        wish = _read_wish(input)
        requested = await track_jobs.request_track(info.context.viewer, wish, idempotency_key=input.idempotency_key)
        return TrackCreated(
            track=Track.of(requested.track), job=Job.of(requested.job), credits_required=requested.credits_required
        )

    @mutation
    async def update_track(self, info: Info, input: UpdateTrackInput) -> UpdateTrackResult | None:  # noqa: A002 - the API's name
        """Change a track's title, which its next look shows too, the series that it is in, or who may see it shared."""
        track = await tracks.get_own_track(info.context.viewer, read_id("track", input.track_id))
        title = None if input.title is None else check_title(input.title)
        if title is not None and title != track.title:
            await moderation.check(Words("title", title=title), track.user_id)
        visibility = None if input.visibility is None else input.visibility.value
        series_id = None if input.series_id is None else read_id("series", input.series_id)
        changed = await tracks.update_track(track, title=title, visibility=visibility, series_id=series_id)
        return TrackUpdated(track=Track.of(changed))

    @mutation
    async def choose_cover(self, info: Info, input: ChooseCoverInput) -> ChooseCoverResult | None:  # noqa: A002 - the API's name
        """Let a track show a cover that you saved for it: on its share page as soon as its pictures are ready."""
        viewer, track_id = info.context.viewer, read_id("track", input.track_id)
        saved_id = None if input.saved_cover_id is None else read_id("savedCover", input.saved_cover_id)
        if not await covers.choose_saved_cover(viewer.require_user(), track_id, saved_id):
            raise errors.NotFound("There is no such track, or no such cover of it")
        return TrackUpdated(track=Track.of(await tracks.get_own_track(viewer, track_id)))

    @mutation
    async def delete_track(self, info: Info, track_id: strawberry.ID) -> DeleteTrackResult | None:
        """Forget a track that is not being made, and all that was made of it."""
        track = await tracks.get_own_track(info.context.viewer, read_id("track", track_id))
        if not track.status.is_terminal:
            raise errors.Conflict("The track is being made; cancel its job first")
        await tracks.delete_track(track)
        return TrackDeleted(id=track_id)

    @mutation
    async def increment_visual_version(
        self, info: Info, track_id: strawberry.ID
    ) -> IncrementVisualVersionResult | None:
        """Give a track its next look."""
        context: Context = info.context
        track, job = await cover_jobs.request_visual_version(context.viewer, read_id("track", track_id), context.blobs)
        return VisualVersionIncremented(track=Track.of(track), job=Job.of(job))


def _read_wish(given: CreateTrackInput) -> TrackWish:
    problems = find_key_problems(given.idempotency_key)
    ids = {}
    for name, kind, text in (("styleId", "style", given.style_id), ("seriesId", "series", given.series_id)):
        try:
            ids[kind] = None if text is None else read_id(kind, text)
        except errors.NotFound:
            problems[name] = f"There is no such {kind}"
    wishes = []
    for index, one in enumerate(given.references[: MAX_REFERENCES + 1]):
        try:
            wishes.append(ReferenceWish(read_id("upload", one.upload_id), one.rights_attested))
        except errors.NotFound:
            problems[f"references.{index}.uploadId"] = "There is no such upload"
    if problems:
        raise errors.ValidationFailed(problems)
    return TrackWish(
        prompt=given.prompt,
        duration_seconds=given.duration_seconds,
        has_vocals=given.has_vocals,
        lyrics=given.lyrics,
        style_id=ids["style"],
        series_id=ids["series"],
        seed=given.seed,
        references=tuple(wishes),
    )
