"""What an operator does from a terminal: look at jobs, replay and cancel them; look after accounts."""

from argparse import Namespace
from collections.abc import Awaitable, Callable
from uuid import UUID

from rich.console import Console
from rich.table import Column, Table

from jobs import broker, styles
from jobs.queue import QUEUES
from server.errors import LibrettoError
from storage import jobs, users
from storage.access import Viewer
from storage.credits import grant_credits
from storage.jobs import JobState
from storage.lifecycle import State
from storage.rows import new_id, read_id, write_id

Act = Callable[[Viewer, UUID], Awaitable[JobState]]

OPERATOR = Viewer(new_id(), None, "admin")
ID_WIDTH = 37
ACTIVE = (State.QUEUED, State.RENDERING)


async def show_jobs(given: Namespace, console: Console) -> int:
    """The queues, and the jobs in one state."""
    health = Table("queue", "waiting", "oldest", "running", "done/min", "failed/min", title="Queues")
    for queue in await jobs.read_queue_health(QUEUES):
        health.add_row(
            queue.name,
            str(queue.depth),
            f"{queue.oldest_age_seconds:.0f} s",
            str(queue.running),
            str(queue.finished_per_minute),
            str(queue.failed_per_minute),
        )
    console.print(health)
    states = ACTIVE if given.state is None else (State(given.state.upper()),)
    listed = await jobs.Job.filter(state__in=states).order_by("-id").limit(given.limit)
    table = Table(
        Column("id", no_wrap=True, min_width=ID_WIDTH),
        "kind",
        "state",
        "stage",
        "%",
        "try",
        "why",
        title=f"Jobs {', '.join(states)}",
    )
    for job in listed:
        why = f"{job.error_code}: {job.error_message}" if job.error_code else ""
        name = write_id("job", job.id)
        table.add_row(name, job.kind, job.state, job.stage, f"{job.progress:.0%}", str(job.attempt), why)
    console.print(table if listed else f"No job is {' or '.join(states).lower()}; --state shows others.")
    return 0


async def replay_jobs(given: Namespace, console: Console) -> int:
    """Run dead letters again: those named, or all."""
    ids = [state.id for state in await jobs.list_dead_letters()] if given.all else _read_ids(given.ids)
    return await _each(ids, "replayed", jobs.replay_job, console)


async def cancel_jobs(given: Namespace, console: Console) -> int:
    """Cancel the jobs named."""
    return await _each(_read_ids(given.ids), "cancelled", jobs.cancel_job, console)


async def purge_queue(given: Namespace, console: Console) -> int:
    """Cancel every job that waits in a queue."""
    if given.queue not in QUEUES:
        console.print(f"[red]There is no queue {given.queue}; there are {', '.join(QUEUES)}[/]")
        return 2
    waiting = await jobs.Job.filter(queue=given.queue, state=State.QUEUED).values_list("id", flat=True)
    return await _each([UUID(str(job_id)) for job_id in waiting], "cancelled", jobs.cancel_job, console)


async def show_users(given: Namespace, console: Console) -> int:
    """The accounts, newest first."""
    table = Table(
        Column("id", no_wrap=True, min_width=ID_WIDTH),
        Column("email", overflow="fold"),
        "name",
        "role",
        "plan",
        "credits",
        "since",
        title="Accounts",
    )
    for user in await users.User.all().order_by("-id").limit(given.limit):
        since = f"{user.created_at:%Y-%m-%d}"
        row = (write_id("user", user.id), user.email, user.display_name, user.role, user.plan)
        table.add_row(*row, str(user.credits), since)
    console.print(table)
    return 0


async def change_user(given: Namespace, console: Console) -> int:
    """Give an account a role, a plan or credits."""
    user = await users.find_by_email(given.email.strip().lower())
    if user is None:
        console.print(f"[red]There is no account {given.email}[/]")
        return 1
    if user.credits + (given.grant or 0) < 0:
        console.print(f"[red]{user.email} has {user.credits} credits, so {-given.grant} cannot be taken[/]")
        return 1
    has_new_role = given.role not in (None, user.role)
    user.role, user.plan = given.role or user.role, given.plan or user.plan
    await user.save(update_fields=["role", "plan"])
    if has_new_role and (ended := await users.revoke_sessions_of(user.id)):
        console.print(f"{ended} sessions ended, whose tokens still had the old role")
    if given.grant:
        await grant_credits(user.id, given.grant)
    console.print(f"{user.email}: {user.role}, {user.plan}, {user.credits + (given.grant or 0)} credits")
    return 0


async def backfill_style_seeds(given: Namespace, console: Console) -> int:
    """Give every account without one a style seed, and the style that comes of it."""
    if given.dry_run:
        console.print(f"{await users.count_without_style()} accounts lack a style of their own")
    else:
        console.print(f"{await styles.backfill_style_seeds()} accounts were given a style of their own")
    return 0


def _read_ids(texts: list[str]) -> list[UUID]:
    return [read_id("job", text) for text in texts]


async def _each(
    ids: list[UUID], done: str, act: Callable[[Viewer, UUID], Awaitable[JobState]], console: Console
) -> int:
    failures = 0
    for job_id in ids:
        try:
            state = await act(OPERATOR, job_id)
            await broker.ring(state.queue, state.kind, state.id)
            console.print(f"{write_id('job', job_id)} {done}")
        except LibrettoError as error:
            failures += 1
            console.print(f"[red]{write_id('job', job_id)}: {error.message}[/]")
    return 1 if failures else 0
