"""Documents are measured exactly, in linear time, and refused with a code and the limit that they break."""

import time
from collections.abc import Mapping

import pytest
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    GraphQLSyntaxError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    build_schema,
    get_introspection_query,
    get_named_type,
    is_abstract_type,
    is_composite_type,
    is_list_type,
    parse,
)
from graphql.type import get_nullable_type
from hypothesis import given, settings
from hypothesis import strategies as st

from schema import limits
from schema.limits import Measure

SCHEMA = build_schema("""
directive @tag on QUERY | VARIABLE_DEFINITION | FRAGMENT_DEFINITION
interface Node { id: ID! }
interface Written { author: User }
type Query {
  viewer: User
  node(id: ID!): Node
  search(first: Int, last: Int): [Result!]!
  results(first: Int = 20): ResultConnection!
  nodes(first: Int): [Team!]!
  written: Written
  tags: [String!]!
}
type Mutation { logIn(email: String): LogIn!  ping: Boolean }
type Subscription { jobProgress(jobId: ID!): Job! }
type User implements Node {
  id: ID!
  name: String
  tracks(first: Int, last: Int): TrackConnection!
  teams: [Team!]
}
type Team { name: String  leader: User  edges: [Team!] }
type Track implements Node & Written { id: ID!  title: String  author: User  cover: Cover  similar: [Track!]! }
type Cover { url: String  moods: [Mood!] }
type Job implements Node { id: ID!  track: Track }
type PageInfo { endCursor: String }
type TrackConnection { edges: [TrackEdge!]!  nodes: [Track!]!  pageInfo: PageInfo!  totalCount: Int }
type TrackEdge { cursor: String  node: Track! }
type ResultConnection { nodes: [Result!]! }
type Session { token: String  user: User }
type Refused { message: String }
enum Mood { CALM LOUD }
union Result = Track | User
union LogIn = Session | Refused
""")


def measure(source: str, operation_name: str | None = None, variables: Mapping[str, object] | None = None) -> Measure:
    return limits.analyse(SCHEMA, parse(source)).measure(operation_name, variables or {})


def cost(source: str, **variables: object) -> int:
    return measure(source, None, variables).cost


