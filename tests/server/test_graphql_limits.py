"""Hostile documents and inputs, over the whole schema: answered soon, with a stable code, and nothing is changed."""

import gc
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from graphql import (
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLNamedType,
    GraphQLObjectType,
    build_client_schema,
    get_introspection_query,
    get_named_type,
    is_abstract_type,
    is_enum_type,
    is_leaf_type,
    is_object_type,
    is_required_argument,
    is_required_input_field,
)

from schema.documents import CACHED_CHARACTERS, Documents, core
from server.resources import Resources
from storage.rows import new_id, read_id, write_id
from storage.tracks import Track
from tests.studio import Person, Studio

MARK = "seen by its owner only"
EXAMPLES = {"email": "limits@example.org", "password": "correct horse battery", "durationSeconds": 5, "first": 3}
STRINGS = {
    "nothing": "",
    "space": " \t\n",
    "NUL": "\x00",
    "NUL inside": "a\x00b",
    "controls": "\x01\x1b[31m\x7f\x85",
    "emoji": "👩‍👩‍👧 🏴‍☠️" * 9,
    "right to left": "\u202eאבג ابج\u202c",
    "combining": "Z" + "\u0334\u0321" * 60,
    "no characters": "\ufffe\uffff\U0010ffff",
    "SQL": "'; DROP TABLE users; --",
    "format": "%s %(x)s {0} {x} ${x} <script>",
    "long": "x" * 300_000,
}
NUMBERS = [0, -1, 7, 2**31 - 1, -(2**31), 2**31, 2**63, 1e308, -1e-308, 10**400, 0.1, True, "5", None]


@dataclass(frozen=True)
class Leaf:
    """One input value of a root field, such as `Mutation.createTrack.input.prompt`."""

    operation: str
    field: str
    path: tuple[str, ...]
    type: str

    def __str__(self) -> str:
        return ".".join((self.operation, self.field, *self.path))

    def ask(self, value: Any) -> tuple[str, dict[str, Any]]:
        """A document that gives this value here, and what is needed besides; and its variables."""
        field = root_type(self.operation).fields[self.field]
        named = dict(field.args)
        variables = {name: example_of(name, each.type) for name, each in named.items() if is_required_argument(each)}
        place = variables
        for step in self.path[:-1]:
            place = place[step]
        place[self.path[-1]] = value
        types = ", ".join(f"${name}: {named[name].type}" for name in variables)
        given = ", ".join(f"{name}: ${name}" for name in variables)
        return f"{self.operation.lower()} ({types}) {{ {self.field}({given}) {select(field)} }}", variables


def root_type(operation: str) -> GraphQLObjectType:
    found = core.get_type(operation)
    assert isinstance(found, GraphQLObjectType)
    return found


def example_of(name: str, given: Any) -> Any:
    """A value that would do."""
    named = get_named_type(given)
    if isinstance(named, GraphQLInputObjectType):
        fields = {name: field for name, field in named.fields.items() if is_required_input_field(field)}
        return {name: example_of(name, field.type) for name, field in fields.items()}
    if is_enum_type(named):
        return next(iter(named.values))
    known = {"ID": write_id("track", new_id()), "Int": 1, "Float": 1.5, "Boolean": False}
    return EXAMPLES.get(name, known.get(named.name, f"some {name}"))


def select(field: GraphQLField) -> str:
    """All that could leak through this field, some levels down."""
    return select_in(get_named_type(field.type), 3)


def select_in(named: GraphQLNamedType, levels: int) -> str:
    if is_leaf_type(named):
        return ""
    if not is_abstract_type(named):
        return f"{{ __typename {select_fields(named, levels, {})} }}"
    seen: dict[str, str] = {}
    members = [(each.name, select_fields(each, min(levels, 2), seen)) for each in core.get_possible_types(named)]
    return f"{{ __typename {' '.join(f'... on {name} {{ __typename {fields} }}' for name, fields in members)} }}"


def select_fields(named: GraphQLNamedType, levels: int, seen: dict[str, str]) -> str:
    """Its fields, but those whose name stands for something else in a neighbour."""
    assert is_object_type(named)
    return " ".join(
        f"{name} {select_in(get_named_type(each.type), levels - 1)}"
        for name, each in named.fields.items()
        if (is_leaf_type(get_named_type(each.type)) or levels > 1)
        and seen.setdefault(name, str(each.type)) == str(each.type)
    )


def find_leaves(*types: str) -> list[Leaf]:
    """Every place of queries and mutations where a value of such a type may be given."""
    return [leaf for leaf in list_leaves() if leaf.type in types]


