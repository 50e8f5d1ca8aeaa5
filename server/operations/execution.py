"""Executing GraphQL: one way for requests and sockets, with masked errors, a deadline and a price."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import orjson
from graphql import ExecutionResult, GraphQLError, GraphQLSyntaxError, OperationType, execute, subscribe

from schema import schema
from schema.context import Context
from schema.documents import DocumentErrors, Operation, core
from server import metrics
from server.deadlines import within
from server.errors import LibrettoError, Refusal, Unavailable
from server.logs import get_logger
from server.operations.asked import Asked
from server.operations.trusted import Library
from storage.database import LOST

DEADLINE_SECONDS = 10.0
MAX_MESSAGE = 500  # graphql-core quotes what it was sent

OPERATION_SECONDS = {
    (kind, is_right): metrics.OPERATION_SECONDS.labels(kind.value, "ok" if is_right else "error")
    for kind in OperationType
    for is_right in (True, False)
}

MAX_ANSWER_BYTES = 4 << 20  # a hundred tracks with the longest of texts are 1 MiB

Payload = dict[str, Any]

log = get_logger(__name__)


class AnswerTooLarge(Refusal):
    """The answer is larger than 4 MiB; ask for fewer things at once, or for less of each."""

    code = "ANSWER_TOO_LARGE"


class Operations:
    """Finds, executes and phrases operations; holds the documents of this process."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def read(self, given: Any) -> Asked:
        """What a request's JSON asks for; a Refusal says what is wrong with it."""
        return Asked.of(given, self._library)

    def find(self, query: str, name: str | None, variables: Mapping[str, Any]) -> Operation:
        """The operation that is asked for; DocumentErrors or a Refusal if it cannot run."""
        return self._library.documents.find_operation(query, name, variables)

    async def run(self, operation: Operation, variables: Mapping[str, Any], context: Context) -> Payload:
        """Execute a query or a mutation."""
        began = time.perf_counter()
        try:
            done = await within(DEADLINE_SECONDS, answer(operation, variables, context))
        except TimeoutError:  # an OSError too, so it comes first
            problem = GraphQLError(f"This took longer than {DEADLINE_SECONDS:.0f} s", extensions={"code": "TIMED_OUT"})
            done = ExecutionResult(None, [problem])
        except LOST as lost:
            done = ExecutionResult(None, [GraphQLError("lost", original_error=lost)])
        seconds = OPERATION_SECONDS[operation.type, done.errors is None]
        seconds.observe(time.perf_counter() - began)
        return self._phrase(done, operation, context)

    async def stream(
        self, operation: Operation, variables: Mapping[str, Any], context: Context
    ) -> AsyncGenerator[Payload, None]:
        """Execute anything, result by result."""
        if operation.type is not OperationType.SUBSCRIPTION:
            yield await self.run(operation, variables, context)
            return
        results = await _await(
            subscribe(
                core,
                operation.document.node,
                context_value=context,
                variable_values=dict(variables),
                operation_name=operation.name,
                executor_class=schema.execution_context_class,
                hide_suggestions=True,
            )
        )
        if isinstance(results, ExecutionResult):
            yield self._phrase(results, operation, context)
            return
        try:
            async for result in results:
                yield self._phrase(result, operation, context)
        except GraphQLError as error:
            yield self._phrase(ExecutionResult(None, [error]), operation, context)
        finally:
            await results.aclose()

    def _phrase(self, result: ExecutionResult, operation: Operation, context: Context) -> Payload:
        payload: Payload = operation.wrap(result.data)
        if result.errors:
            payload = {"errors": [phrase_error(error, context.request_id) for error in result.errors]} | payload
        return payload


async def answer(operation: Operation, variables: Mapping[str, Any], context: Context) -> ExecutionResult:
    """By the operation's plan where there is one, else field by field."""
    planned = await answer_by_plan(operation, variables, context)
    return await execute_fully(operation, variables, context) if planned is None else planned


async def answer_by_plan(
    operation: Operation, variables: Mapping[str, Any], context: Context
) -> ExecutionResult | None:
    """What the operation's plan answers; None when there is no plan, or when only the executor can say."""
    values = operation.read_variables(variables)
    plan = None if values is None else operation.find_plan(values, context.viewer)
    return None if plan is None or values is None else await plan.run(values, context)


async def execute_fully(operation: Operation, variables: Mapping[str, Any], context: Context) -> ExecutionResult:
    """What the executor answers, field by field."""
    result = execute(
        core,
        operation.document.node,
        context_value=context,
        variable_values=dict(variables),
        operation_name=operation.name,
        executor_class=schema.execution_context_class,
        hide_suggestions=True,
    )
    return result if isinstance(result, ExecutionResult) else await result


async def _await(value: Any) -> Any:
    return await value if asyncio.iscoroutine(value) or isinstance(value, asyncio.Future) else value


def encode(payload: Payload) -> bytes:
    """An answer as it travels; AnswerTooLarge before somebody reads it all too slowly."""
    encoded = orjson.dumps(payload)
    if len(encoded) > MAX_ANSWER_BYTES:
        raise AnswerTooLarge
    return encoded


def is_unexecuted(payload: Payload) -> bool:
    """Whether nothing could be executed, for instance because the variables do not fit."""
    return "errors" in payload and payload["data"] is None and "path" not in payload["errors"][0]


def refuse(error: LibrettoError | DocumentErrors, request_id: str) -> Payload:
    """The answer to a request that is not executed."""
    if isinstance(error, DocumentErrors):
        for one in error.errors:
            one.original_error = None  # such as a ValueError about an Int of ten thousand digits: no fault of ours
        is_text = isinstance(error.errors[0], GraphQLSyntaxError)
        code = "GRAPHQL_PARSE_FAILED" if is_text else "GRAPHQL_VALIDATION_FAILED"
        return {"errors": [phrase_error(one, request_id, code) for one in error.errors]}
    return {"errors": [{"message": error.message, "extensions": {"code": error.code, "requestId": request_id}}]}


def phrase_error(error: GraphQLError, request_id: str, code: str = "BAD_USER_INPUT") -> Payload:
    """What a client is told: its own mistakes in full, ours by the request's id only."""
    cause, message = error.original_error, error.message[:MAX_MESSAGE]
    if isinstance(cause, Refusal | Unavailable):
        code, message = cause.code, cause.message[:MAX_MESSAGE]
    elif isinstance(cause, LOST):
        log.warning("operation.storage_lost", request_id=request_id, error=str(cause))
        code, message = Unavailable.code, "The database does not answer right now; try again in a moment"
    elif cause is not None and not isinstance(cause, GraphQLError):
        log.error("operation.fault", request_id=request_id, path=error.path, exc_info=cause)
        code, message = "INTERNAL", "Something went wrong on our side; tell us the request id"
    phrased: Payload = {"message": message}
    if error.locations:
        phrased["locations"] = [{"line": place.line, "column": place.column} for place in error.locations]
    if error.path:
        phrased["path"] = list(error.path)
    phrased["extensions"] = {"code": code, "requestId": request_id} | (error.extensions or {})
    return phrased
