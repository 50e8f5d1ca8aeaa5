"""Plans and the executor give the same answers: to documents made at random, for every kind of viewer."""

import asyncio
import random
import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import pytest_asyncio
from graphql import (
    ExecutionResult,
)

from schema import schema
from schema.context import Context
from schema.documents import Documents, core
from schema.limits import DocumentTooComplex
from schema.plans import statements
from schema.root import NODES
from server.operations import answer_by_plan, execute_fully, phrase_error
from server.resources import Resources
from storage import database, jobs, tokens
from storage.access import ANONYMOUS, Viewer
from storage.rows import new_id, read_id
from tests.covers.hostile import RECT, drawing
from tests.schema.writer import World, Writer
from tests.studio import Person, Studio, until

DOCUMENTS = 400
READINGS = 5
SAVE_COVER = """mutation ($input: SaveCoverInput!) { saveCover(input: $input) {
  ... on CoverSaved { savedCover { id } } } }"""
CREATE_WEBHOOK = """mutation { createWebhook(input: {
  url: "https://hooks.invalid/", events: [JOB_FAILED, COVER_SAVED]}) { ... on WebhookCreated { webhook { id } } } }"""
SEND_TEST = """mutation ($id: ID!) { sendTestWebhook(webhookId: $id) {
  ... on WebhookTestSent { delivery { id } } } }"""
CREATE_UPLOAD = """mutation ($input: CreateUploadInput!) { createUpload(input: $input) {
  ... on UploadCreated { upload { id } } } }"""
SHARE = "mutation ($input: UpdateTrackInput!) { updateTrack(input: $input) { __typename } }"
REPORT = "mutation ($input: ReportTrackInput!) { reportTrack(input: $input) { ... on TrackReported { reportId } } }"
TAKE_DOWN = "mutation ($input: TakeDownTrackInput!) { takeDownTrack(input: $input) { __typename } }"
RESOLVE = "mutation ($input: ResolveReportInput!) { resolveReport(input: $input) { __typename } }"
ANALYZE = """mutation ($input: AnalyzeTrackInput!) { analyzeTrack(input: $input) {
  ... on AnalysisRequested { analysis { id } job { id } } } }"""
ALIGN_LYRICS = """mutation ($input: AlignLyricsInput!) { alignLyrics(input: $input) {
  ... on LyricsRequested { job { id } } } }"""
LYRIC = {"theme": "WAVEFORM", "framesPerSecond": 24}
READ_SECTIONS = "query ($id: ID!) { video(id: $id) { sections { id job { id } } } }"
CREATE_VIDEO = """mutation ($input: CreateVideoInput!) { createVideo(input: $input) {
  ... on VideoCreated { video { id } job { id } } } }"""
CREATE_SERIES = 'mutation { createSeries(input: {title: "S"}) { ... on SeriesCreated { series { id } } } }'


def viewer_of(studio: Studio, person: Person) -> Viewer:
    return tokens.read_access_token(person.token, secret=studio.settings.secret)[0]


async def save_cover(person: Person, track_id: str) -> str:
    given = {"trackId": track_id, "mode": "DARK", "svg": drawing(RECT).decode()}
    saved_id: str = (await person.get(SAVE_COVER, input=given))["saveCover"]["savedCover"]["id"]
    return saved_id


async def make_webhook(person: Person) -> tuple[str, str]:
    """A webhook that is tried once in vain, and the delivery that was."""
    webhook_id = (await person.get(CREATE_WEBHOOK))["createWebhook"]["webhook"]["id"]
    delivery_id = (await person.get(SEND_TEST, id=webhook_id))["sendTestWebhook"]["delivery"]["id"]

    async def is_tried() -> bool:
        rows = await database.fetch(
            "SELECT attempts FROM webhook_deliveries WHERE id = $1", read_id("delivery", delivery_id)
        )
        return bool(rows and rows[0]["attempts"])

    await until(is_tried, "the webhook is tried")
    await database.fetch("UPDATE webhook_deliveries SET next_attempt_at = now() + interval '1 day'")
    return webhook_id, delivery_id


