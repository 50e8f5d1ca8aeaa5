"""Documents made at random: what a client might ask of the whole schema, and what makes no sense to ask."""

import random
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import orjson
from graphql import GraphQLEnumType, GraphQLField, GraphQLObjectType, get_named_type, is_leaf_type

from schema.documents import core
from storage.access import Viewer

ROOTS = (*core.query_type.fields, "__typename")  # type: ignore[union-attr] # a schema without queries is none
IDS = {
    "track": "track",
    "job": "job",
    "node": "node",
    "seriesId": "series",
    "trackId": "track",
    "subject": "track",
    "webhookId": "webhook",
    "upload": "upload",
    "video": "video",
}
ENUMS = {
    "reports": "ReportState",
    "jobs": "JobState",
    "pngUrl": "Crop",
    "uploads": "UploadStatus",
    "export": "LyricsFormat",
}
FLEETING = {"version"}  # what two executions of the same mutation answer differently


@dataclass
class World:
    """What random documents may ask about."""

    viewers: dict[str, Viewer]
    ids: dict[str, list[str]]
    cursors: list[str]


@dataclass
class Writer:
    """Writes one random document."""

    dice: random.Random
    world: World
    allows_variables: bool = True
    variables: dict[str, Any] = field(default_factory=dict)
    declared: list[str] = field(default_factory=list)
    fragments: list[str] = field(default_factory=list)

    def write(self) -> str:
        roots = [self.field(core.query_type, name, 0) for name in self.dice.choices(ROOTS, k=self.dice.randint(1, 3))]
        head = f"query ({', '.join(self.declared)}) " if self.declared else ""
        return " ".join([head + "{", *roots, "}", *self.fragments])

    def field(self, parent: Any, name: str, depth: int, *, clashes: bool = False) -> str:
        is_renamed = parent is core.query_type or clashes or self.dice.random() < 0.2
        alias = f"x{self.dice.randrange(10**6)}: " if is_renamed else ""
        if name == "__typename":
            return f"{alias}__typename"
        definition = parent.fields[name]
        arguments = [f"{arg}: {text}" for arg in definition.args if (text := self.argument(name, arg))]
        given = f"({', '.join(arguments)})" if arguments else ""
        below = get_named_type(definition.type)
        selection = "" if is_leaf_type(below) else self.selection(below, depth + 1)
        return f"{alias}{name}{given}{self.directive()}{selection}"

    def selection(self, parent: Any, depth: int, clashing: Collection[str] = ()) -> str:
        fields = {name: get_named_type(one.type) for name, one in parent.fields.items() if name not in FLEETING}
        names = [name for name, below in fields.items() if depth < 6 or is_leaf_type(below)]
        chosen = self.dice.sample(names, k=min(len(names), self.dice.randint(1, 5)))
        parts = [self.field(parent, name, depth, clashes=name in clashing) for name in chosen] or ["__typename"]
        if not isinstance(parent, GraphQLObjectType):
            one, other = some = self.dice.sample(core.get_possible_types(parent), k=2)
            apart = {name for name in one.fields.keys() & other.fields if clash(one.fields[name], other.fields[name])}
            parts += [f"... on {each.name} {self.directive()} {self.selection(each, depth, apart)}" for each in some]
        if self.dice.random() < 0.2:
            parts.append("__typename")
        if self.dice.random() < 0.15:
            parts.append(f"... on {parent.name} {self.directive()} {{ {parts[0].split(':')[0] and '__typename'} }}")
        if self.dice.random() < 0.15 and "id" in parent.fields:
            parts.append("... on Node { same: id }")
        if self.dice.random() < 0.15:
            name = f"F{len(self.fragments)}"
            self.fragments.append("")
            self.fragments[int(name[1:])] = f"fragment {name} on {parent.name} {{ {' '.join(parts)} }}"
            return f" {{ ...{name} }}"
        return f" {{ {' '.join(parts)} }}"

    def argument(self, parent: str, name: str) -> str | None:
        value: Any = None
        if name == "first":
            value = self.dice.choice([1, 2, 3, 100, 0, 101] if self.dice.random() < 0.2 else [1, 2, 5])
        elif name == "after":
            value = self.dice.choice([None, None, *self.world.cursors])
        elif name in ("id", "seriesId", "trackId", "subject", "webhookId"):
            value = self.dice.choice(self.world.ids[IDS[parent if name == "id" else name]])
        elif name in ("state", "crop", "status", "format"):
            named = core.type_map[ENUMS[parent]]
            assert isinstance(named, GraphQLEnumType)
            state: str | None = self.dice.choice([None, *named.values])
            return state
        if value is None and self.dice.random() < 0.7:
            return None
        if self.allows_variables and self.dice.random() < 0.5:
            known = {"first": "Int!", "after": "String", "id": "ID!", "days": "Int"}
            return self.variable(value, known.get(name, "ID"))
        return orjson.dumps(value).decode()

    def variable(self, value: Any, graphql_type: str) -> str:
        name = f"v{len(self.variables)}"
        self.variables[name] = value
        self.declared.append(f"${name}: {graphql_type}")
        return f"${name}"

    def directive(self) -> str:
        if self.dice.random() > 0.15:
            return ""
        value = self.dice.random() < 0.6
        given = (
            self.variable(value, "Boolean!")
            if self.allows_variables and self.dice.random() < 0.5
            else str(value).lower()
        )
        return f" @{self.dice.choice(['include', 'skip'])}(if: {given})"


def clash(one: GraphQLField, other: GraphQLField) -> bool:
    """Whether fields of one name answer differently, so that side by side they need aliases."""
    return one.type != other.type
