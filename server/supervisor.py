"""Everything on one machine behind one command: the embedded servers, `web` and `worker`, watched and restarted."""

import asyncio
import contextlib
import errno
import os
import shlex
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import TextIO, TypeVar

import httpx
import orjson

from server import logs
from server.embedded import Embedded, tie_to_parent
from server.errors import LibrettoError
from server.settings import Settings, problems_of

COMMANDS: Mapping[str, Sequence[str]] = MappingProxyType(
    {name: (sys.executable, "-m", "server.cli", name) for name in ("migrate", "web", "worker")}
)
KEPT = ("web", "worker")

FIRST_BACKOFF_SECONDS = 0.2
LONGEST_BACKOFF_SECONDS = 10.0
STEADY_SECONDS = 30.0  # a child that lived this long starts again with the first backoff
DRAIN_MARGIN_SECONDS = 5.0
WATCH_SECONDS = 0.5
READY_POLL_SECONDS = 0.1
LINE_BYTES = 2**17

COLOURS = {"libretto": 35, "web": 36, "worker": 33, "migrate": 34}
FAILURE_COLOUR = 31
NAME_WIDTH = 10

Result = TypeVar("Result")


def run(settings: Settings, commands: Mapping[str, Sequence[str]] = COMMANDS) -> int:
    """Run until Ctrl-C or SIGTERM; the exit status. Call it on the main thread."""
    console = Console(sys.stdout)
    if problems := problems_of(settings):
        for problem in problems:
            console.say("libretto", problem)
        return 1
    logs.configure("run", level=settings.log_level, log_format=settings.log_format)
    embedded = Embedded(settings.libretto_home, database_url=settings.database_url, redis_url=settings.redis_url)
    try:
        embedded.hold()
        if taken := find_port_problem(settings.host, settings.port):
            console.say("libretto", taken)
            return 1
        return asyncio.run(Supervisor(settings, embedded, commands, console).run())
    except (LibrettoError, OSError) as problem:
        console.say("libretto", str(problem))
        return 1
    finally:
        embedded.stop()


def find_port_problem(host: str, port: int) -> str | None:
    """Why nothing can listen there, in one line."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"Port {port} on {host} is taken; choose another one: PORT={port + 1} make run"
        return f"Cannot listen on HOST={host} PORT={port}: {error.strerror or error}"
    return None


class Console:
    """Lines of all processes, each behind its name."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._has_colour = out.isatty() and not os.environ.get("NO_COLOR")

    def say(self, name: str, text: str) -> None:
        """Every line of the text; a reader that has gone away stops no one."""
        prefix = f"{name.lower():<{NAME_WIDTH}} |"
        if self._has_colour:
            prefix = f"\x1b[{COLOURS.get(name, FAILURE_COLOUR)}m{prefix}\x1b[0m"
        self.tell("\n".join(f"{prefix} {line}" for line in text.splitlines()))

    def tell(self, text: str) -> None:
        """The text as it is."""
        with contextlib.suppress(OSError):
            self._out.write(f"{text}\n")
            self._out.flush()


class Child:
    """One run of a process in a group of its own; its lines go to the console."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, console: Console) -> None:
        self.name = name
        self._process = process
        self._console = console
        self._reading = asyncio.create_task(self._read_lines())

    @classmethod
    async def start(
        cls, name: str, command: Sequence[str], environment: Mapping[str, str], console: Console
    ) -> "Child":
        """The kernel tells it to stop should we be killed."""
        process = await asyncio.create_subprocess_exec(
            *command,
            env=dict(environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=LINE_BYTES,
            process_group=0,  # a Ctrl-C in the terminal is for us alone
            preexec_fn=tie_to_parent(signal.SIGTERM),
        )
        return cls(name, process, console)

    async def wait(self) -> int:
        """Its exit status, once it is gone with all that it left in its group, and all its lines are out."""
        status = await self._process.wait()
        self._kill_group()
        await asyncio.wait({self._reading}, timeout=1)  # a grandchild outside the group may hold the pipe open
        self._reading.cancel()
        return status

    def terminate(self) -> None:
        """Ask it to stop."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it and its group, unless it is gone already."""
        if self._process.returncode is None:
            self._kill_group()

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def _read_lines(self) -> None:
        lines = self._process.stdout
        while lines is not None:
            try:
                line = await lines.readline()
            except ValueError:
                line = b"(a line too long to show)\n"
            if not line:
                return
            self._console.say(self.name, line.decode(errors="replace"))


