"""Tracks whose music an outside provider makes: heard, paid for and sent for once, whatever breaks on the way."""

import io
import re
from typing import Any

import asyncpg
import av
import numpy as np
import psutil  # type: ignore[import-untyped]
import pytest
from rich.console import Console

from jobs.engines.music.loudness import integrated_lufs, segment_energies, true_peak_dbtp
from jobs.queue import QUEUES
from server import smoke
from storage.rows import read_id
from tests.fakes.vendor import Plan, make_wav
from tests.studio import Person, Process, free_port, until
from tests.tracks.outward import SECONDS, SONG, Vendors, ask_for_track, wait_for_look

TRACK = """query ($id: ID!) { track(id: $id) { status provider music { key } stems { id } midi { id }
  audio { url mimeType durationSeconds } master { url } peaks { url } cover { svgUrl pngUrl } } }"""
LEDGER = "{ creditEntries(first: 100) { nodes { kind jobId } } }"
CANCEL = "mutation ($id: ID!) { cancelJob(id: $id) { __typename } }"
KEPT = "SELECT provider, state, code FROM provider_submissions WHERE job_id = $1 ORDER BY created_at"
PRICE = 2


async def see_through(owner: Person, *, spent: int = PRICE) -> Any:
    track_id, job_id = await ask_for_track(owner)
    await owner.wait_until(job_id, "COMPLETE")
    assert await owner.credits() == 100 - spent
    assert await read_ledger(owner, job_id) == ["CAPTURE", "RESERVE"]
    return (await owner.get(TRACK, id=track_id))["track"]


async def read_ledger(owner: Person, job_id: str) -> list[str]:
    nodes = (await owner.get(LEDGER))["creditEntries"]["nodes"]
    return sorted(node["kind"] for node in nodes if node["jobId"] == job_id)


async def read_entries(vendors: Vendors, job_id: str) -> list[tuple[str, str, str | None]]:
    connection = await asyncpg.connect(vendors.studio.settings.database_url)
    try:
        return [tuple(row) for row in await connection.fetch(KEPT, read_id("job", job_id))]
    finally:
        await connection.close()


def listen(content: bytes) -> Any:
    resampler = av.AudioResampler(format="fltp", layout="stereo", rate=44_100)
    with av.open(io.BytesIO(content), "r") as container:
        blocks = [block.to_ndarray() for frame in container.decode(audio=0) for block in resampler.resample(frame)]
    return np.concatenate(blocks, axis=1)


async def test_song_of_a_provider_plays_at_our_loudness_and_says_who_made_it(vendors: Vendors, owner: Person) -> None:
    port = free_port()
    await vendors.start(WORKER_METRICS_PORT=str(port))
    track = await see_through(owner)
    assert (track["status"], track["provider"], track["music"]) == ("COMPLETE", "fal", None)
    assert (track["stems"], track["midi"]) == ([], None)
    assert (track["audio"]["mimeType"], track["audio"]["durationSeconds"]) == ("audio/mp4", SECONDS)
    client = vendors.studio.client
    heard = listen((await client.get(track["audio"]["url"])).content)
    assert abs(integrated_lufs(segment_energies(heard)) + 14) <= 0.5
    assert true_peak_dbtp(heard) <= -1
    assert (await client.get(track["master"]["url"])).content.startswith(b"RIFF")
    assert (await client.get(track["peaks"]["url"])).json()["version"] == 2
    assert (await client.get(track["cover"]["pngUrl"])).content.startswith(b"\x89PNG")
    counted = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    assert 'libretto_music_outcomes_total{outcome="complete",provider="fal"} 1.0' in counted
    assert 'libretto_music_circuit_open{provider="fal"} 0.0' in counted


async def test_provider_is_told_what_ones_own_style_leans_to(vendors: Vendors, owner: Person) -> None:
    await vendors.start()
    style = (await owner.get("{ viewer { style { id keys tempoMinBpm tempoMaxBpm } } }"))["viewer"]["style"]
    created = await owner.create_track(durationSeconds=SECONDS, prompt="a letter home", styleId=style["id"])
    await owner.wait_until(created["job"]["id"], "COMPLETE")
    (submit,) = vendors.fal.submits
    told = re.search(r"a letter home, \w+, (\d+) bpm, in ([A-G][b#]?)", submit.body.decode())
    assert told is not None
    assert style["tempoMinBpm"] <= int(told[1]) <= style["tempoMaxBpm"]
    assert told[2] in style["keys"]


