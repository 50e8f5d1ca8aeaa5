"""fal: models behind a queue (https://queue.fal.run), addressed by path, with the input as the whole body."""

from typing import Any, ClassVar

from httpx import QueryParams

from jobs.providers import failures
from jobs.providers.base import MODERATED, Call, MusicProvider, Pace, read_fraction
from jobs.providers.failures import Setback
from jobs.providers.models import Model, W
from jobs.providers.wire import Reply
from jobs.providers.wish import Status, Submission

BASE_URL = "https://queue.fal.run"
START_SECONDS = 1800  # a request that was not started by then is dropped by fal itself
EMPTY = ("exhausted balance", "user is locked", "top up")


class FalProvider(MusicProvider):
    """The queue's subpaths are for submitting only, so the addresses it answers with are followed, never built.

    Its status COMPLETED means ended, not succeeded: a failure shows in the result alone.
    """

    name: ClassVar[str] = "fal"
    _cancel_method: ClassVar[str] = "PUT"

    def __init__(self, key: str, base_url: str = BASE_URL, *, pace: Pace | None = None) -> None:
        super().__init__(key, base_url, pace=pace)

    async def read_status(self, submission: Submission) -> Status:
        """Its place in the queue, or what it logs."""
        reply = await self._look(f"{submission.status_url}?logs=1")
        if reply.status >= 300:
            raise self._read_failure(reply)
        answer = reply.read_object()
        state, logs = answer.get("status"), answer.get("logs")
        lines = [str(line.get("message", "")) for line in logs if isinstance(line, dict)] if logs else []
        if state == "COMPLETED":
            return Status("done")
        if state == "IN_PROGRESS":
            return Status("composing", fraction=read_fraction(lines), news=f"{state} {len(lines)} {lines[-1:]}")
        if state == "IN_QUEUE":
            position = answer.get("queue_position")
            return Status("waiting", position if isinstance(position, int) else None, news=f"{state} {position}")
        raise failures.Unreachable(self.name, "an unknown status", may_still_come=True)

    async def read_output(self, submission: Submission) -> Any:
        """The model's output; a run that failed answers with the error here."""
        reply = await self._look(submission.response_url, is_result=True)
        if reply.status == 400 and "in progress" in str(reply.read_object().get("detail")):
            raise failures.Unreachable(self.name, "the result is not there yet", may_still_come=True)
        if reply.status in (404, 410):
            raise failures.ResultLost(self.name, "the result has expired")
        if reply.status >= 300:
            raise self._read_failure(reply)
        answer = reply.read_object()
        if answer.get("error_type") or isinstance(answer.get("error"), str):
            raise self._name_failure(500, answer)
        return answer

    def _authorize(self, key: str) -> str:
        return f"Key {key}"

    def _write_call(self, model: Model[W], wish: W, webhook_url: str | None) -> Call:
        path = f"/{model.endpoint}"
        if webhook_url:
            path += f"?{QueryParams(fal_webhook=webhook_url)}"
        return Call(path, model.input_of(wish), {"X-Fal-Request-Timeout": str(START_SECONDS)})

    def _read_submission(self, model: Model[Any], answer: dict[str, Any]) -> Submission | None:
        names = ("request_id", "status_url", "response_url", "cancel_url")
        return self._name_submission(model, *map(answer.get, names))

    def _read_failure(self, reply: Reply, *, nothing_accepted: bool = False) -> Setback:
        return self._name_failure(
            reply.status,
            reply.read_object(),
            nothing_accepted=nothing_accepted,
            retry_after_seconds=reply.retry_after_seconds,
        )

    def _name_failure(self, status: int, answer: dict[str, Any], **how: Any) -> Setback:
        told, kinds = read_detail(answer)
        return find_failure(status, told, kinds, has_answer=bool(answer))(self.name, told, **how)


def read_detail(answer: dict[str, Any]) -> tuple[str, set[str]]:
    """What fal says, and the kinds of error it names."""
    detail = answer.get("detail") or answer.get("error") or ""
    items = [item for item in detail if isinstance(item, dict)] if isinstance(detail, list) else []
    kinds = {str(item.get("type")) for item in items} | {str(answer.get("error_type"))}
    told = "; ".join(str(item.get("msg", "")) for item in items) if items else str(detail)
    return told, kinds - {"None"}


def find_failure(status: int, told: str, kinds: set[str], *, has_answer: bool) -> type[Setback]:
    """Which failure an answer stands for; the three shapes of fal's errors are told apart here."""
    if kinds & {"content_policy_violation"} or (status in (400, 403, 422) and MODERATED.search(told)):
        return failures.ContentRefused
    if status == 402 or (status == 403 and any(word in told.lower() for word in EMPTY)):
        return failures.OutOfCredit
    if status in (401, 403):
        return failures.Unauthorized
    if status in (404, 405):
        return failures.ModelMissing
    if status == 429:
        return failures.Busy
    if status in (408, 504) or any("timeout" in kind for kind in kinds):
        return failures.TimedOut
    if any(kind.startswith("downstream_service") for kind in kinds):
        return failures.RunFailed
    if 400 <= status < 500:
        return failures.InputRefused
    is_run = has_answer and not any(kind.startswith("runner_") for kind in kinds)
    return failures.RunFailed if is_run else failures.Unreachable
