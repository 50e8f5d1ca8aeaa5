"""Documents: parsed, validated, measured and compiled once for each text, then only executed."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson
from graphql import (
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    Visitor,
    get_operation_ast,
    validate,
    visit,
)
from graphql.execution.values import VariableValues, get_variable_values

from schema import schema
from schema.limits import Analysis, analyse, check_limits, check_source, parse_document
from schema.overlaps import check_overlaps
from schema.plans import Compiler, LivePlan, LiveTemplate, Plan, Uncovered, compile_variables
from server import metrics
from server.logs import get_logger
from storage.access import ANONYMOUS, Viewer

CACHED_CHARACTERS = 200_000  # a hundred screens; a character costs up to 300 bytes once it is parsed, and its plans
OVERHEAD_CHARACTERS = 200  # what a short document costs besides, with its plans
MAX_VALIDATION_ERRORS = 25
MAX_PLANS = 16  # of one operation, whose directives could ask for two to the power of their number
MAX_PRICES = 128  # of one operation, which depend on its variables

T = TypeVar("T", Plan, LiveTemplate)
log = get_logger(__name__)

core: GraphQLSchema = schema._schema  # noqa: SLF001 - Strawberry has no public door to the schema that it built


@dataclass(frozen=True)
class Document:
    """A document that may be executed."""

    source: str
    node: DocumentNode
    analysis: Analysis
    fragments: dict[str, FragmentDefinitionNode]
    operations: "dict[str | None, Operation]" = field(default_factory=dict)


class Operation:
    """One operation of a document, with the plans that were compiled of it."""

    def __init__(self, document: Document, definition: OperationDefinitionNode, name: str | None) -> None:
        self.document: Document = document
        self.definition = definition
        self.name = name
        self.type: OperationType = definition.operation
        self.source = document.source
        self.cost = 0
        self.fixed: bytes | None = None  # the answer, where it is the same for everybody at all times
        self.opens_session = self._opens_session()
        self._deciding = _find_deciding(definition, document.fragments)
        self._read = compile_variables(core, definition.variable_definitions or ())
        self._plans: dict[Hashable, Plan | None] = {}
        self._templates: dict[Hashable, LiveTemplate | None] = {}
        self._priced: dict[int, Operation] = {}
        self._only: Operation | None = None  # what it costs hangs on no variables

    def price(self, variables: Mapping[str, Any]) -> "Operation":
        """The operation with what it costs under these variables; DocumentRefused if it asks for too much."""
        if self._only is not None:
            return self._only
        measured = self.document.analysis.measure(self.name, variables)
        priced = self._priced.get(measured.cost)
        if priced is None:
            check_limits(measured)
            priced = copy(self)
            priced.cost = measured.cost
            if len(self._priced) < MAX_PRICES:
                self._priced[measured.cost] = priced
            if not self.definition.variable_definitions:
                self._only = priced
                priced.fixed = _encode_constant(priced)
        return priced

    def wrap(self, data: dict[str, Any] | None) -> dict[str, Any]:
        """The answer that holds this data."""
        return {"data": data, "extensions": {"cost": {"requested": self.cost}}}

    def read_variables(self, variables: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The variables as the operation declares them; None when they do not fit, which the executor explains."""
        read = self._read(variables)
        if read is not None:
            return read
        slowly = get_variable_values(core, self.definition.variable_definitions or (), dict(variables), max_errors=1)
        return slowly.coerced if isinstance(slowly, VariableValues) else None

    def find_plan(self, values: Mapping[str, Any], viewer: Viewer) -> Plan | None:
        """The plan of a query or a mutation for viewers of this role; None when the executor must answer."""
        if self.type is OperationType.SUBSCRIPTION:
            return None
        return self._find(self._plans, values, viewer, Compiler.compile)

    def find_live_plan(self, values: Mapping[str, Any], viewer: Viewer) -> LivePlan | None:
        """The plan of a subscription for viewers of this role; None when the executor must answer."""
        if self.type is not OperationType.SUBSCRIPTION:
            return None
        template = self._find(self._templates, values, viewer, Compiler.compile_live)
        return None if template is None else template.fill(values)

    def _find(
        self,
        known: dict[Hashable, T | None],
        values: Mapping[str, Any],
        viewer: Viewer,
        compile_for: Callable[[Compiler, Viewer], T],
    ) -> T | None:
        deciding: dict[str, Any] = {name: values.get(name) for name in self._deciding}
        if not all(isinstance(value, bool) for value in deciding.values()):
            return None  # the executor says what is wrong with it
        key = (viewer.is_admin, *deciding.values())
        plan = known.pop(key) if key in known else self._compile(deciding, viewer, compile_for)
        known[key] = plan  # as the last, so that the first is the one that nobody has asked for the longest
        if len(known) > MAX_PLANS:
            del known[next(iter(known))]
        return plan

    def _compile(
        self, deciding: Mapping[str, Any], viewer: Viewer, compile_for: Callable[[Compiler, Viewer], T]
    ) -> T | None:
        compiler = Compiler(schema, core, self.definition, self.document.fragments, deciding)
        try:
            return compile_for(compiler, viewer)
        except Uncovered as uncovered:
            metrics.OPERATIONS_UNCOVERED.labels(str(uncovered)).inc()
            log.debug("plan.uncovered", field=str(uncovered))
            return None

    def _opens_session(self) -> bool:
        """Whether this does nothing but log somebody in, for which nobody need be logged in."""
        chosen = self.definition.selection_set.selections
        names = {one.name.value if isinstance(one, FieldNode) else "" for one in chosen}
        return self.type is OperationType.MUTATION and names <= {"signUp", "logIn", "refreshSession"}


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
        document = self.read(source)
        operation = document.operations.get(name)
        if operation is None:
            definition = get_operation_ast(document.node, name)
            if definition is None:
                problem = f"There is no operation named {name!r}" if name else "Name one of the operations to execute"
                raise DocumentErrors([GraphQLError(problem)])
            operation = document.operations[name] = Operation(document, definition, name)
        return operation.price(variables)

    def read(self, source: str) -> Document:
        """The document of a text; DocumentErrors if it is not valid."""
        known = self._known.get(source)
        if known is None:
            check_source(source)
            known = self._known[source] = _prepare(source)
            self._characters += len(source) + OVERHEAD_CHARACTERS
            while self._characters > CACHED_CHARACTERS:
                self._characters -= len(self._known.popitem(last=False)[0]) + OVERHEAD_CHARACTERS
        else:
            self._known.move_to_end(source)
        if isinstance(known, DocumentErrors):
            raise known
        return known