async def test_provider_that_refuses_our_key_is_followed_by_the_next(vendors: Vendors, owner: Person) -> None:
    vendors.fal.refuse_submit(401)
    port = free_port()
    await vendors.start(WORKER_METRICS_PORT=str(port))
    assert (await see_through(owner))["provider"] == "replicate"
    assert (len(vendors.fal.submits), len(vendors.replicate.submits)) == (1, 1)
    counted = (await vendors.studio.client.get(f"http://127.0.0.1:{port}/metrics")).text
    assert 'libretto_music_fallbacks_total{provider="fal",to="replicate"} 1.0' in counted
    assert 'libretto_music_outcomes_total{outcome="provider_unauthorized",provider="fal"} 1.0' in counted
    assert 'libretto_music_circuit_open{provider="fal"} 1.0' in counted


async def test_our_own_composer_makes_it_when_every_provider_refuses(vendors: Vendors, owner: Person) -> None:
    vendors.fal.refuse_submit(402)
    vendors.replicate.refuse_submit(503)
    await vendors.start()
    track = await see_through(owner)
    assert (track["provider"], len(track["stems"])) == ("local", 4)
    assert track["music"]["key"]


@pytest.mark.parametrize("ending", ["page", "expired", "noise"])
async def test_result_that_is_no_song_is_the_providers_failure(vendors: Vendors, owner: Person, ending: str) -> None:
    vendors.fal.plan = Plan(ending=ending) if ending != "noise" else Plan(audio=b"\x00\x01noise" * 5000)
    await vendors.start()
    assert (await see_through(owner))["provider"] == "replicate"
    assert len(vendors.fal.submits) == 1


async def test_recording_that_kills_our_engine_is_the_providers_failure(vendors: Vendors, owner: Person) -> None:
    vendors.fal.plan = Plan(audio=make_wav(600, rate=4000))
    worker = await vendors.start()
    track_id, job_id = await ask_for_track(owner)

    async def is_being_finished() -> bool:
        return (await owner.job(job_id))["stage"] in ("decoding", "mixing")

    await until(is_being_finished, "the recording is with the engine")
    kill_engines(worker)
    job = await owner.wait_until(job_id, "COMPLETE")
    assert job["attempt"] == 1
    assert (await owner.get(TRACK, id=track_id))["track"]["provider"] == "replicate"
    assert await read_entries(vendors, job_id) == [
        ("fal", "ended", "PROVIDER_RESULT_LOST"),
        ("replicate", "ended", "COMPLETE"),
    ]


def kill_engines(worker: Process) -> None:
    """As the kernel does with what takes too much memory."""
    for fork_server in psutil.Process(worker.child.pid).children():
        for engine in fork_server.children():
            engine.kill()


@pytest.mark.parametrize("ending", ["refused", "moderated"])
async def test_refused_wish_fails_with_its_code_and_costs_nothing(vendors: Vendors, owner: Person, ending: str) -> None:
    vendors.fal.plan = Plan(ending=ending)
    await vendors.start()
    _, job_id = await ask_for_track(owner)
    job = await owner.wait_until(job_id, "FAILED")
    code = {"refused": "PROVIDER_INPUT_REFUSED", "moderated": "PROVIDER_CONTENT_REFUSED"}[ending]
    assert (job["error"]["code"], job["attempt"]) == (code, 1)
    assert await owner.credits() == 100
    assert await read_ledger(owner, job_id) == ["REFUND", "RESERVE"]
    assert await read_entries(vendors, job_id) == [("fal", "ended", code)]
    assert (len(vendors.fal.submits), len(vendors.replicate.submits)) == (1, 0)


async def test_killed_workers_submission_is_followed_by_the_next(vendors: Vendors, owner: Person) -> None:
    vendors.fal.plan = Plan(endless=True, audio=SONG)
    worker = await vendors.start()
    track_id, job_id = await ask_for_track(owner)
    await wait_for_look(vendors.fal)
    worker.kill()
    assert await read_entries(vendors, job_id) == [("fal", "submitted", None)]
    vendors.fal.plan.endless = False
    await vendors.start()
    job = await owner.wait_until(job_id, "COMPLETE")
    assert job["attempt"] == 2
    assert (await owner.get(TRACK, id=track_id))["track"]["provider"] == "fal"
    assert len(vendors.fal.submits) == len(vendors.fal.runs) == 1
    assert vendors.replicate.submits == []
    assert await read_entries(vendors, job_id) == [("fal", "ended", "COMPLETE")]
    assert await owner.credits() == 100 - PRICE


