"""Replicate's predictions: one page for each, official models by name and others by version, signed webhooks."""

import base64
import hmac
import json
from collections.abc import Mapping
from typing import Any, ClassVar

from jobs.providers.songs import ACE_STEP, MUSICGEN
from tests.fakes.vendor import Answer, Request, Run, Vendor

SECRET_PATH = "/v1/webhooks/default/secret"
SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four!").decode()
MODELS: dict[str, tuple[set[str], set[str]]] = {  # name or version: required fields, optional fields
    MUSICGEN: (
        set(),
        {"prompt", "duration", "model_version", "output_format", "normalization_strategy", "seed", "temperature"}
        | {"input_audio", "continuation"},
    ),
    ACE_STEP: ({"tags"}, {"lyrics", "duration", "number_of_steps", "guidance_scale", "scheduler", "seed"}),
    "minimax/music-1.5": ({"prompt", "lyrics"}, {"audio_format", "bitrate", "sample_rate"}),
}
CLIP_MODELS: dict[str, tuple[set[str], set[str]]] = {
    "bytedance/seedance-1-lite": (
        {"prompt"},
        {"duration", "resolution", "aspect_ratio", "fps", "seed", "camera_fixed", "image", "last_frame_image"},
    ),
    "wan-video/wan-2.2-t2v-fast": (
        {"prompt"},
        {"num_frames", "frames_per_second", "resolution", "aspect_ratio", "seed", "go_fast", "sample_shift"},
    ),
    "minimax/video-01": ({"prompt"}, {"prompt_optimizer", "first_frame_image", "subject_reference"}),
}
LIMITS = {"num_frames": range(81, 122), "duration": range(2, 13), "aspect_ratio": ("16:9", "9:16", "1:1")}
STATUS_OF_ENDINGS = {"broken": "failed", "moderated": "failed", "refused": "failed"}
ERROR_OF_ENDINGS = {
    "broken": "CUDA out of memory. Tried to allocate 2.00 GiB",
    "moderated": "The input or output was flagged as sensitive. Please try again with different inputs. (E005)",
    "refused": "Lyrics are too short",
}


def tell_problem(status: int, title: str, detail: str, **more: Any) -> dict[str, Any]:
    """An error in Replicate's form."""
    return {"title": title, "detail": detail, "status": status, **more}


class FakeReplicate(Vendor):
    """Replicate, as far as a client of its predictions can tell."""

    name: ClassVar[str] = "replicate"
    key: ClassVar[str] = "r8_secret"
    error_bodies: ClassVar[Mapping[int, Any]] = {
        401: tell_problem(401, "Unauthenticated", "Invalid or expired API token."),
        402: tell_problem(402, "Insufficient credit", "You have insufficient credit to run this model."),
        403: tell_problem(403, "Forbidden", "You may not run this model."),
        404: tell_problem(404, "Not found", "The requested resource could not be found."),
        422: tell_problem(422, "Input validation failed", "- input.duration: Must be less than 240\n"),
        429: tell_problem(429, "Too many requests", "Request was throttled. Your rate limit resets in ~30s."),
        500: tell_problem(500, "Internal server error", "Something went wrong."),
        503: tell_problem(503, "Service unavailable", "Come back later."),
    }
    clip_models: ClassVar[Mapping[str, Any]] = CLIP_MODELS

    @property
    def authorization(self) -> str:
        return f"Bearer {self.key}"

    def is_submit(self, request: Request) -> bool:
        return request.method == "POST" and request.path.endswith("/predictions")

    def is_open(self, request: Request) -> bool:
        return request.path == ""  # nothing is

    def endpoint_of(self, request: Request) -> str:
        if request.path == "/v1/predictions":
            return str(request.read_json().get("version"))
        return "/".join(request.path.split("/")[3:5])

    def webhook_url_of(self, request: Request) -> str:
        return str(request.read_json().get("webhook", ""))

    def check_input(self, request: Request) -> Answer | None:
        if (endpoint := self.endpoint_of(request)) not in (known := MODELS | CLIP_MODELS):
            told = "The specified version does not exist (or perhaps you don't have permission to use it?)"
            return Answer(422, tell_problem(422, "Invalid version or not permitted", told))
        required, optional = known[endpoint]
        given = request.read_json()["input"]
        wrong = [("required", name) for name in sorted(required - given.keys())]
        wrong += [("additional_property_not_allowed", name) for name in given.keys() - required - optional]
        if endpoint in CLIP_MODELS:
            wrong += [("one_of", name) for name in LIMITS.keys() & given if given[name] not in LIMITS[name]]
        if not wrong:
            return None
        fields = [{"type": kind, "field": f"input.{name}", "description": kind} for kind, name in wrong]
        told = "".join(f"- input: {name} is {kind}\n" for kind, name in wrong)
        return Answer(422, tell_problem(422, "Input validation failed", told, invalid_fields=fields))

    def accept(self, run: Run) -> Answer:
        return Answer(201, self._show(run))

    def answer_about_run(self, request: Request) -> Answer:
        if request.path == SECRET_PATH:
            return Answer(200, {"key": SECRET})
        run = self.find_run(request.path.split("/")[3])
        if request.path.endswith("/cancel"):
            run.cancelled = not run.is_over
        else:
            run.looks += 1
        return Answer(200, self._show(run))

    def _show(self, run: Run) -> dict[str, Any]:
        page = f"{self.url}/v1/predictions/{run.id}"
        if run.plan.ending == "foreign":
            page = f"http://127.0.0.1:1/v1/predictions/{run.id}"
        status = self._name_status(run)
        return {
            "id": run.id,
            "model": "somebody/model",
            "version": "hidden",
            "input": run.given.get("input"),
            "output": self.file_url(run) if status == "succeeded" else None,
            "logs": "\n".join(run.logged),
            "error": ERROR_OF_ENDINGS.get(run.plan.ending) if status == "failed" else None,
            "status": status,
            "urls": {"get": page, "cancel": f"{page}/cancel", "web": "https://replicate.com/p/1"},
        }

    def _name_status(self, run: Run) -> str:
        if run.cancelled:
            return "canceled"
        if run.looks == 0 or run.is_waiting:
            return "starting"
        return STATUS_OF_ENDINGS.get(run.plan.ending, "succeeded") if run.is_over else "processing"

    def sign_delivery(self, run: Run, *, timestamp: float) -> tuple[dict[str, str], bytes]:
        body = json.dumps(self._show(run)).encode()
        fields = (f"msg_{run.id}", str(int(timestamp)))
        key = base64.b64decode(SECRET.removeprefix("whsec_"))
        signature = base64.b64encode(hmac.digest(key, b".".join((*map(str.encode, fields), body)), "sha256")).decode()
        names = ("webhook-id", "webhook-timestamp", "webhook-signature")
        return dict(zip(names, (*fields, f"v1,{signature}"), strict=True)), body
