"""Watches tell as they declare, whoever asks for the values and however slowly."""

import asyncio
from collections.abc import Hashable
from contextlib import aclosing
from itertools import pairwise
from typing import Any

import pytest

from schema.context import Context
from schema.live import BACKLOG, Inbox, Leave, Sink, Watch
from schema.ticker import begin_ticking
from server.resources import Resources
from tests.studio import until


async def read_all(inbox: Inbox) -> list[Any]:
    return [value async for value in inbox]


async def test_inbox_gives_all_that_came_in_order() -> None:
    inbox = Inbox()
    for number in range(BACKLOG):
        inbox.offer("", number)
    inbox.end()

    assert await read_all(inbox) == [*range(BACKLOG)]


async def test_inbox_of_one_who_lags_keeps_the_newest_of_each() -> None:
    inbox, keys = Inbox(), range(1000)
    for number in range(20):
        for key in keys:
            inbox.offer(key, (key, number))
    inbox.end()
    seen = await read_all(inbox)

    assert dict(seen) == dict.fromkeys(keys, 19)
    assert len(seen) <= 2 * len(keys) + BACKLOG
    assert all(number <= later for key in (0, 999) for number, later in _pairs(key, seen))


def _pairs(key: int, seen: list[tuple[int, int]]) -> list[tuple[int, int]]:
    numbers = [number for each, number in seen if each == key]
    return [*pairwise(numbers)]


async def test_inbox_gives_what_it_has_before_it_fails_and_nothing_after() -> None:
    inbox, seen = Inbox(), list[Any]()
    inbox.offer("", 1)
    inbox.end(LookupError("gone"))
    inbox.offer("", 2)
    inbox.end()

    async def read() -> None:
        async for value in inbox:
            seen.append(value)

    with pytest.raises(LookupError):
        await read()
    assert seen == [1]


async def test_stream_of_a_watch_leaves_when_it_is_closed(resources: Resources) -> None:
    left = list[str]()

    async def begin(_context: Context, sink: Sink, name: str) -> Leave:
        sink.offer("", f"hello {name}")
        return lambda: left.append(name)

    context = Context(resources.settings, resources.blobs, resources.hub, "a request")
    async with aclosing(Watch(begin).stream(context, name="you")) as values:
        assert await anext(values) == "hello you"
        assert left == []

    assert left == ["you"]


class Told:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.ended: list[Exception | None] = []

    def offer(self, _key: Hashable, value: Any, *, is_final: bool = False) -> None:  # noqa: ARG002 - as any sink
        self.values.append(value)

    def end(self, error: Exception | None = None) -> None:
        self.ended.append(error)


async def test_ticker_tells_changes_only_and_survives_a_lost_database() -> None:
    told, reads = Told(), 0

    async def read() -> int:
        nonlocal reads
        reads += 1
        if reads == 3:
            raise ConnectionResetError
        return reads // 3

    leave = begin_ticking(read, 0.001, told)

    async def has_told() -> bool:
        return reads > 8

    await until(has_told, "it ticks", 3)
    leave()
    assert told.values[:3] == [0, 1, 2]
    assert told.ended == []


async def test_ticker_that_fails_says_so() -> None:
    told = Told()

    async def read() -> int:
        raise LookupError

    begin_ticking(read, 0.001, told)

    async def has_ended() -> bool:
        return bool(told.ended)

    await until(has_ended, "the sink is told", 3)
    await asyncio.sleep(0)
    assert [type(error) for error in told.ended] == [LookupError]
    assert told.values == []
