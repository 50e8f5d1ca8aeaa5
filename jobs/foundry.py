"""Who makes the music and the clips: the providers that this worker may ask, as the settings order them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING

from jobs.bridge import wait
from jobs.providers import Circuits, FalProvider, MusicProvider, ReplicateProvider
from server import metrics
from server.logs import get_logger
from server.settings import Settings
from storage import database
from storage import providers as outcomes
from storage.hints import Hints

log = get_logger(__name__)

if TYPE_CHECKING:
    from jobs.provenance import Seal

VENDORS: tuple[type[FalProvider] | type[ReplicateProvider], ...] = (FalProvider, ReplicateProvider)


class MusicMeter:
    """Counts what the providers do: for this process' metrics, and in the database for all of them."""

    def note_outcome(self, provider: str, outcome: str, seconds: float) -> None:
        """It was asked, and has made it or failed."""
        metrics.MUSIC_OUTCOMES.labels(provider, outcome).inc()
        metrics.MUSIC_SECONDS.labels(provider).observe(seconds)
        _write_down(provider, outcome.upper(), seconds)

    def note_fallback(self, provider: str, to: str) -> None:
        """Another is asked in its place."""
        metrics.MUSIC_FALLBACKS.labels(provider, to).inc()
        _write_down(provider, outcomes.FELL_BACK, 0.0)


def _write_down(provider: str, code: str, seconds: float) -> None:
    """In the database; a song is worth more than the count of it."""
    try:
        wait(outcomes.note_outcome(provider, code, seconds))
    except (*database.LOST, TimeoutError) as error:
        log.warning("provider.uncounted", provider=provider, code=code, error=str(error))


@dataclass(frozen=True)
class Foundry:
    """All that makes music and clips for one worker process."""

    order: tuple[str, ...]  # `local` is our own composer
    providers: Mapping[str, MusicProvider]
    preferred_models: Mapping[str, str]
    has_unlocks: bool = True  # whether what is made may unlock something
    webhooks_url: str = ""  # where they may tell us that something is done; empty: we only ask
    hints: Hints | None = None
    circuits: Circuits = field(default_factory=Circuits)
    meter: MusicMeter = field(default_factory=MusicMeter)
    video_order: tuple[str, ...] = ("local",)  # for clips
    preferred_video_models: Mapping[str, str] = field(default_factory=dict)
    seal: "Seal | None" = None  # what signs where its files come from

    async def tell_circuits(self, worker: str) -> None:
        """Say to whoever asks how this worker's circuits stand."""
        await outcomes.tell_circuits(worker, {name: self.circuits.get(name).read().state for name in self.order})

    async def close(self) -> None:
        """Close the connections."""
        for provider in self.providers.values():
            await provider.close()
        if self.hints is not None:
            await self.hints.close()

    def find_webhook_url(self, provider: str) -> str | None:
        """What a provider is told to call, if it may call."""
        return f"{self.webhooks_url}/{provider}" if self.webhooks_url else None


def open_foundry(settings: Settings) -> Foundry:
    """The providers that there are keys for; their clients belong to the loop that runs now."""
    urls = {"fal": settings.fal_url, "replicate": settings.replicate_url}
    keys = settings.music_keys
    providers = {one.name: one(keys[one.name], urls[one.name]) for one in VENDORS if one.name in keys}
    models = {"fal": settings.fal_model, "replicate": settings.replicate_model}
    url = settings.webhooks_url if providers else ""
    hints = Hints(settings.redis_url) if url else None
    seal = _open_seal(settings)
    foundry = Foundry(
        settings.music_order,
        providers,
        models,
        settings.style_unlocks_enabled,
        url,
        hints,
        video_order=settings.video_order,
        preferred_video_models={"fal": settings.fal_video_model, "replicate": settings.replicate_video_model},
        seal=seal,
    )
    for name in providers:
        metrics.MUSIC_CIRCUIT_OPEN.labels(name).set_function(foundry.circuits.get(name).is_open)
    return foundry


def _open_seal(settings: Settings) -> "Seal | None":
    if not settings.provenance_certificate:
        return None
    seal: Seal = import_module("jobs.provenance").Seal.of(settings)  # the extra, and 50 MB that nobody else needs
    return seal
