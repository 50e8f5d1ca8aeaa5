"""Tracks: asked for in one transaction, rendered by a job, kept in another."""

import math
import re
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from jobs import covers, moderation, queue, references
from jobs.bridge import wait, wait_beating
from jobs.engines.covers import CoverPlan
from jobs.engines.music import Finished, Song, SongPlan
from jobs.engines.music.prompts import read_plan
from jobs.engines.styles import steer_song
from jobs.engines.tracks import FinishedTrack, MadeTrack, finish_track, make_track
from jobs.make import make
from jobs.moderation import Words
from jobs.providers import Local, Member, Recording, Remote, SongWish, make_by_chain
from jobs.providers.wish import ReferenceLink
from jobs.queue import Work
from jobs.recordings import MAX_SECONDS
from jobs.references import ReferenceWish
from jobs.scratch import scratch_folder
from jobs.seals import Source, sign_files
from jobs.styles import find_own_leanings
from jobs.submissions import JobJournal
from server.errors import (
    Conflict,
    InsufficientCredits,
    PolicyRejected,
    RateLimited,
    Unavailable,
    ValidationFailed,
)
from server.settings import get_settings
from storage import allowances, database, idempotency, jobs, lyrics, tracks, unlocks, wishes
from storage import credits as ledger
from storage.access import Viewer
from storage.assets import Asset, AssetKind, replace_assets
from storage.blobs import attempt_key
from storage.covers import keep_cover
from storage.jobs import JobState
from storage.lifecycle import State
from storage.lyrics import COMPOSER, TimedLyrics
from storage.names import tidy_name
from storage.rows import new_id
from storage.tracks import Track
from storage.uploads import Upload

KIND, QUEUE, REMOTE_QUEUE = "tracks.render", "media", "remote"
SECONDS_PER_CREDIT = 6
MIN_SECONDS = 5
MAX_PROMPT, MAX_LYRICS, MAX_TITLE = 2_000, 5_000, 120
MAX_SEED = 2**31 - 1
TITLE_WORDS = 6
OPENING = re.compile("( (a|about|an|and|at|by|for|from|in|into|of|on|or|over|the|to|under|with))+$", re.IGNORECASE)
SIGNED = {"MIX", "MASTER", "STEM"}
REMOTE_SHARE = 0.8  # of the progress; the rest is finishing what came back

MIME_TYPES = {
    ".m4a": "audio/mp4",
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".json": "application/json",
    ".mid": "audio/midi",
}


@dataclass(frozen=True)
class TrackWish:
    """What somebody asks for."""

    prompt: str
    duration_seconds: float
    has_vocals: bool = False
    lyrics: str | None = None
    style_id: UUID | None = None
    series_id: UUID | None = None
    seed: int | None = None
    references: tuple[ReferenceWish, ...] = ()

    def problems(self) -> dict[str, str]:
        """What is wrong with it, by field."""
        return dict(self._problems())

    def _problems(self) -> Iterator[tuple[str, str]]:
        if not tidy_name(self.prompt):
            yield "prompt", "Say what the track should be"
        elif len(self.prompt) > MAX_PROMPT:
            yield "prompt", f"At most {MAX_PROMPT} characters; this has {len(self.prompt)}"
        if not MIN_SECONDS <= self.duration_seconds <= MAX_SECONDS:
            yield "durationSeconds", f"From {MIN_SECONDS} to {MAX_SECONDS} seconds"
        if self.lyrics is not None and len(self.lyrics) > MAX_LYRICS:
            yield "lyrics", f"At most {MAX_LYRICS} characters; this has {len(self.lyrics)}"
        if self.seed is not None and not 0 <= self.seed <= MAX_SEED:
            yield "seed", f"From 0 to {MAX_SEED}"
        for name, text in (("prompt", self.prompt), ("lyrics", self.lyrics or "")):
            if "\x00" in text:
                yield name, "The character NUL cannot be stored"
        yield from references.find_problems(self.references)

    def as_given(self) -> dict[str, Any]:
        """What an idempotency key is tied to; wishes without references are told as they were before there were any."""
        given = asdict(self)
        return given if self.references else {name: given[name] for name in given if name != "references"}


