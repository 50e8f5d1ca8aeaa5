"""Reports: whoever sees a share page may send one, with or without a script; only admins see them and decide."""

from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from server.resources import Resources
from storage import database
from storage.reports import Report, name_address
from storage.rows import read_id, write_id
from storage.tracks import Track
from tests.server.test_pages import Reader, make_shared_track
from tests.studio import Person, Studio, free_port

REPORT = """mutation ($input: ReportTrackInput!) { reportTrack(input: $input) { __typename
  ... on TrackReported { reportId } ... on ValidationFailed { fields { field } }
  ... on RateLimited { retryAfterSeconds } ... on Failure { code } } }"""
REPORTS = """query ($state: ReportState) { reports(first: 100, state: $state) { nodes {
  id reason details email state note decidedAt createdAt track { id slug: shareUrl } reporter { id email }
  decidedBy { email } } } }"""
RESOLVE = """mutation ($input: ResolveReportInput!) { resolveReport(input: $input) { __typename
  ... on ReportResolved { report { state note decidedBy { email } decidedAt } } ... on Failure { code } } }"""
AUDIT = """query ($subject: ID) { auditEntries(first: 100, subject: $subject) { nodes {
  id action subject note createdAt actor { email } } } }"""
NODE = "query ($id: ID!) { node(id: $id) { __typename id } }"
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest_asyncio.fixture
async def track(resources: Resources, tmp_path: Path) -> Track:
    return await make_shared_track(resources, tmp_path)


async def reports_on(track: Track) -> list[Report]:
    return await Report.filter(track_id=track.id)


async def send(studio: Studio, **given: Any) -> Any:
    """As somebody who is not logged in."""
    answer = await studio.ask(REPORT, input={"reason": "RIGHTS", "details": "That is my song"} | given)
    return answer["data"]["reportTrack"]


async def fill_in(studio: Studio, track: Track, headers: dict[str, str] | None = None, **given: str) -> httpx.Response:
    """The form of the page, sent as a browser does."""
    filled = {"reason": "RIGHTS", "details": "That is my song", "email": ""} | given
    return await studio.client.post(f"/share/{track.slug}/report", data=filled, headers=headers or {})


async def test_anybody_reports_what_they_see_by_slug_or_id(studio: Studio, person: Person, track: Track) -> None:
    assert (await send(studio, slug=track.slug))["__typename"] == "TrackReported"
    given = {"trackId": write_id("track", track.id), "reason": "HATE", "details": "slogans", "email": "me@example.org"}
    assert (await person.get(REPORT, input=given))["reportTrack"]["__typename"] == "TrackReported"
    first, second = await reports_on(track)
    assert (first.reason, first.details, first.email, first.reporter_id) == ("RIGHTS", "That is my song", None, None)
    assert (second.reason, second.email, second.reporter_id) == ("HATE", "me@example.org", read_id("user", person.id))


@pytest.mark.parametrize("visibility", ["PRIVATE", "missing"])
async def test_what_nobody_sees_cannot_be_reported(
    studio: Studio, resources: Resources, tmp_path: Path, visibility: str
) -> None:
    hidden = await make_shared_track(resources, tmp_path, visibility="PRIVATE")
    slug = hidden.slug if visibility == "PRIVATE" else "nothing"
    assert (await send(studio, slug=slug))["code"] == "NOT_FOUND"
    assert (await send(studio, trackId=write_id("track", hidden.id)))["code"] == "NOT_FOUND"
    assert (await studio.client.post(f"/share/{slug}/report", data={})).status_code == 404
    assert await reports_on(hidden) == []


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"details": " "}, "details"),
        ({"details": "x" * 2001}, "details"),
        ({"details": "nul \x00"}, "details"),
        ({"email": "nobody"}, "email"),
        ({"trackId": "track_1"}, "slug"),
        ({"slug": None}, "slug"),
    ],
)
async def test_report_that_makes_no_sense_is_kept_nowhere(
    studio: Studio, track: Track, given: dict[str, Any], field: str
) -> None:
    refused = await send(studio, **{"slug": track.slug} | given)
    assert (refused["__typename"], [one["field"] for one in refused["fields"]]) == ("ValidationFailed", [field])
    assert await reports_on(track) == []


