"""What webhooks are told of: each event is written for every endpoint that wants it by the very statement that makes it
a fact, so that no crash can part the two, and for whoever has no endpoint that costs a look into one index.
"""

from storage.rows import NEW_ID

TEST = "webhook.test"
COVER_SAVED = "cover.saved"
ENDINGS = {"COMPLETE": "job.completed", "FAILED": "job.failed", "CANCELLED": "job.cancelled"}
TYPES = (COVER_SAVED, *ENDINGS.values())

_WRITE = f"""
INSERT INTO webhook_deliveries (id, user_id, webhook_id, event_id, type, facts, state, attempts, claims,
    next_attempt_at, created_at)
SELECT {NEW_ID}, webhooks.user_id, webhooks.id, fact.event_id, fact.type,
    jsonb_strip_nulls(fact.facts || jsonb_build_object(
        'trackId', 'track_' || replace(tracks.id::text, '-', ''), 'title', tracks.title,
        'slug', CASE WHEN tracks.visibility = 'PUBLIC' AND (tracks.status = 'COMPLETE' OR fact.completes = tracks.id)
            THEN tracks.slug END)),
    'PENDING', 0, 0, now(), now()"""

_WANTED = """
JOIN webhooks ON webhooks.user_id = fact.user_id AND webhooks.state = 'ACTIVE' AND webhooks.events ? fact.type
LEFT JOIN tracks ON tracks.id = fact.track_id AND tracks.user_id = fact.user_id
ON CONFLICT (webhook_id, event_id) DO NOTHING"""

_TYPE_OF_STATE = " ".join(f"WHEN '{state}' THEN '{name}'" for state, name in ENDINGS.items())

# The id is that of the end itself: a job ends once at a version, whoever ends it.
TELL_OF_ENDS = f"""
told AS ({_WRITE}
FROM (
    SELECT user_id, subject_id AS track_id, md5(id::text || version)::uuid AS event_id,
        CASE state {_TYPE_OF_STATE} END AS type,
        CASE WHEN state = 'COMPLETE' AND kind IN ('tracks.render', 'tracks.import') THEN subject_id END AS completes,
        jsonb_build_object('jobId', 'job_' || replace(id::text, '-', ''), 'kind', kind,
            'errorCode', CASE state WHEN 'FAILED' THEN error_code END, 'videoId', CASE WHEN kind = 'videos.render' THEN
                (SELECT 'video_' || replace(videos.id::text, '-', '') FROM videos WHERE job_id = moved.id) END) AS facts
    FROM moved
) fact {_WANTED}
)"""  # noqa: S608 - our own text

TELL_OF_COVERS = f"""
told AS ({_WRITE}
FROM (
    SELECT user_id, track_id, id AS event_id, '{COVER_SAVED}' AS type, NULL::uuid AS completes,
        jsonb_build_object('coverId', 'savedCover_' || replace(id::text, '-', ''), 'mode', mode,
            'visualVersion', visual_version) AS facts
    FROM saved
) fact {_WANTED}
)"""  # noqa: S608 - our own text
