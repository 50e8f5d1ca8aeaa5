"""Spotify's Web API, of which we ask one thing: a single track, with a token of the client credentials flow.

Since February 2026 its fields come and go with the kind of application, so that every one of them may be missing.
"""

import asyncio
import base64
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import httpx

from jobs.providers import failures
from jobs.providers.circuits import Circuit
from jobs.providers.failures import Setback
from jobs.providers.guard import make_tls
from jobs.providers.wire import LOST, Reply, read_body
from server.errors import FeatureOff, NotFound, RateLimited, SourceUnavailable
from server.logs import get_logger
from server.settings import Settings

NAME = "spotify"
DEADLINE_SECONDS = 8.0
MAX_ANSWER_BYTES = 1 << 20
RENEWED_BEFORE_SECONDS = 60.0  # so that no token runs out on its way
CACHED_SONGS, CACHE_SECONDS = 500, 3600.0
MAX_TEXT, MAX_ARTISTS, MAX_SECONDS = 500, 50, 86_400.0
REFUSED = "Spotify does not accept this studio's keys; whoever runs it checks SPOTIFY_CLIENT_ID and its secret"

log = get_logger(__name__)


@dataclass(frozen=True)
class FoundSong:
    """What is known of a song; None for what its source does not tell."""

    url: str
    title: str | None = None
    artists: tuple[str, ...] = ()
    album: str | None = None
    cover_url: str | None = None
    duration_seconds: float | None = None
    isrc: str | None = None
    release_date: str | None = None
    is_explicit: bool | None = None


@dataclass(frozen=True)
class Token:
    """What lets us ask, and until when by our clock."""

    text: str
    good_until: float


