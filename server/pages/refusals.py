"""What the public pages say when there is nothing to show."""

from starlette.requests import Request
from starlette.responses import Response

from server.pages.answers import Page, show
from server.pages.markup import element, fill

NOT_INDEXED = element("meta", name="robots", content="noindex")


def show_missing(request: Request, *, may_be_framed: bool = False) -> Response:
    """There is no such track, or it is private: nobody can tell which."""
    page = Page("Not found · Libretto", fill("missing.html"), head=NOT_INDEXED)
    return show(request, page, status=404, may_be_framed=may_be_framed)


def show_taken_down(request: Request, base_url: str, *, may_be_framed: bool = False) -> Response:
    """There was such a track, and it broke a rule (RFC 7725)."""
    page = Page("Taken down · Libretto", fill("withheld.html"), head=NOT_INDEXED)
    headers = {"Link": f'<{base_url}/policy>; rel="blocked-by"'}
    return show(request, page, status=451, may_be_framed=may_be_framed, headers=headers)
