"""Screens that watch many jobs and come back by themselves, as graphql-ws does; runs as a child process.

Hears JSON lines: first what to watch (answered once every screen shows it), then `{"cut": 0.2}`, which cuts that share
of the sockets, or `{"ends": {job: when}}`: what became of these ends. Times are of the clock that processes share.
"""

import asyncio
import itertools
import random
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import orjson
import uvloop
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from tests.bench.report import percentile
from tests.studio import until

Message = dict[str, Any]

ENDS = {"COMPLETE", "FAILED", "CANCELLED"}
MAX_OPERATIONS = 100  # as many as a socket carries
# graphql-ws does not come back after these
FATAL = {1002, 1007, 1008, 1009, 1010, 1011, 4004, 4005, 4400, 4401, 4406, 4409, 4429, 4500}
RETRY_SECONDS = 0.3  # graphql-ws waits for a second and up to three more; so patient, it would meet fewer faults
MAX_DOUBLINGS = 3

# shown from the event itself, under two names, and read once more because of the track
ONE_JOB = (
    "subscription ($id: ID!) { jobProgress(jobId: $id) { id state version } }",
    "subscription ($id: ID!) { jobProgress(jobId: $id) { id state stage progress message version error { code } } }",
    "subscription ($id: ID!) { jobProgress(jobId: $id) { id state version track { id } } }",
)
ALL_JOBS = "subscription { viewerJobs { id state version } }"
PAGE = """query ($after: String) {
    jobs(first: 100, after: $after) { nodes { id state version } pageInfo { hasNextPage endCursor } } }"""


