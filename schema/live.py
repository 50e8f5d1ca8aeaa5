"""Live fields: what a subscription watches is declared once, for both ways of sending it.

A watch tells a sink at once, from within whatever brought the news: most of the time a message of Redis.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, Protocol

from schema.context import Context

BACKLOG = 64  # what a reader may lag behind before it skips steps

Leave = Callable[[], object]


class Sink(Protocol):
    """Whoever is told; it takes what comes without waiting and without failing."""

    def offer(self, key: Hashable, value: Any, *, is_final: bool = False) -> None:
        """The newest state of what the key names; nothing comes after a final one, unless it begins anew."""

    def end(self, error: Exception | None = None) -> None:
        """Nothing more comes, of anything."""


@dataclass(frozen=True)
class Watch:
    """What a live field watches: checks that the viewer may, tells how things stand, then of every change."""

    begin: Callable[..., Awaitable[Leave]]  # of the context, the sink, and the field's arguments by name
    keeps_ended_seconds: float = 0  # for so long a newcomer is told of what has ended, too

    async def stream(self, context: Context, **arguments: Any) -> AsyncGenerator[Any, None]:
        """The same, value by value: for documents that no plan covers."""
        inbox = Inbox()
        leave = await self.begin(context, inbox, **arguments)
        try:
            async for value in inbox:
                context.forget()
                yield value
        finally:
            leave()


class Inbox:
    """A sink for one who comes for the values: in order, but of each key only the newest for one who lags behind."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Hashable, Any]] = []
        self._limit = BACKLOG
        self._ready = asyncio.Event()
        self._has_ended = False
        self._error: Exception | None = None

    def offer(self, key: Hashable, value: Any, *, is_final: bool = False) -> None:  # noqa: ARG002 - as any sink
        """Keep the value until it is asked for, or until a newer one makes room."""
        if self._has_ended:
            return
        self._waiting.append((key, value))
        if len(self._waiting) > self._limit:
            self._waiting = [*dict(self._waiting).items()]
            self._limit = max(BACKLOG, 2 * len(self._waiting))
        self._ready.set()

    def end(self, error: Exception | None = None) -> None:
        """Nothing comes after what is here."""
        if not self._has_ended:
            self._has_ended, self._error = True, error
            self._ready.set()

    async def __aiter__(self) -> AsyncIterator[Any]:
        while True:
            await self._ready.wait()
            self._ready.clear()
            while self._waiting:
                waiting, self._waiting, self._limit = self._waiting, [], BACKLOG
                for _, value in waiting:
                    yield value
            if self._has_ended:
                if self._error is not None:
                    raise self._error
                return