@dataclass(frozen=True)
class RequestedTrack:
    """The answer to a wish: the track to be, the job that makes it, and its price."""

    track: Track
    job: JobState
    credits_required: int


@dataclass(frozen=True)
class Making:
    """What was made, and what its provider tells of it."""

    made: MadeTrack | FinishedTrack
    told: dict[str, object]


def price_of(duration_seconds: float) -> int:
    """Credits for a track of this length."""
    return math.ceil(duration_seconds / SECONDS_PER_CREDIT)


def title_of(prompt: str) -> str:
    """A first title: the first words of the prompt."""
    words = re.sub(r"\s+", " ", tidy_name(prompt)).strip(" ,.;:!?-").split(" ")
    kept = " ".join(words[:TITLE_WORDS])
    if len(words) > TITLE_WORDS:
        kept = OPENING.sub("", kept)  # words that only lead to others
    title = kept[:MAX_TITLE].strip(" ,.;:-")
    capitalised = title[:1].upper() + title[1:]  # which may be longer: some small letters have no single great one
    return tidy_name(capitalised[:MAX_TITLE]) or "Untitled"


async def request_track(viewer: Viewer, wish: TrackWish, *, idempotency_key: str | None = None) -> RequestedTrack:
    """Reserve the credits, and write the track and its job; all of it or nothing."""
    user_id = viewer.require_user()
    if problems := wish.problems():
        raise ValidationFailed(problems | await _find_unknown(user_id, wish))
    track_id, price = new_id(), price_of(wish.duration_seconds)
    if idempotency_key is None:
        await _admit(user_id, wish)
        return await _write(user_id, wish, track_id, price)
    claim = user_id, "createTrack", idempotency_key, wish.as_given()
    try:
        await _admit(user_id, wish)
    except (PolicyRejected, RateLimited, Unavailable, ValidationFailed):
        first = await idempotency.find_answer(*claim)
        if first is None:
            raise
        return await _first_answer(viewer, first, price)  # which makes nothing
    async with database.transaction():
        first_id = await idempotency.claim_key(*claim, track_id)
        if first_id != track_id:
            return await _first_answer(viewer, first_id, price)
        return await _write(user_id, wish, track_id, price)


async def _admit(user_id: UUID, wish: TrackWish) -> None:
    """Whether it may be made, and now; what the policy refuses counts as nothing."""
    await references.check_references(user_id, wish.references)
    await moderation.check(Words("track", prompt=wish.prompt, lyrics=wish.lyrics), user_id)
    await allowances.spend_track(user_id)


async def _write(user_id: UUID, wish: TrackWish, track_id: UUID, price: int) -> RequestedTrack:
    if not wish.references:
        return await _write_track(user_id, wish, track_id, price)
    async with database.transaction():
        uploads = await references.check_references(user_id, wish.references, are_held=True)
        requested = await _write_track(user_id, wish, track_id, price)
        await references.keep_references(requested.track, uploads)
        return requested


async def _write_track(user_id: UUID, wish: TrackWish, track_id: UUID, price: int) -> RequestedTrack:
    track = Track.construct(
        id=track_id,
        user_id=user_id,
        job_id=new_id(),
        series_id=wish.series_id,
        style_id=wish.style_id,
        title=title_of(wish.prompt),
        prompt=wish.prompt,
        lyrics=wish.lyrics,
        duration_seconds=wish.duration_seconds,
        has_vocals=wish.has_vocals,
        seed=secrets.randbelow(MAX_SEED) if wish.seed is None else wish.seed,
        slug=tracks.new_slug(),
    )
    job = await wishes.write_track(
        track, price=price, kind=KIND, queue=_choose_queue(), request_id=queue.find_request_id()
    )
    if job is None:
        if unknown := await _find_unknown(user_id, wish):
            raise ValidationFailed(unknown)
        raise InsufficientCredits(required=price, available=await ledger.read_available(user_id))
    await queue.ring_for(job)
    return RequestedTrack(track, job, price)


