"""The doctor finds a healthy studio healthy, and names what is ill, with what to do about it."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from server.doctor import machine, services
from server.doctor.findings import Finding, Level, describe_settings, redact
from server.settings import Settings
from tests.studio import Process, Studio, free_port, until


def make_settings(**given: Any) -> Settings:
    return Settings(_env_file=None, **given)


async def gather(findings: AsyncIterator[Finding]) -> dict[str, Finding]:
    """What a check found, by name."""
    return {finding.name: finding async for finding in findings}


async def read_until_its_end(process: Process) -> tuple[int, str]:
    """The exit status of a command, and all that it wrote."""

    async def has_ended() -> bool:
        return process.child.poll() is not None

    await until(has_ended, f"{process.name} ends", 60)
    return process.child.returncode, process.log.read_text()


async def test_doctor_finds_the_studio_healthy(studio: Studio) -> None:
    await studio.make_user()
    status, said = await read_until_its_end(studio.spawn("doctor", "doctor"))
    assert status == 0, said
    assert "a probe came through in" in said
    assert "Libretto answers at" in said
    assert "drew a cover" in said
    assert studio.settings.secret_key.get_secret_value() not in said


async def test_doctor_fails_without_redis_and_a_usable_profile(studio: Studio) -> None:
    url = f"redis://:hidden@127.0.0.1:{free_port()}/0"
    given = {"REDIS_URL": url, "LIBRETTO_PROFILE": "staging", "PUBLIC_URL": "", "SECRET_KEY": "short"}
    status, said = await read_until_its_end(studio.spawn("doctor", "doctor", **given))
    assert status == 1, said
    assert "SECRET_KEY must be set to at least 32 characters" in said
    assert "PUBLIC_URL must be set" in said
    assert "Look at REDIS_URL" in said
    assert "hidden" not in said
    assert "3 failed" in said


async def test_postgres_that_is_away_is_named_without_its_password() -> None:
    settings = make_settings(database_url=f"postgresql://libretto:hidden@127.0.0.1:{free_port()}/libretto")
    found = await gather(services.check_postgres(settings))
    assert list(found) == ["PostgreSQL"]
    assert found["PostgreSQL"].level is Level.FAIL
    assert "hidden" not in found["PostgreSQL"].text


async def test_postgres_without_our_tables_asks_for_a_migration(studio: Studio) -> None:
    url = studio.settings.database_url.replace("@/libretto?", "@/postgres?")
    found = await gather(services.check_postgres(make_settings(database_url=url)))
    assert found["PostgreSQL"].level is Level.OK
    assert found["migrations"].level is Level.FAIL
    assert "libretto migrate" in found["migrations"].advice
    assert found["clock"].level is Level.OK


async def test_blobs_make_their_round_trip_and_leave_nothing_behind(tmp_path: Path) -> None:
    settings = make_settings(libretto_home=tmp_path, blob_store_url=(tmp_path / "files").as_uri(), secret_key="x" * 32)
    found = await gather(services.check_storage(settings))
    assert found["storage"].level is Level.OK
    assert not [path for path in (tmp_path / "files").rglob("*") if path.is_file()]


@pytest.mark.parametrize("url", ["ftp://nowhere", "s3://bucket?endpoint=http://127.0.0.1:1&path_style=true"])
async def test_a_blob_store_that_cannot_be_used_fails(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "made-up")
    settings = make_settings(libretto_home=tmp_path, blob_store_url=url, secret_key="x" * 32)
    found = await gather(services.check_storage(settings))
    assert found["storage"].level is Level.FAIL


async def test_a_port_that_somebody_else_holds_fails() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings = make_settings(port=listener.getsockname()[1])
        found = await gather(machine.check_port(settings))
    assert found["port"].level is Level.FAIL
    assert "Set PORT" in found["port"].advice


async def test_a_free_port_is_well() -> None:
    found = await gather(machine.check_port(make_settings(port=free_port())))
    assert found["port"].level is Level.OK


async def test_a_home_that_is_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("in the way")
    found = await gather(machine.check_home(make_settings(libretto_home=tmp_path / "home")))
    assert list(found) == ["home"]
    assert found["home"].level is Level.FAIL


async def test_an_engine_that_gets_too_little_memory_is_named() -> None:
    found = await gather(machine.check_engine(make_settings().model_copy(update={"engine_memory_mb": 64})))
    assert found["engine"].level is Level.FAIL
    assert "ENGINE_MEMORY_MB" in found["engine"].advice


async def test_python_and_ffmpeg_of_the_tests_are_well() -> None:
    found = await gather(machine.check_python(make_settings())) | await gather(machine.check_ffmpeg(make_settings()))
    assert {finding.level for finding in found.values()} == {Level.OK}


async def test_a_speech_model_that_is_not_there_is_told(tmp_path: Path) -> None:
    found = await gather(machine.check_speech(make_settings(libretto_home=tmp_path)))
    assert found["speech"].level == Level.WARN
    (tmp_path / "models" / "base").mkdir(parents=True)
    found = await gather(machine.check_speech(make_settings(libretto_home=tmp_path)))
    assert str(tmp_path) in found["speech"].text
    found = await gather(machine.check_speech(make_settings(speech_engine="whisper-timestamped")))
    assert "is not installed" in found["speech"].text
    found = await gather(machine.check_speech(make_settings(speech_engine="beats")))
    assert found["speech"].level == Level.OK


async def test_music_is_asked_for_where_there_is_a_key() -> None:
    settings = make_settings(music_provider="fal", music_fallback="replicate,local", fal_key="hidden")
    found = await gather(machine.check_music(settings))
    assert found["music"].text == "asked in this order: fal, local"
    found = await gather(machine.check_settings(make_settings(music_provider="replicate", fal_key="hidden")))
    assert found["settings"].text == "MUSIC_PROVIDER is replicate, so REPLICATE_API_TOKEN must be set"


def test_no_secret_is_shown() -> None:
    settings = make_settings(
        secret_key="hidden" * 8,
        database_url="postgresql://someone:hidden@db.example/libretto?sslmode=require",
        redis_url="rediss://:hidden@cache.example:6380/0",
        blob_store_url="s3://bucket?endpoint=https://s3.example&secret_key=hidden",
    )
    shown = dict(describe_settings(settings))
    assert "hidden" not in str(shown)
    assert shown["database_url"] == "postgresql://someone:…@db.example/libretto?sslmode=require"
    assert redact("unix:///run/valkey.sock?db=0") == "unix:///run/valkey.sock?db=0"
