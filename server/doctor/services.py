"""Checks of what we stand on: PostgreSQL, Redis, the blob store, and a job's way through the queue."""

import asyncio
import re
import secrets
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from redis.exceptions import RedisError

from jobs import probes
from server.doctor.findings import Finding, fail, ok, redact, warn
from server.doctor.machine import is_api_running
from server.errors import Conflict, LibrettoError
from server.resources import open_resources, store_url
from server.settings import Settings
from storage import database, jobs
from storage.access import Viewer
from storage.blobs import BlobStore, open_store
from storage.events import connect
from storage.lifecycle import State
from storage.migrate import list_pending
from storage.users import User

CONNECT_SECONDS = 5.0
POSTGRES_MAJORS = range(16, 19)
SKEW_SECONDS, BAD_SKEW_SECONDS = 1.0, 30.0  # tokens and links of one process end by the clock of another
OLDEST_REDIS = (6, 2)
MIGRATE_ADVICE = "Run `libretto migrate`; `libretto run` does so by itself."
PROBE_SECONDS = 5.0
LOOK_SECONDS = 0.05
LINK_SECONDS = 60
PROBE_BYTES = b"Libretto's doctor was here.\n" * 64
DATABASE_FAULTS = (*database.LOST, asyncpg.PostgresError, ssl.SSLError, TimeoutError, ValueError)
REDIS_FAULTS = (RedisError, OSError, TimeoutError, ValueError)


async def check_postgres(settings: Settings) -> AsyncIterator[Finding]:
    """Reachable, of a version that we know, with the tables of this version of ours, and with our time."""
    try:
        version, skew_seconds = await _ask_postgres(settings.database_url)
    except DATABASE_FAULTS as error:
        text = f"{redact(settings.database_url)}: {type(error).__name__}: {error}"
        yield fail("PostgreSQL", text, "Look at DATABASE_URL, and whether the server lets this machine in.")
        return
    yield _judge_postgres(version)
    pending = await list_pending(settings.database_url)
    if pending:
        yield fail("migrations", f"{len(pending)} have yet to run: {', '.join(pending)}", MIGRATE_ADVICE)
    else:
        yield ok("migrations", "the tables are those of this version")
    yield _judge_skew(skew_seconds)


async def check_redis(settings: Settings) -> AsyncIterator[Finding]:
    """Reachable, of a version that we know, and set not to lose what it holds."""
    try:
        about = await _ask_redis(settings.redis_url)
    except REDIS_FAULTS as error:
        text = f"{redact(settings.redis_url)}: {type(error).__name__}: {error}"
        yield fail("Redis", text, "Look at REDIS_URL, and whether the server lets this machine in.")
        return
    yield _judge_redis_version(about)
    yield _judge_eviction(about)
    yield _judge_persistence(about)


async def check_storage(settings: Settings) -> AsyncIterator[Finding]:
    """A small blob goes in, comes out the same, is linked to, and goes again."""
    url = store_url(settings)
    began = time.perf_counter()
    try:
        store = await open_store(url, base_url=settings.base_url, secret=settings.secret)
        try:
            problem = await _make_round_trip(store, is_local=url.startswith("file:"))
        finally:
            await store.close()
    except (LibrettoError, OSError, ValueError, httpx.HTTPError) as error:
        problem = f"{type(error).__name__}: {error}"
    if problem:
        advice = "Look at BLOB_STORE_URL, its credentials, and their rights to put, read, list and delete."
        yield fail("storage", f"{redact(url)}: {problem}", advice)
    else:
        yield ok("storage", f"{redact(url)}, round trip {(time.perf_counter() - began) * 1000:.0f} ms")


async def check_queue(settings: Settings) -> AsyncIterator[Finding]:
    """A job that does nothing passes from here through a worker."""
    try:
        async with open_resources(settings):
            yield await _send_probe(settings)
    except (*DATABASE_FAULTS, *REDIS_FAULTS, LibrettoError) as error:
        yield fail("queue", f"{type(error).__name__}: {error}", "Mend what failed above first.")


async def _ask_postgres(url: str) -> tuple[int, float]:
    connection: Any = await asyncpg.connect(url, timeout=CONNECT_SECONDS, command_timeout=CONNECT_SECONDS)
    try:
        version = connection.get_server_version().major
        began = datetime.now(UTC)
        theirs = await connection.fetchval("SELECT clock_timestamp()")
        ours = began + (datetime.now(UTC) - began) / 2
        return version, (theirs - ours).total_seconds()
    finally:
        await connection.close(timeout=CONNECT_SECONDS)


