"""Progress, heartbeat and cancellation in one call: `report(fraction, stage)`."""

import threading
import time

from jobs.bridge import wait
from server.errors import JobCancelled, JobInterrupted, LeaseLost
from server.logs import get_logger
from storage import jobs
from storage.database import LOST
from storage.jobs import LEASE_SECONDS, Lease
from storage.lifecycle import State

SHOW_SECONDS = 0.25  # progress within a stage is written this often and no more
BEAT_SECONDS = 1.0  # and this often even if there is none, so that a cancel is heard within it
BEAT_TIMEOUT_SECONDS = 5.0

log = get_logger(__name__)


class Progress:
    """Writes how far a job is, keeps its lease, and raises JobStopped as soon as the work must end."""

    def __init__(self, lease: Lease, interrupted: threading.Event) -> None:
        self._lease = lease
        self._interrupted = interrupted
        self._heard_at = time.monotonic()
        self._shown = (0.0, "starting", "")
        self._shown_at = 0.0

    def __call__(self, fraction: float, stage: str, message: str = "") -> None:
        if self._interrupted.is_set():
            raise JobInterrupted
        shown = (min(1.0, max(self._shown[0], round(fraction, 4))), stage, message)
        waited = time.monotonic() - self._shown_at
        if stage == self._shown[1] and waited < (BEAT_SECONDS if shown == self._shown else SHOW_SECONDS):
            return
        self._shown, self._shown_at = shown, time.monotonic()
        self._beat(*shown)

    def _beat(self, fraction: float, stage: str, message: str) -> None:
        try:
            held = wait(jobs.beat(self._lease, fraction, stage, message), BEAT_TIMEOUT_SECONDS)
            if held is None:
                cancelled = wait(jobs.holds(self._lease, State.CANCELLED), BEAT_TIMEOUT_SECONDS)
                raise JobCancelled if cancelled else LeaseLost
            self._heard_at = time.monotonic()
        except (*LOST, TimeoutError) as error:
            log.warning("beat.unheard", error=str(error))
            if time.monotonic() - self._heard_at > LEASE_SECONDS:
                raise LeaseLost("No heartbeat was heard for longer than the lease") from error
