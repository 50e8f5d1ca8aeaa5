"""How a smoke test looks in a terminal: a line for each step, a bar while a job runs, and the reason when one fails."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from server.smoke.breakage import Broken

NAME_WIDTH = 34
INDENT = " " * 4


class Terminal:
    """Writes to one console."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def open(self, url: str) -> None:
        """Say what is being tested."""
        self._write(f"\n[bold]Smoke test[/] of {escape(url)}\n")

    def tick(self, name: str, elapsed_seconds: float, note: str) -> None:
        """A step that went well."""
        self._write(f"  [green]✓[/] {name:<{NAME_WIDTH}} [dim]{elapsed_seconds:7.2f} s[/]  {escape(note)}")

    def cross(self, name: str, elapsed_seconds: float, broken: Broken) -> None:
        """The step that went wrong, and what to do about it."""
        self._write(f"  [red]✗[/] [bold]{name:<{NAME_WIDTH}}[/] [dim]{elapsed_seconds:7.2f} s[/]\n")
        told = {
            "expected": broken.expected,
            "came": broken.came,
            "request id": broken.request_id,
            "try": broken.hint,
        }
        for label, text in told.items():
            if text:
                self._write(f"{INDENT}[dim]{label:>10}[/]  {escape(text)}")
        self._write(f"\n[red]Failed[/] at: {name}\n")

    def close(self, verdict: str) -> None:
        """The last line."""
        self._write(f"\n[green]All well.[/] {escape(verdict)}\n")

    @contextmanager
    def follow_job(self) -> Iterator["Screen"]:
        """While a job runs."""
        if not self._console.is_terminal:
            yield Lines(self._console)
            return
        columns = (
            SpinnerColumn("dots"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=NAME_WIDTH),
            TaskProgressColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console, transient=True) as progress:
            yield Bar(progress)

    def _write(self, line: str) -> None:
        self._console.print(line, highlight=False, soft_wrap=True)


class Lines:
    """Shows a job to a file or a pipe: one line for each stage."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._stage = ""

    def show(self, state: Mapping[str, Any]) -> None:
        """One state of the job."""
        if (stage := f"{state['state']} {state['stage']}") != self._stage:
            self._stage = stage
            elapsed_seconds = time.monotonic() - self._began
            line = f"{INDENT}{elapsed_seconds:6.2f} s {state['progress']:4.0%} {escape(stage)}"
            self._console.print(line, highlight=False, soft_wrap=True)


class Bar:
    """Shows a job to a person."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID = progress.add_task("waiting", total=1.0)

    def show(self, state: Mapping[str, Any]) -> None:
        """One state of the job."""
        self._progress.update(self._task, completed=state["progress"], description=f"{escape(state['stage']):<12}")


Screen = Lines | Bar
