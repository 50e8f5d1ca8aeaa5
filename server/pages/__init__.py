"""The pages that anybody may see: shared tracks and their embeds, the front page, the policy."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from server.auth import Gatekeeper
from server.pages import oembed, tokens, tracks
from server.pages.answers import PUBLIC_SECONDS, SAFE_HEADERS, Page, show
from server.pages.markup import element, fill
from server.pages.shares import Share, Shares
from server.resources import Resources

CURL = """curl {url}/graphql \\
  -H 'content-type: application/json' \\
  -d '{{"query": "{{ styles {{ slug name description }} }}"}}'"""
ROBOTS = "User-agent: *\nDisallow: /graphql\n"  # scrapers must reach covers and audio, so the media stay open


class Pages:
    """The public pages over the open resources."""

    def __init__(self, resources: Resources, gatekeeper: Gatekeeper) -> None:
        self._gatekeeper = gatekeeper
        self._base_url = resources.settings.base_url
        self._shares = Shares(resources.blobs, self._base_url)

    async def share(self, request: Request) -> Response:
        """The page of a shared track."""
        share = await self._find(request)
        if share is None:
            return _miss(request)
        page = tracks.share_page(share, await self._shares.find_bars(share))
        return show(request, page, headers={} if share.is_listed else {"X-Robots-Tag": "noindex"})

    async def embed(self, request: Request) -> Response:
        """The player alone, for other people's pages."""
        share = await self._find(request)
        if share is None:
            return _miss(request, may_be_framed=True)
        page = tracks.embed_page(share, await self._shares.find_bars(share))
        return show(request, page, may_be_framed=True, headers={"X-Robots-Tag": "noindex"})

    async def audio(self, request: Request) -> Response:
        """Where the song lies right now."""
        share = await self._find(request)
        return _send_to(share.audio_link) if share else _miss(request)

    async def picture(self, request: Request) -> Response:
        """Where the picture for link previews lies right now."""
        share = await self._find(request)
        return _send_to(share.picture_link) if share and share.picture_link else _miss(request)

    async def oembed(self, request: Request) -> Response:
        """What a page needs in order to embed one of our share links."""
        return await oembed.answer(request, self._base_url, self._shares)

    async def home(self, request: Request) -> Response:
        """What runs here."""
        body = fill("home.html", url=self._base_url, curl=CURL.format(url=self._base_url))
        return show(request, Page("Libretto", body))

    async def policy(self, request: Request) -> Response:
        """What may be made and shared here."""
        return show(request, Page("Content policy · Libretto", fill("policy.html")))

    async def tokens(self, request: Request) -> Response:
        """Our colours and measures, or a style's, for other people's tools."""
        return await tokens.answer(request, self._gatekeeper)

    async def robots(self, _request: Request) -> Response:
        """What crawlers may ask for."""
        return PlainTextResponse(ROBOTS, headers=SAFE_HEADERS | {"Cache-Control": "public, max-age=3600"})

    async def _find(self, request: Request) -> Share | None:
        return await self._shares.find_share(request.path_params["slug"])


def routes(resources: Resources, gatekeeper: Gatekeeper) -> list[Route]:
    """Where the public pages are."""
    pages = Pages(resources, gatekeeper)
    return [
        Route("/", pages.home),
        Route("/policy", pages.policy),
        Route("/robots.txt", pages.robots),
        Route("/oembed", pages.oembed),
        Route("/tokens.json", pages.tokens),
        Route("/embed/{slug}", pages.embed),
        Route("/share/{slug}", pages.share),
        Route("/share/{slug}/audio", pages.audio),
        Route("/share/{slug}/cover.png", pages.picture),
    ]


def _miss(request: Request, *, may_be_framed: bool = False) -> Response:
    page = Page("Not found · Libretto", fill("missing.html"), head=element("meta", name="robots", content="noindex"))
    return show(request, page, status=404, may_be_framed=may_be_framed)


def _send_to(link: str) -> Response:
    cached = {"Cache-Control": f"public, max-age={PUBLIC_SECONDS}", "Cross-Origin-Resource-Policy": "cross-origin"}
    return RedirectResponse(link, 302, SAFE_HEADERS | cached)
