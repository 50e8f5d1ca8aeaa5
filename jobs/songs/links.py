"""Links of Spotify as people paste them: which track they lead to, or why to none."""

import re

from server.errors import ValidationFailed

MAX_LINK = 500
HOSTS = {"open.spotify.com", "play.spotify.com"}
SHORT_HOSTS = {"spotify.link", "spotify.app.link"}
TRACK_ID = re.compile(r"[A-Za-z0-9]{22}")
LINK = re.compile(r"(?:https?://)?(?P<host>[a-z0-9.-]+)(?P<path>/[^?#]*)?(?:[?#].*)?", re.IGNORECASE)
LOCALE = re.compile(r"intl-[a-z-]{2,10}", re.IGNORECASE)
EXPECTED = "A link to one track on Spotify, such as https://open.spotify.com/track/… or spotify:track:…"


def read_track_link(link: str) -> str:
    """The id of the track that a link leads to; ValidationFailed with what to do when it leads to none."""
    text = link.strip()
    if len(text) > MAX_LINK:
        raise ValidationFailed({"url": f"At most {MAX_LINK} characters; this has {len(text)}"})
    if text.lower().startswith("spotify:"):
        return _read_parts(text.split(":")[1:])
    found = LINK.fullmatch(text)
    host = found["host"].lower() if found else ""
    if host in SHORT_HOSTS:
        raise ValidationFailed({"url": "A short link; open it, and copy the address that it leads to"})
    if found is None or host not in HOSTS:
        raise ValidationFailed({"url": EXPECTED})
    parts = [part for part in (found["path"] or "").split("/") if part]
    if parts and (LOCALE.fullmatch(parts[0]) or parts[0] == "embed"):
        parts = parts[1:]
    return _read_parts(parts)


def _read_parts(parts: list[str]) -> str:
    if len(parts) != 2:
        raise ValidationFailed({"url": EXPECTED})
    kind, track_id = parts
    if kind != "track":
        raise ValidationFailed({"url": f"{EXPECTED}; this is one of another kind: {kind[:20]}"})
    if not TRACK_ID.fullmatch(track_id):
        raise ValidationFailed({"url": "The id of a track on Spotify has 22 letters and digits"})
    return track_id
