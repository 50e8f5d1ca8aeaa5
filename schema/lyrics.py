"""Lyrics in time: the words that are heard in a track, how they were found, putting them right, taking them along."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

import strawberry

from jobs import lyrics as lyrics_jobs
from jobs.formats import lyrics as formats
from jobs.lyrics import Correction, LyricsWish
from schema.context import Info
from schema.failures import Conflict, NotFound, RateLimited, ValidationFailed
from schema.jobs import Job
from schema.mutation import find_key_problems, mutation
from schema.nodes import Node, node_id
from schema.reads import computed
from schema.roots import One
from server import errors
from storage import lyrics
from storage.access import OWNER
from storage.rows import read_id
from storage.tracks import IMPORTED

MAX_OFFSET_MS = 60_000


@strawberry.enum(
    description="How words got their times: known ones were aligned to the sound, or words were heard and written down,"
    " or laid on the beat as an estimate; or we sang them ourselves; or somebody has put them right since."
)
class LyricsSource(StrEnum):
    ALIGNED = "ALIGNED"
    TRANSCRIBED = "TRANSCRIBED"
    BEAT_ESTIMATE = "BEAT_ESTIMATE"
    COMPOSED = "COMPOSED"
    EDITED = "EDITED"


@strawberry.enum(description="What sings: real words, something like them, or nobody.")
class VocalsKind(StrEnum):
    SUNG = "SUNG"
    VOCAL_LIKE = "VOCAL_LIKE"
    NONE = "NONE"


@strawberry.enum(description="Whose words are sung: yours, or the composer's because you gave none.")
class WordsOf(StrEnum):
    GIVEN = "GIVEN"
    WRITTEN = "WRITTEN"


@strawberry.type(description="How a song is sung, and what should be known about it.")
class Vocals:
    kind: VocalsKind
    words: WordsOf | None
    notes: list[str]


@strawberry.enum(description="Formats of players and editors; all but LRC and SRT tell the time of each word.")
class LyricsFormat(StrEnum):
    LRC = "LRC"
    LRC_ENHANCED = "LRC_ENHANCED"
    SRT = "SRT"
    VTT = "VTT"
    ASS = "ASS"
    TTML = "TTML"
    JSON = "JSON"


@strawberry.type(description="A word, from its first sound to its last; the confidence is from 0 to 1.")
class TimedWord:
    text: str
    start_seconds: float
    end_seconds: float
    confidence: float


@strawberry.type(description="A line, as it is sung in one breath; its confidence is the mean of its words'.")
class TimedLine:
    text: str
    start_seconds: float
    end_seconds: float
    confidence: float
    words: list[TimedWord]


@strawberry.type(description="The words that are heard, in time.")
class TimedLyrics(Node):
    rows = (lyrics.TimedLyrics,)
    door = One(lyrics.TimedLyrics, OWNER, "timedLyrics")

    id: strawberry.ID = node_id("timedLyrics")
    source: LyricsSource
    engine: str
    language: str | None
    offset_ms: int
    version: int

    @computed("is_from_cache")
    @staticmethod
    def from_cache(root: Any) -> bool:
        """Whether the same recording had been listened to for the same words before, so that nothing had to be done."""
        return bool(root.is_from_cache)

    @computed("engine")
    @staticmethod
    def is_estimate(root: Any) -> bool:
        """Whether the times are guesses by the beat, made without listening for words."""
        return bool(root.engine == "beats")

    @computed("lines", "offset_ms")
    @staticmethod
    def lines(root: Any) -> list[TimedLine]:
        """The lines, with the offset added to their times; none where nobody was heard."""
        return [_show(line) for line in lyrics_jobs.read_lines(root.lines, root.offset_ms)]

    @computed("lines", "offset_ms", "language")
    @staticmethod
    def export(root: Any, format: LyricsFormat = LyricsFormat.LRC) -> str:  # noqa: A002 - the API's name
        """The lyrics as a file of this format, with the offset added to their times."""
        lines = lyrics_jobs.read_lines(root.lines, root.offset_ms)
        match format:
            case LyricsFormat.LRC:
                return formats.write_lrc(lines)
            case LyricsFormat.LRC_ENHANCED:
                return formats.write_enhanced_lrc(lines)
            case LyricsFormat.SRT:
                return formats.write_srt(lines)
            case LyricsFormat.VTT:
                return formats.write_vtt(lines)
            case LyricsFormat.ASS:
                return formats.write_ass(lines)
            case LyricsFormat.TTML:
                return formats.write_ttml(lines, language=root.language or "")
            case LyricsFormat.JSON:
                return formats.write_json(lines)


def read_vocals(music: Mapping[str, Any] | None, *, has_vocals: bool) -> Vocals | None:
    """What a song's composer tells of its singing; None where nobody tells."""
    if music is None:
        return None
    if sung := music.get("vocals"):
        return Vocals(kind=VocalsKind(sung["kind"]), words=WordsOf(sung["source"]), notes=sung["notes"])
    if has_vocals or music.get("provider") == IMPORTED:
        return None
    return Vocals(kind=VocalsKind.NONE, words=None, notes=[])


