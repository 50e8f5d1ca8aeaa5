"""All outside models, and which of them a wish is sent to."""

from collections.abc import Callable
from typing import Any

from jobs.providers.clips import CLIP_MODELS
from jobs.providers.models import Model
from jobs.providers.songs import SONG_MODELS
from jobs.providers.wish import SongWish, Wish

MODELS: tuple[Model[Any], ...] = (*SONG_MODELS, *CLIP_MODELS)


def find_model(provider: str, name: str) -> Model[Any] | None:
    """A row of the tables: no provider has a name in both."""
    return next((model for model in MODELS if (model.provider, model.name) == (provider, name)), None)


def choose_model(provider: str, wish: Wish, preferred: str = "") -> Model[Any] | None:
    """The preferred model if it fits the wish wholly, else the one that differs least; None when none can."""
    table: tuple[Model[Any], ...] = SONG_MODELS if isinstance(wish, SongWish) else CLIP_MODELS
    able = [model for model in table if model.provider == provider and model.refusal_of(wish) is None]
    return min(able, key=_distance_from(wish, preferred), default=None)


def _distance_from(wish: Wish, preferred: str) -> Callable[[Model[Any]], tuple[int, bool]]:
    return lambda model: (len(model.notes_on(wish)), model.name != preferred)
