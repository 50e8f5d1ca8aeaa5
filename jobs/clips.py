"""Clips: a generated film's sections, each made by a job of its own, and made anew when somebody wants another."""

import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import takewhile
from pathlib import Path
from uuid import UUID

from jobs import moderation
from jobs.bridge import wait, wait_beating
from jobs.engines.films import SIZES
from jobs.engines.motion import MotionPlan, make_clip
from jobs.engines.motion.plan import LONGEST_SECONDS
from jobs.engines.probe import probe_media
from jobs.make import make
from jobs.moderation import Words
from jobs.providers import ClipWish, Local, Member, Recording, Remote, make_by_chain
from jobs.queue import Work
from jobs.scratch import scratch_folder
from jobs.submissions import JobJournal
from jobs.videos.generating import MAX_SEED, describe_clip, find_problems, read_telling, write_job
from jobs.videos.songs import LEVELS_PER_SECOND, find_look, read_levels, recall_known
from jobs.videos.wishes import RequestedVideo, request_rendering
from server import metrics
from server.errors import Conflict, EngineFailed, JobFailed, NotFound, SubjectGone, ValidationFailed
from storage import allowances, clips, database, idempotency, jobs, tracks, videos
from storage.access import Viewer
from storage.blobs import BlobMissing, BlobStore
from storage.clips import KeptClip, VideoClip
from storage.jobs import JobState
from storage.lifecycle import State
from storage.rows import new_id
from storage.videos import Video

OVERLAP_SECONDS = 1.0  # a clip goes on while the next one fades in
REMOTE_SHARE = 0.9  # of the progress; the rest is looking at what came back
CONTAINERS = {"mp4": "video/mp4", "webm": "video/webm"}


@dataclass(frozen=True)
class MadeClip:
    """A clip that was looked at."""

    path: Path
    extension: str
    duration_seconds: float
    model: str | None = None  # of ours, the scene
    notes: tuple[str, ...] = ()


@dataclass
class ClipMeter:
    """Counts what the makers of clips do, and remembers for the clip at hand who was asked in vain."""

    notes: list[str] = field(default_factory=list)

    def note_outcome(self, provider: str, outcome: str, seconds: float) -> None:
        """It was asked, and has made it or failed."""
        metrics.CLIP_OUTCOMES.labels(provider, outcome).inc()
        metrics.CLIP_SECONDS.labels(provider).observe(seconds)

    def note_fallback(self, provider: str, to: str) -> None:
        """Another is asked in its place."""
        metrics.CLIP_FALLBACKS.labels(provider, to).inc()
        self.notes.append(f"{provider} did not make it, so {to} was asked")


def film_section(work: Work) -> None:
    """Make the clip of one section."""
    clip = wait(clips.get_job_clip(work.lease.job_id))
    try:
        with scratch_folder() as folder:
            video, plan = wait_beating(_take(clip, work.blobs), lambda: work.report(0, "reading"))
            meter = ClipMeter()
            provider, made = _make(work, _wish_of(clip, video), plan, folder, meter)
            keeping = _keep(work, clip, provider, made, meter)
            wait_beating(keeping, lambda: work.report(1, "keeping"))
    except JobFailed as failure:
        failure.message = f"Section {clip.number}, {clip.name}: {failure.message}"
        raise


async def _take(clip: VideoClip, blobs: BlobStore) -> tuple[Video, MotionPlan]:
    """The film that a clip is for, and what we would draw of its section."""
    video = await Video.get_or_none(id=clip.video_id)
    if video is None:
        raise SubjectGone(videos.DONE)
    track = await tracks.hold_track(clip.track_id)
    look, known = await find_look(track), await recall_known(video, track)
    try:
        levels = await read_levels(track, video.duration_seconds, blobs)
    except BlobMissing as missing:
        raise SubjectGone("The track's files are gone") from missing
    start, seconds = clip.start_seconds, _measure(clip)
    before = takewhile(lambda one: one.number < clip.number, await clips.list_clips(video.id))
    width, height = SIZES[video.aspect]

    def within(marks: object) -> tuple[float, ...]:
        return tuple(at - start for at in marks or () if start <= at < start + seconds)  # type: ignore[attr-defined] # JSON

    return video, MotionPlan(
        width,
        height,
        seconds,
        look.palette,
        look.motif,
        clip.name,
        clip.seed,
        repeat=sum(one.name == clip.name for one in before),
        fps=video.frames_per_second,
        energy=clip.energy,
        levels=_cut_levels(levels, start, seconds),
        beats_seconds=within(known.get("beats_seconds")),
        downbeats_seconds=within(known.get("downbeats_seconds")),
    )


