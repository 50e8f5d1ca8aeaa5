"""The product as tests meet it: real services, web and worker as child processes, and people who talk to them."""

import asyncio
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson
import websockets
from websockets.asyncio.client import ClientConnection

from server.embedded import Embedded
from server.settings import Settings

ROOT = Path(__file__).parent.parent
PASSWORD = "correct horse battery"

SIGN_UP = """mutation ($input: SignUpInput!) { signUp(input: $input) {
  ... on Session { accessToken refreshToken expiresAt user { id email credits } }
  ... on Failure { code message } } }"""
CREATE_TRACK = """mutation ($input: CreateTrackInput!) { createTrack(input: $input) { __typename
  ... on TrackCreated { track { id status seed } job { id state version } creditsRequired }
  ... on ValidationFailed { fields { field message } } ... on Failure { code message } } }"""
JOB = "query ($id: ID!) { job(id: $id) { id state stage progress attempt version error { code message } } }"
WATCH = "subscription ($id: ID!) { jobProgress(jobId: $id) { id state stage progress attempt version } }"


async def until(met: Callable[[], Awaitable[Any]], what: str, seconds: float = 30) -> Any:
    """Wait for a condition, and fail by its name when it is not met in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := await met():
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@asynccontextmanager
async def running_studio(environment: dict[str, str]) -> AsyncIterator["Studio"]:
    """A studio in a home of its own, outside of the test run's folder, which PostgreSQL's user could not pass."""
    with tempfile.TemporaryDirectory(prefix="libretto-studio-", ignore_cleanup_errors=True) as home:
        studio = Studio(Path(home), environment=environment)
        try:
            await studio.start()
            yield studio
        finally:
            await studio.stop()


@dataclass
class Process:
    """A child process of ours, its log in a file."""

    name: str
    child: subprocess.Popen[bytes]
    log: Path

    def send(self, number: signal.Signals) -> None:
        self.child.send_signal(number)

    def kill(self) -> None:
        """As a crash would: no warning, no clean-up."""
        self.send(signal.SIGKILL)
        self.child.wait(10)

    def stop(self, seconds: float = 30) -> int:
        """As a deploy would: SIGTERM, then wait."""
        if self.child.poll() is None:
            self.send(signal.SIGCONT)
            self.send(signal.SIGTERM)
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    async def wait_for(self, text: str, seconds: float = 30) -> None:
        """Wait for a line of its log."""

        async def said() -> bool:
            assert self.child.poll() is None, f"{self.name} has died:\n{self.log.read_text()[-4000:]}"
            return text in self.log.read_text()

        await until(said, f"{self.name} says {text!r}", seconds)


@dataclass
class Subscription:
    """One operation on a socket."""

    socket: "Socket"
    id: str
    messages: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)

    async def next(self, seconds: float = 10) -> dict[str, Any]:
        """The next message of this operation."""
        async with asyncio.timeout(seconds):
            return await self.messages.get()

    async def __aiter__(self) -> AsyncIterator[Any]:
        """The data of each result, until the operation is complete."""
        while True:
            message = await self.next(60)
            if message["type"] == "complete":
                return
            assert message["type"] == "next", message
            assert "errors" not in message["payload"], message
            (value,) = message["payload"]["data"].values()
            yield value


class Socket:
    """A graphql-transport-ws client that shows everything it is told."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self._operations: dict[str, Subscription] = {}
        self._count = 0
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for text in self.connection:
            message = orjson.loads(text)
            if message["type"] == "ping":
                await self.send({"type": "pong"})
            elif operation := self._operations.get(message.get("id")):
                operation.messages.put_nowait(message)

    async def send(self, message: dict[str, Any]) -> None:
        await self.connection.send(orjson.dumps(message).decode())

    async def subscribe(self, query: str, **variables: Any) -> Subscription:
        self._count += 1
        operation = self._operations[str(self._count)] = Subscription(self, str(self._count))
        payload = {"query": query, "variables": variables}
        await self.send({"id": operation.id, "type": "subscribe", "payload": payload})
        return operation

    async def close(self) -> None:
        await self.connection.close()
        await self._reader


