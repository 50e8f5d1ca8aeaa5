"""The settings of every process, read from the environment once; `.env` beside the project is read too."""

import re
import secrets
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

SCHEMES = {
    "database_url": ("postgresql", "postgres"),
    "redis_url": ("redis", "rediss", "unix"),
    "blob_store_url": ("file", "s3", "gs"),
    "fal_url": ("https", "http"),
    "replicate_url": ("https", "http"),
    "discord_url": ("https", "http"),
    "fal_jwks_url": ("https", "http"),
    "moderation_url": ("https", "http"),
    "spotify_url": ("https", "http"),
    "spotify_accounts_url": ("https", "http"),
}
ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?")
Profile = Literal["dev", "staging", "prod"]
MusicProvider = Literal["local", "fal", "replicate"]
KEY_NAMES = {"fal": "FAL_KEY", "replicate": "REPLICATE_API_TOKEN"}


class Settings(BaseSettings):
    """Each field's name in capitals is its environment variable, its description is its row in the README."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True)

    libretto_home: Path = Field(
        Path(".libretto"), description="Folder of the embedded database, queue, files and secret"
    )
    libretto_profile: Profile = Field("dev", description="`dev`, `staging` or `prod`; the last two demand `SECRET_KEY`")
    libretto_admin_emails: Annotated[frozenset[str], NoDecode] = Field(
        frozenset(), description="Who becomes an admin at sign-up, separated by commas"
    )
    host: str = Field("127.0.0.1", description="Address that the API listens on")
    port: int = Field(8000, ge=1, le=65535, description="Port that the API listens on")
    public_url: str = Field("", description="How the world reaches the API; default `http://HOST:PORT`")
    trusted_origins: Annotated[frozenset[str], NoDecode] = Field(
        frozenset(),
        description="Web origins, separated by commas, that may call the API from a browser; `*` for all",
    )
    client_address_header: str = Field(
        "",
        description="Header in which the proxy before us tells whom it speaks for, such as `Fly-Client-IP`; empty"
        " believes none and takes the peer's own address",
    )
    trusted_documents: str = Field(
        "", description="Manifest of the documents that clients were built with, a JSON file that is read at the start"
    )
    trusted_documents_mode: Literal["off", "log", "enforce"] = Field(
        "off", description="What to do with a document outside of the manifest: run it, run and log it, or refuse it"
    )
    database_url: str = Field("", description="`postgresql://…`; empty means embedded PostgreSQL")
    redis_url: str = Field("", description="`redis://…`, `rediss://…` or `unix://…`; empty means embedded Valkey")
    blob_store_url: str = Field(
        "",
        description="`file://…`, `s3://bucket?endpoint=…&region=…&path_style=…` or `gs://…`; empty: in the home",
    )
    secret_key: SecretStr = Field(SecretStr(""), description="Signs tokens and links; empty means one kept in the home")
    music_provider: MusicProvider = Field(
        "local", description="Who makes the music first: `local`, `fal` or `replicate`"
    )
    music_fallback: Annotated[tuple[MusicProvider, ...], NoDecode] = Field(
        ("fal", "replicate", "local"),
        description="Who is asked next, in this order, separated by commas; those without a key are skipped",
    )
    fal_key: SecretStr = Field(SecretStr(""), description="Key of fal; empty means that it is never asked")
    fal_url: str = Field("https://queue.fal.run", description="For a proxy or a test: this origin alone may be private")
    fal_model: str = Field("", description="Model of fal to prefer where it can make what was asked for")
    replicate_api_token: SecretStr = Field(
        SecretStr(""), description="Token of Replicate; empty means that it is never asked"
    )
    replicate_url: str = Field(
        "https://api.replicate.com", description="For a proxy or a test: this origin alone may be private"
    )
    replicate_model: str = Field("", description="Model of Replicate to prefer where it can make what was asked for")
    video_provider: MusicProvider = Field(
        "local", description="Who makes the clips of generated films first: `local`, `fal` or `replicate`"
    )
    video_fallback: Annotated[tuple[MusicProvider, ...], NoDecode] = Field(
        ("fal", "replicate", "local"),
        description="Who is asked for clips next, in this order, separated by commas; those without a key are skipped",
    )
    fal_video_model: str = Field(
        "", description="Model of fal to prefer for clips where it can make what was asked for"
    )
    replicate_video_model: str = Field(
        "", description="Model of Replicate to prefer for clips where it can make what was asked for"
    )
    webhook_private_origins: Annotated[frozenset[str], NoDecode] = Field(
        frozenset(), description="Origins, separated by commas, that webhooks may reach although private or plain http"
    )
    webhook_retention_days: int = Field(30, ge=4, description="How long deliveries of webhooks are kept")
    discord_url: str = Field(
        "https://discord.com", description="For a proxy or a test: this origin alone may be private"
    )
    provider_webhooks: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Whether fal and Replicate may call `/webhooks/…` when a song is done, which saves asking so often;"
        " `auto`: if `PUBLIC_URL` is https",
    )
    fal_jwks_url: str = Field(
        "https://rest.fal.ai/.well-known/jwks.json", description="Where fal publishes the keys of its webhooks"
    )
    replicate_webhook_secret: SecretStr = Field(
        SecretStr(""), description="`whsec_…`, which signs Replicate's webhooks; empty means that Replicate is asked"
    )
    access_token_seconds: int = Field(900, ge=30, description="Life of an access token")
    refresh_token_days: int = Field(30, ge=1, description="Life of a refresh token that is not used")
    credits_at_sign_up: int = Field(100, ge=0, description="Credits that a new account starts with")
    rate_limit_scale: float = Field(1.0, ge=0, description="Scales the limits on what a person may do; `0` lifts them")
    moderation_url: str = Field(
        "",
        description="Where your own moderator is asked by a signed `POST`, behind the built-in rules; empty: nowhere",
    )
    moderation_secret: SecretStr = Field(
        SecretStr(""),
        description="Signs what that moderator is asked: 24 bytes or more in base64, `whsec_` before them",
    )
    moderation_failure: Literal["refuse", "allow"] = Field(
        "refuse", description="What becomes of a track when that moderator does not answer within two seconds"
    )
    spotify_client_id: str = Field(
        "", description="Client id of the Spotify application that looks up links of songs; empty: none are looked up"
    )
    spotify_client_secret: SecretStr = Field(SecretStr(""), description="Client secret of that application")
    spotify_url: str = Field("https://api.spotify.com", description="Spotify's API, for a proxy or a test")
    spotify_accounts_url: str = Field(
        "https://accounts.spotify.com", description="Where Spotify gives out tokens, for a proxy or a test"
    )
    policy_contact: str = Field(
        "",
        description="How people reach whoever runs this studio, as the policy page says it; an address or a sentence",
    )
    provenance_certificate: str = Field(
        "",
        description="PEM file of the certificate, and those above it, that signs where files come from (C2PA; needs the"
        " extra `provenance`); empty: files say it unsigned",
    )
    provenance_key: str = Field("", description="PEM file of that certificate's key")
    feature_cover_save: bool = Field(True, description="Whether people may save covers that they drew themselves")
    style_seed_enabled: bool = Field(True, description="Whether a new account gets a style seed and a style of its own")
    style_unlocks_enabled: bool = Field(True, description="Whether finished tracks unlock flourishes for covers")
    style_series_enabled: bool = Field(True, description="Whether people may begin series beside their default one")
    video_retention_days: int = Field(14, ge=0, description="How long the files of videos are kept; `0`: for ever")
    database_pool_size: int = Field(10, ge=1, description="Connections to PostgreSQL, for each process")
    worker_slots: int = Field(2, ge=1, description="Media jobs that one worker process runs at a time")
    engine_memory_mb: int = Field(2048, ge=1024, description="Memory that one media job may take before it is stopped")
    speech_engine: Literal["auto", "faster-whisper", "whisper-timestamped", "beats"] = Field(
        "auto",
        description="What finds the times of words: `faster-whisper` (extra `speech`), `whisper-timestamped` (extra"
        " `whisper`) or, without a model, `beats`; `auto` is the first, or the last where that cannot be",
    )
    speech_model: str = Field("base", description="Folder of the speech model, or its name in the home's `models`")
    speech_download: bool = Field(False, description="Whether a worker may download the speech model that it lacks")
    speech_threads: int = Field(2, ge=1, le=64, description="Cores that one speech job may use")
    speech_memory_mb: int = Field(4096, ge=1024, description="Memory that one speech job may take before it is stopped")
    lyrics_cache_days: int = Field(
        30, ge=0, description="How long what was heard in a recording is remembered; `0` is not at all"
    )
    drain_seconds: float = Field(20.0, ge=0, description="How long a stopping process lets its work go on")
    worker_metrics_port: int = Field(
        0, ge=0, le=65535, description="Port of a worker's `/healthz` and `/metrics`; `0` is none"
    )
    log_format: Literal["console", "json"] = Field("console", description="`console` for people, `json` for machines")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged")

    @field_validator("libretto_admin_emails", "trusted_origins", "webhook_private_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return frozenset(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("music_fallback", "video_fallback", mode="before")
    @classmethod
    def _split_in_order(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("libretto_home")
    @classmethod
    def _resolve(cls, value: Path) -> Path:
        return value.expanduser().resolve()

    @property
    def base_url(self) -> str:
        """Prefix of every link that we hand out, without a slash at its end."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def music_keys(self) -> dict[str, str]:
        """The outside services that may be asked for music or clips, with what they know us by."""
        keys = {"fal": self.fal_key, "replicate": self.replicate_api_token}
        return {name: key.get_secret_value() for name, key in keys.items() if key.get_secret_value()}

    @property
    def music_order(self) -> tuple[str, ...]:
        """Who is asked for music, one after the other."""
        return self._order(self.music_provider, self.music_fallback)

    @property
    def video_order(self) -> tuple[str, ...]:
        """Who is asked for clips, one after the other."""
        return self._order(self.video_provider, self.video_fallback)

    def _order(self, first: str, others: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in dict.fromkeys((first, *others)) if name == "local" or name in self.music_keys)

    @property
    def webhooks_url(self) -> str:
        """Where providers may tell us that something is done; empty: we only ask."""
        is_reachable = self.public_url.startswith("https://")
        wanted = is_reachable if self.provider_webhooks == "auto" else self.provider_webhooks == "on"
        return f"{self.base_url}/webhooks" if wanted else ""

    @property
    def secret(self) -> bytes:
        """The key that signs; made once and kept in the home when the environment gives none."""
        given = self.secret_key.get_secret_value()
        return given.encode() if given else _kept_secret(self.libretto_home / "secret_key")


