"""Signature version 4 of S3, for links."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit


@dataclass(frozen=True)
class Signer:
    """Signature version 4 in a query string.

    Ours and not botocore's: that one signs this very second, so that no browser could cache it, and must be awaited.
    """

    base_url: str
    region: str
    access_key: str
    secret_key: str
    token: str | None

    def sign(
        self,
        method: str,
        key: str,
        query: Mapping[str, str],
        headers: Mapping[str, str] | None = None,
        *,
        signed_at: int,
        expires_at: int,
    ) -> str:
        """A URL for this method and key, good from `signed_at` to `expires_at`, with these headers in small letters."""
        moment = datetime.fromtimestamp(signed_at, UTC).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{moment[:8]}/{self.region}/s3/aws4_request"
        target = urlsplit(f"{self.base_url}/{key}")
        sent = sorted({"host": target.netloc, **(headers or {})}.items())
        names = ";".join(name for name, _ in sent)
        signed = dict(query) | {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{self.access_key}/{scope}",
            "X-Amz-Date": moment,
            "X-Amz-Expires": str(expires_at - signed_at),
            "X-Amz-SignedHeaders": names,
        }
        if self.token:
            signed["X-Amz-Security-Token"] = self.token
        encoded = "&".join(f"{quote(name, safe='-_.~')}={quote(signed[name], safe='-_.~')}" for name in sorted(signed))
        lines = "".join(f"{name}:{value}\n" for name, value in sent)
        request = f"{method}\n{target.path}\n{encoded}\n{lines}\n{names}\nUNSIGNED-PAYLOAD"
        to_sign = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = _chain(f"AWS4{self.secret_key}", *scope.split("/"), to_sign).hex()
        return f"{self.base_url}/{key}?{encoded}&X-Amz-Signature={signature}"


def _chain(secret: str, *messages: str) -> bytes:
    key = secret.encode()
    for message in messages:
        key = hmac.digest(key, message.encode(), hashlib.sha256)
    return key
