"""Structured logs; what is bound here (request id, job id) is on every line below it, in child processes too."""

import logging
import random
import re
import sys
from collections.abc import Mapping
from typing import Any

import orjson
import structlog
from structlog.contextvars import bind_contextvars, bound_contextvars, get_contextvars, unbind_contextvars

__all__ = [
    "bind_contextvars",
    "bound_contextvars",
    "configure",
    "get_contextvars",
    "get_logger",
    "new_request_id",
    "unbind_contextvars",
]

QUIET = {
    "asyncio": "warning",
    "tortoise": "warning",
    "uvicorn.access": "warning",
    "uvicorn.error": "warning",  # at debug it logs whole frames, tokens and all
    "httpx": "warning",
    "botocore": "warning",
    "aiobotocore": "warning",
}

MAX_REQUEST_ID = 64
ROW_DETAIL = re.compile(r"DETAIL:.*")

get_logger = structlog.stdlib.get_logger


def configure(
    process: str, *, level: str = "info", log_format: str = "console", bound: Mapping[str, Any] | None = None
) -> None:
    """Set logging up for this process; `bound` carries a parent's context into its child."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process, **(bound or {}))
    out = logging.StreamHandler(sys.stderr)
    out.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                hide_rows,
                *_renderers(log_format),
            ],
        )
    )
    logging.basicConfig(handlers=[out], level=level.upper(), force=True)
    for name, level in QUIET.items():
        logging.getLogger(name).setLevel(level.upper())


def hide_rows(_logger: object, _method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Take out what PostgreSQL quotes of a row that it refused: there may be an address or a hash in it."""
    if "exception" in line:
        line["exception"] = ROW_DETAIL.sub("DETAIL: (hidden)", line["exception"])
    return line


def _renderers(log_format: str) -> list[structlog.typing.Processor]:
    if log_format == "json":
        return [structlog.processors.JSONRenderer(serializer=_dump)]
    return [
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), pad_event_to=36, exception_formatter=structlog.dev.plain_traceback
        )
    ]


def _dump(line: Any, **_: Any) -> str:
    return orjson.dumps(line, default=str).decode()


def new_request_id(given: bytes | None = None) -> str:
    """The caller's own id for a request, if it is fit for a log line, or a new one."""
    if given and len(given) <= MAX_REQUEST_ID and given.isascii() and given.translate(None, b"-_").isalnum():
        return given.decode("ascii")
    return f"{random.getrandbits(64):016x}"