def _show(line: formats.Line) -> TimedLine:
    words = [
        TimedWord(
            text=word.text,
            start_seconds=word.start_seconds,
            end_seconds=word.end_seconds,
            confidence=1.0 if word.confidence is None else word.confidence,
        )
        for word in line.words
    ]
    return TimedLine(
        text=line.text,
        start_seconds=line.start_seconds,
        end_seconds=line.end_seconds,
        confidence=round(sum(word.confidence for word in words) / len(words), 3),
        words=words,
    )


@strawberry.type(description="The words are looked for; the track has them in time when the job is complete.")
class LyricsRequested:
    job: Job


@strawberry.type(description="The lyrics as they are now.")
class LyricsCorrected:
    timed_lyrics: TimedLyrics


@strawberry.type(description="The lyrics as they are now.")
class LyricsShifted:
    timed_lyrics: TimedLyrics


@strawberry.input
class AlignLyricsInput:
    track_id: strawberry.ID
    text: str | None = strawberry.field(
        default=None,
        description="The words; else those of the track, unless we sang them; else whatever is heard.",
    )
    language: str | None = strawberry.field(default=None, description="Such as `en`; found out where it is left out.")
    replaces_composed: bool = strawberry.field(
        default=False,
        description="True lets a text take the place of words that we sang, whose exact times are gone then.",
    )
    idempotency_key: str | None = None


@strawberry.input
class CorrectLyricsInput:
    track_id: strawberry.ID
    line_index: int = strawberry.field(description="From 0 on.")
    text: str | None = None
    start_seconds: float | None = None
    end_seconds: float | None = None


@strawberry.input
class ShiftLyricsInput:
    track_id: strawberry.ID
    offset_ms: int = strawberry.field(description="How much later all words are heard than was found; 0 takes it back.")


AlignLyricsResult = Annotated[
    LyricsRequested | ValidationFailed | NotFound | RateLimited | Conflict, strawberry.union("AlignLyricsResult")
]
CorrectLyricsResult = Annotated[
    LyricsCorrected | ValidationFailed | NotFound | Conflict, strawberry.union("CorrectLyricsResult")
]
ShiftLyricsResult = Annotated[LyricsShifted | ValidationFailed | NotFound, strawberry.union("ShiftLyricsResult")]


@strawberry.type
class LyricsMutation:
    @mutation
    async def align_lyrics(self, info: Info, input: AlignLyricsInput) -> AlignLyricsResult | None:  # noqa: A002 - the API's name
        """Find when each word of a track of yours is heard; 20 an hour, free of charge."""
        info.context.viewer.require_user()
        if problems := find_key_problems(input.idempotency_key):
            raise errors.ValidationFailed(problems)
        wish = LyricsWish(read_id("track", input.track_id), input.text, input.language)
        job = await lyrics_jobs.request_lyrics(
            info.context.viewer, wish, replaces_composed=input.replaces_composed, idempotency_key=input.idempotency_key
        )
        return LyricsRequested(job=Job.of(job))

    @mutation
    async def correct_lyrics(self, info: Info, input: CorrectLyricsInput) -> CorrectLyricsResult | None:  # noqa: A002 - the API's name
        """Put one line right: its words, its times, or both; its words stay within it."""
        info.context.viewer.require_user()
        correction = Correction(input.line_index, input.text, input.start_seconds, input.end_seconds)
        row = await lyrics_jobs.correct_line(info.context.viewer, read_id("track", input.track_id), correction)
        return LyricsCorrected(timed_lyrics=TimedLyrics.of(row))

    @mutation
    async def shift_lyrics(self, info: Info, input: ShiftLyricsInput) -> ShiftLyricsResult | None:  # noqa: A002 - the API's name
        """Move all words of a track by the same time."""
        info.context.viewer.require_user()
        if not -MAX_OFFSET_MS <= input.offset_ms <= MAX_OFFSET_MS:
            raise errors.ValidationFailed({"offsetMs": f"From -{MAX_OFFSET_MS} to {MAX_OFFSET_MS}"})
        track_id = read_id("track", input.track_id)
        row = await lyrics.shift_lyrics(info.context.viewer, track_id, input.offset_ms)
        return LyricsShifted(timed_lyrics=TimedLyrics.of(row))
