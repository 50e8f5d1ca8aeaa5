"""Analyses: asking for a track to be listened to, and what was heard in it, part by part."""

from enum import StrEnum
from typing import Annotated, Any

import strawberry

from jobs import analyses as analysis_jobs
from jobs.analyses import AnalysisWish
from schema.context import Info
from schema.failures import Conflict, NotFound, RateLimited, ValidationFailed
from schema.jobs import Job
from schema.mutation import find_key_problems, mutation
from schema.nodes import Node, node_id
from schema.reads import computed, relation
from schema.roots import One
from server import errors
from storage import analyses, jobs
from storage.access import OWNER_AND_ADMINS
from storage.analyses import PitchNetwork
from storage.lifecycle import State
from storage.rows import read_id

strawberry.enum(
    PitchNetwork,
    description="How closely the pitch is followed: not at all, by CREPE's tiny network, by its full one, which on one"
    " core takes more than three times the song's length, and needs the package torchcrepe.",
)


@strawberry.enum(description="What is heard one after the other, each to be had as soon as it is there.")
class AnalysisPart(StrEnum):
    WAVEFORMS = "WAVEFORMS"
    SONG = "SONG"
    PITCH = "PITCH"


@strawberry.type(description="The tempo by regression over the beats, and the other one that it may be.")
class Tempo:
    bpm: float
    second_bpm: float | None
    confidence: float


@strawberry.type(description="A key, and how well it fits: a correlation, at most 1.")
class Key:
    tonic: str
    mode: str
    fit: float


@strawberry.type(
    description="A stretch of a song; equal letters sound alike, and the energy is of the loudest, 0 to 1."
)
class SongSection:
    start_seconds: float
    end_seconds: float
    name: str
    letter: str
    energy: float


@strawberry.type(
    description="A stretch in which somebody seems to sing; an instrument that glides may pass for a voice."
)
class VocalStretch:
    start_seconds: float
    end_seconds: float
    confidence: float


@strawberry.type(description="Loudness after BS.1770-4, its range after EBU Tech 3342, and the true peak.")
class Loudness:
    lufs: float
    range_lu: float
    true_peak_dbtp: float


@strawberry.type(description="The pitch contour: a JSON file, and what is to be said of it in brief.")
class Pitch:
    url: str
    network: PitchNetwork
    voiced_share: float
    lowest_hertz: float | None
    median_hertz: float | None
    highest_hertz: float | None


@strawberry.type(description="A waveform at one zoom, as audiowaveform's JSON and .dat, version 2.")
class Waveform:
    samples_per_pixel: int
    json_url: str
    dat_url: str


