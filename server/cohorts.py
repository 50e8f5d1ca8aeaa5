"""Cohorts: all who ask the same thing with the same rights share one execution and one encoding of each event.

What a shared subscription sent last is its state, so a newcomer begins with that, a slow reader skips to the newest,
and nobody is sent the same state twice. Which subscriptions are like that, their fields declare.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Hashable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import orjson

from schema.context import Context
from schema.documents import Operation
from server.operations import Operations, Payload, is_unexecuted


@dataclass(frozen=True, slots=True)
class Frame:
    """One result, encoded; with its errors if the operation could not be executed at all."""

    text: str
    errors: list[Any] | None

    @classmethod
    def of(cls, result: Payload) -> "Frame":
        """Encode a result."""
        return cls(orjson.dumps(result).decode(), result["errors"] if is_unexecuted(result) else None)


class Seat:
    """One watcher of a cohort: it holds the newest frame that it has yet to send, and never loses the last."""

    def __init__(self, frame: Frame | None) -> None:
        self._frame = frame
        self._ready = asyncio.Event()
        self._has_ended = False
        self._error: Exception | None = None
        if frame is not None:
            self._ready.set()

    def offer(self, frame: Frame) -> None:
        """Put the newest frame in place of the one before."""
        self._frame = frame
        self._ready.set()

    def end(self, error: Exception | None) -> None:
        """Nothing comes after what is here."""
        self._has_ended, self._error = True, error
        self._ready.set()

    async def frames(self) -> AsyncGenerator[Frame, None]:
        """What there is to send, as it comes."""
        while True:
            await self._ready.wait()
            self._ready.clear()
            frame, self._frame = self._frame, None
            if frame is not None:
                yield frame
            if self._has_ended and self._frame is None:
                if self._error is not None:
                    raise self._error
                return


class Cohort:
    """One subscription that runs, and all who watch it."""

    def __init__(self, results: AsyncGenerator[Payload, None], forget: Callable[["Cohort"], object]) -> None:
        self._results = results
        self._forget = forget
        self._seats: set[Seat] = set()
        self._last: Frame | None = None
        self._running = asyncio.create_task(self._run())

    def join(self) -> Seat:
        """A seat, with the state as it is now."""
        seat = Seat(self._last)
        self._seats.add(seat)
        return seat

    def leave(self, seat: Seat) -> None:
        """The last one out ends the subscription."""
        self._seats.discard(seat)
        if not self._seats:
            self._forget(self)
            self._running.cancel()

    async def _run(self) -> None:
        error: Exception | None = None
        try:
            async with aclosing(self._results):
                async for result in self._results:
                    self._spread(Frame.of(result))
        except Exception as fault:  # noqa: BLE001 - whatever it is, every watcher is told in its own way
            error = fault
        finally:
            self._forget(self)
            for seat in self._seats:
                seat.end(error)

    def _spread(self, frame: Frame) -> None:
        if self._last is not None and frame.text == self._last.text:
            return
        self._last = frame
        for seat in self._seats:
            seat.offer(frame)


class Cohorts:
    """The cohorts of this process."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._cohorts: dict[Hashable, Cohort] = {}

    async def watch(
        self, operation: Operation, variables: Mapping[str, Any], context: Context
    ) -> AsyncGenerator[Frame, None]:
        """Every result of an operation, encoded; shared with whoever asks the same."""
        if not operation.is_shared:
            async with aclosing(self._operations.stream(operation, variables, context)) as results:
                async for result in results:
                    yield Frame.of(result)
            return
        cohort = self._find(operation, variables, context)
        seat = cohort.join()
        try:
            async with aclosing(seat.frames()) as frames:
                async for frame in frames:
                    yield frame
        finally:
            cohort.leave(seat)

    def _find(self, operation: Operation, variables: Mapping[str, Any], context: Context) -> Cohort:
        given = orjson.dumps(variables, option=orjson.OPT_SORT_KEYS)
        key = (operation.source, operation.name, given, context.viewer.user_id, context.viewer.role)
        cohort = self._cohorts.get(key)
        if cohort is None:
            results = self._operations.stream(operation, variables, context)
            cohort = self._cohorts[key] = Cohort(results, lambda ended: self._drop(key, ended))
        return cohort

    def _drop(self, key: Hashable, ended: Cohort) -> None:
        if self._cohorts.get(key) is ended:  # another may have begun while this one was on its way out
            del self._cohorts[key]