async def find_others(person: Person, track_id: str) -> list[str]:
    """The ids of what comes with an account and with a track."""
    document = """query ($id: ID!) {
      styles { id } viewer { style { id } } track(id: $id) { audio { id } cover { id } } }"""
    known = await person.get(document, id=track_id)
    of_track = [known["track"][name]["id"] for name in ("audio", "cover")]
    return [known["styles"][0]["id"], known["viewer"]["style"]["id"], *of_track]


async def create_upload(person: Person, size_bytes: int) -> str:
    given = {"filename": "a.mp3", "mimeType": "audio/mpeg", "sizeBytes": size_bytes}
    upload_id: str = (await person.get(CREATE_UPLOAD, input=given))["createUpload"]["upload"]["id"]
    return upload_id


async def report_and_take_down(owner: Person, admin: Person, track_id: str) -> str:
    """What stands in the way of a track; the report's id."""
    await owner.get(SHARE, input={"trackId": track_id, "visibility": "UNLISTED"})
    given = {"trackId": track_id, "reason": "RIGHTS", "details": "mine"}
    report_id: str = (await owner.get(REPORT, input=given))["reportTrack"]["reportId"]
    await admin.get(TAKE_DOWN, input={"trackId": track_id, "reason": "RIGHTS"})
    await admin.get(RESOLVE, input={"reportId": report_id, "decision": "UPHELD"})
    return report_id


async def analyze(person: Person, track_id: str) -> str:
    asked = (await person.get(ANALYZE, input={"trackId": track_id}))["analyzeTrack"]
    await person.wait_until(asked["job"]["id"], "COMPLETE")
    analysis_id: str = asked["analysis"]["id"]
    return analysis_id


async def time_lyrics(person: Person, track_id: str) -> str:
    asked = await person.get(ALIGN_LYRICS, input={"trackId": track_id, "text": "La la la", "replacesComposed": True})
    await person.wait_until(asked["alignLyrics"]["job"]["id"], "COMPLETE")
    track = await person.get("query ($id: ID!) { track(id: $id) { timedLyrics { id } } }", id=track_id)
    timed_id: str = track["track"]["timedLyrics"]["id"]
    return timed_id


async def film(
    person: Person, track_id: str, *, is_finished: bool = True, is_generated: bool = False
) -> tuple[str, str]:
    """A video, complete or cancelled, and its job."""
    kind = {"generated": {"framesPerSecond": 24}} if is_generated else {"lyric": LYRIC}
    wish = {"trackId": track_id, "aspect": "SQUARE"} | kind
    created = (await person.get(CREATE_VIDEO, input=wish))["createVideo"]
    if is_finished:
        await person.wait_until(created["job"]["id"], "COMPLETE")
    else:
        await person.get("mutation ($id: ID!) { cancelJob(id: $id) { __typename } }", id=created["job"]["id"])
    return created["video"]["id"], created["job"]["id"]


async def list_sections(person: Person, video_id: str) -> list[str]:
    """The ids of a film's sections, and of the jobs that make them."""
    sections = (await person.get(READ_SECTIONS, id=video_id))["video"]["sections"]
    return [known for one in sections for known in (one["id"], one["job"]["id"])]


