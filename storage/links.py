"""Signed links to what we answer ourselves and no store holds, such as a playlist that grows."""

import hashlib
import hmac
import time
from urllib.parse import urlencode

from storage.blobs.keys import LinkExpired, LinkRefused, link_window


def sign_path(path: str, secret: bytes, *, expires_in_seconds: int) -> str:
    """The path with what lets anybody GET it until it expires; the same for a quarter of that time."""
    _, expires_at = link_window(time.time(), expires_in_seconds)
    return f"{path}?{urlencode({'expires': expires_at, 'signature': _sign(path, str(expires_at), secret)})}"


def check_path(path: str, secret: bytes, *, expires: str, signature: str) -> None:
    """LinkRefused unless the path was signed with these, LinkExpired when that was too long ago."""
    if not hmac.compare_digest(_sign(path, expires, secret).encode(), signature.encode(errors="replace")):
        raise LinkRefused
    if int(expires) <= time.time():
        raise LinkExpired


def _sign(path: str, expires: str, secret: bytes) -> str:
    return hmac.new(secret, f"path\n{path}\n{expires}".encode(errors="replace"), hashlib.sha256).hexdigest()
