"""How a mutation says no: one small type for each way, all of them a Failure with a stable code."""

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


@strawberry.type(description="The content policy does not allow this.")
class PolicyRejected(Failure):
    reason: str
    suggestion: str


@strawberry.type(description="Something else already stands in this place.")
class Conflict(Failure):
    pass


def failure_of(refusal: errors.Refusal) -> Failure:
    """The type that shows this refusal; a refusal without one is raised on and becomes a top-level error."""
    code, message = refusal.code, refusal.message
    match refusal:
        case errors.ValidationFailed(fields=fields):
            problems = [FieldProblem(field=name, message=problem) for name, problem in fields.items()]
            return ValidationFailed(code=code, message=message, fields=problems)
        case errors.RateLimited(retry_after_seconds=seconds):
            return RateLimited(code=code, message=message, retry_after_seconds=seconds)
        case errors.InsufficientCredits(required=required, available=available):
            return InsufficientCredits(code=code, message=message, required=required, available=available)
        case errors.TooManyCovers(most=most, most_bytes=most_bytes):
            return TooManyCovers(code=code, message=message, most=most, most_bytes=most_bytes)
        case errors.QuotaExceeded(required_bytes=required_bytes, available_bytes=available_bytes):
            return QuotaExceeded(
                code=code,
                message=message,
                required_bytes=float(required_bytes),
                available_bytes=float(available_bytes),
            )
        case errors.UploadIncomplete(missing_parts=numbers):
            return UploadIncomplete(code=code, message=message, missing_parts=numbers)
        case errors.PolicyRejected(reason=reason, suggestion=suggestion):
            return PolicyRejected(code=code, message=message, reason=reason, suggestion=suggestion)
        case errors.NotFound():
            return NotFound(code=code, message=message)
        case errors.NotAllowed():
            return NotAllowed(code=code, message=message)
        case errors.Conflict():
            return Conflict(code=code, message=message)
    raise refusal
