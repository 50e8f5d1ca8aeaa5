"""How a mutation says no: one small type for each way, all of them a Failure with a stable code."""

from typing import Any

import strawberry

from server import errors


@strawberry.interface(description="Why a mutation did nothing.")
class Failure:
    code: str
    message: str


@strawberry.type(description="What is wrong with one field of the input.")
class FieldProblem:
    field: str
    message: str


@strawberry.type(description="Some of the input is wrong.")
class ValidationFailed(Failure):
    fields: list[FieldProblem]


@strawberry.type(description="There is no such thing, or it is not yours.")
class NotFound(Failure):
    pass


@strawberry.type(description="You may not do this.")
class NotAllowed(Failure):
    pass


@strawberry.type(description="Too many requests; try again later.")
class RateLimited(Failure):
    retry_after_seconds: float


@strawberry.type(description="The account has too few credits.")
class InsufficientCredits(Failure):
    required: int
    available: int


@strawberry.type(description="The account has saved as many covers as it may; delete some.")
class TooManyCovers(Failure):
    most: int
    most_bytes: int


@strawberry.type(description="The files of the account leave too little room.")
class QuotaExceeded(Failure):
    required_bytes: float = strawberry.field(description="A whole number; it may be larger than an Int.")
    available_bytes: float


@strawberry.type(description="Not all of the file has arrived.")
class UploadIncomplete(Failure):
    missing_parts: list[int] = strawberry.field(description="Their numbers; 1 for a file that comes whole.")


@strawberry.type(description="The outside service that knows the answer gives none right now.")
class SourceUnavailable(Failure):
    retry_after_seconds: float


@strawberry.type(description="The content policy does not allow this.")
class PolicyRejected(Failure):
    reason: str = strawberry.field(description="A name of `Breach`, or what this studio's own moderator says.")
    suggestion: str = strawberry.field(description="How it could be put instead; empty when there is no such way.")
    policy_url: str = strawberry.field(description="The page that says what may be made.")


@strawberry.type(description="Something else already stands in this place.")
class Conflict(Failure):
    pass


SHOWN: dict[type[errors.Refusal], tuple[type[Failure], tuple[str, ...]]] = {
    errors.ValidationFailed: (ValidationFailed, ("fields",)),
    errors.RateLimited: (RateLimited, ("retry_after_seconds",)),
    errors.InsufficientCredits: (InsufficientCredits, ("required", "available")),
    errors.TooManyCovers: (TooManyCovers, ("most", "most_bytes")),
    errors.QuotaExceeded: (QuotaExceeded, ("required_bytes", "available_bytes")),
    errors.UploadIncomplete: (UploadIncomplete, ("missing_parts",)),
    errors.SourceUnavailable: (SourceUnavailable, ("retry_after_seconds",)),
    errors.PolicyRejected: (PolicyRejected, ("reason", "suggestion", "policy_url")),
    errors.NotFound: (NotFound, ()),
    errors.NotAllowed: (NotAllowed, ()),
    errors.Conflict: (Conflict, ()),
}  # what shows a refusal, and what of it


def failure_of(refusal: errors.Refusal) -> Failure:
    """The type that shows this refusal; a refusal without one is raised on and becomes a top-level error."""
    found = next((SHOWN[kind] for kind in type(refusal).__mro__ if kind in SHOWN), None)
    if found is None:
        raise refusal
    shown, names = found
    details = {name: _show(getattr(refusal, name)) for name in names}
    return shown(code=refusal.code, message=refusal.message, **details)


def _show(value: Any) -> Any:
    """As the schema has it: problems as a list."""
    if isinstance(value, dict):
        return [FieldProblem(field=name, message=problem) for name, problem in value.items()]
    return value
