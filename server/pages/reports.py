"""Reporting a shared track without a script: a form, and a page that says thank you."""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from server.errors import RateLimited, TakenDown, Unavailable
from server.http import find_client
from server.pages.answers import Page, show
from server.pages.markup import Markup, clean_text, element, fill, join
from server.pages.refusals import NOT_INDEXED, show_missing, show_taken_down
from server.pages.shares import Shares
from server.resources import Resources
from storage.reports import MAX_DETAILS, Breach, Complaint, file_report
from storage.tracks import Track

MAX_FORM_BYTES = 32 << 10  # the longest of details, in characters that take three bytes and are escaped
FORM = "application/x-www-form-urlencoded"
REASONS = {
    Breach.RIGHTS: "It uses my work without my leave",
    Breach.IMPERSONATION: "It pretends to be somebody",
    Breach.MINORS: "It is sexual, about children",
    Breach.SEXUAL: "It is sexual, and unwanted",
    Breach.HATE: "It spreads hatred",
    Breach.VIOLENCE: "It calls for violence",
    Breach.PRIVACY: "It tells private facts",
    Breach.OTHER: "Something else",
}
PROBLEMS = {
    "reason": "Choose what is wrong.",
    "details": f"Say what is wrong, in 1 to {MAX_DETAILS} characters.",
    "email": "This is not an e-mail address; leave it out if you want no answer.",
}


class Refused(Exception):
    """The form is not taken: with this status, and these words."""

    def __init__(self, status: int, title: str, problem: str, **headers: str) -> None:
        super().__init__(problem)
        self.status, self.title, self.problem, self.headers = status, title, problem, headers


class Filled(NamedTuple):
    """A form as somebody filled it in."""

    reason: str = ""
    details: str = ""
    email: str = ""

    @classmethod
    def of(cls, body: bytes) -> "Filled":
        """From what a browser sends; lines end as they do everywhere else."""
        given = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=16))
        return cls(*(given.get(name, "").replace("\r\n", "\n").strip() for name in cls._fields))

    def read(self) -> tuple[Complaint, str]:
        """The complaint, and what is wrong with it in words."""
        reason = Breach(self.reason) if self.reason in set(Breach) else None
        complaint = Complaint(reason or Breach.OTHER, self.details, self.email or None)
        problems = [] if reason else ["reason"]
        return complaint, " ".join(PROBLEMS[name] for name in (*problems, *complaint.problems()))


class ReportPages:
    """The form and what comes of it."""

    def __init__(self, resources: Resources) -> None:
        self._settings = resources.settings
        self._shares = Shares(resources.blobs, resources.settings.base_url)

    async def answer(self, request: Request) -> Response:
        """Show the form, or take it."""
        try:
            track = await self._shares.find_track(request.path_params["slug"])
        except TakenDown:
            return show_taken_down(request, self._settings.base_url)
        if track is None:
            return show_missing(request)
        if request.method != "POST":
            return self._ask(request, track, Filled())
        try:
            return await self._take(request, track)
        except Refused as refusal:
            page = Page(f"{refusal.title} · Libretto", fill("refused.html", title=refusal.title, problem=str(refusal)))
            return show(request, page, status=refusal.status, headers=refusal.headers)

    async def _take(self, request: Request, track: Track) -> Response:
        if not is_own(request.headers):
            raise Refused(403, "Not from here", "Send this form from the track's own page.")
        body = await _read_form(request)
        try:
            filled = Filled.of(body)
        except ValueError as error:
            raise Refused(400, "Not our form", "It has more fields than it should.") from error
        complaint, problem = filled.read()
        if problem:
            return self._ask(request, track, filled, problem)
        address = find_client(request.scope, self._settings.client_address_header)
        try:
            await file_report(track, complaint, address=address, reporter_id=None)
        except RateLimited as limit:
            wait = {"Retry-After": f"{limit.retry_after_seconds:.0f}"}
            raise Refused(429, "Not so fast", "There have been many reports; try again later.", **wait) from limit
        except Unavailable as fault:
            raise Refused(503, "Not now", "The report cannot be kept right now; try again in a moment.") from fault
        return show(
            request,
            Page("Thank you · Libretto", fill("reported.html", url=self._url(track)), head=NOT_INDEXED),
            status=201,
        )

    def _ask(self, request: Request, track: Track, filled: Filled, problem: str = "") -> Response:
        form = write_form("report", filled, problem)
        title = clean_text(track.title) or "Untitled"
        body = fill("reporting.html", url=self._url(track), title=title, form=form)
        page = Page("Report a track · Libretto", body, head=NOT_INDEXED, has_form=True)
        return show(request, page, status=422 if problem else 200, headers={"Cache-Control": "no-store"})

    def _url(self, track: Track) -> str:
        return f"{self._settings.base_url}/share/{track.slug}"


def write_form(action: str, filled: Filled | None = None, problem: str = "") -> Markup:
    """The form, which is sent to `action`, with what was filled in before."""
    filled = filled or Filled()
    choices = [
        element("option", words, value=reason.value, **({"selected": ""} if reason.value == filled.reason else {}))
        for reason, words in REASONS.items()
    ]
    return fill(
        "report.html",
        action=action,
        problem=problem,
        reasons=join(element("option", "Choose", value=""), *choices),
        details=filled.details,
        most=MAX_DETAILS,
        email=filled.email,
    )


def is_own(headers: Mapping[str, str]) -> bool:
    """Whether a form comes from a page of ours, as every browser of these days says; who is no browser says nothing."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return site == "same-origin"
    try:
        return origin is None or urlsplit(origin).netloc == headers.get("host", "")
    except ValueError:  # such as half an IPv6 address
        return False


async def _read_form(request: Request) -> bytes:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise Refused(415, "Not a form", f"Send it as {FORM}.")
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_FORM_BYTES:
                raise Refused(413, "Too long", f"At most {MAX_DETAILS} characters.")
    except ClientDisconnect:
        raise Refused(400, "Not all of it", "The form ended early.") from None
    return bytes(body)