def list_leaves() -> Iterator[Leaf]:
    for operation in ("Query", "Mutation"):
        for name, field in root_type(operation).fields.items():
            for argument_name, argument in field.args.items():
                named = get_named_type(argument.type)
                if isinstance(named, GraphQLInputObjectType):
                    for inner_name, inner in named.fields.items():
                        path = (argument_name, inner_name)
                        yield Leaf(operation, name, path, get_named_type(inner.type).name)
                else:
                    yield Leaf(operation, name, (argument_name,), named.name)


def codes_of(answer: dict[str, Any]) -> set[str]:
    return {error["extensions"]["code"] for error in answer.get("errors", ())}


CONNECTIONS = [leaf for leaf in find_leaves("Int") if leaf.path == ("first",)]
OF_ADMINS = {"deadLetters", "reports", "auditEntries"}
CURSORS = [leaf for leaf in find_leaves("String") if leaf.path == ("after",)]


@dataclass(frozen=True)
class Belongings:
    """What an owner has, by the kind of its id."""

    owner: Person
    ids: dict[str, str]

    async def read(self) -> Any:
        """All of it, as the owner sees it."""
        return await self.owner.get(
            """query ($track: ID!, $job: ID!) {
              viewer { id email credits } series(first: 100) { nodes { id title } }
              track(id: $track) { id title prompt version visualVersion visibility status cover { id } }
              job(id: $job) { id state version } tracks(first: 100) { nodes { id } }
              jobs(first: 100) { nodes { id } } }""",
            track=self.ids["track"],
            job=self.ids["job"],
        )


@pytest_asyncio.fixture(scope="module")
async def belongings(studio: Studio) -> Belongings:
    """Somebody with one of everything."""
    owner = await studio.make_user()
    created = await owner.create_track(prompt=MARK)
    await owner.wait_until(created["job"]["id"], "COMPLETE")
    retitle = "mutation ($input: UpdateTrackInput!) { updateTrack(input: $input) { __typename } }"
    await owner.get(retitle, input={"trackId": created["track"]["id"], "title": MARK})
    found = await owner.get(
        """query ($id: ID!) { viewer { id } track(id: $id) { series { id } audio { id } cover { id } }
        styles { id } creditEntries(first: 1) { nodes { id } edges { cursor } } }""",
        id=created["track"]["id"],
    )
    track, ledger = found["track"], found["creditEntries"]
    return Belongings(
        owner,
        {
            "track": created["track"]["id"],
            "job": created["job"]["id"],
            "series": track["series"]["id"],
            "style": found["styles"][0]["id"],
            "user": found["viewer"]["id"],
            "asset": track["audio"]["id"],
            "cover": track["cover"]["id"],
            "creditEntry": ledger["nodes"][0]["id"],
            "cursor": ledger["edges"][0]["cursor"],
        },
    )


@pytest.mark.parametrize("leaf", find_leaves("ID"), ids=str)
async def test_ids_of_others_open_nothing(studio: Studio, belongings: Belongings, person: Person, leaf: Leaf) -> None:
    before = await belongings.read()
    for kind, node_id in belongings.ids.items():
        for token in (None, person.token):
            query, variables = leaf.ask(node_id)
            answer = await studio.ask(query, token, **variables)

            assert not codes_of(answer) & {"INTERNAL", "GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT"}, (kind, answer)
            assert MARK not in str(answer), kind
            assert belongings.owner.email not in str(answer), kind
    assert await belongings.read() == before


@pytest.mark.parametrize("leaf", find_leaves("ID"), ids=str)
async def test_admin_who_holds_the_id_of_another_changes_nothing_unasked(
    belongings: Belongings, admin: Person, leaf: Leaf
) -> None:
    for kind, node_id in belongings.ids.items():
        if (kind, leaf.field) not in {("job", "retryJob"), ("job", "cancelJob")}:
            query, variables = leaf.ask(node_id)
            answer = await admin.ask(query, **variables)

            assert "INTERNAL" not in codes_of(answer), (kind, answer)
    assert (await belongings.read())["track"]["title"] == MARK


@pytest.mark.parametrize("leaf", find_leaves("ID"), ids=str)
async def test_id_of_a_wrong_kind_is_refused_to_its_owner_too(belongings: Belongings, leaf: Leaf) -> None:
    before = await belongings.read()
    strange: dict[str, Any] = {
        kind: node_id for kind, node_id in belongings.ids.items() if kind not in str(leaf).lower()
    }
    strange |= {
        "digits": "1",
        "number": 7,
        "upper": belongings.ids["track"].upper(),
        "bare": belongings.ids["track"][6:],
    }
    for kind, node_id in strange.items():
        query, variables = leaf.ask(node_id)
        answer = await belongings.owner.ask(query, **variables)

        assert "INTERNAL" not in codes_of(answer), (kind, answer)
    after = await belongings.read()
    assert (after["track"], after["job"], after["viewer"]) == (before["track"], before["job"], before["viewer"])


