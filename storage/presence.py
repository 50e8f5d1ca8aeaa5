"""Presence: what each worker says of itself every few seconds, read by processes on other machines."""

from collections.abc import Sequence
from typing import Any

import orjson
from redis.exceptions import RedisError

from storage.events import get_client

SHOWN_SECONDS = 30  # what a worker said is believed for so long

# KEYS[1]: a hash of workers; each value begins with the second, by Redis' clock, in which it was written.
TELL = "redis.call('HSET', KEYS[1], ARGV[1], redis.call('TIME')[1] .. ' ' .. ARGV[2])"
LISTEN = """
local told, now, all = {}, redis.call('TIME')[1], redis.call('HGETALL', KEYS[1])
for place = 1, #all, 2 do
    local second, states = string.match(all[place + 1], '^(%d+) (.*)$')
    if second and now - second <= tonumber(ARGV[1]) then
        table.insert(told, states)
    else
        redis.call('HDEL', KEYS[1], all[place])
    end
end
return told
"""


async def tell(key: str, worker: str, told: object) -> None:
    """Say something of one worker."""
    await get_client().eval(TELL, 1, key, worker, orjson.dumps(told).decode())


async def listen(key: str) -> Sequence[Any] | None:
    """What each worker that has spoken lately said; None when nobody can tell."""
    try:
        told = await get_client().eval(LISTEN, 1, key, SHOWN_SECONDS)
    except (RedisError, OSError, TimeoutError):
        return None
    return [orjson.loads(one) for one in told]
