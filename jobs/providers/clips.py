"""The table of outside models that make moving pictures out of words.

Endpoints, fields and limits are those of the vendors' own pages; a model that appears there is a new row here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jobs.providers.models import Length, Model
from jobs.providers.wish import ClipWish, Shape

RATIOS: Mapping[Shape, str] = {"LANDSCAPE": "16:9", "PORTRAIT": "9:16", "SQUARE": "1:1"}


@dataclass(frozen=True)
class Durations:
    """The field that takes one of a few durations."""

    name: str
    seconds: tuple[int, ...]
    is_text: bool = False

    @property
    def most_seconds(self) -> float:
        """The longest."""
        return self.seconds[-1]

    def count(self, seconds: float) -> int | str:
        """The shortest that is enough, else the longest."""
        chosen = next((choice for choice in self.seconds if choice >= seconds), self.seconds[-1])
        return str(chosen) if self.is_text else chosen


@dataclass(frozen=True)
class ClipModel(Model[ClipWish]):
    """A model that makes clips; what is longer or shorter than wished, or of another shape, is fitted by the film."""

    length: Length | Durations | None = None
    makes_seconds: float = 0.0  # when nobody may choose
    ratio: str | None = None  # the field that takes the shape
    shapes: tuple[Shape, ...] = ("LANDSCAPE",)
    output: str | None = "video"

    def refusal_of(self, wish: ClipWish) -> str | None:
        """Why this model cannot be asked for that at all: a film can fit whatever comes."""
        return None if wish.prompt.strip() else "it needs a prompt"

    def _fields(self, wish: ClipWish) -> Iterator[tuple[str, Any]]:
        if self.length:
            yield self.length.name, self.length.count(wish.seconds)
        if self.ratio:
            yield self.ratio, RATIOS[wish.shape if wish.shape in self.shapes else "LANDSCAPE"]

    def _differences(self, wish: ClipWish) -> Iterator[str]:
        most_seconds = self.length.most_seconds if self.length else self.makes_seconds
        if wish.seconds > most_seconds:
            yield f"The model makes at most {most_seconds:g} seconds"
        if wish.shape not in self.shapes:
            yield f"The model makes no {wish.shape.lower()} pictures"


def _fal(name: str, endpoint: str, **rest: Any) -> ClipModel:
    return ClipModel("fal", name, endpoint, **rest)


def _replicate(name: str, endpoint: str, **rest: Any) -> ClipModel:
    return ClipModel("replicate", name, endpoint, output=None, **rest)


CLIP_MODELS = (  # the first that differs least is taken, so the order is the preference
    _fal(
        "wan-2.2",
        "fal-ai/wan/v2.2-a14b/text-to-video",
        length=Length("num_frames", 17 / 16, 161 / 16, per_second=16),
        ratio="aspect_ratio",
        shapes=("LANDSCAPE", "PORTRAIT", "SQUARE"),
        fixed={"frames_per_second": 16, "resolution": "720p"},
    ),
    _fal(
        "hailuo-02",
        "fal-ai/minimax/hailuo-02/standard/text-to-video",
        length=Durations("duration", (6, 10), is_text=True),
        seed=None,
    ),
    _fal("minimax-video-01", "fal-ai/minimax/video-01", makes_seconds=6.0, seed=None),
    _replicate(
        "seedance-1-lite",
        "bytedance/seedance-1-lite",
        length=Length("duration", 2, 12),
        ratio="aspect_ratio",
        shapes=("LANDSCAPE", "PORTRAIT", "SQUARE"),
        fixed={"resolution": "720p", "fps": 24},
    ),
    _replicate(
        "wan-2.2-fast",
        "wan-video/wan-2.2-t2v-fast",
        length=Length("num_frames", 81 / 16, 121 / 16, per_second=16),
        ratio="aspect_ratio",
        shapes=("LANDSCAPE", "PORTRAIT"),
        fixed={"frames_per_second": 16, "resolution": "720p"},
    ),
    _replicate("minimax-video-01", "minimax/video-01", makes_seconds=6.0, seed=None),
)