TRACKS = "fragment T on Track { title cover { url } }"
EXACT = {
    "{ tags }": Measure(1, 0, 1, 0, 0),
    "{ __typename }": Measure(0, 0, 1, 0, 0),
    "{ viewer { } }": Measure(1, 0, 1, 0, 1),
    "{ viewer { id kind: __typename } }": Measure(2, 1, 1, 0, 1),
    "{ viewer { id __isNode: __typename } }": Measure(2, 0, 1, 0, 1),
    "{ a: viewer { id } b: viewer { n: name } }": Measure(2, 3, 2, 0, 2),
    "{ viewer { teams { name leader { id } } } }": Measure(4, 0, 1, 0, 1 + 10 * 2),
    "{ viewer { tracks(first: 7) { totalCount } } }": Measure(3, 0, 1, 0, 2),
    "{ viewer { tracks(first: 7) { nodes { id } } } }": Measure(4, 0, 1, 0, 2 + 7),
    "{ viewer { tracks(first: 7) { edges { cursor node { id } } } } }": Measure(5, 0, 1, 0, 2 + 7 * 2),
    "{ viewer { tracks(first: 7) { pageInfo { endCursor } } } }": Measure(4, 0, 1, 0, 2 + 1),
    "{ viewer { tracks(first: 7) { ...C } } } fragment C on TrackConnection { nodes { id } }": Measure(4, 0, 1, 0, 9),
    "{ viewer { tracks(first: 3) { nodes { similar { cover { url } } } } } }": Measure(
        6, 0, 1, 0, 2 + 3 * (1 + 10 * 2)
    ),
    "{ viewer { tracks(first: 3) { nodes { author { tracks(last: 4) { nodes { id } } } } } } }": Measure(
        7, 0, 1, 0, 2 + 3 * (1 + 1 + 1 + 4)
    ),
    "{ search(first: 6) { ...T } }" + TRACKS: Measure(3, 0, 1, 0, 6 * 2),
    "{ results { nodes { ...T } } }" + TRACKS: Measure(4, 0, 1, 0, 1 + 20 * 2),
    "{ node(id: 1) { id ... on Track { cover { url } author { id } } ... on User { teams { name } } } }": Measure(
        3, 0, 1, 0, 1 + 10
    ),
    "{ node(id: 1) { ... on Node { ... on Track { cover { url } } } ... on Track { author { id } } } }": Measure(
        3, 0, 1, 0, 1 + 2
    ),
    "{ node(id: 1) { ... on Result { ... on Track { cover { url } } ... on Node { id } } } }": Measure(3, 0, 1, 0, 2),
    "{ viewer { ... on Node { ... on User { teams { name } } ... on Job { track { id } } } } }": Measure(
        3, 0, 1, 0, 1 + 10
    ),
    "mutation { logIn { ... on Session { user { id } } ... on Refused { message } } }": Measure(3, 0, 1, 0, 10 + 1 + 1),
    "{ node(id: 1) { ... on Written { author { id } } } }": Measure(3, 0, 1, 0, 2),
    "{ written { ... on Track { cover { url } } } }": Measure(3, 0, 1, 0, 2),
    "{ nodes(first: 2) { edges { name } } }": Measure(3, 0, 1, 0, 2 * (1 + 10)),
    "mutation { ping }": Measure(1, 0, 1, 0, 10),
    "subscription { jobProgress(jobId: 1) { track { id } } }": Measure(3, 0, 1, 0, 5 + 2),
    "query($x: Boolean! = true) { viewer @include(if: $x) { id @skip(if: $x) ... @skip(if: $x) { name } } }": Measure(
        2, 0, 1, 3, 1
    ),
    "query($x: Int @tag) @tag { ...F ...F } fragment F on Query @tag { tags }": Measure(1, 0, 2, 4, 0),
    "{ ...Q ...Q } fragment Q on Query { me: viewer { id @skip(if: false) } }": Measure(2, 2, 2, 2, 2),
}


@pytest.mark.parametrize("source", EXACT)
def test_measure_of_a_document_is_exact(source: str) -> None:
    assert measure(source) == EXACT[source]


@pytest.mark.parametrize(
    ("arguments", "variables", "size"),
    [
        ("", {}, 100),
        ("(first: 0)", {}, 0),
        ("(first: 250)", {}, 250),
        ("(first: -3)", {}, 100),
        ("(first: null)", {}, 100),
        ("(first: 3, last: null)", {}, 3),
        ("(first: 3, last: 8)", {}, 8),
        ('(first: "3")', {}, 100),
        ("(first: " + "9" * 5_000 + ")", {}, limits.SATURATED),
        ("(first: $n)", {"n": 5}, 5),
        ("(first: $n)", {}, 100),
        ("(first: $n)", {"n": None}, 100),
        ("(first: $n)", {"n": -5}, 100),
        ("(first: $n)", {"n": "5"}, 100),
        ("(first: $n)", {"n": True}, 100),
        ("(first: $n)", {"n": 2.5}, 100),
        ("(first: $n)", {"n": 101}, 101),
        ("(first: $n, last: $m)", {"n": 5, "m": None}, 5),
        ("(first: $m)", {}, 30),
        ("(first: $m)", {"m": 4}, 4),
    ],
)
def test_only_a_true_page_size_lowers_the_cost(arguments: str, variables: Mapping[str, object], size: int) -> None:
    source = f"query($n: Int, $m: Int = 30) {{ viewer {{ tracks{arguments} {{ nodes {{ id }} }} }} }}"
    assert cost(source, **variables) == min(2 + size, limits.SATURATED)