async def test_worker_killed_while_it_submits_never_submits_there_again(vendors: Vendors, owner: Person) -> None:
    vendors.fal.may_answer.clear()
    worker = await vendors.start()
    _, job_id = await ask_for_track(owner)
    await vendors.fal.arrived.wait()
    worker.kill()
    vendors.fal.may_answer.set()
    await vendors.start()
    await owner.wait_until(job_id, "COMPLETE")
    assert (len(vendors.fal.submits), len(vendors.replicate.submits)) == (1, 1)
    assert await read_entries(vendors, job_id) == [
        ("fal", "ended", "PROVIDER_UNANSWERED"),
        ("replicate", "ended", "COMPLETE"),
    ]


async def test_cancel_reaches_the_provider_and_gives_the_credits_back(vendors: Vendors, owner: Person) -> None:
    vendors.fal.plan = Plan(endless=True)
    worker = await vendors.start()
    _, job_id = await ask_for_track(owner)
    await wait_for_look(vendors.fal)
    await owner.get(CANCEL, id=job_id)
    assert await owner.credits() == 100
    await worker.wait_for("outcome=job_cancelled", seconds=5)
    assert vendors.fal.runs[0].cancelled
    assert (await owner.job(job_id))["state"] == "CANCELLED"
    assert await read_ledger(owner, job_id) == ["REFUND", "RESERVE"]
    assert (len(vendors.fal.submits), len(vendors.replicate.submits)) == (1, 0)


async def test_songs_that_only_wait_elsewhere_hold_up_none_that_we_make(vendors: Vendors, owner: Person) -> None:
    vendors.fal.plan = Plan(endless=True, audio=SONG)
    await vendors.start(WORKER_SLOTS="1", MUSIC_FALLBACK="local")
    waiting = [await ask_for_track(owner) for _ in range(8)]

    async def all_are_followed() -> bool:
        return len(vendors.fal.runs) == 8 and all(run.looks for run in vendors.fal.runs)

    await until(all_are_followed, "all of them wait at fal, eight at once")
    vendors.fal.refuse_submit(402)
    track = await see_through(owner, spent=9 * PRICE)
    assert track["provider"] == "local"
    assert {(await owner.job(job_id))["state"] for _, job_id in waiting} == {"RENDERING"}
    for run in vendors.fal.runs:
        run.plan = Plan(audio=SONG)
    for _, job_id in waiting:
        await owner.wait_until(job_id, "COMPLETE")
    assert len(vendors.fal.runs) == 8
    assert await owner.credits() == 100 - 9 * PRICE


async def test_one_persons_songs_leave_room_for_anothers(vendors: Vendors, owner: Person) -> None:
    vendors.fal.plan = Plan(endless=True, audio=SONG)
    await vendors.start()
    held = QUEUES["remote"].running_per_user
    asked = [await ask_for_track(owner) for _ in range(held + 2)]

    async def all_slots_are_held() -> bool:
        return len(vendors.fal.runs) == held

    await until(all_slots_are_held, "as many wait at fal as one person may have there")
    other = await vendors.studio.make_user()
    _, job_id = await ask_for_track(other)
    await other.wait_until(job_id, "RENDERING", seconds=5)
    assert [(await owner.job(job_id))["state"] for _, job_id in asked].count("QUEUED") == 2
    for _, job_id in asked:
        await owner.get(CANCEL, id=job_id)


async def test_smoke_test_passes_whoever_makes_the_music(vendors: Vendors) -> None:
    await vendors.start()
    out = io.StringIO()
    status = await smoke.run(vendors.studio.url, seconds=SECONDS, console=Console(file=out, width=200))
    assert status == 0, out.getvalue()
    assert "made by fal" in out.getvalue()


async def test_worker_without_keys_composes_as_ever_and_asks_nobody(vendors: Vendors, owner: Person) -> None:
    await vendors.start(MUSIC_PROVIDER="local", FAL_KEY="", REPLICATE_API_TOKEN="")
    track = await see_through(owner)
    assert (track["provider"], len(track["stems"])) == ("local", 4)
    assert vendors.fal.requests == vendors.replicate.requests == []
