"""What a document asks for, measured before anything runs: size, depth, aliases and cost, each fragment read once.

The cost is the most that the answer may hold: 1 for an object, 0 for a scalar, each item of a list. All is counted as
if each fragment stood where it is spread; of the possible types of an interface or union the dearest sets the cost.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from graphlib import CycleError, TopologicalSorter

from graphql import DocumentNode, GraphQLArgument, GraphQLField, GraphQLNamedType, GraphQLSchema, GraphQLSyntaxError
from graphql.language import Lexer, Source, TokenKind, ast, parse
from graphql.type import get_named_type, get_nullable_type, is_abstract_type, is_composite_type, is_list_type

from server.errors import Refusal

MAX_DOCUMENT_CHARACTERS = 16_000  # ten times the introspection query; comments and long strings count here only
MAX_TOKENS = 1_000  # five times the introspection query; `schema.overlaps` sees to the quadratic rule of validation
MAX_NESTING = 100  # braces in braces; bounds our recursion, as inline fragments nest without adding depth
MAX_FRAGMENTS = 60  # one for each component of a large screen
MAX_DEPTH = 12  # viewer → tracks → edges → node → connection → edges → node → object → object → scalar is 10
MAX_ALIASES = 30  # a dashboard of a few lists; each alias makes the server do a field again
MAX_ROOT_FIELDS = 10  # root fields are what rate limits count, so few may hide in one request
MAX_DIRECTIVES = 50  # one @include on each part of a large screen
MAX_COST = 5_000  # a page of a hundred tracks with all that hangs below each but sung words, and room
MAX_PAGE_SIZE = 100  # what the schema allows for `first` and `last`, and what a connection without them counts as
LIST_SIZE = 10  # a list without a size of its own: chapters, lyric lines shown, members
INTROSPECTION_LIST_SIZE = 5  # so small that the introspection query fits, once, and no list in it is free
MAX_MEASURES = 16  # of one document, kept: pages have a few sizes
SATURATED = 2**31 - 1  # no count grows beyond it: GraphQL's largest Int

ROOT_FIELD_COSTS = {ast.OperationType.QUERY: 0, ast.OperationType.MUTATION: 10, ast.OperationType.SUBSCRIPTION: 5}
REST = ""  # stands for every possible type that a selection set does not name
Values = Mapping[str, object]  # variables by name


class DocumentRefused(Refusal):
    """The document may not run."""

    code = "DOCUMENT_REFUSED"


class DocumentInvalid(DocumentRefused):
    """The document does not fit the schema; validation says more."""

    code = "DOCUMENT_INVALID"


class DocumentTooLarge(DocumentRefused):
    """The document is too long."""

    code = "DOCUMENT_TOO_LARGE"


class DocumentTooDeep(DocumentRefused):
    """The document nests too deeply."""

    code = "DOCUMENT_TOO_DEEP"


class DocumentTooComplex(DocumentRefused):
    """The document asks for too much at once."""

    code = "DOCUMENT_TOO_COMPLEX"


@dataclass(frozen=True, slots=True)
class Measure:
    """What one operation of a document asks for."""

    depth: int  # fields in fields
    aliases: int
    root_fields: int
    directives: int
    cost: int


def check_source(source: str) -> None:
    """Refuse a document that is too long to be parsed."""
    _check("length in characters", len(source), MAX_DOCUMENT_CHARACTERS, DocumentTooLarge)


def parse_document(source: str) -> DocumentNode:
    """Parse a document of allowed size; a GraphQLSyntaxError says that it is none."""
    check_source(source)
    try:
        document = parse(source, max_lexical_tokens=MAX_TOKENS)
    except GraphQLSyntaxError:
        _check("number of tokens", _count_tokens(source), MAX_TOKENS, DocumentTooLarge)
        raise
    fragments = sum(isinstance(definition, ast.FragmentDefinitionNode) for definition in document.definitions)
    _check("number of fragments", fragments, MAX_FRAGMENTS, DocumentTooComplex)
    return document


def check_limits(measure: Measure) -> None:
    """Refuse an operation that asks for too much."""
    _check("depth", measure.depth, MAX_DEPTH, DocumentTooDeep)
    _check("number of root fields", measure.root_fields, MAX_ROOT_FIELDS, DocumentTooComplex)
    _check("number of aliases", measure.aliases, MAX_ALIASES, DocumentTooComplex)
    _check("number of directives", measure.directives, MAX_DIRECTIVES, DocumentTooComplex)
    _check("cost", measure.cost, MAX_COST, DocumentTooComplex)


def analyse(schema: GraphQLSchema, document: DocumentNode, list_sizes: Mapping[str, int] | None = None) -> "Analysis":
    """Read a validated document once; `list_sizes` maps `Type.field` to the length of its list."""
    reader = _Reader(schema, list_sizes or {})
    definitions = document.definitions
    fragments = {node.name.value: node for node in definitions if isinstance(node, ast.FragmentDefinitionNode)}
    for name in _order_fragments(fragments):
        reader.read_fragment(fragments[name])
    operations = [reader.read_operation(node) for node in definitions if isinstance(node, ast.OperationDefinitionNode)]
    sizes = {name for block in reader.blocks for each in block.branches if each.page for name in each.page.variables}
    return Analysis(tuple(reader.blocks), {operation.name: operation for operation in operations}, tuple(sizes))


@dataclass(frozen=True, slots=True)
class Analysis:
    """What does not hang on the variables of a document, read once; `measure` adds what does."""

    blocks: "tuple[_Block, ...]"  # a block stands after every block that it refers to
    operations: "Mapping[str, _Operation]"
    sizes: tuple[str, ...]  # the variables that say how long a page is; no other matters
    known: dict[tuple[object, ...], Measure] = field(default_factory=dict)

    def measure(self, operation_name: str | None, variables: Values) -> Measure:
        """Measure the named operation, or the only one; in time linear in the document for each new page size."""
        operation = self._find(operation_name)
        given = [(name, variables[name]) for name in self.sizes if name in variables]
        sizes = {name: None if value is None else _clamp_size(value) for name, value in given}
        asked = (operation.name, *sizes.items())
        if asked not in self.known:
            if len(self.known) == MAX_MEASURES:
                self.known.clear()
            self.known[asked] = self._measure(operation, {**operation.defaults, **sizes})
        return self.known[asked]

    def _measure(self, operation: "_Operation", values: Values) -> Measure:
        prices: list[_Prices] = []
        for block in self.blocks:
            prices.append(_price_block(block, prices, values))
        root = operation.block
        cost = operation.root_field_cost * root.fields + _dearest(prices[root.index], LIST_SIZE)
        return Measure(root.depth, root.aliases, root.fields, root.directives, min(cost, SATURATED))

    def _find(self, operation_name: str | None) -> "_Operation":
        names = [operation_name] if operation_name else list(self.operations)
        if len(names) != 1 or names[0] not in self.operations:
            raise DocumentInvalid("The document has no such operation, or several and none is named")
        return self.operations[names[0]]


@dataclass(frozen=True, slots=True)
class _Operation:
    name: str
    block: "_Block"
    root_field_cost: int
    defaults: Values


@dataclass(frozen=True, slots=True)
class _Page:
    """What a field was given for its size, itself or as the names of variables, and what holds without any."""

    literals: tuple[int | None, ...]
    variables: tuple[str, ...]
    default: int

    def read_size(self, values: Values) -> int:
        given = [*self.literals, *(values[name] for name in self.variables if name in values)]
        sizes = [_clamp_size(value) for value in given if value is not None]
        return max(sizes) if sizes else MAX_PAGE_SIZE if given else self.default


@dataclass(frozen=True, slots=True)
class _Branch:
    """A field with fields below it."""

    block: int
    weight: int
    length: int  # of its list, 1 without one, if it has no page
    page: _Page | None
    is_list: bool
    is_page_part: bool  # `edges` and `nodes` are as long as the connection that they stand in


_Prices = dict[str, tuple[int, int]]  # for each face: the cost once, and the cost for each item of the page
_Part = tuple[int, frozenset[str] | None]  # block of a fragment, inline or spread, and whom it admits; None is all


@dataclass(slots=True)
class _Block:
    """A selection set, boiled down to what counts; the reader fills it, then it never changes."""

    index: int = -1
    depth: int = 0
    aliases: int = 0
    directives: int = 0
    fields: int = 0
    faces: set[str] = field(default_factory=set)  # the types whose costs may differ, with REST for the others
    branches: list[_Branch] = field(default_factory=list)
    parts: list[_Part] = field(default_factory=list)

    def absorb(self, other: "_Block", levels: int) -> None:
        """Count what a block holds that stands so many levels below this one."""
        self.depth = max(self.depth, levels + other.depth)
        self.aliases = min(self.aliases + other.aliases, SATURATED)
        self.directives = min(self.directives + other.directives, SATURATED)


class _Reader:
    """Turns selection sets into blocks, what is inside first."""

    def __init__(self, schema: GraphQLSchema, list_sizes: Mapping[str, int]) -> None:
        self.blocks: list[_Block] = []
        self._schema = schema
        self._list_sizes = list_sizes
        self._fragments: dict[str, tuple[GraphQLNamedType, _Block]] = {}
        self._possible_names = cache(self._read_possible_names)

    def read_operation(self, node: ast.OperationDefinitionNode) -> _Operation:
        root_type = self._schema.get_root_type(node.operation)
        if root_type is None:
            raise DocumentInvalid(f"There is no {node.operation.value} in this schema")
        block = self._read_block(node.selection_set, root_type)
        inputs = node.variable_definitions or ()
        block.directives += len(node.directives or ()) + sum(len(each.directives or ()) for each in inputs)
        defaults = {one.variable.name.value: _read_literal(one.default_value) for one in inputs if one.default_value}
        return _Operation(node.name.value if node.name else "", block, ROOT_FIELD_COSTS[node.operation], defaults)

    def read_fragment(self, node: ast.FragmentDefinitionNode) -> None:
        condition = self._find_type(node.type_condition.name.value)
        block = self._read_block(node.selection_set, condition)
        block.directives += len(node.directives or ())
        self._fragments[node.name.value] = (condition, block)

    def _read_block(self, node: ast.SelectionSetNode | None, parent: GraphQLNamedType, nesting: int = 1) -> _Block:
        _check("nesting", nesting, MAX_NESTING, DocumentTooDeep)
        block = _Block(faces={REST if is_abstract_type(parent) else parent.name})
        for selection in node.selections if node else ():
            block.directives += len(selection.directives or ())
            if isinstance(selection, ast.FieldNode):
                self._add_field(block, selection, parent, nesting)
            else:
                self._add_part(block, selection, parent, nesting)
        block.index = len(self.blocks)
        self.blocks.append(block)
        return block

    def _add_field(self, block: _Block, node: ast.FieldNode, parent: GraphQLNamedType, nesting: int) -> None:
        name = node.name.value
        block.fields = min(block.fields + 1, SATURATED)
        if node.alias is not None and not node.alias.value.startswith("__is"):  # Relay's, to tell types apart
            block.aliases = min(block.aliases + 1, SATURATED)
        if name == "__typename":
            return
        definition = self._schema.get_field(parent, name) if is_composite_type(parent) else None
        if definition is None:
            raise DocumentInvalid(f"There is no field {parent.name}.{name}")
        block.depth = max(block.depth, 1)
        if not is_composite_type(named := get_named_type(definition.type)):
            return
        below = self._read_block(node.selection_set, named, nesting + 1)
        weight = 0 if (parent.name, name) == ("__Type", "ofType") else 1  # a wrapper says no more than `[` or `!`
        block.absorb(below, weight)
        block.branches.append(self._read_branch(node, definition, f"{parent.name}.{name}", below.index, weight))

    def _read_branch(self, node: ast.FieldNode, definition: GraphQLField, key: str, below: int, weight: int) -> _Branch:
        page = _read_page(node, definition)
        is_list = is_list_type(get_nullable_type(definition.type))
        usual = INTROSPECTION_LIST_SIZE if get_named_type(definition.type).name.startswith("__") else LIST_SIZE
        length = self._list_sizes.get(key, usual) if is_list else 1
        is_page_part = is_list and not page and node.name.value in {"edges", "nodes"}
        return _Branch(below, weight, length, page, is_list, is_page_part)

    def _add_part(self, block: _Block, node: ast.SelectionNode, parent: GraphQLNamedType, nesting: int) -> None:
        if isinstance(node, ast.InlineFragmentNode):
            condition = self._find_type(node.type_condition.name.value) if node.type_condition else parent
            part = self._read_block(node.selection_set, condition, nesting + 1)
        elif isinstance(node, ast.FragmentSpreadNode) and node.name.value in self._fragments:
            condition, part = self._fragments[node.name.value]
        else:
            raise DocumentInvalid("A fragment is spread that is not defined")
        block.absorb(part, levels=0)
        block.fields = min(block.fields + part.fields, SATURATED)
        admitted = self._read_admitted(parent, condition)
        block.parts.append((part.index, admitted))
        if is_abstract_type(parent):
            named = part.faces - {REST} if admitted is None else admitted
            block.faces |= named & self._possible_names(parent)

    def _read_admitted(self, parent: GraphQLNamedType, condition: GraphQLNamedType) -> frozenset[str] | None:
        """Of the parent's possible types those that meet the condition; None when all do, named or not."""
        possible, meeting = self._possible_names(parent), self._possible_names(condition)
        return None if possible <= meeting and is_abstract_type(condition) else possible & meeting

    def _read_possible_names(self, named: GraphQLNamedType) -> frozenset[str]:
        possible = self._schema.get_possible_types(named) if is_abstract_type(named) else [named]
        return frozenset(each.name for each in possible)

    def _find_type(self, name: str) -> GraphQLNamedType:
        found = self._schema.get_type(name)
        if not is_composite_type(found):
            raise DocumentInvalid(f"There is nothing to select from {name}")
        return found


