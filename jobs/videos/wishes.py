"""What somebody wants a film to be, and asking for it: the video and its job are written together, or neither is."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from jobs import moderation, queue
from jobs.engines.films.coders import check_codec
from jobs.engines.films.plan import FRAME_RATES, LONGEST_SECONDS
from jobs.engines.run import EngineRefused
from jobs.moderation import Words
from jobs.videos.codecs import check_worker_for
from jobs.videos.cutting import CutWish, Music, check_cut, find_clips
from jobs.videos.generating import GeneratedWish, draft_clips, write_jobs
from jobs.videos.songs import find_known, freeze_known
from server.errors import Conflict, ValidationFailed
from storage import allowances, database, idempotency, jobs, lyrics, tracks, videos
from storage.access import Viewer
from storage.assets import find_asset
from storage.clips import VideoClip
from storage.covers import find_drawn_cover
from storage.jobs import JobState
from storage.names import tidy_name
from storage.rows import new_id
from storage.tracks import Track
from storage.videos import Video, VideoKind

KIND, QUEUE = "videos.render", "media"
MAX_TEXT = 120
MAX_OFFSET_MS = 60_000
WORDLESS = ("WAVEFORM", "COVER")  # themes that show something where nobody sings
WITH_WORDS, WITHOUT_WORDS = "KARAOKE", "WAVEFORM"  # what is taken where no theme is named


@dataclass(frozen=True)
class LyricWish:
    """A film of a song's words; without a theme, one that suits what there is of them."""

    theme: str | None = None
    title: str | None = None
    artist: str = ""
    frames_per_second: int = 30
    offset_ms: int = 0
    is_zoomed: bool = False
    codec: str = "h264"
    is_variable_rate: bool = False

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with it, by field."""
        if self.title is not None and not tidy_name(self.title):
            yield "lyric.title", "Nothing of it can be seen; leave it out to take the track's"
        if self.artist.strip() and not tidy_name(self.artist):
            yield "lyric.artist", "Nothing of it can be seen; leave it out to name nobody"
        for name, text in (("title", self.title or ""), ("artist", self.artist)):
            if len(text) > MAX_TEXT:
                yield f"lyric.{name}", f"At most {MAX_TEXT} characters; this has {len(text)}"
            elif "\x00" in text:
                yield f"lyric.{name}", "The character NUL cannot be stored"
        if self.frames_per_second not in FRAME_RATES:
            yield "lyric.framesPerSecond", f"One of {', '.join(map(str, FRAME_RATES))}"
        if abs(self.offset_ms) > MAX_OFFSET_MS:
            yield "lyric.offsetMs", f"From {-MAX_OFFSET_MS} to {MAX_OFFSET_MS} milliseconds"
        try:
            check_codec(self.codec)
        except EngineRefused as refused:
            yield "lyric.codec", refused.message

    def write(self) -> dict[str, Any]:
        """What of it is kept beside what every video has."""
        coding = {"codec": self.codec, "is_variable_rate": self.is_variable_rate}
        return {"artist": tidy_name(self.artist), "offset_ms": self.offset_ms, "is_zoomed": self.is_zoomed} | coding


@dataclass(frozen=True)
class VideoWish:
    """A film that somebody wants of a track: exactly one of its kinds is given."""

    track_id: UUID
    aspect: str = "LANDSCAPE"
    lyric: LyricWish | None = None
    cut: CutWish | None = None
    generated: GeneratedWish | None = None

    def problems(self) -> dict[str, str]:
        """What is wrong with it, by field."""
        given = [kind for kind in (self.lyric, self.cut, self.generated) if kind is not None]
        if len(given) != 1:
            told = "Say what film to make: give exactly one of `lyric`, `cut` and `generated`"
            return dict.fromkeys(("lyric", "cut", "generated"), told)
        return dict(given[0].problems())

    def as_given(self) -> dict[str, Any]:
        """What an idempotency key is tied to; wishes for other films are told as they were before there were these."""
        given = asdict(self)
        return given if self.generated else {name: given[name] for name in given if name != "generated"}


@dataclass(frozen=True)
class RequestedVideo:
    """The answer to a wish: the video to be, and the job that renders it."""

    video: Video
    job: JobState


async def request_video(viewer: Viewer, wish: VideoWish, *, idempotency_key: str | None = None) -> RequestedVideo:
    """Write a video and its job, which cost nothing; the same key gives the first one again."""
    track = await tracks.get_own_track(viewer, wish.track_id)
    if problems := wish.problems():
        raise ValidationFailed(problems)
    claim = track.user_id, "createVideo", idempotency_key or "", wish.as_given()
    first_id = await idempotency.find_answer(*claim) if idempotency_key else None
    if first_id is not None:
        return await _get_first(viewer, first_id)
    if wish.lyric is not None:
        await check_worker_for(wish.lyric.codec)
    video = await _plan(track, wish)
    drafted = [] if wish.generated is None else await draft_clips(video, track)
    prompt = wish.generated.prompt if wish.generated else None
    await moderation.check(Words("video", prompt=prompt, title=_list_texts(wish)), track.user_id)
    await _spend(video)
    async with database.transaction():
        await tracks.hold_own_track(viewer, track.id)
        first_id = await idempotency.claim_key(*claim, video.id) if idempotency_key else video.id
        if first_id == video.id:
            return await _write(video, drafted)
    return await _get_first(viewer, first_id)


async def _spend(video: Video) -> None:
    await allowances.spend(allowances.VIDEOS, video.user_id)
    if video.kind is VideoKind.GENERATED:
        await allowances.spend(allowances.GENERATED_VIDEOS, video.user_id)


def _list_texts(wish: VideoWish) -> str | None:
    texts = (wish.lyric.title, wish.lyric.artist) if wish.lyric else ()
    return "\n".join(text for text in texts if text) or None


async def _plan(track: Track, wish: VideoWish) -> Video:
    """The row to be; Conflict where something is missing that the film needs."""
    mix = await find_asset(track.id, "MIX")
    if mix is None or mix.duration_seconds is None:
        raise Conflict("The track has no audio yet; wait until it is complete")
    if mix.duration_seconds > LONGEST_SECONDS:
        raise Conflict(f"A film lasts at most {LONGEST_SECONDS:g} seconds, and the track is longer")
    if wish.generated is not None:
        given = _plan_generated(track, wish.generated)
    else:
        given = await (_plan_cut(track, wish) if wish.lyric is None else _plan_lyric(track, wish.lyric))
    given["wish"]["known"] = await freeze_known(track)
    return Video(
        user_id=track.user_id,
        track_id=track.id,
        job_id=new_id(),
        aspect=wish.aspect,
        duration_seconds=mix.duration_seconds,
        **given,
    )


async def _plan_lyric(track: Track, wish: LyricWish) -> dict[str, Any]:
    return {
        "kind": VideoKind.LYRIC,
        "title": tidy_name(wish.title or track.title) or track.title,
        "theme": await _choose_theme(track, wish),
        "frames_per_second": wish.frames_per_second,
        "wish": wish.write(),
    }


async def _plan_cut(track: Track, wish: VideoWish) -> dict[str, Any]:
    assert wish.cut is not None  # noqa: S101 - the wish was checked
    found = await find_clips(track.user_id, wish.cut)
    music = Music(await find_known(track), track.duration_seconds)
    await asyncio.to_thread(check_cut, wish.cut, wish.aspect, music, found)
    return {
        "kind": VideoKind.CUT,
        "title": track.title,
        "frames_per_second": wish.cut.frames_per_second,
        "wish": wish.cut.write(track.seed),
    }


def _plan_generated(track: Track, wish: GeneratedWish) -> dict[str, Any]:
    return {
        "kind": VideoKind.GENERATED,
        "title": track.title,
        "frames_per_second": wish.frames_per_second,
        "wish": wish.write(),
    }


async def _choose_theme(track: Track, wish: LyricWish) -> str:
    has_words = await lyrics.has_words(track.id)
    theme = wish.theme or (WITH_WORDS if has_words else WITHOUT_WORDS)
    if theme not in WORDLESS and not has_words:
        raise Conflict(
            "The track has no words in time yet; call `alignLyrics` first, or choose the theme WAVEFORM or COVER"
        )
    if theme == "COVER" and await find_drawn_cover(track.id) is None:
        raise Conflict("The track's cover is still being drawn; wait until it has a picture")
    return theme


async def _write(video: Video, drafted: Sequence[VideoClip]) -> RequestedVideo:
    """The film's job; where clips are made for it, it waits for theirs."""
    await video.save(force_create=True)
    job = await request_rendering(video, waits_for_clips=bool(drafted))
    await write_jobs(video, drafted)
    return RequestedVideo(video, job)


async def request_rendering(video: Video, *, waits_for_clips: bool = False) -> JobState:
    """Have a film rendered, in the transaction at hand."""
    return await queue.enqueue(
        KIND,
        QUEUE,
        job_id=video.job_id,
        user_id=video.user_id,
        subject_id=video.track_id,
        waits_for_children=waits_for_clips,
    )


async def _get_first(viewer: Viewer, video_id: UUID) -> RequestedVideo:
    video = await videos.find_own_video(viewer, video_id)
    if video is None:
        raise Conflict("The video that this idempotency key made was deleted; use a new key")
    (job,) = await jobs.read_states([video.job_id])
    return RequestedVideo(video, job)