@strawberry.type(description="What was heard in a track; confidences are from 0 to 1, and lists are empty until then.")
class Analysis(Node):
    rows = (analyses.Analysis,)
    door = One(analyses.Analysis, OWNER_AND_ADMINS, "analysis")

    id: strawberry.ID = node_id("analysis")
    status: State
    engine_version: int
    version: int
    job: Job | None = relation(lambda: jobs.Job, "job_id", description="The work that listens.")

    @computed("waveforms", "song", "pitch")
    @staticmethod
    def parts_ready(root: Any) -> list[AnalysisPart]:
        """The parts that are there."""
        return [part for part in AnalysisPart if getattr(root, part.value.lower()) is not None]

    @computed("song")
    @staticmethod
    def tempo(root: Any) -> Tempo | None:
        """Null where nothing repeats."""
        found = _heard(root, "tempo")
        return None if found is None else Tempo(**found)

    @computed("song")
    @staticmethod
    def beats_seconds(root: Any) -> list[float]:
        """When the beats are."""
        return _heard(root, "beats_seconds") or []

    @computed("song")
    @staticmethod
    def downbeats_seconds(root: Any) -> list[float]:
        """Those of the beats that begin a bar."""
        return _heard(root, "downbeats_seconds") or []

    @computed("song")
    @staticmethod
    def beats_per_bar(root: Any) -> int | None:
        """Null where there is no tempo."""
        found: int | None = _heard(root, "beats_per_bar")
        return found

    @computed("song")
    @staticmethod
    def bars_confidence(root: Any) -> float | None:
        """How sure the metre and the place of the bars are."""
        found: float | None = _heard(root, "bars_confidence")
        return found

    @computed("song")
    @staticmethod
    def keys(root: Any) -> list[Key]:
        """The likeliest key and the second; none where no tone sounds."""
        return [Key(**key) for key in _heard(root, "keys") or []]

    @computed("song")
    @staticmethod
    def key_confidence(root: Any) -> float | None:
        """How far the first key is ahead of the second."""
        found: float | None = _heard(root, "key_confidence")
        return found

    @computed("song")
    @staticmethod
    def tuning_cents(root: Any) -> float | None:
        """How far the song is tuned from 440 Hz."""
        found: float | None = _heard(root, "tuning_cents")
        return found

    @computed("song")
    @staticmethod
    def sections(root: Any) -> list[SongSection]:
        """The form; none where there are too few bars to tell."""
        return [SongSection(**section) for section in _heard(root, "sections") or []]

    @computed("song")
    @staticmethod
    def vocals(root: Any) -> list[VocalStretch]:
        """Where somebody sings; none also in what was heard before engine version 2."""
        return [VocalStretch(**stretch) for stretch in _heard(root, "vocals") or []]

    @computed("song")
    @staticmethod
    def loudness(root: Any) -> Loudness | None:
        """How loud it is."""
        levels = _heard(root, "levels")
        return levels and Loudness(**{name: value for name, value in levels.items() if name != "energy"})

    @computed("song")
    @staticmethod
    def energy(root: Any) -> list[float]:
        """Of each half second, 0 to 1."""
        levels = _heard(root, "levels")
        return levels["energy"] if levels else []

    @computed("song")
    @staticmethod
    def chroma(root: Any) -> list[float]:
        """The share of each pitch class, C first."""
        return _heard(root, "chroma") or []

    @computed("pitch")
    @staticmethod
    def pitch(root: Any, info: Info) -> Pitch | None:
        """Null until it is there, and where it was not asked for."""
        if root.pitch is None:
            return None
        told = {name: value for name, value in root.pitch.items() if name not in ("contour", "network")}
        network = PitchNetwork(root.pitch["network"].upper())
        return Pitch(url=info.context.link(root.pitch["contour"]), network=network, **told)

    @computed("waveforms")
    @staticmethod
    def waveforms(root: Any, info: Info) -> list[Waveform]:
        """The finest zoom first; none until they are there."""
        link = info.context.link
        return [
            Waveform(samples_per_pixel=one["samples_per_pixel"], json_url=link(one["json"]), dat_url=link(one["dat"]))
            for one in root.waveforms or []
        ]


def _heard(root: Any, name: str) -> Any:
    return None if root.song is None else root.song.get(name)


@strawberry.type(description="The track is listened to by the job, or was: then the analysis is all there.")
class AnalysisRequested:
    analysis: Analysis
    job: Job


@strawberry.input
class AnalyzeTrackInput:
    track_id: strawberry.ID
    pitch: PitchNetwork = PitchNetwork.TINY
    idempotency_key: str | None = None


AnalyzeTrackResult = Annotated[
    AnalysisRequested | ValidationFailed | NotFound | RateLimited | Conflict, strawberry.union("AnalyzeTrackResult")
]


@strawberry.type
class AnalysisMutation:
    @mutation
    async def analyze_track(self, info: Info, input: AnalyzeTrackInput) -> AnalyzeTrackResult | None:  # noqa: A002 - the API's name
        """Have a track of yours listened to; 20 a minute.

        Its job tells as each part is there: `jobProgress(jobId:) { track { analysis { partsReady } } }`.
        """
        viewer, key = info.context.viewer, input.idempotency_key
        viewer.require_user()
        if problems := find_key_problems(key):
            raise errors.ValidationFailed(problems)
        wish = AnalysisWish(read_id("track", input.track_id), input.pitch)
        requested = await analysis_jobs.request_analysis(viewer, wish, idempotency_key=key)
        return AnalysisRequested(analysis=Analysis.of(requested.analysis), job=Job.of(requested.job))
