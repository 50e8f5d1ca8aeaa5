"""Where webhooks may go: an address is checked by its form when it is given, by what it resolves to at each send."""

import re
from collections.abc import Collection
from dataclasses import dataclass

import httpx

from jobs.providers.guard import Origin, find_fault, origin_of
from server.errors import ValidationFailed
from server.settings import Settings
from storage.webhooks import WebhookKind

PORTS = (443, 8443)
MAX_URL = 2048
DISCORD_HOSTS = ("discord.com", "discordapp.com")
DISCORD_PATH = re.compile(r"/api/(?:v[0-9]{1,2}/)?webhooks/(?P<id>[0-9]{1,20})/(?P<token>[A-Za-z0-9_-]{20,128})")


@dataclass(frozen=True)
class Target:
    """An address as it is sent to, for Discord without its origin; and as its owner may see it."""

    url: str
    shown: str


def find_own_origins(settings: Settings) -> frozenset[Origin]:
    """The origins that this studio's operator lets webhooks reach whatever they are."""
    return frozenset(origin_of(httpx.URL(origin)) for origin in settings.webhook_private_origins)


def read_target(text: str, kind: WebhookKind, own: Collection[Origin]) -> Target:
    """The address that somebody gave; ValidationFailed when it is not one that we would send to."""
    try:
        url = httpx.URL(text.strip())
    except httpx.InvalidURL as error:
        raise ValidationFailed({"url": "This is not an address"}) from error
    if len(text) > MAX_URL or "\x00" in text or url.fragment:
        raise ValidationFailed({"url": f"At most {MAX_URL} characters, without a fragment"})
    if kind == WebhookKind.DISCORD:
        return _read_discord(url)
    if origin_of(url) in own and not url.userinfo:
        return Target(str(url), str(url))
    if fault := find_fault(url, PORTS):
        raise ValidationFailed({"url": fault})
    return Target(str(url), str(url))


def _read_discord(url: httpx.URL) -> Target:
    found = DISCORD_PATH.fullmatch(url.raw_path.decode("ascii"))
    plain = url.scheme == "https" and origin_of(url)[2] == 443 and not url.userinfo
    if not plain or url.host not in DISCORD_HOSTS or found is None:
        raise ValidationFailed(
            {"url": "An address such as https://discord.com/api/webhooks/1234/…, as Discord gives it"}
        )
    return Target(found[0], f"https://{url.host}/api/webhooks/{found['id']}/…")
