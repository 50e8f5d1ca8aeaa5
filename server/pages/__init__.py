"""The pages that anybody may see: shared tracks and their embeds, the front page, the policy."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from server.auth import Gatekeeper
from server.errors import TakenDown
from server.pages import oembed, tokens, tracks
from server.pages.answers import PUBLIC_SECONDS, SAFE_HEADERS, Page, show
from server.pages.markup import Markup, element, fill, join
from server.pages.refusals import show_missing, show_taken_down
from server.pages.reports import ReportPages
from server.pages.shares import Share, Shares
from server.resources import Resources
from storage.reports import EMAIL

CURL = """curl {url}/graphql \\
  -H 'content-type: application/json' \\
  -d '{{"query": "{{ styles {{ slug name description }} }}"}}'"""
ROBOTS = "User-agent: *\nDisallow: /graphql\n"  # scrapers must reach covers and audio, so the media stay open


class Pages:
    """The public pages over the open resources."""

    def __init__(self, resources: Resources, gatekeeper: Gatekeeper) -> None:
        self._gatekeeper = gatekeeper
        self._base_url = resources.settings.base_url
        self._contact = resources.settings.policy_contact
        self._shares = Shares(resources.blobs, self._base_url)

    async def share(self, request: Request) -> Response:
        """The page of a shared track."""
        share = await self._find(request)
        if isinstance(share, Response):
            return share
        page = tracks.share_page(share, await self._shares.find_bars(share))
        return show(request, page, headers={} if share.is_listed else {"X-Robots-Tag": "noindex"})

    async def embed(self, request: Request) -> Response:
        """The player alone, for other people's pages."""
        share = await self._find(request, may_be_framed=True)
        if isinstance(share, Response):
            return share
        page = tracks.embed_page(share, await self._shares.find_bars(share))
        return show(request, page, may_be_framed=True, headers={"X-Robots-Tag": "noindex"})

    async def audio(self, request: Request) -> Response:
        """Where the song lies right now."""
        share = await self._find(request)
        return share if isinstance(share, Response) else _send_to(share.audio_link)

    async def picture(self, request: Request) -> Response:
        """Where the picture for link previews lies right now."""
        share = await self._find(request)
        if isinstance(share, Response):
            return share
        return _send_to(share.picture_link) if share.picture_link else show_missing(request)

    async def oembed(self, request: Request) -> Response:
        """What a page needs in order to embed one of our share links."""
        return await oembed.answer(request, self._base_url, self._shares)

    async def home(self, request: Request) -> Response:
        """What runs here."""
        body = fill("home.html", url=self._base_url, curl=CURL.format(url=self._base_url))
        return show(request, Page("Libretto", body))

    async def policy(self, request: Request) -> Response:
        """What may be made and shared here."""
        body = fill("policy.html", contact=write_contact(self._contact))
        return show(request, Page("Content policy · Libretto", body))

    async def tokens(self, request: Request) -> Response:
        """Our colours and measures, or a style's, for other people's tools."""
        return await tokens.answer(request, self._gatekeeper)

    async def robots(self, _request: Request) -> Response:
        """What crawlers may ask for."""
        return PlainTextResponse(ROBOTS, headers=SAFE_HEADERS | {"Cache-Control": "public, max-age=3600"})

    async def _find(self, request: Request, *, may_be_framed: bool = False) -> Share | Response:
        """The share that the address names, or what to answer when there is none."""
        try:
            share = await self._shares.find_share(request.path_params["slug"])
        except TakenDown:
            return show_taken_down(request, self._base_url, may_be_framed=may_be_framed)
        return share or show_missing(request, may_be_framed=may_be_framed)


def routes(resources: Resources, gatekeeper: Gatekeeper) -> list[Route]:
    """Where the public pages are."""
    pages, reports = Pages(resources, gatekeeper), ReportPages(resources)
    return [
        Route("/", pages.home),
        Route("/policy", pages.policy),
        Route("/robots.txt", pages.robots),
        Route("/oembed", pages.oembed),
        Route("/tokens.json", pages.tokens),
        Route("/embed/{slug}", pages.embed),
        Route("/share/{slug}", pages.share),
        Route("/share/{slug}/report", reports.answer, methods=["GET", "POST"]),
        Route("/share/{slug}/audio", pages.audio),
        Route("/share/{slug}/cover.png", pages.picture),
    ]


def write_contact(contact: str) -> Markup:
    """Who runs this, as the operator says it: an address to write to, a page, or words."""
    if not contact:
        return Markup("the operator of this site")
    if EMAIL.fullmatch(contact):
        return element("a", contact, href=f"mailto:{contact}")
    return element("a", contact, href=contact) if contact.startswith(("https://", "http://")) else join(contact)


def _send_to(link: str) -> Response:
    cached = {"Cache-Control": f"public, max-age={PUBLIC_SECONDS}", "Cross-Origin-Resource-Policy": "cross-origin"}
    return RedirectResponse(link, 302, SAFE_HEADERS | cached)
