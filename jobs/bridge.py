"""The bridge from a sync actor, in its thread, to the async storage on the worker's event loop."""

import asyncio
import concurrent.futures
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_loop: asyncio.AbstractEventLoop | None = None


def bind(loop: asyncio.AbstractEventLoop) -> None:
    """Name the loop that this process's storage lives on."""
    global _loop  # noqa: PLW0603 - one for each process
    _loop = loop


def wait(work: Coroutine[Any, Any, T], timeout_seconds: float = 120) -> T:
    """Run `work` on the loop and wait for what comes of it; after too long it is dropped, with TimeoutError."""
    if _loop is None:
        work.close()
        raise RuntimeError("bind() was not called in this process")
    future = asyncio.run_coroutine_threadsafe(work, _loop)
    try:
        return future.result(timeout_seconds)
    except TimeoutError:
        future.cancel()
        raise


def wait_beating(work: Coroutine[Any, Any, T], beat: Callable[[], None], beat_seconds: float = 1.0) -> T:
    """The same for work that takes longer than a heartbeat; what `beat` raises ends the work."""
    if _loop is None:
        work.close()
        raise RuntimeError("bind() was not called in this process")
    future = asyncio.run_coroutine_threadsafe(work, _loop)
    try:
        while not concurrent.futures.wait([future], beat_seconds).done:
            beat()
    finally:
        future.cancel()
    return future.result()


def begin(work: Coroutine[Any, Any, T]) -> "concurrent.futures.Future[T]":
    """Run `work` on the loop while the actor goes on."""
    if _loop is None:
        work.close()
        raise RuntimeError("bind() was not called in this process")
    return asyncio.run_coroutine_threadsafe(work, _loop)
