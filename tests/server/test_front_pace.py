"""Nobody keeps a connection by saying half of something, or by reading nothing; whoever moves at all is waited for."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

import orjson
import pytest
import pytest_asyncio

from server.graphql.pace import FULL, Pace
from server.resources import Resources
from tests.server.test_front import (
    ASGI,
    FRONT,
    HELLO,
    WAITING,
    House,
    Wire,
    open_house,
    open_wire,
    wait_until,
    write_request,
)

SECONDS = 0.2
SIZE, TIMES = 3_500_000, 4  # together more than the kernel holds for both sides


@pytest_asyncio.fixture
async def house(resources: Resources) -> AsyncIterator[House]:
    async with open_house(resources, Pace(seconds=SECONDS, most=5)) as opened:
        yield opened


async def outlast(wire: Wire, seconds: float) -> None:
    """See that it stays open for so long."""
    with suppress(TimeoutError):
        assert not await wire.is_closed(seconds)


HALVES = {
    "nothing": b"",
    "the end of a line": b"\r\n",
    "half a head": b"POST /graphql HTTP/1.1\r\nhost: ",
    "half a body": write_request(FRONT)[:-1],
    "half a body by ASGI": write_request(ASGI)[:-1],
    "half a chunk": write_request(FRONT, b"5\r\n12", transfer_encoding="chunked").replace(
        b"content-length: 5\r\n", b""
    ),
    "half a body of what is refused": write_request(FRONT, b"{", content_length="99999999"),
}


@pytest.mark.parametrize("sent", HALVES.values(), ids=HALVES.keys())
async def test_client_that_does_not_go_on_is_cut_off(house: House, sent: bytes) -> None:
    async with open_wire(house.port) as wire:
        wire.send(sent)
        if b"99999999" in sent:
            assert (await wire.hear()).status == 413
        assert await wire.is_closed()
    await wait_until(house.is_idle, "nothing is left")


@pytest.mark.parametrize("sent", [b"P", b"\r\n"])
async def test_client_that_does_not_go_on_after_an_answer_is_cut_off(house: House, sent: bytes) -> None:
    async with open_wire(house.port) as wire:
        wire.send(write_request(FRONT))
        await wire.hear()
        wire.send(sent)
        assert await wire.is_closed(), "before it is too long idle"


@pytest.mark.parametrize("begun", [b"POST /graphql HTTP/1.1\r\nx: ", write_request(FRONT, b"", content_length="99999")])
async def test_client_that_drips_is_cut_off(house: House, begun: bytes) -> None:
    async with open_wire(house.port) as wire:
        wire.send(begun)
        await wait_until(lambda: house.state.connections, "it is there")
        async with asyncio.timeout(3):
            while house.state.connections:
                wire.send(b"x")
                await asyncio.sleep(SECONDS / 50)


@pytest.mark.parametrize("path", [FRONT, ASGI])
async def test_body_that_comes_slowly_is_waited_for(house: House, path: str) -> None:
    request = write_request(path, orjson.dumps(HELLO) + b" " * 5_000)
    async with open_wire(house.port) as wire:
        for at in range(0, len(request), 500):
            wire.send(request[at : at + 500])
            await outlast(wire, SECONDS / 3)
        assert (await wire.hear()).status == 200


@pytest.mark.parametrize("path", [FRONT, ASGI])
async def test_client_that_waits_for_its_answer_is_not_cut_off(house: House, path: str) -> None:
    house.stage.may_go_on.clear()
    async with open_wire(house.port) as wire:
        wire.send(write_request(path, WAITING), write_request(path))
        await outlast(wire, 5 * SECONDS)
        house.stage.may_go_on.set()
        assert [(await wire.hear()).status for _ in range(2)] == [200, 200]


@pytest.mark.parametrize("path", [FRONT, ASGI])
async def test_client_that_takes_nothing_of_a_large_answer_is_cut_off(house: House, path: str) -> None:
    house.stage.size = SIZE
    async with open_wire(house.port) as wire:
        wire.pause()
        wire.send(write_request(path, WAITING) * TIMES)
        await wait_until(lambda: house.stage.ended, "it is answered")
        assert house.state.connections
        await wait_until(house.is_idle, "nothing is kept for it")


@pytest.mark.parametrize("path", [FRONT, ASGI])
async def test_client_that_takes_a_large_answer_slowly_gets_all_of_it(house: House, path: str) -> None:
    house.stage.size = SIZE
    loop, taken = asyncio.get_running_loop(), 0
    with socket.create_connection(("127.0.0.1", house.port)) as client:
        client.setblocking(False)
        await loop.sock_sendall(client, write_request(path, WAITING) * TIMES)
        while taken < SIZE * TIMES:
            piece = await loop.sock_recv(client, SIZE // 8)
            assert piece, "the rest is missing"
            taken += len(piece)
            await asyncio.sleep(SECONDS / 6)


async def test_connection_too_many_is_told_so(house: House) -> None:
    async with open_wire(house.port) as first:
        first.send(write_request(FRONT, WAITING)[:-1])
        others = [await asyncio.open_connection("127.0.0.1", house.port) for _ in range(4)]
        await wait_until(lambda: len(house.state.connections) == 5, "it is full")
        async with open_wire(house.port) as wire:
            assert await wire.reader.read() == FULL
        for _, writer in others:
            writer.transport.abort()
        await wait_until(lambda: len(house.state.connections) < 5, "there is room")
        async with open_wire(house.port) as wire:
            wire.send(write_request(FRONT))
            assert (await wire.hear()).status == 200
