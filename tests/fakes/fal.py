"""fal's queue: submit by path, follow by the addresses it gives, COMPLETED that may be a failure, signed webhooks."""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.fakes.vendor import Answer, Request, Run, Vendor

JWKS = "/.well-known/jwks.json"
MODELS: dict[str, tuple[set[str], set[str]]] = {  # path: required fields, optional fields
    "fal-ai/stable-audio-25/text-to-audio": (
        {"prompt"},
        {"seconds_total", "num_inference_steps", "guidance_scale", "seed", "sync_mode"},
    ),
    "fal-ai/stable-audio-25/audio-to-audio": (
        {"prompt", "audio_url"},
        {"strength", "total_seconds", "num_inference_steps", "guidance_scale", "seed", "sync_mode"},
    ),
    "fal-ai/ace-step": ({"tags"}, {"lyrics", "duration", "number_of_steps", "guidance_scale", "scheduler", "seed"}),
    "fal-ai/elevenlabs/music": (
        {"prompt"},
        {"composition_plan", "music_length_ms", "force_instrumental", "output_format", "respect_sections_durations"},
    ),
    "fal-ai/minimax-music/v2": ({"prompt", "lyrics_prompt"}, {"audio_setting"}),
    "CassetteAI/music-generator": ({"prompt", "duration"}, set()),
    "fal-ai/lyria2": ({"prompt"}, {"negative_prompt", "seed"}),
}
CLIP_MODELS: dict[str, tuple[set[str], set[str]]] = {
    "fal-ai/wan/v2.2-a14b/text-to-video": (
        {"prompt"},
        {"num_frames", "frames_per_second", "resolution", "aspect_ratio", "seed", "interpolator_model"},
    ),
    "fal-ai/minimax/hailuo-02/standard/text-to-video": ({"prompt"}, {"duration", "prompt_optimizer"}),
    "fal-ai/minimax/video-01": ({"prompt"}, {"prompt_optimizer"}),
}
LIMITS = {"num_frames": range(17, 162), "duration": ("6", "10"), "aspect_ratio": ("16:9", "9:16", "1:1")}
OUTPUT_FIELDS = {"CassetteAI/music-generator": "audio_file"}


