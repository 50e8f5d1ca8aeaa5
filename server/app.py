"""The web process: its routes, its middleware as one list, and how it stops."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from types import FrameType
from typing import cast

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute

from server import pages, transfers
from server.auth import Gatekeeper
from server.callbacks import Callbacks
from server.graphql.endpoint import GraphQLEndpoint
from server.graphql.front import Front
from server.graphql.pace import Pace
from server.graphql.streams import Streams
from server.health import Health
from server.logs import get_logger
from server.middleware import middleware
from server.operations import Operations
from server.operations.cohorts import Cohorts
from server.operations.trusted import open_library
from server.origins import Origins
from server.playlists import Playlists
from server.realtime.sockets import MAX_MESSAGE_BYTES, Sockets
from server.realtime.wire import WireProtocol
from server.resources import Resources, open_resources
from server.settings import Settings

log = get_logger(__name__)

BACKLOG = 2048


class Web:
    """One web process over its open resources."""

    def __init__(self, resources: Resources) -> None:
        operations, gatekeeper = Operations(open_library(resources.settings)), Gatekeeper(resources.settings.secret)
        origins, cohorts = Origins(resources.settings), Cohorts(operations)
        self._hub, self._url = resources.hub, resources.settings.base_url
        self.health = Health(resources)
        self._callbacks = Callbacks(resources)
        self.sockets = Sockets(resources, operations, gatekeeper, cohorts)
        self.streams = Streams(resources, operations, gatekeeper, cohorts)
        self._hub.on_session_ended += [gatekeeper.end_session, self.sockets.end_session, self.streams.end_session]
        graphql = GraphQLEndpoint(resources, operations, gatekeeper, origins, self.streams)
        self.front = partial(Front, graphql, origins, Pace())
        self.app = Starlette(
            routes=[
                Route("/graphql", graphql.answer, methods=["GET", "POST", "PUT", "DELETE"]),
                WebSocketRoute("/graphql", self.sockets),
                *self.health.routes(),
                *transfers.routes(resources.blobs),
                *Playlists(resources).routes(),
                *pages.routes(resources, gatekeeper),
                *self._callbacks.routes(),
            ],
            middleware=middleware(origins),
            lifespan=self._live,
        )

    @asynccontextmanager
    async def _live(self, _app: Starlette) -> AsyncIterator[None]:
        await self._hub.start()
        log.info("web.ready", url=self._url)
        yield
        await self._hub.stop()
        await self._callbacks.close()


class Server(uvicorn.Server):
    """uvicorn, which on SIGTERM first sends sockets and streams away in waves and lets requests end."""

    def __init__(self, config: uvicorn.Config, web: Web) -> None:
        super().__init__(config)
        self._web = web
        self._drain: asyncio.Task[None] | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal drains, the second one stops at once."""
        if self._drain is not None or sig not in (signal.SIGTERM, signal.SIGINT):
            super().handle_exit(sig, frame)
            return
        self._web.health.draining = True
        self._drain = asyncio.get_event_loop().create_task(self._drain_and_exit())

    async def _drain_and_exit(self) -> None:
        await asyncio.gather(self._web.sockets.drain(), self._web.streams.drain())
        self.should_exit = True


async def serve(settings: Settings) -> None:
    """Run the web process until it is told to stop."""
    async with open_resources(settings) as resources:
        web = Web(resources)
        gc.collect()
        gc.freeze()  # what is here by now stays, and a collection that looks at it all stops the process for 0.1 s
        config = uvicorn.Config(
            web.app,
            host=settings.host,
            port=settings.port,
            http=cast("type[Front]", web.front),  # uvicorn only calls it
            ws=WireProtocol,
            ws_max_size=4 * MAX_MESSAGE_BYTES,  # our own limit answers before this one cuts the line
            ws_per_message_deflate=False,  # costs more memory and time than our small frames save
            ws_ping_interval=None,  # the protocol's own pings say more
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=int(settings.drain_seconds),
            proxy_headers=False,
        )
        await Server(config, web).serve()
