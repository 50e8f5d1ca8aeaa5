"""`libretto smoke`: proves any deployment from outside, as a client would, over HTTP and WebSocket only."""

import time
from collections.abc import Awaitable, Callable

from rich.console import Console

from server.smoke.breakage import Broken
from server.smoke.client import Client
from server.smoke.sockets import JobWatcher
from server.smoke.terminal import Terminal
from server.smoke.visit import Visit

__all__ = ["run"]


async def run(url: str, *, seconds: float = 12, timeout_seconds: float = 180, console: Console | None = None) -> int:
    """The exit status: 0 when every step went well, 1 at the first that did not; a job may take `timeout_seconds`."""
    terminal = Terminal(console or Console())
    terminal.open(url)
    async with Client(url) as client:
        watcher = JobWatcher(client.socket_url, lambda: client.access_token, client.refresh_session)
        visit = Visit(client, watcher, terminal, seconds=seconds, timeout_seconds=timeout_seconds)
        try:
            for name, step in visit.steps():
                if not await _take(terminal, name, step):
                    return 1
        finally:
            await watcher.close()
    took_seconds = visit.making_seconds
    terminal.close(
        f"{seconds:g} s of music {took_seconds:.2f} s after it was asked for: {seconds / took_seconds:.1f} × real time"  # noqa: RUF001 - times
    )
    return 0


async def _take(terminal: Terminal, name: str, step: Callable[[], Awaitable[str]]) -> bool:
    began = time.perf_counter()
    try:
        note = await _run(step)
    except Broken as broken:
        terminal.cross(name, time.perf_counter() - began, broken)
        return False
    terminal.tick(name, time.perf_counter() - began, note)
    return True


async def _run(step: Callable[[], Awaitable[str]]) -> str:
    try:
        return await step()
    except (LookupError, TypeError, ValueError) as odd:  # what was read out of an answer was not in it
        came = f"{type(odd).__name__}: {odd}"
        raise Broken("answers in the shape that the API's schema promises", came) from odd
