"""How a delivery moves: claimed for a while, then noted; a claim that nobody notes in time is taken again.

Claims are made one at a time on all workers, so that no endpoint is sent more at once than it may be; who holds most
already comes last, and an endpoint that does not answer holds one place, so nobody waits for another's silence. Whoever
locks many deliveries skips those that others hold, or holds their endpoint first, so that nobody waits in a circle.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from server.errors import Conflict, NotFound
from storage import database
from storage.access import Viewer
from storage.rows import first_id_at, new_id, write_id
from storage.webhooks.endpoints import get_own_webhook, require_active
from storage.webhooks.facts import TEST
from storage.webhooks.rows import DisabledReason, WebhookDelivery, WebhookKind

LEASE_SECONDS = 30.0  # twice the deadline of an attempt: what a killed worker was sending is sent again after this
SENDING_PER_WEBHOOK, SENDING_PER_FAILING_WEBHOOK = 2, 1
SENDING_PER_USER = 8
MAX_FAILURES, FAILING_DAYS = 10, 3  # an endpoint that only fails, so often and for so long, is disabled
SILENCE_SECONDS, SILENCE_CAP_SECONDS = (
    5.0,
    300.0,
)  # an endpoint that gives no answer is left alone, twice as long each time
CLAIM_LOCK = 0x77656268  # any number, as long as every version of Libretto takes the same
SWEEP_BATCH = 5_000

HAS_DUE = """
SELECT EXISTS (SELECT FROM webhook_deliveries WHERE state = 'PENDING' AND next_attempt_at <= now())
    OR EXISTS (SELECT FROM webhook_deliveries WHERE state = 'SENDING' AND lease_until <= now()) AS is_due"""

TAKE_BACK = """
UPDATE webhook_deliveries SET state = 'PENDING', lease_until = NULL
FROM (
    SELECT id AS lost_id FROM webhook_deliveries WHERE state = 'SENDING' AND lease_until <= now()
    LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED
) lost WHERE id = lost_id"""

# `waiting` hops from endpoint to endpoint on the index, however many deliveries wait for each.
CLAIM = """
WITH RECURSIVE waiting AS (
    (SELECT webhook_id FROM webhook_deliveries WHERE state = 'PENDING' ORDER BY webhook_id LIMIT 1)
    UNION ALL
    SELECT (SELECT other.webhook_id FROM webhook_deliveries other
        WHERE other.state = 'PENDING' AND other.webhook_id > waiting.webhook_id ORDER BY other.webhook_id LIMIT 1)
    FROM waiting WHERE waiting.webhook_id IS NOT NULL
), sending AS (
    SELECT webhook_id, user_id, count(*) AS count FROM webhook_deliveries WHERE state = 'SENDING' GROUP BY 1, 2
), due AS (
    SELECT next.id, next.next_attempt_at, webhooks.user_id,
        row_number() OVER (PARTITION BY webhooks.user_id ORDER BY next.next_attempt_at, next.id)
            + coalesce((SELECT sum(count) FROM sending WHERE sending.user_id = webhooks.user_id), 0) AS turn
    FROM waiting
    JOIN webhooks ON webhooks.id = waiting.webhook_id AND webhooks.state = 'ACTIVE'
        AND (webhooks.paused_until IS NULL OR webhooks.paused_until <= now())
    LEFT JOIN sending ON sending.webhook_id = webhooks.id
    CROSS JOIN LATERAL (
        SELECT id, next_attempt_at, row_number() OVER (ORDER BY next_attempt_at, id) AS place
        FROM webhook_deliveries
        WHERE webhook_id = webhooks.id AND state = 'PENDING' AND next_attempt_at <= now()
        ORDER BY next_attempt_at, id LIMIT $2
    ) next
    WHERE next.place + coalesce(sending.count, 0) <= CASE WHEN webhooks.failures > 0 THEN $3 ELSE $2 END
)
UPDATE webhook_deliveries SET state = 'SENDING', claims = claims + 1, lease_until = now() + make_interval(secs => $5)
FROM (
    SELECT id AS next_id FROM webhook_deliveries WHERE state = 'PENDING'
        AND id = ANY (ARRAY(SELECT id FROM due WHERE turn <= $4 ORDER BY turn, next_attempt_at LIMIT $1))
    FOR NO KEY UPDATE SKIP LOCKED
) next, webhooks
WHERE webhook_deliveries.id = next_id AND webhooks.id = webhook_deliveries.webhook_id
RETURNING webhook_deliveries.*, webhooks.kind, webhooks.sealed_url, webhooks.sealed_secret,
    CASE WHEN webhooks.previous_secret_until > now() THEN webhooks.sealed_previous_secret END AS sealed_previous_secret