def _cut_levels(levels: tuple[float, ...], start: float, seconds: float) -> tuple[float, ...]:
    """A stretch of them, silent behind the song's end; nothing where they are not known."""
    first, count = round(start * LEVELS_PER_SECOND), round(seconds * LEVELS_PER_SECOND)
    cut = levels[first : first + count]
    return cut + (0.0,) * (count - len(cut)) if levels else ()


def _measure(clip: VideoClip) -> float:
    return min(clip.end_seconds - clip.start_seconds + OVERLAP_SECONDS, LONGEST_SECONDS)


def _wish_of(clip: VideoClip, video: Video) -> ClipWish:
    """What an outside provider is asked for; sections of one name differ by their numbers."""
    seed = (clip.seed + clip.number) % MAX_SEED
    return ClipWish(clip.prompt, _measure(clip), video.aspect, seed)  # type: ignore[arg-type] # the table's check


def _make(work: Work, wish: ClipWish, plan: MotionPlan, folder: Path, meter: ClipMeter) -> tuple[str, MadeClip]:
    """Ask one provider after the other, as the settings say."""
    foundry, journal = work.foundry, JobJournal.of(work)

    def draw() -> MadeClip:
        made = make(work, make_clip, plan, folder)
        return MadeClip(made.path, "mp4", made.duration_seconds, model=made.scene)

    def send_to(name: str) -> Member[MadeClip]:
        return Remote(
            provider=foundry.providers[name],
            wish=wish,
            path=folder / "recording",
            journal=journal,
            report=lambda fraction, stage: work.report(fraction * REMOTE_SHARE, stage),
            finish=lambda recording: _look_at(work, recording, folder),
            preferred_model=foundry.preferred_video_models[name],
            webhook_url=foundry.find_webhook_url(name),
            hints=foundry.hints,
        )

    members = [Local(name, draw) if name == "local" else send_to(name) for name in foundry.video_order]
    return make_by_chain(members, journal=journal, circuits=foundry.circuits, recorder=meter)


def _look_at(work: Work, recording: Recording, folder: Path) -> MadeClip:
    """Read all of what came back, where it can harm nothing; EngineFailed when it is no clip."""
    probe = make(work, probe_media, recording.path, folder, LONGEST_SECONDS)
    extension = next((name for name in CONTAINERS if name in probe.container), None)
    if probe.picture is None or extension is None:
        raise EngineFailed("There are no moving pictures in it that a film can show")
    return MadeClip(recording.path, extension, probe.duration_seconds, recording.model, recording.notes)


async def _keep(work: Work, clip: VideoClip, provider: str, made: MadeClip, meter: ClipMeter) -> None:
    key = f"clips/{clip.video_id.hex}/{work.lease.job_id.hex}/section-{work.lease.token}.{made.extension}"
    await work.blobs.put(key, made.path, CONTAINERS[made.extension])
    kept = KeptClip(key, made.duration_seconds, provider, made.model, (*meter.notes, *made.notes))
    async with database.transaction():
        await jobs.complete_job(work.lease, {"video_id": clip.video_id, "number": clip.number})
        await JobJournal.of(work).end(provider, State.COMPLETE)
        await clips.keep_clip(work.lease.job_id, kept)


@dataclass(frozen=True)
class SectionWish:
    """A section that somebody wants made anew, of other words or another seed, or as it was where it failed."""

    video_id: UUID
    number: int
    prompt: str | None = None
    seed: int | None = None

    def problems(self) -> Iterator[tuple[str, str]]:
        """What is wrong with it, by field."""
        yield from find_problems(self.prompt or "", self.seed)

    def choose_seed(self, clip: VideoClip) -> int:
        """The given one; another where all else would be the same as what is there already."""
        if self.seed is not None:
            return self.seed
        is_same = self.prompt is None and clip.status is State.COMPLETE
        return secrets.randbelow(MAX_SEED) if is_same else clip.seed


