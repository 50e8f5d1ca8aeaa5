"""Plans and the executor give the same answers: to documents made at random, for every kind of viewer."""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
import pytest_asyncio
from graphql import (
    GraphQLEnumType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLUnionType,
    get_named_type,
    is_leaf_type,
)

from schema.context import Context
from schema.documents import Documents, core
from server.operations import answer_by_plan, execute_fully
from server.resources import Resources
from storage import tokens
from storage.access import ANONYMOUS, Viewer
from storage.rows import new_id
from tests.studio import Person, Studio

DOCUMENTS = 400
CREATE_SERIES = 'mutation { createSeries(input: {title: "S"}) { ... on SeriesCreated { series { id } } } }'
PLANNED = ("viewer", "track", "tracks", "series", "job", "jobs", "styles", "creditEntries", "__typename")
IDS = {"track": "track", "job": "job", "node": "track", "seriesId": "series"}


@dataclass
class World:
    """What random documents may ask about."""

    viewers: dict[str, Viewer]
    ids: dict[str, list[str]]
    cursors: list[str]


def viewer_of(studio: Studio, person: Person) -> Viewer:
    return tokens.read_access_token(person.token, secret=studio.settings.secret)[0]


@pytest_asyncio.fixture(scope="module")
async def world(studio: Studio, admin: Person) -> World:
    """One who has tracks in every state and two series, one who has another, and an admin."""
    owner, other = await studio.make_user(), await studio.make_user()
    series = await owner.get(
        'mutation { createSeries(input: {title: "S"}) { ... on SeriesCreated { series { id } } } }'
    )
    series_id = series["createSeries"]["series"]["id"]
    made = [await owner.create_track(seed=n) for n in range(2)]
    made.append(await owner.create_track(seriesId=series_id, lyrics="la la", hasVocals=True))
    made.append(await other.create_track())
    waiting = await owner.create_track(durationSeconds=200)
    await owner.get("mutation ($id: ID!) { cancelJob(id: $id) { __typename } }", id=waiting["job"]["id"])
    for one, person in zip(made, (owner, owner, owner, other), strict=True):
        await person.wait_until(one["job"]["id"], "COMPLETE")
    everything = [*made, waiting]
    return World(
        viewers={
            "owner": viewer_of(studio, owner),
            "other": viewer_of(studio, other),
            "admin": viewer_of(studio, admin),
            "nobody": ANONYMOUS,
        },
        ids={
            "track": [one["track"]["id"] for one in everything] + [f"track_{new_id().hex}", "nonsense"],
            "job": [one["job"]["id"] for one in everything] + [f"job_{new_id().hex}", ""],
            "series": [series_id, f"series_{new_id().hex}", "track_" + "0" * 32],
        },
        cursors=[one["track"]["id"].replace("track", "cursor") for one in everything] + ["nonsense"],
    )


@dataclass
class Writer:
    """Writes one random document."""

    dice: random.Random
    world: World
    variables: dict[str, Any] = field(default_factory=dict)
    declared: list[str] = field(default_factory=list)
    fragments: list[str] = field(default_factory=list)

    def write(self) -> str:
        roots = [self.field(core.query_type, name, 0) for name in self.dice.choices(PLANNED, k=self.dice.randint(1, 3))]
        head = f"query ({', '.join(self.declared)}) " if self.declared else ""
        return " ".join([head + "{", *roots, "}", *self.fragments])

    def field(self, parent: Any, name: str, depth: int) -> str:
        alias = f"x{self.dice.randrange(10**6)}: " if parent is core.query_type or self.dice.random() < 0.2 else ""
        if name == "__typename":
            return f"{alias}__typename"
        definition = parent.fields[name]
        arguments = [f"{arg}: {text}" for arg in definition.args if (text := self.argument(name, arg))]
        given = f"({', '.join(arguments)})" if arguments else ""
        below = get_named_type(definition.type)
        selection = "" if is_leaf_type(below) else self.selection(below, depth + 1)
        return f"{alias}{name}{given}{self.directive()}{selection}"

    def selection(self, parent: Any, depth: int) -> str:
        names = [name for name in parent.fields if depth < 6 or is_leaf_type(get_named_type(parent.fields[name].type))]
        chosen = self.dice.sample(names, k=min(len(names), self.dice.randint(1, 5)))
        parts = [self.field(parent, name, depth) for name in chosen] or ["__typename"]
        if self.dice.random() < 0.2:
            parts.append("__typename")
        if self.dice.random() < 0.15:
            parts.append(f"... on {parent.name} {self.directive()} {{ {parts[0].split(':')[0] and '__typename'} }}")
        if self.dice.random() < 0.15 and any(interface.name == "Node" for interface in parent.interfaces):
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
        elif name in ("id", "seriesId"):
            value = self.dice.choice(self.world.ids[IDS[parent if name == "id" else name]])
        elif name in ("state", "crop"):
            named = {"state": core.type_map["JobState"], "crop": core.type_map["Crop"]}[name]
            assert isinstance(named, GraphQLEnumType)
            state: str | None = self.dice.choice([None, *named.values])
            return state
        if value is None and self.dice.random() < 0.7:
            return None
        if self.dice.random() < 0.5:
            return self.variable(value, {"first": "Int!", "after": "String", "id": "ID!", "seriesId": "ID"}[name])
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
        given = self.variable(value, "Boolean!") if self.dice.random() < 0.5 else str(value).lower()
        return f" @{self.dice.choice(['include', 'skip'])}(if: {given})"


