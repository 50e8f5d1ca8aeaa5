"""Checks of this machine: its Python, its settings, its disk, its port, and whether it can make media."""

import asyncio
import platform
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import av
import httpx

from jobs.engines.covers import CROPS, CoverPlan
from jobs.engines.music.singing.speech import find_library
from jobs.engines.run import (
    EngineDied,
    EngineFailed,
    EngineRefused,
    EngineStalled,
    Limits,
    cool_down,
    run_engine,
    warm_up,
)
from jobs.engines.tracks import make_cover
from jobs.lyrics.models import find_model
from server.doctor.findings import Finding, fail, ok, warn
from server.operations.trusted import ManifestUnusable, open_library
from server.settings import Settings, problems_of

PYTHONS = ((3, 11), (3, 14))  # from, to below
ENOUGH_DISK_BYTES = 2 << 30
ENCODERS = ("libx264", "aac")
PLAN = CoverPlan(style_seed=1, track_seed=2, visual_version=3, title="Libretto")
ENGINE_SECONDS = 30
ENGINE_FILE_BYTES = 64 << 20
HEALTH_SECONDS = 2.0


async def check_python(_settings: Settings) -> AsyncIterator[Finding]:
    """The interpreter that runs us."""
    version = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    lowest, beyond = PYTHONS
    if lowest <= sys.version_info[:2] < beyond:
        yield ok("Python", version)
    else:
        yield fail("Python", version, f"Use Python {lowest[0]}.{lowest[1]} to {beyond[0]}.{beyond[1] - 1}.")


async def check_settings(settings: Settings) -> AsyncIterator[Finding]:
    """What would keep a process from booting."""
    problems = problems_of(settings)
    for problem in problems:
        yield fail("settings", problem, "Set it in the environment or in `.env`.")
    if not problems:
        yield ok("settings", f"usable for the profile {settings.libretto_profile}")


async def check_documents(settings: Settings) -> AsyncIterator[Finding]:
    """The manifest of trusted documents, for whoever has one."""
    if not settings.trusted_documents:
        return
    try:
        open_library(settings)
    except ManifestUnusable as error:
        yield fail("documents", error.message, "Build the clients against this schema and deploy what they emit.")
    else:
        yield ok("documents", f"those of {settings.trusted_documents} run here; mode {settings.trusted_documents_mode}")


async def check_music(settings: Settings) -> AsyncIterator[Finding]:
    """Who makes the music; whether a key is right, only a song can tell."""
    yield ok("music", f"asked in this order: {', '.join(settings.music_order) or 'nobody'}")


async def check_singing(_settings: Settings) -> AsyncIterator[Finding]:
    """Whether our own composer can sing words; without the extra it has a voice that resembles them."""
    if find_library() is None:
        advice = "Install the extra `sing`, whose licence is the GPL: `pip install espeakng-loader`."
        yield warn("singing", "espeak-ng is not installed: vocals only resemble words", advice)
    else:
        yield ok("singing", "espeak-ng is installed: vocals sing their words")


async def check_speech(settings: Settings) -> AsyncIterator[Finding]:
    """What finds the times of words; only workers of the queue `speech` need it."""
    engine, extra = settings.speech_engine, "whisper" if settings.speech_engine == "whisper-timestamped" else "speech"
    library = {"speech": "faster_whisper", "whisper": "whisper_timestamped"}[extra]
    if engine == "beats":
        yield ok("speech", "words are laid on the beat, as the settings say")
    elif find_spec(library) is None:
        yield warn("speech", f"{library} is not installed", f"Install the extra `{extra}`, or set SPEECH_ENGINE=beats.")
    elif (model := find_model(settings)) is None and not settings.speech_download:
        advice = "Set SPEECH_MODEL to the folder of a model, or SPEECH_DOWNLOAD=true to fetch one."
        yield warn("speech", f"the speech model {settings.speech_model!r} is not here", advice)
    else:
        yield ok("speech", f"{library} with the model {model or settings.speech_model}")