@pytest_asyncio.fixture(scope="module")
async def world(studio: Studio, resources: Resources, admin: Person) -> World:
    """One who has tracks in every state and two series, one who has another, and an admin."""
    owner, other = await studio.make_user(), await studio.make_user()
    people = {"owner": owner, "other": other, "admin": admin}
    series_id = (await owner.get(CREATE_SERIES))["createSeries"]["series"]["id"]
    made = [await owner.create_track(seed=n) for n in range(2)]
    made.append(await owner.create_track(seriesId=series_id, lyrics="la la", hasVocals=True))
    made.append(await other.create_track())
    waiting = await owner.create_track(durationSeconds=200)
    await owner.get("mutation ($id: ID!) { cancelJob(id: $id) { __typename } }", id=waiting["job"]["id"])
    for one, person in zip(made, (owner, owner, owner, other), strict=True):
        await person.wait_until(one["job"]["id"], "COMPLETE")
    everything = [*made, waiting]
    saved = [await save_cover(person, one["track"]["id"]) for person, one in ((owner, made[0]), (other, made[3]))]
    timed_id = await time_lyrics(owner, made[2]["track"]["id"])
    report_id = await report_and_take_down(owner, admin, made[2]["track"]["id"])
    hooks = [await make_webhook(person) for person in (owner, other)]
    brought = [await create_upload(person, size) for person, size in ((owner, 9), (owner, 20 << 20), (other, 9))]
    films = [await film(owner, made[0]["track"]["id"], is_finished=is_finished) for is_finished in (True, False)]
    films.append(await film(owner, made[0]["track"]["id"], is_generated=True))
    return World(
        viewers={name: viewer_of(studio, person) for name, person in people.items()} | {"nobody": ANONYMOUS},
        ids={
            "track": [one["track"]["id"] for one in everything] + [f"track_{new_id().hex}", "nonsense"],
            "job": [*(one["job"]["id"] for one in everything), *(job for _, job in films), f"job_{new_id().hex}", ""],
            "node": [
                *(one[kind]["id"] for one in everything for kind in ("track", "job")),
                *(f"user_{read_id('user', person.id).hex}" for person in (owner, other)),
                *await find_others(owner, made[0]["track"]["id"]),
                *saved,
                *(known_id for hook in hooks for known_id in hook),
                *brought,
                *(video for video, _ in films),
                *await list_sections(owner, films[-1][0]),
                report_id,
                await analyze(owner, made[0]["track"]["id"]),
                timed_id,
                series_id,
                f"asset_{new_id().hex}",
                "nothing_1",
                "track_1",
            ],
            "upload": [*brought, f"upload_{new_id().hex}", "nonsense"],
            "video": [*(video for video, _ in films), f"video_{new_id().hex}", "nonsense"],
            "series": [series_id, f"series_{new_id().hex}", "track_" + "0" * 32],
            "webhook": [hook for hook, _ in hooks] + [f"webhook_{new_id().hex}", "delivery_" + "0" * 32],
        },
        cursors=[one["track"]["id"].replace("track", "cursor") for one in everything] + ["nonsense"],
    )


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


async def answers_at_rest(
    resources: Resources, source: str, variables: dict[str, Any], viewer: Viewer
) -> tuple[Any, Any]:
    """The two answers, of a moment in which what they tell of did not move: figures follow the work of other tests."""
    planned, executed = await answers(resources, source, variables, viewer)
    for _ in range(READINGS):
        again, executed_again = await answers(resources, source, variables, viewer)
        if planned is None or encode(planned.data) == encode(again.data):
            break
        planned, executed = again, executed_again
    return planned, executed


def problems(result: ExecutionResult) -> list[bytes]:
    return sorted(encode(phrase_error(error, "test")) for error in result.errors or ())


def compare(planned: ExecutionResult | None, executed: ExecutionResult, *story: object) -> None:
    """Hold a plan's answer to the executor's, nulls and errors included."""
    assert planned is not None, story
    assert encode(planned.data) == encode(executed.data), (*story, planned.errors, executed.errors)
    if planned.data is None:  # which of several errors comes first is the executor's own chance
        assert set(problems(planned)) & set(problems(executed)), story
    else:
        assert problems(planned) == problems(executed), story