def problems_of(settings: Settings) -> list[str]:
    """What must be mended before a process may boot with these settings, all of it at once."""
    problems = [
        f"{name.upper()} must begin with {', '.join(f'{scheme}://' for scheme in schemes)}"
        for name, schemes in SCHEMES.items()
        if (url := getattr(settings, name)) and url.partition(":")[0] not in schemes
    ]
    problems += [
        f"WEBHOOK_PRIVATE_ORIGINS must name origins such as http://10.0.0.7:8080, not {origin}"
        for origin in sorted(settings.webhook_private_origins)
        if not ORIGIN.fullmatch(origin)
    ]
    if settings.trusted_documents_mode != "off" and not settings.trusted_documents:
        problems.append("TRUSTED_DOCUMENTS must name a manifest, or TRUSTED_DOCUMENTS_MODE must be off")
    chosen = {"MUSIC_PROVIDER": settings.music_provider, "VIDEO_PROVIDER": settings.video_provider}
    problems += [
        f"{name} is {provider}, so {KEY_NAMES[provider]} must be set"
        for name, provider in chosen.items()
        if provider != "local" and provider not in settings.music_keys
    ]
    if settings.moderation_url and len(settings.moderation_secret.get_secret_value()) < 32:
        problems.append("MODERATION_SECRET must be set (try: echo whsec_$(openssl rand -base64 32))")
    if bool(settings.spotify_client_id) != bool(settings.spotify_client_secret.get_secret_value()):
        problems.append("SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET must both be set, or neither")
    problems += _find_provenance_problems(settings)
    embedded = not settings.database_url or not settings.redis_url
    key = settings.secret_key.get_secret_value()
    if settings.libretto_profile != "dev":
        if len(key) < 32:
            problems.append("SECRET_KEY must be set to at least 32 characters (try: openssl rand -hex 32)")
        if not settings.public_url:
            problems.append("PUBLIC_URL must be set, or shared links would point at this machine only")
        if "*" in settings.trusted_origins:
            problems.append("TRUSTED_ORIGINS must name origins, not *")
    if settings.libretto_profile == "prod" and embedded and (settings.database_url or settings.redis_url):
        problems.append("DATABASE_URL and REDIS_URL must both be set, or neither")
    return problems


def _find_provenance_problems(settings: Settings) -> list[str]:
    paths = {"PROVENANCE_CERTIFICATE": settings.provenance_certificate, "PROVENANCE_KEY": settings.provenance_key}
    if not any(paths.values()):
        return []
    problems = [f"{name} must name a PEM file" for name, path in paths.items() if not Path(path).is_file()]
    if find_spec("c2pa") is None:
        problems.append("PROVENANCE_CERTIFICATE needs the extra: pip install 'libretto[provenance]'")
    return problems


@lru_cache
def _kept_secret(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{secrets.token_hex(4)}")
        fresh.touch(mode=0o600)
        fresh.write_bytes(secrets.token_hex(32).encode())
        try:
            path.hardlink_to(fresh)  # the first process wins; the others read what it wrote
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
        return path.read_bytes()


@lru_cache
def get_settings() -> Settings:
    """The settings of this process."""
    return Settings()
