"""Sends deliveries: every worker of the queue `delivery` takes what is due, a few at a time for each endpoint.

A delivery is sent at least once. Whatever happens between the send and the note, it is sent again under the same id.
"""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import httpx

from jobs.providers.guard import origin_of
from jobs.webhooks import secret_place, url_place
from jobs.webhooks.addresses import find_own_origins
from jobs.webhooks.messages import sign, write_discord, write_event
from jobs.webhooks.post import Answer, Post
from server import metrics
from server.logs import get_logger
from server.settings import Settings
from storage import webhooks
from storage.database import LOST
from storage.seals import Seal, SealBroken
from storage.webhooks import Claim, Note, WebhookKind

SLOTS = 64  # requests of one worker process at a time; they wait for others and take next to nothing meanwhile
POLL_SECONDS = 0.5
GATHER_SECONDS = 0.01  # after something has ended, so that what ends beside it shares the price of the next claim
SETTLE_PAUSES_SECONDS = (0.2, 1.0, 4.0)
RETRY_SECONDS = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)  # after each attempt that failed
JITTER = (0.9, 1.1)
BUSY = (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE)

log = get_logger(__name__)


class Sender:
    """Takes deliveries, sends them, and notes what became of them."""

    def __init__(self, posts: Mapping[WebhookKind, Post], seal: Seal, *, base_url: str, discord_url: str) -> None:
        self._posts = posts
        self._seal = seal
        self._base_url = base_url
        self._discord_url = discord_url.rstrip("/")
        self._sending: set[asyncio.Task[None]] = set()
        self._is_draining = False

    async def run(self) -> None:
        """Send what is due until told to drain."""
        while not self._is_draining:
            try:
                claims = await self._claim()
            except (*LOST, TimeoutError) as error:
                log.warning("webhook.claim_failed", error=str(error))
                claims = ()
            except Exception:
                log.exception("webhook.claim_fault")
                claims = ()
            for claim in claims:
                task = asyncio.create_task(self._see_through(claim))
                self._sending.add(task)
                task.add_done_callback(self._sending.discard)
            await self._rest()

    async def drain(self, seconds: float) -> None:
        """Take nothing more, and give what is being sent so long; the rest is sent again by another worker."""
        self._is_draining = True
        if self._sending:
            await asyncio.wait(self._sending, timeout=seconds)
        for task in self._sending:
            task.cancel()

    async def close(self) -> None:
        """Close the connections."""
        for post in self._posts.values():
            await post.close()

    async def _claim(self) -> Sequence[Claim]:
        room = SLOTS - len(self._sending)
        return await webhooks.claim_deliveries(room) if room and await webhooks.has_due() else ()

    async def _rest(self) -> None:
        if not self._sending:
            await asyncio.sleep(POLL_SECONDS)
            return
        ended, _ = await asyncio.wait(self._sending, timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if ended:
            await asyncio.sleep(GATHER_SECONDS)

    async def _see_through(self, claim: Claim) -> None:
        began = time.monotonic()
        try:
            answer = await self._send(claim)
        except SealBroken as broken:
            answer = Answer(error_code=broken.code, error_message=broken.message)
        except Exception:
            log.exception("webhook.fault", delivery_id=claim.id.hex)
            answer = Answer(error_code="INTERNAL", error_message="Something went wrong on our side")
        note = judge(claim, answer)
        seconds = time.monotonic() - began
        metrics.WEBHOOK_ATTEMPTS.labels(claim.kind.lower(), note.state.lower()).inc()
        metrics.WEBHOOK_SECONDS.labels(claim.kind.lower()).observe(seconds)
        if note.state == "DELIVERED" and not claim.attempts:
            metrics.WEBHOOK_DELAY_SECONDS.observe((datetime.now(UTC) - claim.created_at).total_seconds())
        log.info(
            "webhook.attempted",
            webhook_id=claim.webhook_id.hex,
            delivery_id=claim.id.hex,
            event_id=claim.event_id.hex,
            type=claim.type,
            attempt=claim.attempts + 1,
            state=note.state,
            status=note.status,
            error=note.error_code,
            seconds=round(seconds, 3),
        )
        await _settle(claim, note)

    async def _send(self, claim: Claim) -> Answer:
        url = self._seal.open(claim.sealed_url, url_place(claim.webhook_id))
        facts = claim.type, claim.facts, claim.created_at, self._base_url
        if claim.kind == WebhookKind.DISCORD:
            return await self._posts[claim.kind].send(self._discord_url + url, write_discord(*facts), {})
        place = secret_place(claim.webhook_id)
        secrets = [self._seal.open(sealed, place) for sealed in claim.sealed_secrets]
        body = write_event(*facts)
        return await self._posts[claim.kind].send(url, body, sign(claim.event_id, body, secrets, now=datetime.now(UTC)))


def judge(claim: Claim, answer: Answer) -> Note:
    """What follows from an answer."""
    if answer.error_code is None:
        return Note(answer.status, answer.body)
    # Discord says 404 of a webhook that was deleted, and bans whoever goes on sending to it.
    gone = (httpx.codes.GONE, httpx.codes.NOT_FOUND) if claim.kind == WebhookKind.DISCORD else (httpx.codes.GONE,)
    is_gone = answer.status in gone
    asked_seconds = (answer.retry_after_seconds or 0.0) if answer.status in BUSY else 0.0
    retry_seconds = None
    if not is_gone and claim.attempts < len(RETRY_SECONDS):
        pause_seconds = RETRY_SECONDS[claim.attempts] * random.uniform(*JITTER)  # noqa: S311 - jitter
        retry_seconds = max(pause_seconds, asked_seconds)
    return Note(
        answer.status,
        answer.body,
        answer.error_code,
        answer.error_message,
        retry_seconds=retry_seconds,
        pause_seconds=asked_seconds,
        is_gone=is_gone,
    )


async def _settle(claim: Claim, note: Note) -> None:
    """Write what became of it; if that cannot be written, the claim runs out and it is sent again."""
    for pause_seconds in (*SETTLE_PAUSES_SECONDS, None):
        try:
            if reason := await webhooks.note_attempt(claim, note):
                log.warning("webhook.disabled", webhook_id=claim.webhook_id.hex, reason=reason)
        except (*LOST, TimeoutError) as error:
            log.warning("webhook.note_failed", delivery_id=claim.id.hex, error=str(error))
        else:
            return
        if pause_seconds is not None:
            await asyncio.sleep(pause_seconds)


def open_sender(settings: Settings) -> Sender:
    """A sender for the loop that runs now."""
    posts = {
        WebhookKind.STANDARD: Post(find_own_origins(settings), connections=SLOTS),
        WebhookKind.DISCORD: Post({origin_of(httpx.URL(settings.discord_url))}, connections=SLOTS),
    }
    return Sender(posts, Seal(settings.secret), base_url=settings.base_url, discord_url=settings.discord_url)
