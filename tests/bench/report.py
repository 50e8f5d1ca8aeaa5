"""What a benchmark found: figures beside their limits, as tables for people and as JSON for machines."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table as Grid


@dataclass(frozen=True)
class Figure:
    """One number of ours, and what stands beside it."""

    what: str
    value: float
    unit: str = ""
    beside: str = ""
    is_met: bool | None = None  # None: there is nothing to hold it against
    is_promise: bool = False  # holds on any machine, however busy


@dataclass(frozen=True)
class Table:
    """Figures that were measured together."""

    title: str
    figures: Sequence[Figure]
    note: str = ""


def at_most(what: str, value: float, unit: str, limit: float) -> Figure:
    """A figure that should not be above its limit; a limit of nothing at all is a promise."""
    return Figure(what, value, unit, f"≤ {limit:g} {unit}".rstrip(), value <= limit, is_promise=limit == 0)


def at_least(what: str, value: float, unit: str, limit: float) -> Figure:
    """A figure that should not be below its limit."""
    return Figure(what, value, unit, f"≥ {limit:g} {unit}".rstrip(), value >= limit)


def percentile(values: Sequence[float], fraction: float) -> float:
    """The value that this fraction of the others does not exceed; 0 when there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * fraction))] if ordered else 0.0


def print_table(table: Table, console: Console) -> None:
    """Show it."""
    grid = Grid()
    for heading in ("what", "here", "", "beside", "met"):
        grid.add_column(heading, justify="right" if heading == "here" else "left")
    for figure in table.figures:
        met = {True: "[green]yes[/]", False: "[red]no[/]", None: ""}[figure.is_met]
        grid.add_row(figure.what, format_number(figure.value), figure.unit, figure.beside, met)
    console.print(f"[bold]{table.title}[/]", grid, *([f"[dim]{table.note}[/]"] if table.note else []), "", sep="\n")


def format_number(value: float) -> str:
    """Three digits that matter; whole numbers in groups of three."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def write_json(tables: Sequence[Table], path: Path) -> None:
    """Keep all of it."""
    path.write_bytes(orjson.dumps([asdict(table) for table in tables], option=orjson.OPT_INDENT_2))
