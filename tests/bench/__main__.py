"""`python -m tests.bench [names] [--quick] [--json PATH]`: measure, print, and leave nothing running."""

import argparse
import asyncio
import resource
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from rich.console import Console

from tests.bench import analyses, api, cuts, edits, films, jobs, leaks, loss, media, motion, realtime, speech
from tests.bench.report import Table, print_table, write_json

Benchmark = Callable[[bool], Awaitable[list[Table]]]
BENCHMARKS: dict[str, Benchmark] = {
    "media": media.measure,
    "films": films.measure,
    "cuts": cuts.measure,
    "edits": edits.measure,
    "motion": motion.measure,
    "analyses": analyses.measure,
    "speech": speech.measure,
    "api": api.measure,
    "realtime": realtime.measure,
    "loss": loss.measure,
    "leaks": leaks.measure,
    "jobs": jobs.measure,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks that are named; 1 when a promise is broken, such as that no job is lost."""
    parser = argparse.ArgumentParser("python -m tests.bench", description="Measure Libretto on this machine.")
    parser.add_argument("names", nargs="*", choices=[[], *BENCHMARKS], help="which ones; default all")
    parser.add_argument("--quick", action="store_true", help="small numbers: about a minute instead of eight")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    given = parser.parse_args(arguments)
    _allow_many_sockets()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was started is stopped
    console = Console(highlight=False, width=None if Console().is_terminal else 150)
    tables = asyncio.run(_run(given.names or list(BENCHMARKS), given.quick, console))
    if given.json:
        write_json(tables, given.json)
    return int(any(figure.is_promise and not figure.is_met for table in tables for figure in table.figures))


async def _run(names: Sequence[str], quick: bool, console: Console) -> list[Table]:  # noqa: FBT001 - as the command line says
    tables = []
    for name in names:
        began = time.monotonic()
        for table in await BENCHMARKS[name](quick):
            print_table(table, console)
            tables.append(table)
        console.print(f"[dim]{name}: {time.monotonic() - began:.0f} s[/]\n")
    return tables


def _allow_many_sockets() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    raise SystemExit(main())