@pytest.mark.parametrize("leaf", find_leaves("ID", "String"), ids=str)
async def test_no_text_is_too_strange(studio: Studio, person: Person, leaf: Leaf) -> None:
    for name, text in STRINGS.items():
        query, variables = leaf.ask(text)
        answer = await person.ask(query, **variables)

        assert not codes_of(answer) & {"INTERNAL", "GRAPHQL_VALIDATION_FAILED", "TIMED_OUT"}, (name, str(answer)[:500])
    await cancel_all(person)


async def cancel_all(person: Person) -> None:
    for job in (await person.get("{ jobs(first: 100) { nodes { id } } }"))["jobs"]["nodes"]:
        await person.ask("mutation ($id: ID!) { cancelJob(id: $id) { __typename } }", id=job["id"])


@pytest.mark.parametrize("leaf", find_leaves("Int", "Float"), ids=str)
async def test_no_number_is_too_strange(studio: Studio, person: Person, leaf: Leaf) -> None:
    for number in NUMBERS:
        query, variables = leaf.ask(number)
        body = {"query": query, "variables": variables}
        headers = {"authorization": f"Bearer {person.token}"}
        answer = (await studio.client.post("/graphql", json=body, headers=headers)).json()

        assert not codes_of(answer) & {"INTERNAL", "TIMED_OUT"}, (number, str(answer)[:500])
    await cancel_all(person)


@pytest.mark.parametrize("written", ["1e400", "-1e400", "1e-400", "-0.0", "9" * 400])
async def test_number_written_in_the_document_may_be_endless(person: Person, written: str) -> None:
    query = f'mutation {{ createTrack(input: {{prompt: "a", durationSeconds: {written}}}) {{ __typename }} }}'
    answer = await person.ask(query)

    assert answer.get("data") == {"createTrack": {"__typename": "ValidationFailed"}} or codes_of(answer) == {
        "GRAPHQL_VALIDATION_FAILED"
    }
    assert await person.credits() == 1000


@pytest.mark.parametrize("leaf", CONNECTIONS, ids=str)
async def test_pages_hold_from_one_to_a_hundred(person: Person, admin: Person, leaf: Leaf) -> None:
    asker = admin if leaf.field in OF_ADMINS else person
    for first in (0, -1, 101, 10**9):
        query = f"query ($first: Int!) {{ {leaf.field}(first: $first) {{ nodes {{ id }} }} }}"
        answer = await asker.ask(query, first=first)

        assert codes_of(answer) <= {"VALIDATION_FAILED", "DOCUMENT_TOO_COMPLEX"}, (first, answer)
        assert answer.get("data") is None
    for first in (1, 100):
        assert "errors" not in await asker.ask(query, first=first)


@pytest.mark.parametrize("leaf", CURSORS, ids=str)
async def test_forged_cursor_opens_nothing(belongings: Belongings, person: Person, admin: Person, leaf: Leaf) -> None:
    asker = admin if leaf.field in OF_ADMINS else person
    query = f"query ($after: String) {{ {leaf.field}(first: 100, after: $after) {{ nodes {{ id }} }} }}"
    for forged in (" ", "x", "cursor_", "cursor_" + "z" * 32, "cursor_0", belongings.ids["job"], "\x00", "MQ==", "😀"):
        assert codes_of(await asker.ask(query, after=forged)) == {"VALIDATION_FAILED"}, forged

    foreign = await asker.ask(query, after=belongings.ids["cursor"])
    assert not {node["id"] for node in foreign["data"][leaf.field]["nodes"]} & set(belongings.ids.values())


