"""Who makes the music: the providers that this worker may ask, in the order of the settings, and how they do."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from jobs.providers import Circuits, FalProvider, MusicProvider, ReplicateProvider
from server import metrics
from server.settings import Settings

VENDORS: tuple[type[FalProvider] | type[ReplicateProvider], ...] = (FalProvider, ReplicateProvider)


class MusicMeter:
    """Counts what the providers do."""

    def note_outcome(self, provider: str, outcome: str, seconds: float) -> None:
        """It was asked, and has made it or failed."""
        metrics.MUSIC_OUTCOMES.labels(provider, outcome).inc()
        metrics.MUSIC_SECONDS.labels(provider).observe(seconds)

    def note_fallback(self, provider: str, to: str) -> None:
        """Another is asked in its place."""
        metrics.MUSIC_FALLBACKS.labels(provider, to).inc()


@dataclass(frozen=True)
class Foundry:
    """All that makes music for one worker process."""

    order: tuple[str, ...]  # `local` is our own composer
    providers: Mapping[str, MusicProvider]
    preferred_models: Mapping[str, str]
    has_unlocks: bool = True  # whether what is made may unlock something
    circuits: Circuits = field(default_factory=Circuits)
    meter: MusicMeter = field(default_factory=MusicMeter)

    async def close(self) -> None:
        """Close the connections."""
        for provider in self.providers.values():
            await provider.close()


def open_foundry(settings: Settings) -> Foundry:
    """The providers that there are keys for; their clients belong to the loop that runs now."""
    urls = {"fal": settings.fal_url, "replicate": settings.replicate_url}
    keys = settings.music_keys
    providers = {one.name: one(keys[one.name], urls[one.name]) for one in VENDORS if one.name in keys}
    models = {"fal": settings.fal_model, "replicate": settings.replicate_model}
    foundry = Foundry(settings.music_order, providers, models, settings.style_unlocks_enabled)
    for name in providers:
        metrics.MUSIC_CIRCUIT_OPEN.labels(name).set_function(foundry.circuits.get(name).is_open)
    return foundry