def _choose_queue() -> str:
    """A song that is made elsewhere must not hold a place of those that we make while it only waits."""
    return QUEUE if get_settings().music_order[:1] == ("local",) else REMOTE_QUEUE


async def _find_unknown(user_id: UUID, wish: TrackWish) -> dict[str, str]:
    return await wishes.find_unknown(user_id, style_id=wish.style_id, series_id=wish.series_id)


async def _first_answer(viewer: Viewer, track_id: UUID, price: int) -> RequestedTrack:
    track = await tracks.find_track(viewer, track_id)
    if track is None:
        raise Conflict("The track that this idempotency key made was deleted; use a new key")
    assert track.job_id is not None  # noqa: S101 - a track that was asked for has its job
    (job,) = await jobs.read_states([track.job_id])
    return RequestedTrack(track, job, price)


def render(work: Work) -> None:
    """Make the track: its song, stems and cover."""
    song_plan, cover_plan, uploads = wait(_take(work))
    with scratch_folder() as folder:
        song_plan = replace(song_plan, reference=references.hear_reference(work, uploads, folder))
        wish = _wish_of(song_plan, references.link_reference(work, uploads))
        provider, making = _make(work, song_plan, wish, cover_plan, folder)
        _sign(work, song_plan, provider, making)
        wait_beating(_keep(work, cover_plan, provider, making), lambda: work.report(1, "keeping"))


def _make(work: Work, song: SongPlan, wish: SongWish, cover: CoverPlan, folder: Path) -> tuple[str, Making]:
    """Ask one provider after the other, as the settings say."""
    foundry, journal = work.foundry, JobJournal.of(work)

    def compose() -> Making:
        return Making(make(work, make_track, song, cover, folder), {})

    def finish(recording: Recording) -> Making:
        made = make(work, finish_track, recording.path, cover, folder)
        return Making(made, {"model": recording.model, "seed": recording.seed, "notes": recording.notes})

    def send_to(name: str) -> Member[Making]:
        return Remote(
            provider=foundry.providers[name],
            wish=wish,
            path=folder / "recording",
            journal=journal,
            report=lambda fraction, stage: work.report(fraction * REMOTE_SHARE, stage),
            finish=finish,
            preferred_model=foundry.preferred_models[name],
            webhook_url=foundry.find_webhook_url(name),
            hints=foundry.hints,
        )

    members = [Local(name, compose) if name == "local" else send_to(name) for name in foundry.order]
    return make_by_chain(members, journal=journal, circuits=foundry.circuits, recorder=foundry.meter)


def _sign(work: Work, song: SongPlan, provider: str, making: Making) -> None:
    """Write into the files where they come from, where the operator has a certificate for that."""
    source: Source = "algorithmicMedia" if provider == "local" else "trainedAlgorithmicMedia"
    paths = [path for kind, _, path, _ in _files_of(making.made.song) if kind in SIGNED]
    sign_files(work, paths, title_of(song.prompt), source)
    sign_files(work, making.made.cover.crops.values(), title_of(song.prompt), "algorithmicMedia")


def _wish_of(song: SongPlan, link: ReferenceLink | None) -> SongWish:
    prompt = f"{song.prompt}, {song.style}" if song.style else song.prompt
    brief, heard = read_plan(song), song.reference  # in which the prompt's own words come first
    if song.tempo_bpm is not None or (heard and heard.tempo_bpm is not None):
        prompt += f", {brief.tempo_bpm:.0f} bpm"
    if heard and heard.key is not None:
        prompt += f", in {brief.key} {brief.mode}"
    elif song.key is not None:
        prompt += f", in {brief.key}"
    return SongWish(
        prompt,
        song.duration_seconds,
        has_vocals=song.has_vocals,
        lyrics=song.lyrics,
        seed=song.seed,
        reference=link,
    )


