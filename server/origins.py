"""Which pages of other origins may speak to us, and what a browser is told about it."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from server.settings import Settings

Headers = tuple[tuple[str, str], ...]

LOCAL_PAGE = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")
PREFLIGHT_SECONDS = 86_400
METHODS = ("GET", "POST", "PUT", "DELETE")
FORCING = (
    *(b"apollo-require-preflight", b"graphql-require-preflight", b"graphql-preflight", b"x-apollo-operation-name"),
    b"x-requested-with",
)
ALLOWED = {
    *("accept", "accept-language", "authorization", "content-language", "content-type", "x-request-id"),
    *("x-graphql-event-stream-token", "x-apollo-operation-id", *(name.decode() for name in FORCING)),
}
PREFLIGHT_VARY = "Access-Control-Request-Method, Access-Control-Request-Headers"
SIMPLE_TYPES = {b"", b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data"}
FOR_ALL: Headers = (("Vary", "Origin"),)
EXPOSED = "X-Request-Id, Retry-After, RateLimit, RateLimit-Policy"


class Origins:
    """The rule of one process; clients that are no browsers send no origin and are none of its business."""

    def __init__(self, settings: Settings) -> None:
        self._trusted = settings.trusted_origins
        self._trusts_this_machine = settings.libretto_profile == "dev"

    def trusts(self, origin: str, host: str) -> bool:
        """Whether a page of this origin may speak to us: our own, the settings', and in `dev` any of this machine."""
        if self._trusted & {origin, "*"} or (self._trusts_this_machine and LOCAL_PAGE.fullmatch(origin)):
            return True
        try:
            return bool(host) and urlsplit(origin).netloc == host
        except ValueError:  # such as half an IPv6 address
            return False

    def describe(self, headers: Mapping[bytes, bytes]) -> Headers:
        """What an answer says to the browser of a page elsewhere."""
        origin = headers.get(b"origin")
        if origin is None or not self._trusts(headers, origin):
            return FOR_ALL
        allowed = ("Access-Control-Allow-Origin", origin.decode("latin-1"))
        return (*FOR_ALL, allowed, ("Access-Control-Expose-Headers", EXPOSED))

    def find_problems(self, headers: Mapping[bytes, bytes]) -> list[str]:
        """What is wrong with what a browser asks for before it sends its page's request."""
        asked = headers.get(b"access-control-request-headers", b"").decode("latin-1").lower().split(",")
        problems = {
            "origin": not self._trusts(headers, headers.get(b"origin", b"")),
            "method": headers.get(b"access-control-request-method", b"").decode("latin-1") not in METHODS,
            "headers": not {name.strip() for name in asked} <= ALLOWED | {""},
        }
        return [name for name, is_wrong in problems.items() if is_wrong]

    def is_forged(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether a GET may be a foreign page's, sent by a browser that asked nobody first."""
        if headers.get(b"sec-fetch-site", b"none") in {b"none", b"same-origin"}:
            return False  # typed in by somebody, one of our own pages, or no browser at all
        if any(headers.get(name) for name in FORCING):
            return False
        if headers.get(b"content-type", b"").split(b";")[0].strip().lower() not in SIMPLE_TYPES:
            return False
        origin = headers.get(b"origin")
        return origin is None or not self._trusts(headers, origin)

    def _trusts(self, headers: Mapping[bytes, bytes], origin: bytes) -> bool:
        return self.trusts(origin.decode("latin-1"), headers.get(b"host", b"").decode("latin-1"))


def preflight_headers() -> dict[str, str]:
    """What a preflight is answered with, whoever asks."""
    return {
        "Vary": PREFLIGHT_VARY,
        "Access-Control-Allow-Methods": ", ".join(METHODS),
        "Access-Control-Allow-Headers": ", ".join(sorted(ALLOWED)),
        "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
    }
