"""Analyses: a job listens to a track in three steps; what each has heard is kept and told as soon as it is there."""

from collections.abc import Coroutine
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from jobs import queue
from jobs.bridge import wait, wait_beating
from jobs.engines.analyses.pitch import PitchContour, trace_pitch
from jobs.engines.analyses.songs import SongAnalysis, analyse_recording
from jobs.engines.analyses.waveforms import Waveform, draw_waveforms
from jobs.engines.run import Report
from jobs.make import CPU_SECONDS, make
from jobs.queue import Work
from jobs.recordings import MAX_SECONDS
from jobs.scratch import fetch_file, scratch_folder
from server.errors import Conflict, LeaseLost, SubjectGone
from storage import allowances, analyses, database, idempotency, jobs, tracks
from storage.access import Viewer
from storage.analyses import Analysis, Part, PitchNetwork
from storage.assets import Asset, find_asset
from storage.blobs import BlobMissing, BlobStore
from storage.jobs import JobState
from storage.rows import new_id
from storage.tracks import Track

KIND, QUEUE = "analyses.listen", "media"
ENGINE_VERSION = 2  # rises when the engines hear otherwise, so that every track can be listened to anew
PITCH_CPU_SECONDS = {"tiny": 2, "full": 30}  # for a second of music; measured: 0.13 and 3.5
SHARES: dict[Part, tuple[float, float]] = {"waveforms": (0.0, 0.1), "song": (0.1, 0.4), "pitch": (0.4, 1.0)}


@dataclass(frozen=True)
class AnalysisWish:
    """A track that somebody wants to have listened to, and how closely."""

    track_id: UUID
    pitch: PitchNetwork


@dataclass(frozen=True)
class RequestedAnalysis:
    """The answer to a wish: the analysis as it is now, and the job that fills it or has filled it."""

    analysis: Analysis
    job: JobState


async def request_analysis(
    viewer: Viewer, wish: AnalysisWish, *, idempotency_key: str | None = None
) -> RequestedAnalysis:
    """Have a track listened to, unless what is wanted is there or on its way already."""
    track = await tracks.get_own_track(viewer, wish.track_id)
    claim = track.user_id, "analyzeTrack", idempotency_key or "", asdict(wish)
    first_id = await idempotency.find_answer(*claim) if idempotency_key else None
    if first_id is not None:
        return await _answer(track.id, first_id)
    standing = await _find_standing(await _get_mix(track), wish)
    if standing is None:
        await allowances.spend(allowances.ANALYSES, track.user_id)
    async with database.transaction():
        mix = await _get_mix(await tracks.hold_own_track(viewer, track.id))
        standing = await _find_standing(mix, wish)
        job_id = new_id() if standing is None else standing.job_id
        if idempotency_key:
            first_id = await idempotency.claim_key(*claim, job_id)
        if first_id in (None, job_id) and standing is None:
            return await _begin(mix, wish, job_id)
    return await _answer(track.id, first_id or job_id)


async def _get_mix(track: Track) -> Asset:
    mix = await find_asset(track.id, "MIX")
    if mix is None:
        raise Conflict("The track has no audio yet; wait until it is complete")
    return mix


async def _find_standing(mix: Asset, wish: AnalysisWish) -> Analysis | None:
    """What is there or on its way and includes what is wanted."""
    held = await analyses.find_analysis(mix.track_id)
    if held is None or held.mix_key != mix.blob_key:
        return None
    has_all = held.pitch_wish.includes(wish.pitch)
    if held.status.is_terminal:
        is_good = held.status is held.status.COMPLETE and held.engine_version == ENGINE_VERSION
        return held if is_good and has_all else None
    if not has_all:
        raise Conflict("The track is being listened to less closely; cancel that job, or ask again when it has ended")
    return held


async def _begin(mix: Asset, wish: AnalysisWish, job_id: UUID) -> RequestedAnalysis:
    job = await queue.enqueue(KIND, QUEUE, job_id=job_id, user_id=mix.user_id, subject_id=mix.track_id)
    analysis = Analysis(
        user_id=mix.user_id, track_id=mix.track_id, job_id=job_id, pitch_wish=wish.pitch, mix_key=mix.blob_key
    )
    return RequestedAnalysis(await analyses.begin_analysis(analysis), job)


async def _answer(track_id: UUID, job_id: UUID) -> RequestedAnalysis:
    analysis = await analyses.find_analysis(track_id)
    found = await jobs.read_states([job_id])
    if analysis is None or not found:
        raise Conflict("The track that this idempotency key had listened to was deleted; use a new key")
    return RequestedAnalysis(analysis, found[0])


