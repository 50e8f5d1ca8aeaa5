"""Whether this process lives, whether it can serve, and what it counts."""

import asyncio
import time

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from jobs.queue import QUEUES
from server import metrics
from server.deadlines import within
from server.resources import Resources
from storage import jobs, webhooks
from storage.database import LOST

CHECK_SECONDS = 2.0
REMEMBERED_SECONDS = 1.0  # however often it is asked


class Health:
    """The three routes that machines look at."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._checked_at = -REMEMBERED_SECONDS
        self._problems: dict[str, str] = {}
        self._lock = asyncio.Lock()
        self.draining = False

    def routes(self) -> list[Route]:
        """`/healthz`, `/readyz` and `/metrics`."""
        return [
            Route("/healthz", self.is_alive),
            Route("/readyz", self.is_ready),
            Route("/metrics", self.show_metrics),
        ]

    async def is_alive(self, _request: Request) -> Response:
        """The process and its loop live; nothing else is asked."""
        return JSONResponse({"status": "ok"})

    async def is_ready(self, _request: Request) -> Response:
        """All that requests need answers; 503 names what does not."""
        problems = {"draining": "This process is stopping"} if self.draining else await self._find_problems()
        if problems:
            return JSONResponse({"status": "unavailable", "problems": problems}, 503, {"Retry-After": "2"})
        return JSONResponse({"status": "ok"})

    async def show_metrics(self, _request: Request) -> Response:
        """Prometheus' format."""
        try:
            for queue in await within(CHECK_SECONDS, jobs.read_queue_health(QUEUES)):
                metrics.QUEUE_DEPTH.labels(queue.name).set(queue.depth)
                metrics.QUEUE_AGE_SECONDS.labels(queue.name).set(queue.oldest_age_seconds)
                metrics.QUEUE_RUNNING.labels(queue.name).set(queue.running)
            metrics.WEBHOOK_AGE_SECONDS.set(await within(CHECK_SECONDS, webhooks.read_oldest_due_seconds()))
        except (*LOST, TimeoutError):
            pass  # what this process counts itself is worth having all the same
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    async def _find_problems(self) -> dict[str, str]:
        async with self._lock:
            if time.monotonic() - self._checked_at >= REMEMBERED_SECONDS:
                try:
                    self._problems = await within(CHECK_SECONDS, self._resources.find_problems())
                except TimeoutError:
                    self._problems = {"checks": f"No answer within {CHECK_SECONDS:.0f} s"}
                self._checked_at = time.monotonic()
            return self._problems