def test_schema_default_holds_where_no_size_is_asked() -> None:
    source = "query($n: Int) { results(first: $n) { nodes { id: __typename } } }"
    assert cost(source) == 21
    assert cost(source, n=2) == 3
    assert cost(source, n=None) == 101


def test_sizes_are_told_apart_however_often_one_analysis_measures() -> None:
    source = "query($n: Int, $m: Int = 30) { viewer { tracks(first: $n, last: $m) { nodes { id } } } }"
    analysis = limits.analyse(SCHEMA, parse(source))
    values: list[object] = [None, True, 1, 1.0, 1.5, "1", [], {}, -1, 0, 10**30, float("nan"), *range(2, 60)]
    given: list[dict[str, object]] = [{name: value} for name in ("n", "m", "other") for value in values]
    given += [{}, {"n": None, "m": None}]
    for variables in [*given, *reversed(given)]:
        assert analysis.measure(None, variables) == measure(source, None, variables), variables
    assert len(analysis.known) <= limits.MAX_MEASURES
    for other in values:
        known = analysis.measure(None, {"n": 3})
        assert analysis.measure(None, {"n": 3, "other": other}) is known


def test_named_lists_have_their_own_length() -> None:
    document = parse("{ viewer { teams { name } } }")
    assert limits.analyse(SCHEMA, document, {"User.teams": 3}).measure(None, {}).cost == 1 + 3


def test_one_analysis_prices_every_operation_and_page() -> None:
    analysis = limits.analyse(
        SCHEMA,
        parse(
            "query A($n: Int = 2) { viewer { ...P } } query B($n: Int = 9) { viewer { ...P } tags }"
            "fragment P on User { tracks(first: $n) { nodes { id } } }"
        ),
    )
    assert [analysis.measure(name, {}).cost for name in ("A", "B")] == [4, 11]
    assert analysis.measure("A", {"n": 50}).cost == 52
    assert analysis.measure("B", {}) == Measure(depth=4, aliases=0, root_fields=2, directives=0, cost=11)
    for name in (None, "C"):
        with pytest.raises(limits.DocumentInvalid):
            analysis.measure(name, {})


def test_aliases_of_a_sensitive_mutation_are_root_fields() -> None:
    direct = " ".join(f"a{n}: logIn {{ __typename }}" for n in range(20))
    hidden = "mutation { ...M ...N } fragment M on Mutation { " + direct + " } fragment N on Mutation { ...M }"
    assert measure(f"mutation {{ {direct} }}") == Measure(1, 20, 20, 0, 20 * 11)
    assert measure(hidden).root_fields == 40
    with pytest.raises(
        limits.DocumentTooComplex, match="number of root fields of this document reaches 40; at most 10"
    ):
        limits.check_limits(measure(hidden))


def test_introspection_query_fits() -> None:
    source = get_introspection_query(
        input_value_deprecation=True, directive_is_repeatable=True, schema_description=True, specified_by_url=True
    )
    once = limits.analyse(SCHEMA, limits.parse_document(source)).measure(None, {})
    limits.check_limits(once)
    assert once.cost < limits.MAX_COST
    nested = "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }"
    assert cost(nested) > cost("{ __schema { types { fields { name } } } }") * 4


@pytest.mark.parametrize("spreads", [1, 2, 10])
def test_fragment_bomb_is_read_in_linear_time_and_refused(spreads: int) -> None:
    source = make_bomb(fragments=60, spreads=spreads)
    document = parse(source)
    began = time.perf_counter()
    analysis = limits.analyse(SCHEMA, document)
    measured = analysis.measure(None, {})
    assert time.perf_counter() - began < 0.5
    assert len(analysis.blocks) == source.count("{")  # each selection set is read once, however often it is spread
    if spreads == 1:
        assert measured == Measure(depth=4, aliases=61, root_fields=1, directives=0, cost=1 + 10 * 2)
    else:
        assert measured == Measure(4, limits.SATURATED, 1, 0, limits.SATURATED)
    with pytest.raises(limits.DocumentTooComplex):
        limits.check_limits(measured)