async def test_form_of_the_page_works_without_a_script(studio: Studio, track: Track) -> None:
    page = Reader((await studio.client.get(f"/share/{track.slug}")).text)
    (form,) = page.all("form")
    assert form == {"class": "report", "method": "post", "action": f"{track.slug}/report"}
    names = {attrs["name"] for tag in ("select", "textarea", "input") for attrs in page.all(tag) if "name" in attrs}
    assert names == {"reason", "details", "email"}
    own = {"origin": studio.url, "sec-fetch-site": "same-origin"}
    answer = await fill_in(studio, track, own, details="Mine\r\n<b>really</b>", email="me@example.org")
    assert (answer.status_code, Reader(answer.text).texts["h1"]) == (201, ["Thank you"])
    (report,) = await reports_on(track)
    assert (report.details, report.email) == ("Mine\n<b>really</b>", "me@example.org")


async def test_form_that_lacks_something_comes_back_as_it_was_filled_in(studio: Studio, track: Track) -> None:
    answer = await fill_in(studio, track, reason="NONSENSE", details='My <song>"', email="nobody")
    page = Reader(answer.text)
    assert answer.status_code == 422
    assert page.texts["textarea"] == ['My <song>"']
    assert page.all("input", name="email")[0]["value"] == "nobody"
    assert "Choose what is wrong." in "".join(page.texts["p"])
    assert page.all("form")[0]["action"] == "report"
    assert await reports_on(track) == []
    assert (await studio.client.get(f"/share/{track.slug}/report")).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://[::1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
    ],
)
async def test_form_of_another_site_is_refused(studio: Studio, track: Track, headers: dict[str, str]) -> None:
    assert (await fill_in(studio, track, headers)).status_code == 403
    assert await reports_on(track) == []


async def test_what_is_no_form_or_too_long_is_refused(studio: Studio, track: Track) -> None:
    path = f"/share/{track.slug}/report"
    assert (await studio.client.post(path, json={"reason": "RIGHTS", "details": "x"})).status_code == 415
    assert (await studio.client.post(path, content=b"details=" + b"x" * 40_000, headers=FORM)).status_code == 413
    assert (await studio.client.post(path, content=b"&".join([b"a=b"] * 100), headers=FORM)).status_code == 400
    assert await reports_on(track) == []


async def test_page_lets_its_form_go_nowhere_else(studio: Studio, track: Track) -> None:
    assert "form-action 'self';" in (await studio.client.get(f"/share/{track.slug}")).headers["content-security-policy"]
    assert "form-action 'none';" in (await studio.client.get(f"/embed/{track.slug}")).headers["content-security-policy"]


async def test_reports_are_counted_by_address_and_the_sixth_waits(
    studio: Studio, resources: Resources, tmp_path: Path, track: Track
) -> None:
    port = free_port()
    web = await studio.start_web(port, RATE_LIMIT_SCALE="1", CLIENT_ADDRESS_HEADER="Fly-Client-IP")
    other = await make_shared_track(resources, tmp_path)
    url = f"http://127.0.0.1:{port}"

    async def report(address: str, slug: str) -> Any:
        given = {"slug": slug, "reason": "RIGHTS", "details": "mine"}
        headers = {"fly-client-ip": address, "x-forwarded-for": "203.0.113.99"}
        answer = await studio.client.post(
            f"{url}/graphql", json={"query": REPORT, "variables": {"input": given}}, headers=headers
        )
        return answer.json()["data"]["reportTrack"]["__typename"]

    assert [await report("198.51.100.1", track.slug) for _ in range(5)] == ["TrackReported"] * 5
    assert await report("198.51.100.1", other.slug) == "RateLimited"
    assert await report("198.51.100.2", other.slug) == "TrackReported"
    form = {"reason": "RIGHTS", "details": "mine"}
    refused = await studio.client.post(
        f"{url}/share/{other.slug}/report", data=form, headers={"fly-client-ip": "198.51.100.1"}
    )
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 3600
    async with studio.socket(port=port) as socket:  # which has the peer's own address
        operation = await socket.subscribe(REPORT, input={"slug": other.slug, "reason": "RIGHTS", "details": "mine"})
        assert (await operation.next())["payload"]["data"]["reportTrack"]["__typename"] == "TrackReported"
    assert (len(await reports_on(track)), len(await reports_on(other))) == (5, 2)
    web.stop()
    studio.processes.remove(web)


