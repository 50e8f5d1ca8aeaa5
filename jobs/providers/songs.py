"""The table of outside models that make music.

Endpoints, fields and limits are those of the vendors' own pages; a model that appears there is a new row here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from jobs.providers.models import Length, Model
from jobs.providers.wish import ReferenceLink, SongWish

INSTRUMENTAL_LYRICS = "[inst]"  # ACE-Step's word for no singing
MUSICGEN = "671ac645ce5e552cc63a54a2bbff63fcf798043055d2dac5fc9e36a837eedcfb"
ACE_STEP = "280fc4f9ee507577f880a167f639c02622421d8fecf492454320311217b688f1"


@dataclass(frozen=True)
class Lyrics:
    """The field that takes the words: how many characters, and what stands there when nothing is sung."""

    name: str
    least: int = 0
    most: int = 3000
    instrumental: str | None = None


@dataclass(frozen=True)
class Hearing:
    """The field that takes the address of a recording to take after, and what else changes where there is one."""

    name: str
    least_seconds: float = 0
    most_seconds: float = 3600
    is_needed: bool = False
    fixed: Mapping[str, Any] = field(default_factory=dict)

    def hears(self, reference: ReferenceLink | None) -> bool:
        """Whether the model can take after this one."""
        if reference is None or reference.url is None:
            return False
        return self.least_seconds <= reference.seconds <= self.most_seconds


@dataclass(frozen=True)
class SongModel(Model[SongWish]):
    """A model that makes music."""

    sings: Literal["never", "always", "asked"] = "never"
    length: Length | None = None
    lyrics: Lyrics | None = None
    instrumental_flag: str | None = None
    hearing: Hearing | None = None
    output: str | None = "audio"

    def refusal_of(self, wish: SongWish) -> str | None:
        """Why this model cannot be asked for that at all."""
        if wish.has_vocals and self.sings == "never":
            return "it does not sing"
        if not wish.has_vocals and self.sings == "always":
            return "it always sings"
        if self.hearing and self.hearing.is_needed and not self.hearing.hears(wish.reference):
            return "it needs a recording to take after"
        needed = self.lyrics.least if self.lyrics and wish.has_vocals else 0
        if len(wish.lyrics or "") < needed:
            return f"it needs lyrics of at least {needed} characters"
        return None

    def _fields(self, wish: SongWish) -> Iterator[tuple[str, Any]]:
        if self.length:
            yield self.length.name, self.length.count(wish.seconds)
        if self.lyrics:
            sung = wish.lyrics[: self.lyrics.most] if wish.has_vocals and wish.lyrics else self.lyrics.instrumental
            if sung is not None:
                yield self.lyrics.name, sung
        if self.instrumental_flag:
            yield self.instrumental_flag, not wish.has_vocals
        if self.hearing and wish.reference and self.hearing.hears(wish.reference):
            yield self.hearing.name, wish.reference.url
            yield from self.hearing.fixed.items()

    def _differences(self, wish: SongWish) -> Iterator[str]:
        if self.length is None:
            yield "The model decides how long the song is"
        elif not self.length.least_seconds <= wish.seconds <= self.length.most_seconds:
            yield f"The model makes {self.length.least_seconds:g} to {self.length.most_seconds:g} seconds"
        if wish.has_vocals and wish.lyrics:
            if self.lyrics is None:
                yield "The model writes its own lyrics"
            elif len(wish.lyrics) > self.lyrics.most:
                yield f"The model takes {self.lyrics.most} characters of lyrics"
        if wish.reference is not None:
            yield from self._unheard(wish.reference)

    def _unheard(self, reference: ReferenceLink) -> Iterator[str]:
        if self.hearing is None:
            yield "The model takes no reference"
        elif reference.url is None:
            yield "The model takes references, but cannot fetch them from this studio"
        elif not self.hearing.hears(reference):
            least, most = self.hearing.least_seconds, self.hearing.most_seconds
            yield f"The model takes references of {least:g} to {most:g} seconds"
        elif reference.count > 1:
            yield "The model takes the first reference only"


def _fal(name: str, endpoint: str, **rest: Any) -> SongModel:
    return SongModel("fal", name, endpoint, **rest)


def _replicate(name: str, endpoint: str, **rest: Any) -> SongModel:
    return SongModel("replicate", name, endpoint, output=None, **rest)


SONG_MODELS = (  # the first that can and differs least is taken, so the order is the preference
    _fal(
        "stable-audio-25",
        "fal-ai/stable-audio-25/text-to-audio",
        length=Length("seconds_total", 1, 190),
    ),
    _fal(
        "stable-audio-25-after",
        "fal-ai/stable-audio-25/audio-to-audio",
        length=Length("total_seconds", 1, 190),
        hearing=Hearing("audio_url", 6, 190, is_needed=True),
    ),
    _fal(
        "ace-step",
        "fal-ai/ace-step",
        sings="asked",
        prompt="tags",
        length=Length("duration", 5, 240),
        lyrics=Lyrics("lyrics", instrumental=INSTRUMENTAL_LYRICS),
    ),
    _fal(
        "elevenlabs-music",
        "fal-ai/elevenlabs/music",
        sings="asked",
        length=Length("music_length_ms", 3, 600, per_second=1000),
        instrumental_flag="force_instrumental",
        seed=None,
        fixed={"output_format": "mp3_44100_128"},
    ),
    _fal(
        "minimax-music-v2",
        "fal-ai/minimax-music/v2",
        sings="always",
        prompt_characters=(10, 300),
        lyrics=Lyrics("lyrics_prompt", least=10, most=3000),
        seed=None,
        fixed={"audio_setting": {"sample_rate": "44100", "bitrate": "256000", "format": "mp3"}},
    ),
    _fal(
        "cassetteai", "CassetteAI/music-generator", length=Length("duration", 10, 180), seed=None, output="audio_file"
    ),
    _fal("lyria2", "fal-ai/lyria2"),
    _replicate(
        "ace-step",
        ACE_STEP,
        sings="asked",
        prompt="tags",
        length=Length("duration", 5, 240),
        lyrics=Lyrics("lyrics", instrumental=INSTRUMENTAL_LYRICS),
    ),
    _replicate(
        "musicgen",
        MUSICGEN,
        length=Length("duration", 1, 30),
        fixed={"model_version": "stereo-large", "output_format": "wav", "normalization_strategy": "loudness"},
        hearing=Hearing("input_audio", fixed={"model_version": "stereo-melody-large"}),
    ),
    _replicate(
        "minimax-music-1.5",
        "minimax/music-1.5",
        sings="always",
        prompt_characters=(10, 300),
        lyrics=Lyrics("lyrics", least=10, most=600),
        seed=None,
    ),
)
