"""What other sites read in order to show a shared track: Open Graph, player cards, oEmbed and JSON-LD."""

from collections.abc import Iterator
from urllib.parse import quote

from server.pages.markup import Markup, element, join, write_json
from server.pages.shares import Share

PLAYER_WIDTH, PLAYER_HEIGHT = 600, 168
PICTURE_WIDTH, PICTURE_HEIGHT = 1920, 1080
# Scripts for the player, its own origin for the audio, and a new tab for the link to the track's page.
SANDBOX = "allow-scripts allow-same-origin allow-popups allow-popups-to-escape-sandbox"


def write_tags(share: Share) -> Markup:
    """The part of the head that is not for people."""
    oembed = {"type": "application/json+oembed", "href": oembed_url(share), "title": share.title}
    return join(
        *(element("meta", name=name, content=content) for name, content in _names(share)),
        *(element("meta", property=name, content=content) for name, content in _graph(share)),
        element("link", rel="canonical", href=share.url),
        element("link", rel="alternate", **oembed),
        element("script", write_json(_record(share)), type="application/ld+json"),
    )


def write_iframe(share: Share, width: int = PLAYER_WIDTH, height: int = PLAYER_HEIGHT) -> Markup:
    """The player for somebody else's page."""
    return element(
        "iframe",
        src=share.embed_url,
        title=f"{share.title} by {share.artist}",
        width=width,
        height=height,
        sandbox=SANDBOX,
        loading="lazy",
        style="border:0;max-width:100%",
    )


def oembed_url(share: Share) -> str:
    """Where the embed is described."""
    return f"{share.base_url}/oembed?url={quote(share.url, safe='')}&format=json"


def describe_cover(share: Share) -> str:
    """The cover in words."""
    return f"Cover of {share.title} by {share.artist}"


def _names(share: Share) -> Iterator[tuple[str, object]]:
    yield "description", share.summary
    if not share.is_listed:
        yield "robots", "noindex"
    yield "twitter:card", "player"
    yield "twitter:title", share.title
    yield "twitter:description", share.summary
    yield "twitter:player", share.embed_url
    yield "twitter:player:width", PLAYER_WIDTH
    yield "twitter:player:height", PLAYER_HEIGHT
    if share.picture_url:
        yield "twitter:image", share.picture_url
        yield "twitter:image:alt", describe_cover(share)


def _graph(share: Share) -> Iterator[tuple[str, object]]:
    yield "og:type", "music.song"
    yield "og:site_name", "Libretto"
    yield "og:title", share.title
    yield "og:description", share.summary
    yield "og:url", share.url
    if share.picture_url:
        yield "og:image", share.picture_url
        yield "og:image:type", "image/png"
        yield "og:image:width", PICTURE_WIDTH
        yield "og:image:height", PICTURE_HEIGHT
        yield "og:image:alt", describe_cover(share)
    yield "og:audio", share.audio_url
    if share.audio_url.startswith("https:"):
        yield "og:audio:secure_url", share.audio_url
    yield "og:audio:type", share.audio_type
    yield "music:duration", max(1, round(share.duration_seconds))


def _record(share: Share) -> dict[str, object]:
    audio = {"@type": "AudioObject", "contentUrl": share.audio_url, "encodingFormat": share.audio_type}
    record: dict[str, object] = {
        "@context": "https://schema.org",
        "@type": "MusicRecording",
        "name": share.title,
        "url": share.url,
        "description": share.prompt,
        "byArtist": {"@type": "Person", "name": share.artist},
        "duration": f"PT{share.duration_seconds:.0f}S",
        "dateCreated": share.made_on.isoformat(),
        "audio": audio,
        "embedUrl": share.embed_url,
    }
    return record | ({"image": share.picture_url} if share.picture_url else {})
