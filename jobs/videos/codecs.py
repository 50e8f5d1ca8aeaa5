"""What films can be encoded by: each worker opens all there is and tells of it, so that none is promised in vain."""

from jobs.engines import run
from jobs.engines.films.coders import CODERS, USUAL, list_codecs
from jobs.engines.run import Report
from server.errors import CodecUnavailable
from server.logs import get_logger
from storage import presence

KEY = "codecs"
OPEN_SECONDS = 20

log = get_logger(__name__)


def open_codecs(report: Report) -> list[str]:
    """The names of those that open, for an engine's child: a driver may do what it likes there."""
    report(0, "opening codecs")
    return list_codecs()


def find_codecs(memory_bytes: int) -> list[str] | None:
    """What opens on this machine within what a film may take; None where that could not be found out."""
    limits = run.Limits(memory_bytes, cpu_seconds=OPEN_SECONDS, file_bytes=1 << 20, wall_seconds=OPEN_SECONDS)
    try:
        return run.run_engine(open_codecs, report=lambda _fraction, _stage: None, limits=limits)
    except (run.EngineDied, run.EngineFailed, run.EngineStalled) as error:
        log.warning("codecs.unknown", error=str(error))
        return None


async def tell_codecs(worker: str, codecs: list[str]) -> None:
    """Say to whoever asks what this worker can encode films by."""
    await presence.tell(KEY, worker, codecs)


async def check_worker_for(codec: str) -> None:
    """CodecUnavailable when workers have told what they can and none can do this; where none has told, the job will."""
    if codec == USUAL.codec:
        return
    told = await presence.listen(KEY)
    if told and not any(codec in codecs for codecs in told):
        names = ", ".join(name for name in CODERS if any(name in codecs for codecs in told))
        raise CodecUnavailable(f"No worker of this studio can encode {codec}; there are {names}")
