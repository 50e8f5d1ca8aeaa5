"""Every way in which a provider fails us, as errors that know whether to retry and whom to ask next.

ProviderFailed                     (server.errors) PROVIDER_FAILED: no provider of the chain could make it
└── Setback                        one provider could not
    ├── Unauthorized               401, 403: the key is wrong, or it may not do this
    ├── OutOfCredit                402, 403 "locked": the account over there is empty
    ├── Busy                       429: too many requests; retry_after_seconds
    ├── Unreachable                no connection, 5xx, an HTML page: nothing of use was answered
    ├── TimedOut                   it moved too little for too long
    ├── Unanswered                 a submit whose answer was lost: whether it was accepted is not known
    ├── ModelMissing               404: the provider has no such model, or no such run any more
    ├── RunFailed                  it tried and failed
    ├── ResultLost                 it succeeded, but there is nothing that can be copied
    ├── Resting                    nobody was asked: the circuit breaker is open
    └── Refused                    the wish itself is refused, and the next provider is not asked
        ├── InputRefused           422: the input does not fit the model
        └── ContentRefused         moderation
"""

from typing import ClassVar

from server.errors import ProviderFailed

MAX_TOLD_CHARACTERS = 200  # of what a provider says about itself


class Setback(ProviderFailed):
    """The provider failed.

    `nothing_accepted` is true only when the provider certainly runs nothing for us, so that asking it again cannot be
    paid twice; `may_still_come` when a run that was accepted may yet succeed, so that it can be followed again.
    """

    code = "PROVIDER_FAILED"
    falls_back: ClassVar[bool] = True
    is_outage: ClassVar[bool] = True  # counts against the provider in its circuit breaker
    passes: ClassVar[bool] = True  # time mends it
    tells: ClassVar[bool] = False  # whether what the provider said may be shown to whoever asked
    rest_seconds: ClassVar[float] = 0.0  # how long the provider rests at once; 0 leaves that to the circuit breaker

    def __init__(
        self,
        provider: str,
        told: str = "",
        *,
        nothing_accepted: bool = False,
        may_still_come: bool = False,
        retry_after_seconds: float | None = None,
    ) -> None:
        fact = (type(self).__doc__ or "").strip().rstrip(".")
        self.provider, self.told = provider, " ".join(told.split())[:MAX_TOLD_CHARACTERS]
        message = f"{fact} ({self.told})" if self.tells and self.told else fact
        super().__init__(f"{provider}: {message}", retryable=self.passes and (nothing_accepted or may_still_come))
        self.nothing_accepted, self.may_still_come = nothing_accepted, may_still_come
        self.retry_after_seconds = retry_after_seconds


class Unauthorized(Setback):
    """The provider does not accept our key."""

    code = "PROVIDER_UNAUTHORIZED"
    passes = False
    rest_seconds = 60.0


class OutOfCredit(Setback):
    """Our account with the provider is empty."""

    code = "PROVIDER_OUT_OF_CREDIT"
    passes = False
    rest_seconds = 300.0


class Busy(Setback):
    """The provider takes no more requests for now."""

    code = "PROVIDER_BUSY"
    rest_seconds = 10.0


class Unreachable(Setback):
    """The provider does not answer."""

    code = "PROVIDER_UNREACHABLE"


class TimedOut(Setback):
    """The provider took too long."""

    code = "PROVIDER_TIMED_OUT"


class Unanswered(Setback):
    """The provider may have accepted the request, but its answer was lost; it is not asked again."""

    code = "PROVIDER_UNANSWERED"


class ModelMissing(Setback):
    """The provider does not know the model or the run."""

    code = "PROVIDER_MODEL_MISSING"
    is_outage = False
    passes = False


class RunFailed(Setback):
    """The provider could not make it."""

    code = "PROVIDER_RUN_FAILED"
    tells = True


class ResultLost(Setback):
    """The provider's result cannot be had."""

    code = "PROVIDER_RESULT_LOST"


class Resting(Setback):
    """The provider failed too often lately and is not asked for a while."""

    code = "PROVIDER_RESTING"
    is_outage = False


class Refused(Setback):
    """The provider refuses the wish."""

    falls_back = False
    is_outage = False
    passes = False
    tells = True


class InputRefused(Refused):
    """The provider's model does not take this input."""

    code = "PROVIDER_INPUT_REFUSED"


class ContentRefused(Refused):
    """The provider's content policy refuses the prompt or the lyrics; say it in other words."""

    code = "PROVIDER_CONTENT_REFUSED"