async def _take(work: Work) -> tuple[SongPlan, CoverPlan, list[Upload]]:
    track = await tracks.hold_track(work.lease.subject_id)
    owner, style = await covers.find_owner_and_style(track)
    leanings = find_own_leanings(style)
    steer = steer_song(leanings, track.seed) if leanings else None
    song = SongPlan(
        prompt=track.prompt,
        duration_seconds=track.duration_seconds,
        seed=track.seed,
        style=steer.sound if steer else style.slug if style else None,
        tempo_bpm=steer.tempo_bpm if steer else None,
        key=steer.key if steer else None,
        has_vocals=track.has_vocals,
        lyrics=track.lyrics,
    )
    cover = covers.plan_cover(owner, track, style, track.visual_version)
    return song, cover, await references.get_uploads(track)


async def _keep(work: Work, cover: CoverPlan, provider: str, making: Making) -> None:
    track_id = work.lease.subject_id
    assert track_id is not None  # noqa: S101 - a render always has its track
    made = making.made
    assets = [await put_asset(work, *file) for file in _files_of(made.song)]
    cover_keys = await covers.put_cover(work.blobs, track_id, cover.visual_version, made.cover)
    async with database.transaction():
        await jobs.complete_job(work.lease, {"track_id": track_id})
        await replace_assets(track_id, assets)
        drawn = replace(cover, contour=made.contour)
        await keep_cover(work.lease.user_id, track_id, cover.visual_version, cover_keys, covers.describe_drawing(drawn))
        await JobJournal.of(work).end(provider, State.COMPLETE)
        unlocked = await unlocks.note_completion(work.lease.user_id) if work.foundry.has_unlocks else []
        known = {"provider": provider, "unlocked": unlocked} | making.told | _music_of(made.song)
        await tracks.keep_music(track_id, known)
        if isinstance(made.song, Song) and made.song.vocals is not None:
            await lyrics.keep_lyrics(_lyrics_of(made.song, work.lease))


async def put_asset(work: Work, kind: AssetKind, name: str, path: Path, duration_seconds: float | None) -> Asset:
    """Store a file of the track that a job works on; answers with the row to be."""
    key = attempt_key(work.lease.job_id, work.lease.token, path.name)
    blob = await work.blobs.put(key, path, MIME_TYPES[path.suffix])
    return Asset(
        user_id=work.lease.user_id,
        track_id=work.lease.subject_id,
        kind=kind,
        name=name,
        blob_key=blob.key,
        mime_type=blob.mime_type,
        size_bytes=blob.size_bytes,
        duration_seconds=duration_seconds,
    )


def _files_of(song: Finished) -> Iterator[tuple[AssetKind, str, Path, float | None]]:
    yield "MIX", "", song.mix, song.duration_seconds
    yield "MASTER", "", song.master, song.duration_seconds
    yield "PEAKS", "", song.peaks, None
    if not isinstance(song, Song):
        return
    yield "MIDI", "", song.midi, None
    for name, path in song.stems.items():
        yield "STEM", name, path, song.duration_seconds


def _music_of(song: Finished) -> dict[str, object]:
    apart = {"mix", "master", "stems", "peaks", "midi", "title", "duration_seconds", "vocals"}
    music = {name: value for name, value in asdict(song).items() if name not in apart}
    return music | {"vocals": _vocals_of(song)} if isinstance(song, Song) else music


def _vocals_of(song: Song) -> dict[str, object] | None:
    """How it is sung."""
    sung = song.vocals
    if sung is None:
        return None
    return {
        "kind": sung.kind,
        "source": sung.source,
        "notes": sung.notes,
    }


def _lyrics_of(song: Song, lease: jobs.Lease) -> TimedLyrics:
    """The words that we sang; each is four values, as a long song has two thousand of them."""
    assert song.vocals is not None  # noqa: S101 - as its caller has seen
    lines = [
        [[word.text, word.start_seconds, word.end_seconds, 1.0] for word in line.words] for line in song.vocals.lines
    ]
    return TimedLyrics(
        user_id=lease.user_id, track_id=lease.subject_id, source="COMPOSED", engine=COMPOSER, lines=lines
    )
