"""A moderator of the operator's own: asked by a signed POST, with a deadline, and not trusted to answer.

The request is signed as standard webhooks are (headers `webhook-id`, `webhook-timestamp`, `webhook-signature`).
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import time
from typing import Any, Self
from uuid import UUID

import httpx
import orjson

from jobs.moderation.verdicts import Rejection, Words
from jobs.queue import find_request_id
from server import metrics
from server.errors import Unavailable
from server.logs import get_logger
from server.settings import Settings
from storage.rows import new_id

DEADLINE_SECONDS = 2.0
MAX_ANSWER_BYTES = 64 << 10
MAX_REASON, MAX_SUGGESTION = 200, 7_000
SECRET_PREFIX = "whsec_"  # noqa: S105 - what such a secret begins with

log = get_logger(__name__)


class AnswerUnusable(Exception):
    """What came back says neither yes nor no."""


class RemoteModerator:
    """Asks one address; `must_answer` says whether a track may be made when it does not answer."""

    name = "http"

    def __init__(self, url: str, key: bytes, *, must_answer: bool, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        self._url, self._key, self._must_answer = url, key, must_answer
        self._deadline_seconds = deadline_seconds
        self._client = httpx.AsyncClient(timeout=deadline_seconds, trust_env=False)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The one that the settings name."""
        key = read_secret(settings.moderation_secret.get_secret_value())
        return cls(settings.moderation_url, key, must_answer=settings.moderation_failure == "refuse")

    async def find_rejection(self, words: Words, user_id: UUID) -> Rejection | None:
        """See Moderator; Unavailable when there is no answer and there must be one."""
        try:
            async with asyncio.timeout(self._deadline_seconds):
                answer = await self._ask(words, user_id)
            return _read_answer(answer)
        except (httpx.HTTPError, OSError, TimeoutError, AnswerUnusable) as error:
            metrics.MODERATION_UNANSWERED.inc()
            log.warning("moderation.unanswered", error=f"{type(error).__name__}: {error}", refused=self._must_answer)
        if self._must_answer:
            raise Unavailable("What you wrote cannot be checked right now; try again in a moment")
        return None

    async def _ask(self, words: Words, user_id: UUID) -> Any:
        request_id, timestamp = find_request_id() or new_id().hex, str(int(time.time()))
        body = orjson.dumps(
            {
                "kind": words.kind,
                "prompt": words.prompt,
                "lyrics": words.lyrics,
                "title": words.title,
                "user": hmac.digest(self._key, user_id.bytes, hashlib.sha256).hex(),  # the same person, but not who
                "requestId": request_id,
            }
        )
        headers = {
            "Content-Type": "application/json",
            "webhook-id": request_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": sign(self._key, request_id, timestamp, body),
        }
        async with self._client.stream("POST", self._url, content=body, headers=headers) as response:
            if response.status_code != 200:
                raise AnswerUnusable(f"status {response.status_code}")
            return await _read_json(response)

    async def close(self) -> None:
        """Let the connections go."""
        await self._client.aclose()


def read_secret(text: str) -> bytes:
    """The key that a secret, in base64, stands for; ValueError when it is none."""
    try:
        return base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def sign(key: bytes, request_id: str, timestamp: str, body: bytes) -> str:
    """The signature of a request, as it stands in its header."""
    signed = b".".join((request_id.encode(), timestamp.encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


async def _read_json(response: httpx.Response) -> Any:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise AnswerUnusable("too long")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise AnswerUnusable("no JSON") from error


def _read_answer(answer: Any) -> Rejection | None:
    if not isinstance(answer, dict) or not isinstance(answer.get("allowed"), bool):
        raise AnswerUnusable("no `allowed`")
    if answer["allowed"]:
        return None
    reason, suggestion = (answer.get(name) or "" for name in ("reason", "suggestion"))
    if not isinstance(reason, str) or not isinstance(suggestion, str):
        raise AnswerUnusable("`reason` and `suggestion` must be text")
    return Rejection(
        reason[:MAX_REASON] or "OTHER", "The content policy does not allow this", suggestion[:MAX_SUGGESTION]
    )