class Line(asyncio.Protocol):
    """A WebSocket, for as long as it lasts."""

    def __init__(self, screen: "Screen", port: int) -> None:
        address = parse_uri(f"ws://127.0.0.1:{port}/graphql")
        self._protocol = ClientProtocol(address, subprotocols=[Subprotocol("graphql-transport-ws")])
        self._screen = screen
        self.lost: asyncio.Future[int] = asyncio.get_running_loop().create_future()  # with the code, 1006 if none came

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass of it
        self._screen.line = self
        self._protocol.send_request(self._protocol.connect())
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if not isinstance(event, Frame):
                self._screen.open()
            elif event.opcode is Opcode.TEXT:
                self._screen.hear(orjson.loads(event.data))
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - as any protocol
        closed = self._protocol.close_rcvd
        self.lost.set_result(closed.code if closed else 1006)

    def say(self, message: Message) -> None:
        """Send it, if there is anybody to send it to."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_text(orjson.dumps(message))
            self._flush()

    def cut(self) -> None:
        """As when a phone goes into a tunnel."""
        self._transport.abort()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if not self._transport.is_closing():
                self._transport.write(data)


@dataclass
class Screen:
    """A client with one socket, which it opens again, with what is not complete, whenever it is lost."""

    kind: str
    ports: Sequence[int]
    token: str
    jobs: Sequence[str]
    wanted: dict[str, Message]
    asks_again: bool = False
    line: Line | None = None
    shown: set[str] = field(default_factory=set)
    seen: dict[str, float] = field(default_factory=dict)  # when the end of a job was first shown
    ups: list[list[float]] = field(default_factory=list)  # from when to when it was acknowledged
    refused: list[str] = field(default_factory=list)

    async def stay(self) -> None:
        """Come back until the server says that there is no use."""
        tries = 0
        for port in itertools.cycle(random.sample(self.ports, len(self.ports))):
            ups = len(self.ups)
            code = await self._visit(port)
            if code in FATAL:
                self.refused.append(f"closed with {code}")
                return
            tries = 0 if len(self.ups) > ups else min(tries + 1, MAX_DOUBLINGS)
            await asyncio.sleep(RETRY_SECONDS * 2**tries * random.uniform(1, 4))

    async def _visit(self, port: int) -> int:
        try:
            _, line = await asyncio.get_running_loop().create_connection(lambda: Line(self, port), "127.0.0.1", port)
        except OSError:
            return 1006
        ups = len(self.ups)
        code = await line.lost
        if len(self.ups) > ups:
            self.ups[-1][1] = time.monotonic()
        return code

    def open(self) -> None:
        """The socket is open."""
        self._say({"type": "connection_init", "payload": {"authorization": f"Bearer {self.token}"}})

    def hear(self, message: Message) -> None:
        """Note what is shown, and ask for what else there is."""
        match message:
            case {"type": "connection_ack"}:
                self.ups.append([time.monotonic(), float("inf")])
                for operation_id, payload in self.wanted.items():
                    self._say({"type": "subscribe", "id": operation_id, "payload": payload})
                if self.asks_again:
                    self._ask_for_page("page", None)
            case {"type": "next", "id": operation_id, "payload": {"data": dict(found), **rest}} if "errors" not in rest:
                self.shown.add(operation_id)
                self._show(operation_id, *found.values())
            case {"type": "complete", "id": operation_id}:
                self.wanted.pop(operation_id, None)
            case {"type": "ping"}:
                self._say({"type": "pong"})
            case _:
                self.refused.append(str(message)[:300])

    def _show(self, operation_id: str, found: Any) -> None:
        for job in found.get("nodes", [found]):
            if job["state"] in ENDS:
                self.seen.setdefault(job["id"], time.monotonic())
        if (page := found.get("pageInfo")) and page["hasNextPage"]:
            self._ask_for_page(operation_id + "+", page["endCursor"])

    def _ask_for_page(self, operation_id: str, after: str | None) -> None:
        payload = {"query": PAGE, "variables": {"after": after}}
        self._say({"type": "subscribe", "id": operation_id, "payload": payload})

    def _say(self, message: Message) -> None:
        assert self.line is not None
        self.line.say(message)

    def measure_delays(self, ends: Mapping[str, float]) -> list[float]:
        """How long each end was there to be shown, while we were connected, before it was; infinite if it never was."""
        return [
            sum(max(0.0, min(lost, self.seen[job]) - max(acked, ends[job])) for acked, lost in self.ups)
            if job in self.seen
            else float("inf")
            for job in self.jobs
        ]


def make_screens(wish: Message) -> list[Screen]:
    """For each client sockets that watch every job by itself, and one that watches all of them."""
    screens = []
    ports, token, jobs = wish["ports"], wish["token"], wish["jobs"]
    for number in range(wish["clients"]):
        for start in range(0, len(jobs), MAX_OPERATIONS):
            some = jobs[start : start + MAX_OPERATIONS]
            query = ONE_JOB[number % len(ONE_JOB)]
            wanted = {f"{at}": {"query": query, "variables": {"id": job}} for at, job in enumerate(some)}
            screens.append(Screen("each", ports, token, some, wanted))
        asks_again = number % 2 == 0
        kind = "all, asking again" if asks_again else "all"
        screens.append(Screen(kind, ports, token, jobs, {"all": {"query": ALL_JOBS}}, asks_again))
    return screens


def tell_ends(screens: Sequence[Screen], ends: Mapping[str, float]) -> Message:
    """What became of them, for each kind of screen."""
    told: Message = {}
    for kind in {screen.kind for screen in screens}:
        delays = [delay for screen in screens if screen.kind == kind for delay in screen.measure_delays(ends)]
        shown = [delay for delay in delays if delay != float("inf")]
        told[kind] = {
            "pairs": len(delays),
            "missed": len(delays) - len(shown),
            "p50": percentile(shown, 0.5),
            "p99": percentile(shown, 0.99),
            "worst": max(shown, default=0.0),
        }
    return told


async def have_all_shown(screens: Iterable[Screen]) -> bool:
    """Whether each operation has shown something."""
    return all(screen.wanted.keys() <= screen.shown for screen in screens)


async def main() -> None:
    """Watch, and answer until nobody asks any more."""
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=1 << 24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    screens = make_screens(orjson.loads(await lines.readline()))
    tasks = [asyncio.create_task(screen.stay()) for screen in screens]
    await until(partial(have_all_shown, screens), "every screen shows what it watches", 120)
    _say(len(screens))
    while line := await lines.readline():
        asked = orjson.loads(line)
        if "cut" in asked:
            for screen in random.sample(screens, round(len(screens) * asked["cut"])):
                if screen.line is not None:
                    screen.line.cut()
            _say(True)
        else:
            refused = [one for screen in screens for one in screen.refused]
            comebacks = sum(len(screen.ups) - 1 for screen in screens)
            _say({"kinds": tell_ends(screens, asked["ends"]), "refused": refused, "comebacks": comebacks})
    for task in tasks:
        task.cancel()


def _say(what: object) -> None:
    sys.stdout.buffer.write(orjson.dumps(what) + b"\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main())
