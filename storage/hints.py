"""Hints: a provider has told us that something over there is worth a look; heard by who waits for it, if anybody does.

A hint may be lost, forged or late: it only ends a pause early, and whoever waits looks without one too.
"""

import asyncio
import hashlib
from collections import OrderedDict

from redis.asyncio import Redis
from redis.exceptions import RedisError

from server.errors import Unavailable
from server.logs import get_logger
from storage.events import connect

TOPIC = "hints"
LISTEN_SECONDS = 5.0  # each reading; between two of them the connection's health is looked after
REST_SECONDS = 1.0
MAX_KNOWN = 10_000  # anybody's fal account can have fal sign what it likes; it only takes the room of other hints

# KEYS[1]: the delivery; ARGV: how long it is remembered in ms, the topic, what it is about. Answers 1 for a new one.
ADMIT = """
if not redis.call('SET', KEYS[1], '', 'NX', 'PX', ARGV[1]) then return 0 end
redis.call('PUBLISH', ARGV[2], ARGV[3])
return 1
"""

log = get_logger(__name__)


async def pass_on(client: Redis, delivery_id: str, subject: str, *, remembered_seconds: float) -> bool:
    """Tell all workers, unless this very delivery was here before; whether it is new."""
    key = f"delivery:{hashlib.sha256(delivery_id.encode()).hexdigest()}"
    try:
        is_new = await client.eval(ADMIT, 1, key, int(remembered_seconds * 1000), TOPIC, subject)
    except (RedisError, OSError, TimeoutError) as error:
        raise Unavailable(f"Redis does not answer: {error}") from error
    return bool(is_new)


class Hints:
    """What one process hears, and who of it waits for what; lives on one event loop."""

    def __init__(self, url: str) -> None:
        self._client = connect(url)
        self._events: OrderedDict[str, asyncio.Event] = OrderedDict()
        self.is_listening = False

    async def listen(self) -> None:
        """Listen for as long as this process lives, through restarts of Redis."""
        while True:
            try:
                await self._listen()
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("hints.unheard", error=str(error) or type(error).__name__)
            finally:
                self.is_listening = False
            await asyncio.sleep(REST_SECONDS)

    async def _listen(self) -> None:
        async with self._client.pubsub(ignore_subscribe_messages=True) as line:
            await line.subscribe(TOPIC)
            self.is_listening = True
            while True:
                message = await line.get_message(timeout=LISTEN_SECONDS)
                if message is not None and message["type"] == "message":
                    self.hear(message["data"].decode(errors="replace"))

    def hear(self, subject: str) -> None:
        """Wake who waits for this, or who will."""
        self._find_event(subject).set()

    async def wait(self, subject: str, seconds: float) -> bool:
        """Wait for this long, or until there is a hint; one that came since the last wait counts."""
        event = self._find_event(subject)
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return False
        event.clear()
        return True

    async def close(self) -> None:
        """Let the connections go."""
        await self._client.aclose()

    def _find_event(self, subject: str) -> asyncio.Event:
        event = self._events.setdefault(subject, asyncio.Event())
        self._events.move_to_end(subject)
        if len(self._events) > MAX_KNOWN:
            self._events.popitem(last=False)
        return event
