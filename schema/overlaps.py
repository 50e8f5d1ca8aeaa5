"""What is chosen twice: GraphQL merges equal keys, and its rule for that compares each with each other, level by level.

A few repetitions cost nothing, a few hundred hold up the process for a second; so they are counted before that.
"""

from collections import Counter

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
)
from graphql.language import SelectionSetNode

from schema.limits import DocumentTooComplex

MAX_REPETITIONS = 40  # of keys, in all selections of a document; what tools generate has next to none


def check_overlaps(document: DocumentNode) -> None:
    """Refuse a document that chooses the same again and again."""
    repetitions = 0
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode | FragmentDefinitionNode):
            repetitions += _count(definition.selection_set)
    if repetitions > MAX_REPETITIONS:
        raise DocumentTooComplex(
            f"This document repeats keys of its selections {repetitions} times; at most {MAX_REPETITIONS} is allowed"
        )


def _count(selection_set: SelectionSetNode) -> int:
    keys: Counter[str] = Counter()
    below = _read(selection_set, keys)
    return below + sum(keys.values()) - len(keys)


def _read(selection_set: SelectionSetNode, keys: Counter[str]) -> int:
    """Note the keys of a selection and of its inline fragments; the repetitions below."""
    repetitions = 0
    for node in selection_set.selections:
        if isinstance(node, FieldNode):
            keys[node.alias.value if node.alias else node.name.value] += 1
            repetitions += _count(node.selection_set) if node.selection_set else 0
        elif isinstance(node, InlineFragmentNode):
            repetitions += _read(node.selection_set, keys)
        elif isinstance(node, FragmentSpreadNode):
            keys[f"...{node.name.value}"] += 1
    return repetitions
