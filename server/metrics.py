"""The numbers that a process counts about itself, in Prometheus' terms."""

from prometheus_client import Counter, Gauge, Histogram

QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
LONG = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 900, 1800, 3600)

REQUEST_SECONDS = Histogram(
    "libretto_request_duration_seconds", "Answering HTTP requests", ("route", "status"), buckets=QUICK
)
OPERATIONS_UNCOVERED = Counter(
    "libretto_documents_uncovered_total", "Documents that no plan covers, by the field that is to blame", ("field",)
)
DOCUMENTS_UNTRUSTED = Counter(
    "libretto_documents_untrusted_total", "Requests with a document outside of the manifest, where that is watched"
)
OPERATION_SECONDS = Histogram(
    "libretto_operation_duration_seconds", "Executing GraphQL operations", ("type", "outcome"), buckets=QUICK
)
JOB_SECONDS = Histogram("libretto_job_duration_seconds", "Working on jobs, for each attempt", ("kind",), buckets=LONG)
JOBS_ENDED = Counter("libretto_job_attempts_total", "Attempts at jobs, by how they ended", ("kind", "outcome"))
MUSIC_OUTCOMES = Counter(
    "libretto_music_outcomes_total", "What became of asking a music provider", ("provider", "outcome")
)
MUSIC_SECONDS = Histogram(
    "libretto_music_duration_seconds",
    "Having music made, until a provider has done it or failed",
    ("provider",),
    buckets=LONG,
)
MUSIC_FALLBACKS = Counter(
    "libretto_music_fallbacks_total", "Another music provider was asked because this one failed", ("provider", "to")
)
MUSIC_CIRCUIT_OPEN = Gauge(
    "libretto_music_circuit_open", "Whether this worker leaves a music provider alone", ("provider",)
)
CLIP_OUTCOMES = Counter("libretto_clip_outcomes_total", "What became of asking for a clip", ("provider", "outcome"))
CLIP_SECONDS = Histogram(
    "libretto_clip_duration_seconds", "Having a clip made, until it is there or has failed", ("provider",), buckets=LONG
)
CLIP_FALLBACKS = Counter(
    "libretto_clip_fallbacks_total", "Another was asked for a clip because this one failed", ("provider", "to")
)
MODERATION_REJECTED = Counter(
    "libretto_moderation_rejected_total", "Tracks and titles that were refused, by who refused them", ("moderator",)
)
MODERATION_UNANSWERED = Counter(
    "libretto_moderation_unanswered_total", "Times that the operator's own moderator did not answer"
)
SPEECH_FAILURES = Counter(
    "libretto_speech_failures_total", "A speech engine could not load its model, or died", ("engine", "reason")
)
LYRICS_TIMED = Counter(
    "libretto_lyrics_timed_total",
    "Lyrics that were timed, by how, and whether that was known already",
    ("source", "cached"),
)
JOBS_RUNNING = Gauge("libretto_jobs_running", "Jobs that this worker works on")
JOBS_REAPED = Counter("libretto_jobs_reaped_total", "Jobs taken from workers that were lost")
JOBS_RUNG = Counter("libretto_jobs_rung_again_total", "Rings made up for by the dispatcher")
QUEUE_DEPTH = Gauge("libretto_queue_depth", "Jobs that wait", ("queue",))
QUEUE_AGE_SECONDS = Gauge("libretto_queue_oldest_age_seconds", "How long the oldest waiting job waits", ("queue",))
QUEUE_RUNNING = Gauge("libretto_queue_running", "Jobs that run, on all workers", ("queue",))
WEBHOOK_ATTEMPTS = Counter("libretto_webhook_attempts_total", "Attempts at deliveries, by outcome", ("kind", "outcome"))
WEBHOOK_SECONDS = Histogram(
    "libretto_webhook_attempt_duration_seconds", "Attempts at deliveries", ("kind",), buckets=QUICK
)
WEBHOOK_DELAY_SECONDS = Histogram(
    "libretto_webhook_delay_seconds", "From an event to its delivery, where the first attempt succeeds", buckets=LONG
)
WEBHOOK_AGE_SECONDS = Gauge(
    "libretto_webhook_oldest_due_age_seconds", "How long the delivery that is due longest has waited"
)
SOCKETS = Gauge("libretto_websockets_open", "WebSockets that are open")
SOCKETS_CLOSED = Counter("libretto_websockets_closed_total", "WebSockets that were closed, by code", ("code",))
STREAMS = Gauge("libretto_streams_open", "HTTP responses that stay open for events, and those reserved for that")
STREAMS_ENDED = Counter("libretto_streams_ended_total", "HTTP streams that ended, by reason", ("reason",))
OPERATIONS_OPEN = Gauge("libretto_subscriptions_open", "Subscriptions that are open")
EVENTS_SENT = Counter("libretto_subscription_events_total", "Results sent to subscribers")
STORE_ERRORS = Counter("libretto_blob_store_errors_total", "Failures of the blob store", ("operation",))
