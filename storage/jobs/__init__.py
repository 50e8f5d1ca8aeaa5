"""Jobs: the durable record of work, its moves and its finders."""

from storage.jobs.finders import (
    QueueHealth,
    find_job,
    list_dead_letters,
    list_due,
    read_changes,
    read_queue_health,
    read_states,
    visible,
)
from storage.jobs.moves import (
    LEASE_SECONDS,
    beat,
    cancel_job,
    claim_next,
    complete_job,
    fail_job,
    give_back,
    holds,
    insert_job,
    reap_lost_jobs,
    replay_job,
    retry_job,
)
from storage.jobs.rows import Job, JobState, Lease

__all__ = [
    "LEASE_SECONDS",
    "Job",
    "JobState",
    "Lease",
    "QueueHealth",
    "beat",
    "cancel_job",
    "claim_next",
    "complete_job",
    "fail_job",
    "find_job",
    "give_back",
    "holds",
    "insert_job",
    "list_dead_letters",
    "list_due",
    "read_changes",
    "read_queue_health",
    "read_states",
    "reap_lost_jobs",
    "replay_job",
    "retry_job",
    "visible",
]