"""

NOTE = """
UPDATE webhook_deliveries SET state = $3::varchar, attempts = attempts + 1, lease_until = NULL, last_attempt_at = now(),
    next_attempt_at = CASE WHEN $3 = 'PENDING' THEN now() + make_interval(secs => $4) END,
    delivered_at = CASE WHEN $3 = 'DELIVERED' THEN now() END,
    response_status = $5, response_body = $6, error_code = $7, error_message = $8
WHERE id = $1 AND claims = $2 AND state = 'SENDING' RETURNING id"""

PRAISE = """
UPDATE webhooks SET failures = 0, failing_since = NULL, paused_until = NULL
WHERE id = $1 AND (failures > 0 OR paused_until IS NOT NULL)"""

BLAME = """
UPDATE webhooks SET failures = failures + 1, failing_since = coalesce(failing_since, now()),
    paused_until = greatest(paused_until, now() + make_interval(secs =>
        CASE WHEN $3 THEN least($4, $5 * 2 ^ least(failures, 10)) ELSE $2 END))
WHERE id = $1"""

DISABLE = """
UPDATE webhooks SET state = 'DISABLED', disabled_at = now(),
    disabled_reason = CASE WHEN $2 THEN 'GONE' ELSE 'FAILING' END
WHERE id = $1 AND state = 'ACTIVE'
    AND ($2 OR (failures >= $3 AND failing_since <= now() - make_interval(days => $4)))
RETURNING disabled_reason"""

END_WAITING = """
UPDATE webhook_deliveries SET state = 'FAILED', next_attempt_at = NULL, lease_until = NULL,
    error_code = 'WEBHOOK_DISABLED', error_message = 'The webhook was disabled before this could be delivered'
WHERE webhook_id = $1 AND state IN ('PENDING', 'SENDING')"""

REPLAY = """
UPDATE webhook_deliveries SET state = 'PENDING', attempts = 0, next_attempt_at = now(), delivered_at = NULL
WHERE id = $1 AND state IN ('DELIVERED', 'FAILED') RETURNING id"""


INSERT_TEST = """
INSERT INTO webhook_deliveries (id, user_id, webhook_id, event_id, type, facts, state, attempts, claims,
    next_attempt_at, created_at)
VALUES ($1, $2, $3, $4, $5, $6, 'PENDING', 0, 0, now(), now())"""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to make one attempt, and all that it takes."""

    id: UUID
    token: int
    webhook_id: UUID
    user_id: UUID
    kind: WebhookKind
    event_id: UUID
    type: str
    facts: dict[str, Any]
    attempts: int
    created_at: datetime
    sealed_url: bytes
    sealed_secrets: tuple[bytes, ...]  # the newest first

    @classmethod
    def of(cls, record: database.Record) -> "Claim":
        """From the row as it was claimed."""
        same = ("id", "webhook_id", "user_id", "event_id", "type", "attempts", "created_at", "sealed_url")
        secrets = (record["sealed_secret"], record["sealed_previous_secret"])
        return cls(
            token=record["claims"],
            kind=WebhookKind(record["kind"]),
            facts=orjson.loads(record["facts"]),
            sealed_secrets=tuple(sealed for sealed in secrets if sealed is not None),
            **{name: record[name] for name in same},
        )


@dataclass(frozen=True, slots=True)
class Note:
    """What became of an attempt."""

    status: int | None = None
    body: str | None = None
    error_code: str | None = None  # None: delivered
    error_message: str | None = None
    retry_seconds: float | None = None  # None: there is no further attempt
    pause_seconds: float = 0.0  # for which the endpoint asks to be left alone
    is_gone: bool = False

    @property
    def state(self) -> str:
        if self.error_code is None:
            return "DELIVERED"
        return "FAILED" if self.retry_seconds is None else "PENDING"


async def has_due() -> bool:
    """Whether there is anything to send, or to take back from a worker that was lost."""
    record = await database.fetch_one(HAS_DUE)
    return record is not None and bool(record["is_due"])