async def test_header_that_nobody_vouches_for_is_not_believed(studio: Studio, track: Track) -> None:
    port = free_port()
    web = await studio.start_web(port, RATE_LIMIT_SCALE="0.2")  # one report an hour
    kinds = []
    for number in range(2):
        answer = await studio.client.post(
            f"http://127.0.0.1:{port}/share/{track.slug}/report",
            data={"reason": "RIGHTS", "details": "mine"},
            headers={"fly-client-ip": f"198.51.100.{number}", "x-forwarded-for": f"198.51.100.{number}"},
        )
        kinds.append(answer.status_code)
    assert kinds[1] == 429
    web.stop()
    studio.processes.remove(web)


def test_addresses_of_one_home_count_as_one() -> None:
    assert name_address("2001:db8:1:2::1") == name_address("2001:db8:1:2:ffff::7")
    assert name_address("2001:db8:1:2::1") != name_address("2001:db8:1:3::1")
    assert name_address("::ffff:192.0.2.1") == name_address("192.0.2.1") != name_address("192.0.2.2")
    assert name_address("") == name_address("") != name_address("nonsense")


async def test_only_admins_see_reports_and_decide(studio: Studio, admin: Person, person: Person, track: Track) -> None:
    report_id = (await send(studio, slug=track.slug, email="me@example.org"))["reportId"]
    given = {"reportId": report_id, "decision": "DISMISSED", "note": "It is theirs"}
    for query in (REPORTS, AUDIT):
        assert (await studio.ask(query))["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        assert (await person.ask(query))["errors"][0]["extensions"]["code"] == "NOT_ALLOWED"
    assert (await person.ask(NODE, id=report_id))["errors"][0]["extensions"]["code"] == "NOT_ALLOWED"
    assert (await studio.ask(RESOLVE, input=given))["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert (await person.get(RESOLVE, input=given))["resolveReport"]["code"] == "NOT_ALLOWED"
    assert (await reports_on(track))[0].state == "OPEN"
    listed = {one["id"]: one for one in (await admin.get(REPORTS, state="OPEN"))["reports"]["nodes"]}
    assert listed[report_id]["track"]["id"] == write_id("track", track.id)
    assert (listed[report_id]["email"], listed[report_id]["reporter"]) == ("me@example.org", None)
    resolved = (await admin.get(RESOLVE, input=given))["resolveReport"]["report"]
    assert (resolved["state"], resolved["note"]) == ("DISMISSED", "It is theirs")
    assert resolved["decidedBy"] == {"email": admin.email}
    assert (await admin.get(RESOLVE, input=given | {"decision": "UPHELD"}))["resolveReport"]["code"] == "CONFLICT"
    (entry,) = (await admin.get(AUDIT, subject=report_id))["auditEntries"]["nodes"]
    assert (entry["action"], entry["note"]) == ("report.dismissed", "It is theirs")
    assert entry["actor"] == {"email": admin.email}
    for node in (report_id, entry["id"]):
        assert (await admin.get(NODE, id=node))["node"]["id"] == node


@pytest.mark.parametrize("report_id", ["nonsense", "report_" + "0" * 32])
async def test_report_that_is_none_is_not_found(admin: Person, report_id: str) -> None:
    given = {"reportId": report_id, "decision": "UPHELD"}
    assert (await admin.get(RESOLVE, input=given))["resolveReport"]["code"] == "NOT_FOUND"


async def test_report_outlives_the_track(studio: Studio, admin: Person, track: Track) -> None:
    report_id = (await send(studio, slug=track.slug))["reportId"]
    await database.fetch("DELETE FROM tracks WHERE id = $1", track.id)
    listed = {one["id"]: one for one in (await admin.get(REPORTS))["reports"]["nodes"]}
    assert listed[report_id]["track"] is None
