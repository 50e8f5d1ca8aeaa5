"""Passwords: hashed by argon2id, a few at a time, so that a flood of log-ins cannot take the memory."""

import asyncio
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)  # OWASP's floor: 19 MiB, two passes
AT_ONCE = 2

_gate = asyncio.Semaphore(AT_ONCE)


async def hash_password(password: str) -> str:
    """A new hash, with its own salt."""
    async with _gate:
        return await asyncio.to_thread(HASHER.hash, password)


async def is_password(password: str, password_hash: str | None) -> bool:
    """Whether the hash is of this password; an account that does not exist (None) takes just as long."""
    async with _gate:
        try:
            await asyncio.to_thread(HASHER.verify, password_hash or _decoy(), password)
        except (VerificationError, InvalidHashError):
            return False
    return password_hash is not None


@lru_cache
def _decoy() -> str:
    return HASHER.hash("nobody has this password")
