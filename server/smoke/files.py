"""Are the files that a track links to really there, whole, and what they say they are?"""

import asyncio
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import av

from server.smoke.breakage import Broken
from server.smoke.client import Answer, Client, shorten
from server.smoke.sounds import CODECS, Sound, listen

DURATION_TOLERANCE_SECONDS = 0.2
SILENCE_DBFS = -40.0
RANGE_START, RANGE_BYTES = 100, 200
MAGIC_NUMBERS = {
    "audio/midi": (b"MThd",),
    "audio/wav": (b"RIFF",),
    "audio/flac": (b"fLaC",),
    "application/json": (b"{", b"["),
}
PNG, SVG = (b"\x89PNG\r\n\x1a\n",), (b"<svg", b"<?xml")


async def check_audio(client: Client, audio: Answer, seconds: float) -> str:
    """Fetch the mix in every way that players do, and listen to it."""
    url, size_bytes = audio["url"], int(audio["sizeBytes"])
    if not _is_signed_for_get_only(url):
        head = await client.fetch(url, method="HEAD", expected=200)
        if head.headers.get("content-length") != str(size_bytes):
            raise Broken(f"HEAD to say {size_bytes} bytes", head.headers.get("content-length"))
    content = (await client.fetch(url, expected=200)).content
    if len(content) != size_bytes:
        raise Broken(f"the {size_bytes} bytes of `sizeBytes`", f"{len(content)} bytes")
    await _check_range(client, url, content)
    await client.fetch(with_altered_signature(url), expected=403)
    sound = await _listen(content)
    _check_sound(sound, audio["mimeType"], seconds)
    return f"{size_bytes / 1e6:.2f} MB, {sound.codec}, {sound.duration_seconds:.2f} s, {sound.rms_dbfs:.1f} dBFS"


async def check_rest(client: Client, track: Answer) -> str:
    """Fetch everything else that was made, and look at how each file begins."""
    assets = [asset for asset in (track["master"], track["peaks"], track["midi"], *track["stems"]) if asset]
    wanted: list[tuple[str, tuple[bytes, ...], int | None]] = [
        (asset["url"], MAGIC_NUMBERS.get(asset["mimeType"], ()), int(asset["sizeBytes"])) for asset in assets
    ]
    wanted += [(track["cover"]["svgUrl"], SVG, None), (track["cover"]["pngUrl"], PNG, None)]
    sizes_bytes = [await _fetch_file(client, *one) for one in wanted]
    return f"{len(wanted)} files, {sum(sizes_bytes) / 1e6:.1f} MB"


def with_altered_signature(url: str) -> str:
    """The same link, had somebody tried to guess it."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    name = next((name for name in query if name.lower().endswith("signature")), None)
    if name is None or not query[name]:
        raise Broken("a signed link", shorten(url))
    first = query[name][0]
    query[name] = ("a" if first != "a" else "b") + query[name][1:]
    return urlunsplit(parts._replace(query=urlencode(query)))


def _is_signed_for_get_only(url: str) -> bool:
    return "x-amz-signature" in url.lower()  # S3 wants another signature for HEAD


async def _check_range(client: Client, url: str, content: bytes) -> None:
    end = RANGE_START + RANGE_BYTES
    answer = await client.fetch(url, expected=206, headers={"Range": f"bytes={RANGE_START}-{end - 1}"})
    wanted = f"bytes {RANGE_START}-{end - 1}/{len(content)}"
    said: Any = answer.headers.get("content-range")
    if said != wanted:
        raise Broken(f"Content-Range: {wanted}", said)
    if answer.content != content[RANGE_START:end]:
        raise Broken(f"the bytes {RANGE_START} to {end - 1}", f"{len(answer.content)} other bytes")


async def _listen(content: bytes) -> Sound:
    try:
        return await asyncio.to_thread(listen, content)
    except (av.FFmpegError, ValueError) as error:
        raise Broken("an audio file", f"{type(error).__name__}: {error}") from error


def _check_sound(sound: Sound, mime_type: str, seconds: float) -> None:
    codecs = CODECS.get(mime_type, ())
    if sound.codec not in codecs:
        raise Broken(f"{' or '.join(codecs) or 'a kind that we know'} for {mime_type}", sound.codec)
    if sound.channels != 2:
        raise Broken("stereo", f"{sound.channels} channels")
    if abs(sound.duration_seconds - seconds) > DURATION_TOLERANCE_SECONDS:
        raise Broken(f"{seconds:g} s of music", f"{sound.duration_seconds:.2f} s")
    if sound.rms_dbfs < SILENCE_DBFS:
        raise Broken(f"music above {SILENCE_DBFS:.0f} dBFS", f"{sound.rms_dbfs:.1f} dBFS")


async def _fetch_file(client: Client, url: str | None, magic_numbers: tuple[bytes, ...], size_bytes: int | None) -> int:
    if not url:
        raise Broken("a link to every file", "null")
    content = (await client.fetch(url, expected=200)).content
    if size_bytes is not None and len(content) != size_bytes:
        raise Broken(f"{size_bytes} bytes at {shorten(url)}", f"{len(content)} bytes")
    if not content or (magic_numbers and not content.lstrip().startswith(magic_numbers)):
        raise Broken(f"{magic_numbers[0] if magic_numbers else 'something'!r} first in {shorten(url)}", content[:40])
    return len(content)
