"""Allowances: as much as the plan allows in any stretch of time, however many processes count, and nothing blindly."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import redis.asyncio as redis

from jobs.tracks import TrackWish, request_track
from schema import schema
from schema.context import Context
from server.errors import Conflict, RateLimited, Unavailable
from server.resources import Resources
from storage import allowances, database
from storage.access import Viewer
from storage.allowances import COVER_SAVES, SERIES, Allowance, Purse
from storage.rows import new_id, read_id
from tests.studio import Person, free_port, until

BRIEF = Allowance("brief", 2, 1)
ONCE = Allowance("once", 1, 60)
CREATE_SERIES = """mutation { createSeries(input: {title: "S"}) { __typename
  ... on RateLimited { code retryAfterSeconds } } }"""


@pytest_asyncio.fixture
async def counting(resources: Resources) -> AsyncIterator[str]:
    """The limits of the product in this process; gives the address of Redis."""
    await reopen(resources.settings.redis_url, 1)
    yield resources.settings.redis_url
    await reopen(resources.settings.redis_url, 0)


@pytest_asyncio.fixture
async def without_redis(resources: Resources) -> AsyncIterator[None]:
    """The limits of the product, and nobody who counts."""
    await reopen(f"redis://127.0.0.1:{free_port()}/0", 1)
    yield
    await reopen(resources.settings.redis_url, 0)


@pytest_asyncio.fixture
async def purses(resources: Resources) -> AsyncIterator[list[Purse]]:
    """Those of two processes."""
    opened = [Purse(resources.settings.redis_url, 1) for _ in range(2)]
    yield opened
    for purse in opened:
        await purse.close()


@pytest.fixture
def viewer(person: Person) -> Viewer:
    return Viewer(read_id("user", person.id))


async def reopen(url: str, scale: float) -> None:
    await allowances.close_allowances()
    allowances.open_allowances(url, scale)


async def request_tracks(viewer: Viewer, times: int) -> Counter[str]:
    wish = TrackWish("a calm lofi evening", 5)
    answers = await asyncio.gather(*(request_track(viewer, wish) for _ in range(times)), return_exceptions=True)
    return Counter(type(answer).__name__ for answer in answers)


async def test_processes_count_together_and_people_apart(purses: list[Purse]) -> None:
    one, other = new_id(), new_id()
    waits = await asyncio.gather(*(purses[n % 2].spend(COVER_SAVES, one) for n in range(40)))
    assert waits.count(0) == 30
    assert all(0 < wait <= 60 for wait in waits if wait)
    assert await purses[0].spend(COVER_SAVES, other) == 0
    assert await purses[0].spend(SERIES, one) == 0


async def test_whoever_waits_as_long_as_is_said_may_and_no_sooner(purses: list[Purse]) -> None:
    purse, user_id, began = purses[0], new_id(), time.monotonic()
    assert [await purse.spend(BRIEF, user_id) for _ in range(2)] == [0, 0]
    wait = await purse.spend(BRIEF, user_id)
    assert 0 < wait <= BRIEF.seconds
    due = time.monotonic() + wait

    async def may() -> bool:  # asking again and again, which must not put it off
        return await purse.spend(BRIEF, user_id) == 0

    await until(may, "it is allowed again", seconds=5)
    assert time.monotonic() - began >= BRIEF.seconds
    assert time.monotonic() - due < 0.5


async def test_no_minute_holds_more_than_is_allowed(resources: Resources, purses: list[Purse]) -> None:
    user_id, key = new_id(), "allowance:covers.save:"
    async with redis.Redis.from_url(resources.settings.redis_url) as valkey:
        seconds, microseconds = await valkey.time()
        now = seconds * 1_000_000 + microseconds
        times = [now - age * 1_000_000 for age in range(58, -2, -2)]  # thirty of them, evenly, for almost a minute
        await valkey.lpush(key + user_id.hex, *times)
        wait = await purses[0].spend(COVER_SAVES, user_id)
        assert 1 < wait <= 2
        await valkey.lset(key + user_id.hex, -1, str(now - 60_000_000))
        assert await purses[0].spend(COVER_SAVES, user_id) == 0
        assert await valkey.llen(key + user_id.hex) == 30
        assert 0 < await valkey.pttl(key + user_id.hex) <= 60_000


@pytest.mark.parametrize(("scale", "allowed"), [(0, 80), (2, 60), (0.1, 3), (0.001, 1)])
async def test_scale_lifts_and_lowers(resources: Resources, scale: float, allowed: int) -> None:
    purse, user_id = Purse(resources.settings.redis_url, scale), new_id()
    waits = await asyncio.gather(*(purse.spend(COVER_SAVES, user_id) for _ in range(80)))
    await purse.close()
    assert waits.count(0) == allowed


async def test_free_account_asks_for_five_tracks_a_minute(counting: str, viewer: Viewer) -> None:
    assert await request_tracks(viewer, 8) == {"RequestedTrack": 5, "RateLimited": 3}
    (row,) = await database.fetch("SELECT count(*) FROM tracks WHERE user_id = $1", viewer.user_id)
    assert row["count"] == 5
    (row,) = await database.fetch("SELECT credits FROM users WHERE id = $1", viewer.user_id)
    assert row["credits"] == 995


async def test_pro_account_asks_for_twenty(counting: str, viewer: Viewer) -> None:
    await database.fetch("UPDATE users SET plan = 'pro' WHERE id = $1", viewer.user_id)
    assert await request_tracks(viewer, 24) == {"RequestedTrack": 20, "RateLimited": 4}


async def test_first_answer_is_given_again_though_no_more_is_allowed(counting: str, viewer: Viewer) -> None:
    wish = TrackWish("a calm lofi evening", 5)
    first = await request_track(viewer, wish, idempotency_key="once")
    assert await request_tracks(viewer, 8) == {"RequestedTrack": 4, "RateLimited": 4}
    again = await request_track(viewer, wish, idempotency_key="once")
    assert again.track.id == first.track.id
    with pytest.raises(RateLimited):
        await request_track(viewer, wish, idempotency_key="another")
    with pytest.raises(Conflict):
        await request_track(viewer, TrackWish("something else", 5), idempotency_key="once")


async def test_wish_that_makes_no_sense_is_not_counted(counting: str, viewer: Viewer) -> None:
    for _ in range(8):
        with pytest.raises(Exception, match="prompt"):
            await request_track(viewer, TrackWish("", 5))
    assert await request_tracks(viewer, 5) == {"RequestedTrack": 5}


async def test_ten_series_an_hour(resources: Resources, counting: str, viewer: Viewer) -> None:
    context = Context(resources.settings, resources.blobs, resources.hub, "test", viewer)
    answers: list[Any] = [await schema.execute(CREATE_SERIES, context_value=context) for _ in range(12)]
    results = [answer.data["createSeries"] for answer in answers]
    assert [result["__typename"] for result in results] == ["SeriesCreated"] * 10 + ["RateLimited"] * 2
    assert results[-1]["code"] == "RATE_LIMITED"
    assert 3500 < results[-1]["retryAfterSeconds"] <= 3600


async def test_looking_costs_nothing_and_shows_what_is_left(counting: str, viewer: Viewer) -> None:
    user_id = viewer.require_user()
    for _ in range(2):
        assert [(one.name, one.limit, one.remaining) for one in await allowances.list_standings(user_id)] == [
            ("analyses.request", 20, 20),
            ("covers.save", 30, 30),
            ("lyrics.align", 20, 20),
            ("series.create", 10, 10),
            ("songs.look_up", 30, 30),
            ("uploads.create", 60, 60),
            ("videos.create", 10, 10),
            ("videos.generate", 5, 5),
            ("videos.regenerate", 30, 30),
            ("webhooks.send", 10, 10),
            ("tracks.create", 5, 5),
        ]
    await allowances.spend(COVER_SAVES, user_id)
    await request_tracks(viewer, 6)
    standings = {one.name: one for one in await allowances.list_standings(user_id)}
    covers, series, made = (standings[name] for name in ("covers.save", "series.create", "tracks.create"))
    assert (covers.remaining, series.remaining, made.remaining) == (29, 10, 0)
    assert (series.restored_seconds, made.restored_seconds) == (0, made.wait_seconds)
    assert 55 < made.wait_seconds <= 60


async def test_what_has_come_back_is_shown_as_there(purses: list[Purse]) -> None:
    purse, user_id = purses[0], new_id()
    assert await purse.spend(BRIEF, user_id) == 0
    standing = await purse.ask(BRIEF, user_id)
    assert (standing.remaining, 0 < standing.restored_seconds <= 1) == (1, True)

    async def is_back() -> bool:
        return (await purse.ask(BRIEF, user_id)).remaining == 2

    await until(is_back, "it is all there again", seconds=5)
    assert (await purse.ask(BRIEF, user_id)).restored_seconds == 0


async def test_pro_account_sees_one_allowance_of_twenty(counting: str, viewer: Viewer) -> None:
    await database.fetch("UPDATE users SET plan = 'pro' WHERE id = $1", viewer.user_id)
    await request_tracks(viewer, 7)
    made = (await allowances.list_standings(viewer.require_user()))[-1]
    assert (made.name, made.limit, made.remaining, made.wait_seconds) == ("tracks.create", 20, 13, 0)


async def test_without_redis_nothing_is_allowed_and_nothing_written(without_redis: None, viewer: Viewer) -> None:
    assert await request_tracks(viewer, 3) == {"Unavailable": 3}
    with pytest.raises(Unavailable):
        await allowances.spend(COVER_SAVES, new_id())
    with pytest.raises(Unavailable):
        await allowances.list_standings(new_id())
    (row,) = await database.fetch("SELECT count(*) FROM tracks WHERE user_id = $1", viewer.user_id)
    assert row["count"] == 0


async def test_counting_goes_on_after_a_lost_connection(resources: Resources) -> None:
    url, name, user_id = resources.settings.redis_url, f"purse-{new_id().hex}", new_id()
    purse = Purse(f"{url}{'&' if '?' in url else '?'}client_name={name}", 1)
    assert await purse.spend(ONCE, user_id) == 0
    async with redis.Redis.from_url(url) as valkey:
        (connection,) = [one for one in await valkey.client_list() if one["name"] == name]
        await valkey.client_kill_filter(_id=connection["id"])
    assert await purse.spend(ONCE, user_id) > 0
    await purse.close()
