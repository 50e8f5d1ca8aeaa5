"""The table of outside models: how a wish becomes each model's input, what the model cannot do, and where its audio is.

Endpoints, fields and limits are those of the vendors' own pages; a model that appears there is a new row here.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from jobs.providers.wish import ReferenceLink, SongWish

INSTRUMENTAL_LYRICS = "[inst]"  # ACE-Step's word for no singing
MUSICGEN = "671ac645ce5e552cc63a54a2bbff63fcf798043055d2dac5fc9e36a837eedcfb"
ACE_STEP = "280fc4f9ee507577f880a167f639c02622421d8fecf492454320311217b688f1"


@dataclass(frozen=True)
class Length:
    """The field that takes the duration: its unit, and how much of it the model makes."""

    name: str
    least_seconds: float
    most_seconds: float
    per_second: int = 1


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


@dataclass(frozen=True)
class Model:
    """One outside model."""

    provider: str
    name: str
    endpoint: str  # fal: the path of its queue; Replicate: `owner/name` if official, else the version's 64 hex digits
    sings: Literal["never", "always", "asked"] = "never"
    prompt: str = "prompt"
    prompt_characters: tuple[int, int] = (1, 2000)
    length: Length | None = None
    lyrics: Lyrics | None = None
    instrumental_flag: str | None = None
    seed: str | None = "seed"
    hearing: Hearing | None = None
    fixed: Mapping[str, Any] = field(default_factory=dict)
    audio: str | None = "audio"  # the output's field with the file; None: the output itself

    def input_of(self, wish: SongWish) -> dict[str, Any]:
        """The wish in the model's own words; `refusal_of` must have found nothing against it."""
        return dict(self.fixed) | dict(self._fields(wish))

    def _fields(self, wish: SongWish) -> Iterator[tuple[str, Any]]:
        least, most = self.prompt_characters
        yield self.prompt, wish.prompt.strip()[:most].ljust(least, ".")
        if self.length:
            seconds = min(max(wish.seconds, self.length.least_seconds), self.length.most_seconds)
            yield self.length.name, round(seconds * self.length.per_second)
        if self.lyrics:
            sung = wish.lyrics[: self.lyrics.most] if wish.has_vocals and wish.lyrics else self.lyrics.instrumental
            if sung is not None:
                yield self.lyrics.name, sung
        if self.instrumental_flag:
            yield self.instrumental_flag, not wish.has_vocals
        if self.seed and wish.seed is not None:
            yield self.seed, wish.seed
        if self.hearing and wish.reference and self._hears(wish):
            yield self.hearing.name, wish.reference.url
            yield from self.hearing.fixed.items()

    def _hears(self, wish: SongWish) -> bool:
        hearing, reference = self.hearing, wish.reference
        if hearing is None or reference is None or reference.url is None:
            return False
        return hearing.least_seconds <= reference.seconds <= hearing.most_seconds

    def refusal_of(self, wish: SongWish) -> str | None:
        """Why this model cannot be asked for that at all."""
        if wish.has_vocals and self.sings == "never":
            return "it does not sing"
        if not wish.has_vocals and self.sings == "always":
            return "it always sings"
        if self.hearing and self.hearing.is_needed and not self._hears(wish):
            return "it needs a recording to take after"
        needed = self.lyrics.least if self.lyrics and wish.has_vocals else 0
        if len(wish.lyrics or "") < needed:
            return f"it needs lyrics of at least {needed} characters"
        return None

    def notes_on(self, wish: SongWish) -> tuple[str, ...]:
        """In what its song will differ from the wish."""
        return tuple(self._differences(wish))

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
        if len(wish.prompt.strip()) > self.prompt_characters[1]:
            yield f"The model reads {self.prompt_characters[1]} characters of the prompt"
        if self.seed is None and wish.seed is not None:
            yield "The model takes no seed"
        if wish.reference is not None:
            yield from self._unheard(wish.reference)

    def _unheard(self, reference: ReferenceLink) -> Iterator[str]:
        if self.hearing is None:
            yield "The model takes no reference"
        elif reference.url is None:
            yield "The model takes references, but cannot fetch them from this studio"
        elif not self.hearing.least_seconds <= reference.seconds <= self.hearing.most_seconds:
            least, most = self.hearing.least_seconds, self.hearing.most_seconds
            yield f"The model takes references of {least:g} to {most:g} seconds"
        elif reference.count > 1:
            yield "The model takes the first reference only"

    def find_audio(self, output: Any) -> str | None:
        """The address of the audio in what the model answered: a file object, a string, or a list of either."""
        found = output.get(self.audio) if self.audio and isinstance(output, dict) else output
        if isinstance(found, list) and found:
            found = found[0]
        if isinstance(found, dict):
            found = found.get("url")
        return found if isinstance(found, str) and found else None


def _fal(name: str, endpoint: str, **rest: Any) -> Model:
    return Model("fal", name, endpoint, **rest)


def _replicate(name: str, endpoint: str, **rest: Any) -> Model:
    return Model("replicate", name, endpoint, audio=None, **rest)


MODELS = (  # the first that can and differs least is taken, so the order is the preference
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
    _fal("cassetteai", "CassetteAI/music-generator", length=Length("duration", 10, 180), seed=None, audio="audio_file"),
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


def find_model(provider: str, name: str) -> Model | None:
    """A row of the table."""
    return next((model for model in MODELS if (model.provider, model.name) == (provider, name)), None)


def choose_model(provider: str, wish: SongWish, preferred: str = "") -> Model | None:
    """The preferred model if it fits the wish wholly, else the one that differs least; None when none can."""
    able = [model for model in MODELS if model.provider == provider and model.refusal_of(wish) is None]
    return min(able, key=_distance_from(wish, preferred), default=None)


def _distance_from(wish: SongWish, preferred: str) -> Callable[[Model], tuple[int, bool]]:
    return lambda model: (len(model.notes_on(wish)), model.name != preferred)
