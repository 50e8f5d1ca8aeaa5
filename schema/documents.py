"""Documents: parsed, validated and measured once for each text, then only executed."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    get_operation_ast,
    validate,
)

from schema import schema
from schema.limits import Analysis, analyse, check_limits, check_source, parse_document

CACHED_CHARACTERS = 300_000  # two hundred screens; a character costs up to 300 bytes once it is parsed: below 100 MB
MAX_VALIDATION_ERRORS = 25

core: GraphQLSchema = schema._schema  # noqa: SLF001 - Strawberry has no public door to the schema that it built


@dataclass(frozen=True)
class Document:
    """A document that may be executed."""

    node: DocumentNode
    analysis: Analysis


@dataclass(frozen=True)
class Operation:
    """One operation of a document, with its price."""

    node: DocumentNode
    definition: OperationDefinitionNode
    name: str | None
    cost: int

    @property
    def type(self) -> OperationType:
        return self.definition.operation


class DocumentErrors(Exception):
    """The document cannot be executed; `errors` say why."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__("; ".join(error.message for error in errors))
        self.errors = errors


class Documents:
    """The documents that were seen last; the ones that are not valid are remembered as such."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Document | DocumentErrors] = OrderedDict()
        self._characters = 0

    def find_operation(self, source: str, name: str | None, variables: Mapping[str, Any]) -> Operation:
        """The operation to execute; DocumentErrors if there is none, DocumentRefused if it is too much."""
        document = self._read(source)
        definition = get_operation_ast(document.node, name)
        if definition is None:
            problem = f"There is no operation named {name!r}" if name else "Name one of the operations to execute"
            raise DocumentErrors([GraphQLError(problem)])
        measured = document.analysis.measure(name, variables)
        check_limits(measured)
        return Operation(document.node, definition, name, measured.cost)

    def _read(self, source: str) -> Document:
        known = self._known.get(source)
        if known is None:
            check_source(source)
            known = self._known[source] = _prepare(source)
            self._characters += len(source)
            while self._characters > CACHED_CHARACTERS:
                self._characters -= len(self._known.popitem(last=False)[0])
        else:
            self._known.move_to_end(source)
        if isinstance(known, DocumentErrors):
            raise known
        return known


def _prepare(source: str) -> Document | DocumentErrors:
    try:
        node = parse_document(source)
    except GraphQLError as error:
        return DocumentErrors([error])
    errors = validate(core, node, max_errors=MAX_VALIDATION_ERRORS, hide_suggestions=True)
    return DocumentErrors(errors) if errors else Document(node, analyse(core, node))