class FakeFal(Vendor):
    """fal, as far as a client of its queue can tell."""

    name: ClassVar[str] = "fal"
    key: ClassVar[str] = "fal-id:fal-secret"
    error_bodies: ClassVar[Mapping[int, Any]] = {
        401: {"detail": "No user found for Key ID and Secret"},
        402: {"detail": "Insufficient credits"},
        403: {"detail": "User is locked. Reason: Exhausted balance. Top up your balance at fal.ai/dashboard/billing."},
        404: {"detail": "Application 'nothing' not found"},
        422: {"detail": [{"loc": ["body", "duration"], "msg": "Input should be less than 240", "type": "less_than"}]},
        429: {"detail": "Too many requests"},
        500: {"detail": "Internal server error", "error_type": "internal_error"},
        503: {"detail": "Runner scheduling failed", "error_type": "runner_scheduling_failure"},
    }
    clip_models: ClassVar[Mapping[str, Any]] = CLIP_MODELS
    moderated: ClassVar[Answer] = Answer(
        422,
        {"detail": [{"loc": ["body"], "msg": "The content was refused.", "type": "content_policy_violation"}]},
        {"X-Fal-Retryable": "false"},
    )

    def __init__(self) -> None:
        super().__init__()
        self.private_keys = [Ed25519PrivateKey.generate()]

    @property
    def authorization(self) -> str:
        return f"Key {self.key}"

    def is_submit(self, request: Request) -> bool:
        return request.method == "POST"

    def is_open(self, request: Request) -> bool:
        return request.path == JWKS

    def endpoint_of(self, request: Request) -> str:
        return request.path.strip("/")

    def webhook_url_of(self, request: Request) -> str:
        return dict(parse_qsl(request.query)).get("fal_webhook", "")

    def check_input(self, request: Request) -> Answer | None:
        if (endpoint := self.endpoint_of(request)) not in (known := MODELS | CLIP_MODELS):
            return Answer(404, self.error_bodies[404])
        required, optional = known[endpoint]
        given = request.read_json()
        wrong = [("field required", "missing", name) for name in sorted(required - given.keys())]
        wrong += [("Extra inputs are not permitted", "extra", name) for name in given.keys() - required - optional]
        if endpoint in CLIP_MODELS:
            wrong += [
                ("Value not allowed", "one_of", name)
                for name in LIMITS.keys() & given
                if given[name] not in LIMITS[name]
            ]
        items = [{"loc": ["body", name], "msg": told, "type": kind} for told, kind, name in wrong]
        return Answer(422, {"detail": items}) if items else None

    def accept(self, run: Run) -> Answer:
        app = "/".join(run.endpoint.split("/")[:2])  # the subpath is for submitting only
        page = f"{self.url}/{app}/requests/{run.id}"
        if run.plan.ending == "foreign":
            page = f"http://127.0.0.1:1/{app}/requests/{run.id}"
        urls = {"response_url": page, "status_url": f"{page}/status", "cancel_url": f"{page}/cancel"}
        return Answer(200, {"request_id": run.id, "status": "IN_QUEUE", "queue_position": 0, **urls})

    def answer_about_run(self, request: Request) -> Answer:
        if request.path == JWKS:
            return Answer(200, {"keys": [self._jwk(key) for key in self.private_keys]})
        _, _, _, run_id, *rest = request.path.strip("/").split("/")
        run, last = self.find_run(run_id), "".join(rest)
        if last == "status":
            return self._answer_status(run)
        if last == "cancel":
            run.cancelled = not run.is_over
            return Answer(202 if run.cancelled else 400, {"status": "CANCELLATION_REQUESTED"})
        return self._answer_result(run)

    def _answer_status(self, run: Run) -> Answer:
        run.looks += 1
        if run.is_over:
            failed = run.plan.ending in ("broken", "moderated", "refused")
            return Answer(200, {"status": "COMPLETED", "logs": [], **({"error": "failed"} if failed else {})})
        if run.is_waiting:
            return Answer(202, {"status": "IN_QUEUE", "queue_position": run.plan.positions[run.step]})
        logs = [
            {"message": line, "level": "INFO", "source": "USER", "timestamp": "2026-01-01T00:00:00Z"}
            for line in run.logged
        ]
        return Answer(202, {"status": "IN_PROGRESS", "logs": logs})

    def _answer_result(self, run: Run) -> Answer:
        if not run.is_over:
            return Answer(400, {"detail": "Request is still in progress"})
        if run.plan.ending == "broken":
            return Answer(500, {"detail": [{"loc": ["body"], "msg": "It broke", "type": "internal_server_error"}]})
        if run.plan.ending == "moderated":
            return self.moderated
        if run.plan.ending == "refused":
            return Answer(422, self.error_bodies[422])
        if run.endpoint in CLIP_MODELS:
            file = {"url": self.file_url(run), "content_type": "video/mp4", "file_name": "output.mp4"}
            return Answer(200, {"video": file, "seed": 11})
        file = {"url": self.file_url(run), "content_type": "audio/wav", "file_name": "song.wav"}
        return Answer(200, {OUTPUT_FIELDS.get(run.endpoint, "audio"): file, "seed": 11})

    def sign_delivery(self, run: Run, *, timestamp: float) -> tuple[dict[str, str], bytes]:
        body = json.dumps(
            {"request_id": run.id, "gateway_request_id": run.id, "status": "OK", "payload": {}, "error": None}
        ).encode()
        fields = (run.id, "user-1", str(int(timestamp)))
        signed = "\n".join((*fields, hashlib.sha256(body).hexdigest())).encode()
        values = (*fields, self.private_keys[-1].sign(signed).hex())
        names = ("Request-Id", "User-Id", "Timestamp", "Signature")
        return {f"X-Fal-Webhook-{name}": value for name, value in zip(names, values, strict=True)}, body

    def _jwk(self, key: Ed25519PrivateKey) -> dict[str, str]:
        raw = key.public_key().public_bytes_raw()
        return {"kty": "OKP", "crv": "Ed25519", "x": base64.urlsafe_b64encode(raw).rstrip(b"=").decode()}
