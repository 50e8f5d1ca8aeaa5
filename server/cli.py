"""The command line: every process and every chore of an operator starts here."""

import argparse
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import uvloop
from pydantic import ValidationError
from rich.console import Console

from server import logs
from server.errors import LibrettoError
from server.settings import Settings, get_settings, problems_of

Command = Callable[[argparse.Namespace, Settings], int]
LATEST = "__latest__"

console = Console(width=None if sys.stdout.isatty() else 200)
STATES = ("queued", "rendering", "complete", "failed", "cancelled")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its result is the exit status."""
    given = build_parser().parse_args(arguments)
    try:
        settings = get_settings()
    except ValidationError as error:
        problems = "\n".join(f"  {'.'.join(map(str, one['loc'])).upper()}: {one['msg']}" for one in error.errors())
        console.print(f"[red]The settings are not usable:[/]\n{problems}", highlight=False)
        return 2
    command: Command = given.command
    try:
        return command(given, settings)
    except LibrettoError as error:
        console.print(error.message, style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        return 130


def build_parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    parser = argparse.ArgumentParser("libretto", description="A self-hosted media studio behind one GraphQL API.")
    parser.add_argument("--version", action="version", version=version("libretto"))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Command, about: str) -> argparse.ArgumentParser:
        subparser = commands.add_parser(name, help=about, description=about)
        subparser.set_defaults(command=command)
        return subparser

    add("run", _run, "set up and run everything on this machine")
    add("web", _web, "run one web process")
    queues = add("worker", _worker, "run one worker process").add_argument
    queues("--queues", type=lambda names: names.split(","), help="which queues, separated by commas; default all")
    target = add("migrate", _migrate, "bring the database to this version").add_argument
    target("target", nargs="?", default=LATEST, help="a migration to go to, forward or back")
    add("doctor", _doctor, "check this machine and its settings")
    smoke_options = add(
        "smoke", _smoke, "prove a deployment from outside: sign up, make a track, fetch it"
    ).add_argument
    smoke_options("--url", help="where the API is; default the address in the settings")
    smoke_options("--seconds", type=float, default=12, help="length of the track")
    add("schema", _schema, "write the printed API, and the README's map and settings").add_argument(
        "--check", action="store_true", help="change nothing, fail if something would change"
    )
    _add_job_commands(add("jobs", _chore("show_jobs"), "look at the queues, replay or cancel jobs"))
    _add_user_commands(add("users", _chore("show_users"), "look at accounts, change one"))
    provenance = add("provenance", _make_certificate, "make a certificate that signs where files come from, to try it")
    make = provenance.add_subparsers(required=True, metavar="ACTION").add_parser(
        "make-certificate", help="write a key and its certificates, vouched for by nobody"
    )
    make.add_argument("folder", type=Path)
    make.add_argument("--name", default="Libretto", help="who signs")
    return parser


def _add_job_commands(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state", choices=STATES, help="default those that live")
    parser.add_argument("--limit", type=int, default=20)
    commands = parser.add_subparsers(metavar="ACTION")
    replay = commands.add_parser("replay", help="run dead letters again")
    which = replay.add_mutually_exclusive_group(required=True)
    which.add_argument("ids", nargs="*", default=[])
    which.add_argument("--all", action="store_true")
    replay.set_defaults(command=_chore("replay_jobs"))
    cancel = commands.add_parser("cancel", help="cancel jobs")
    cancel.add_argument("ids", nargs="+")
    cancel.set_defaults(command=_chore("cancel_jobs"))
    purge = commands.add_parser("purge", help="cancel all that waits in a queue")
    purge.add_argument("queue")
    purge.set_defaults(command=_chore("purge_queue"))


def _add_user_commands(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--limit", type=int, default=20)
    commands = parser.add_subparsers(metavar="ACTION")
    backfill = commands.add_parser("backfill-style-seeds", help="give a style to every account that has none")
    backfill.add_argument("--dry-run", action="store_true", help="only say how many there are")
    backfill.set_defaults(command=_chore("backfill_style_seeds"))
    change = commands.add_parser("change", help="give a role, a plan or credits")
    change.add_argument("email")
    change.add_argument("--role", choices=("user", "admin"))
    change.add_argument("--plan", choices=("free", "pro"))
    change.add_argument("--grant", type=int, metavar="CREDITS")
    change.set_defaults(command=_chore("change_user"))


def _load(module: str) -> Any:
    """A command imports what it needs and no more: all of it together takes two seconds."""
    return import_module(module)


def _run(_given: argparse.Namespace, settings: Settings) -> int:
    if settings.trusted_documents:
        _load("server.operations.trusted").open_library(settings)  # or a child would say for ever what is wrong
    status: int = _load("server.supervisor").run(settings)
    return status


def _web(_given: argparse.Namespace, settings: Settings) -> int:
    return _serve(settings, "web", _load("server.app").serve)


def _worker(given: argparse.Namespace, settings: Settings) -> int:
    known = _load("jobs.queue").QUEUES
    queues = given.queues or sorted(known)
    if unknown := set(queues) - set(known):
        console.print(f"[red]No such queue: {', '.join(sorted(unknown))}; there are {', '.join(known)}[/]")
        return 2
    return _serve(settings, "worker", lambda resolved: _load("server.worker").work(resolved, queues))


def _serve(settings: Settings, process: str, serve: Callable[[Settings], Awaitable[None]]) -> int:
    if _are_unusable(settings):
        return 2
    logs.configure(process, level=settings.log_level, log_format=settings.log_format)

    async def run() -> None:
        async with _services(settings) as resolved:
            await serve(resolved)

    uvloop.run(run())
    return 0


def _are_unusable(settings: Settings) -> bool:
    if problems := problems_of(settings):
        console.print("[red]The settings are not usable:[/]", *(f"  {problem}" for problem in problems), sep="\n")
    return bool(problems)


def _migrate(given: argparse.Namespace, settings: Settings) -> int:
    if _are_unusable(settings):
        return 2

    async def run() -> None:
        async with _services(settings) as resolved:
            done = await _load("storage.migrate").migrate(resolved.database_url, given.target)
        console.print("\n".join(done) or "The database is at this version already.")

    uvloop.run(run())
    return 0


def _doctor(_given: argparse.Namespace, settings: Settings) -> int:
    async def run() -> int:
        async with _services(settings) as resolved:
            status: int = await _load("server.doctor").run(resolved, console)
            return status

    return uvloop.run(run())


def _smoke(given: argparse.Namespace, settings: Settings) -> int:
    url = given.url or settings.base_url
    status: int = uvloop.run(_load("server.smoke").run(url, seconds=given.seconds, console=console))
    return status


def _schema(given: argparse.Namespace, _settings: Settings) -> int:
    root = Path(__file__).parent.parent
    stale = _load("server.reference").write_reference(root, given.check)
    if given.check and stale:
        console.print(f"[red]Out of date: {', '.join(stale)}; run `make schema` and commit what it writes[/]")
        return 1
    return 0


def _make_certificate(given: argparse.Namespace, settings: Settings) -> int:
    status: int = _load("server.certificates").make_certificate(given, settings, console)
    return status


def _chore(name: str) -> Command:
    def command(given: argparse.Namespace, settings: Settings) -> int:
        async def run() -> int:
            async with _services(settings) as resolved, _load("server.resources").open_resources(resolved):
                status: int = await getattr(_load("server.admin"), name)(given, console)
                return status

        return uvloop.run(run())

    return command


@asynccontextmanager
async def _services(settings: Settings) -> AsyncIterator[Settings]:
    """The settings with every address filled in: the ones given, those of a running home, or of one started for now."""
    embedded = _load("server.embedded")
    with embedded.open_services(settings) as urls:  # in this thread: the servers live as long as it does
        yield settings.model_copy(update=urls)


if __name__ == "__main__":
    sys.exit(main())
