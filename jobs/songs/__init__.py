"""Songs: what other services know of a song, looked up by its link, off until the operator has the keys for it."""

from jobs.songs.links import read_track_link
from jobs.songs.spotify import FoundSong, Spotify
from server.errors import FeatureOff, Unavailable
from server.settings import Settings

__all__ = ["FoundSong", "close_songs", "look_up", "open_songs"]

OFF = "Spotify links are not looked up in this studio; whoever runs it sets SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET"

_spotify: Spotify | None = None
_is_open = False


def open_songs(settings: Settings) -> None:
    """Make this process able to look songs up, where it has the keys."""
    global _spotify, _is_open  # noqa: PLW0603 - like the database, one for each process
    _spotify = Spotify.of(settings) if settings.spotify_client_id else None
    _is_open = True


async def close_songs() -> None:
    """Let the connections go."""
    global _spotify, _is_open
    if _spotify is not None:
        await _spotify.close()
    _spotify, _is_open = None, False


async def look_up(link: str) -> FoundSong:
    """The song that a link leads to; ValidationFailed when it leads to none, FeatureOff without keys."""
    track_id = read_track_link(link)
    if not _is_open:
        raise Unavailable("Nobody looks songs up")
    if _spotify is None:
        raise FeatureOff(OFF)
    return await _spotify.look_up(track_id)
