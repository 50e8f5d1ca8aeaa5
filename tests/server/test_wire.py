"""The wire writes what clients read, in order, and knows when they do not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import uvicorn
import websockets
from starlette.types import ASGIApp, Receive, Scope, Send
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidMessage

from server.realtime.wire import EXTENSION, TOGETHER_BYTES, Wire, WireProtocol
from tests.studio import until

Talk = Callable[[Wire, Receive], Awaitable[None]]
LENGTHS = (0, 1, 125, 126, 127, TOGETHER_BYTES, (1 << 16) - 1, 1 << 16, 300_000)
BLOCK = b"x" * 10_000


def app(talk: Talk) -> ASGIApp:
    """Accepts a socket, then talks."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await talk(scope["extensions"][EXTENSION], receive)
        with suppress(OSError):
            await send({"type": "websocket.close", "code": 1000})

    return answer


async def listen(_scope: Scope, receive: Receive, _send: Send) -> None:
    """Say nothing until it is over."""
    while (await receive())["type"] != "websocket.disconnect":
        pass


class Hasty(WireProtocol):
    """Waits for a handshake not as long."""

    handshake_seconds = 0.1


@asynccontextmanager
async def run_server(answer: ASGIApp, ws: type[WireProtocol] = WireProtocol) -> AsyncIterator[int]:
    """A server's port."""
    config = uvicorn.Config(answer, port=0, log_config=None, lifespan="off", ws=ws, ws_per_message_deflate=False)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())

    async def has_started() -> bool:
        return server.started

    await until(has_started, "the server is up")
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await running


@asynccontextmanager
async def dial(talk: Talk) -> AsyncIterator[ClientConnection]:
    """A client of a server that talks so."""
    async with run_server(app(talk)) as port, websockets.connect(f"ws://127.0.0.1:{port}", max_queue=1) as client:
        yield client


async def test_frames_of_every_size_arrive_whole_and_in_order() -> None:
    async def talk(wire: Wire, _receive: Receive) -> None:
        for length in LENGTHS:
            await wire.wait()
            wire.write_text(b"a" * (length // 2), b"", b"b" * (length - length // 2))
        await wire.wait()
        wire.flush()

    async with dial(talk) as client:
        for length in LENGTHS:
            assert await client.recv() == "a" * (length // 2) + "b" * (length - length // 2)


async def test_frame_that_was_written_alone_is_not_kept_back() -> None:
    async def talk(wire: Wire, receive: Receive) -> None:
        wire.write_text(b"alone")
        await receive()

    async with dial(talk) as client:
        assert await client.recv() == "alone"


async def test_wire_says_when_its_reader_lags_and_when_it_has_caught_up() -> None:
    written = 0
    caught_up = list[int]()
    congested: asyncio.Future[Wire] = asyncio.get_running_loop().create_future()

    class Late:
        """Counts the calls."""

        def catch_up(self) -> None:
            caught_up.append(written)

    async def talk(wire: Wire, receive: Receive) -> None:
        nonlocal written
        while wire.congested_since is None:
            wire.write_text(b"%d " % written, BLOCK)
            written += 1
            await asyncio.sleep(0)
        wire.call(Late())
        congested.set_result(wire)
        await wire.wait()
        wire.write_text(b"last")
        await receive()

    async with dial(talk) as client:
        wire = await congested
        assert caught_up == []
        for number in range(written):
            assert str(await client.recv()).startswith(f"{number} ")
        assert await client.recv() == "last"
        assert caught_up == [written]
        assert wire.congested_since is None


async def test_wire_that_is_interrupted_tells_who_listens_and_who_waits() -> None:
    congested: asyncio.Future[Wire] = asyncio.get_running_loop().create_future()
    done: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def talk(wire: Wire, receive: Receive) -> None:
        while wire.congested_since is None:
            wire.write_text(BLOCK)
            await asyncio.sleep(0)
        congested.set_result(wire)
        await wire.wait()
        done.set_result((await receive())["type"])

    async with dial(talk) as client:
        wire = await congested
        wire.interrupt()
        async with asyncio.timeout(3):
            assert await done == "websocket.disconnect"
        wire.write_text(b"too late")

        assert {str(text) async for text in client} == {BLOCK.decode()}
        assert client.close_code == 1000


async def test_what_is_written_to_one_who_has_left_is_dropped() -> None:
    done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def talk(wire: Wire, receive: Receive) -> None:
        await receive()
        for _ in range(100):
            wire.write_text(BLOCK)
        wire.flush()
        done.set_result(wire.is_over)

    async with dial(talk) as client:
        client.transport.abort()
        async with asyncio.timeout(3):
            assert await done


async def test_socket_whose_handshake_never_ends_is_cut_off() -> None:
    async with run_server(listen, Hasty) as port:
        with pytest.raises(InvalidMessage):
            async with asyncio.timeout(3):
                await websockets.connect(f"ws://127.0.0.1:{port}")


async def test_socket_stays_after_its_handshake() -> None:
    async def repeat(wire: Wire, receive: Receive) -> None:
        while (message := await receive())["type"] == "websocket.receive":
            wire.write_text(message["text"].encode())

    async with run_server(app(repeat), Hasty) as port, websockets.connect(f"ws://127.0.0.1:{port}") as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3 * Hasty.handshake_seconds):
                await client.recv()
        await client.send("still there")
        assert await client.recv() == "still there"


@pytest.mark.parametrize("pieces", [[b"\xff\xfe"], [b"a", b"\xff", b"b"]], ids=["whole", "in pieces"])
async def test_text_that_is_none_closes_the_socket_without_a_trace(
    pieces: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        await listen(scope, receive, send)

    async with run_server(answer) as port, websockets.connect(f"ws://127.0.0.1:{port}") as client:
        await client.send(pieces[0] if len(pieces) == 1 else iter(pieces), text=True)
        await client.wait_closed()
    assert client.close_code == 1007
    assert [record.message for record in caplog.records if record.exc_info] == []