BOMB = "{ ...F0 } " + " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(58))
HOSTILE = {
    "deep braces": ("{a" * 5_000, "DOCUMENT_TOO_LARGE"),
    "deep lists": ("{ track(id: " + "[" * 900, "GRAPHQL_PARSE_FAILED"),
    "deep inline fragments": ("{" + "...{" * 200 + "__typename" + "}" * 201, "GRAPHQL_PARSE_FAILED"),
    "deep fields": (
        "{ tracks(first: 1) { " + "edges { node { job { track { " * 3 + "id" + " } } } }" * 3 + " } }",
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "deep relations": (
        "{ tracks(first: 1) { nodes { " + "job { track { " * 6 + "id" + " } }" * 6 + " } } }",
        "DOCUMENT_TOO_DEEP",
    ),
    "many root fields": ("{" + " ".join(f"a{n}: styles {{ id }}" for n in range(150)) + "}", "DOCUMENT_TOO_COMPLEX"),
    "same field again": ("{" + " ".join("styles { id name }" for _ in range(190)) + "}", "DOCUMENT_TOO_COMPLEX"),
    "same field again, level by level": (
        "{ tracks(first: 1) { nodes { " + ("job { " + "track { id } " * 15 + "} ") * 15 + "} } }",
        "DOCUMENT_TOO_COMPLEX",
    ),
    "same field in other words": (
        "{ tracks(first: 100) { nodes { " + " ".join(f"a{n}: __typename" for n in range(255)) + " } } }",
        "DOCUMENT_TOO_COMPLEX",
    ),
    "many aliases": (
        "{ viewer {" + " ".join(f"a{n}: id" for n in range(31)) + "} }",
        "DOCUMENT_TOO_COMPLEX",
    ),
    "many tokens": ("{" + " a" * 1_000 + "}", "DOCUMENT_TOO_LARGE"),
    "long comment": ("#" + "x" * 1_900_000 + "\n{ __typename }", "DOCUMENT_TOO_LARGE"),
    "long text": ('{ track(id: "' + "x" * 1_900_000 + '") { id } }', "DOCUMENT_TOO_LARGE"),
    "fragment bomb": (BOMB + " fragment F58 on Query { __typename styles { id } }", "DOCUMENT_TOO_COMPLEX"),
    "fragment ring": (
        "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "many fragments": (
        "{ ...F0 } " + " ".join(f"fragment F{n} on Query {{ __typename }}" for n in range(61)),
        "DOCUMENT_TOO_COMPLEX",
    ),
    "unknown directives": ("{ __typename " + "@x " * 490 + "}", "GRAPHQL_VALIDATION_FAILED"),
    "unused variables": (
        "query (" + " ".join(f"$v{n}: Int" for n in range(240)) + ") { __typename }",
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "ring of introspection": (
        "{ __schema { types { " + "fields { type { " * 5 + "name" + " } }" * 5 + " } } }",
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "dear lists": (
        "{" + " ".join(f"t{n}: tracks(first: 100) {{ nodes {{ stems {{ id }} }} }}" for n in range(9)) + "}",
        "DOCUMENT_TOO_COMPLEX",
    ),
    "endless number": ("{ tracks(first: %s) { nodes { id } } }" % ("9" * 15_000), "GRAPHQL_VALIDATION_FAILED"),
    "mutations in a heap": (
        "mutation {"
        + " ".join(f'm{n}: createSeries(input: {{title: "heap"}}) {{ __typename }}' for n in range(11))
        + "}",
        "DOCUMENT_TOO_COMPLEX",
    ),
    "mutations behind a bomb": (
        "mutation { ...F0 } "
        + " ".join(f"fragment F{n} on Mutation {{ ...F{n + 1} ...F{n + 1} }}" for n in range(20))
        + ' fragment F20 on Mutation { createSeries(input: {title: "heap"}) { __typename } }',
        "DOCUMENT_TOO_COMPLEX",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_document_is_refused_soon(studio: Studio, person: Person, name: str) -> None:
    query, code = HOSTILE[name]
    began = time.perf_counter()
    answer = await person.ask(query)
    seconds = time.perf_counter() - began

    assert codes_of(answer) == {code}, str(answer)[:500]
    assert answer.get("data") is None
    assert seconds < 1
    assert len(str(answer)) < 20_000
    titles = (await person.get("{ series(first: 100) { nodes { title } } }"))["series"]["nodes"]
    assert {"title": "heap"} not in titles


async def test_answer_that_grows_too_large_is_refused(studio: Studio, resources: Resources, person: Person) -> None:
    owner = read_id("user", person.id)
    for number in range(30):
        await Track.create(
            user_id=owner,
            title="T",
            prompt="P",
            lyrics="x" * 5_000,
            duration_seconds=5,
            seed=1,
            slug=f"{owner}-{number}"[-32:],
        )
    query = "{ tracks(first: 30) { nodes { " + " ".join(f"a{n}: lyrics" for n in range(30)) + " } } }"
    answer = await person.ask(query)
    assert codes_of(answer) == {"ANSWER_TOO_LARGE"}
    assert answer.get("data") is None
    async with person.socket() as connected:
        message = await (await connected.subscribe(query)).next()
        assert message["type"] == "error"
        assert message["payload"][0]["extensions"]["code"] == "ANSWER_TOO_LARGE"


async def test_introspection_shows_the_whole_schema(studio: Studio) -> None:
    answer = await studio.ask(get_introspection_query())

    shown = build_client_schema(answer["data"])
    assert set(shown.type_map) == set(core.type_map)


def test_documents_that_nobody_sends_any_more_are_forgotten() -> None:
    documents = Documents()
    first = weakref.ref(documents.find_operation("{ __typename }", None, {}).definition)
    assert first() is not None

    for number in range(CACHED_CHARACTERS // 15_000 + 1):
        documents.find_operation("{ __typename } #" + "x" * 15_000 + str(number), None, {})
    gc.collect()

    assert first() is None
