"""Replicate: predictions (https://api.replicate.com/v1), one page each that says all about it."""

import re
from typing import Any, ClassVar

from jobs.providers import failures
from jobs.providers.base import MODERATED, Call, MusicProvider, Pace, read_fraction
from jobs.providers.failures import Setback
from jobs.providers.models import Model, W
from jobs.providers.wire import Reply
from jobs.providers.wish import Status, Submission

BASE_URL = "https://api.replicate.com"
CANCEL_AFTER = "30m"  # Replicate's own deadline from the creation on: what nobody follows any more ends by itself
VERSION = re.compile(r"[0-9a-f]{64}")
AVAILABLE_IN = re.compile(r"in ~?(\d+(?:\.\d+)?) ?s")
FAILURES: dict[int, type[Setback]] = {
    401: failures.Unauthorized,
    402: failures.OutOfCredit,
    403: failures.Unauthorized,
    404: failures.ModelMissing,
    429: failures.Busy,
}


class ReplicateProvider(MusicProvider):
    """Official models are asked by name, those of the community by version.

    What an API prediction puts out is deleted after an hour; some of its files want our key, which no other host gets.
    """

    name: ClassVar[str] = "replicate"
    token_hosts: ClassVar[tuple[str, ...]] = ("replicate.delivery",)
    _cancel_method: ClassVar[str] = "POST"

    def __init__(self, key: str, base_url: str = BASE_URL, *, pace: Pace | None = None) -> None:
        super().__init__(key, base_url, pace=pace)

    async def read_status(self, submission: Submission) -> Status:
        """Its status and logs; a prediction that failed is raised as what its error says."""
        answer = await self._read_prediction(submission)
        state, lines = answer.get("status"), re.split(r"[\r\n]+", str(answer.get("logs") or ""))
        if state == "succeeded":
            return Status("done")
        if state == "starting":
            return Status("waiting", news="starting")
        if state == "processing":
            return Status("composing", fraction=read_fraction(filter(None, lines)), news=f"processing {lines[-1]}")
        raise self._name_end(state, str(answer.get("error") or ""))

    async def read_output(self, submission: Submission) -> Any:
        """The model's output."""
        answer = await self._read_prediction(submission)
        if answer.get("data_removed") or not answer.get("output"):
            raise failures.ResultLost(self.name, "the output was removed")
        return answer["output"]

    async def read_webhook_secret(self) -> str:
        """The secret that signs this account's webhooks: `whsec_…`."""
        reply = await self._look("/v1/webhooks/default/secret")
        if reply.status >= 300:
            raise self._read_failure(reply)
        return str(reply.read_object().get("key", ""))

    async def _read_prediction(self, submission: Submission) -> dict[str, Any]:
        reply = await self._look(submission.status_url)
        if reply.status >= 300:
            raise self._read_failure(reply)
        return reply.read_object()

    def _name_end(self, state: object, error: str) -> Setback:
        if state == "failed":
            kind = failures.ContentRefused if MODERATED.search(error) else failures.RunFailed
            return kind(self.name, error)
        if state in ("canceled", "aborted"):
            return failures.TimedOut(self.name, f"it was {state} over there")
        return failures.Unreachable(self.name, "an unknown status", may_still_come=True)

    def _authorize(self, key: str) -> str:
        return f"Bearer {key}"

    def _write_call(self, model: Model[W], wish: W, webhook_url: str | None) -> Call:
        given: dict[str, Any] = {"input": model.input_of(wish)}
        if webhook_url:
            given |= {"webhook": webhook_url, "webhook_events_filter": ["completed"]}
        if VERSION.fullmatch(model.endpoint):
            return Call("/v1/predictions", given | {"version": model.endpoint}, {"Cancel-After": CANCEL_AFTER})
        return Call(f"/v1/models/{model.endpoint}/predictions", given, {"Cancel-After": CANCEL_AFTER})

    def _read_submission(self, model: Model[Any], answer: dict[str, Any]) -> Submission | None:
        urls = answer.get("urls")
        if not isinstance(urls, dict):
            return None
        return self._name_submission(model, answer.get("id"), urls.get("get"), urls.get("get"), urls.get("cancel"))

    def _read_failure(self, reply: Reply, *, nothing_accepted: bool = False) -> Setback:
        told = str(reply.read_object().get("detail") or reply.read_object().get("title") or "")
        kind = FAILURES.get(reply.status, failures.InputRefused if reply.status < 500 else failures.Unreachable)
        if "Invalid version" in str(reply.read_object().get("title")):
            kind = failures.ModelMissing
        elif kind is failures.InputRefused and MODERATED.search(told):
            kind = failures.ContentRefused
        wait_seconds = reply.retry_after_seconds
        if wait_seconds is None and (found := AVAILABLE_IN.search(told)):
            wait_seconds = float(found[1])
        return kind(self.name, told, nothing_accepted=nothing_accepted, retry_after_seconds=wait_seconds)
