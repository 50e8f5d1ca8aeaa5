"""Seats: the operations of a socket that cohorts serve, each written to at once, or caught up with later."""

from collections.abc import Callable, Hashable

import orjson

from server.operations import Payload
from server.operations.cohorts import Cohort, Failed
from server.realtime.wire import Wire


class Seat:
    """One operation. While its wire is congested it keeps the newest state of each entity, and never loses the last."""

    __slots__ = ("_cohort", "_forget", "_has_ended", "_head", "_id", "_waiting", "_wire")

    def __init__(self, operation_id: str, cohort: Cohort, wire: Wire, forget: Callable[[str], None]) -> None:
        self._id = operation_id
        self._head = begin_next(operation_id)
        self._cohort = cohort
        self._wire = wire
        self._forget = forget
        self._waiting: dict[Hashable, bytes] | None = None
        self._has_ended = False

    def offer(self, key: Hashable, payload: bytes) -> None:
        """Send a state on."""
        if self._wire.congested_since is None:
            self._wire.write_text(self._head, payload, b"}")
        else:
            self._put_off(key, self._head + payload + b"}")

    def end(self, failed: Failed | None) -> None:
        """Say that nothing more comes."""
        message: Payload = {"id": self._id, "type": "complete"}
        if failed is not None:
            message |= {"type": "error", "payload": failed.errors}
        self._has_ended = True
        self._put_off(self, orjson.dumps(message))
        self.catch_up()

    def catch_up(self) -> None:
        """Send what was put off, as far as the wire takes it."""
        waiting = self._waiting or {}
        while waiting and self._wire.congested_since is None:
            self._wire.write_text(waiting.pop(next(iter(waiting))))
        if not waiting:
            self._waiting = None
            self._wire.leave(self)
            if self._has_ended:
                self._forget(self._id)

    def cancel(self) -> None:
        """Say nothing more."""
        self._waiting = None
        self._wire.leave(self)
        self._cohort.leave(self)

    def _put_off(self, key: Hashable, text: bytes) -> None:
        if self._waiting is None:
            self._waiting = {}
            self._wire.call(self)
        self._waiting[key] = text


def begin_next(operation_id: str) -> bytes:
    """What stands before each payload of an operation; a closing brace comes after it."""
    return b'{"id":%b,"type":"next","payload":' % orjson.dumps(operation_id)
