"""Figures of the product: right to the last digit on a small world, and null where there is nothing to tell."""

from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from server.resources import Resources
from storage import database, tracks
from storage.database import close_database, open_database
from storage.figures import read_figures
from storage.migrate import migrate
from storage.rows import new_id
from tests.studio import Person, Studio

PRODUCT_METRICS = """query ($days: Int) { productMetrics(days: $days) { days signUps
  tracksCreated svgP50Bytes savedCoverShare day1 { people returned rate } day7 { people returned rate } } }"""


@pytest_asyncio.fixture
async def empty(studio: Studio, resources: Resources) -> AsyncIterator[None]:
    """A database of its own, with nobody in it."""
    name = f"figures_{new_id().hex[-8:]}"
    url = studio.services.create_database(name)
    await migrate(url)
    await close_database()
    await open_database(url, 2)
    yield
    await close_database()
    await open_database(resources.settings.database_url, resources.settings.database_pool_size)
    studio.services.drop_database(name)


async def add_person(days_ago: float) -> UUID:
    user_id = new_id()
    await database.fetch(
        "INSERT INTO users (id, email, password_hash, display_name, role, plan, credits, style_seed, accent_hue,"
        " created_at) VALUES ($1, $2, '', 'S', 'user', 'free', 0, 1, 1, now() - make_interval(secs => $3))",
        user_id,
        f"{user_id.hex}@example.org",
        days_ago * 86_400,
    )
    return user_id


async def add_track(user_id: UUID, days_ago: float, *, seconds: float | None = None, version: int = 1) -> UUID:
    track_id = new_id()
    await database.fetch(
        "INSERT INTO tracks (id, user_id, title, prompt, duration_seconds, has_vocals, seed, status, visual_version,"
        " visibility, slug, version, created_at, completed_at) SELECT $1, $2, 'T', 'p', 5, false, 1, 'QUEUED', $3,"
        " 'PRIVATE', $4, 1, at, at + make_interval(secs => $6) FROM (SELECT now() - make_interval(secs => $5)) t (at)",
        track_id,
        user_id,
        version,
        tracks.new_slug(),
        days_ago * 86_400,
        seconds,
    )
    return track_id


async def add_save(user_id: UUID, track_id: UUID, days_ago: float, size_bytes: int) -> None:
    await database.fetch(
        "INSERT INTO saved_covers (id, user_id, track_id, mode, visual_version, svg_key, size_bytes, created_at)"
        " VALUES ($1, $2, $3, 'DARK', 1, 'k', $4, now() - make_interval(secs => $5))",
        new_id(),
        user_id,
        track_id,
        size_bytes,
        days_ago * 86_400,
    )


async def test_studio_where_nothing_happened_has_counts_of_zero_and_nothing_else(empty: None) -> None:
    read = vars(await read_figures(30))
    counts = {"sign_ups", "tracks_created", "tracks_completed", "covers_saved"}
    counts |= {f"day{n}_{what}" for n in (1, 7) for what in ("people", "returned")}
    assert {name: value for name, value in read.items() if value is not None} == dict.fromkeys(counts, 0)


async def test_figures_are_those_of_a_world_that_is_counted_by_hand(empty: None) -> None:
    early, late, away = await add_person(10), await add_person(1.5), await add_person(40)
    first = await add_track(early, 9.9, seconds=10)
    await add_track(early, 9.5, seconds=20, version=3)  # the same day as the sign-up
    second = await add_track(early, 8.5)  # a day after it
    await add_track(late, 1.4, seconds=30)
    await add_track(away, 39)
    await add_save(early, first, 2.5, 1000)  # seven days after it
    await add_save(early, second, 2, 3000)
    read = await read_figures(30)
    assert (read.sign_ups, read.tracks_created, read.tracks_completed, read.covers_saved) == (2, 4, 3, 2)
    assert (read.visual_versions_mean, read.visual_versions_max) == (1.5, 3)
    assert read.render_p50_seconds == pytest.approx(20)
    assert read.render_p95_seconds == pytest.approx(29)
    assert (read.svg_p50_bytes, read.svg_p95_bytes, read.svg_max_bytes) == (1000, 3000, 3000)
    assert read.saved_cover_share == 0.5
    assert read.tracks_before_first_save == 3
    assert read.first_sound_p50_seconds == pytest.approx((8640 + 10 + 8640 + 30) / 2, abs=1)
    assert (read.day1_people, read.day1_returned) == (1, 1)  # for the late one it is not over
    assert (read.day7_people, read.day7_returned) == (1, 1)
    longer = await read_figures(60)
    assert (longer.sign_ups, longer.tracks_created) == (3, 5)
    assert (longer.day1_people, longer.day1_returned, longer.day7_people, longer.day7_returned) == (2, 2, 2, 1)


@pytest.mark.parametrize("column", ["created_at", "rotated_at"])
async def test_session_on_that_day_is_a_return(empty: None, column: str) -> None:
    person = await add_person(10)
    assert (await read_figures(30)).day1_returned == 0
    await database.fetch(
        "INSERT INTO sessions (id, user_id, token_hash, expires_at, created_at) VALUES ($1, $2, '', now(), now())",
        new_id(),
        person,
    )
    await database.fetch(f"UPDATE sessions SET {column} = now() - interval '8.5 days'")  # noqa: S608 - one of two
    read = await read_figures(30)
    assert (read.day1_returned, read.day7_returned) == (1, 0)


async def test_counting_that_takes_too_long_is_given_up(admin: Person) -> None:
    connection = await asyncpg.connect(admin.studio.settings.database_url)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE saved_covers")
            (error,) = (await admin.ask(PRODUCT_METRICS))["errors"]
    finally:
        await connection.close()
    assert (error["extensions"]["code"], error["message"]) == (
        "UNAVAILABLE",
        "Counting takes too long right now; ask for fewer days",
    )


async def test_admins_are_told_sums_and_nobody_else_anything(admin: Person, person: Person) -> None:
    read = (await admin.get(PRODUCT_METRICS, days=1))["productMetrics"]
    assert read["days"] == 1
    assert read["signUps"] >= 2
    assert read["day7"] == {"people": 0, "returned": 0, "rate": None}
    (error,) = (await person.ask(PRODUCT_METRICS))["errors"]
    assert error["extensions"]["code"] == "NOT_ALLOWED"
    (error,) = (await person.studio.ask(PRODUCT_METRICS))["errors"]
    assert error["extensions"]["code"] == "UNAUTHENTICATED"
    (error,) = (await admin.ask(PRODUCT_METRICS, days=366))["errors"]
    assert error["extensions"]["code"] == "VALIDATION_FAILED"
