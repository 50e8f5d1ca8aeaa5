"""The page of a shared track, and its player alone."""

from dataclasses import replace

from server.pages import previews
from server.pages.answers import Page
from server.pages.markup import Markup, element, fill, join, read_text, write_clock
from server.pages.reports import write_form
from server.pages.shares import Chapter, Share
from server.pages.waveforms import HEIGHT, write_path

LONG_TITLE = 40  # characters; beyond them large letters would fill the screen
SMALLEST_STEP_SECONDS = 0.05


def share_page(share: Share, bars: tuple[float, ...]) -> Page:
    """All that is known of the track, around its player."""
    body = fill(
        "share.html",
        title=share.title,
        size="long" if len(share.title) > LONG_TITLE else "short",
        artist=share.artist,
        prompt=share.prompt,
        facts=join(*(element("li", fact) for fact in share.facts)),
        cover=_cover(share),
        player=_player(share, bars),
        chapters=_chapters(share),
        download_link=share.download_link,
        embed=str(previews.write_iframe(share)),
        report=write_form(f"{share.slug}/report"),
    )
    title = f"{share.title} by {share.artist} · Libretto"
    return replace(_page(share, title, body, previews.write_tags(share)), has_form=True)


def embed_page(share: Share, bars: tuple[float, ...]) -> Page:
    """The player, small."""
    body = fill(
        "embed.html",
        title=share.title,
        artist=share.artist,
        url=share.url,
        cover=_cover(share),
        player=_player(share, bars),
    )
    head = join(element("meta", name="robots", content="noindex"), element("link", rel="canonical", href=share.url))
    return _page(share, f"{share.title} by {share.artist}", body, head)


def _page(share: Share, title: str, body: Markup, head: Markup) -> Page:
    if share.cover_link:
        preload = {"as": "image", "href": share.cover_link, "fetchpriority": "high"}
        head = join(element("link", rel="preload", **preload), head)
    media = tuple(link for link in (share.audio_link, share.cover_link, share.audio_url) if link)
    return Page(title, body, head=head, hue=share.hue, script=read_text("player.js"), media=media)


def _cover(share: Share) -> Markup:
    if share.cover_link is None:
        return Markup("")
    alt = previews.describe_cover(share)
    return element("img", src=share.cover_link, width=1024, height=1024, alt=alt, fetchpriority="high")


def _player(share: Share, bars: tuple[float, ...]) -> Markup:
    seconds = round(share.duration_seconds, 2)
    return fill(
        "player.html",
        title=share.title,
        audio_url=share.audio_url,
        count=len(bars) or 1,
        height=HEIGHT,
        path=write_path(bars),
        seconds=seconds,
        step=max(SMALLEST_STEP_SECONDS, round(seconds / 500, 2)),
    )


def _chapters(share: Share) -> Markup:
    if not share.chapters:
        return Markup("")
    return fill("chapters.html", items=join(*(_chapter(share, chapter) for chapter in share.chapters)))


def _chapter(share: Share, chapter: Chapter) -> Markup:
    seconds, clock = f"{chapter.start_seconds:g}", element("time", write_clock(chapter.start_seconds))
    link = element("a", clock, f" {chapter.name}", href=f"{share.audio_url}#t={seconds}", data_seconds=seconds)
    return element("li", link)
