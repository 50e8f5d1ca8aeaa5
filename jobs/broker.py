"""The doorbell: Dramatiq over Redis carries job ids and nothing else, and may lose them all without harm."""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from itertools import islice
from typing import Any
from uuid import UUID

import redis
from dramatiq import Message
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import BrokerConnectionError
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from server.logs import get_logger

NAMESPACE = "libretto"
TIMEOUT_SECONDS = 10.0
REST_SECONDS = 1.0  # after a failed ring none is tried for so long; the dispatcher makes up for it
MAX_TOGETHER = 64  # rings of one queue in a batch, as of one round of the dispatcher (`jobs.schedule`)
PAUSE_SECONDS = 0.002  # for each ring of a batch, so that a crowd is rung for together, and somebody alone at once
LOST = (RedisError, OSError, BrokerConnectionError)

log = get_logger(__name__)
logging.getLogger("dramatiq").setLevel(logging.ERROR)  # it reports every reconnect in full; ours are logged by us


class Client(redis.Redis):
    """Calls a reply that never came a lost connection: Dramatiq recovers from that, and from a time-out it does not."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        try:
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call] # redis-py left it so
        except redis.TimeoutError as error:
            raise redis.ConnectionError(f"no answer within {TIMEOUT_SECONDS:.0f} s") from error


class Doorbell(RedisBroker):
    """Dramatiq's broker without its delayed queues: when a job is due is written in its row."""

    def __init__(self, url: str) -> None:
        client = Client.from_url(
            url,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=2.0,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=15,
        )
        super().__init__(  # type: ignore[no-untyped-call] # Dramatiq left it so
            client=client,
            middleware=[],
            namespace=NAMESPACE,
            maintenance_chance=10_000,  # its own recovery of lost messages is a courtesy here, and costs a KEYS
            dead_message_ttl=60_000,
        )

    def declare_queue(self, queue_name: str) -> None:
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    def count_waiting(self, queue_name: str) -> int:
        """How many rings of this queue nobody has answered yet."""
        return int(self.client.llen(f"{NAMESPACE}:{queue_name}"))


class Bell:
    """Rings from async code, in a thread of its own; a ring that fails is logged and never raised.

    A ring only wakes: whoever answers takes all that waits in the queue. So while one batch is rung, the next gathers,
    and of a crowd only as many are rung for as could be answered at once.
    """

    def __init__(self, url: str) -> None:
        self.broker = Doorbell(url)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="bell")
        self._gathered: dict[str, list[tuple[str, UUID]]] = {}
        self._ringer: asyncio.Task[None] | None = None
        self._resting_until = 0.0

    def ring(self, queue: str, kind: str, job_ids: Iterable[UUID]) -> None:
        """Tell the workers of a queue that there is something to do; returns at once."""
        gathered = self._gathered.setdefault(queue, [])
        gathered += [(kind, job_id) for job_id in islice(job_ids, MAX_TOGETHER - len(gathered))]
        if self._ringer is None:
            self._ringer = asyncio.create_task(self._ring_all(), context=Context())  # it is nobody's request

    async def _ring_all(self) -> None:
        try:
            while self._gathered:
                batch, self._gathered = self._gathered, {}
                await asyncio.get_running_loop().run_in_executor(self._thread, self._send, batch)
                await asyncio.sleep(PAUSE_SECONDS * sum(map(len, batch.values())))
        finally:
            self._ringer = None

    def _send(self, batch: Mapping[str, Sequence[tuple[str, UUID]]]) -> None:
        if time.monotonic() < self._resting_until:
            return
        try:
            for queue, rings in batch.items():
                room = 1 if len(rings) == 1 else MAX_TOGETHER - self.broker.count_waiting(queue)
                for kind, job_id in rings[: max(0, room)]:
                    self.broker.enqueue(
                        Message(queue_name=queue, actor_name=kind, args=(job_id.hex, queue), kwargs={}, options={})
                    )
        except LOST as error:
            self._resting_until = time.monotonic() + REST_SECONDS
            log.warning("bell.unrung", queues=[*batch], error=str(error))

    def close(self) -> None:
        """Send what waits and let the connections go."""
        self._thread.submit(self._send, self._gathered)
        self._gathered = {}
        self._thread.shutdown()
        self.broker.client.close()


_bell: Bell | None = None


def open_bell(url: str) -> Bell:
    """Make this process able to ring."""
    global _bell  # noqa: PLW0603 - like the database, one for each process
    _bell = Bell(url)
    return _bell


def close_bell() -> None:
    """Let the connections go."""
    global _bell  # noqa: PLW0603 - see open_bell
    if _bell is not None:
        _bell.close()
        _bell = None


async def ring(queue: str, kind: str, job_id: UUID) -> None:
    """Ring for one job, after its commit; without a bell the dispatcher of a worker finds it."""
    if _bell is not None:
        _bell.ring(queue, kind, [job_id])
