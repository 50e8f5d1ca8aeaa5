"""How a page leaves us: one document with its own style and script, and headers that let nothing else in."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from server.pages import palette
from server.pages.markup import Markup, fill, read_text

PUBLIC_SECONDS = 60  # how long a track that was made private may still be seen
HOUSE_HUE = 262
SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
}
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="9" fill="{}"/>'
    '<path d="M9 13v6m5-11v16m5-13v10m5-7v4" stroke="{}" stroke-width="3" stroke-linecap="round"/></svg>'
)


@dataclass(frozen=True)
class Page:
    """One document; `media` are links to files that it shows or plays, and that its policy must therefore allow."""

    title: str
    body: Markup
    head: Markup = field(default_factory=Markup)
    hue: int = HOUSE_HUE
    script: str = ""
    has_form: bool = False
    media: tuple[str, ...] = ()


def show(
    request: Request,
    page: Page,
    *,
    status: int = 200,
    may_be_framed: bool = False,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The page, or 304 when the client has it already."""
    style = palette.stylesheet(page.hue) + read_text("page.css")
    body = _write(page, style).encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    found = {"Cache-Control": f"public, max-age={PUBLIC_SECONDS}", "ETag": etag}
    headers = {
        **SAFE_HEADERS,
        "Content-Security-Policy": _policy(page, style, may_be_framed=may_be_framed),
        **(found if status == 200 else {"Cache-Control": "no-store"}),
        **(headers or {}),
    }
    if status == 200 and names(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    return Response(body, status, headers, "text/html")


def _write(page: Page, style: str) -> Markup:
    light, dark = palette.schemes(page.hue)
    return fill(
        "page.html",
        title=page.title,
        light=light["ground"],
        dark=dark["ground"],
        icon="data:image/svg+xml," + quote(ICON.format(light["accent"], light["on-accent"])),
        head=page.head,
        style=Markup(style),
        body=page.body,
        script=Markup(f"<script>{page.script}</script>") if page.script else "",
    )


def _policy(page: Page, style: str, *, may_be_framed: bool) -> str:
    origins = " ".join(sorted({"{0.scheme}://{0.netloc}".format(urlsplit(link)) for link in page.media}))
    script = _hash(page.script) if page.script else "'none'"
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {script}",
            f"style-src {_hash(style)}",
            f"img-src 'self' data: {origins}".rstrip(),
            f"media-src 'self' {origins}".rstrip(),
            "base-uri 'none'",
            "form-action 'self'" if page.has_form else "form-action 'none'",
            "frame-ancestors *" if may_be_framed else "frame-ancestors 'none'",
        )
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def names(if_none_match: str, etag: str) -> bool:
    """Whether a client says that it has this very body already."""
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return bool(tags & {"*", etag})
