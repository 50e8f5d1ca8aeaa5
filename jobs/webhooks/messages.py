"""What is said: an event in the form of Standard Webhooks 1.0 with its signatures, or as a message for Discord.

An event reads the same at each attempt: it is made of what was written when it happened, and of nothing else.
"""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from storage.rows import write_id
from storage.webhooks.facts import COVER_SAVED, TEST

SECRET_PREFIX = "whsec_"  # noqa: S105 - what such a secret begins with
DISCORD_TITLE, DISCORD_DESCRIPTION = 256, 4096  # what Discord takes, in characters
SENTENCES = {
    COVER_SAVED: "A cover was saved.",
    "job.completed": "{kind} is done.",
    "job.failed": "{kind} has failed: {errorCode}.",
    "job.cancelled": "{kind} was cancelled.",
    TEST: "This is a test; nothing has happened.",
}


def write_event(type_: str, facts: Mapping[str, Any], happened_at: datetime, base_url: str) -> bytes:
    """An event as JSON."""
    told = {name: value for name, value in facts.items() if name != "slug"}
    payload = {"type": type_, "timestamp": _write_time(happened_at), "data": told | {"links": _links(facts, base_url)}}
    return orjson.dumps(payload)


def sign(event_id: UUID, body: bytes, secrets: Sequence[str], *, now: datetime) -> dict[str, str]:
    """The headers that prove to a receiver whose event it is: one signature for each secret."""
    message_id, timestamp = write_id("event", event_id), str(int(now.timestamp()))
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    keys = [b64decode(secret.removeprefix(SECRET_PREFIX)) for secret in secrets]
    signatures = [f"v1,{b64encode(hmac.digest(key, signed, 'sha256')).decode()}" for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(signatures),
    }


def write_discord(type_: str, facts: Mapping[str, Any], happened_at: datetime, base_url: str) -> bytes:
    """An event as a message for people, which mentions nobody whatever a title says."""
    links = _links(facts, base_url)
    kind = str(facts.get("kind", "")).replace(".", " ")
    sentence = SENTENCES[type_].format(kind=kind.capitalize(), errorCode=facts.get("errorCode", "UNKNOWN"))
    embed: dict[str, Any] = {
        "title": (str(facts.get("title", "")).strip() or "Libretto")[:DISCORD_TITLE],
        "description": sentence[:DISCORD_DESCRIPTION],
        "timestamp": _write_time(happened_at),
    }
    if links:
        embed |= {"url": links["share"], "image": {"url": links["picture"]}}
    return orjson.dumps({"embeds": [embed], "allowed_mentions": {"parse": []}})


def _links(facts: Mapping[str, Any], base_url: str) -> dict[str, str]:
    """Where the world may see it; nothing while the track is not public."""
    if "slug" not in facts:
        return {}
    share = f"{base_url}/share/{facts['slug']}"
    return {"share": share, "picture": f"{share}/cover.png"}


def _write_time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
