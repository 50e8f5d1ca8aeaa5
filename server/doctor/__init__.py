"""`libretto doctor`: checks this machine, its settings and what they lead to, and says what to do."""

from collections import Counter
from collections.abc import AsyncIterator, Callable

from rich.console import Console

from server.doctor import machine, services
from server.doctor.findings import Finding, Level, show, show_settings, verdict_of
from server.settings import Settings

__all__ = ["run"]

Check = Callable[[Settings], AsyncIterator[Finding]]

CHECKS: tuple[Check, ...] = (
    machine.check_python,
    machine.check_settings,
    machine.check_documents,
    machine.check_music,
    machine.check_singing,
    machine.check_speech,
    machine.check_home,
    machine.check_port,
    machine.check_ffmpeg,
    machine.check_engine,
    services.check_postgres,
    services.check_redis,
    services.check_storage,
)


async def run(settings: Settings, console: Console) -> int:
    """The exit status: 1 if anything fails; `settings` name the database and Redis."""
    console.print("\n[bold]Settings[/] in effect\n", highlight=False)
    show_settings(settings, console)
    console.print("\n[bold]Checks[/]\n", highlight=False)
    levels: Counter[Level] = Counter()
    for check in CHECKS:
        await _report(check, settings, console, levels)
    if not levels[Level.FAIL]:  # a probe through broken services would say the same again
        await _report(services.check_queue, settings, console, levels)
    console.print(f"\n{verdict_of(levels)}\n", highlight=False)
    return 1 if levels[Level.FAIL] else 0


async def _report(check: Check, settings: Settings, console: Console, levels: Counter[Level]) -> None:
    async for finding in check(settings):
        show(finding, console)
        levels[finding.level] += 1