def listen(work: Work) -> None:
    """Hear what has not been heard yet: first what can be drawn, then the song, then its pitch."""
    analysis = wait(analyses.get_job_analysis(work.lease.job_id))
    with scratch_folder() as folder:
        mix = folder / "mix"
        sha256 = wait_beating(_fetch(work.blobs, analysis.mix_key, mix), lambda: work.report(0, "reading"))
        listening = Listening(work, analysis, mix, sha256)
        listening.draw()
        listening.hear()
        listening.trace()
    wait(jobs.complete_job(work.lease, {"track_id": analysis.track_id}))


@dataclass(frozen=True)
class Listening:
    """One attempt at an analysis; each step does nothing when its part is there already."""

    work: Work
    analysis: Analysis
    mix: Path
    mix_sha256: str

    def draw(self) -> None:
        """The waveforms."""
        if self._find_known("waveforms") is None:
            drawn = make(self.work, draw_waveforms, self.mix, self.mix.parent, report=self._report("waveforms"))
            self._keep("waveforms", self._keep_waveforms(drawn))

    def hear(self) -> None:
        """Tempo, beats, key, sections, levels, singing."""
        if self._find_known("song") is None:
            heard = make(self.work, analyse_recording, self.mix, report=self._report("song"))
            self._keep("song", self._keep_song(heard))

    def trace(self) -> None:
        """The pitch, by the network that was asked for or a better one."""
        wish, known = self.analysis.pitch_wish, self._find_known("pitch")
        if not PitchNetwork(known["network"].upper() if known else "NONE").includes(wish):
            network = wish.value.lower()
            contour = make(
                self.work,
                trace_pitch,
                self.mix,
                self.mix.parent,
                network,
                report=self._report("pitch"),
                cpu_seconds=self._allow_cpu(network),
            )
            self._keep("pitch", self._keep_pitch(contour))

    def _allow_cpu(self, network: str) -> int:
        """What a network may take of a processor for a song of this length."""
        mix = wait(find_asset(self.analysis.track_id, "MIX"))
        seconds = mix.duration_seconds if mix and mix.duration_seconds else MAX_SECONDS
        return CPU_SECONDS + round(PITCH_CPU_SECONDS[network] * seconds)

    def _find_known(self, part: Part) -> Any:
        """What these engines have heard in this very audio before."""
        heard = self.analysis.audio_sha256, self.analysis.engine_version
        return getattr(self.analysis, part) if heard == (self.mix_sha256, ENGINE_VERSION) else None

    def _report(self, part: Part) -> Report:
        start, end = SHARES[part]
        return lambda fraction, stage: self.work.report(start + fraction * (end - start), stage)

    def _keep(self, part: Part, keeping: Coroutine[Any, Any, None]) -> None:
        wait_beating(keeping, lambda: self.work.report(SHARES[part][1], "keeping"))

    async def _keep_waveforms(self, drawn: list[Waveform]) -> None:
        kept = [
            {
                "samples_per_pixel": one.samples_per_pixel,
                "json": await self._put(one.json, "application/json"),
                "dat": await self._put(one.dat, "application/x-audiowaveform"),
            }
            for one in drawn
        ]
        await self._write("waveforms", kept)

    async def _keep_song(self, heard: SongAnalysis) -> None:
        await self._write("song", asdict(heard))

    async def _keep_pitch(self, contour: PitchContour) -> None:
        told = asdict(contour) | {"contour": await self._put(contour.contour, "application/json")}
        await self._write("pitch", told)

    async def _put(self, path: Path, mime_type: str) -> str:
        """Store a file; what is in it depends on the name alone, so it may be written twice."""
        heard = f"{self.mix_sha256}-{ENGINE_VERSION}"
        key = f"analyses/{self.analysis.track_id.hex}/{heard}/{path.name}"
        await self.work.blobs.put(key, path, mime_type)
        return key

    async def _write(self, part: Part, heard: object) -> None:
        """Keep a part and tell of it: whoever watches the job reads the analysis again."""
        async with database.transaction():
            if await jobs.beat(self.work.lease, SHARES[part][1], f"{part} ready") is None:
                raise LeaseLost
            await analyses.keep_part(
                self.analysis, part, heard, audio_sha256=self.mix_sha256, engine_version=ENGINE_VERSION
            )


async def _fetch(blobs: BlobStore, key: str, path: Path) -> str:
    """Copy the audio here; answers with what names its content."""
    try:
        return await fetch_file(blobs, key, path)
    except BlobMissing as missing:
        raise SubjectGone("The track's audio is gone") from missing
