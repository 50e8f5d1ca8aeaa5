"""The clients under test, by the names that tests call them, and jobs that wait for them."""

import signal
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any

from tests.clients.node import Client, open_client
from tests.studio import Studio

CLIENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "graphql-ws": ("graphql_ws", {}),
    "graphql-sse": ("graphql_sse", {}),
    "graphql-sse on one connection": ("graphql_sse", {"singleConnection": True}),
    "urql": ("urql", {}),
    "urql with graphql-ws": ("urql", {"socket": True}),
    "apollo": ("apollo", {}),
    "apollo with graphql-ws": ("apollo", {"socket": True}),
    "apollo with persisted queries": ("apollo", {"persisted": True}),
    "relay with graphql-ws": ("relay", {}),
}


def connect(name: str, url: str, *tokens: str) -> AbstractAsyncContextManager[Client]:
    """The client of this name in the table."""
    module, options = CLIENTS[name]
    return open_client(module, url, *tokens, **options)


@contextmanager
def resting_worker(studio: Studio) -> Iterator[None]:
    """Nothing is taken up while this lasts."""
    worker = next(each for each in studio.processes if each.name == "worker")
    worker.send(signal.SIGSTOP)
    try:
        yield
    finally:
        worker.send(signal.SIGCONT)