def test_bomb_of_types_saturates() -> None:
    types = " ".join(f"... on {name} {{ ...F1 }}" for name in ("Track", "User", "Job", "Node", "Result"))
    rest = "".join(f" fragment F{n} on Node {{ {types.replace('F1', f'F{n + 1}')} }}" for n in range(1, 59))
    document = parse(
        f"{{ node(id: 1) {{ ...F1 }} }} {rest} fragment F59 on Node {{ ... on User {{ teams {{ name }} }} }}"
    )
    began = time.perf_counter()
    assert limits.analyse(SCHEMA, document).measure(None, {}).cost == limits.SATURATED
    assert time.perf_counter() - began < 0.5


def test_deep_chain_of_fragments_is_measured_without_recursion() -> None:
    links = "".join(
        f" fragment F{n} on Track {{ author {{ tracks {{ nodes {{ ...F{n + 1} }} }} }} }}" for n in range(400)
    )
    assert measure("{ search { ...F0 } }" + links + " fragment F400 on Track { id }").depth == 1 + 400 * 3 + 1


@pytest.mark.parametrize(
    "source",
    [
        "{ viewer { ...A } } fragment A on User { ...A }",
        "{ viewer { ...A } } fragment A on User { teams { leader { ...B } } } fragment B on User { ...A }",
        "{ viewer { ...Missing } }",
        "{ viewer { ...A } } fragment A on User { ...Missing }",
        "{ viewer { ...A } } fragment A on Nothing { id }",
        "{ viewer { ... on Mood { id } } }",
        "{ viewer { nothing } }",
        "{ search { title } }",
        "query A { tags } query B { tags }",
        "fragment A on User { id }",
        "type Foo { bar: Int }",
    ],
)
def test_invalid_document_is_refused_and_never_followed_round(source: str) -> None:
    with pytest.raises(limits.DocumentInvalid) as refused:
        measure(source)
    assert refused.value.code == "DOCUMENT_INVALID"


def test_operation_that_the_schema_lacks_is_refused() -> None:
    with pytest.raises(limits.DocumentInvalid, match="no mutation"):
        limits.analyse(build_schema("type Query { a: Int }"), parse("mutation { a }"))


@pytest.mark.parametrize(
    ("source", "refusal", "code"),
    [
        ("{ tags }" + " " * 16_000, limits.DocumentTooLarge, "DOCUMENT_TOO_LARGE"),
        ("#" * 16_001, limits.DocumentTooLarge, "DOCUMENT_TOO_LARGE"),
        ("{" + " tags" * 1_000 + "}", limits.DocumentTooLarge, "DOCUMENT_TOO_LARGE"),
        ("{ tags }" + " fragment F on A { a }" * 61, limits.DocumentTooComplex, "DOCUMENT_TOO_COMPLEX"),
    ],
)
def test_large_source_is_refused_before_it_is_measured(
    source: str, refusal: type[limits.DocumentRefused], code: str
) -> None:
    with pytest.raises(refusal, match="at most") as refused:
        limits.parse_document(source)
    assert refused.value.code == code


def test_largest_allowed_source_is_parsed() -> None:
    source = "{" + " tags" * 998 + "}"
    limits.parse_document(source.ljust(16_000, "#"))


@pytest.mark.parametrize("source", ["", "{ tags", "{ tags } \x00", "{ node(id: " + "[" * 900])
def test_text_that_is_no_document_is_a_syntax_error(source: str) -> None:
    with pytest.raises(GraphQLSyntaxError):
        limits.parse_document(source)


def test_fields_and_inline_fragments_may_not_nest_without_end() -> None:
    for opening in ("viewer {", "... {"):
        source = "{" + opening * 101 + " __typename " + "}" * 102
        with pytest.raises(limits.DocumentRefused):
            measure(source)


