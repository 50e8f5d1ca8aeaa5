"""Webhooks: endpoints that are told what happens, what was delivered to them, and delivering it again."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import strawberry

from jobs import webhooks as webhook_jobs
from jobs.webhooks.messages import write_event
from schema.context import Context, Info
from schema.failures import Conflict, NotFound, RateLimited, ValidationFailed
from schema.mutation import mutation
from schema.nodes import Node, node_id
from schema.pages import After, Connection, First
from schema.reads import computed, relation
from schema.roots import One, Page
from storage import webhooks
from storage.access import OWNER
from storage.rows import read_id, write_id
from storage.webhooks import DeliveryState, DisabledReason, WebhookKind, WebhookState
from storage.webhooks.facts import COVER_SAVED, ENDINGS

WEBHOOKS = Page(webhooks.Webhook, OWNER)
DELIVERIES = Page(webhooks.WebhookDelivery, OWNER, {"webhook_id": "webhook"})

strawberry.enum(WebhookKind, description="What the receiver understands: Standard Webhooks 1.0, or Discord's messages.")
strawberry.enum(WebhookState, description="Whether an endpoint is sent anything.")
strawberry.enum(
    DisabledReason,
    name="WebhookDisabledReason",
    description="GONE: it answered that it is gone for good. FAILING: for days it did nothing but fail.",
)
strawberry.enum(
    DeliveryState, name="WebhookDeliveryState", description="Where a delivery stands; the last two are final."
)


@strawberry.enum(
    description="What an endpoint can be told of; a payload says `cover.saved`, `job.completed` and so on."
)
class WebhookEvent(StrEnum):
    COVER_SAVED = COVER_SAVED
    JOB_COMPLETED = ENDINGS["COMPLETE"]
    JOB_FAILED = ENDINGS["FAILED"]
    JOB_CANCELLED = ENDINGS["CANCELLED"]


@strawberry.type(description="An address of yours that is told what happens.")
class Webhook(Node):
    rows = (webhooks.Webhook,)
    door = One(webhooks.Webhook, OWNER, "webhook")

    id: strawberry.ID = node_id("webhook")
    kind: WebhookKind
    events: list[WebhookEvent]
    description: str
    state: WebhookState
    disabled_reason: DisabledReason | None
    disabled_at: datetime | None
    failures: int = strawberry.field(description="Attempts that have failed since the last that succeeded.")
    failing_since: datetime | None
    paused_until: datetime | None = strawberry.field(
        description="It did not answer, or asked to be left alone until then."
    )
    previous_secret_until: datetime | None = strawberry.field(
        description="Until then the secret before the last rotation signs as well."
    )
    created_at: datetime

    @computed("shown_url")
    @staticmethod
    def url(root: Any) -> str:
        """Where it is; without the part that is a secret, where Discord is."""
        shown: str = root.shown_url
        return shown


@strawberry.type(description="Why an attempt failed.")
class WebhookDeliveryError:
    code: str
    message: str


@strawberry.type(description="One event on its way to one endpoint.")
class WebhookDelivery(Node):
    rows = (webhooks.WebhookDelivery,)
    door = One(webhooks.WebhookDelivery, OWNER, "delivery")

    id: strawberry.ID = node_id("delivery")
    type: str = strawberry.field(description="Such as `job.completed`.")
    state: DeliveryState
    attempts: int
    next_attempt_at: datetime | None
    last_attempt_at: datetime | None
    delivered_at: datetime | None
    response_status: int | None
    response_body: str | None = strawberry.field(description="The first 2 kB of what was answered.")
    created_at: datetime
    webhook: Webhook | None = relation(lambda: webhooks.Webhook, "webhook_id", description="Where it goes.")

    @computed("event_id")
    @staticmethod
    def event_id(root: Any) -> strawberry.ID:
        """The header `webhook-id`: the same at each attempt and replay, and at each of your endpoints."""
        return strawberry.ID(write_id("event", root.event_id))

    @computed("type", "facts", "created_at")
    @staticmethod
    def payload(root: Any, info: Info) -> str:
        """The event as JSON; Discord is sent a message that is made of it."""
        return write_event(root.type, root.facts, root.created_at, info.context.settings.base_url).decode()

    @computed("error_code", "error_message")
    @staticmethod
    def error(root: Any) -> WebhookDeliveryError | None:
        """Why the last attempt failed."""
        if root.error_code is None:
            return None
        return WebhookDeliveryError(code=root.error_code, message=root.error_message)


@strawberry.type(description="The webhook is there; its secret is shown this once, and Discord's has none.")
class WebhookCreated:
    webhook: Webhook
    secret: str | None


@strawberry.type(description="The webhook as it is now.")
class WebhookUpdated:
    webhook: Webhook


@strawberry.type(description="The webhook and its deliveries are gone.")
class WebhookDeleted:
    id: strawberry.ID


@strawberry.type(description="The new secret is shown this once; for a day the one before signs as well.")
class WebhookSecretRotated:
    webhook: Webhook
    secret: str


@strawberry.type(description="The webhook is sent events again.")
class WebhookEnabled:
    webhook: Webhook


@strawberry.type(description="A test is on its way.")
class WebhookTestSent:
    delivery: WebhookDelivery


@strawberry.type(description="The delivery is on its way again.")
class DeliveryReplayed:
    delivery: WebhookDelivery


@strawberry.input
class CreateWebhookInput:
    url: str = strawberry.field(
        description="An https:// address on port 443 or 8443; for DISCORD, as Discord gives it."
    )
    events: list[WebhookEvent]
    kind: WebhookKind = WebhookKind.STANDARD
    description: str = ""


@strawberry.input
class UpdateWebhookInput:
    webhook_id: strawberry.ID
    url: str | None = None
    events: list[WebhookEvent] | None = None
    description: str | None = None


CreateWebhookResult = Annotated[WebhookCreated | ValidationFailed | Conflict, strawberry.union("CreateWebhookResult")]
UpdateWebhookResult = Annotated[WebhookUpdated | ValidationFailed | NotFound, strawberry.union("UpdateWebhookResult")]
DeleteWebhookResult = Annotated[WebhookDeleted | NotFound, strawberry.union("DeleteWebhookResult")]
RotateWebhookSecretResult = Annotated[
    WebhookSecretRotated | NotFound | Conflict, strawberry.union("RotateWebhookSecretResult")
]
EnableWebhookResult = Annotated[WebhookEnabled | NotFound | Conflict, strawberry.union("EnableWebhookResult")]
SendTestWebhookResult = Annotated[
    WebhookTestSent | NotFound | Conflict | RateLimited, strawberry.union("SendTestWebhookResult")
]
ReplayDeliveryResult = Annotated[
    DeliveryReplayed | NotFound | Conflict | RateLimited, strawberry.union("ReplayDeliveryResult")
]


@strawberry.type
class WebhookQuery:
    @strawberry.field(description="Your webhooks, newest first.", metadata={"reads": WEBHOOKS})
    async def webhooks(self, info: Info, first: First, after: After = None) -> Connection[Webhook]:
        return await WEBHOOKS.read(info.context, first, after)

    @strawberry.field(
        description="What was sent to your webhooks, or to one of them, newest first.", metadata={"reads": DELIVERIES}
    )
    async def webhook_deliveries(
        self, info: Info, first: First, after: After = None, webhook_id: strawberry.ID | None = None
    ) -> Connection[WebhookDelivery]:
        return await DELIVERIES.read(info.context, first, after, webhook_id=webhook_id)


@strawberry.type
class WebhookMutation:
    @mutation
    async def create_webhook(self, info: Info, input: CreateWebhookInput) -> CreateWebhookResult | None:  # noqa: A002 - the API's name
        """Have an address told what happens; ten for each account."""
        context: Context = info.context
        wish = webhook_jobs.Wish(input.url, [event.value for event in input.events], input.description)
        webhook, secret = await webhook_jobs.create_webhook(context.viewer, input.kind, wish, context.settings)
        return WebhookCreated(webhook=Webhook.of(webhook), secret=secret)

    @mutation
    async def update_webhook(self, info: Info, input: UpdateWebhookInput) -> UpdateWebhookResult | None:  # noqa: A002 - the API's name
        """Change what is given; what waits goes to the new address."""
        context: Context = info.context
        events = None if input.events is None else [event.value for event in input.events]
        wish = webhook_jobs.Wish(input.url, events, input.description)
        webhook_id = read_id("webhook", input.webhook_id)
        webhook = await webhook_jobs.update_webhook(context.viewer, webhook_id, wish, context.settings)
        return WebhookUpdated(webhook=Webhook.of(webhook))

    @mutation
    async def delete_webhook(self, info: Info, webhook_id: strawberry.ID) -> DeleteWebhookResult | None:
        """Forget an address and what was delivered to it."""
        await webhook_jobs.delete_webhook(info.context.viewer, read_id("webhook", webhook_id))
        return WebhookDeleted(id=webhook_id)

    @mutation
    async def rotate_webhook_secret(self, info: Info, webhook_id: strawberry.ID) -> RotateWebhookSecretResult | None:
        """Sign with a new secret, and for 24 hours with the one before as well."""
        context: Context = info.context
        row_id = read_id("webhook", webhook_id)
        webhook, secret = await webhook_jobs.rotate_secret(context.viewer, row_id, context.settings)
        return WebhookSecretRotated(webhook=Webhook.of(webhook), secret=secret)

    @mutation
    async def enable_webhook(self, info: Info, webhook_id: strawberry.ID) -> EnableWebhookResult | None:
        """Send events again to a webhook that was disabled; those that it missed meanwhile are not made up for."""
        webhook = await webhook_jobs.enable_webhook(info.context.viewer, read_id("webhook", webhook_id))
        return WebhookEnabled(webhook=Webhook.of(webhook))

    @mutation
    async def send_test_webhook(self, info: Info, webhook_id: strawberry.ID) -> SendTestWebhookResult | None:
        """Send `webhook.test`, whatever else the webhook is told of; tests and replays together are ten a minute."""
        delivery = await webhook_jobs.send_test(info.context.viewer, read_id("webhook", webhook_id))
        return WebhookTestSent(delivery=WebhookDelivery.of(delivery))

    @mutation
    async def replay_delivery(self, info: Info, delivery_id: strawberry.ID) -> ReplayDeliveryResult | None:
        """Deliver again what was delivered or has failed, with all its attempts and the same event id."""
        delivery = await webhook_jobs.replay_delivery(info.context.viewer, read_id("delivery", delivery_id))
        return DeliveryReplayed(delivery=WebhookDelivery.of(delivery))