async def compare_at_random(resources: Resources, world: World, seed: int) -> bool:
    """Make a document, hold its two answers together; whether it was answered without errors."""
    writer = Writer(random.Random(seed), world)
    source = writer.write()
    who = writer.dice.choice(["owner", "owner", "owner", "other", "admin", "nobody"])
    try:
        planned, executed = await answers_at_rest(resources, source, writer.variables, world.viewers[who])
    except DocumentTooComplex:  # as the words of a hundred songs are
        return False
    compare(planned, executed, seed, who, source, writer.variables)
    return executed.errors is None


async def compare_many_at_random(resources: Resources, world: World) -> int:
    return sum([await compare_at_random(resources, world, seed) for seed in range(DOCUMENTS)])


async def test_random_documents_have_one_answer(resources: Resources, world: World) -> None:
    right = await compare_many_at_random(resources, world)
    assert DOCUMENTS / 8 < right < DOCUMENTS * 7 / 8


def forget_owner(table: Any, parts: Any = (), order: str = "") -> str:
    return statements.rows_of(
        table, [re.sub(r'"user_id" = (\$\d+)', r"\1::uuid IS NOT NULL", part) for part in parts], order
    )


def turn_round(table: Any, parts: Any = (), order: str = "") -> str:
    return statements.rows_of(table, parts, order.replace("DESC", "ASC"))


def forget_cursor(_first: int, _after: str | None) -> tuple[int, None]:
    return _first, None


@pytest.mark.parametrize(
    ("place", "mutant"),
    [
        ("schema.plans.queries.rows_of", forget_owner),
        ("schema.plans.queries.rows_of", turn_round),
        ("schema.plans.queries.read_bounds", forget_cursor),
        ("schema.plans.objects.null_or", lambda _test, value: value),
        ("schema.plans.choices.Chooser._is_wanted", lambda _self, _node: True),
    ],
)
async def test_planner_that_is_wrong_is_found_out(
    resources: Resources, world: World, monkeypatch: pytest.MonkeyPatch, place: str, mutant: Any
) -> None:
    monkeypatch.setattr(place, mutant)  # the only way to know that the comparison would notice
    with pytest.raises((AssertionError, AttributeError, KeyError, TypeError)):
        await compare_many_at_random(resources, world)


UPDATE = """mutation ($input: UpdateTrackInput!) { same: updateTrack(input: $input) { __typename
  ... on TrackUpdated { track %s } ... on ValidationFailed { code fields { field message } }
  ... on Failure { code message } } }"""


async def test_random_selections_of_a_mutation_have_one_answer(resources: Resources, world: World) -> None:
    read = 0
    for seed in range(100):
        writer = Writer(random.Random(seed), world, allows_variables=False)
        source = UPDATE % writer.selection(core.type_map["Track"], 2) + " ".join(writer.fragments)
        wish = {"trackId": writer.dice.choice(world.ids["track"]), "title": writer.dice.choice(["T", "", None])}
        who = writer.dice.choice(["owner", "owner", "owner", "other", "nobody"])
        planned, executed = await answers(resources, source, {"input": wish}, world.viewers[who])
        compare(planned, executed, seed, who, source, wish)
        read += b"TrackUpdated" in encode(executed.data)
    assert read > 20


async def test_random_selections_of_an_event_have_the_answer_of_a_query(resources: Resources, world: World) -> None:
    immediate = 0
    for seed in range(100):
        writer = Writer(random.Random(seed), world, allows_variables=False)
        selection = writer.selection(core.type_map["Job"], 2)
        job_id, fragments = world.ids["job"][0], " ".join(writer.fragments)
        source = f'subscription {{ same: jobProgress(jobId: "{job_id}") {selection} }} {fragments}'
        live = Documents().find_operation(source, None, {})
        plan = live.find_live_plan({}, world.viewers["owner"])
        assert plan is not None
        (event,) = await jobs.read_states([read_id("job", job_id)])
        context = context_of(resources, world.viewers["owner"])
        shown = plan.show(event, context) if plan.is_immediate else await plan.fetch(event, context)
        query = f'{{ same: job(id: "{job_id}") {selection} }} {fragments}'
        _, executed = await answers(resources, query, {}, world.viewers["owner"])
        assert encode(shown) == encode(executed.data), (seed, selection)
        immediate += plan.is_immediate
    assert 20 < immediate < 90


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
        assert planned is not None
        assert planned.data == executed.data == {kind: None}
        assert problems(planned) == problems(executed)