@pytest.mark.parametrize(
    ("measured", "refusal", "message"),
    [
        (Measure(13, 0, 1, 0, 0), limits.DocumentTooDeep, "depth of this document reaches 13; at most 12"),
        (Measure(1, 31, 1, 0, 0), limits.DocumentTooComplex, "number of aliases of this document reaches 31"),
        (Measure(1, 0, 11, 0, 0), limits.DocumentTooComplex, "number of root fields of this document reaches 11"),
        (Measure(1, 0, 1, 51, 0), limits.DocumentTooComplex, "number of directives of this document reaches 51"),
        (Measure(1, 0, 1, 0, 5_001), limits.DocumentTooComplex, "cost of this document reaches 5001; at most 5000"),
    ],
)
def test_refusal_names_the_limit_and_the_measure(measured: Measure, refusal: type[Exception], message: str) -> None:
    limits.check_limits(Measure(12, 30, 10, 50, 1_000))
    with pytest.raises(refusal, match=message):
        limits.check_limits(measured)


def make_bomb(fragments: int, spreads: int) -> str:
    links = "".join(
        f" fragment F{n} on User {{ {f'...F{n + 1} ' * spreads} a{n}: name }}" for n in range(fragments - 1)
    )
    last = f"fragment F{fragments - 1} on User {{ a: name b: teams {{ leader {{ id }} }} }}"
    return f"{{ viewer {{ ...F0 }} }} {links} {last}"


FRAGMENT_TYPES = ["User", "Track", "Node", "Written", "Result", "TrackConnection", "Query"]
PAGE_ARGUMENTS = ["", "(first: 3)", "(first: $n)", "(first: 2, last: $n)"]


@st.composite
def documents(draw: st.DrawFn) -> str:
    conditions = draw(st.lists(st.sampled_from(FRAGMENT_TYPES), max_size=5))
    fragments = [
        f"fragment F{n} on {name} {draw(selection_sets(name, range(n), 2))}" for n, name in enumerate(conditions)
    ]
    root = draw(selection_sets("Query", range(len(conditions)), 3))
    return "\n".join([f"query($n: Int = 4) {root}", *fragments])


@st.composite
def selection_sets(draw: st.DrawFn, parent: str, spreadable: range, levels: int) -> str:
    named = SCHEMA.type_map[parent]
    fields = list(getattr(named, "fields", {}))
    names = draw(st.lists(st.sampled_from(["__typename", "...", *fields]), min_size=1, max_size=3))
    selections = []
    for name in names:
        if name == "...":
            condition = draw(st.sampled_from(FRAGMENT_TYPES)) if levels else ""
            below = draw(selection_sets(condition, spreadable, levels - 1)) if levels else "{ __typename }"
            selections.append(f"... {'on ' + condition if levels else ''} {below}")
        elif fields and name != "__typename":
            selections.append(draw(fields_of(parent, name, spreadable, levels)))
        else:
            selections.append(name)
    spreads = draw(st.lists(st.sampled_from(spreadable), max_size=2)) if spreadable else []
    return "{ " + " ".join([*selections, *(f"...F{n}" for n in spreads)]) + " }"


@st.composite
def fields_of(draw: st.DrawFn, parent: str, name: str, spreadable: range, levels: int) -> str:
    definition = SCHEMA.type_map[parent].fields[name]  # type: ignore[attr-defined]
    named = get_named_type(definition.type)
    arguments = draw(st.sampled_from(PAGE_ARGUMENTS)) if "last" in definition.args else ""
    prefix = draw(st.sampled_from(["", "x: "])) + name + arguments + draw(st.sampled_from(["", " @skip(if: false)"]))
    if not is_composite_type(named):
        return prefix
    below = draw(selection_sets(named.name, spreadable, levels - 1)) if levels > 0 else "{ __typename }"
    return f"{prefix} {below}"