def _encode_constant(operation: Operation) -> bytes | None:
    plan = operation.find_plan({}, ANONYMOUS)
    data = None if plan is None else plan.find_constant()
    return None if data is None else orjson.dumps(operation.wrap(data))


def _prepare(source: str) -> Document | DocumentErrors:
    try:
        node = parse_document(source)
    except GraphQLError as error:
        return DocumentErrors([error])
    check_overlaps(node)
    errors = validate(core, node, max_errors=MAX_VALIDATION_ERRORS, hide_suggestions=True)
    if errors:
        return DocumentErrors(errors)
    fragments = {one.name.value: one for one in node.definitions if isinstance(one, FragmentDefinitionNode)}
    return Document(source, node, analyse(core, node), fragments)


def _find_deciding(
    definition: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> tuple[str, ...]:
    """The variables that @include and @skip look at, in the operation and in the fragments that it spreads."""
    found: set[str] = set()
    spread = dict[str, None]()

    class Finder(Visitor):
        """Notes the variables of directives, and the fragments."""

        def enter_directive(self, directive: DirectiveNode, *_: Any) -> None:
            for argument in directive.arguments or ():
                if isinstance(argument.value, VariableNode):
                    found.add(argument.value.name.value)

        def enter_fragment_spread(self, node: FragmentSpreadNode, *_: Any) -> None:
            spread.setdefault(node.name.value)

    visit(definition, Finder())
    visited = 0
    while visited < len(spread):
        visit(fragments[[*spread][visited]], Finder())
        visited += 1
    return tuple(sorted(found))
