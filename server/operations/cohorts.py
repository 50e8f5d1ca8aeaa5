"""Cohorts: all who ask the same thing with the same rights share one showing and one encoding of each event.

What was sent last of each entity is how things stand, so a newcomer begins with that, and nobody is sent the same
state twice. An event goes on to every seat from within the call that brought it.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Hashable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol
from uuid import UUID

import orjson
from graphql import GraphQLError

from schema.context import Context
from schema.documents import Operation
from schema.live import Inbox, Leave
from schema.plans.live import LivePlan
from server import metrics
from server.errors import Refusal
from server.logs import bound_contextvars, get_logger
from server.operations.execution import Operations, Payload, encode, is_unexecuted, phrase_error
from storage.database import LOST

MAX_ENDED = 100  # as many as a newcomer is told of who comes first
MAX_COHORTS_OF_USER = 500  # different subscriptions of one person in a process; each remembers what it sent last
REST_SECONDS = 1.0  # before what could not be read is read again

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Frame:
    """One result, encoded; with its errors if the operation could not be executed at all."""

    payload: bytes
    errors: list[Any] | None = None

    @property
    def text(self) -> str:
        return self.payload.decode()

    @classmethod
    def of(cls, result: Payload) -> "Frame":
        """Encode a result; AnswerTooLarge if nobody should be sent it."""
        return cls(encode(result), result["errors"] if is_unexecuted(result) else None)


class TooManySubscriptions(Refusal):
    """You watch too many different things at once; end some of it, or watch all your jobs by `viewerJobs`."""

    code = "TOO_MANY_OPERATIONS"


class Failed(Exception):
    """The subscription has ended before its time; `errors` say why."""

    def __init__(self, errors: list[Payload]) -> None:
        super().__init__(errors[0]["message"])
        self.errors = errors


class Seat(Protocol):
    """One who watches a cohort; it takes what comes without waiting and without failing."""

    def offer(self, key: Hashable, payload: bytes) -> None:
        """The newest state of what the key names, encoded."""

    def end(self, error: Failed | None) -> None:
        """Nothing more comes."""


class Cohort:
    """One subscription, and all who watch it."""

    def __init__(self, plan: LivePlan, context: Context, cost: int, forget: Leave) -> None:
        self._plan = plan
        self._context = context
        self._tail = b',"extensions":{"cost":{"requested":%d}}}' % cost
        self._forget = forget
        self._seats: set[Seat] = set()
        self._last: dict[Hashable, bytes] = {}  # of what has not ended, or not long ago
        self._ended: dict[Hashable, float] = {}  # when that was
        self._waiting: dict[Hashable, tuple[Any, bool]] = {}  # newest events that must be read once more
        self._has_more = asyncio.Event()
        self._is_ending = self._is_over = False
        self._leave: Leave | None = None
        self._running = asyncio.create_task(self._run())

    def join(self, seat: Seat) -> None:
        """Take a seat; it hears at once how things stand."""
        self._seats.add(seat)
        self._forget_ended()
        for key, payload in self._last.items():
            seat.offer(key, payload)
        if self._last:
            metrics.EVENTS_SENT.inc(len(self._last))

    def leave(self, seat: Seat) -> None:
        """Free a seat; the last one out ends the subscription."""
        self._seats.discard(seat)
        if not self._seats and not self._is_over:
            self._stop()
            self._running.cancel()

    def offer(self, key: Hashable, value: Any, *, is_final: bool = False) -> None:
        """Show an event and pass it on; at once if it holds all that is selected."""
        if self._is_over:
            return
        if not self._plan.is_immediate:
            self._waiting[key] = value, is_final
            self._has_more.set()
            return
        try:
            shown = self._plan.show(value, self._context)
            self._spread(key, shown, is_final=is_final)
        except Exception as fault:  # noqa: BLE001 - whatever it is, every watcher is told
            self._fail(fault)

    def end(self, error: Exception | None = None) -> None:
        """Let everybody go, once they have heard all."""
        if error is not None:
            self._fail(error)
        elif self._plan.is_immediate:
            self._finish(None)
        else:
            self._is_ending = True
            self._has_more.set()

    async def _run(self) -> None:
        with bound_contextvars(request_id=self._context.request_id):
            try:
                leave = await self._plan.watch.begin(self._context, self, **self._plan.arguments)
                if self._is_over:  # it was final from the first
                    leave()
                    return
                self._leave = leave
                if not self._plan.is_immediate:
                    await self._keep_fetching()
            except Exception as fault:  # noqa: BLE001 - as in `offer`
                self._fail(fault)

    async def _keep_fetching(self) -> None:
        while not self._is_over:
            await self._has_more.wait()
            self._has_more.clear()
            while self._waiting:
                key = next(iter(self._waiting))
                value, is_final = event = self._waiting[key]
                try:
                    shown = await self._plan.fetch(value, self._context)
                except LOST as error:
                    log.warning("event.unfetched", error=str(error))
                    await asyncio.sleep(REST_SECONDS)
                    continue
                if self._waiting[key] is event:
                    del self._waiting[key]
                self._spread(key, shown, is_final=is_final)
            if self._is_ending:
                self._finish(None)

    def _spread(self, key: Hashable, shown: Any, *, is_final: bool) -> None:
        payload = b'{"data":' + encode(shown) + self._tail
        last = self._last.pop(key, None)
        self._last[key] = payload
        self._ended.pop(key, None)
        if is_final:
            self._ended[key] = time.monotonic()
            self._forget_ended()
        if payload != last:
            for seat in tuple(self._seats):
                seat.offer(key, payload)
            metrics.EVENTS_SENT.inc(len(self._seats))

    def _forget_ended(self) -> None:
        until = time.monotonic() - self._plan.watch.keeps_ended_seconds
        for key in [*islice(self._ended, max(0, len(self._ended) - MAX_ENDED))]:
            del self._ended[key], self._last[key]
        while self._ended and self._ended[key := next(iter(self._ended))] <= until:
            del self._ended[key], self._last[key]

    def _fail(self, fault: Exception) -> None:
        error = fault if isinstance(fault, GraphQLError) else self._plan.locate(fault)
        self._finish(Failed([phrase_error(error, self._context.request_id)]))

    def _finish(self, failed: Failed | None) -> None:
        if not self._is_over:
            self._stop()
            for seat in tuple(self._seats):
                seat.end(failed)

    def _stop(self) -> None:
        self._is_over = True
        self._has_more.set()
        self._forget()
        if self._leave is not None:
            self._leave()


class Cohorts:
    """The cohorts of this process."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._cohorts: dict[Hashable, Cohort] = {}
        self._of_user: Counter[UUID | None] = Counter()

    def find(self, operation: Operation, variables: Mapping[str, Any], context: Context) -> Cohort | None:
        """Where all sit who ask the same as this viewer; None when no plan covers it, and each watches alone."""
        values = operation.read_variables(variables)
        if values is None:
            return None
        try:
            plan = operation.find_live_plan(values, context.viewer)
        except GraphQLError:  # which the executor phrases
            plan = None
        if plan is None:
            return None
        given = orjson.dumps(values, default=repr, option=orjson.OPT_SORT_KEYS)
        key = (operation.source, operation.name, given, context.viewer.user_id, context.viewer.role)
        cohort = self._cohorts.get(key)
        if cohort is None:
            self._check_room(context)
            cohort = Cohort(plan, context, operation.cost, lambda: self._forget(key, context.viewer.user_id))
            self._cohorts[key] = cohort
            self._of_user[context.viewer.user_id] += 1
        return cohort

    def _check_room(self, context: Context) -> None:
        scale = context.settings.rate_limit_scale
        if scale and self._of_user[context.viewer.user_id] >= MAX_COHORTS_OF_USER * scale:
            raise TooManySubscriptions

    def _forget(self, key: Hashable, user_id: UUID | None) -> None:
        del self._cohorts[key]
        self._of_user[user_id] -= 1
        if not self._of_user[user_id]:
            del self._of_user[user_id]

    async def watch(
        self, operation: Operation, variables: Mapping[str, Any], context: Context
    ) -> AsyncGenerator[Frame, None]:
        """Every result of an operation as it comes, for one who reads at a pace of its own."""
        cohort = self.find(operation, variables, context)
        if cohort is None:
            async with aclosing(self._operations.stream(operation, variables, context)) as results:
                async for result in results:
                    metrics.EVENTS_SENT.inc()
                    yield Frame.of(result)
            return
        inbox = Inbox()
        cohort.join(inbox)
        try:
            async for payload in inbox:
                yield Frame(payload)
        except Failed as failed:
            yield Frame(orjson.dumps({"errors": failed.errors}), failed.errors)
        finally:
            cohort.leave(inbox)
