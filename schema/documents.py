"""Documents: parsed, validated and measured once for each text, then only executed."""

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
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
from schema.plans import Plan, Uncovered, compile_plan
from server import metrics
from server.logs import get_logger
from storage.access import Viewer

CACHED_CHARACTERS = 300_000  # two hundred screens; a character costs up to 300 bytes once it is parsed: below 100 MB
MAX_VALIDATION_ERRORS = 25
MAX_PLANS = 16  # of one document, whose directives could ask for two to the power of their number

log = get_logger(__name__)

core: GraphQLSchema = schema._schema  # noqa: SLF001 - Strawberry has no public door to the schema that it built


@dataclass(frozen=True)
class Document:
    """A document that may be executed, with the plans that were compiled of it."""

    source: str
    node: DocumentNode
    analysis: Analysis
    fragments: dict[str, FragmentDefinitionNode]
    deciding: frozenset[str]  # the variables that @include and @skip look at
    plans: dict[Hashable, Plan | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Operation:
    """One operation of a document, with its price."""

    document: Document
    definition: OperationDefinitionNode
    name: str | None
    cost: int

    @property
    def type(self) -> OperationType:
        return self.definition.operation

    @property
    def source(self) -> str:
        """The document's text."""
        return self.document.source

    @property
    def opens_session(self) -> bool:
        """Whether this does nothing but log somebody in, for which nobody need be logged in."""
        chosen = self.definition.selection_set.selections
        names = {one.name.value if isinstance(one, FieldNode) else "" for one in chosen}
        return self.type is OperationType.MUTATION and names <= {"signUp", "logIn", "refreshSession"}

    @property
    def is_shared(self) -> bool:
        """Whether this is a subscription whose last result is its state, so that all who ask the same may share it."""
        root, *others = self.definition.selection_set.selections
        if self.type is not OperationType.SUBSCRIPTION or others or not isinstance(root, FieldNode):
            return False
        declared = schema.get_field_for_type(root.name.value, "Subscription")
        return declared is not None and bool(declared.metadata.get("shared"))

    def read_variables(self, variables: Mapping[str, Any]) -> VariableValues | None:
        """The variables as the operation declares them; None when they do not fit, which the executor explains."""
        read = get_variable_values(core, self.definition.variable_definitions or (), dict(variables), max_errors=1)
        return read if isinstance(read, VariableValues) else None

    def find_plan(self, values: VariableValues, viewer: Viewer) -> Plan | None:
        """The plan of a query for viewers of this role; None when the executor must answer."""
        if self.type is not OperationType.QUERY:
            return None
        deciding = {name: values.coerced.get(name) for name in self.document.deciding}
        key = (self.name, viewer.is_admin, *deciding.items())
        plans = self.document.plans
        if key not in plans and len(plans) < MAX_PLANS:
            plans[key] = self._compile(deciding, viewer)
        return plans.get(key)

    def _compile(self, deciding: Mapping[str, Any], viewer: Viewer) -> Plan | None:
        selection_set, fragments = self.definition.selection_set, self.document.fragments
        try:
            return compile_plan(schema, core, selection_set, fragments, deciding, viewer)
        except Uncovered as uncovered:
            metrics.OPERATIONS_UNCOVERED.labels(str(uncovered)).inc()
            log.debug("plan.uncovered", field=str(uncovered))
            return None


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
        return Operation(document, definition, name, measured.cost)

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
    if errors:
        return DocumentErrors(errors)
    fragments = {one.name.value: one for one in node.definitions if isinstance(one, FragmentDefinitionNode)}
    return Document(source, node, analyse(core, node), fragments, frozenset(_find_deciding(node)))


def _find_deciding(node: DocumentNode) -> set[str]:
    found: set[str] = set()

    class Finder(Visitor):
        """Notes the variables of directives."""

        def enter_directive(self, directive: DirectiveNode, *_: Any) -> None:
            for argument in directive.arguments or ():
                if isinstance(argument.value, VariableNode):
                    found.add(argument.value.name.value)

    visit(node, Finder())
    return found
