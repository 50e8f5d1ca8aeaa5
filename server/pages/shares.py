"""A shared track as its pages need it: found by its slug, with clean texts and fresh links."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from server.errors import TakenDown
from server.pages.markup import clean_text, shorten, write_clock
from server.pages.waveforms import Waveforms
from storage import assets, covers, tracks, users
from storage.assets import Asset
from storage.blobs import BlobStore
from storage.covers import Cover, SavedCover
from storage.tracks import Track
from storage.users import User

LINK_SECONDS = 6 * 3600  # a page may lie open for an evening
PROMPT_LENGTH = 280


@dataclass(frozen=True)
class Chapter:
    """A section of the song."""

    name: str
    start_seconds: float


@dataclass(frozen=True)
class Share:
    """What the world may know of a track."""

    base_url: str
    slug: str
    title: str
    artist: str
    hue: int
    prompt: str
    duration_seconds: float
    made_on: date
    is_listed: bool
    tempo: str
    key: str
    chapters: tuple[Chapter, ...]
    audio_type: str
    audio_link: str
    download_link: str
    cover_link: str | None
    picture_link: str | None
    peaks_key: str | None

    @property
    def url(self) -> str:
        """The page, for good."""
        return f"{self.base_url}/share/{self.slug}"

    @property
    def embed_url(self) -> str:
        """The player alone, for good."""
        return f"{self.base_url}/embed/{self.slug}"

    @property
    def audio_url(self) -> str:
        """The song, for good."""
        return f"{self.url}/audio"

    @property
    def picture_url(self) -> str | None:
        """The picture for link previews, for good."""
        return f"{self.url}/cover.png" if self.picture_link else None

    @property
    def facts(self) -> tuple[str, ...]:
        """What stands below the title, shortest first."""
        made_on = f"{self.made_on.day} {self.made_on:%B %Y}"
        return tuple(fact for fact in (write_clock(self.duration_seconds), self.tempo, self.key, made_on) if fact)

    @property
    def summary(self) -> str:
        """One sentence for previews."""
        return f"By {self.artist}: {self.prompt}" if self.prompt else f"By {self.artist}"


class Shares:
    """Finds what is shared."""

    def __init__(self, blobs: BlobStore, base_url: str) -> None:
        self._blobs = blobs
        self._base_url = base_url
        self._waveforms = Waveforms(blobs)

    async def find_share(self, slug: str) -> Share | None:
        """A shared track; None for a private or unfinished one just as for none at all, TakenDown for a hidden one."""
        track = await self.find_track(slug)
        if track is None:
            return None
        owner = await users.find_owner(track.user_id)
        audio = await assets.find_asset(track.id, "MIX")
        if owner is None or audio is None:
            return None
        peaks = await assets.find_asset(track.id, "PEAKS")
        cover = await covers.find_chosen_cover(track.saved_cover_id) or await covers.find_drawn_cover(track.id)
        return self._describe(track, owner, audio, peaks, cover)

    async def find_track(self, slug: str) -> Track | None:
        """The row of what `find_share` finds."""
        track = await tracks.find_shared_track(slug)
        if track is not None and track.taken_down_at is not None:
            raise TakenDown
        return track

    async def find_bars(self, share: Share) -> tuple[float, ...]:
        """The waveform of a share."""
        return await self._waveforms.find_bars(share.peaks_key) if share.peaks_key else ()

    def _describe(
        self, track: Track, owner: User, audio: Asset, peaks: Asset | None, cover: Cover | SavedCover | None
    ) -> Share:
        title = clean_text(track.title) or "Untitled"
        music = track.music or {}
        return Share(
            base_url=self._base_url,
            slug=track.slug,
            title=title,
            artist=clean_text(owner.display_name) or "Somebody",
            hue=owner.accent_hue % 360,
            prompt=shorten(clean_text(track.prompt), PROMPT_LENGTH),
            duration_seconds=audio.duration_seconds or track.duration_seconds,
            made_on=(track.completed_at or track.created_at).date(),
            is_listed=track.visibility == "PUBLIC",
            tempo=f"{music['tempo_bpm']:.0f} BPM" if "tempo_bpm" in music else "",
            key=_write_key(music),
            chapters=tuple(_chapter(section) for section in music.get("sections", ())),
            audio_type=audio.mime_type,
            audio_link=self._link(audio.blob_key),
            download_link=self._link(audio.blob_key, f"{title}.{audio.blob_key.rpartition('.')[2]}"),
            cover_link=self._link(cover.square_key) if cover and cover.square_key else None,
            picture_link=self._link(cover.landscape_key) if cover and cover.landscape_key else None,
            peaks_key=peaks.blob_key if peaks else None,
        )

    def _link(self, key: str, download_name: str | None = None) -> str:
        return self._blobs.link(key, expires_in_seconds=LINK_SECONDS, download_name=download_name, is_shared=True)


def _write_key(music: dict[str, Any]) -> str:
    if "key" not in music:
        return ""
    return clean_text(f"{music['key']} {music.get('mode', '')}").replace("#", "♯")


def _chapter(section: dict[str, Any]) -> Chapter:
    name = clean_text(str(section["name"]).replace("_", " "))
    return Chapter(name[:1].upper() + name[1:], round(float(section["start_seconds"]), 2))