@dataclass
class Person:
    """Somebody with an account."""

    studio: "Studio"
    id: str
    email: str
    token: str
    refresh_token: str

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The whole answer to an operation."""
        return await self.studio.ask(query, self.token, **variables)

    async def get(self, query: str, **variables: Any) -> Any:
        """The data of an operation that must not fail."""
        answer = await self.ask(query, **variables)
        assert "errors" not in answer, answer
        return answer["data"]

    async def create_track(self, **given: Any) -> Any:
        wish = {"prompt": "a calm lofi evening", "durationSeconds": 5, "seed": 7} | given
        return (await self.get(CREATE_TRACK, input=wish))["createTrack"]

    async def job(self, job_id: str) -> Any:
        return (await self.get(JOB, id=job_id))["job"]

    async def wait_until(self, job_id: str, *states: str, seconds: float = 60) -> Any:
        """The job, once it is in one of these states."""

        async def reached() -> Any:
            job = await self.job(job_id)
            return job if job["state"] in states else None

        return await until(reached, f"job {job_id} is {' or '.join(states)}", seconds)

    async def credits(self) -> int:
        return int((await self.get("{ viewer { credits } }"))["viewer"]["credits"])

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[Socket]:
        async with self.studio.socket(self.token) as connected:
            yield connected


class Studio:
    """A home with its services and processes."""

    def __init__(self, home: Path, *, environment: dict[str, str] | None = None) -> None:
        self.home = home
        self.services = Embedded(home, durable=False)
        self.port = free_port()
        self.environment = {"RATE_LIMIT_SCALE": "0"} | (environment or {})  # those who test it set it
        self.processes: list[Process] = []
        self._client: httpx.AsyncClient | None = None

    @property
    def settings(self) -> Settings:
        given = {
            "libretto_home": self.home,
            "port": self.port,
            "database_url": self.services.database_url,
            "redis_url": self.services.redis_url,
            "secret_key": "a secret of the tests, long enough",
        }
        return Settings.model_validate(given | {name.lower(): value for name, value in self.environment.items()})

    @property
    def url(self) -> str:
        return self.settings.base_url

    @property
    def client(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(base_url=self.url, timeout=30)
        return self._client

    async def start(self) -> None:
        """Services, tables, one web process and one worker."""
        self.services.start()
        migrated = self.spawn("migrate", "migrate")
        assert await asyncio.to_thread(migrated.child.wait, 60) == 0, migrated.log.read_text()
        self.processes.remove(migrated)
        await asyncio.gather(self.start_web(), self.start_worker())

    async def start_web(self, port: int | None = None, **environment: str) -> Process:
        port = port or self.port
        web = self.spawn("web", "web", PORT=str(port), **environment)

        async def is_ready() -> bool:
            assert web.child.poll() is None, web.log.read_text()[-4000:]
            with suppress(httpx.TransportError):
                return (await self.client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
            return False

        await until(is_ready, "the API is ready")
        return web

    async def start_worker(self, *arguments: str, **environment: str) -> Process:
        worker = self.spawn("worker", "worker", *arguments, **environment)
        await worker.wait_for("worker.ready")
        return worker

    def spawn(self, name: str, *arguments: str, **environment: str) -> Process:
        """Start `libretto …` over this home's services."""
        settings = self.settings
        known = {
            "LIBRETTO_HOME": str(self.home),
            "DATABASE_URL": settings.database_url,
            "REDIS_URL": settings.redis_url,
            "SECRET_KEY": settings.secret_key.get_secret_value(),
            "PORT": str(self.port),
            "PUBLIC_URL": settings.base_url,
        }
        log = self.home / f"{name}-{len(self.processes)}-{secrets.token_hex(3)}.log"
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "TMPDIR") if key in os.environ}
        with log.open("wb") as out:
            child = subprocess.Popen(
                [sys.executable, "-m", "server.cli", *arguments],
                cwd=ROOT,
                env=kept | self.environment | known | environment,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        process = Process(name, child, log)
        self.processes.append(process)
        return process

    async def stop(self) -> None:
        """End all of it."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None
        for process in reversed(self.processes):
            process.send(signal.SIGKILL) if process.child.poll() is None else None
            process.child.wait(10)
        self.services.stop()

    async def ask(self, query: str, token: str | None = None, **variables: Any) -> dict[str, Any]:
        """The whole answer to an operation."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = await self.client.post("/graphql", json={"query": query, "variables": variables}, headers=headers)
        payload: dict[str, Any] = answer.json()
        return payload

    async def make_user(self, email: str | None = None) -> Person:
        email = email or f"{secrets.token_hex(6)}@example.org"
        given = {"email": email, "password": PASSWORD, "displayName": "Somebody"}
        session = (await self.ask(SIGN_UP, input=given))["data"]["signUp"]
        assert "accessToken" in session, session
        return Person(self, session["user"]["id"], email, session["accessToken"], session["refreshToken"])

    @asynccontextmanager
    async def socket(self, token: str | None = None, port: int | None = None) -> AsyncIterator[Socket]:
        """A socket that is initialised."""
        url = f"ws://127.0.0.1:{port or self.port}/graphql"
        async with websockets.connect(url, subprotocols=["graphql-transport-ws"]) as connection:  # type: ignore[list-item]
            payload = {"authorization": f"Bearer {token}"} if token else None
            await connection.send(orjson.dumps({"type": "connection_init", "payload": payload}).decode())
            assert orjson.loads(await connection.recv())["type"] == "connection_ack"
            client = Socket(connection)
            try:
                yield client
            finally:
                with suppress(websockets.ConnectionClosed):
                    await client.close()
