"""Run an engine for a job: with its limits, its logs, and its failures in our words."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from jobs.engines import run
from jobs.queue import Work
from server import errors, logs
from server.settings import get_settings

T = TypeVar("T")

CPU_SECONDS = 3600
FILE_BYTES = 4 << 30
STALL_SECONDS = 120.0
GATE_SECONDS = 0.25
REFUSALS = {
    kind.code: kind for kind in (errors.SpeechModelMissing, errors.CodecMissing)
}  # what an engine refuses for under its own name


def make(
    work: Work,
    engine: Callable[..., T],
    *given: object,
    limits: run.Limits | None = None,
    cpu_seconds: int = CPU_SECONDS,
    report: run.Report | None = None,
) -> T:
    """What the engine made of what it was given, in a child process that `work.report` can stop at any moment.

    `report` stands for it where the engine does only a part of the work; it must end in `work.report`. Long work
    may say how much of a processor it takes at most; whoever gives `limits` has said all.
    """
    limits = limits or run.Limits(
        memory_bytes=work.engine_memory_bytes,
        cpu_seconds=cpu_seconds,
        file_bytes=FILE_BYTES,
        stall_seconds=STALL_SECONDS,
    )
    settings = get_settings()
    prepare = partial(
        logs.configure,
        "engine",
        level=settings.log_level,  # and no more of the settings: an engine may be taken over by a hostile file
        log_format=settings.log_format,
        bound=logs.get_contextvars(),
    )
    try:
        with _passing(work):
            return run.run_engine(engine, *given, report=report or work.report, limits=limits, prepare=prepare)
    except run.EngineRefused as refused:
        if named := REFUSALS.get(refused.code):
            raise named(refused.message) from refused
        raise errors.EngineFailed(str(refused)) from refused
    except run.EngineTooSlow as slow:
        raise errors.EngineTooSlow from slow
    except run.EngineStalled as stalled:
        raise errors.EngineStalled from stalled
    except run.EngineDied as died:
        raise errors.EngineDied(f"The media engine died: {died}") from died
    except run.EngineFailed as failed:
        raise errors.EngineFailed from failed


@contextmanager
def _passing(work: Work) -> Iterator[None]:
    """Wait until the job's queue may run one engine more; a queue with many slots holds more jobs than engines."""
    while not work.engine_gate.acquire(timeout=GATE_SECONDS):
        work.report(0, "waiting for a free engine")
    try:
        yield
    finally:
        work.engine_gate.release()
