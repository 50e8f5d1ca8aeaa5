"""Where files come from: signed in every format that leaves us, and read back by the library's own reader."""

import asyncio
import json
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import c2pa
import pytest
import pytest_asyncio
from PIL import Image

from jobs.foundry import open_foundry
from jobs.provenance import SOURCES, TRACK_LABEL, Seal
from jobs.seals import Claim
from server import cli
from server.certificates import CHAIN, KEY, make_chain
from server.errors import Unavailable
from server.settings import Settings, problems_of
from storage.rows import new_id, read_id
from tests.studio import Person, Process, Studio

FILES = """query ($id: ID!) { track(id: $id) {
  audio { url sizeBytes } master { url } stems { url } cover { pngUrl(crop: LANDSCAPE) } } }"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a certificate."""
    assert cli.main(["provenance", "make-certificate", str(tmp_path / "own"), "--name", "Studio of the tests"]) == 0
    return tmp_path / "own"


def settings_of(folder: Path) -> Settings:
    return Settings.model_validate({"provenance_certificate": str(folder / CHAIN), "provenance_key": str(folder / KEY)})


def read_manifest(path: Path) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """The manifest, its action, and what the reader holds against it."""
    with c2pa.Reader(str(path)) as reader:
        told = json.loads(reader.json())
    manifest = told["manifests"][told["active_manifest"]]
    assertions = {one["label"]: one["data"] for one in manifest["assertions"]}
    return manifest, assertions, [one["code"] for one in told.get("validation_status", [])]


def write_wav(path: Path) -> None:
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
        out.writeframes(b"\1\0" * 8000)


@pytest.mark.parametrize("source", ["algorithmicMedia", "trainedAlgorithmicMedia"])
def test_signed_file_says_what_made_it_and_of_which_track_it_is(tmp_path: Path, folder: Path, source: Any) -> None:
    path, claim = tmp_path / "song.wav", Claim("Night <train>", new_id(), source)
    write_wav(path)
    Seal.of(settings_of(folder)).mark(path, claim)
    manifest, assertions, problems = read_manifest(path)
    actions: list[dict[str, Any]] = assertions["c2pa.actions.v2"]["actions"]
    (action,) = actions
    assert (action["action"], action["digitalSourceType"]) == ("c2pa.created", SOURCES + source)
    assert action["softwareAgent"]["name"] == "Libretto"
    assert assertions[TRACK_LABEL] == {"sha256": claim.track_hash}
    assert claim.track_id.hex not in json.dumps(manifest)
    assert manifest["title"] == "Night <train>"
    assert manifest["claim_generator_info"][0]["name"] == "Libretto"
    assert manifest["signature_info"]["common_name"] == "Studio of the tests"
    assert problems == ["signingCredential.untrusted"], "home-made, and else without fault"
    with wave.open(str(path)) as song:
        assert song.getnframes() == 8000


def test_file_that_was_changed_is_found_out(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "song.wav"
    write_wav(path)
    Seal.of(settings_of(folder)).mark(path, Claim("Song", new_id(), "algorithmicMedia"))
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    assert "assertion.dataHash.mismatch" in read_manifest(path)[2]


def test_certificate_that_cannot_sign_stops_the_start(folder: Path) -> None:
    (folder / KEY).write_bytes(make_chain("Another")[1])
    with pytest.raises(Unavailable, match="PROVENANCE_KEY"):
        open_foundry(settings_of(folder))
    (folder / KEY).write_text("nonsense")
    with pytest.raises(Unavailable, match="PROVENANCE_KEY"):
        open_foundry(settings_of(folder))


def test_settings_name_both_files_or_none(folder: Path) -> None:
    assert not any("PROVENANCE" in problem for problem in problems_of(Settings.model_validate({})))
    assert not any("PROVENANCE" in problem for problem in problems_of(settings_of(folder)))
    half = Settings.model_validate({"provenance_certificate": str(folder / CHAIN)})
    assert "PROVENANCE_KEY must name a PEM file" in problems_of(half)
    assert open_foundry(Settings.model_validate({})).seal is None


def test_key_is_for_its_owner_alone_and_is_never_overwritten(folder: Path) -> None:
    assert (folder / KEY).stat().st_mode & 0o777 == 0o600
    before = (folder / KEY).read_bytes()
    assert cli.main(["provenance", "make-certificate", str(folder)]) == 1
    assert (folder / KEY).read_bytes() == before


@pytest_asyncio.fixture
async def signing_worker(studio: Studio, folder: Path) -> AsyncIterator[None]:
    """In place of the usual one, a worker with a certificate."""
    (usual,) = [process for process in studio.processes if process.name == "worker"]
    await replace_worker(studio, usual, PROVENANCE_CERTIFICATE=str(folder / CHAIN), PROVENANCE_KEY=str(folder / KEY))
    yield
    await replace_worker(studio, studio.processes[-1])


async def replace_worker(studio: Studio, one: Process, **environment: str) -> None:
    await asyncio.to_thread(one.stop)
    studio.processes.remove(one)
    await studio.start_worker(**environment)


@pytest.mark.usefixtures("signing_worker")
async def test_files_of_a_track_are_signed_where_there_is_a_certificate(
    studio: Studio, person: Person, tmp_path: Path
) -> None:
    created = await person.create_track(prompt="a calm lofi evening")
    await person.wait_until(created["job"]["id"], "COMPLETE")
    track_id = created["track"]["id"]
    track = (await person.get(FILES, id=track_id))["track"]
    claim = Claim("", read_id("track", track_id), "algorithmicMedia")
    urls = [track[name]["url"] for name in ("audio", "master")] + [track["stems"][0]["url"], track["cover"]["pngUrl"]]
    for name, url in zip(("mix.m4a", "master.wav", "stem.m4a", "cover.png"), urls, strict=True):
        path = tmp_path / name
        path.write_bytes((await studio.client.get(url)).content)
        manifest, assertions, problems = read_manifest(path)
        assert problems == ["signingCredential.untrusted"], name
        assert manifest["title"] == "A calm lofi evening"
        assert assertions[TRACK_LABEL] == {"sha256": claim.track_hash}
    assert (tmp_path / "mix.m4a").stat().st_size == track["audio"]["sizeBytes"]
    with Image.open(tmp_path / "cover.png") as cover:
        assert cover.size == (1920, 1080)
    with av.open(str(tmp_path / "mix.m4a")) as song:
        assert song.metadata["comment"] == "AI-generated by Libretto"
        assert sum(frame.samples for frame in song.decode(audio=0)) >= 5 * 44_100


async def test_every_file_of_sound_says_that_a_machine_made_it(studio: Studio, person: Person, tmp_path: Path) -> None:
    created = await person.create_track(prompt="a calm lofi evening")
    await person.wait_until(created["job"]["id"], "COMPLETE")
    track = (await person.get(FILES, id=created["track"]["id"]))["track"]
    for number, one in enumerate((track["audio"], track["master"], *track["stems"])):
        path = tmp_path / str(number)
        path.write_bytes((await studio.client.get(one["url"])).content)
        with av.open(str(path)) as song:
            assert song.metadata["comment"] == "AI-generated by Libretto"
            assert song.metadata["title"]
