"""The operations that the smoke test sends, as any client would write them."""

REFUSAL = """
fragment Refusal on Failure {
  code message
  ... on ValidationFailed { fields { field message } }
}"""

SIGN_UP = (
    """
mutation SignUp($input: SignUpInput!) {
  signUp(input: $input) {
    __typename
    ... on Session { accessToken refreshToken user { id } }
    ...Refusal
  }
}"""
    + REFUSAL
)

REFRESH_SESSION = """
mutation RefreshSession($input: RefreshSessionInput!) {
  refreshSession(input: $input) {
    __typename
    ... on Session { accessToken refreshToken }
    ... on Failure { code message }
  }
}"""

LOG_OUT = "mutation LogOut { logOut { sessionEnded } }"

VIEWER = "query Viewer { viewer { email plan credits styleSeed accentHue } }"

CREATE_TRACK = (
    """
mutation CreateTrack($input: CreateTrackInput!) {
  createTrack(input: $input) {
    __typename
    ... on TrackCreated { track { id title shareUrl } job { id state } creditsRequired }
    ...Refusal
  }
}"""
    + REFUSAL
)

JOB_PROGRESS = """
subscription JobProgress($jobId: ID!) {
  jobProgress(jobId: $jobId) { id state stage progress message attempt version error { code message } }
}"""

CANCEL_JOB = """
mutation CancelJob($id: ID!) {
  cancelJob(id: $id) { __typename ... on JobCancelled { job { state } } ... on Failure { code message } }
}"""

TRACK = """
query Track($id: ID!) {
  track(id: $id) {
    status provider durationSeconds
    audio { ...File }
    master { ...File }
    stems { ...File }
    peaks { ...File }
    midi { ...File }
    cover { svgUrl pngUrl }
    music { tempoBpm key mode sections { name startSeconds endSeconds } }
  }
}
fragment File on Asset { name url mimeType sizeBytes durationSeconds }
"""

LEDGER = """
query Ledger {
  viewer { credits }
  creditEntries(first: 20) { nodes { kind availableDelta heldDelta jobId } }
}"""

UPDATE_TRACK = (
    """
mutation UpdateTrack($input: UpdateTrackInput!) {
  updateTrack(input: $input) {
    __typename
    ... on TrackUpdated { track { visibility } }
    ...Refusal
  }
}"""
    + REFUSAL
)

DELETE_TRACK = """
mutation DeleteTrack($trackId: ID!) {
  deleteTrack(trackId: $trackId) { __typename ... on TrackDeleted { id } ... on Failure { code message } }
}"""
