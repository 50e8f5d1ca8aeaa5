"""Listening to HTTP streams as they come over the wire, for the tests of their two forms and of the shared one."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from server.auth import Gatekeeper
from server.graphql.endpoint import GraphQLEndpoint
from server.graphql.streams import Streams
from server.middleware import middleware
from server.operations import Operations
from server.operations.cohorts import Cohorts
from server.operations.trusted import open_library
from server.origins import Origins
from server.resources import Resources
from tests.studio import Person, Studio, until

EVENTS = "text/event-stream"
MULTIPART = 'multipart/mixed;boundary="graphql";subscriptionSpec="1.0",application/json'
CUT = "peer closed connection without sending complete message body"


class Heard:
    """What a stream has said so far."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.status = response.status_code
        self._chunks = response.aiter_raw()
        self._kept = b""

    async def up_to(self, end: bytes, seconds: float = 10) -> bytes:
        """All that was said until this was, from where the last reading ended."""
        async with asyncio.timeout(seconds):
            while end not in self._kept:
                self._kept += await anext(self._chunks)
        said, _, self._kept = self._kept.partition(end)
        return said + end

    async def rest(self, seconds: float = 10) -> bytes:
        """All that is still said, up to the proper end of the response."""
        async with asyncio.timeout(seconds):
            async for chunk in self._chunks:
                self._kept += chunk
        said, self._kept = self._kept, b""
        return said

    async def is_cut_after(self, seconds: float = 10) -> bytes:
        """What is still said before the connection breaks off in the middle of the response."""
        try:
            said = await self.rest(seconds)
        except httpx.RemoteProtocolError as error:
            assert CUT in str(error)  # noqa: PT017 - the text is the point
            return self._kept
        raise AssertionError(f"the response ended properly, with {said!r}")


@asynccontextmanager
async def listen(
    client: httpx.AsyncClient, method: str, url: str, token: str | None = None, **options: Any
) -> AsyncIterator[Heard]:
    """A request whose answer is read as it comes."""
    headers = {"Accept": EVENTS} | options.pop("headers", {})
    if token:
        headers["Authorization"] = f"Bearer {token}"
    async with client.stream(method, url, headers=headers, **options) as response:
        yield Heard(response)


@asynccontextmanager
async def subscribe(
    person: Person, query: str, *, accept: str = EVENTS, port: int | None = None, **variables: Any
) -> AsyncIterator[Heard]:
    """An operation with a stream of its own."""
    url = f"http://127.0.0.1:{port or person.studio.port}/graphql"
    given, headers = {"query": query, "variables": variables}, {"Accept": accept}
    async with listen(person.studio.client, "POST", url, person.token, json=given, headers=headers) as heard:
        yield heard


async def read_gauges(studio: Studio, *names: str) -> dict[str, float]:
    """What the web process counts of its streams, and what else is named."""
    text = (await studio.client.get("/metrics")).text
    wanted = ("streams_open", "subscriptions_open", *names)
    return {
        name: sum(map(float, re.findall(rf"^libretto_{re.escape(name)} (\S+)$", text, re.MULTILINE))) for name in wanted
    }


@asynccontextmanager
async def serve_streams(resources: Resources, **seconds: float) -> AsyncIterator[httpx.AsyncClient]:
    """A server of this process, whose streams are as impatient as asked, behind uvicorn's own protocol."""
    operations, gatekeeper = Operations(open_library(resources.settings)), Gatekeeper(resources.settings.secret)
    origins = Origins(resources.settings)
    streams = Streams(resources, operations, gatekeeper, Cohorts(operations), **seconds)
    endpoint = GraphQLEndpoint(resources, operations, gatekeeper, origins, streams)
    routes = [Route("/graphql", endpoint.answer, methods=["GET", "POST", "PUT", "DELETE"])]
    app = Starlette(routes=routes, middleware=middleware(origins))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
    running = asyncio.create_task(server.serve())

    async def has_started() -> bool:
        return server.started

    await until(has_started, "the streams are served")
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        yield client
    await streams.drain()
    server.should_exit = True
    await running
