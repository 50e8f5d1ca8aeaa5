"""Deliveries on a real socket: signed, retried, given up, and never followed anywhere else."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from storage.rows import read_id
from tests.covers.hostile import RECT, drawing
from tests.fakes.receiver import Call, Receiver, Reply
from tests.studio import Person, until
from tests.webhooks.desk import CANCEL, ENABLE, REPLAY, ROTATE, UPDATE, Endpoint, Hooked, make_endpoint

SAVE = """mutation ($input: SaveCoverInput!) { saveCover(input: $input) {
  ... on CoverSaved { savedCover { id } } } }"""
PUBLISH = "mutation ($input: UpdateTrackInput!) { updateTrack(input: $input) { __typename } }"


def verify(call: Call, secret: str, body: bytes | None = None) -> Any:
    return Verifier(secret).verify(call.body if body is None else body, dict(call.headers))


def seconds_until(moment: str) -> float:
    return (datetime.fromisoformat(moment) - datetime.now(UTC)).total_seconds()


async def cancel_a_track(owner: Person) -> Any:
    created = await owner.create_track(durationSeconds=300)
    await owner.get(CANCEL, id=created["job"]["id"])
    return created


async def test_event_is_signed_as_standard_webhooks_say(endpoint: Endpoint) -> None:
    created = await cancel_a_track(endpoint.owner)
    (call,) = await endpoint.wait_for_calls()
    event = verify(call, endpoint.secret)
    assert event["type"] == "job.cancelled"
    assert event["data"]["jobId"] == created["job"]["id"]
    assert event["data"]["trackId"] == created["track"]["id"]
    assert (event["data"]["kind"], event["data"]["links"]) == ("tracks.render", {})
    assert "errorCode" not in event["data"]
    assert call.headers["content-type"] == "application/json"
    assert len(call.body) < 20_000
    (delivery,) = await endpoint.deliveries()
    assert delivery["eventId"] == call.headers["webhook-id"]
    assert delivery["payload"].encode() == call.body
    with pytest.raises(WebhookVerificationError):
        verify(call, endpoint.secret, call.body.replace(b"cancelled", b"completed"))
    with pytest.raises(WebhookVerificationError):
        verify(call, "whsec_" + "A" * 43 + "=")


async def test_finished_public_track_and_its_cover_are_told_with_links(endpoint: Endpoint) -> None:
    owner = endpoint.owner
    created = await owner.create_track()
    await owner.wait_until(created["job"]["id"], "COMPLETE")
    (first,) = await endpoint.wait_for_calls()
    assert verify(first, endpoint.secret)["type"] == "job.completed"
    assert verify(first, endpoint.secret)["data"]["links"] == {}
    track_id = created["track"]["id"]
    await owner.get(PUBLISH, input={"trackId": track_id, "visibility": "PUBLIC", "title": "Rain"})
    given = {"trackId": track_id, "svg": drawing(RECT).decode(), "mode": "DARK"}
    saved = (await owner.get(SAVE, input=given))["saveCover"]["savedCover"]
    told = verify((await endpoint.wait_for_calls(2))[1], endpoint.secret)
    assert (told["type"], told["data"]["coverId"], told["data"]["title"]) == ("cover.saved", saved["id"], "Rain")
    assert (told["data"]["mode"], told["data"]["visualVersion"]) == ("DARK", 1)
    picture = told["data"]["links"]["picture"]
    assert (await endpoint.hooked.studio.client.get(picture, follow_redirects=True)).status_code == 200


async def test_endpoint_is_told_of_nothing_but_what_it_chose(hooked: Hooked, owner: Person) -> None:
    chosen = await make_endpoint(hooked, owner, events=["JOB_CANCELLED"])
    other = await make_endpoint(hooked, owner, events=["COVER_SAVED", "JOB_FAILED", "JOB_COMPLETED"])
    stranger = await make_endpoint(hooked, await hooked.studio.make_user())
    await cancel_a_track(owner)
    await chosen.wait_for_calls()
    assert [delivery["type"] for delivery in await chosen.deliveries()] == ["job.cancelled"]
    assert (await other.deliveries(), await stranger.deliveries()) == ([], [])


async def test_all_endpoints_are_told_under_the_same_id(hooked: Hooked, owner: Person) -> None:
    one, two = await make_endpoint(hooked, owner), await make_endpoint(hooked, owner)
    await cancel_a_track(owner)
    (first,), (second,) = await one.wait_for_calls(), await two.wait_for_calls()
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


@pytest.mark.parametrize("status", [300, 400, 401, 404, 409, 500, 502])
async def test_whatever_is_not_a_success_is_tried_again_under_the_same_id(
    hooked: Hooked, owner: Person, status: int
) -> None:
    endpoint = await make_endpoint(hooked, owner, Reply(status, b"so\x00rry"), Reply(200, b"thanks"))
    sent = await endpoint.send_test()
    failed = await endpoint.wait_until(sent["id"], "PENDING")
    assert (failed["responseStatus"], failed["responseBody"]) == (status, "sorry")
    assert failed["error"]["code"] == "STATUS"
    assert 0 < seconds_until(failed["nextAttemptAt"]) < 6
    await hooked.make_due(sent["id"])
    done = await endpoint.wait_until(sent["id"], "DELIVERED", 2)
    assert (done["responseStatus"], done["responseBody"], done["error"]) == (200, "thanks", None)
    first, second = endpoint.hooked.receiver.calls_to(endpoint.path)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert (await endpoint.read())["failures"] == 0


async def test_ten_attempts_over_days_then_it_has_failed(hooked: Hooked, owner: Person) -> None:
    endpoint = await make_endpoint(hooked, owner, Reply(500))
    sent = await endpoint.send_test()
    for attempt, pause in enumerate((5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400), 1):
        waiting = await endpoint.wait_until(sent["id"], "PENDING", attempt)
        assert pause * 0.85 < seconds_until(waiting["nextAttemptAt"]) < pause * 1.15
        await hooked.make_due(sent["id"])
    failed = await endpoint.wait_until(sent["id"], "FAILED", 10)
    assert failed["nextAttemptAt"] is None
    assert len({call.headers["webhook-id"] for call in hooked.receiver.calls_to(endpoint.path)}) == 1
    assert ((await endpoint.read())["state"], (await endpoint.read())["failures"]) == ("ACTIVE", 10)


async def test_endpoint_that_only_fails_for_days_is_disabled_until_its_owner_enables_it(
    hooked: Hooked, owner: Person
) -> None:
    endpoint = await make_endpoint(hooked, owner, Reply(500))
    waiting, sent = await endpoint.send_test(), await endpoint.send_test()
    await endpoint.wait_until(sent["id"], "PENDING")
    await endpoint.wait_until(waiting["id"], "PENDING")
    await hooked.rows.execute(
        "UPDATE webhooks SET failures = 9, failing_since = now() - interval '73 hours' WHERE id = $1",
        read_id("webhook", endpoint.id),
    )
    await hooked.make_due(sent["id"])
    await endpoint.wait_until(sent["id"], "FAILED", 2)
    webhook = await endpoint.read()
    assert (webhook["state"], webhook["disabledReason"]) == ("DISABLED", "FAILING")
    assert webhook["disabledAt"] is not None
    assert (await endpoint.wait_until(waiting["id"], "FAILED"))["error"]["code"] == "WEBHOOK_DISABLED"
    await cancel_a_track(owner)
    assert len(await endpoint.deliveries()) == 2
    hooked.receiver.plan(endpoint.path, Reply(200))
    assert (await owner.get(ENABLE, id=endpoint.id))["enableWebhook"]["webhook"]["state"] == "ACTIVE"
    assert (await owner.get(ENABLE, id=endpoint.id))["enableWebhook"]["code"] == "CONFLICT"
    assert (await owner.get(REPLAY, id=waiting["id"]))["replayDelivery"]["delivery"]["state"] == "PENDING"
    await endpoint.wait_until(waiting["id"], "DELIVERED")


async def test_410_disables_the_endpoint_at_once(hooked: Hooked, owner: Person) -> None:
    endpoint = await make_endpoint(hooked, owner, Reply(410))
    sent = await endpoint.send_test()
    await endpoint.wait_until(sent["id"], "FAILED")
    webhook = await endpoint.read()
    assert (webhook["state"], webhook["disabledReason"]) == ("DISABLED", "GONE")
    assert (await owner.get(REPLAY, id=sent["id"]))["replayDelivery"]["code"] == "CONFLICT"


@pytest.mark.parametrize(("status", "header", "seconds"), [(429, "120", 120), (503, "60", 60), (503, "999999", 600)])
async def test_retry_after_is_honoured_within_bounds_and_for_the_whole_endpoint(
    hooked: Hooked, owner: Person, status: int, header: str, seconds: int
) -> None:
    endpoint = await make_endpoint(hooked, owner, Reply(status, headers={"Retry-After": header}))
    sent = await endpoint.send_test()
    waiting = await endpoint.wait_until(sent["id"], "PENDING")
    assert seconds - 5 < seconds_until(waiting["nextAttemptAt"]) <= seconds
    assert seconds - 5 < seconds_until((await endpoint.read())["pausedUntil"]) <= seconds
    await endpoint.send_test()
    other = await make_endpoint(hooked, owner)
    await other.send_test()
    await other.wait_for_calls()
    assert len(hooked.receiver.calls_to(endpoint.path)) == 1


async def test_redirect_is_a_failure_and_nothing_connects_to_where_it_points(hooked: Hooked, owner: Person) -> None:
    async with Receiver.open() as private:
        headers = {"Location": f"{private.url}/admin", "Set-Cookie": "session=1"}
        for status in (301, 302, 303, 307, 308):
            endpoint = await make_endpoint(hooked, owner, Reply(status, headers=headers))
            sent = await endpoint.send_test()
            assert (await endpoint.wait_until(sent["id"], "PENDING"))["responseStatus"] == status
            await hooked.make_due(sent["id"])
            await endpoint.wait_until(sent["id"], "PENDING", 2)
        assert private.connections == 0
    assert not any("cookie" in call.headers for call in hooked.receiver.calls)


async def test_slow_loris_is_cut_off_by_the_deadline(hooked: Hooked, owner: Person) -> None:
    endpoints = [await make_endpoint(hooked, owner, Reply(manner=manner)) for manner in ("drip", "hang")]
    began = time.monotonic()
    tests = [await endpoint.send_test() for endpoint in endpoints]
    for endpoint, sent in zip(endpoints, tests, strict=True):
        failed = await endpoint.wait_until(sent["id"], "PENDING", seconds=25)
        assert failed["error"]["code"] == "TIMED_OUT"
        assert (await endpoint.read())["pausedUntil"] is not None
    assert 14 < time.monotonic() - began < 22


async def test_of_a_huge_answer_two_kilobytes_are_kept(hooked: Hooked, owner: Person) -> None:
    endpoint = await make_endpoint(hooked, owner, Reply(200, manner="flood"))
    sent = await endpoint.send_test()
    assert (await endpoint.wait_until(sent["id"], "DELIVERED"))["responseBody"] == "x" * 2048


async def test_broken_connection_is_told_as_no_answer(hooked: Hooked, owner: Person) -> None:
    endpoint = await make_endpoint(hooked, owner, Reply(manner="reset"))
    sent = await endpoint.send_test()
    assert (await endpoint.wait_until(sent["id"], "PENDING"))["error"]["code"] == "NO_ANSWER"


async def test_both_secrets_sign_for_a_day_after_a_rotation(endpoint: Endpoint) -> None:
    rotated = (await endpoint.owner.get(ROTATE, id=endpoint.id))["rotateWebhookSecret"]
    assert rotated["secret"] != endpoint.secret
    assert 86_000 < seconds_until(rotated["webhook"]["previousSecretUntil"]) <= 86_400
    await endpoint.send_test()
    (call,) = await endpoint.wait_for_calls()
    assert len(call.headers["webhook-signature"].split(" ")) == 2
    verify(call, endpoint.secret)
    verify(call, rotated["secret"])
    await endpoint.hooked.rows.execute(
        "UPDATE webhooks SET previous_secret_until = now() WHERE id = $1", read_id("webhook", endpoint.id)
    )
    await endpoint.send_test()
    later = (await endpoint.wait_for_calls(2))[1]
    verify(later, rotated["secret"])
    with pytest.raises(WebhookVerificationError):
        verify(later, endpoint.secret)


async def test_replay_goes_out_again_under_the_same_id(endpoint: Endpoint) -> None:
    sent = await endpoint.send_test()
    await endpoint.wait_until(sent["id"], "DELIVERED")
    replayed = (await endpoint.owner.get(REPLAY, id=sent["id"]))["replayDelivery"]["delivery"]
    assert (replayed["id"], replayed["eventId"], replayed["attempts"]) == (sent["id"], sent["eventId"], 0)
    first, second = await endpoint.wait_for_calls(2)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    await endpoint.wait_until(sent["id"], "DELIVERED")


async def test_what_waits_goes_to_the_new_address(hooked: Hooked, owner: Person) -> None:
    endpoint = await make_endpoint(hooked, owner, Reply(500))
    sent = await endpoint.send_test()
    await endpoint.wait_until(sent["id"], "PENDING")
    moved = hooked.path()
    await owner.get(UPDATE, input={"webhookId": endpoint.id, "url": hooked.receiver.url + moved})
    await hooked.make_due(sent["id"])
    (call,) = await hooked.receiver.wait_for(moved)
    verify(call, endpoint.secret)


async def test_deliveries_are_no_jobs(endpoint: Endpoint) -> None:
    await endpoint.send_test()
    await endpoint.wait_for_calls()
    assert (await endpoint.owner.get("{ jobs(first: 5) { nodes { id } } }"))["jobs"]["nodes"] == []


async def test_endpoint_is_sent_two_at_a_time(hooked: Hooked, owner: Person) -> None:
    endpoint = await make_endpoint(hooked, owner)
    await asyncio.gather(*(endpoint.send_test() for _ in range(20)))

    async def all_delivered() -> bool:
        return {delivery["state"] for delivery in await endpoint.deliveries()} == {"DELIVERED"}

    await until(all_delivered, "20 deliveries are through")
    assert hooked.receiver.open_most[endpoint.path] <= 2
