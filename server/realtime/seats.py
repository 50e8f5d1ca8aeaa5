"""Seats: the operations of a socket that cohorts serve, each written to at once, or caught up with later."""

from collections.abc import Callable, Hashable

import orjson

from server.operations import Payload
from server.operations.cohorts import Cohort, Failed
from server.realtime.wire import Wire


class Seat:
    """One operation. While its wire is congested it keeps the newest state of each entity, and never loses the last."""

    __slots__ = ("_cohort", "_forget", "_goodbye", "_head", "_id", "_waiting", "_wire")

    def __init__(self, operation_id: str, cohort: Cohort, wire: Wire, forget: Callable[[str], None]) -> None:
        self._id = operation_id
        self._head = begin_next(operation_id)
        self._cohort = cohort
        self._wire = wire
        self._forget = forget
        self._waiting: dict[Hashable, bytes] | None = None  # of each entity the newest state, which all seats share
        self._goodbye: bytes | None = None

    def offer(self, key: Hashable, payload: bytes) -> None:
        """Send a state on."""
        if self._wire.congested_since is None:
            self._wire.write_text(self._head, payload, b"}")
        else:
            self._put_off(key, payload)

    def end(self, failed: Failed | None) -> None:
        """Say that nothing more comes."""
        message: Payload = {"id": self._id, "type": "complete"}
        if failed is not None:
            message |= {"type": "error", "payload": failed.errors}
        self._goodbye = orjson.dumps(message)
        self._wire.call(self)
        self.catch_up()

    def catch_up(self) -> None:
        """Send what was put off, as far as the wire takes it."""
        while self._waiting and self._wire.congested_since is None:
            self._wire.write_text(self._head, self._waiting.pop(next(iter(self._waiting))), b"}")
            self._wire.put_off -= 1
        if self._waiting or (self._goodbye is not None and self._wire.congested_since is not None):
            return
        self._wire.leave(self)
        self._waiting = None
        if self._goodbye is not None:
            self._wire.write_text(self._goodbye)
            self._forget(self._id)

    def cancel(self) -> None:
        """Say nothing more."""
        self._wire.leave(self)
        self._wire.put_off -= len(self._waiting or ())
        self._waiting = None
        self._cohort.leave(self)

    def _put_off(self, key: Hashable, payload: bytes) -> None:
        if self._waiting is None:
            self._waiting = {}
            self._wire.call(self)
        is_new = key not in self._waiting
        self._waiting[key] = payload
        if is_new:
            self._wire.count_put_off()


def begin_next(operation_id: str) -> bytes:
    """What stands before each payload of an operation; a closing brace comes after it."""
    return b'{"id":%b,"type":"next","payload":' % orjson.dumps(operation_id)