class Expansion:
    """The slow truth: every fragment written out where it stands, every possible type tried."""

    def __init__(self, source: str, variables: Mapping[str, int]) -> None:
        self.values = {"n": 4, **variables}
        definitions = parse(source).definitions
        self.fragments = {node.name.value: node for node in definitions if isinstance(node, FragmentDefinitionNode)}
        (self.operation,) = [node for node in definitions if isinstance(node, OperationDefinitionNode)]

    def measure(self) -> Measure:
        root = self.operation.selection_set
        fields = self.fields(root)
        return Measure(
            depth=self.depth(root),
            aliases=sum(node.alias is not None for node in fields),
            root_fields=self.root_fields(root),
            directives=sum(len(node.directives or ()) for node in fields),
            cost=self.cost(root, SCHEMA.type_map["Query"], "Query", limits.LIST_SIZE),
        )

    def below(self, node: SelectionNode) -> tuple[str | None, SelectionSetNode]:
        if isinstance(node, FragmentSpreadNode):
            fragment = self.fragments[node.name.value]
            return fragment.type_condition.name.value, fragment.selection_set
        assert isinstance(node, InlineFragmentNode)
        return node.type_condition.name.value if node.type_condition else None, node.selection_set

    def fields(self, selections: SelectionSetNode | None) -> list[FieldNode]:
        found = []
        for node in selections.selections if selections else ():
            if isinstance(node, FieldNode):
                found += [node, *self.fields(node.selection_set)]
            else:
                found += self.fields(self.below(node)[1])
        return found

    def root_fields(self, selections: SelectionSetNode) -> int:
        nodes = selections.selections
        return sum(1 if isinstance(node, FieldNode) else self.root_fields(self.below(node)[1]) for node in nodes)

    def depth(self, selections: SelectionSetNode | None) -> int:
        depths = [0]
        for node in selections.selections if selections else ():
            if not isinstance(node, FieldNode):
                depths.append(self.depth(self.below(node)[1]))
            elif node.name.value != "__typename":
                depths.append(1 + self.depth(node.selection_set))
        return max(depths)

    def cost(self, selections: SelectionSetNode, parent: GraphQLNamedType, face: str, page: int) -> int:
        total = 0
        for node in selections.selections:
            if isinstance(node, FieldNode):
                total += self.field_cost(node, parent, page)
            else:
                name, below = self.below(node)
                condition = SCHEMA.type_map[name] if name else parent
                if face in possible_names(condition):
                    total += self.cost(below, condition, face, page)
        return total

    def field_cost(self, node: FieldNode, parent: GraphQLNamedType, page: int) -> int:
        if node.selection_set is None:
            return 0
        definition = parent.fields[node.name.value]  # type: ignore[attr-defined]
        named = get_named_type(definition.type)
        is_list = is_list_type(get_nullable_type(definition.type))
        size = self.size(node) if "first" in definition.args else None
        inner = size if size is not None and not is_list else limits.LIST_SIZE
        each = 1 + max(self.cost(node.selection_set, named, face, inner) for face in possible_names(named))
        if not is_list:
            return each
        usual = page if node.name.value in {"edges", "nodes"} else limits.LIST_SIZE
        return each * (usual if size is None else size)

    def size(self, node: FieldNode) -> int:
        asked = [getattr(each.value, "value", None) for each in node.arguments or ()]
        sizes = [self.values["n"] if value is None else int(value) for value in asked]
        return max(sizes, default=20 if node.name.value == "results" else 100)


def possible_names(named: GraphQLNamedType) -> set[str]:
    return {each.name for each in SCHEMA.get_possible_types(named)} if is_abstract_type(named) else {named.name}


@settings(max_examples=300, deadline=None)
@given(source=documents(), page_size=st.none() | st.integers(0, 100))
def test_measure_equals_that_of_the_document_written_out(source: str, page_size: int | None) -> None:
    variables = {} if page_size is None else {"n": page_size}
    assert measure(source, None, variables) == Expansion(source, variables).measure()