async def request_section(viewer: Viewer, wish: SectionWish, *, idempotency_key: str | None = None) -> RequestedVideo:
    """Have one clip made anew, and the film composed again after it; the same key gives the first job again."""
    video = await videos.get_own_video(viewer, wish.video_id)
    if problems := dict(wish.problems()):
        raise ValidationFailed(problems)
    claim = video.user_id, "regenerateSection", idempotency_key or "", asdict(wish)
    first_id = await idempotency.find_answer(*claim) if idempotency_key else None
    if first_id is not None:
        return await _get_first(video, first_id)
    await _find_section(video, wish.number)
    await moderation.check(Words("video", prompt=wish.prompt), video.user_id)
    await allowances.spend(allowances.CLIPS, video.user_id)
    job_id = new_id()
    async with database.transaction():
        first_id = await idempotency.claim_key(*claim, job_id) if idempotency_key else job_id
        if first_id == job_id:
            requested = await _write(viewer, wish, job_id)
            if idempotency_key and requested.job.id != job_id:
                await idempotency.tie_to_other(*claim[:3], requested.job.id)
            return requested
    return await _get_first(video, first_id)


async def _write(viewer: Viewer, wish: SectionWish, job_id: UUID) -> RequestedVideo:
    """The section's job and the film's, which waits for it; whoever moves one of the old ones is waited for first.

    A film that waits for another section already waits for one that is missing too, in the same job.
    """
    before = await videos.get_own_video(viewer, wish.video_id)
    is_waiting = await jobs.hold_job(before.job_id)
    video = await videos.get_own_video(viewer, wish.video_id)
    clip = await _find_section(video, wish.number)
    joins = is_waiting and clip.status in (State.FAILED, State.CANCELLED)
    if video.job_id != before.job_id or not (video.status.is_terminal or joins):
        raise Conflict("The film is being made; wait until its job has ended, or cancel it")
    _check_files(video, await clips.list_clips(video.id), clip)
    old_clip_job_id, clip.job_id, clip.seed = clip.job_id, new_id(), wish.choose_seed(clip)
    if wish.prompt is not None:
        telling = await read_telling(await tracks.get_own_track(viewer, video.track_id))
        clip.prompt = describe_clip(clip, telling, wish.prompt)
    job = await (_join(video, old_clip_job_id) if joins else _begin_anew(video, job_id, old_clip_job_id))
    await clips.await_clip(clip)
    await write_job(video, clip)
    return RequestedVideo(await videos.get_own_video(viewer, video.id), job)


async def _join(video: Video, old_clip_job_id: UUID) -> JobState:
    await jobs.leave(old_clip_job_id)
    (job,) = await jobs.read_states([video.job_id])
    return job


async def _begin_anew(video: Video, job_id: UUID, old_clip_job_id: UUID) -> JobState:
    old_job_id, video.job_id = video.job_id, job_id
    job = await request_rendering(video, waits_for_clips=True)
    await jobs.adopt(old_job_id, job_id, but=old_clip_job_id)
    await videos.render_again(video, job_id)
    return job


async def _find_section(video: Video, number: int) -> VideoClip:
    clip = next((one for one in await clips.list_clips(video.id) if one.number == number), None)
    if clip is None:
        raise NotFound("The film has no such section")
    return clip


def _check_files(video: Video, made: list[VideoClip], wanted: VideoClip) -> None:
    """Conflict when what the film would be composed of has gone."""
    is_gone = any(one.status is State.COMPLETE and one.blob_key is None for one in made if one.id != wanted.id)
    if is_gone or (video.film is not None and "files" not in video.film):
        raise Conflict("The film's files were kept for long enough and are gone; ask for a new film")


async def _get_first(video: Video, job_id: UUID) -> RequestedVideo:
    (job,) = await jobs.read_states([job_id])
    return RequestedVideo(video, job)