class Supervisor:
    """Starts in order, keeps everything alive, stops in the reverse order."""

    def __init__(
        self, settings: Settings, embedded: Embedded, commands: Mapping[str, Sequence[str]], console: Console
    ) -> None:
        self._settings, self._embedded, self._commands, self._console = settings, embedded, commands, console
        self._children: dict[str, Child] = {}
        self._stopping = asyncio.Event()
        self._is_hurried = False
        # the kernel ends the servers with the thread that started them: one of their own, to the end
        self._thread = ThreadPoolExecutor(1, "embedded")

    async def run(self) -> int:
        """Until a signal comes; the exit status."""
        for which in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if which != signal.SIGHUP or signal.getsignal(which) != signal.SIG_IGN:  # nohup means to stay
                asyncio.get_running_loop().add_signal_handler(which, self._stop)
        try:
            await self._on_thread(self._embedded.start)
            if self._stopping.is_set():
                return 0
            if not await self._migrate():
                return 0 if self._stopping.is_set() else 1
            await self._keep_all()
            return 130 if self._is_hurried else 0
        finally:
            await self._on_thread(self._embedded.stop)
            self._thread.shutdown()

    async def _keep_all(self) -> None:
        tasks = [asyncio.create_task(self._keep(name)) for name in KEPT]
        asides = [asyncio.create_task(self._watch_servers()), asyncio.create_task(self._announce())]
        try:
            await asyncio.gather(*tasks)  # each ends when its child has stopped for good
        finally:
            for task in (*asides, *tasks):
                task.cancel()
            await asyncio.wait((*asides, *tasks))
            for child in self._children.values():
                child.kill()

    async def _migrate(self) -> bool:
        self._say("bringing the database up to date")
        child = await self._start("migrate")
        status = await child.wait()
        if status and not self._stopping.is_set():
            self._say(f"migrate {describe_exit(status)}; nothing was started")
        return status == 0

    async def _keep(self, name: str) -> None:
        """Start the child again whenever it ends, until we stop."""
        backoff = FIRST_BACKOFF_SECONDS
        while not self._stopping.is_set():
            started_at = time.monotonic()
            child = await self._start(name)
            status = await child.wait()
            if self._stopping.is_set():
                return
            lived_seconds = time.monotonic() - started_at
            if lived_seconds >= STEADY_SECONDS:
                backoff = FIRST_BACKOFF_SECONDS
            self._say(f"{name} {describe_exit(status)} after {lived_seconds:.1f} s; again in {backoff:.1f} s")
            await self._pause(backoff)
            backoff = min(2 * backoff, LONGEST_BACKOFF_SECONDS)

    async def _start(self, name: str) -> Child:
        child = await Child.start(name, self._commands[name], self._environment(), self._console)
        self._children[name] = child
        if self._stopping.is_set():
            self._end(child)
        return child

    async def _watch_servers(self) -> None:
        backoff = FIRST_BACKOFF_SECONDS
        while not self._stopping.is_set():
            await self._pause(WATCH_SECONDS)
            self._embedded.trim_logs()
            if self._stopping.is_set() or not self._embedded.has_death():
                continue
            try:
                deaths = await self._on_thread(self._embedded.revive)
            except (LibrettoError, OSError) as problem:
                self._say(f"{problem}\nagain in {backoff:.1f} s")
                await self._pause(backoff)
                backoff = min(2 * backoff, LONGEST_BACKOFF_SECONDS)
                continue
            backoff = FIRST_BACKOFF_SECONDS
            for death in deaths:
                self._console.say(death.name, death.last_words)
                self._say(f"{death.name} died and was started again")

    async def _announce(self) -> None:
        """One block of text, once the API answers."""
        address = reach(self._settings.host, self._settings.port)
        async with httpx.AsyncClient(trust_env=False, timeout=2) as client:
            while not await _is_healthy(client, f"{address}/healthz"):
                await self._pause(READY_POLL_SECONDS)
        if not self._stopping.is_set():
            self._console.tell(welcome(address, self._settings.libretto_home))

    def _stop(self) -> None:
        """The first signal drains, the second one kills."""
        if not self._stopping.is_set():
            self._stopping.set()
            self._say("stopping; once more to stop at once")
            for child in self._children.values():
                self._end(child)
            return
        self._is_hurried = True
        for child in self._children.values():
            child.kill()
        self._embedded.crash()

    def _end(self, child: Child) -> None:
        child.terminate()
        deadline_seconds = self._settings.drain_seconds + DRAIN_MARGIN_SECONDS
        asyncio.get_running_loop().call_later(deadline_seconds, child.kill)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _on_thread(self, call: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _environment(self) -> dict[str, str]:
        settings = self._settings
        return os.environ | {
            "LIBRETTO_HOME": str(settings.libretto_home),
            "HOST": settings.host,
            "PORT": str(settings.port),
            "DATABASE_URL": self._embedded.database_url,
            "REDIS_URL": self._embedded.redis_url,
            "BLOB_STORE_URL": settings.blob_store_url,  # empty is a folder in the home, for them as for us
            "PYTHONUNBUFFERED": "1",
        }

    def _say(self, text: str) -> None:
        self._console.say("libretto", text)


def describe_exit(status: int) -> str:
    """As a person would say it."""
    return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with exit status {status}"


def reach(host: str, port: int) -> str:
    """The address for a client on this machine of a server that listens there."""
    nearest = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not bound here
    return f"http://[{nearest}]:{port}" if ":" in nearest else f"http://{nearest}:{port}"


def welcome(address: str, home: Path) -> str:
    """What to do with a running Libretto."""
    sign_up = (
        'mutation { signUp(input: {email: "me@example.com", password: "correct horse battery", displayName: "Me"})'
        " { __typename ... on Session { accessToken } ... on Failure { message } } }"
    )
    body = orjson.dumps({"query": sign_up}).decode()
    command = _near(Path(sys.executable).parent / "libretto")
    return f"""
Libretto is ready.
  API      {address}/graphql
  sign up  curl {address}/graphql -H 'content-type: application/json' -d {shlex.quote(body)}
           then send the header authorization: Bearer ACCESS_TOKEN
  try      {command} smoke --url {address}
           signs up, makes a track, fetches it; {command} --help shows the rest
  kept in  {_near(home)}
  stop     Ctrl-C
"""


def _near(path: Path) -> Path:
    """Relative to where we are, when it is below."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


async def _is_healthy(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).is_success
    except httpx.HTTPError:
        return False