async def claim_deliveries(limit: int) -> list[Claim]:
    """Take up to so many deliveries that are due; none while another worker is taking some."""
    async with database.transaction():
        locked = await database.fetch_one("SELECT pg_try_advisory_xact_lock($1) AS is_mine", CLAIM_LOCK)
        if locked is None or not locked["is_mine"]:
            return []
        await database.fetch(TAKE_BACK)
        records = await database.fetch(
            CLAIM, limit, SENDING_PER_WEBHOOK, SENDING_PER_FAILING_WEBHOOK, SENDING_PER_USER, LEASE_SECONDS
        )
    return [Claim.of(record) for record in records]


async def note_attempt(claim: Claim, note: Note) -> DisabledReason | None:
    """Write what became of an attempt; answers why the endpoint is disabled, if this is what disabled it.

    The endpoint's row is locked first by whoever changes both. A claim that was taken over meanwhile changes nothing.
    """
    async with database.transaction():
        await database.fetch("SELECT id FROM webhooks WHERE id = $1 FOR NO KEY UPDATE", claim.webhook_id)
        noted = await database.fetch(
            NOTE,
            claim.id,
            claim.token,
            note.state,
            note.retry_seconds or 0.0,
            note.status,
            note.body,
            note.error_code,
            note.error_message,
        )
        if not noted:
            return None
        if note.error_code is None:
            await database.fetch(PRAISE, claim.webhook_id)
            return None
        await database.fetch(
            BLAME, claim.webhook_id, note.pause_seconds, note.status is None, SILENCE_CAP_SECONDS, SILENCE_SECONDS
        )
        disabled = await database.fetch_one(DISABLE, claim.webhook_id, note.is_gone, MAX_FAILURES, FAILING_DAYS)
        if disabled is None:
            return None
        await database.fetch(END_WAITING, claim.webhook_id)
        return DisabledReason(disabled["disabled_reason"])


async def write_test(viewer: Viewer, webhook_id: UUID) -> WebhookDelivery:
    """Send an event to one endpoint that stands for nothing."""
    webhook = await get_own_webhook(viewer, webhook_id)
    require_active(webhook)
    delivery_id, facts = new_id(), {"webhookId": write_id("webhook", webhook.id)}
    await database.fetch(
        INSERT_TEST, delivery_id, webhook.user_id, webhook.id, new_id(), TEST, orjson.dumps(facts).decode()
    )
    return await WebhookDelivery.get(id=delivery_id)


async def get_own_delivery(viewer: Viewer, delivery_id: UUID) -> WebhookDelivery:
    """A delivery to an endpoint of the viewer's; NotFound otherwise."""
    delivery = await WebhookDelivery.get_or_none(id=delivery_id, user_id=viewer.require_user())
    if delivery is None:
        raise NotFound("There is no such delivery")
    return delivery


async def replay_delivery(viewer: Viewer, delivery_id: UUID) -> WebhookDelivery:
    """Deliver again what was delivered or has failed, under the same event id."""
    delivery = await get_own_delivery(viewer, delivery_id)
    require_active(await get_own_webhook(viewer, delivery.webhook_id))
    if not await database.fetch(REPLAY, delivery_id):
        raise Conflict("The delivery is still on its way")
    return await WebhookDelivery.get(id=delivery_id)


async def read_oldest_due_seconds() -> float:
    """For how long the delivery that has been due longest has waited."""
    record = await database.fetch_one(
        "SELECT coalesce(extract(epoch FROM now() - min(next_attempt_at)), 0)::float8 AS age FROM webhook_deliveries"
        " WHERE state = 'PENDING' AND next_attempt_at <= now()"
    )
    return float(record["age"]) if record else 0.0


async def sweep_deliveries(days: int) -> int:
    """Forget the deliveries of events that are older than this; answers how many."""
    before = first_id_at(datetime.now(UTC) - timedelta(days=days))
    swept = 0
    while True:
        gone = await database.fetch(
            "DELETE FROM webhook_deliveries WHERE id IN (SELECT id FROM webhook_deliveries WHERE id < $1 LIMIT $2"
            " FOR UPDATE SKIP LOCKED) RETURNING id",
            before,
            SWEEP_BATCH,
        )
        swept += len(gone)
        if len(gone) < SWEEP_BATCH:
            return swept