async def test_one_compiled_plan_serves_every_viewer_their_own(resources: Resources, world: World) -> None:
    operation = Documents().find_operation("{ tracks(first: 50) { nodes { id } } }", None, {})
    contexts = [context_of(resources, world.viewers[who]) for who in ("owner", "other", "owner")]
    results = await asyncio.gather(*(answer_by_plan(operation, {}, context) for context in contexts))
    pages = [result.data for result in results if result is not None and result.data is not None]
    ids = [{node["id"] for node in page["tracks"]["nodes"]} for page in pages]
    assert operation.find_plan({}, world.viewers["owner"]) is operation.find_plan({}, world.viewers["other"])
    assert len(ids[0]) == 4
    assert len(ids[1]) == 1
    assert ids[0] == ids[2]
    assert not ids[0] & ids[1]


async def test_operations_of_a_document_have_variables_of_their_own(resources: Resources, world: World) -> None:
    source = """query A($x: Boolean!) { viewer @include(if: $x) { role } }
      query B($x: ID!) { track(id: $x) { id } }"""
    viewer, track_id = world.viewers["owner"], world.ids["track"][0]
    documents = Documents()
    for name, value, expected in (
        ("A", True, {"viewer": {"role": "USER"}}),
        ("B", track_id, {"track": {"id": track_id}}),
    ):
        operation = documents.find_operation(source, name, {"x": value})
        planned = await answer_by_plan(operation, {"x": value}, context_of(resources, viewer))
        assert planned is not None
        assert planned.data == expected


NULLED = "query ($x: Boolean = true) { viewer @include(if: $x) { id } __typename }"


async def test_directive_without_a_value_is_the_executors(resources: Resources, world: World) -> None:
    planned, executed = await answers(resources, NULLED, {"x": None}, world.viewers["owner"])
    assert planned is None
    assert executed.errors


def test_ways_of_a_document_that_are_asked_for_stay(world: World) -> None:
    flags = [f"$f{n}: Boolean!" for n in range(6)]
    fields = " ".join(f"a{n}: email @include(if: $f{n})" for n in range(6))
    source = f"query ({', '.join(flags)}) {{ viewer {{ id {fields} }} }}"
    usual: dict[str, Any] = {f"f{n}": False for n in range(6)}
    viewer = world.viewers["owner"]
    operation = Documents().find_operation(source, None, usual)
    plan = operation.find_plan(usual, viewer)
    for way in range(1, 2**6):
        other = {f"f{n}": bool(way >> n & 1) for n in range(6)}
        assert operation.find_plan(other, viewer) is not None
        assert operation.find_plan(usual, viewer) is plan
    first = {f"f{n}": n == 0 for n in range(6)}
    assert operation.find_plan(first, viewer) is not None, "one that was forgotten is compiled anew"


def fields_without_plan() -> Iterator[str]:
    for kind, word in ((core.query_type, "reads"), (core.subscription_type, "watches")):
        assert kind is not None
        for name in kind.fields:
            declared = schema.get_field_for_type(name, kind.name)
            if declared is None or word not in declared.metadata:
                yield f"{kind.name}.{name}"


def undeclared_fields() -> Iterator[str]:
    for node in NODES:
        for name in core.type_map[node.__name__].fields:  # type: ignore[attr-defined] # a Node is an object
            declared = schema.get_field_for_type(name, node.__name__)
            assert declared is not None
            if declared.base_resolver is not None and "reads" not in declared.metadata:
                yield f"{node.__name__}.{name}"


def test_no_field_is_left_to_the_executor() -> None:
    assert [*fields_without_plan(), *undeclared_fields()] == []