def _price_block(block: _Block, prices: list[_Prices], values: Values) -> _Prices:
    once = each = 0
    for branch in block.branches:
        size = branch.page.read_size(values) if branch.page else LIST_SIZE
        below = branch.weight + _dearest(prices[branch.block], LIST_SIZE if branch.is_list else size)
        if branch.is_page_part:
            each += below
        else:
            once += below * (size if branch.page and branch.is_list else branch.length)
    return {face: _price_face(face, block.parts, prices, once, each) for face in block.faces}


def _price_face(face: str, parts: list[_Part], prices: list[_Prices], once: int, each: int) -> tuple[int, int]:
    for index, admitted in parts:
        if admitted is None or face in admitted:
            more_once, more_each = prices[index].get(face) or prices[index][REST]
            once, each = once + more_once, each + more_each
    return min(once, SATURATED), min(each, SATURATED)


def _dearest(prices: _Prices, page_size: int) -> int:
    return max(once + each * page_size for once, each in prices.values())


def _read_page(node: ast.FieldNode, definition: GraphQLField) -> _Page | None:
    sizes = {name: definition.args[name] for name in ("first", "last") if name in definition.args}
    if not sizes:
        return None
    asked = [each.value for each in node.arguments or () if each.name.value in sizes]
    literals = tuple(_read_literal(value) for value in asked if not isinstance(value, ast.VariableNode))
    variables = tuple(value.name.value for value in asked if isinstance(value, ast.VariableNode))
    defaults = [default for default in map(_read_default, sizes.values()) if isinstance(default, int)]
    return _Page(literals, variables, _clamp_size(defaults[0]) if defaults else MAX_PAGE_SIZE)