def _judge_postgres(version: int) -> Finding:
    lowest, highest = POSTGRES_MAJORS[0], POSTGRES_MAJORS[-1]
    text = f"version {version}"
    if version < lowest:
        return fail("PostgreSQL", text, f"Libretto needs PostgreSQL {lowest} to {highest}.")
    if version > highest:
        return warn("PostgreSQL", text, f"Libretto is tested on PostgreSQL {lowest} to {highest}.")
    return ok("PostgreSQL", text)


def _judge_skew(skew_seconds: float) -> Finding:
    text = f"{abs(skew_seconds) * 1000:.0f} ms between here and the database"
    if abs(skew_seconds) <= SKEW_SECONDS:
        return ok("clock", text)
    judge = fail if abs(skew_seconds) > BAD_SKEW_SECONDS else warn
    return judge("clock", text, "Let NTP set the clocks of both machines; tokens and links end by them.")


async def _ask_redis(url: str) -> dict[str, Any]:
    client = connect(url, timeout_seconds=CONNECT_SECONDS)
    try:
        about: dict[str, Any] = await client.info()
        return about
    finally:
        await client.aclose()


def _judge_redis_version(about: dict[str, Any]) -> Finding:
    name = "Valkey" if "valkey_version" in about else "Redis"
    version = str(about.get("valkey_version") or about.get("redis_version") or "unknown")
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if numbers < OLDEST_REDIS:
        return warn(
            "Redis", f"{name} {version}", f"Libretto is tested on {OLDEST_REDIS[0]}.{OLDEST_REDIS[1]} and later."
        )
    return ok("Redis", f"{name} {version}")


def _judge_eviction(about: dict[str, Any]) -> Finding:
    policy = about.get("maxmemory_policy", "unknown")
    if policy == "noeviction":
        return ok("Redis eviction", policy)
    advice = "Set maxmemory-policy to noeviction: with any other, rings of the queue are thrown away when it is full."
    return (fail if about.get("maxmemory") else warn)("Redis eviction", str(policy), advice)


def _judge_persistence(about: dict[str, Any]) -> Finding:
    if about.get("aof_enabled"):
        return ok("Redis persistence", "append-only file")
    advice = (
        "Set appendonly to yes; without it a restart delays waiting jobs until a worker finds them in the database."
    )
    return warn("Redis persistence", "no append-only file", advice)


async def _make_round_trip(store: BlobStore, *, is_local: bool) -> str:
    """What went wrong, or nothing."""
    key = f"doctor/{secrets.token_hex(8)}.bin"
    try:
        await store.put(key, PROBE_BYTES, "application/octet-stream")
        blob = await store.stat(key)
        if blob is None or blob.size_bytes != len(PROBE_BYTES):
            return f"what was put is {'gone' if blob is None else f'{blob.size_bytes} bytes long'}"
        if b"".join([chunk async for chunk in store.read(key)]) != PROBE_BYTES:
            return "other bytes came back"
        link = store.link(key, expires_in_seconds=LINK_SECONDS)
        if not is_local and (problem := await _follow(link)):
            return problem
    finally:
        await store.delete(key)
    return "" if await store.stat(key) is None else "what was deleted is still there"


async def _follow(link: str) -> str:
    async with httpx.AsyncClient(timeout=CONNECT_SECONDS) as client:
        answer = await client.get(link)
    return "" if answer.content == PROBE_BYTES else f"its signed link answers {answer.status_code}"


async def _send_probe(settings: Settings) -> Finding:
    user = await User.filter(role="admin").order_by("id").first() or await User.all().order_by("id").first()
    if user is None:
        return ok("queue", "not tried: a probe needs an account, and there is none yet")
    began = time.perf_counter()
    probe = await probes.request_probe(user.id)
    state = await _wait_until_final(probe.id)
    if state is State.COMPLETE:
        return ok("queue", f"a probe came through in {(time.perf_counter() - began) * 1000:.0f} ms")
    await _take_back(user.id, probe.id)
    text = f"a probe is {state} after {PROBE_SECONDS:.0f} s"
    if state is not State.QUEUED or await is_api_running(settings):
        return fail("queue", text, "Look at the log of the worker, and at `libretto jobs`.")
    return warn("queue", f"{text}: no worker runs", "Start one: `libretto run`, or `libretto worker`.")


async def _wait_until_final(job_id: UUID) -> State:
    deadline = time.monotonic() + PROBE_SECONDS
    while True:
        (job,) = await jobs.read_states([job_id])
        if job.state.is_terminal or time.monotonic() > deadline:
            return job.state
        await asyncio.sleep(LOOK_SECONDS)


async def _take_back(user_id: UUID, job_id: UUID) -> None:
    with suppress(Conflict):  # it may have ended by itself meanwhile
        await jobs.cancel_job(Viewer(user_id), job_id)
