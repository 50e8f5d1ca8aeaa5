"""The product as it is measured: durable services of its own, limits on but lifted, and processes as asked for."""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from server.embedded import Embedded
from server.resources import Resources, open_resources
from tests.studio import ROOT, Studio

LIFTED = {"RATE_LIMIT_SCALE": "1000000", "CREDITS_AT_SIGN_UP": "1000000", "LOG_FORMAT": "json"}


@asynccontextmanager
async def open_stage(**environment: str) -> AsyncIterator[tuple[Studio, Resources]]:
    """Services and tables, and their storage opened in this process; the caller starts web and workers."""
    with tempfile.TemporaryDirectory(prefix="libretto-bench-", ignore_cleanup_errors=True) as folder:
        studio = Studio(Path(folder), environment=LIFTED | environment)
        studio.services = Embedded(studio.home)
        try:
            studio.services.start()
            migrated = studio.spawn("migrate", "migrate")
            assert await asyncio.to_thread(migrated.child.wait, 60) == 0, migrated.log.read_text()
            studio.processes.remove(migrated)
            async with open_resources(studio.settings) as resources:
                yield studio, resources
        finally:
            await studio.stop()


class Helper:
    """A child process that makes load, so that its work is not counted as ours: JSON lines in, JSON lines out."""

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        self._child = child

    async def tell(self, wish: object) -> None:
        """Send a wish."""
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(wish).encode() + b"\n")
        await self._child.stdin.drain()

    async def hear(self, seconds: float = 60) -> Any:
        """The next answer."""
        assert self._child.stdout is not None
        async with asyncio.timeout(seconds):
            line = await self._child.stdout.readline()
        assert line, "the load generator has died; its last words are above"
        return json.loads(line)

    async def ask(self, wish: object, seconds: float = 60) -> Any:
        """Send a wish and hear what comes of it."""
        await self.tell(wish)
        return await self.hear(seconds)


@asynccontextmanager
async def start_aside(module: str) -> AsyncIterator[Helper]:
    """Run a module of ours as a load generator."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 24,
    )
    try:
        yield Helper(child)
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()
