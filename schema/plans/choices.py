"""What a selection chooses of one concrete type: fragments opened, directives decided, equal keys merged."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DirectiveNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLAbstractType,
    GraphQLSchema,
    InlineFragmentNode,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
    value_from_ast_untyped,
)


@dataclass
class Choice:
    """One key of the answer, and the selections below it."""

    key: str
    nodes: list[FieldNode] = field(default_factory=list)
    below: list[SelectionSetNode] = field(default_factory=list)

    @property
    def node(self) -> FieldNode:
        """The first place where it stands; its arguments are the same at the others."""
        return self.nodes[0]

    @property
    def name(self) -> str:
        return self.node.name.value


class Chooser:
    """Reads selections under the values that the directives' variables have."""

    def __init__(
        self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode], values: Mapping[str, Any]
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._values = values

    def choose(self, type_name: str, selection_sets: Iterable[SelectionSetNode]) -> list[Choice]:
        """The fields of this type, in the order of the answer."""
        chosen: dict[str, Choice] = {}
        for selection_set in selection_sets:
            for node in self._open(type_name, selection_set, set()):
                key = node.alias.value if node.alias else node.name.value
                choice = chosen.setdefault(key, Choice(key))
                choice.nodes.append(node)
                if node.selection_set:
                    choice.below.append(node.selection_set)
        return list(chosen.values())

    def _open(self, type_name: str, selection_set: SelectionSetNode, opened: set[str]) -> Iterator[FieldNode]:
        for node in selection_set.selections:
            if not self._is_wanted(node):
                continue
            if isinstance(node, FieldNode):
                yield node
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                if condition is None or self._applies(condition.name.value, type_name):
                    yield from self._open(type_name, node.selection_set, opened)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in opened:
                opened.add(node.name.value)
                fragment = self._fragments[node.name.value]
                if self._applies(fragment.type_condition.name.value, type_name):
                    yield from self._open(type_name, fragment.selection_set, opened)

    def _applies(self, condition: str, type_name: str) -> bool:
        if condition == type_name:
            return True
        types = self._schema.type_map
        abstract, concrete = types[condition], types[type_name]
        return isinstance(abstract, GraphQLAbstractType) and self._schema.is_sub_type(abstract, concrete)

    def _is_wanted(self, node: SelectionNode) -> bool:
        return all(self._decide(directive) for directive in node.directives or ())

    def _decide(self, directive: DirectiveNode) -> bool:
        """Validation has seen to it that there are only these two, with a Boolean or a variable for one."""
        (argument,) = directive.arguments or ()
        given = argument.value
        value = self._values[given.name.value] if isinstance(given, VariableNode) else value_from_ast_untyped(given)
        return bool(value) == (directive.name.value == "include")
