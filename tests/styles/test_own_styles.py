"""The style of one's own: for its owner alone, and followed by the song and the cover; and the catalogue, for all."""

import asyncio
import secrets
from typing import Any

import pytest

from jobs import styles as style_jobs
from jobs.engines.covers import CoverPlan, draw_cover, read_contour
from jobs.engines.styles import VERSION, read_leanings
from server.resources import Resources
from storage import covers, database, styles, users
from storage.rows import read_id
from tests.studio import Person, Studio

LEANINGS = """id slug name palette { name light { hex oklch } dark { hex oklch } } accentHue motif
  tempoMinBpm tempoMaxBpm keys instruments"""
VIEWER = f"{{ viewer {{ styleSeed accentHue style {{ {LEANINGS} }} }} }}"
CATALOGUE = f"{{ styles {{ {LEANINGS} }} }}"
NODE = "query ($id: ID!) { node(id: $id) { __typename id ... on Style { slug tempoMinBpm } } }"
TRACK = """query ($id: ID!) { track(id: $id) { seed cover { svgUrl } style { slug }
  music { tempoBpm key style } } }"""


async def own_style(person: Person) -> Any:
    return (await person.get("{ viewer { style { id } } }"))["viewer"]["style"]["id"]


async def test_seed_gives_a_style_at_sign_up(person: Person) -> None:
    viewer = (await person.get(VIEWER))["viewer"]
    style, leanings = viewer["style"], read_leanings(viewer["styleSeed"], VERSION)
    assert (style["slug"], style["name"]) == ("me", "My style")
    assert style["accentHue"] == viewer["accentHue"] == leanings.accent_hue
    assert (style["tempoMinBpm"], style["tempoMaxBpm"]) == (leanings.tempo_min_bpm, leanings.tempo_max_bpm)
    assert (style["keys"], style["instruments"]) == (list(leanings.keys), list(leanings.instruments))
    assert style["motif"] == leanings.motif.upper()
    colours = {one["name"]: (one["light"]["hex"], one["dark"]["hex"]) for one in style["palette"]}
    assert colours == {one.name: (one.light, one.dark) for one in leanings.swatches}
    assert all(one["dark"]["oklch"].startswith("oklch(") for one in style["palette"])


async def test_catalogue_is_everybodys_and_holds_nobodys_own(studio: Studio, person: Person) -> None:
    listed = (await studio.ask(CATALOGUE))["data"]["styles"]
    assert listed == (await person.get(CATALOGUE))["styles"]
    assert {style["slug"] for style in listed} == {slug for slug, _, _ in styles.CATALOGUE}
    assert len({style["accentHue"] for style in listed}) == len(listed)
    shown = (await studio.ask(NODE, id=listed[0]["id"]))["data"]["node"]
    assert shown == {
        "__typename": "Style",
        "id": listed[0]["id"],
        "slug": listed[0]["slug"],
        "tempoMinBpm": listed[0]["tempoMinBpm"],
    }


async def test_own_style_is_for_its_owner_alone(studio: Studio, person: Person, admin: Person) -> None:
    style_id, other = await own_style(person), await studio.make_user()
    assert (await person.get(NODE, id=style_id))["node"]["slug"] == "me"
    for token in (None, other.token, admin.token):
        answer = await studio.ask(NODE, token, id=style_id)
        assert answer["data"]["node"] is None
        assert answer["errors"][0]["extensions"]["code"] == "NOT_FOUND"


async def test_style_of_another_is_refused_exactly_as_one_that_never_was(
    studio: Studio, resources: Resources, person: Person, admin: Person
) -> None:
    style_id = await own_style(person)
    for other in (await studio.make_user(), admin):
        before = await other.credits()
        refused = await other.create_track(styleId=style_id)
        assert refused == await other.create_track(styleId=f"style_{secrets.token_hex(16)}")
        assert refused["__typename"] == "ValidationFailed"
        assert refused["fields"] == [{"field": "styleId", "message": "There is no such style"}]
        assert await other.credits() == before
    rows = await database.fetch("SELECT id FROM tracks WHERE style_id = $1", read_id("style", style_id))
    assert rows == []


async def test_song_and_cover_follow_their_owners_style(studio: Studio, person: Person, resources: Resources) -> None:
    viewer = (await person.get(VIEWER))["viewer"]
    style, leanings = viewer["style"], read_leanings(viewer["styleSeed"])
    created = await person.create_track(prompt="a letter home", styleId=style["id"])
    await person.wait_until(created["job"]["id"], "COMPLETE")
    track = (await person.get(TRACK, id=created["track"]["id"]))["track"]
    assert style["tempoMinBpm"] - 1 <= track["music"]["tempoBpm"] <= style["tempoMaxBpm"] + 1
    assert track["music"]["key"] in style["keys"]
    assert track["music"]["style"] == leanings.sound
    assert track["style"]["slug"] == "me"
    drawn = await covers.find_cover(read_id("track", created["track"]["id"]), 1)
    assert drawn is not None
    assert drawn.subject is not None
    contour = read_contour(drawn.subject["contour"])
    plan = CoverPlan(viewer["styleSeed"], track["seed"], 1, contour, drawn.subject["title"], motif=leanings.motif)
    assert (await studio.client.get(track["cover"]["svgUrl"])).text == draw_cover(plan)


async def test_admin_who_reads_a_track_sees_what_it_was_made_in(admin: Person, person: Person) -> None:
    created = await person.create_track(styleId=await own_style(person))
    query = "query ($id: ID!) { track(id: $id) { style { slug } } }"
    assert (await admin.get(query, id=created["track"]["id"]))["track"]["style"]["slug"] == "me"


async def make_old_account() -> users.User:
    """An account as it was made before there were seeds."""
    return await users.create_user(
        email=f"{secrets.token_hex(6)}@example.org",
        password_hash="",
        display_name="Old",
        role="user",
        credits_granted=0,
        look=users.Look(None, 262, VERSION),
    )


async def test_backfill_that_runs_twice_at_once_gives_everybody_one_style(resources: Resources) -> None:
    old = [await make_old_account() for _ in range(7)]
    keeper = old.pop()
    await database.fetch("UPDATE users SET style_seed = 5, accent_hue = 211 WHERE id = $1", keeper.id)
    lacking = await users.count_without_style()
    assert lacking >= 7
    given = await asyncio.gather(*(style_jobs.backfill_style_seeds() for _ in range(3)))
    assert sum(given) == lacking
    assert await users.count_without_style() == 0
    for before in old:
        user, style = await users.User.get(id=before.id), await styles.find_own_style(before.id)
        assert style is not None
        assert user.style_seed is not None
        assert user.style_seed == style.seed
        assert user.accent_hue == read_leanings(user.style_seed).accent_hue
    kept = await styles.find_own_style(keeper.id)
    assert kept is not None
    assert kept.seed == 5
    assert await style_jobs.backfill_style_seeds() == 0


async def test_backfill_goes_on_beyond_a_batch(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style_jobs, "BATCH", 2)  # or it would take five hundred accounts
    await style_jobs.backfill_style_seeds()
    for _ in range(5):
        await make_old_account()
    assert await style_jobs.backfill_style_seeds() == 5