async def check_home(settings: Settings) -> AsyncIterator[Finding]:
    """The folder that everything embedded lives in."""
    home = settings.libretto_home
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home) as probe:
            probe.write(b"libretto")
    except OSError as error:
        yield fail("home", f"{home} cannot be written: {error.strerror}", "Set LIBRETTO_HOME to a folder of yours.")
        return
    yield ok("home", str(home))
    free_bytes = shutil.disk_usage(home).free
    free = f"{free_bytes / 2**30:.1f} GB free"
    if free_bytes < ENOUGH_DISK_BYTES:
        yield warn("disk", free, f"Make room: below {ENOUGH_DISK_BYTES >> 30} GB a busy day may fill it.")
    else:
        yield ok("disk", free)


async def check_port(settings: Settings) -> AsyncIterator[Finding]:
    """The address that the API listens on: free, or ours already."""
    place = f"{settings.host}:{settings.port}"
    if _can_listen(settings.host, settings.port):
        yield ok("port", f"{place} is free")
    elif await _is_alive(_own_url(settings)):
        yield ok("port", f"Libretto answers at {place}")
    else:
        yield fail("port", f"{place} is taken by something else", "Set PORT to a free one, or stop what listens there.")


async def check_ffmpeg(_settings: Settings) -> AsyncIterator[Finding]:
    """FFmpeg as PyAV brings it along."""
    version = f"{av.ffmpeg_version_info} in PyAV {av.__version__}"
    missing = [name for name in ENCODERS if not _can_encode(name)]
    if missing:
        advice = "Install PyAV from its own wheel; a build of it against the system's FFmpeg may lack encoders."
        yield fail("FFmpeg", f"{version}, without {', '.join(missing)}", advice)
    else:
        yield ok("FFmpeg", f"{version}, with {' and '.join(ENCODERS)}")


async def check_engine(settings: Settings) -> AsyncIterator[Finding]:
    """A child process with limits, as each media job gets one: it draws a cover."""
    limits = Limits(
        memory_bytes=settings.engine_memory_mb << 20,
        cpu_seconds=ENGINE_SECONDS,
        file_bytes=ENGINE_FILE_BYTES,
        stall_seconds=ENGINE_SECONDS,
        wall_seconds=ENGINE_SECONDS,
    )
    began = time.perf_counter()
    try:
        crops = await asyncio.to_thread(_draw, limits)
    except (EngineDied, EngineFailed, EngineRefused, EngineStalled, OSError) as error:
        why = error.trace.strip().splitlines()[-1] if isinstance(error, EngineFailed) else str(error)
        advice = "Give it more ENGINE_MEMORY_MB; in a container, allow more processes and memory."
        yield fail("engine", f"{type(error).__name__}: {why}", advice)
        return
    elapsed_seconds = time.perf_counter() - began
    if crops != set(CROPS):
        yield fail("engine", f"it drew {sorted(crops)} only", "Reinstall Libretto: a part of it is missing.")
    else:
        text = f"a child process with {settings.engine_memory_mb} MB drew a cover in {elapsed_seconds:.1f} s"
        yield ok("engine", text)


async def is_api_running(settings: Settings) -> bool:
    """Whether a Libretto answers on this machine, or where the world finds it."""
    return await _is_alive(_own_url(settings)) or (bool(settings.public_url) and await _is_alive(settings.base_url))


async def _is_alive(url: str) -> bool:
    try:
        async with httpx.AsyncClient(timeout=HEALTH_SECONDS) as client:
            answer = await client.get(f"{url}/healthz")
            return answer.status_code == 200 and answer.json() == {"status": "ok"}
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return False


def _own_url(settings: Settings) -> str:
    return f"http://{_reachable(settings.host)}:{settings.port}"


def _reachable(host: str) -> str:
    if host in ("0.0.0.0", "::", ""):  # noqa: S104 - what to dial when somebody else listens on all addresses
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _can_listen(host: str, port: int) -> bool:
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            return True
    except OSError:
        return False


def _can_encode(name: str) -> bool:
    try:
        return av.Codec(name, "w").is_encoder
    except av.codec.codec.UnknownCodecError:
        return False


def _draw(limits: Limits) -> set[str]:
    with tempfile.TemporaryDirectory() as folder:
        warm_up()
        try:
            made = run_engine(make_cover, PLAN, Path(folder), report=lambda _fraction, _stage: None, limits=limits)
            return {name for name, path in made.crops.items() if path.stat().st_size > 0}
        finally:
            cool_down()
