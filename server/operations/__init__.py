"""Operations: what clients ask for, found, executed and phrased in one way, whichever transport it comes by.

`asked` reads a request's JSON, `trusted` knows documents by their ids, `execution` runs operations by their plans or by
the executor, `cohorts` shares each event of a subscription among all who ask the same.
"""

from server.operations.execution import (
    AnswerTooLarge,
    Operations,
    Payload,
    answer_by_plan,
    encode,
    execute_fully,
    is_unexecuted,
    phrase_error,
    refuse,
)

__all__ = [
    "AnswerTooLarge",
    "Operations",
    "Payload",
    "answer_by_plan",
    "encode",
    "execute_fully",
    "is_unexecuted",
    "phrase_error",
    "refuse",
]
