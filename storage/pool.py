"""The connections of one process to PostgreSQL: so many at most, lent to whoever asks next.

asyncpg's own pool lends a proxy and takes it back in a task of its own, which costs the process more than a small
statement does. Here the bare connection is lent; only one that may not be at rest is looked after when it comes back.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import asyncpg
from tortoise.backends.asyncpg.client import AsyncpgDBClient

MEND_SECONDS = 5.0  # for a connection whose statement was cancelled to come to rest; then it is dropped

Connection = Any  # asyncpg.Connection, which has no types


class Pool:
    """Lends connections, the one that came back last first, and opens one when all that there are are out."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]], size: int) -> None:
        self._connect = connect
        self._unopened = size
        self._idle: list[Connection] = []
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._menders: set[asyncio.Task[None]] = set()
        self._is_closed = False

    async def open(self, count: int) -> None:
        """Have so many connections ready."""
        for connection in [await self.acquire() for _ in range(count)]:
            self._give_back(connection)

    async def fetch(self, sql: str, *values: object) -> list[Any]:
        """The records of one statement, in a transaction of its own."""
        connection = await self.acquire()
        try:
            records: list[Any] = await connection.fetch(sql, *values)
            return records
        finally:
            self._give_back(connection)

    async def acquire(self) -> Connection:
        """Borrow a connection; when all are lent, whoever waits longest is next."""
        while not self._is_closed:
            while self._idle:
                connection = self._idle.pop()
                if not connection.is_closed():
                    return connection
                self._unopened += 1
            if self._unopened:
                return await self._open_one()
            if (connection := await self._wait()) is not None:
                return connection
        raise asyncpg.InterfaceError("the pool is closed")

    async def release(self, connection: Connection) -> None:
        """Give a connection back."""
        self._give_back(connection)

    async def close(self) -> None:
        """Close what is idle now, and what is lent when it comes back."""
        self._is_closed = True
        while self._waiting:
            _wake(self._waiting.popleft(), None)
        await asyncio.gather(*self._menders)
        while self._idle:
            await self._idle.pop().close(timeout=MEND_SECONDS)

    def terminate(self) -> None:
        """Drop what is idle, without a word to the other end."""
        while self._idle:
            self._idle.pop().terminate()

    async def _open_one(self) -> Connection:
        self._unopened -= 1
        try:
            return await self._connect()
        except BaseException:
            self._forget_one()
            raise

    async def _wait(self) -> Connection | None:
        """A connection that somebody gave back; None when there may be another way to one."""
        turn: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it came at the same moment
                self._pass_on(turn.result())
            raise

    def _give_back(self, connection: Connection) -> None:
        task = asyncio.current_task()
        if connection.is_closed():
            self._forget_one()
        elif connection.is_in_transaction() or (task is not None and task.cancelling()):
            mender = asyncio.create_task(self._mend(connection))
            self._menders.add(mender)
            mender.add_done_callback(self._menders.discard)
        else:
            self._pass_on(connection)

    async def _mend(self, connection: Connection) -> None:
        """Bring a connection to rest: a statement that was cancelled may still run, a transaction be open."""
        try:
            await connection.reset(timeout=MEND_SECONDS)
        except (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError, asyncpg.PostgresError):
            connection.terminate()
            self._forget_one()
        else:
            self._pass_on(connection)

    def _pass_on(self, connection: Connection | None) -> None:
        if connection is None:
            self._wake_next(None)
        elif self._is_closed:
            connection.terminate()
        elif not self._wake_next(connection):
            self._idle.append(connection)

    def _forget_one(self) -> None:
        """A connection is no more, so there may be another."""
        self._unopened += 1
        self._wake_next(None)

    def _wake_next(self, connection: Connection | None) -> bool:
        while self._waiting:
            if _wake(self._waiting.popleft(), connection):
                return True
        return False


def _wake(turn: "asyncio.Future[Connection | None]", connection: Connection | None) -> bool:
    """Whether somebody still waits there."""
    if turn.done():
        return False
    turn.set_result(connection)
    return True


class Client(AsyncpgDBClient):
    """Tortoise's client over a pool of ours, so that rows and plain statements share the connections."""

    pool: Pool | None = None  # until somebody first needs a connection

    async def create_pool(self, *, min_size: int, max_size: int, **given: Any) -> Pool:  # type: ignore[override] # what Tortoise uses of one, ours has
        """Open the pool; the rest is said to asyncpg for each connection."""
        self.pool = Pool(partial(asyncpg.connect, **given), max_size)
        await self.pool.open(min_size)
        return self.pool

    async def close(self) -> None:
        """Close the pool; whoever needs a connection after that opens another."""
        await super().close()
        self.pool = None


client_class = Client  # where Tortoise looks for it in the module that its configuration names
