"""Every way in which Libretto says no, with the stable code that a client may rely on.

LibrettoError
├── Refusal                 the caller can mend it: a Failure of the mutation's union, or a top-level error of a query
│   ├── ValidationFailed    fields: which input is wrong, and how
│   ├── NotFound            not there, or not yours: the two look alike
│   ├── TakenDown           it broke a rule, so the world may not have it
│   ├── NotAllowed          yours to see, not to do
│   ├── Unauthenticated     no session, or one that ended
│   ├── RateLimited         retry_after_seconds
│   ├── InsufficientCredits required, available
│   ├── TooManyCovers       most, most_bytes
│   ├── QuotaExceeded       required_bytes, available_bytes
│   ├── UploadIncomplete    missing_parts: what has yet to arrive
│   ├── SourceUnavailable   retry_after_seconds: whom we asked for it does not answer
│   ├── PolicyRejected      reason, suggestion, policy_url
│   └── Conflict            the key or the state is taken
│       └── CodecUnavailable  no worker can encode by it
├── JobFailed               a job ends with it; `retryable` is decided where it is raised
│   ├── EngineFailed        the engine said why
│   ├── EngineDied          killed by a signal, out of memory, or gone
│   ├── EngineStalled       no progress before its deadline
│   │   └── EngineTooSlow   progress, but not the end before its deadline
│   ├── DrawingRefused      a saved drawing takes too much, or breaks what draws it
│   ├── SpeechModelMissing  what hears words is not there, or cannot be loaded
│   ├── CodecMissing  what a film was to be encoded by is not on that machine
│   ├── ProviderFailed      an outside service refused or broke
│   └── SubjectGone         what the job works on was deleted meanwhile
├── JobStopped              the work must stop now; nothing it writes counts any more
│   ├── JobCancelled        somebody asked for it
│   ├── LeaseLost           another worker holds the job
│   └── JobInterrupted      this process is stopping; the attempt is given back
└── Unavailable             a part that we stand on does not answer
"""

from collections.abc import Mapping
from typing import ClassVar


class LibrettoError(Exception):
    """Something went wrong in a way that has a name."""

    code: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str = "") -> None:
        self.message = message or (type(self).__doc__ or "").strip()
        super().__init__(self.message)


class Refusal(LibrettoError):
    """The request was refused."""


class ValidationFailed(Refusal):
    """Some of the input is wrong."""

    code = "VALIDATION_FAILED"

    def __init__(self, fields: Mapping[str, str]) -> None:
        self.fields = dict(fields)
        super().__init__("; ".join(f"{name}: {problem}" for name, problem in self.fields.items()))


class NotFound(Refusal):
    """There is no such thing, or it is not yours."""

    code = "NOT_FOUND"


class TakenDown(Refusal):
    """This was taken down because it breaks a rule of the content policy."""

    code = "TAKEN_DOWN"


class NotAllowed(Refusal):
    """You may not do this."""

    code = "NOT_ALLOWED"


class FeatureOff(NotAllowed):
    """This studio has switched the feature off."""

    code = "FEATURE_OFF"


class Locked(NotAllowed):
    """This is not unlocked yet."""

    code = "LOCKED"


class Unauthenticated(Refusal):
    """Log in first: send the header `Authorization: Bearer` with an access token."""

    code = "UNAUTHENTICATED"


class TokenExpired(Unauthenticated):
    """The access token has expired; refresh the session."""

    code = "TOKEN_EXPIRED"


class TokenInvalid(Unauthenticated):
    """The token is not one of ours; log in again."""

    code = "TOKEN_INVALID"


class RateLimited(Refusal):
    """Too many requests."""

    code = "RATE_LIMITED"

    def __init__(self, retry_after_seconds: float) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(f"Too many requests; try again in {retry_after_seconds:.0f} s")


class InsufficientCredits(Refusal):
    """The account has too few credits."""

    code = "INSUFFICIENT_CREDITS"

    def __init__(self, required: int, available: int) -> None:
        self.required, self.available = required, available
        super().__init__(f"This needs {required} credits and the account has {available}")