class Spotify:
    """One process's way to Spotify: its token, its circuit breaker, and the answers of the last hour.

    Only the two origins of the settings are ever connected to, and redirects are not followed.
    """

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        *,
        api_url: str,
        accounts_url: str,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        pair = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
        self._authorization = f"Basic {pair}"
        self._api_url, self._accounts_url = api_url.rstrip("/"), accounts_url.rstrip("/")
        self._deadline_seconds = deadline_seconds
        plain = {"Accept-Encoding": "identity", "User-Agent": "libretto"}
        self._client = httpx.AsyncClient(headers=plain, timeout=deadline_seconds, verify=make_tls(), trust_env=False)
        self._circuit = Circuit(NAME)
        self._last_setback: Setback | None = None
        self._token: Token | None = None
        self._renewal = asyncio.Lock()
        self._songs: OrderedDict[str, tuple[float, FoundSong]] = OrderedDict()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The one that the settings name."""
        return cls(
            settings.spotify_client_id,
            settings.spotify_client_secret.get_secret_value(),
            api_url=settings.spotify_url,
            accounts_url=settings.spotify_accounts_url,
        )

    async def close(self) -> None:
        """Let the connections go."""
        await self._client.aclose()

    async def look_up(self, track_id: str) -> FoundSong:
        """The song with this id; NotFound, RateLimited or SourceUnavailable otherwise."""
        kept = self._songs.get(track_id)
        if kept is not None and kept[0] > time.monotonic():
            return kept[1]
        if not self._circuit.admit():
            raise self._refuse(self._last_setback or failures.Resting(NAME))
        try:
            async with asyncio.timeout(self._deadline_seconds):
                song = await self._ask(track_id)
        except LOST as error:
            raise self._note(failures.Unreachable(NAME, type(error).__name__)) from error
        except Setback as setback:
            raise self._note(setback) from setback
        self._circuit.note_success()
        if song is None:
            raise NotFound("Spotify knows no such track")
        self._keep(track_id, song)
        return song

    def _keep(self, track_id: str, song: FoundSong) -> None:
        self._songs.pop(track_id, None)
        self._songs[track_id] = time.monotonic() + CACHE_SECONDS, song
        if len(self._songs) > CACHED_SONGS:
            self._songs.popitem(last=False)

    def _note(self, setback: Setback) -> Exception:
        log.warning("songs.unanswered", source=NAME, error=setback.code, told=setback.told)
        self._circuit.note_failure(setback)
        self._last_setback = setback
        return self._refuse(setback)

    def _refuse(self, setback: Setback) -> FeatureOff | RateLimited | SourceUnavailable:
        """What whoever asked is told."""
        if isinstance(setback, failures.Unauthorized):
            return FeatureOff(REFUSED)
        seconds = max(self._circuit.read().open_seconds, 1.0)
        return RateLimited(seconds) if isinstance(setback, failures.Busy) else SourceUnavailable(seconds)

    async def _ask(self, track_id: str) -> FoundSong | None:
        token = await self._get_token()
        reply = await self._get_track(track_id, token)
        if reply.status == 401:  # it was revoked before its time
            reply = await self._get_track(track_id, await self._get_token(instead_of=token))
        if reply.status in (400, 404):
            return None
        return read_song(track_id, _read_answer(reply))

    async def _get_track(self, track_id: str, token: Token) -> Reply:
        headers = {"Authorization": f"Bearer {token.text}"}
        return await self._send("GET", f"{self._api_url}/v1/tracks/{track_id}", headers)

    async def _get_token(self, *, instead_of: Token | None = None) -> Token:
        """The token at hand, or a new one when it runs out or is the one that was refused; asked for once at a time."""
        async with self._renewal:
            token = self._token
            if token is None or token is instead_of or token.good_until <= time.monotonic():
                token = self._token = await self._renew()
            return token

    async def _renew(self) -> Token:
        given = {"grant_type": "client_credentials"}
        reply = await self._send(
            "POST", f"{self._accounts_url}/api/token", {"Authorization": self._authorization}, given
        )
        if reply.status in (400, 401):  # `invalid_client` is one of 400
            raise failures.Unauthorized(NAME, str(reply.read_object().get("error", "")))
        answer = _read_answer(reply)
        text, seconds = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(text, str) or not text.isascii() or not text.isprintable() or not text:
            raise failures.Unreachable(NAME, "a token that is none")
        life_seconds = _read_number(seconds, 86_400.0) or 0.0
        return Token(text, time.monotonic() + life_seconds - min(RENEWED_BEFORE_SECONDS, life_seconds / 2))

    async def _send(self, method: str, url: str, headers: dict[str, str], form: dict[str, str] | None = None) -> Reply:
        async with self._client.stream(method, url, headers=headers, data=form) as response:
            return Reply(response.status_code, response.headers, await read_body(response, MAX_ANSWER_BYTES))


def _read_answer(reply: Reply) -> dict[str, Any]:
    """The object in an answer that is one; a Setback for every other."""
    if reply.status in (401, 403):
        raise failures.Unauthorized(NAME, _read_told(reply))
    if reply.status == 429:
        raise failures.Busy(NAME, _read_told(reply), retry_after_seconds=reply.retry_after_seconds)
    if reply.status != 200 or not isinstance(reply.read_json(), dict):
        raise failures.Unreachable(NAME, f"status {reply.status}: {_read_told(reply)}")
    return reply.read_object()


def _read_told(reply: Reply) -> str:
    error = reply.read_object().get("error")
    return str(error.get("message", "")) if isinstance(error, dict) else str(error or "")


def read_song(track_id: str, answer: dict[str, Any]) -> FoundSong:
    """What an answer tells of a song, whatever it leaves out."""
    album = _read_object(answer.get("album"))
    milliseconds = _read_number(answer.get("duration_ms"), MAX_SECONDS * 1000)
    explicit = answer.get("explicit")
    return FoundSong(
        url=f"https://open.spotify.com/track/{track_id}",
        title=_read_text(answer.get("name")),
        artists=tuple(_read_names(answer.get("artists"))),
        album=_read_text(album.get("name")),
        cover_url=_find_cover(album.get("images")),
        duration_seconds=None if milliseconds is None else milliseconds / 1000,
        isrc=_read_text(_read_object(answer.get("external_ids")).get("isrc")),
        release_date=_read_text(album.get("release_date")),
        is_explicit=explicit if isinstance(explicit, bool) else None,
    )


def _read_names(artists: Any) -> Iterator[str]:
    for artist in artists[:MAX_ARTISTS] if isinstance(artists, list) else []:
        if name := _read_text(_read_object(artist).get("name")):
            yield name


def _find_cover(images: Any) -> str | None:
    """The address of the widest picture that comes by HTTPS."""
    known = [_read_object(image) for image in images] if isinstance(images, list) else []
    found = [
        (_read_number(image.get("width"), 1e6) or 0.0, url)
        for image in known
        if (url := _read_text(image.get("url"))) and url.startswith("https://")
    ]
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _read_object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _read_text(value: Any) -> str | None:
    return value[:MAX_TEXT] if isinstance(value, str) and value else None


def _read_number(value: Any, highest: float) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value <= highest else None
