"""oEmbed 1.0 for our own share links, and for no others: we fetch nothing and vouch for nobody."""

import re
from urllib.parse import urlsplit

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from server.errors import LibrettoError, TakenDown
from server.pages.answers import PUBLIC_SECONDS, SAFE_HEADERS
from server.pages.previews import PICTURE_HEIGHT, PICTURE_WIDTH, PLAYER_HEIGHT, PLAYER_WIDTH, write_iframe
from server.pages.shares import Share, Shares

MIN_WIDTH, MIN_HEIGHT = 240, 120  # below that the player cannot be used
MAX_URL = 2_000
HEADERS = SAFE_HEADERS | {"Access-Control-Allow-Origin": "*"}
_PATH = re.compile(r"/share/([A-Za-z0-9_-]{1,32})/?", re.ASCII)


class BadQuestion(LibrettoError):
    """The request makes no sense."""

    code = "BAD_REQUEST"


async def answer(request: Request, base_url: str, shares: Shares) -> Response:
    """How to embed the track that `url` names."""
    query = request.query_params
    if query.get("format", "json") != "json":
        return _refuse(501, "This server speaks JSON only")
    try:
        slug = read_slug(query.get("url", ""), base_url)
        width = min(PLAYER_WIDTH, max(MIN_WIDTH, _read_size(query, "maxwidth")))
        height = min(PLAYER_HEIGHT, max(MIN_HEIGHT, _read_size(query, "maxheight")))
    except BadQuestion as error:
        return _refuse(400, error.message)
    try:
        share = await shares.find_share(slug) if slug else None
    except TakenDown:  # for which consumers of oEmbed know no status of its own
        share = None
    if share is None:
        return _refuse(404, "There is no such track")
    headers = HEADERS | {"Cache-Control": f"public, max-age={PUBLIC_SECONDS}"}
    return JSONResponse(_describe(share, width, height), headers=headers)


def read_slug(url: str, base_url: str) -> str | None:
    """The slug that one of our share links carries; None for a link to anywhere else."""
    try:
        asked, ours = urlsplit(url), urlsplit(base_url)
    except ValueError:
        raise BadQuestion("url must be the address of a share page") from None
    if not 0 < len(url) <= MAX_URL or asked.scheme not in ("http", "https") or not asked.netloc:
        raise BadQuestion("url must be the address of a share page")
    path = _PATH.fullmatch(asked.path.removeprefix(ours.path))
    is_ours = (asked.scheme, asked.netloc.lower()) == (ours.scheme, ours.netloc.lower())
    return path[1] if path and is_ours and asked.path.startswith(ours.path) else None


def _read_size(query: QueryParams, name: str) -> int:
    text = query.get(name, str(PLAYER_WIDTH))
    if not re.fullmatch(r"[0-9]{1,6}", text, re.ASCII) or int(text) == 0:
        raise BadQuestion(f"{name} must be a number of pixels")
    return int(text)


def _describe(share: Share, width: int, height: int) -> dict[str, object]:
    thumbnail: dict[str, object] = {
        "thumbnail_url": share.picture_url,
        "thumbnail_width": PICTURE_WIDTH,
        "thumbnail_height": PICTURE_HEIGHT,
    }
    return {
        "type": "rich",
        "version": "1.0",
        "title": share.title,
        "author_name": share.artist,
        "provider_name": "Libretto",
        "provider_url": share.base_url,
        "cache_age": PUBLIC_SECONDS,
        "html": write_iframe(share, width, height),
        "width": width,
        "height": height,
    } | (thumbnail if share.picture_url else {})


def _refuse(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status, HEADERS | {"Cache-Control": "no-store"})