class TooManyCovers(Refusal):
    """This account has saved as many covers as it may."""

    code = "TOO_MANY_COVERS"

    def __init__(self, most: int, most_bytes: int) -> None:
        self.most, self.most_bytes = most, most_bytes
        super().__init__(
            f"An account holds {most} saved covers and {most_bytes >> 20} MiB of them, pictures included; delete some"
        )


class QuotaExceeded(Refusal):
    """The files of this account leave too little room."""

    code = "QUOTA_EXCEEDED"

    def __init__(self, required_bytes: int, available_bytes: int) -> None:
        self.required_bytes, self.available_bytes = required_bytes, available_bytes
        super().__init__(
            f"This needs {required_bytes} bytes and the account has {available_bytes} left; delete uploads first"
        )


class UploadIncomplete(Refusal):
    """Not all of the file has arrived; send what is missing, then complete the upload again."""

    code = "UPLOAD_INCOMPLETE"

    def __init__(self, missing_parts: list[int]) -> None:
        self.missing_parts = missing_parts
        super().__init__()


class SourceUnavailable(Refusal):
    """The service that knows this does not answer."""

    code = "SOURCE_UNAVAILABLE"

    def __init__(self, retry_after_seconds: float) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(
            f"The service that knows this does not answer right now; try again in {retry_after_seconds:.0f} s"
        )


class PolicyRejected(Refusal):
    """The content policy does not allow this."""

    code = "POLICY_REJECTED"

    def __init__(self, message: str, *, reason: str, suggestion: str, policy_url: str) -> None:
        self.reason, self.suggestion, self.policy_url = reason, suggestion, policy_url
        super().__init__(message)


class Conflict(Refusal):
    """Something else already stands in this place."""

    code = "CONFLICT"


class CodecUnavailable(Conflict):
    """No worker of this studio can encode films by this codec."""

    code = "CODEC_MISSING"


class JobFailed(LibrettoError):
    """The job failed."""

    code = "JOB_FAILED"
    retryable = False
    log_key: str | None = None  # of what is told of the work to whoever asked for it


class EngineFailed(JobFailed):
    """The media engine could not do its work."""

    code = "ENGINE_FAILED"


class EngineDied(JobFailed):
    """The media engine died."""

    code = "ENGINE_DIED"
    retryable = True


class EngineStalled(JobFailed):
    """The media engine made no progress for too long."""

    code = "ENGINE_STALLED"
    retryable = True


class EngineTooSlow(EngineStalled):
    """The media engine took longer than such work may take."""

    code = "ENGINE_TOO_SLOW"
    retryable = False


class DrawingRefused(JobFailed):
    """The drawing cannot be made into a picture."""

    code = "DRAWING_REFUSED"


class SpeechModelMissing(EngineFailed):
    """The speech model is not there, or it cannot be loaded."""

    code = "SPEECH_MODEL_MISSING"


class CodecMissing(EngineFailed):
    """What a film was to be encoded by is not on the machine that rendered it."""

    code = "CODEC_MISSING"


class ProviderFailed(JobFailed):
    """The music provider failed."""

    code = "PROVIDER_FAILED"

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


class SubjectGone(JobFailed):
    """What the job worked on was deleted."""

    code = "SUBJECT_GONE"


class UploadGone(JobFailed):
    """The upload was deleted before it was read; bring the file again."""

    code = "UPLOAD_GONE"


class JobStopped(LibrettoError):
    """The job must stop."""

    code = "JOB_STOPPED"


class JobCancelled(JobStopped):
    """The job was cancelled."""

    code = "JOB_CANCELLED"


class LeaseLost(JobStopped):
    """Another worker holds this job now."""

    code = "LEASE_LOST"


class JobInterrupted(JobStopped):
    """The worker is stopping; the job will run again elsewhere."""

    code = "JOB_INTERRUPTED"


class Unavailable(LibrettoError):
    """A part of the service does not answer right now."""

    code = "UNAVAILABLE"