def context_of(resources: Resources, viewer: Viewer) -> Context:
    return Context(resources.settings, resources.blobs, resources.hub, "test", viewer)


def encode(data: Any) -> bytes:
    return orjson.dumps(data)


async def answers(resources: Resources, source: str, variables: dict[str, Any], viewer: Viewer) -> tuple[Any, Any]:
    """What the plan and what the executor answer."""
    operation = Documents().find_operation(source, None, variables)
    planned = await answer_by_plan(operation, variables, context_of(resources, viewer))
    executed = await execute_fully(operation, variables, context_of(resources, viewer))
    return planned, executed


async def test_random_documents_have_one_answer(resources: Resources, world: World) -> None:
    covered = 0
    for seed in range(DOCUMENTS):
        writer = Writer(random.Random(seed), world)
        source = writer.write()
        who = writer.dice.choice(["owner", "owner", "owner", "other", "admin", "nobody"])
        planned, executed = await answers(resources, source, writer.variables, world.viewers[who])
        if planned is None:
            continue
        covered += 1
        assert executed.errors is None, (seed, who, source, writer.variables, executed.errors)
        assert encode(planned.data) == encode(executed.data), (seed, who, source, writer.variables)
    assert covered > DOCUMENTS / 3, "most documents that make sense must have a plan"


FULL = """query ($id: ID!) {
  track(id: $id) { ...T }
  tracks(first: 10) { edges { cursor node { ...T } } nodes { id } pageInfo { hasNextPage endCursor startCursor } }
  viewer { id email plan role credits accentHue createdAt } styles { id slug name }
  jobs(first: 5, state: COMPLETE) { nodes { id state error { code } track { id title } finishedAt } }
  creditEntries(first: 5) { nodes { kind availableDelta jobId createdAt } } }
fragment T on Track { __typename id title status visibility durationSeconds createdAt completedAt hasVocals lyrics
  audio { id url sizeBytes durationSeconds mimeType } stems { id name url durationSeconds } series { title }
  cover { svgUrl pngUrl portrait: pngUrl(crop: PORTRAIT) visualVersion } style { name }
  job { id kind state progress attempt error { code message } estimatedFinishAt }
  music { tempoBpm key sections { name startSeconds } beatsSeconds } shareUrl }"""


async def test_document_of_a_whole_screen_is_covered(resources: Resources, world: World) -> None:
    variables = {"id": world.ids["track"][0]}
    planned, executed = await answers(resources, FULL, variables, world.viewers["owner"])
    assert planned is not None
    assert executed.errors is None
    assert encode(planned.data) == encode(executed.data)
    assert planned.data is not None
    assert planned.data["track"]["stems"]


@pytest.mark.parametrize("who", ["other", "nobody"])
async def test_plan_shows_nobody_what_is_anothers(resources: Resources, world: World, who: str) -> None:
    viewer = world.viewers[who]
    for kind in ("track", "job"):
        source = f'{{ {kind}(id: "{world.ids[kind][0]}") {{ id }} }}'
        planned, executed = await answers(resources, source, {}, viewer)
        assert planned is None
        assert executed.data == {kind: None}


async def test_one_compiled_plan_serves_every_viewer_their_own(resources: Resources, world: World) -> None:
    operation = Documents().find_operation("{ tracks(first: 50) { nodes { id } } }", None, {})
    contexts = [context_of(resources, world.viewers[who]) for who in ("owner", "other", "owner")]
    results = await asyncio.gather(*(answer_by_plan(operation, {}, context) for context in contexts))
    pages = [result.data for result in results if result is not None and result.data is not None]
    ids = [{node["id"] for node in page["tracks"]["nodes"]} for page in pages]
    assert len(operation.document.plans) == 1
    assert len(ids[0]) == 4
    assert len(ids[1]) == 1
    assert ids[0] == ids[2]
    assert not ids[0] & ids[1]


def fields_without_reads() -> Iterator[str]:
    for graphql_type in core.type_map.values():
        if isinstance(graphql_type, GraphQLUnionType | GraphQLInterfaceType | GraphQLList | GraphQLNonNull):
            continue
        if isinstance(graphql_type, GraphQLObjectType) and graphql_type is core.query_type:
            yield from set(graphql_type.fields) - set(PLANNED)


def test_list_of_root_fields_that_plans_leave_to_the_executor_is_short() -> None:
    assert set(fields_without_reads()) == {"node", "deadLetters"}