def _read_default(argument: GraphQLArgument) -> object:
    if argument.default is None:
        return argument.default_value  # how Strawberry gives it
    return _read_literal(argument.default.literal) if argument.default.literal else argument.default.value


def _read_literal(node: ast.ValueNode) -> int | None:
    """The number, None for null, and for what is no number the most that it could mean."""
    if isinstance(node, ast.NullValueNode):
        return None
    if isinstance(node, ast.IntValueNode):
        return int(node.value) if len(node.value) < len(str(SATURATED)) else SATURATED
    return MAX_PAGE_SIZE


def _clamp_size(value: object) -> int:
    """A size that is none, or negative, counts as the largest that could be meant; execution refuses it later."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return min(value, SATURATED)
    return MAX_PAGE_SIZE


def _order_fragments(fragments: Mapping[str, ast.FragmentDefinitionNode]) -> list[str]:
    """Each fragment after those that it spreads."""
    spreads = {name: _find_spreads(node.selection_set) for name, node in fragments.items()}
    try:
        return [name for name in TopologicalSorter(spreads).static_order() if name in fragments]
    except CycleError as error:
        raise DocumentInvalid("A fragment spreads itself") from error


def _find_spreads(selection_set: ast.SelectionSetNode) -> set[str]:
    found, open_sets = set(), [selection_set]
    while open_sets:
        for node in open_sets.pop().selections:
            if isinstance(node, ast.FragmentSpreadNode):
                found.add(node.name.value)
            elif isinstance(node, ast.FieldNode | ast.InlineFragmentNode) and node.selection_set:
                open_sets.append(node.selection_set)
    return found


def _count_tokens(source: str) -> int:
    """Count until one token too many, or until the text stops being GraphQL."""
    lexer = Lexer(Source(source))
    try:
        for count in range(MAX_TOKENS + 1):
            if lexer.advance().kind is TokenKind.EOF:
                return count
    except GraphQLSyntaxError:
        return 0
    return MAX_TOKENS + 1


def _check(limit: str, measured: int, allowed: int, refusal: type[DocumentRefused]) -> None:
    if measured > allowed:
        raise refusal(f"The {limit} of this document reaches {measured}; at most {allowed} is allowed")
