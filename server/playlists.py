"""Films watched while they are rendered: an HLS playlist that grows by what is finished, and ends with the film."""

import math
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from schema.context import LINK_SECONDS
from schema.videos import PREVIEW_PATH
from server.errors import NotFound
from server.resources import Resources
from server.transfers import ALLOW, PREFLIGHT_HEADERS, SHARED_HEADERS, refuse
from storage import links, videos
from storage.blobs import BlobStore
from storage.blobs.keys import LinkRefused
from storage.database import LOST
from storage.rows import read_id

MIME_TYPE = "application/vnd.apple.mpegurl"


class Playlists:
    """The playlists over the open resources; whoever has a signed link may read one, on any page."""

    def __init__(self, resources: Resources) -> None:
        self._blobs, self._secret = resources.blobs, resources.settings.secret

    def routes(self) -> list[Route]:
        """Where the links lead."""
        return [Route(PREVIEW_PATH.format("{video}"), self.answer, methods=["GET", "HEAD", "OPTIONS"])]

    async def answer(self, request: Request) -> Response:
        """The playlist as it is now."""
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=SHARED_HEADERS | PREFLIGHT_HEADERS | {"Allow": ALLOW})
        query = request.query_params
        try:
            links.check_path(
                request.url.path,
                self._secret,
                expires=query.get("expires", ""),
                signature=query.get("signature", ""),
            )
            found = await videos.find_stream(read_id("video", request.path_params["video"]))
        except LinkRefused as refusal:
            return refuse(403, refusal.code, refusal.message)
        except NotFound:
            found = None
        except LOST:
            return refuse(503, "UNAVAILABLE", "The film is out of reach right now", {"Retry-After": "5"})
        if found is None or not found[1]:
            return refuse(404, "NOT_FOUND", "There is nothing of this film to be streamed")
        state, pieces = found
        headers = SHARED_HEADERS | {"Cache-Control": "no-store"}
        return Response(write_playlist(self._blobs, pieces, has_ended=state.is_terminal), 200, headers, MIME_TYPE)


def write_playlist(blobs: BlobStore, pieces: Sequence[tuple[str, float]], *, has_ended: bool) -> str:
    """A playlist (RFC 8216) of these files, each with its seconds."""
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:3",
        f"#EXT-X-TARGETDURATION:{math.ceil(max(seconds for _, seconds in pieces))}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:EVENT",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        "#EXT-X-START:TIME-OFFSET=0",  # players begin near the end of what still grows, unless they are told
    ]
    for key, seconds in pieces:
        lines += [f"#EXTINF:{seconds:.6f},", blobs.link(key, expires_in_seconds=LINK_SECONDS)]
    return "".join(f"{line}\n" for line in (*lines, *(["#EXT-X-ENDLIST"] if has_ended else [])))
